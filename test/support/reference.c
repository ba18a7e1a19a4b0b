#include "support/reference.h"

#include "runtime/base/element.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fprintf(stderr, "out of memory for the reference\n");
        abort();
    }
    return memory;
}

/* ------------------------------------------------------------------------------------ arguments */

static const vkd_model_value *argument(const reference *r, size_t index)
{
    return &r->model->values[r->op->args[index]];
}

static const vkd_model_tensor *tensor(const reference *r, uint32_t value)
{
    return &r->model->values[value].tensor;
}

static bool is_null(const reference *r, size_t index)
{
    return argument(r, index)->kind == VKD_VALUE_NULL;
}

static double number(const reference *r, size_t index)
{
    const vkd_model_value *value = argument(r, index);
    switch (value->kind) {
    case VKD_VALUE_DOUBLE:
        return value->d;
    case VKD_VALUE_BOOL:
        return value->b;
    default:
        return (double)value->i;
    }
}

static int item(const reference *r, size_t index, size_t i)
{
    const vkd_model_value *value = argument(r, index);
    return i < value->list.count ? (int)value->list.ints[i] : 0;
}

static size_t elements(const reference *r, uint32_t value)
{
    return (size_t)vkd_dims_count(tensor(r, value)->rank, tensor(r, value)->dims);
}

void reference_load(vkd_dtype dtype, size_t count, const void *bytes, double *out)
{
    for (size_t i = 0; i < count; i++)
        switch (dtype) {
        case VKD_DTYPE_INT8:
            out[i] = ((const int8_t *)bytes)[i];
            break;
        case VKD_DTYPE_BOOL:
        case VKD_DTYPE_UINT8:
            out[i] = ((const uint8_t *)bytes)[i];
            break;
        case VKD_DTYPE_INT32: {
            int32_t value;
            memcpy(&value, (const char *)bytes + i * sizeof value, sizeof value);
            out[i] = value;
            break;
        }
        case VKD_DTYPE_INT64: {
            int64_t value;
            memcpy(&value, (const char *)bytes + i * sizeof value, sizeof value);
            out[i] = (double)value;
            break;
        }
        case VKD_DTYPE_FLOAT16: {
            uint16_t value;
            memcpy(&value, (const char *)bytes + i * sizeof value, sizeof value);
            out[i] = (double)vkd_half_to_float(value);
            break;
        }
        case VKD_DTYPE_FLOAT32: {
            float value;
            memcpy(&value, (const char *)bytes + i * sizeof value, sizeof value);
            out[i] = (double)value;
            break;
        }
        case VKD_DTYPE_FLOAT64:
            memcpy(&out[i], (const char *)bytes + i * sizeof *out, sizeof *out);
            break;
        default:
            fprintf(stderr, "the reference has no %s\n", vkd_dtype_name(dtype));
            abort();
        }
}

void reference_set(reference *r, uint32_t value, const void *bytes)
{
    size_t count = elements(r, value);
    free(r->values[value]);
    r->values[value] = make(count, sizeof(double));
    reference_load(tensor(r, value)->dtype, count, bytes, r->values[value]);
}

void reference_give(reference *r, uint32_t value, const double *numbers)
{
    size_t count = elements(r, value);
    free(r->values[value]);
    r->values[value] = make(count, sizeof(double));
    memcpy(r->values[value], numbers, count * sizeof *numbers);
}

static const double *contents(reference *r, uint32_t value)
{
    if (!r->values[value] && tensor(r, value)->data)
        reference_set(r, value, tensor(r, value)->data);
    if (!r->values[value]) {
        fprintf(stderr, "%s: the reference does not know value %u\n", r->op->name, value);
        abort();
    }
    return r->values[value];
}

static const double *input(reference *r, size_t index) { return contents(r, r->op->args[index]); }

void reference_begin(reference *r, const vkd_model *model, const vkd_model_op *op)
{
    *r = (reference){model, op, make(model->value_count, sizeof(double *))};
}

void reference_end(reference *r)
{
    for (size_t i = 0; i < r->model->value_count; i++)
        free(r->values[i]);
    free(r->values);
}

uint32_t reference_result(const reference *r)
{
    uint32_t last = r->op->args[r->op->arg_count - 1];
    return r->model->values[last].kind == VKD_VALUE_VALUE_LIST
               ? r->model->values[last].list.values[0]
               : last;
}

