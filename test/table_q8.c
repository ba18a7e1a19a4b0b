/* Cases of the int8 operators, bit for bit: ops/quantize.c, q8_add.c, q8_relu.c, pixel_shuffle.c,
 * conv.c, conv_transposed.c, linear.c. Their oracles are those of support/oracle.h. */
#include "support/oracle.h"
#include "table_families.h"

#include <math.h>
#include <stdlib.h>

/* ---------------------------------------------------------------------------- bytes and doubles */

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        abort();
    return memory;
}

static int8_t *bytes_of(const table_tensor *x)
{
    int8_t *bytes = make(x->count, 1);
    for (size_t i = 0; i < x->count; i++)
        bytes[i] = (int8_t)x->values[i];
    return bytes;
}

/* Fills y with bytes that are freed. */
static void expect_bytes(table_tensor *y, int8_t *bytes)
{
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = bytes[i];
    free(bytes);
}

/* -------------------------------------------------------------------------------------- drawing */

static oracle_q draw_q(table *t)
{
    return (oracle_q){random_float(t->random, 0.005f, 0.05f), random_range(t->random, -128, 127)};
}

static oracle_q add_q(table *t, oracle_q q)
{
    table_double(t, (double)q.scale);
    table_int(t, q.zero);
    return q;
}

static table_tensor *draw_bytes(table *t, vkd_shape shape)
{
    table_tensor *x = table_input(t, VKD_DTYPE_INT8, shape);
    table_uniform(t, x, -128, 127);
    return x;
}

/* ------------------------------------------------------------------------- quantize, dequantize */

/* As exporters for int8 have it, or of other types, between other bounds. */
typedef struct form {
    vkd_dtype real, integer;
    int32_t low, high;
    oracle_q q;
} form;

static form draw_form(table *t)
{
    form f = {VKD_DTYPE_FLOAT32, VKD_DTYPE_INT8, -128, 127, draw_q(t)};
    if (table_chance(t, 2))
        return f;
    const int32_t smallest[] = {-128, 0, -2000}, largest[] = {127, 255, 2000};
    const uint32_t type = table_below(t, 3);
    f.integer = (const vkd_dtype[]){VKD_DTYPE_INT8, VKD_DTYPE_UINT8, VKD_DTYPE_INT32}[type];
    f.real = table_dtype(t, TABLE_FLOATS);
    f.low = smallest[type] + (int32_t)table_below(t, 2);
    f.high = largest[type] - (int32_t)table_below(t, 100);
    f.q = (oracle_q){ldexpf(1, random_range(t->random, -7, -4)),
                     random_range(t->random, f.low, f.high)};
    return f;
}

static void add_form(table *t, const form *f)
{
    add_q(t, f->q);
    table_int(t, f->low);
    table_int(t, f->high);
    table_null(t); /* dtype */
}

static void draw_quantize(table *t)
{
    const form f = draw_form(t);
    table_tensor *x = table_input(t, f.real, table_shape(t, 0, 8));
    table_uniform(t, x, -4, 4);
    if (f.integer == VKD_DTYPE_INT8 && f.real == VKD_DTYPE_FLOAT32)
        table_extremes(t, x);
    add_form(t, &f);
    table_tensor *y = table_output(t, f.integer, x->shape);
    for (size_t i = 0; i < y->count; i++) {
        float real = (float)x->values[i] * (float)(1 / (double)f.q.scale);
        double q = isnan(real) ? f.q.zero : nearbyint((double)real) + f.q.zero;
        y->values[i] = q < f.low ? f.low : q > f.high ? f.high : q;
    }
}

static void draw_dequantize(table *t)
{
    const form f = draw_form(t);
    table_tensor *x =
        table_drawn(t, f.integer, table_shape(t, 0, 8), (double)f.low, (double)f.high);
    add_form(t, &f);
    table_null(t); /* out_dtype */
    table_tensor *y = table_output(t, f.real, x->shape);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] =
            table_stored(f.real, (double)(((float)x->values[i] - (float)f.q.zero) * f.q.scale));
}

/* --------------------------------------------------------------------- add, relu, pixel_shuffle */

