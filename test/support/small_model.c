#include "support/small_model.h"
#include "support/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/blob_builder.h"
#include "support/oracle.h"

static const oracle_q x_q = {0.02f, 3}, y_q = {0.05f, -7};
static const uint32_t x_dims[4] = {1, SMALL_IN, SMALL_H, SMALL_W};

/* Some numbers; all but the dims of the constants are arbitrary. */
static void fill(small_model *m)
{
    for (int channel = 0; channel < SMALL_OUT; channel++) {
        for (int k = 0; k < SMALL_IN; k++) {
            int8_t weight = (int8_t)(channel * 37 % 101 - 50 + 29 * k);
            m->weight[channel * SMALL_ROW + k] = weight;
            m->sums[channel] += weight;
        }
        m->scales[channel] = 0.01f + 0.001f * (float)channel;
        m->bias[channel] = 0.3f * (float)channel - 0.7f;
    }
    for (int i = 0; i < SMALL_X; i++)
        m->x[i] = 0.05f * (float)(i * 31 % 97) - 2.4f;
}

static void compute(small_model *m)
{
    int8_t x[SMALL_X], y[SMALL_Y];
    const oracle_window window = {.n = 1,
                                  .c = SMALL_IN,
                                  .h = SMALL_H,
                                  .w = SMALL_W,
                                  .kernel = {1, 1},
                                  .stride = {1, 1},
                                  .dilation = {1, 1}};
    const oracle_channels channels = {.x_q = x_q,
                                      .y_q = y_q,
                                      .weights = m->weight,
                                      .weight_scales = m->scales,
                                      .bias = m->bias,
                                      .relu = true};
    oracle_quantize(m->x, SMALL_X, x_q, x);
    oracle_conv2d(&window, SMALL_OUT, 1, &channels, x, y, NULL);
    oracle_dequantize(y, SMALL_Y, y_q, m->y);
}

/* ----------------------------------------------------------------------------------------- blob */

static uint32_t or_default(uint32_t value, uint32_t otherwise) { return value ? value : otherwise; }

/* A constant, inline or named. */
static uint32_t constant(const small_model *m, vkd_blob_builder *b, vkd_dtype dtype, uint32_t rank,
                         const uint32_t *dims, const void *data, const char *key)
{
    return m->named ? blob_named_tensor(b, dtype, rank, dims, key)
                    : blob_tensor(b, dtype, rank, dims, data);
}

static uint32_t weight_of(const small_model *m, vkd_blob_builder *b, const small_flaw *flaw)
{
    static const float other[64];
    const uint32_t dims[2] = {or_default(flaw->weight_rows, SMALL_OUT),
                              or_default(flaw->weight_row, SMALL_ROW)};
    if (flaw->variable_weight)
        return blob_constant_tensor(b, VKD_DTYPE_INT8, 2, dims, -1);
    if (flaw->float_weights)
        return blob_tensor(b, VKD_DTYPE_FLOAT32, 2, dims, other);
    return constant(m, b, VKD_DTYPE_INT8, 2, dims,
                    flaw->weight_rows || flaw->weight_row ? (const void *)other : m->weight,
                    "weight");
}

static uint32_t pair(vkd_blob_builder *b, int64_t flaw, int64_t otherwise)
{
    const int64_t value = flaw ? flaw : otherwise;
    return blob_int_list(b, (const int64_t[]){value, value}, 2);
}

static void add_conv(const small_model *m, vkd_blob_builder *b, const small_flaw *flaw, uint32_t x,
                     uint32_t y)
{
    const uint32_t sums = or_default(flaw->sums, SMALL_PADDED),
                   scales = or_default(flaw->scales, SMALL_PADDED),
                   bias = or_default(flaw->bias, SMALL_PADDED);
    uint32_t args[17] = {
        x,
        flaw->string_for_scale ? blob_string(b, "0.02") : blob_double(b, (double)x_q.scale),
        blob_int(b, flaw->zero ? flaw->zero : x_q.zero),
        weight_of(m, b, flaw),
        constant(m, b, VKD_DTYPE_INT32, 1, &sums, m->sums, "sums"),
        constant(m, b, VKD_DTYPE_FLOAT32, 1, &scales, m->scales, "scales"),
        blob_double(b, (double)y_q.scale),
        blob_int(b, y_q.zero),
        constant(m, b, VKD_DTYPE_FLOAT32, 1, &bias, m->bias, "bias"),
        pair(b, flaw->kernel, 1),
        pair(b, flaw->stride, 1),
        pair(b, flaw->padding, 0),
        pair(b, 0, 1),
        blob_int(b, flaw->groups ? flaw->groups : 1),
        blob_string(b, flaw->activation ? flaw->activation : "relu"),
        y,
        y,
    };
    size_t count = flaw->missing_argument ? 15 : flaw->extra_argument ? 17 : 16;
    args[count - 1] = y;
    blob_op(b, flaw->conv_name ? flaw->conv_name : "et_vk.q8ta_conv2d_pw.default", 1, args, count);
}