/* n, c, h, w of a tensor of rank 4. */
typedef struct image {
    int n, c, h, w;
} image;

static image image_of(const reference *r, uint32_t value)
{
    const uint32_t *dims = tensor(r, value)->dims;
    return (image){(int)dims[0], (int)dims[1], (int)dims[2], (int)dims[3]};
}

/* --------------------------------------------------------------------------------- quantisation */

static double clamp8(double x) { return x < -128 ? -128 : x > 127 ? 127 : x; }

static float dequantized(double q, double scale, double zero)
{
    float steps = (float)q - (float)zero;
    return steps * (float)scale;
}

static double quantized(float x, double scale, double zero)
{
    float steps = x * (float)(1.0 / scale);
    return clamp8((double)(rintf(steps) + (float)zero));
}

static void quantize(reference *r, double *out)
{
    const double *x = input(r, 0);
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++)
        out[i] = quantized((float)x[i], number(r, 1), number(r, 2));
}

static void dequantize(reference *r, double *out)
{
    const double *x = input(r, 0);
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++)
        out[i] = (double)dequantized(x[i], number(r, 1), number(r, 2));
}

static void add(reference *r, double *out)
{
    const double *a = input(r, 0), *b = input(r, 1);
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++) {
        float scaled = (float)number(r, 8) * dequantized(b[i], number(r, 4), number(r, 5));
        float sum = dequantized(a[i], number(r, 2), number(r, 3)) + scaled;
        out[i] = quantized(sum, number(r, 6), number(r, 7));
    }
}

static void q8_relu(reference *r, double *out)
{
    const double *x = input(r, 0);
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++) {
        float real = dequantized(x[i], number(r, 1), number(r, 2));
        out[i] = quantized(real > 0 ? real : 0, number(r, 3), number(r, 4));
    }
}

static void pixel_shuffle(reference *r, double *out)
{
    const double *x = input(r, 0);
    image in = image_of(r, r->op->args[0]), y = image_of(r, reference_result(r));
    int factor = (int)number(r, 5);
    for (int n = 0; n < y.n; n++)
        for (int c = 0; c < y.c; c++)
            for (int h = 0; h < y.h; h++)
                for (int w = 0; w < y.w; w++) {
                    int channel = (c * factor + h % factor) * factor + w % factor;
                    size_t at =
                        (((size_t)n * in.c + channel) * in.h + h / factor) * in.w + w / factor;
                    *out++ = quantized(dequantized(x[at], number(r, 1), number(r, 2)),
                                       1.0 / number(r, 3), number(r, 4));
                }
}

/* --------------------------------------------------------------------------------- convolutions */

/* A convolution or its transpose, decoded. Weight rows: [tap][input channel of the group], for each
 * output channel. */
typedef struct conv {
    image x, y;
    int kernel[2], stride[2], padding[2], dilation[2], groups;
    bool transposed, relu;
    uint32_t taps_first; /* a depthwise weight is [tap][channel], with so many channels; else 0 */
    double x_scale, x_zero, y_scale, y_zero;
    const double *input, *weights, *scales, *bias;
} conv;

/* The input's row or column under a tap of the window at `at`, -1 where there is none. */
static int source(const conv *c, int axis, int at, int tap)
{
    int size = axis ? c->x.w : c->x.h;
    int position;
    if (c->transposed) {
        int distance = at + c->padding[axis] - tap * c->dilation[axis];
        position = distance % c->stride[axis] ? -1 : distance / c->stride[axis];
    } else {
        position = at * c->stride[axis] - c->padding[axis] + tap * c->dilation[axis];
    }
    return position >= 0 && position < size ? position : -1;
}

/* The input as n, h, w, c less the zero point, so that padding is 0. */
static double *centered_pixels(const conv *c)
{
    size_t pixels = (size_t)c->x.h * c->x.w, channels = (size_t)c->x.c;
    double *out = make((size_t)c->x.n * pixels * channels, sizeof *out);
    for (size_t n = 0; n < (size_t)c->x.n; n++)
        for (size_t channel = 0; channel < channels; channel++)
            for (size_t p = 0; p < pixels; p++)
                out[(n * pixels + p) * channels + channel] =
                    c->input[(n * channels + channel) * pixels + p] - c->x_zero;
    return out;
}

