#include "support/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- elements */

static float inverse(float scale) { return (float)(1.0 / (double)scale); }

static int8_t to_int8(float steps, int32_t zero)
{
    /* the default rounding mode is to nearest, half to even */
    float q = rintf(steps) + (float)zero;
    return (int8_t)(q < -128.0f ? -128.0f : q > 127.0f ? 127.0f : q);
}

int8_t oracle_quantize_one(float x, oracle_q q)
{
    if (isnan(x))
        return (int8_t)q.zero;
    float steps = x * inverse(q.scale);
    return to_int8(steps, q.zero);
}

static float dequantize_one(int8_t x, oracle_q q)
{
    float steps = (float)x - (float)q.zero;
    return steps * q.scale;
}

void oracle_quantize(const float *x, size_t count, oracle_q q, int8_t *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = oracle_quantize_one(x[i], q);
}

void oracle_dequantize(const int8_t *x, size_t count, oracle_q q, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] = dequantize_one(x[i], q);
}

void oracle_add(const int8_t *a, oracle_q a_q, const int8_t *b, oracle_q b_q, float alpha,
                size_t count, oracle_q y_q, int8_t *y)
{
    for (size_t i = 0; i < count; i++) {
        float scaled = alpha * dequantize_one(b[i], b_q);
        float sum = dequantize_one(a[i], a_q) + scaled;
        y[i] = oracle_quantize_one(sum, y_q);
    }
}

void oracle_relu(const int8_t *x, oracle_q x_q, size_t count, oracle_q y_q, int8_t *y)
{
    for (size_t i = 0; i < count; i++) {
        float real = dequantize_one(x[i], x_q);
        y[i] = oracle_quantize_one(real > 0.0f ? real : 0.0f, y_q);
    }
}

/* -------------------------------------------------------------------------------------- windows */

int32_t oracle_extent(const oracle_window *window, int axis, bool ceil_mode)
{
    int32_t size = (int32_t)(axis ? window->w : window->h), stride = window->stride[axis],
            padding = window->padding[axis];
    int32_t reach = window->dilation[axis] * (window->kernel[axis] - 1) + 1;
    int32_t room = size + 2 * padding - reach;
    if (room < 0)
        return 0;
    int32_t count = (ceil_mode ? room + stride - 1 : room) / stride + 1;
    return ceil_mode && (count - 1) * stride >= size + padding ? count - 1 : count;
}

/* The plane's element under tap (ky, kx) of the window at (row, column), or null outside the image.
 */
static bool tap(const oracle_window *v, int32_t row, int32_t column, int32_t ky, int32_t kx,
                size_t *out_offset)
{
    int32_t h = row * v->stride[0] - v->padding[0] + ky * v->dilation[0];
    int32_t w = column * v->stride[1] - v->padding[1] + kx * v->dilation[1];
    if (h < 0 || w < 0 || h >= (int32_t)v->h || w >= (int32_t)v->w)
        return false;
    *out_offset = (size_t)h * v->w + (size_t)w;
    return true;
}

static float max_of_window(const oracle_window *v, const int8_t *bytes, const float *floats,
                           int32_t row, int32_t column)
{
    float best = bytes ? -128.0f : -INFINITY;
    for (int32_t ky = 0; ky < v->kernel[0]; ky++)
        for (int32_t kx = 0; kx < v->kernel[1]; kx++) {
            size_t at;
            if (!tap(v, row, column, ky, kx, &at))
                continue;
            float x = bytes ? (float)bytes[at] : floats[at];
            if (x > best || isnan(x))
                best = x;
        }
    return best;
}

void oracle_max_pool_int8(const oracle_window *window, bool ceil_mode, const int8_t *x, int8_t *y)
{
    int32_t out_h = oracle_extent(window, 0, ceil_mode),
            out_w = oracle_extent(window, 1, ceil_mode);
    for (size_t plane = 0; plane < (size_t)window->n * window->c;
         plane++, x += (size_t)window->h * window->w)
        for (int32_t row = 0; row < out_h; row++)
            for (int32_t column = 0; column < out_w; column++)
                *y++ = (int8_t)max_of_window(window, x, NULL, row, column);
}

