/* The sum of two int8 images: et_vk.q8ta_add and its spellings. */
#include "graph/operators.h"
#include "ops/tables.h"
#include "ops/requantize.h"
#include "shaders/q8ta_add_params.h"

#include <string.h>

static const vkd_param add_parameters[] = {
    VKD_TENSOR(add_args, a, input_a),
    VKD_TENSOR(add_args, b, input_b),
    VKD_FLOAT(add_args, a_scale, input_a_scale),
    VKD_INT(add_args, a_zero, input_a_zero_point),
    VKD_FLOAT(add_args, b_scale, input_b_scale),
    VKD_INT(add_args, b_zero, input_b_zero_point),
    VKD_FLOAT(add_args, y_scale, output_scale),
    VKD_INT(add_args, y_zero, output_zero_point),
    VKD_FLOAT(add_args, alpha),
    VKD_OUTPUT(add_args, y, out),
    VKD_PARAMS_END,
};

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const add_args *args = arguments;
    vkd_shape y;
    VKD_TRY(vkd_shape_broadcast(shaping, (const uint32_t[]){args->a, args->b}, 2, &y));
    return vkd_shape_set(shaping, args->y, y.rank, y.dims);
}

/* An operand under y's dims and as y lies: the kernel adds what is at the same places. */
static vkd_status operand(vkd_lowering *lowering, uint32_t value, const vkd_model_tensor *y,
                          vkd_tensor_id *out)
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, value);
    const vkd_layout layout = vkd_op_image_layout(y);
    vkd_view view;
    if (x->dtype != VKD_DTYPE_INT8 ||
        (x->rank == y->rank && !memcmp(x->dims, y->dims, y->rank * sizeof *y->dims)))
        return vkd_op_input(lowering, value, VKD_DTYPE_INT8, layout, out);
    VKD_TRY(vkd_op_view(lowering, value, &view));
    vkd_view_broadcast(&view, y->rank, y->dims);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, layout,
                                 y->rank, y->dims, out));
    return vkd_op_move(lowering, &view, *out);
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const add_args *args = arguments;
    vkd_tensor_id a, b, y;
    VKD_TRY(vkd_check_qparams(lowering, &args->a_scale, &args->a_zero));
    VKD_TRY(vkd_check_qparams(lowering, &args->b_scale, &args->b_zero));
    VKD_TRY(vkd_check_qparams(lowering, &args->y_scale, &args->y_zero));
    VKD_TRY(operand(lowering, args->a, vkd_value_tensor(lowering, args->y), &a));
    VKD_TRY(operand(lowering, args->b, vkd_value_tensor(lowering, args->y), &b));
    VKD_TRY(vkd_op_output_in(lowering, args->y, VKD_DTYPE_INT8,
                             vkd_op_image_layout(vkd_value_tensor(lowering, args->y)), &y));

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
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_Q8TA_ADD, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, quads);
    vkd_node_read(&node, a);
    vkd_node_read(&node, b);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, a, y);
}

/* The same between delegates, with the ranges of all three. */
typedef struct ranged_args {
    add_args add;
    int32_t low[3], high[3]; /* of a, b and y */
} ranged_args;
static const ranged_args plain_sum = {.add.alpha = 1};

static const vkd_param ranged_parameters[] = {
    VKD_TENSOR(ranged_args, add.a, a),
    VKD_FLOAT(ranged_args, add.a_scale, a_scale),
    VKD_INT(ranged_args, add.a_zero, a_zero_point),
    VKD_INT(ranged_args, low[0], a_quant_min),
    VKD_INT(ranged_args, high[0], a_quant_max),
    VKD_TENSOR(ranged_args, add.b, b),
    VKD_FLOAT(ranged_args, add.b_scale, b_scale),
    VKD_INT(ranged_args, add.b_zero, b_zero_point),
    VKD_INT(ranged_args, low[1], b_quant_min),
    VKD_INT(ranged_args, high[1], b_quant_max),
    VKD_FLOAT(ranged_args, add.y_scale, out_scale),
    VKD_INT(ranged_args, add.y_zero, out_zero_point),
    VKD_INT(ranged_args, low[2], out_quant_min),
    VKD_INT(ranged_args, high[2], out_quant_max),
    VKD_OUTPUT(ranged_args, add.y, out),
    VKD_PARAMS_END,
};

static vkd_status lower_ranged(vkd_lowering *lowering, const void *arguments)
{
    const ranged_args *args = arguments;
    for (int i = 0; i < 3; i++)
        if (args->low[i] != -128 || args->high[i] != 127)
            return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->low[i],
                                  "and its maximum are %d and %d, expected -128 and 127",
                                  args->low[i], args->high[i]);
    return lower(lowering, &args->add);
}

static const vkd_op rows[] = {
    {"et_vk.q8ta_add.default", add_parameters, sizeof(add_args), shape, lower,
     .kind = VKD_OP_Q8_ADD},
    {"quantized_decomposed::add.out", ranged_parameters, sizeof(ranged_args), shape, lower_ranged,
     .defaults = &plain_sum},
};

const vkd_op_table vkd_q8_add_ops = VKD_OP_TABLE(rows);