/* The weights as [group][tap][input channel][output channel of the group]. */
static double *transposed_weights(const conv *c)
{
    size_t taps = (size_t)c->kernel[0] * c->kernel[1], in = (size_t)(c->x.c / c->groups),
           outs = (size_t)(c->y.c / c->groups);
    size_t row = (taps * in + 3) / 4 * 4;
    double *out = make((size_t)c->groups * taps * in * outs, sizeof *out), *next = out;
    for (size_t g = 0; g < (size_t)c->groups; g++)
        for (size_t k = 0; k < taps * in; k++)
            for (size_t o = 0; o < outs; o++) {
                size_t channel = g * outs + o;
                *next++ = c->taps_first ? c->weights[k * c->taps_first + channel]
                                        : c->weights[channel * row + k];
            }
    return out;
}

/* The one hot loop: without instrumentation, which would take minutes for a large model. */
#if defined(__GNUC__)
__attribute__((no_sanitize("address", "undefined")))
#endif
static void
add_scaled(double *acc, double factor, const double *row, size_t count)
{
    for (size_t i = 0; i < count; i++)
        acc[i] += factor * row[i];
}

static double requantized(const conv *c, int channel, double acc)
{
    double real = acc * (c->x_scale * c->scales[channel]) + (c->bias ? c->bias[channel] : 0);
    if (c->relu && real < 0)
        real = 0;
    return clamp8(rint(real / c->y_scale) + c->y_zero);
}

/* All output channels of one pixel: acc[y.c]. */
static void accumulate(const conv *c, const double *pixels, const double *weights, int n, int row,
                       int column, double *acc)
{
    size_t in = (size_t)(c->x.c / c->groups), outs = (size_t)(c->y.c / c->groups);
    int taps = c->kernel[0] * c->kernel[1];
    memset(acc, 0, (size_t)c->y.c * sizeof *acc);
    for (int tap = 0; tap < taps; tap++) {
        int h = source(c, 0, row, tap / c->kernel[1]), w = source(c, 1, column, tap % c->kernel[1]);
        if (h < 0 || w < 0)
            continue;
        const double *pixel = pixels + (((size_t)n * c->x.h + h) * c->x.w + w) * c->x.c;
        for (int g = 0; g < c->groups; g++)
            for (size_t i = 0; i < in; i++)
                if (pixel[g * in + i] != 0)
                    add_scaled(acc + g * outs, pixel[g * in + i],
                               weights + (((size_t)g * taps + tap) * in + i) * outs, outs);
    }
}

static void run_conv(const conv *c, double *out)
{
    double *pixels = centered_pixels(c), *weights = transposed_weights(c),
           *acc = make((size_t)c->y.c, sizeof *acc);
    size_t plane = (size_t)c->y.h * c->y.w;
    for (int n = 0; n < c->y.n; n++)
        for (size_t p = 0; p < plane; p++) {
            accumulate(c, pixels, weights, n, (int)p / c->y.w, (int)p % c->y.w, acc);
            for (int channel = 0; channel < c->y.c; channel++)
                out[((size_t)n * c->y.c + channel) * plane + p] =
                    requantized(c, channel, acc[channel]);
        }
    free(pixels), free(weights), free(acc);
}

/* What all of the family have: x, x_scale, x_zero, weight, sums, scales, y_scale, y_zero, bias. */
static conv quantisation_of(reference *r)
{
    return (conv){.x_scale = number(r, 1),
                  .x_zero = number(r, 2),
                  .y_scale = number(r, 6),
                  .y_zero = number(r, 7),
                  .input = input(r, 0),
                  .weights = input(r, 3),
                  .scales = input(r, 5),
                  .bias = is_null(r, 8) ? NULL : input(r, 8),
                  .relu = !strcmp(argument(r, r->op->arg_count - 2)->string, "relu")};
}

static void convolution(reference *r, double *out)
{
    conv c = quantisation_of(r);
    c.x = image_of(r, r->op->args[0]);
    c.y = image_of(r, reference_result(r));
    c.transposed = strstr(r->op->name, "transposed");
    c.taps_first = strstr(r->op->name, "conv2d_dw") ? tensor(r, r->op->args[3])->dims[2] : 0;
    size_t dilation = c.transposed ? 13 : 12; /* output_padding comes before it */
    for (size_t axis = 0; axis < 2; axis++) {
        c.kernel[axis] = item(r, 9, axis);
        c.stride[axis] = item(r, 10, axis);
        c.padding[axis] = item(r, 11, axis);
        c.dilation[axis] = item(r, dilation, axis);
    }
    c.groups = (int)number(r, dilation + 1);
    run_conv(&c, out);
}

