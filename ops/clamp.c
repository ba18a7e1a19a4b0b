/* Clamps of float tensors by bounds, and of int8 tensors where a rewrite rule made one of them. */
#include "graph/operators.h"
#include "ops/tables.h"
#include "shaders/clamp_params.h"
#include "shaders/q8_clamp_params.h"

#include <math.h>

static const vkd_param clamp_parameters[] = {
    VKD_TENSOR(clamp_args, x),
    VKD_OPTIONAL_NUMBER(clamp_args, low),
    VKD_OPTIONAL_NUMBER(clamp_args, high),
    VKD_OUTPUT(clamp_args, y),
    VKD_PARAMS_END,
};

static const vkd_param relu_parameters[] = {
    VKD_TENSOR(clamp_args, x),
    VKD_OUTPUT(clamp_args, y),
    VKD_PARAMS_END,
};
static const clamp_args relu_bounds = {.low = {.kind = VKD_NUMBER_INT}};

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const clamp_args *args = arguments;
    return vkd_shape_set_as(shaping, args->y, args->x);
}

static float bound(const vkd_number *number, float unbounded)
{
    return number->kind == VKD_NUMBER_NULL ? unbounded : (float)number->real;
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const clamp_args *args = arguments;
    vkd_tensor_id x, y;
    VKD_TRY(vkd_op_output(lowering, args->y, VKD_DTYPE_FLOAT32, &y));
    VKD_TRY(vkd_op_input(lowering, args->x, VKD_DTYPE_FLOAT32, lowering->graph->tensors[y].layout, &x));

    clamp_params params = {
        .groups = vkd_tensor_groups(&lowering->graph->tensors[y]),
        .low = bound(&args->low, -INFINITY),
        .high = bound(&args->high, INFINITY),
    };
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_CLAMP, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.groups);
    vkd_node_read(&node, x);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, x, y);
}

/* ------------------------------------------------------------------------------------------------------------ int8 */

static const vkd_param q8_clamp_parameters[] = {
    VKD_TENSOR(q8_clamp_args, x),
    VKD_INT(q8_clamp_args, low),
    VKD_INT(q8_clamp_args, high),
    VKD_OUTPUT(q8_clamp_args, y),
    VKD_PARAMS_END,
};

static vkd_status q8_shape(vkd_shaping *shaping, const void *arguments)
{
    const q8_clamp_args *args = arguments;
    return vkd_shape_set_as(shaping, args->y, args->x);
}

static vkd_status lower_q8(vkd_lowering *lowering, const void *arguments)
{
    const q8_clamp_args *args = arguments;
    vkd_tensor_id x, y;
    VKD_TRY(vkd_op_output(lowering, args->y, VKD_DTYPE_INT8, &y));
    VKD_TRY(vkd_op_input(lowering, args->x, VKD_DTYPE_INT8, lowering->graph->tensors[y].layout, &x));

    q8_clamp_params params = {
        .quads = (uint32_t)vkd_divide_up(vkd_tensor_groups(&lowering->graph->tensors[y]), 4),
        .low = args->low,
        .high = args->high,
    };
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_Q8_CLAMP, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.quads);
    vkd_node_read(&node, x);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, x, y);
}

static const vkd_op rows[] = {
    {"aten.hardtanh.default", clamp_parameters, sizeof(clamp_args), shape, lower, .kind = VKD_OP_CLAMP},
    {"aten.clamp.default", clamp_parameters, sizeof(clamp_args), shape, lower, .kind = VKD_OP_CLAMP},
    {"aten.relu.default", relu_parameters, sizeof(clamp_args), shape, lower, .kind = VKD_OP_CLAMP, .defaults = &relu_bounds},
    {"vkd.q8_clamp", q8_clamp_parameters, sizeof(q8_clamp_args), q8_shape, lower_q8, .kind = VKD_OP_Q8_CLAMP,
     .internal = true},
};

const vkd_op_table vkd_clamp_ops = VKD_OP_TABLE(rows);