void oracle_max_pool_float(const oracle_window *window, bool ceil_mode, const float *x, float *y)
{
    int32_t out_h = oracle_extent(window, 0, ceil_mode),
            out_w = oracle_extent(window, 1, ceil_mode);
    for (size_t plane = 0; plane < (size_t)window->n * window->c;
         plane++, x += (size_t)window->h * window->w)
        for (int32_t row = 0; row < out_h; row++)
            for (int32_t column = 0; column < out_w; column++)
                *y++ = max_of_window(window, NULL, x, row, column);
}

/* ---------------------------------------------------------------------------------------- means */

void oracle_mean(const uint32_t dims[4], const bool over[4], const float *x, double *y)
{
    size_t kept = 1, reduced = 1, strides[4], stride = 1;
    for (int i = 0; i < 4; i++)
        *(over[i] ? &reduced : &kept) *= dims[i];
    for (int i = 3; i >= 0; i--) {
        strides[i] = over[i] ? 0 : stride;
        stride *= over[i] ? 1 : dims[i];
    }
    for (size_t i = 0; i < kept; i++)
        y[i] = 0;
    for (uint32_t n = 0; n < dims[0]; n++)
        for (uint32_t c = 0; c < dims[1]; c++)
            for (uint32_t h = 0; h < dims[2]; h++)
                for (uint32_t w = 0; w < dims[3]; w++)
                    y[n * strides[0] + c * strides[1] + h * strides[2] + w * strides[3]] += *x++;
    for (size_t i = 0; i < kept; i++)
        y[i] /= (double)reduced;
}

void oracle_q8_mean(const int8_t *x, size_t planes, size_t pixels, oracle_q x_q, float low,
                    float high, oracle_q y_q, int8_t *y)
{
    float factor = (float)((double)x_q.scale / (double)pixels);
    float low_steps = (float)((double)low / (double)x_q.scale),
          high_steps = (float)((double)high / (double)x_q.scale);
    for (size_t plane = 0; plane < planes; plane++) {
        double sum = 0;
        for (size_t i = 0; i < pixels; i++) {
            float steps = (float)(*x++ - x_q.zero);
            oracle_clamp(&steps, 1, low_steps, high_steps, &steps);
            sum += (double)steps;
        }
        float real = (float)sum * factor;
        y[plane] = oracle_quantize_one(real, y_q);
    }
}

/* ------------------------------------------------------------------------- convolutions, linear */

static size_t align4(size_t count) { return (count + 3) / 4 * 4; }

int8_t oracle_requantize(const oracle_channels *channels, uint32_t channel, int32_t acc,
                         int32_t weight_sum)
{
    float scale = channels->weight_scales[channel] * channels->x_q.scale;
    float scaled = (float)(acc - channels->x_q.zero * weight_sum) * scale;
    float real = scaled + (channels->bias ? channels->bias[channel] : 0.0f);
    if (channels->relu && !(real > 0.0f))
        real = 0.0f;
    return oracle_quantize_one(real, channels->y_q);
}

static int32_t row_sum(const int8_t *row, size_t count)
{
    int32_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += row[i];
    return sum;
}

typedef struct conv_place {
    uint32_t image, channel; /* of the output */
    int32_t row, column;
} conv_place;

static int32_t conv_sum(const oracle_window *v, uint32_t group_c, uint32_t first_c,
                        const int8_t *weights, int8_t outside, const int8_t *x,
                        const conv_place *place)
{
    int32_t acc = 0;
    size_t plane = (size_t)v->h * v->w;
    for (int32_t ky = 0; ky < v->kernel[0]; ky++)
        for (int32_t kx = 0; kx < v->kernel[1]; kx++)
            for (uint32_t c = 0; c < group_c; c++) {
                size_t at;
                bool inside = tap(v, place->row, place->column, ky, kx, &at);
                int32_t value =
                    inside ? x[((size_t)place->image * v->c + first_c + c) * plane + at] : outside;
                acc +=
                    value * weights[((size_t)ky * (size_t)v->kernel[1] + (size_t)kx) * group_c + c];
            }
    return acc;
}