/* A 1x1 convolution over as many images of one pixel as there are rows. */
static void linear(reference *r, double *out)
{
    conv c = quantisation_of(r);
    const vkd_model_tensor *x = tensor(r, r->op->args[0]), *y = tensor(r, reference_result(r));
    int rows = (int)(elements(r, r->op->args[0]) / x->dims[x->rank - 1]);
    c.x = (image){rows, (int)x->dims[x->rank - 1], 1, 1};
    c.y = (image){rows, (int)y->dims[y->rank - 1], 1, 1};
    c.groups = c.kernel[0] = c.kernel[1] = c.stride[0] = c.stride[1] = c.dilation[0] =
        c.dilation[1] = 1;
    run_conv(&c, out);
}

/* --------------------------------------------------------------------------------------- floats */

/* aten.convolution: x, weight, bias, stride, padding, dilation, transposed, output padding, groups;
 * conv_with_clamp has bounds besides. weight: [out_c][channel of the group][tap], transposed
 * [in_c][out channel of the group][tap]. */
static void float_convolution(reference *r, double *out)
{
    conv c = {.x = image_of(r, r->op->args[0]),
              .y = image_of(r, reference_result(r)),
              .transposed = number(r, 6) != 0};
    const double *x = input(r, 0), *weights = input(r, 1),
                 *bias = is_null(r, 2) ? NULL : input(r, 2);
    const uint32_t *w_dims = tensor(r, r->op->args[1])->dims;
    bool clamped = r->op->arg_count > 10;
    double low = !clamped || is_null(r, 9) ? -INFINITY : number(r, 9),
           high = !clamped || is_null(r, 10) ? INFINITY : number(r, 10);
    int groups = (int)number(r, 8), in_group = c.x.c / groups, out_group = c.y.c / groups;
    for (int axis = 0; axis < 2; axis++) {
        c.kernel[axis] = (int)w_dims[2 + axis];
        c.stride[axis] = item(r, 3, (size_t)axis), c.padding[axis] = item(r, 4, (size_t)axis);
        c.dilation[axis] = item(r, 5, (size_t)axis);
    }
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++) {
        int column = (int)(i % (size_t)c.y.w), row = (int)(i / (size_t)c.y.w % (size_t)c.y.h);
        int oc = (int)(i / (size_t)(c.y.w * c.y.h) % (size_t)c.y.c),
            n = (int)(i / (size_t)(c.y.w * c.y.h * c.y.c));
        double sum = bias ? bias[oc] : 0;
        for (int tap = 0; tap < c.kernel[0] * c.kernel[1]; tap++) {
            int h = source(&c, 0, row, tap / c.kernel[1]),
                w = source(&c, 1, column, tap % c.kernel[1]);
            for (int k = 0; h >= 0 && w >= 0 && k < in_group; k++) {
                int ic = oc / out_group * in_group + k;
                int weight = c.transposed ? ic * out_group + oc % out_group : oc * in_group + k;
                sum += x[((n * c.x.c + ic) * c.x.h + h) * c.x.w + w] *
                       weights[weight * c.kernel[0] * c.kernel[1] + tap];
            }
        }
        out[i] = sum < low ? low : sum > high ? high : sum;
    }
}

static void float_linear(reference *r, double *out)
{
    const double *x = input(r, 0), *weight = input(r, 1),
                 *bias = is_null(r, 2) ? NULL : input(r, 2);
    size_t n = tensor(r, r->op->args[1])->dims[0], k = tensor(r, r->op->args[1])->dims[1];
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++) {
        out[i] = bias ? bias[i % n] : 0;
        for (size_t c = 0; c < k; c++)
            out[i] += x[i / n * k + c] * weight[i % n * k + c];
    }
}

/* aten._weight_int8pack_mm: x, weight, a scale for each of its rows. */
static void scaled_linear(reference *r, double *out)
{
    const double *x = input(r, 0), *weight = input(r, 1), *scales = input(r, 2);
    size_t n = tensor(r, r->op->args[1])->dims[0], k = tensor(r, r->op->args[1])->dims[1];
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++) {
        out[i] = 0;
        for (size_t c = 0; c < k; c++)
            out[i] += x[i / n * k + c] * weight[i % n * k + c];
        out[i] *= scales[i % n];
    }
}

