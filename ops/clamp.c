#include "ops/ops.h"
#include "shaders/clamp_params.h"
#include "shaders/q8_clamp_params.h"

#include <math.h>

/* ---------------------------------------------------------------------------------------------------------- floats */

typedef struct clamp_args {
    uint32_t x;
    float low, high; /* NAN: no bound */
    uint32_t y;
} clamp_args;

static const vkd_param clamp_parameters[] = {
    VKD_TENSOR(clamp_args, x),
    VKD_OPTIONAL_FLOAT(clamp_args, low),
    VKD_OPTIONAL_FLOAT(clamp_args, high),
    VKD_OUTPUT(clamp_args, y),
    VKD_PARAMS_END,
};

static const vkd_param relu_parameters[] = {
    VKD_TENSOR(clamp_args, x),
    VKD_OUTPUT(clamp_args, y),
    VKD_PARAMS_END,
};

static vkd_status lower_floats(vkd_lowering *lowering, const clamp_args *args)
{
    vkd_tensor_id x, y;
    const vkd_model_tensor *shape = vkd_value_tensor(lowering, args->x);
    VKD_TRY(vkd_op_check_dims(lowering, args->y, shape->rank, shape->dims));
    VKD_TRY(vkd_op_output(lowering, args->y, VKD_DTYPE_FLOAT32, &y));
    VKD_TRY(vkd_op_input(lowering, args->x, VKD_DTYPE_FLOAT32, lowering->graph->tensors[y].layout, &x));

    clamp_params params = {
        .groups = vkd_tensor_groups(&lowering->graph->tensors[y]),
        .low = isnan(args->low) ? -INFINITY : args->low,
        .high = isnan(args->high) ? INFINITY : args->high,
    };
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_CLAMP, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.groups);
    vkd_node_read(&node, x);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, x, y);
}

vkd_status vkd_lower_clamp(vkd_lowering *lowering)
{
    clamp_args args;
    VKD_TRY(vkd_op_args(lowering, clamp_parameters, &args));
    return lower_floats(lowering, &args);
}

vkd_status vkd_lower_relu(vkd_lowering *lowering)
{
    clamp_args args = {.low = 0, .high = NAN};
    VKD_TRY(vkd_op_args(lowering, relu_parameters, &args));
    return lower_floats(lowering, &args);
}

/* ------------------------------------------------------------------------------------------------------------ int8 */

typedef struct q8_clamp_args {
    uint32_t x;
    int32_t low, high;
    uint32_t y;
} q8_clamp_args;

static const vkd_param q8_clamp_parameters[] = {
    VKD_TENSOR(q8_clamp_args, x),
    VKD_INT(q8_clamp_args, low),
    VKD_INT(q8_clamp_args, high),
    VKD_OUTPUT(q8_clamp_args, y),
    VKD_PARAMS_END,
};

vkd_status vkd_lower_q8_clamp(vkd_lowering *lowering)
{
    q8_clamp_args args;
    vkd_tensor_id x, y;
    VKD_TRY(vkd_op_args(lowering, q8_clamp_parameters, &args));
    const vkd_model_tensor *shape = vkd_value_tensor(lowering, args.x);
    VKD_TRY(vkd_op_check_dims(lowering, args.y, shape->rank, shape->dims));
    VKD_TRY(vkd_op_output(lowering, args.y, VKD_DTYPE_INT8, &y));
    VKD_TRY(vkd_op_input(lowering, args.x, VKD_DTYPE_INT8, lowering->graph->tensors[y].layout, &x));

    q8_clamp_params params = {
        .quads = (uint32_t)vkd_divide_up(vkd_tensor_groups(&lowering->graph->tensors[y]), 4),
        .low = args.low,
        .high = args.high,
    };
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_Q8_CLAMP, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.quads);
    vkd_node_read(&node, x);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, x, y);
}
