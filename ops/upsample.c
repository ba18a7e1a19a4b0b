#include "graph/operators.h"
#include "ops/tables.h"
#include "shaders/upsample_nearest_params.h"

#include <math.h>

static const vkd_param upsample_parameters[] = {
    VKD_TENSOR(upsample_args, x),
    VKD_SIZES(upsample_args, size),
    VKD_FLOATS_OR_NULL(upsample_args, factors, 2),
    VKD_OUTPUT(upsample_args, y),
    VKD_PARAMS_END,
};

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const upsample_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    if (x->rank != 4)
        return vkd_shape_fail(shaping, VKD_INVALID_MODEL, "the input has rank %u, expected 4", x->rank);
    if (args->size.count && args->size.count != 2)
        return vkd_shape_fail(shaping, VKD_INVALID_MODEL, "an output of %zu sizes, expected 2", args->size.count);
    uint32_t dims[4] = {x->dims[0], x->dims[1]};
    for (uint32_t i = 0; i < 2; i++) {
        double size = args->size.count ? (double)vkd_shape_number(shaping, args->size.items[i])
                                       : floor((double)x->dims[2 + i] * (double)args->factors[i]);
        if (!(size >= 1 && size <= INT32_MAX))
            return vkd_shape_fail(shaping, VKD_INVALID_MODEL, "an output of %g pixels", size);
        dims[2 + i] = (uint32_t)size;
    }
    return vkd_shape_set(shaping, args->y, 4, dims);
}

/* The integers by which the output is larger than the input, h and w. */
static vkd_status find_factors(vkd_lowering *lowering, const upsample_args *args, uint32_t out[2])
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x), *y = vkd_value_tensor(lowering, args->y);
    for (int i = 0; i < 2; i++) {
        uint32_t from = x->dims[2 + i], to = y->dims[2 + i];
        out[i] = to / from;
        if (to % from || (args->factors[i] != 0 && args->factors[i] != (float)out[i]))
            return vkd_op_fail(lowering, VKD_UNSUPPORTED, "%u pixels become %u with a factor of %g: integers are supported",
                               from, to, (double)(args->factors[i] != 0 ? args->factors[i] : (float)to / (float)from));
    }
    return VKD_OK;
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const upsample_args *args = arguments;
    uint32_t factors[2];
    vkd_tensor_id x_id, y_id;
    VKD_TRY(find_factors(lowering, args, factors));
    vkd_dtype dtype = vkd_value_tensor(lowering, args->x)->dtype == VKD_DTYPE_INT8 ? VKD_DTYPE_INT8 : VKD_DTYPE_FLOAT32;
    VKD_TRY(vkd_op_input(lowering, args->x, dtype, VKD_4C, &x_id));
    VKD_TRY(vkd_op_output_4c(lowering, args->y, dtype, &y_id));

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

static const vkd_op rows[] = {
    {"aten.upsample_nearest2d.vec", upsample_parameters, sizeof(upsample_args), shape, lower, .kind = VKD_OP_UPSAMPLE_NEAREST},
};

const vkd_op_table vkd_upsample_ops = VKD_OP_TABLE(rows);