static void draw_add(table *t)
{
    vkd_shape shape = table_shape(t, 0, 8);
    table_tensor *a = draw_bytes(t, table_chance(t, 3) ? table_narrowed(t, shape) : shape),
                 *b = draw_bytes(t, shape);
    oracle_q a_q = add_q(t, draw_q(t)), b_q = add_q(t, draw_q(t)), y_q = add_q(t, draw_q(t));
    float alpha = table_chance(t, 2) ? 1 : random_float(t->random, -2, 2);
    table_double(t, (double)alpha);
    table_tensor *y = table_output(t, VKD_DTYPE_INT8, shape);
    int8_t *left = make(y->count, 1), *right = bytes_of(b), *sum = make(y->count, 1);
    for (size_t i = 0; i < y->count; i++)
        left[i] = (int8_t)a->values[table_broadcast_index(&a->shape, &shape, i)];
    oracle_add(left, a_q, right, b_q, alpha, y->count, y_q, sum);
    free(left);
    free(right);
    expect_bytes(y, sum);
}

/* An operand of bytes of either kind, with scale, zero point and range. */
typedef struct ranged {
    table_tensor *x;
    oracle_q q;
} ranged;

static void add_range(table *t, int32_t low, int32_t high)
{
    table_int(t, low);
    table_int(t, high);
}

static ranged draw_ranged(table *t, vkd_dtype dtype, vkd_shape shape)
{
    const int32_t low = dtype == VKD_DTYPE_INT8 ? -128 : 0;
    ranged r = {.x = table_drawn(t, dtype, shape, low, low + 255)};
    r.q =
        (oracle_q){random_float(t->random, 0.005f, 0.05f), random_range(t->random, low, low + 255)};
    add_q(t, r.q);
    add_range(t, low, low + 255);
    return r;
}

/* The sum's range is often less than all. */
static void draw_ranged_add(table *t)
{
    const vkd_dtype dtype = table_chance(t, 2) ? VKD_DTYPE_INT8 : VKD_DTYPE_UINT8;
    const vkd_shape shape = table_shape(t, 0, 8);
    const ranged a = draw_ranged(t, dtype, table_chance(t, 3) ? table_narrowed(t, shape) : shape),
                 b = draw_ranged(t, dtype, shape);
    const int32_t least = dtype == VKD_DTYPE_INT8 ? -128 : 0,
                  low = least + (int32_t)table_below(t, 2) * (int32_t)table_below(t, 100),
                  high = least + 255 - (int32_t)table_below(t, 2) * (int32_t)table_below(t, 100);
    const oracle_q q = {random_float(t->random, 0.005f, 0.05f),
                        random_range(t->random, least, least + 255)};
    add_q(t, q);
    add_range(t, low, high);
    table_tensor *y = table_output(t, dtype, shape);
    for (size_t i = 0; i < y->count; i++) {
        const float left = ((float)a.x->values[table_broadcast_index(&a.x->shape, &shape, i)] -
                            (float)a.q.zero) *
                           a.q.scale,
                    right = ((float)b.x->values[i] - (float)b.q.zero) * b.q.scale,
                    steps = (left + right) * (float)(1 / (double)q.scale);
        const double rounded = nearbyint((double)steps) + q.zero;
        y->values[i] = rounded < low ? low : rounded > high ? high : rounded;
    }
}

static void draw_relu(table *t)
{
    table_tensor *x = draw_bytes(t, table_shape(t, 0, 8));
    oracle_q x_q = add_q(t, draw_q(t)), y_q = add_q(t, draw_q(t));
    table_tensor *y = table_output(t, VKD_DTYPE_INT8, x->shape);
    int8_t *in = bytes_of(x), *out = make(y->count, 1);
    oracle_relu(in, x_q, y->count, y_q, out);
    free(in);
    expect_bytes(y, out);
}

static void draw_shuffle(table *t)
{
    vkd_shape small = table_shape_filled(t, 3, 8), large = small;
    uint32_t factor = 1 + table_below(t, 3), *in_dims = small.dims + small.rank - 3,
             *out_dims = large.dims + large.rank - 3, images = 1;
    out_dims[1] *= factor;
    out_dims[2] *= factor;
    in_dims[0] *= factor * factor;
    for (uint32_t d = 0; d + 3 < small.rank; d++)
        images *= small.dims[d];
    table_tensor *x = draw_bytes(t, small);
    oracle_q x_q = add_q(t, draw_q(t)), y_q = draw_q(t);
    y_q.scale = 1 / 64.0f; /* the operator has the inverse */
    table_double(t, 64);
    table_int(t, y_q.zero);
    table_int(t, factor);
    table_tensor *y = table_output(t, VKD_DTYPE_INT8, large);
    int8_t *in = bytes_of(x), *out = make(y->count, 1);
    oracle_pixel_shuffle((const uint32_t[]){images, in_dims[0], in_dims[1], in_dims[2]}, factor, in,
                         x_q, y_q, out);
    free(in);
    expect_bytes(y, out);
}

/* ------------------------------------------------------------------------- products and windows */