void oracle_conv2d(const oracle_window *window, uint32_t out_c, uint32_t groups,
                   const oracle_channels *channels, const int8_t *x, int8_t *y, int32_t *acc)
{
    uint32_t group_c = window->c / groups, group_out = out_c / groups;
    int32_t out_h = oracle_extent(window, 0, false), out_w = oracle_extent(window, 1, false);
    size_t k = (size_t)window->kernel[0] * (size_t)window->kernel[1] * group_c;
    for (conv_place p = {0}; p.image < window->n; p.image++)
        for (p.channel = 0; p.channel < out_c; p.channel++) {
            const int8_t *weights = channels->weights + p.channel * align4(k);
            int32_t weight_sum = row_sum(weights, k);
            for (p.row = 0; p.row < out_h; p.row++)
                for (p.column = 0; p.column < out_w; p.column++) {
                    uint32_t first_c = p.channel / group_out * group_c;
                    int32_t sum = conv_sum(window, group_c, first_c, weights,
                                           (int8_t)channels->x_q.zero, x, &p);
                    *y++ = oracle_requantize(channels, p.channel, sum, weight_sum);
                    if (acc)
                        *acc++ = sum;
                }
        }
}

void oracle_linear(uint32_t m, uint32_t k, uint32_t out_c, const oracle_channels *channels,
                   const int8_t *x, int8_t *y)
{
    for (uint32_t row = 0; row < m; row++, x += k)
        for (uint32_t channel = 0; channel < out_c; channel++) {
            const int8_t *weights = channels->weights + channel * align4(k);
            int32_t acc = 0;
            for (uint32_t i = 0; i < k; i++)
                acc += x[i] * weights[i];
            *y++ = oracle_requantize(channels, channel, acc, row_sum(weights, k));
        }
}

int32_t oracle_transposed_extent(const oracle_window *v, const int32_t output_padding[2], int axis)
{
    int32_t size = (int32_t)(axis ? v->w : v->h);
    return (size - 1) * v->stride[axis] - 2 * v->padding[axis] + v->kernel[axis] +
           output_padding[axis];
}

/* Adds an input pixel's share to the accumulators of one output channel of one image. */
static void scatter(const oracle_window *v, const int32_t out[2], int32_t value, int32_t h,
                    int32_t w, const int8_t *weights, uint32_t weight_step, int32_t *acc)
{
    for (int32_t ky = 0; ky < v->kernel[0]; ky++)
        for (int32_t kx = 0; kx < v->kernel[1]; kx++) {
            int32_t row = h * v->stride[0] - v->padding[0] + ky,
                    column = w * v->stride[1] - v->padding[1] + kx;
            if (row >= 0 && row < out[0] && column >= 0 && column < out[1])
                acc[row * out[1] + column] +=
                    value * weights[(uint32_t)(ky * v->kernel[1] + kx) * weight_step];
        }
}