/* Element of an operand for element i of the result. */
static double broadcast(reference *r, size_t index, size_t i)
{
    const vkd_model_tensor *x = tensor(r, r->op->args[index]), *y = tensor(r, reference_result(r));
    size_t at = 0, step = 1;
    for (uint32_t d = 0; d < y->rank; d++, i /= y->dims[y->rank - d]) {
        if (d < x->rank && x->dims[x->rank - 1 - d] > 1)
            at += i % y->dims[y->rank - 1 - d] * step;
        step *= d < x->rank ? x->dims[x->rank - 1 - d] : 1;
    }
    return input(r, index)[at];
}

static void binary(reference *r, double *out)
{
    char what = r->op->name[5]; /* of "aten.add" */
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++) {
        double a = broadcast(r, 0, i), b = broadcast(r, 1, i);
        out[i] = what == 'a' ? a + number(r, 2) * b : what == 'm' ? a * b : a / b;
    }
}

static void hardswish(reference *r, double *out)
{
    const double *x = input(r, 0);
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++)
        out[i] = x[i] * fmin(fmax(x[i] + 3, 0), 6) / 6;
}

/* x, scales, zero points, axis. */
static void dequantize_channels(reference *r, double *out)
{
    const double *x = input(r, 0), *scales = input(r, 1),
                 *zeros = is_null(r, 2) ? NULL : input(r, 2);
    const vkd_model_tensor *shape = tensor(r, r->op->args[0]);
    uint32_t axis = (uint32_t)number(r, 3);
    size_t inside = (size_t)vkd_dims_count(shape->rank - axis - 1, shape->dims + axis + 1);
    for (size_t i = 0, count = elements(r, r->op->args[0]); i < count; i++) {
        size_t channel = i / inside % shape->dims[axis];
        out[i] = (x[i] - (zeros ? zeros[channel] : 0)) * scales[channel];
    }
}

/* -------------------------------------------------------------------------------------- windows */

typedef struct pool {
    int kernel[2], stride[2], padding[2], dilation[2];
} pool;

static pool pool_of(const reference *r, bool dilated)
{
    pool p = {.dilation = {1, 1}};
    for (size_t axis = 0; axis < 2; axis++) {
        p.kernel[axis] = item(r, 1, axis);
        p.stride[axis] = argument(r, 2)->list.count ? item(r, 2, axis) : p.kernel[axis];
        p.padding[axis] = item(r, 3, axis);
        if (dilated)
            p.dilation[axis] = item(r, 4, axis);
    }
    return p;
}

/* Maximum and sum over the part of a window that lies in the image, and how many elements that are.
 */
static void look(const pool *p, image x, const double *plane, int row, int column, double *max,
                 double *sum, int *count)
{
    *max = -INFINITY, *sum = 0, *count = 0;
    for (int tap = 0; tap < p->kernel[0] * p->kernel[1]; tap++) {
        int h = row * p->stride[0] - p->padding[0] + tap / p->kernel[1] * p->dilation[0];
        int w = column * p->stride[1] - p->padding[1] + tap % p->kernel[1] * p->dilation[1];
        if (h < 0 || w < 0 || h >= x.h || w >= x.w)
            continue;
        double value = plane[h * x.w + w];
        *max = value > *max ? value : *max;
        *sum += value;
        ++*count;
    }
}

static void max_pool(reference *r, double *out)
{
    image x = image_of(r, r->op->args[0]), y = image_of(r, reference_result(r));
    const double *plane = input(r, 0);
    pool p = pool_of(r, true);
    double sum;
    int count;
    for (int i = 0; i < x.n * x.c; i++, plane += x.h * x.w)
        for (int h = 0; h < y.h; h++)
            for (int w = 0; w < y.w; w++)
                look(&p, x, plane, h, w, out++, &sum, &count);
}

/* How many elements of a window lie in the image or its padding on one axis. */
static int padded_extent(const pool *p, int axis, int size, int at)
{
    int first = at * p->stride[axis] - p->padding[axis], end = first + p->kernel[axis];
    return (end > size + p->padding[axis] ? size + p->padding[axis] : end) - first;
}

static void avg_pool(reference *r, double *out)
{
    image x = image_of(r, r->op->args[0]), y = image_of(r, reference_result(r));
    const double *plane = input(r, 0);
    pool p = pool_of(r, false);
    bool include_padding = number(r, 5) != 0;
    double max, sum;
    int count;
    for (int i = 0; i < x.n * x.c; i++, plane += x.h * x.w)
        for (int h = 0; h < y.h; h++)
            for (int w = 0; w < y.w; w++) {
                look(&p, x, plane, h, w, &max, &sum, &count);
                if (!is_null(r, 6))
                    count = (int)number(r, 6);
                else if (include_padding)
                    count = padded_extent(&p, 0, x.h, h) * padded_extent(&p, 1, x.w, w);
                *out++ = (double)(float)(sum / count);
            }
}

