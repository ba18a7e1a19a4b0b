/* The scalar oracle: what every operator computes, in the plainest C. All arrays are contiguous and
 * row-major, images n, c, h, w. Every float operation rounds by itself (the build turns contraction
 * off), as the kernels do, so results are to be equal bit for bit unless a comment says otherwise.
 */
#ifndef VKD_TEST_SUPPORT_ORACLE_H
#define VKD_TEST_SUPPORT_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* int8 quantisation: real = (q - zero) * scale. */
typedef struct oracle_q {
    float scale;
    int32_t zero;
} oracle_q;

/* clamp(round_half_to_even(x * (1 / scale)) + zero, -128, 127); NaN gives the zero point. */
int8_t oracle_quantize_one(float x, oracle_q q);
void oracle_quantize(const float *x, size_t count, oracle_q q, int8_t *y);
void oracle_dequantize(const int8_t *x, size_t count, oracle_q q, float *y);

void oracle_add(const int8_t *a, oracle_q a_q, const int8_t *b, oracle_q b_q, float alpha,
                size_t count, oracle_q y_q, int8_t *y);
void oracle_relu(const int8_t *x, oracle_q x_q, size_t count, oracle_q y_q, int8_t *y);

/* A sliding window: pooling and convolution. Pairs are h, w. */
typedef struct oracle_window {
    uint32_t n, c, h, w;
    int32_t kernel[2], stride[2], padding[2], dilation[2];
} oracle_window;

/* Extent of the output on an axis (0: h, 1: w); at most 0 when the window does not fit. */
int32_t oracle_extent(const oracle_window *window, int axis, bool ceil_mode);
void oracle_max_pool_int8(const oracle_window *window, bool ceil_mode, const int8_t *x, int8_t *y);
void oracle_max_pool_float(const oracle_window *window, bool ceil_mode, const float *x, float *y);

/* Mean in double over the dims (n, c, h, w) that are true; y has the remaining elements in order.
 */
void oracle_mean(const uint32_t dims[4], const bool over[4], const float *x, double *y);
/* Mean over `pixels` of each of `planes`, clamped to low..high before (NAN: no bound): the exact
 * sum, then two roundings. A kernel's sum is exact too unless a bound is no whole number of steps.
 */
void oracle_q8_mean(const int8_t *x, size_t planes, size_t pixels, oracle_q x_q, float low,
                    float high, oracle_q y_q, int8_t *y);

/* What follows the accumulator acc = sum(x * weight), with x = x_zero outside the image: each line
 * rounds to float. f = float(acc - x_zero * weight_sum) * (weight_scale * x_scale) f = f + bias 0
 * where bias is null f = max(f, 0)                   if relu q = clamp(round_half_to_even(f * (1 /
 * y_scale)) + y_zero, -128, 127) */
typedef struct oracle_channels {
    oracle_q x_q, y_q;
    const int8_t *weights; /* a row per output channel, see below */
    const float *weight_scales, *bias;
    bool relu;
} oracle_channels;
int8_t oracle_requantize(const oracle_channels *channels, uint32_t channel, int32_t acc,
                         int32_t weight_sum);

/* 2-D convolution. Rows of the weights: align4(kh * kw * c / groups) bytes, k = (ky * kw + kx) * (c
 * / groups) + channel. acc: null, or receives the accumulators. */
void oracle_conv2d(const oracle_window *window, uint32_t out_c, uint32_t groups,
                   const oracle_channels *channels, const int8_t *x, int8_t *y, int32_t *acc);

/* [m, k] by rows of align4(k) weights. */
void oracle_linear(uint32_t m, uint32_t k, uint32_t out_c, const oracle_channels *channels,
                   const int8_t *x, int8_t *y);

/* Transposed convolution without dilation, by scattering: out_h = (h - 1) * stride - 2 * padding +
 * kernel + output_padding. Weights as for oracle_conv2d: a row per output channel. */
void oracle_conv2d_transposed(const oracle_window *window, const int32_t output_padding[2],
                              uint32_t out_c, uint32_t groups, const oracle_channels *channels,
                              const int8_t *x, int8_t *y);
int32_t oracle_transposed_extent(const oracle_window *window, const int32_t output_padding[2],
                                 int axis);

/* x of c channels; y has c / factor^2. */
void oracle_pixel_shuffle(const uint32_t dims[4], uint32_t factor, const int8_t *x, oracle_q x_q,
                          oracle_q y_q, int8_t *y);

/* Averages in double. divisor: 0 for what the window covers, of the image and, if so told, of its
 * padding. */
void oracle_avg_pool(const oracle_window *window, bool ceil_mode, bool count_padding,
                     double divisor, const float *x, double *y);

/* min(max(x, low), high); a NaN bound is none, a NaN element stays. */
void oracle_clamp(const float *x, size_t count, float low, float high, float *y);

/* Elements of `size` bytes. */
void oracle_upsample(const void *x, size_t size, size_t planes, uint32_t h, uint32_t w,
                     uint32_t factor_h, uint32_t factor_w, void *y);

#endif
