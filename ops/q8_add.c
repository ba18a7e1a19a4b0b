#include "graph/operators.h"
#include "ops/tables.h"
#include "ops/requantize.h"
#include "shaders/q8ta_add_params.h"

#include <string.h>

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

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const add_args *args = arguments;
    const vkd_model_tensor *a = vkd_shape_of(shaping, args->a), *b = vkd_shape_of(shaping, args->b);
    if (a->rank != b->rank || memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0])) {
        char left[VKD_DIMS_TEXT], right[VKD_DIMS_TEXT];
        return vkd_shape_fail(shaping, VKD_UNSUPPORTED, "the sum of %s and %s: both must have the same shape",
                              vkd_dims_format(a->rank, a->dims, left), vkd_dims_format(b->rank, b->dims, right));
    }
    return vkd_shape_set_as(shaping, args->y, args->a);
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const add_args *args = arguments;
    vkd_tensor_id a, b, y;
    VKD_TRY(vkd_check_qparams(lowering, "first operand's", args->a_scale, args->a_zero));
    VKD_TRY(vkd_check_qparams(lowering, "second operand's", args->b_scale, args->b_zero));
    VKD_TRY(vkd_check_qparams(lowering, "output", args->y_scale, args->y_zero));
    VKD_TRY(vkd_op_input(lowering, args->a, VKD_DTYPE_INT8, VKD_4C, &a));
    VKD_TRY(vkd_op_input(lowering, args->b, VKD_DTYPE_INT8, VKD_4C, &b));
    VKD_TRY(vkd_op_output_4c(lowering, args->y, VKD_DTYPE_INT8, &y));

    /* A tensor's memory is a multiple of 16 bytes, so that the last quad lies within it. */
    uint32_t quads = (uint32_t)vkd_divide_up(vkd_tensor_groups(&lowering->graph->tensors[y]), 4);
    q8ta_add_params params = {
        .quads = quads,
        .a_scale = args->a_scale,
        .a_zero = (float)args->a_zero,
        .b_scale = args->b_scale,
        .b_zero = (float)args->b_zero,
        .alpha = args->alpha,
        .y_inverse_scale = vkd_inverse_scale(args->y_scale),
        .y_zero = args->y_zero,
    };
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_Q8TA_ADD, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, quads);
    vkd_node_read(&node, a);
    vkd_node_read(&node, b);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, a, y);
}

static const vkd_op rows[] = {
    {"et_vk.q8ta_add.default", add_parameters, sizeof(add_args), shape, lower, .kind = VKD_OP_Q8_ADD},
};

const vkd_op_table vkd_q8_add_ops = VKD_OP_TABLE(rows);
