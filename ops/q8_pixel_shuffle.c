/* Pixel shuffle of int8 images, with its own quantisation behind. */
#include "ops/tables.h"
#include "ops/requantize.h"
#include "shaders/q8ta_pixel_shuffle_params.h"

#include <string.h>

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

/* Of any number of images: the last three dims are channels and pixels. */
static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const shuffle_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    if (x->rank < 3)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x,
                                 "has rank %u, expected 3 at least", x->rank);
    uint32_t factor = (uint32_t)args->factor, dims[VKD_MAX_RANK], c = x->rank - 3;
    if (args->factor < 1 || args->factor > 1 << 15 || x->dims[c] % (factor * factor))
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->factor,
                                 "is %d for %u channels, expected what divides them", args->factor,
                                 x->dims[c]);
    uint64_t h = (uint64_t)x->dims[c + 1] * factor, w = (uint64_t)x->dims[c + 2] * factor;
    if (h > INT32_MAX || w > INT32_MAX)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->factor,
                                 "is %d for %ux%u pixels, expected 2^31-1 at most", args->factor,
                                 x->dims[c + 1], x->dims[c + 2]);
    memcpy(dims, x->dims, sizeof dims);
    dims[c] /= factor * factor;
    dims[c + 1] = (uint32_t)h;
    dims[c + 2] = (uint32_t)w;
    return vkd_shape_set(shaping, args->y, x->rank, dims);
}

/* One dim before the channels, for all that there are. */
static void fold_images(const vkd_model_tensor *x, uint32_t out[4])
{
    out[0] = (uint32_t)vkd_dims_count(x->rank - 3, x->dims);
    memcpy(out + 1, x->dims + x->rank - 3, 3 * sizeof *out);
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const shuffle_args *args = arguments;
    uint32_t from[4], to[4];
    vkd_tensor_id x_id, y_id;
    fold_images(vkd_value_tensor(lowering, args->x), from);
    fold_images(vkd_value_tensor(lowering, args->y), to);
    VKD_TRY(vkd_check_qparams(lowering, &args->x_scale, &args->x_zero));
    VKD_TRY(vkd_check_qparams(lowering, &args->y_inverse_scale, &args->y_zero));
    VKD_TRY(vkd_op_input_as(lowering, args->x, VKD_DTYPE_INT8, 4, from, &x_id));
    const bool folds = vkd_value_tensor(lowering, args->y)->rank != 4;
    VKD_TRY(folds ? vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_4C,
                                         4, to, &y_id)
                  : vkd_op_output_4c(lowering, args->y, VKD_DTYPE_INT8, &y_id));

    const vkd_tensor *x = &lowering->graph->tensors[x_id], *y = &lowering->graph->tensors[y_id];
    q8ta_pixel_shuffle_params params = {
        .words = vkd_tensor_groups(y),
        .y_w = y->w,
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
    vkd_node_spec(&node, vkd_op_size_spec(lowering, y->w));
    VKD_TRY(vkd_op_add_node(lowering, &node, x_id, y_id));
    return folds ? vkd_op_reshape(lowering, y_id, args->y) : VKD_OK;
}

static const vkd_op rows[] = {
    {"et_vk.q8ta_pixel_shuffle.default", shuffle_parameters, sizeof(shuffle_args), shape, lower},
};

const vkd_op_table vkd_q8_pixel_shuffle_ops = VKD_OP_TABLE(rows);
