/* Images that come as bytes (vkd_options.pixels): a table of 256 numbers for each channel, made on
 * the host in double precision, says what a byte becomes. */
#include "graph/operators.h"
#include "ops/requantize.h"
#include "ops/tables.h"
#include "runtime/base/element.h"
#include "shaders/pixels_params.h"

#include <math.h>
#include <string.h>

enum { BYTES = 256 };

static const vkd_param parameters[] = {VKD_TENSOR(pixels_args, x), VKD_OUTPUT(pixels_args, y),
                                       VKD_PARAMS_END};

/* From the caller's order to that of the model, N, C, H, W. */
static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const pixels_args *args = arguments;
    const uint32_t *x = vkd_shape_of(shaping, args->x)->dims, last[] = {x[0], x[3], x[1], x[2]};
    return vkd_shape_set(shaping, args->y, 4, args->channels_last ? last : x);
}

/* What the table is made of. */
typedef struct table_source {
    double mean[VKD_PIXEL_CHANNELS], std[VKD_PIXEL_CHANNELS];
    float inverse; /* of the scale of int8; 0: floats */
    int32_t zero;
    uint32_t channels;
    vkd_dtype dtype;
} table_source;

/* As quantize.comp does it. */
static float quantised(float real, const table_source *from)
{
    const float q = nearbyintf(real * from->inverse) + (float)from->zero;
    return fminf(fmaxf(q, -128), 127);
}

static void pack_table(const void *source, void *dst, size_t size)
{
    const table_source *from = source;
    float *table = dst;
    (void)size;
    for (uint32_t i = 0; i < from->channels * BYTES; i++) {
        const uint32_t c = i / BYTES;
        const float real = (float)((i % BYTES / 255.0 - from->mean[c]) / from->std[c]);
        table[i] = from->dtype == VKD_DTYPE_INT8 ? quantised(real, from) : real;
    }
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const pixels_args *args = arguments;
    const vkd_model_tensor *result = vkd_value_tensor(lowering, args->y);
    const uint32_t channels = result->dims[1], plane = result->dims[2] * result->dims[3];
    table_source source = {.channels = channels, .dtype = result->dtype};
    memcpy(source.mean, args->mean, channels * sizeof *source.mean);
    memcpy(source.std, args->std, channels * sizeof *source.std);
    if (result->dtype == VKD_DTYPE_INT8) {
        source.inverse = vkd_inverse_scale(args->scale);
        source.zero = args->zero;
    }
    vkd_tensor_id x, table, y;
    VKD_TRY(vkd_op_input(lowering, args->x, VKD_DTYPE_UINT8, VKD_ROWS, &x));
    VKD_TRY(vkd_op_constant(lowering, (uint64_t)channels * BYTES * sizeof(float), pack_table,
                            &source, sizeof source, 0, &table));
    VKD_TRY(vkd_op_output_4c(lowering, args->y, result->dtype, &y));
    const pixels_params params = {.pixels = result->dims[0] * plane, .plane = plane};
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_PIXELS, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, params.pixels);
    vkd_node_read(&node, x);
    vkd_node_read(&node, table);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, result->dtype);
    vkd_node_spec(&node, channels);
    vkd_node_spec(&node, args->channels_last);
    return vkd_op_add_node(lowering, &node, x, y);
}

static const vkd_op rows[] = {
    {"vkd.pixels", parameters, sizeof(pixels_args), shape, lower, .kind = VKD_OP_PIXELS,
     .internal = true},
};

const vkd_op_table vkd_pixels_ops = VKD_OP_TABLE(rows);