static void add_quantize(vkd_blob_builder *b, const small_flaw *flaw, uint32_t x, uint32_t y)
{
    uint32_t low = blob_int(b, -128), high = blob_int(b, 127), null = blob_null(b);
    uint32_t scale = blob_double(b, flaw->scale != 0 ? flaw->scale : (double)x_q.scale);
    uint32_t zero = blob_int(b, x_q.zero);
    blob_op(b, "quantized_decomposed.quantize_per_tensor.default", 0,
            (const uint32_t[]){x, scale, zero, low, high, null, y}, 7);
}

static void add_dequantize(vkd_blob_builder *b, uint32_t x, uint32_t y)
{
    uint32_t low = blob_int(b, -128), high = blob_int(b, 127), null = blob_null(b);
    uint32_t scale = blob_double(b, (double)y_q.scale), zero = blob_int(b, y_q.zero);
    blob_op(b, "quantized_decomposed.dequantize_per_tensor.default", 2,
            (const uint32_t[]){x, scale, zero, low, high, null, null, y}, 8);
}

void small_begin(small_model *m, bool named, const small_flaw *flaw)
{
    static const small_flaw none;
    flaw = flaw ? flaw : &none;
    *m = (small_model){.named = named};
    fill(m);
    compute(m);
    float *scale = &m->scales[SMALL_OUT - 1], *bias = &m->bias[SMALL_OUT - 1];
    *scale = flaw->last_scale != 0 ? flaw->last_scale : *scale;
    *bias = flaw->last_bias != 0 ? flaw->last_bias : *bias;
    vkd_blob_builder *b = blob_new();
    const uint32_t y_dims[4] = {1, or_default(flaw->out_channels, SMALL_OUT), SMALL_H, SMALL_W};
    uint32_t x = blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 4, x_dims, -1);
    uint32_t x8 = blob_constant_tensor(b, VKD_DTYPE_INT8, 4, x_dims, -1);
    uint32_t y8 = blob_constant_tensor(b, VKD_DTYPE_INT8, 4, y_dims, -1);
    uint32_t y = blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 4, y_dims, -1);
    add_quantize(b, flaw, x, x8);
    add_conv(m, b, flaw, x8, y8);
    if (!flaw->unproduced_output)
        add_dequantize(b, y8, y);
    blob_io(b, &x, 1, &y, 1);
    m->blob = blob_finish(b, &m->size);
}

void small_end(small_model *m) { free(m->blob); }

/* -------------------------------------------------------------------------------------- running */

static vkd_status find_named(void *user, const char *key, const void **out_data, size_t *out_size)
{
    small_model *m = user;
    const struct {
        const char *key;
        const void *data;
        size_t size;
    } entries[] = {{"weight", m->weight, sizeof m->weight},
                   {"sums", m->sums, sizeof m->sums},
                   {"scales", m->scales, sizeof m->scales},
                   {"bias", m->bias, sizeof m->bias}};
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        if (strcmp(key, entries[i].key))
            continue;
        if (m->missing_key && !strcmp(key, m->missing_key))
            return m->missing_status;
        *out_size = entries[i].size - (m->short_key && !strcmp(key, m->short_key));
        *out_data = entries[i].data;
        m->held++;
        return VKD_OK;
    }
    return VKD_NOT_FOUND;
}

static void release_named(void *user, const char *key, const void *data, size_t size)
{
    (void)key, (void)data, (void)size;
    ((small_model *)user)->held--;
}

vkd_status small_init(small_model *m, const vkd_options *options, vkd_delegate **out)
{
    static const vkd_compile_spec dynamic = {sizeof dynamic, "require_dynamic_shapes", "\1", 1};
    const vkd_named_data named_data = {sizeof named_data, find_named, release_named, m};
    return vkd_init(m->blob, m->size, &dynamic, m->dynamic, m->named ? &named_data : NULL, options,
                    out);
}

void small_args_set(small_args *a, float x[SMALL_X], float y[SMALL_Y])
{
    a->args[0] =
        call_arg(VKD_DTYPE_FLOAT32, 4, (const int64_t[]){1, SMALL_IN, SMALL_H, SMALL_W}, x, NULL);
    a->args[1] =
        call_arg(VKD_DTYPE_FLOAT32, 4, (const int64_t[]){1, SMALL_OUT, SMALL_H, SMALL_W}, NULL, y);
}

vkd_status small_execute(small_model *m, vkd_delegate *delegate, float y[SMALL_Y])
{
    small_args a;
    small_args_set(&a, m->x, y);
    return vkd_execute(delegate, a.args, 2);
}

void small_check(small_model *m, vkd_delegate *delegate)
{
    float y[SMALL_Y];
    memset(y, 0xff, sizeof y);
    if (small_execute(m, delegate, y) != VKD_OK)
        fail_msg("%s", vkd_last_error(delegate));
    for (size_t i = 0; i < SMALL_Y; i++)
        if (memcmp(&y[i], &m->y[i], sizeof y[i]))
            fail_msg("element %zu is %.9g, expected %.9g", i, (double)y[i], (double)m->y[i]);
}
