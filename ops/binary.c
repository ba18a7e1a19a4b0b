#include "ops/ops.h"
#include "ops/requantize.h"
#include "shaders/q8ta_add_params.h"

typedef struct add_args {
    uint32_t a, b;
    float a_scale;
    int32_t a_zero;
    float b_scale;
    int32_t b_zero;
    float y_scale;
    int32_t y_zero;
    float alpha;
    uint32_t y;
} add_args;

static const vkd_param add_parameters[] = {
    VKD_TENSOR(add_args, a),
    VKD_TENSOR(add_args, b),
    VKD_FLOAT(add_args, a_scale),
    VKD_INT(add_args, a_zero),
    VKD_FLOAT(add_args, b_scale),
    VKD_INT(add_args, b_zero),
    VKD_FLOAT(add_args, y_scale),
    VKD_INT(add_args, y_zero),
    VKD_FLOAT(add_args, alpha),
    VKD_OUTPUT(add_args, y),
    VKD_PARAMS_END,
};

static vkd_status check_shapes(vkd_lowering *lowering, const add_args *args)
{
    const vkd_model_tensor *a = vkd_value_tensor(lowering, args->a), *b = vkd_value_tensor(lowering, args->b);
    bool same = a->rank == b->rank;
    for (uint32_t i = 0; same && i < a->rank; i++)
        same = a->dims[i] == b->dims[i];
    if (!same) {
        vkd_arena *arena = lowering->graph->arena;
        const char *left = vkd_dims_text(arena, a->rank, a->dims), *right = vkd_dims_text(arena, b->rank, b->dims);
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "the sum of %s and %s: both must have the same shape", left ? left : "?",
                           right ? right : "?");
    }
    return vkd_op_check_dims(lowering, args->y, a->rank, a->dims);
}

vkd_status vkd_lower_q8ta_add(vkd_lowering *lowering)
{
    add_args args;
    vkd_tensor_id a, b, y;
    VKD_TRY(vkd_op_args(lowering, add_parameters, &args));
    VKD_TRY(vkd_check_qparams(lowering, "first operand's", args.a_scale, args.a_zero));
    VKD_TRY(vkd_check_qparams(lowering, "second operand's", args.b_scale, args.b_zero));
    VKD_TRY(vkd_check_qparams(lowering, "output", args.y_scale, args.y_zero));
    VKD_TRY(check_shapes(lowering, &args));
    VKD_TRY(vkd_op_input(lowering, args.a, VKD_DTYPE_INT8, VKD_4C, &a));
    VKD_TRY(vkd_op_input(lowering, args.b, VKD_DTYPE_INT8, VKD_4C, &b));
    VKD_TRY(vkd_op_output_4c(lowering, args.y, VKD_DTYPE_INT8, &y));

    /* A tensor's memory is a multiple of 16 bytes, so that the last quad lies within it. */
    uint32_t quads = (uint32_t)vkd_divide_up(vkd_tensor_groups(&lowering->graph->tensors[y]), 4);
    q8ta_add_params params = {
        .quads = quads,
        .a_scale = args.a_scale,
        .a_zero = (float)args.a_zero,
        .b_scale = args.b_scale,
        .b_zero = (float)args.b_zero,
        .alpha = args.alpha,
        .y_inverse_scale = vkd_inverse_scale(args.y_scale),
        .y_zero = args.y_zero,
    };
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_Q8TA_ADD, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, quads);
    vkd_node_read(&node, a);
    vkd_node_read(&node, b);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, a, y);
}