/* The parameters of output channels, rows of k weights each, padded to whole words. */
typedef struct drawn {
    uint32_t out_c, k;
    oracle_q x_q, y_q;
    int8_t *weights;
    float *scales, *bias; /* bias: null for none */
    bool relu;
} drawn;

static uint32_t align4(uint32_t value) { return (value + 3) / 4 * 4; }

static drawn draw_channels(table *t, uint32_t out_c, uint32_t k)
{
    drawn d = {
        .out_c = out_c, .k = k, .x_q = draw_q(t), .y_q = draw_q(t), .relu = table_chance(t, 2)};
    d.weights = make((size_t)out_c * align4(k), 1);
    d.scales = make(out_c, sizeof *d.scales);
    d.bias = table_chance(t, 3) ? NULL : make(out_c, sizeof *d.bias);
    for (uint32_t c = 0; c < out_c; c++)
        random_int8(t->random, d.weights + (size_t)c * align4(k), k);
    random_floats(t->random, 0.001f, 0.01f, d.scales, out_c);
    if (d.bias)
        random_floats(t->random, -1, 1, d.bias, out_c);
    return d;
}

static void release(drawn *d)
{
    free(d->weights);
    free(d->scales);
    free(d->bias);
}

static table_tensor *add_constant(table *t, vkd_dtype dtype, vkd_shape shape)
{
    table_tensor *x = table_input(t, dtype, shape);
    x->arrival = TABLE_CONSTANT;
    return x;
}

/* Rows of weights; or, of a channel each, a row of channels for each tap. */
static void add_weights(table *t, const drawn *d, const int32_t *taps)
{
    const uint32_t row = align4(d->k);
    if (taps) {
        uint32_t h = (uint32_t)taps[0], w = (uint32_t)taps[1],
                 padded = table_chance(t, 2) ? align4(d->out_c) : d->out_c;
        table_tensor *x = add_constant(t, VKD_DTYPE_INT8, (vkd_shape){3, {h, w, padded}});
        for (uint32_t c = 0; c < d->out_c; c++)
            for (uint32_t i = 0; i < d->k; i++)
                x->values[i * padded + c] = d->weights[c * row + i];
        return;
    }
    table_tensor *x = add_constant(t, VKD_DTYPE_INT8, (vkd_shape){2, {d->out_c, row}});
    for (size_t i = 0; i < x->count; i++)
        x->values[i] = d->weights[i];
}

static void add_channels(table *t, const drawn *d, const int32_t *taps)
{
    const vkd_shape padded = {1, {align4(d->out_c)}};
    add_q(t, d->x_q);
    add_weights(t, d, taps);
    table_tensor *sums = add_constant(t, VKD_DTYPE_INT32, padded);
    table_tensor *scales = add_constant(t, VKD_DTYPE_FLOAT32, padded);
    for (uint32_t c = 0; c < d->out_c; c++) {
        for (uint32_t i = 0; i < d->k; i++)
            sums->values[c] += d->weights[(size_t)c * align4(d->k) + i];
        scales->values[c] = (double)d->scales[c];
    }
    add_q(t, d->y_q);
    if (!d->bias) {
        table_null(t);
        return;
    }
    table_tensor *bias = add_constant(t, VKD_DTYPE_FLOAT32, padded);
    for (uint32_t c = 0; c < d->out_c; c++)
        bias->values[c] = (double)d->bias[c];
}

static oracle_channels channels_of(const drawn *d)
{
    return (oracle_channels){d->x_q, d->y_q, d->weights, d->scales, d->bias, d->relu};
}

static void draw_linear(table *t)
{
    vkd_shape in = table_shape_filled(t, 1, 8), out = in;
    uint32_t k = in.dims[in.rank - 1];
    out.dims[out.rank - 1] = 1 + table_below(t, 20);
    drawn d = draw_channels(t, out.dims[out.rank - 1], k);
    table_tensor *x = draw_bytes(t, in);
    add_channels(t, &d, NULL);
    table_string(t, d.relu ? "relu" : "none");
    table_tensor *y = table_output(t, VKD_DTYPE_INT8, out);
    const oracle_channels channels = channels_of(&d);
    int8_t *bytes = bytes_of(x), *result = make(y->count, 1);
    oracle_linear((uint32_t)(x->count / k), k, d.out_c, &channels, bytes, result);
    free(bytes);
    release(&d);
    expect_bytes(y, result);
}

typedef enum conv_form { ANY, POINTWISE, DEPTHWISE, TRANSPOSED } conv_form;

typedef struct conv_case {
    conv_form form;
    oracle_window window;
    uint32_t out_c, groups;
    int32_t output_padding[2], out[2];
} conv_case;

