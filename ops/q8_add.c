/* The sum of two int8 images: et_vk.q8ta_add and its spellings; between delegates of bytes of
 * either kind. */
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
    if (x->dtype != y->dtype ||
        (x->rank == y->rank && !memcmp(x->dims, y->dims, y->rank * sizeof *y->dims)))
        return vkd_op_input(lowering, value, y->dtype, layout, out);
    VKD_TRY(vkd_op_view(lowering, value, &view));
    vkd_view_broadcast(&view, y->rank, y->dims);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, y->dtype, layout, y->rank,
                                 y->dims, out));
    return vkd_op_move(lowering, &view, *out);
}

/* Which bytes: what the sum is clamped to, and what is taken from each to make int8 of it. */
typedef struct range {
    int32_t low, high, middle;
} range;
static const range int8_range = {-128, 127, 0};

static vkd_status check_qparams(vkd_lowering *lowering, const float *scale, const int32_t *zero,
                                int32_t middle)
{
    static const int32_t any = 0;
    VKD_TRY(vkd_check_qparams(lowering, scale, &any));
    if (*zero < middle - 128 || *zero > middle + 127)
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, zero,
                              "is %d, expected a zero point of %d to %d", *zero, middle - 128,
                              middle + 127);
    return VKD_OK;
}

static vkd_status emit(vkd_lowering *lowering, const add_args *args, const range *bytes)
{
    const vkd_model_tensor *result = vkd_value_tensor(lowering, args->y);
    vkd_tensor_id a, b, y;
    VKD_TRY(check_qparams(lowering, &args->a_scale, &args->a_zero, bytes->middle));
    VKD_TRY(check_qparams(lowering, &args->b_scale, &args->b_zero, bytes->middle));
    VKD_TRY(check_qparams(lowering, &args->y_scale, &args->y_zero, bytes->middle));
    VKD_TRY(operand(lowering, args->a, result, &a));
    VKD_TRY(operand(lowering, args->b, result, &b));
    VKD_TRY(vkd_op_output_in(lowering, args->y, result->dtype, vkd_op_image_layout(result), &y));

    /* A tensor's memory is a multiple of 16 bytes, so that the last quad lies within it. */
    uint32_t quads = (uint32_t)vkd_divide_up(vkd_tensor_groups(&lowering->graph->tensors[y]), 4);
    q8ta_add_params params = {
        .quads = quads,
        .a_scale = args->a_scale,
        .a_zero = (float)(args->a_zero - bytes->middle),
        .b_scale = args->b_scale,
        .b_zero = (float)(args->b_zero - bytes->middle),
        .alpha = args->alpha,
        .y_inverse_scale = vkd_inverse_scale(args->y_scale),
        .y_zero = args->y_zero - bytes->middle,
        .sign = bytes->middle ? 0x80808080 : 0,
        .low = (float)(bytes->low - bytes->middle),
        .high = (float)(bytes->high - bytes->middle),
    };
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_Q8TA_ADD, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, quads);
    vkd_node_read(&node, a);
    vkd_node_read(&node, b);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, a, y);
}

static vkd_status check_type(vkd_lowering *lowering, const add_args *args, bool bytes)
{
    const vkd_dtype dtype = vkd_value_tensor(lowering, args->y)->dtype;
    return dtype == VKD_DTYPE_INT8 || (bytes && dtype == VKD_DTYPE_UINT8)
               ? VKD_OK
               : vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->y, "has dtype %s, expected %s",
                                vkd_dtype_name(dtype), bytes ? "i8 or u8" : "i8");
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    VKD_TRY(check_type(lowering, arguments, false));
    return emit(lowering, arguments, &int8_range);
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

/* The operands' ranges hold already. */
static vkd_status lower_ranged(vkd_lowering *lowering, const void *arguments)
{
    const ranged_args *args = arguments;
    VKD_TRY(check_type(lowering, &args->add, true));
    const bool has_sign = vkd_value_tensor(lowering, args->add.y)->dtype == VKD_DTYPE_INT8;
    const range bytes = {args->low[2], args->high[2], has_sign ? 0 : 128};
    if (bytes.low < bytes.middle - 128 || bytes.high > bytes.middle + 127 || bytes.low > bytes.high)
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, &args->low[2],
                              "and its maximum are %d and %d, expected what is within %d and %d",
                              bytes.low, bytes.high, bytes.middle - 128, bytes.middle + 127);
    return emit(lowering, &args->add, &bytes);
}

static const vkd_op rows[] = {
    {"et_vk.q8ta_add.default", add_parameters, sizeof(add_args), shape, lower,
     .kind = VKD_OP_Q8_ADD},
    {"quantized_decomposed::add.out", ranged_parameters, sizeof(ranged_args), shape, lower_ranged,
     .defaults = &plain_sum},
};

const vkd_op_table vkd_q8_add_ops = VKD_OP_TABLE(rows);
