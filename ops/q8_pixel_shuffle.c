/* Pixel shuffle of int8 images, with its own quantisation behind. */
#include "ops/tables.h"
#include "ops/requantize.h"
#include "shaders/q8ta_pixel_shuffle_params.h"

typedef struct shuffle_args {
    uint32_t x;
    float x_scale;
    int32_t x_zero;
    float y_inverse_scale;
    int32_t y_zero, factor;
    uint32_t y;
} shuffle_args;

static const vkd_param shuffle_parameters[] = {
    VKD_TENSOR(shuffle_args, x, input),
    VKD_FLOAT(shuffle_args, x_scale, input_scale),
    VKD_INT(shuffle_args, x_zero, input_zero_point),
    VKD_FLOAT(shuffle_args, y_inverse_scale, output_inv_scale),
    VKD_INT(shuffle_args, y_zero, output_zero_point),
    VKD_INT(shuffle_args, factor, upscale_factor),
    VKD_OUTPUT(shuffle_args, y, out),
    VKD_PARAMS_END,
};

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const shuffle_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    if (x->rank != 4)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x, "has rank %u, expected 4",
                                 x->rank);
    uint32_t factor = (uint32_t)args->factor;
    if (args->factor < 1 || args->factor > 1 << 15 || x->dims[1] % (factor * factor))
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->factor,
                                 "is %d for %u channels, expected what divides them", args->factor,
                                 x->dims[1]);
    uint64_t h = (uint64_t)x->dims[2] * factor, w = (uint64_t)x->dims[3] * factor;
    if (h > INT32_MAX || w > INT32_MAX)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->factor,
                                 "is %d for %ux%u pixels, expected 2^31-1 at most", args->factor,
                                 x->dims[2], x->dims[3]);
    return vkd_shape_set(
        shaping, args->y, 4,
        (const uint32_t[]){x->dims[0], x->dims[1] / (factor * factor), (uint32_t)h, (uint32_t)w});
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const shuffle_args *args = arguments;
    vkd_tensor_id x_id, y_id;
    VKD_TRY(vkd_check_qparams(lowering, &args->x_scale, &args->x_zero));
    VKD_TRY(vkd_check_qparams(lowering, &args->y_inverse_scale, &args->y_zero));
    VKD_TRY(vkd_op_input(lowering, args->x, VKD_DTYPE_INT8, VKD_4C, &x_id));
    VKD_TRY(vkd_op_output_4c(lowering, args->y, VKD_DTYPE_INT8, &y_id));

    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    q8ta_pixel_shuffle_params params = {
        .words = vkd_tensor_groups(y),
        .x_scale = args->x_scale,
        .x_zero = (float)args->x_zero,
        .y_inverse_scale = args->y_inverse_scale,
        .y_zero = args->y_zero,
    };
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_Q8TA_PIXEL_SHUFFLE, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.words);
    vkd_node_read(&node, x_id);
    vkd_node_write(&node, y_id);
    vkd_node_spec(&node, (uint32_t)args->factor);
    vkd_node_spec(&node, (uint32_t)vkd_divide_up(x->c, 4));
    vkd_node_spec(&node, (uint32_t)vkd_divide_up(y->c, 4));
    vkd_node_spec(&node, y->c);
    vkd_node_spec(&node, y->w);
    return vkd_op_add_node(lowering, &node, x_id, y_id);
}

static const vkd_op rows[] = {
    {"et_vk.q8ta_pixel_shuffle.default", shuffle_parameters, sizeof(shuffle_args), shape, lower},
};

const vkd_op_table vkd_q8_pixel_shuffle_ops = VKD_OP_TABLE(rows);