void oracle_conv2d_transposed(const oracle_window *v, const int32_t output_padding[2],
                              uint32_t out_c, uint32_t groups, const oracle_channels *channels,
                              const int8_t *x, int8_t *y)
{
    const int32_t out[2] = {oracle_transposed_extent(v, output_padding, 0),
                            oracle_transposed_extent(v, output_padding, 1)};
    uint32_t group_c = v->c / groups, group_out = out_c / groups;
    size_t pixels = (size_t)out[0] * (size_t)out[1],
           row = align4((size_t)(v->kernel[0] * v->kernel[1]) * group_c);
    int32_t *acc = malloc(pixels * sizeof *acc);
    for (uint32_t image = 0; acc && image < v->n; image++)
        for (uint32_t channel = 0; channel < out_c; channel++, y += pixels) {
            memset(acc, 0, pixels * sizeof *acc);
            for (uint32_t c = 0; c < group_c; c++) {
                uint32_t first_c = channel / group_out * group_c;
                const int8_t *plane = x + ((size_t)image * v->c + first_c + c) * v->h * v->w;
                for (uint32_t h = 0; h < v->h; h++)
                    for (uint32_t w = 0; w < v->w; w++)
                        scatter(v, out, plane[h * v->w + w] - channels->x_q.zero, (int32_t)h,
                                (int32_t)w, channels->weights + channel * row + c, group_c, acc);
            }
            for (size_t i = 0; i < pixels; i++)
                y[i] = oracle_requantize(channels, channel, acc[i], 0);
        }
    free(acc);
}

/* ---------------------------------------------------------------- shuffles, averages and clamps */

void oracle_pixel_shuffle(const uint32_t dims[4], uint32_t factor, const int8_t *x, oracle_q x_q,
                          oracle_q y_q, int8_t *y)
{
    uint32_t c = dims[1], h = dims[2], w = dims[3];
    for (uint32_t n = 0; n < dims[0]; n++)
        for (uint32_t yc = 0; yc < c / (factor * factor); yc++)
            for (uint32_t yh = 0; yh < h * factor; yh++)
                for (uint32_t yw = 0; yw < w * factor; yw++) {
                    uint32_t xc = (yc * factor + yh % factor) * factor + yw % factor;
                    int8_t q = x[(((size_t)n * c + xc) * h + yh / factor) * w + yw / factor];
                    float real;
                    oracle_dequantize(&q, 1, x_q, &real);
                    *y++ = oracle_quantize_one(real, y_q);
                }
}

static double average(const oracle_window *v, bool count_padding, double divisor, const float *x,
                      int32_t row, int32_t column)
{
    double sum = 0, covered = 0;
    for (int32_t ky = 0; ky < v->kernel[0]; ky++)
        for (int32_t kx = 0; kx < v->kernel[1]; kx++) {
            size_t at;
            int32_t h = row * v->stride[0] - v->padding[0] + ky,
                    w = column * v->stride[1] - v->padding[1] + kx;
            bool inside = tap(v, row, column, ky, kx, &at);
            sum += inside ? x[at] : 0;
            /* Padding that only ceil_mode makes necessary never counts. */
            covered += inside || (count_padding && h < (int32_t)v->h + v->padding[0] &&
                                  w < (int32_t)v->w + v->padding[1]);
        }
    return sum / (divisor != 0 ? divisor : covered);
}

void oracle_avg_pool(const oracle_window *window, bool ceil_mode, bool count_padding,
                     double divisor, const float *x, double *y)
{
    int32_t out_h = oracle_extent(window, 0, ceil_mode),
            out_w = oracle_extent(window, 1, ceil_mode);
    for (size_t plane = 0; plane < (size_t)window->n * window->c;
         plane++, x += (size_t)window->h * window->w)
        for (int32_t row = 0; row < out_h; row++)
            for (int32_t column = 0; column < out_w; column++)
                *y++ = average(window, count_padding, divisor, x, row, column);
}

void oracle_clamp(const float *x, size_t count, float low, float high, float *y)
{
    for (size_t i = 0; i < count; i++) {
        float v = x[i] < low ? low : x[i];
        y[i] = v > high ? high : v;
    }
}

void oracle_upsample(const void *x, size_t size, size_t planes, uint32_t h, uint32_t w,
                     uint32_t factor_h, uint32_t factor_w, void *y)
{
    char *to = y;
    for (size_t plane = 0; plane < planes; plane++)
        for (uint32_t row = 0; row < h * factor_h; row++)
            for (uint32_t column = 0; column < w * factor_w; column++, to += size)
                memcpy(to,
                       (const char *)x +
                           ((plane * h + row / factor_h) * w + column / factor_w) * size,
                       size);
}