/* As PyTorch finds it, in floats. */
static int nearest(int at, int from, int to)
{
    return (int)((float)at * ((float)from / (float)to));
}

static void upsample(reference *r, double *out)
{
    image x = image_of(r, r->op->args[0]), y = image_of(r, reference_result(r));
    const double *plane = input(r, 0);
    for (int i = 0; i < x.n * x.c; i++, plane += x.h * x.w)
        for (int h = 0; h < y.h; h++)
            for (int w = 0; w < y.w; w++)
                *out++ = plane[nearest(h, x.h, y.h) * x.w + nearest(w, x.w, y.w)];
}

/* -------------------------------------------------------------------------- other float tensors */

static void mean(reference *r, double *out)
{
    const vkd_model_tensor *x = tensor(r, r->op->args[0]);
    const vkd_model_value *list = argument(r, 1);
    const double *data = input(r, 0);
    size_t strides[VKD_MAX_RANK], kept = 1, count = elements(r, r->op->args[0]);
    for (uint32_t i = x->rank; i-- > 0;) {
        bool reduced = list->list.count == 0;
        for (size_t k = 0; k < list->list.count; k++)
            reduced |= list->list.ints[k] == i || list->list.ints[k] + x->rank == i;
        strides[i] = reduced ? 0 : kept;
        kept *= reduced ? 1 : x->dims[i];
    }
    memset(out, 0, kept * sizeof *out);
    for (size_t i = 0; i < count; i++) {
        size_t at = 0, rest = i;
        for (uint32_t d = x->rank; d-- > 0; rest /= x->dims[d])
            at += rest % x->dims[d] * strides[d];
        out[at] += data[i];
    }
    for (size_t i = 0; i < kept; i++)
        out[i] = (double)(float)(out[i] / ((double)count / (double)kept));
}

static void concatenate(reference *r, double *out)
{
    const vkd_model_value *list = argument(r, 0);
    const vkd_model_tensor *y = tensor(r, reference_result(r));
    int dim = (int)number(r, 1);
    dim += dim < 0 ? (int)y->rank : 0;
    size_t outer = (size_t)vkd_dims_count((uint32_t)dim, y->dims);
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < list->list.count; i++) {
            uint32_t id = list->list.values[i];
            size_t part = elements(r, id) / outer;
            memcpy(out, contents(r, id) + o * part, part * sizeof *out);
            out += part;
        }
}

static void clamp(reference *r, double *out)
{
    const double *x = input(r, 0);
    double low = is_null(r, 1) ? -INFINITY : (double)(float)number(r, 1);
    double high = is_null(r, 2) ? INFINITY : (double)(float)number(r, 2);
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++)
        out[i] = x[i] < low ? low : x[i] > high ? high : x[i];
}

static void relu(reference *r, double *out)
{
    const double *x = input(r, 0);
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++)
        out[i] = x[i] > 0 ? x[i] : 0;
}

static void sigmoid(reference *r, double *out)
{
    const double *x = input(r, 0);
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++)
        out[i] = 1 / (1 + exp(-x[i]));
}

/* x, weight, bias, mean and variance of the channels, momentum, epsilon. */
static void batch_norm(reference *r, double *out)
{
    const double *x = input(r, 0), *weight = input(r, 1), *bias = input(r, 2), *means = input(r, 3),
                 *variances = input(r, 4), epsilon = number(r, 6);
    const image y = image_of(r, reference_result(r));
    for (size_t i = 0, count = elements(r, reference_result(r)); i < count; i++) {
        const size_t c = i / (size_t)(y.h * y.w) % (size_t)y.c;
        out[i] = (x[i] - means[c]) / sqrt(variances[c] + epsilon) * weight[c] + bias[c];
    }
}

static void move(reference *r, double *out)
{
    memcpy(out, input(r, 0), elements(r, reference_result(r)) * sizeof *out);
}

/* ------------------------------------------------------------------------------------ the table */

typedef void (*compute_fn)(reference *r, double *out);

