/* ReLU from int8 to int8. */
#include "ops/tables.h"
#include "ops/requantize.h"
#include "shaders/q8ta_relu_params.h"

typedef struct relu_args {
    uint32_t x, y;
    float x_scale;
    int32_t x_zero;
    float y_scale;
    int32_t y_zero;
} relu_args;

static const vkd_param relu_parameters[] = {
    VKD_TENSOR(relu_args, x, input),
    VKD_FLOAT(relu_args, x_scale, input_scale),
    VKD_INT(relu_args, x_zero, input_zero_point),
    VKD_FLOAT(relu_args, y_scale, output_scale),
    VKD_INT(relu_args, y_zero, output_zero_point),
    VKD_OUTPUT(relu_args, y, out),
    VKD_PARAMS_END,
};

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const relu_args *args = arguments;
    const vkd_layout layout = vkd_op_image_layout(vkd_value_tensor(lowering, args->x));
    vkd_tensor_id x, y;
    VKD_TRY(vkd_check_qparams(lowering, &args->x_scale, &args->x_zero));
    VKD_TRY(vkd_check_qparams(lowering, &args->y_scale, &args->y_zero));
    VKD_TRY(vkd_op_input(lowering, args->x, VKD_DTYPE_INT8, layout, &x));
    VKD_TRY(vkd_op_output_in(lowering, args->y, VKD_DTYPE_INT8, layout, &y));

    uint32_t quads = (uint32_t)vkd_divide_up(vkd_tensor_groups(&lowering->graph->tensors[y]), 4);
    q8ta_relu_params params = {
        .quads = quads,
        .x_scale = args->x_scale,
        .x_zero = (float)args->x_zero,
        .y_inverse_scale = vkd_inverse_scale(args->y_scale),
        .y_zero = args->y_zero,
    };
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_Q8TA_RELU, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, quads);
    vkd_node_read(&node, x);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, x, y);
}

static const vkd_op rows[] = {
    {"et_vk.q8ta_relu.default", relu_parameters, sizeof(relu_args), vkd_shape_same, lower},
};

const vkd_op_table vkd_q8_relu_ops = VKD_OP_TABLE(rows);