static void draw_axis(table *t, conv_case *c, int axis)
{
    oracle_window *w = &c->window;
    int32_t most = c->form == POINTWISE ? 1 : 4;
    do {
        *(axis ? &w->w : &w->h) = 1 + table_below(t, 9);
        w->kernel[axis] = random_range(t->random, 1, most);
        w->stride[axis] = random_range(t->random, 1, 3);
        w->padding[axis] = random_range(t->random, 0, w->kernel[axis] - 1);
        w->dilation[axis] = c->form == TRANSPOSED ? 1 : random_range(t->random, 1, 2);
        c->output_padding[axis] = random_range(t->random, 0, w->stride[axis] - 1);
        c->out[axis] = c->form == TRANSPOSED ? oracle_transposed_extent(w, c->output_padding, axis)
                                             : oracle_extent(w, axis, false);
    } while (c->out[axis] < 1);
}

static conv_case draw_case(table *t)
{
    conv_case c = {.form = (conv_form)t->row->code};
    c.groups = c.form == POINTWISE || table_chance(t, 2) ? 1 : 1 + table_below(t, 3);
    c.window.n = 1 + table_below(t, 2);
    c.window.c = c.groups * (1 + table_below(t, 9));
    c.out_c = c.groups * (1 + table_below(t, 9));
    if (c.form == DEPTHWISE)
        c.groups = c.out_c = c.window.c;
    draw_axis(t, &c, 0);
    draw_axis(t, &c, 1);
    return c;
}

static void add_pair(table *t, const int32_t pair[2])
{
    table_ints(t, 2, (const int64_t[]){pair[0], pair[1]});
}

static void add_window(table *t, const conv_case *c)
{
    add_pair(t, c->window.kernel);
    add_pair(t, c->window.stride);
    add_pair(t, c->window.padding);
    if (c->form == TRANSPOSED)
        add_pair(t, c->output_padding);
    add_pair(t, c->window.dilation);
    table_int(t, c->groups);
}

static void draw_conv(table *t)
{
    const conv_case c = draw_case(t);
    const oracle_window *w = &c.window;
    drawn d =
        draw_channels(t, c.out_c, (uint32_t)(w->kernel[0] * w->kernel[1]) * (w->c / c.groups));
    table_tensor *x = draw_bytes(t, (vkd_shape){4, {w->n, w->c, w->h, w->w}});
    add_channels(t, &d, c.form == DEPTHWISE ? w->kernel : NULL);
    add_window(t, &c);
    table_string(t, d.relu ? "relu" : "none");
    table_tensor *y = table_output(
        t, VKD_DTYPE_INT8, (vkd_shape){4, {w->n, c.out_c, (uint32_t)c.out[0], (uint32_t)c.out[1]}});
    const oracle_channels channels = channels_of(&d);
    int8_t *bytes = bytes_of(x), *result = make(y->count, 1);
    if (c.form == TRANSPOSED)
        oracle_conv2d_transposed(w, c.output_padding, c.out_c, c.groups, &channels, bytes, result);
    else
        oracle_conv2d(w, c.out_c, c.groups, &channels, bytes, result, NULL);
    free(bytes);
    release(&d);
    expect_bytes(y, result);
}

static const table_case cases[] = {
    {"quantized_decomposed.quantize_per_tensor.default", draw_quantize},
    {"quantized_decomposed.dequantize_per_tensor.default", draw_dequantize},
    {"quantized_decomposed::quantize_per_tensor.out", draw_quantize},
    {"quantized_decomposed::dequantize_per_tensor.out", draw_dequantize},
    {"et_vk.q8ta_add.default", draw_add},
    {"quantized_decomposed::add.out", draw_ranged_add},
    {"et_vk.q8ta_relu.default", draw_relu},
    {"et_vk.q8ta_pixel_shuffle.default", draw_shuffle},
    {"et_vk.q8ta_linear.default", draw_linear},
    {"et_vk.q8ta_linear_gemv.default", draw_linear},
    {"et_vk.q8ta_conv2d.default", draw_conv, ANY},
    {"et_vk.q8ta_conv2d_general.default", draw_conv, ANY},
    {"et_vk.q8ta_conv2d_im2col.default", draw_conv, ANY},
    {"et_vk.q8ta_conv2d_pw.default", draw_conv, POINTWISE},
    {"et_vk.q8ta_conv2d_dw.default", draw_conv, DEPTHWISE},
    {"et_vk.q8ta_conv2d_transposed.default", draw_conv, TRANSPOSED},
};
const table_family table_q8 = TABLE_FAMILY(cases);