static const struct {
    const char *name;
    compute_fn compute;
    uint32_t rank; /* of its first operand; 0: any */
} operators[] = {
    {"et_vk.q8ta_conv2d.default", convolution, 4},
    {"et_vk.q8ta_conv2d_general.default", convolution, 4},
    {"et_vk.q8ta_conv2d_im2col.default", convolution, 4},
    {"et_vk.q8ta_conv2d_pw.default", convolution, 4},
    {"et_vk.q8ta_conv2d_dw.default", convolution, 4},
    {"et_vk.q8ta_conv2d_transposed.default", convolution, 4},
    {"et_vk.q8ta_linear.default", linear},
    {"et_vk.q8ta_linear_gemv.default", linear},
    {"aten.convolution.default", float_convolution, 4},
    {"et_vk.conv_with_clamp.default", float_convolution, 4},
    {"aten.linear.default", float_linear},
    {"aten._weight_int8pack_mm.default", scaled_linear},
    {"aten.add.Tensor", binary},
    {"aten.mul.Tensor", binary},
    {"aten.div.Tensor", binary},
    {"aten.hardswish.default", hardswish},
    {"quantized_decomposed.dequantize_per_channel.default", dequantize_channels},
    {"et_vk.q8ta_add.default", add},
    {"et_vk.q8ta_relu.default", q8_relu},
    {"et_vk.q8ta_pixel_shuffle.default", pixel_shuffle, 4},
    {"quantized_decomposed.quantize_per_tensor.default", quantize},
    {"quantized_decomposed.dequantize_per_tensor.default", dequantize},
    {"aten.max_pool2d.default", max_pool, 4},
    {"aten.max_pool2d_with_indices.default", max_pool, 4},
    {"aten.avg_pool2d.default", avg_pool, 4},
    {"aten.mean.dim", mean},
    {"aten::mean.out", mean},
    {"aten.cat.default", concatenate},
    {"aten.hardtanh.default", clamp},
    {"aten.clamp.default", clamp},
    {"aten.relu.default", relu},
    {"aten.sigmoid.default", sigmoid},
    {"aten._native_batch_norm_legit_no_training.default", batch_norm, 4},
    {"aten.upsample_nearest2d.vec", upsample, 4},
    {"aten.view_copy.default", move},
    {"aten.squeeze_copy.dim", move},
    {"aten.squeeze_copy.dims", move},
    {"aten.unsqueeze_copy.default", move},
    {"aten.clone.default", move},
    {"dim_order_ops._to_dim_order_copy.default", move},
    {"et_vk.prepack.default", move},
};

enum { OPERATORS = sizeof operators / sizeof operators[0] };

static size_t find(const char *name)
{
    size_t i = 0;
    while (i < OPERATORS && strcmp(operators[i].name, name))
        i++;
    return i;
}

bool reference_moves(const char *op)
{
    const size_t at = find(op);
    return at < OPERATORS && operators[at].compute == move;
}

bool reference_knows(const vkd_model *model, const vkd_model_op *op)
{
    const size_t at = find(op->name);
    return at < OPERATORS &&
           (!operators[at].rank || operators[at].rank == model->values[op->args[0]].tensor.rank);
}

void reference_compute(reference *r, double *out) { operators[find(r->op->name)].compute(r, out); }

reference_difference reference_compare(vkd_dtype dtype, size_t count, const void *got,
                                       const double *expected)
{
    bool is_half = dtype == VKD_DTYPE_FLOAT16,
         is_float = is_half || dtype == VKD_DTYPE_FLOAT32 || dtype == VKD_DTYPE_FLOAT64;
    reference_difference difference = {.count = count};
    double *values = make(count, sizeof *values), magnitude = 0;
    reference_load(dtype, count, got, values);
    for (size_t i = 0; i < count; i++) {
        bool same = values[i] == expected[i] || (isnan(values[i]) && isnan(expected[i]));
        double distance = same ? 0 : fabs(values[i] - expected[i]);
        difference.differing += !same;
        if (isnan(distance) || distance > difference.largest)
            difference.largest = isnan(distance) ? INFINITY : distance;
        if (isfinite(expected[i]) && fabs(expected[i]) > magnitude)
            magnitude = fabs(expected[i]);
    }
    free(values);
    if (is_float && magnitude > 0)
        difference.largest /= magnitude;
    difference.accepted = difference.largest <= (is_half ? 1e-3 : is_float ? 1e-5 : 1.0);
    return difference;
}
