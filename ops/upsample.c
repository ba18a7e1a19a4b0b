#include "ops/ops.h"
#include "shaders/upsample_nearest_params.h"

typedef struct upsample_args {
    uint32_t x;
    float factors[2]; /* h, w; 0: by the output's size */
    uint32_t y;
} upsample_args;

static const vkd_param upsample_parameters[] = {
    VKD_TENSOR(upsample_args, x),
    VKD_IGNORED("output_size"), /* the output has it */
    VKD_FLOATS_OR_NULL(upsample_args, factors, 2),
    VKD_OUTPUT(upsample_args, y),
    VKD_PARAMS_END,
};

/* The integers by which the output is larger than the input, h and w. */
static vkd_status find_factors(vkd_lowering *lowering, const upsample_args *args, uint32_t out[2])
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x), *y = vkd_value_tensor(lowering, args->y);
    if (x->rank != 4 || y->rank != 4 || x->dims[0] != y->dims[0] || x->dims[1] != y->dims[1])
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "input and output are not images of the same number and channels");
    for (int i = 0; i < 2; i++) {
        uint32_t from = x->dims[2 + i], to = y->dims[2 + i];
        out[i] = to / from;
        if (to % from || (args->factors[i] != 0 && args->factors[i] != (float)out[i]))
            return vkd_op_fail(lowering, VKD_UNSUPPORTED, "%u pixels become %u with a factor of %g: integers are supported",
                               from, to, (double)(args->factors[i] != 0 ? args->factors[i] : (float)to / (float)from));
    }
    return VKD_OK;
}

vkd_status vkd_lower_upsample_nearest2d(vkd_lowering *lowering)
{
    upsample_args args;
    uint32_t factors[2];
    vkd_tensor_id x_id, y_id;
    VKD_TRY(vkd_op_args(lowering, upsample_parameters, &args));
    VKD_TRY(find_factors(lowering, &args, factors));
    vkd_dtype dtype = vkd_value_tensor(lowering, args.x)->dtype == VKD_DTYPE_INT8 ? VKD_DTYPE_INT8 : VKD_DTYPE_FLOAT32;
    VKD_TRY(vkd_op_input(lowering, args.x, dtype, VKD_4C, &x_id));
    VKD_TRY(vkd_op_output_4c(lowering, args.y, dtype, &y_id));

    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    uint32_t size = (uint32_t)vkd_dtype_size(dtype);
    upsample_nearest_params params = {.words = vkd_tensor_groups(y) * size};
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_UPSAMPLE_NEAREST, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.words);
    vkd_node_read(&node, x_id);
    vkd_node_write(&node, y_id);
    vkd_node_spec(&node, (uint32_t)vkd_divide_up(y->c, 4) * size);
    vkd_node_spec(&node, factors[0]);
    vkd_node_spec(&node, factors[1]);
    vkd_node_spec(&node, x->w);
    return vkd_op_add_node(lowering, &node, x_id, y_id);
}
