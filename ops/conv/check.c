/* The scalar oracle for a convolution on a trial's operands, in plain C, on a sample of the
 * outputs. */
#include "ops/conv/trial.h"

#include <math.h>
#include <string.h>

/* Input values of one pixel, from channel c on; outside the image they are the zero point. */
static void inputs_at(const conv2d_trial *trial, uint32_t n, int64_t y, int64_t x, uint32_t c,
                      uint32_t count, int8_t *out)
{
    const conv2d_problem *p = &trial->problem;
    if (y < 0 || y >= p->in_h || x < 0 || x >= p->in_w)
        memset(out, trial->requantize.x_zero, count);
    else
        vkd_conv2d_trial_bytes(0,
                               (((size_t)n * p->in_h + (size_t)y) * p->in_w + (size_t)x) *
                                       vkd_align_up(p->in_c, 4) +
                                   c,
                               count, out);
}

static int32_t sum_at(const conv2d_trial *trial, const conv2d_place *at)
{
    enum { CHUNK = 64 };
    const conv2d_problem *p = &trial->problem;
    uint32_t channels = conv2d_ic_group(p), first = at->c / conv2d_oc_group(p) * channels;
    int32_t sum = 0;
    for (uint32_t ky = 0; ky < p->kernel[0]; ky++)
        for (uint32_t kx = 0; kx < p->kernel[1]; kx++) {
            int64_t y =
                (int64_t)at->y * p->stride[0] + (int64_t)ky * p->dilation[0] - p->padding[0];
            int64_t x =
                (int64_t)at->x * p->stride[1] + (int64_t)kx * p->dilation[1] - p->padding[1];
            const int8_t *weight =
                vkd_weights_at(&trial->weights, at->c, ((size_t)ky * p->kernel[1] + kx) * channels);
            for (uint32_t c = 0; c < channels; c += CHUNK) {
                uint32_t count = channels - c < CHUNK ? channels - c : CHUNK;
                int8_t inputs[CHUNK];
                inputs_at(trial, at->n, y, x, first + c, count, inputs);
                for (uint32_t i = 0; i < count; i++)
                    sum += inputs[i] * *weight++;
            }
        }
    return sum;
}

static float clamp(float value, float low, float high)
{
    return value < low ? low : value > high ? high : value;
}

/* As shaders/requantize_params.h says. */
static float expected_at(const conv2d_trial *trial, const conv2d_place *at, size_t byte)
{
    const requantize_params *r = &trial->params;
    const requantize_args *args = &trial->requantize;
    float scale = trial->scales[at->c] * args->x_scale;
    float scaled = (float)(sum_at(trial, at) - args->x_zero * trial->sums[at->c]) * scale;
    float q = clamp(nearbyintf((scaled + trial->bias[at->c]) * r->inv_scale) + (float)r->zero,
                    r->low, r->high);
    if (!trial->residual)
        return q;
    float a = (q - (float)r->zero) * r->q_scale;
    int8_t residual;
    vkd_conv2d_trial_bytes(1, byte, 1, &residual);
    float b = (float)(residual - r->r_zero) * r->r_scale;
    return clamp(nearbyintf((a + b) * r->sum_inv_scale) + (float)r->sum_zero, -128, 127);
}

/* Every corner of the output, where the windows hang over the image and tiles end, then places all
 * over it. */
conv2d_place vkd_conv2d_sample(const conv2d_problem *p, uint32_t index)
{
    enum { CORNERS = 16 };
    if (index < CORNERS)
        return (conv2d_place){index & 1 ? p->n - 1 : 0, index & 2 ? p->out_h - 1 : 0,
                              index & 4 ? p->out_w - 1 : 0, index & 8 ? p->out_c - 1 : 0};
    uint64_t bits = (index + 1) * UINT64_C(0x9e3779b97f4a7c15);
    bits ^= bits >> 29;
    return (conv2d_place){(uint32_t)(bits % p->n), (uint32_t)((bits >> 12) % p->out_h),
                          (uint32_t)((bits >> 24) % p->out_w), (uint32_t)((bits >> 40) % p->out_c)};
}

uint32_t vkd_conv2d_sample_count(const conv2d_problem *p)
{
    const uint64_t work = 500000; /* multiply-adds: about a millisecond */
    uint64_t k = conv2d_k(p);
    return work / k < 32 ? 32 : work / k > 1024 ? 1024 : (uint32_t)(work / k);
}

/* By how much a result may be off: one for each rounding. But a rounding seldom falls the other
 * way: where many results are off by a little, something is missing in their sums. */
bool vkd_conv2d_trial_check(const conv2d_trial *trial, const void *y)
{
    enum { SELDOM = 8 };
    const conv2d_problem *p = &trial->problem;
    if (p->low_bits)
        return vkd_low_bit_trial_check(trial, y);
    if (conv2d_is_float(p))
        return vkd_conv2d_float_trial_check(trial, y);
    uint32_t count = vkd_conv2d_sample_count(p), off = 0;
    float tolerance = trial->residual ? 2 : 1;
    for (uint32_t i = 0; i < count; i++) {
        conv2d_place at = vkd_conv2d_sample(p, i);
        size_t byte =
            (((size_t)at.n * p->out_h + at.y) * p->out_w + at.x) * vkd_align_up(p->out_c, 4) + at.c;
        float difference = fabsf((float)((const int8_t *)y)[byte] - expected_at(trial, &at, byte));
        if (difference > tolerance)
            return false;
        off += difference > 0;
    }
    return off <= count / SELDOM;
}
