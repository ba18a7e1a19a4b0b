/* Trials of convolutions of floats: operands that a driver's fault shows in, and the scalar oracle,
 * in double precision. */
#include "ops/conv/float.h"
#include "ops/conv/trial.h"
#include "ops/normalise.h"
#include "runtime/base/element.h"

#include <math.h>
#include <string.h>

enum { X_STREAM = 6, WEIGHT_STREAM, BIAS_STREAM, RESIDUAL_STREAM, NORM_STREAM };

/* ------------------------------------------------------------------------------------- operands */

static size_t weight_count(const conv2d_problem *p)
{
    return (size_t)p->out_c * (size_t)conv2d_k(p);
}

vkd_status vkd_conv2d_float_trial_make(vkd_arena *arena, const conv2d *conv, conv2d_trial *out)
{
    *out = (conv2d_trial){.problem = conv->problem, .real = conv->real};
    if (out->real.weights.data)
        return VKD_OK;
    out->made_real =
        vkd_arena_alloc(arena, weight_count(&conv->problem), vkd_dtype_size(conv->problem.dtype));
    out->real.weights.data = out->made_real;
    return out->made_real ? VKD_OK : vkd_fail_memory(arena->context, "a convolution to try");
}

void vkd_conv2d_float_trial_fill(conv2d_trial *trial)
{
    for (size_t i = 0, count = trial->made_real ? weight_count(&trial->problem) : 0; i < count; i++)
        vkd_element_set(trial->problem.dtype, trial->made_real, i,
                        vkd_conv2d_trial_number(WEIGHT_STREAM, i));
}

typedef struct made_source {
    uint32_t stream, dtype, channels, padded; /* of a pixel */
} made_source;

/* Numbers by place; NaN in the padding of channels, which must not get into any result. */
static void pack_made(const void *from, void *dst, size_t size)
{
    const made_source *source = from;
    size_t element = vkd_dtype_size((vkd_dtype)source->dtype);
    for (size_t i = 0; i < size / element; i++)
        vkd_element_set((vkd_dtype)source->dtype, (char *)dst, i,
                        i % source->padded < source->channels
                            ? vkd_conv2d_trial_number(source->stream, i)
                            : NAN);
}

static vkd_status add_made(const conv2d_trial *trial, vkd_graph *graph, uint32_t stream,
                           vkd_layout layout, uint32_t rank, const uint32_t *dims,
                           vkd_tensor_id *out)
{
    made_source *source = vkd_arena_alloc(graph->arena, 1, sizeof *source);
    if (!source)
        return vkd_fail_memory(graph->arena->context, "a convolution to try");
    const uint32_t channels = dims[rank > 1];
    *source =
        (made_source){stream, trial->problem.dtype, channels, (uint32_t)vkd_align_up(channels, 4)};
    VKD_TRY(vkd_graph_add_tensor(graph, VKD_PLACE_CONSTANT, trial->problem.dtype, layout, rank,
                                 dims, out));
    graph->tensors[*out].pack = pack_made;
    graph->tensors[*out].source = source;
    graph->tensors[*out].source_size = sizeof *source;
    return VKD_OK;
}

vkd_status vkd_conv2d_float_trial_operands(const conv2d_trial *trial, vkd_graph *graph, conv2d *out)
{
    const conv2d_problem *p = &trial->problem;
    const uint32_t x_dims[] = {p->n, p->in_c, p->in_h, p->in_w},
                   y_dims[] = {p->n, p->out_c, p->out_h, p->out_w};
    *out = (conv2d){
        .problem = *p, .real = trial->real, .channels = VKD_NO_TENSOR, .residual = VKD_NO_TENSOR};
    VKD_TRY(add_made(trial, graph, X_STREAM, VKD_4C, 4, x_dims, &out->x));
    if (trial->real.bias != VKD_NO_TENSOR)
        VKD_TRY(add_made(trial, graph, BIAS_STREAM, VKD_ROWS, 1, &p->out_c, &out->real.bias));
    if (trial->real.has_norm)
        VKD_TRY(add_made(trial, graph, NORM_STREAM, VKD_ROWS, 1, &p->in_c, &out->real.norm));
    if (trial->real.epilogue.has_residual && !trial->real.other.data)
        VKD_TRY(add_made(trial, graph, RESIDUAL_STREAM, VKD_4C, 4, y_dims,
                         &out->real.epilogue.residual));
    return vkd_graph_add_tensor(graph, VKD_PLACE_SCRATCH, p->dtype, VKD_4C, 4, y_dims, &out->y);
}

static vkd_status add_scratch(vkd_lowering *lowering, vkd_dtype dtype, uint32_t channels,
                              uint32_t pixels, vkd_tensor_id *out)
{
    return vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, dtype, VKD_4C, 4,
                                (const uint32_t[]){1, channels, 1, pixels}, out);
}

static vkd_status add_norm(vkd_lowering *lowering, conv2d *conv)
{
    const conv2d_problem *p = &conv->problem;
    const vkd_view weight = {.tensor = conv->real.norm,
                             .rank = 4,
                             .dims = {1, p->in_c, 1, p->in_w},
                             .strides = {0, 1, 0, 0}};
    const vkd_normalisation n = {.op = VKD_NORMALISE_SCALE,
                                 .stats = VKD_STATS_RMS,
                                 .reduced = {false, true},
                                 .eps = conv->real.norm_eps,
                                 .x = vkd_view_of(lowering->graph, conv->x),
                                 .weight = weight,
                                 .bias.tensor = VKD_NO_TENSOR};
    VKD_TRY(add_scratch(lowering, p->dtype, p->in_c, p->in_w, &conv->x));
    return vkd_normalise(lowering, &n, conv->x, NULL);
}

/* The second product by itself, as the residual of the first. */
static vkd_status add_gate(vkd_lowering *lowering, const conv2d_variant *variant, conv2d *conv)
{
    conv2d gate = *conv;
    gate.real = (conv2d_real){.weights = conv->real.other,
                              .computed = VKD_NO_TENSOR,
                              .bias = VKD_NO_TENSOR,
                              .low = -INFINITY,
                              .high = INFINITY};
    conv->real.other = (vkd_content){NULL, 0};
    VKD_TRY(add_scratch(lowering, conv->problem.dtype, conv->problem.out_c, conv->problem.out_w,
                        &gate.y));
    conv->real.epilogue.residual = gate.y;
    return variant->emit(lowering, &gate, variant->tile);
}

vkd_status vkd_conv2d_float_trial_emit(vkd_lowering *lowering, const conv2d_variant *variant,
                                       const conv2d *conv)
{
    conv2d whole = *conv;
    if (!vkd_conv2d_float_norms(variant, lowering->caps)) {
        if (whole.real.has_norm)
            VKD_TRY(add_norm(lowering, &whole));
        whole.real.has_norm = false;
        if (whole.real.other.data)
            VKD_TRY(add_gate(lowering, variant, &whole));
    }
    return variant->emit(lowering, &whole, variant->tile);
}

/* --------------------------------------------------------------------------------------- oracle */

/* The input's row or column under a tap; -1 where there is none. */
static int64_t under_tap(const conv2d_problem *p, int axis, uint32_t out, uint32_t tap)
{
    int64_t size = axis ? p->in_w : p->in_h, at = (int64_t)tap * p->dilation[axis];
    if (p->transposed) {
        at = (int64_t)out + p->padding[axis] - at;
        at = at % p->stride[axis] ? -1 : at / p->stride[axis];
    } else {
        at += (int64_t)out * p->stride[axis] - p->padding[axis];
    }
    return at < size ? at : -1;
}

typedef struct float_sum {
    double sum, magnitude; /* of the products, and of their absolute values */
} float_sum;

static double x_at(const conv2d_trial *trial, size_t pixel, uint32_t ic)
{
    return vkd_conv2d_trial_number(X_STREAM, pixel * vkd_align_up(trial->problem.in_c, 4) + ic);
}

/* 1 / the root mean square of a pixel, where it is normalised. */
static double factor_of(const conv2d_trial *trial, size_t pixel)
{
    double squares = 0;
    if (!trial->real.has_norm)
        return 1;
    for (uint32_t ic = 0; ic < trial->problem.in_c; ic++)
        squares += x_at(trial, pixel, ic) * x_at(trial, pixel, ic);
    return 1 / sqrt(squares / trial->problem.in_c + (double)trial->real.norm_eps);
}

/* The channels of one tap. */
static void add_tap(const conv2d_trial *trial, const vkd_content *weights, const conv2d_place *at,
                    uint32_t tap, int64_t y, int64_t x, float_sum *out)
{
    const conv2d_problem *p = &trial->problem;
    uint32_t ic_group = conv2d_ic_group(p), oc_group = conv2d_oc_group(p), group = at->c / oc_group;
    size_t pixel = ((size_t)at->n * p->in_h + (size_t)y) * p->in_w + (size_t)x;
    const double factor = factor_of(trial, pixel);
    for (uint32_t i = 0; i < ic_group; i++) {
        uint32_t ic = group * ic_group + i;
        size_t row =
            p->transposed ? (size_t)ic * oc_group + at->c % oc_group : (size_t)at->c * ic_group + i;
        double product = x_at(trial, pixel, ic) * factor *
                         vkd_conv2d_float_weight(p->dtype, weights, &trial->real.factors,
                                                 row * conv2d_taps(p) + tap, at->c);
        if (trial->real.has_norm)
            product *= (double)vkd_conv2d_trial_number(NORM_STREAM, ic);
        out->sum += product;
        out->magnitude += fabs(product);
    }
}

static float_sum sum_at(const conv2d_trial *trial, const vkd_content *weights,
                        const conv2d_place *at)
{
    const conv2d_problem *p = &trial->problem;
    float_sum sum = {0};
    if (trial->real.bias != VKD_NO_TENSOR)
        sum.sum = vkd_conv2d_trial_number(BIAS_STREAM, at->c);
    sum.magnitude = fabs(sum.sum);
    for (uint32_t ky = 0; ky < p->kernel[0]; ky++)
        for (uint32_t kx = 0; kx < p->kernel[1]; kx++) {
            int64_t y = under_tap(p, 0, at->y, ky), x = under_tap(p, 1, at->x, kx);
            if (y >= 0 && x >= 0)
                add_tap(trial, weights, at, ky * p->kernel[1] + kx, y, x, &sum);
        }
    return sum;
}

/* Of a sum, with a residual. */
static double finished(const conv2d_trial *trial, double sum, double residual)
{
    const double low = (double)trial->real.low, high = (double)trial->real.high,
                 bounded = sum < low ? low : sum;
    return vkd_epilogue_value(&trial->real.epilogue, bounded > high ? high : bounded, residual);
}

/* What adding up in any order may lose, and the rounding to halves of what is normalised. */
static double lost_of(const conv2d_trial *trial, const float_sum *sum)
{
    const bool rounds = trial->real.has_norm && trial->problem.dtype == VKD_DTYPE_FLOAT16;
    return (rounds ? 1.0 / 1024 : 1e-5) * sum->magnitude + 1e-37;
}

/* The residual at a place of the result, and what it may be off by: of a second product, which is
 * rounded to a half. */
static double residual_at(const conv2d_trial *trial, const conv2d_place *at, size_t slot,
                          double *lost)
{
    *lost = 0;
    if (!trial->real.other.data)
        return vkd_conv2d_trial_number(RESIDUAL_STREAM, slot);
    const float_sum sum = sum_at(trial, &trial->real.other, at);
    *lost = lost_of(trial, &sum);
    if (trial->problem.dtype == VKD_DTYPE_FLOAT16)
        *lost += fabs(sum.sum) / 2048;
    return sum.sum;
}

/* Within what sums may lose, what the epilogue makes of that, and its own roundings and the one to
 * a half. */
static bool is_right(const conv2d_trial *trial, const conv2d_place *at, double got, size_t slot)
{
    const float_sum sum = sum_at(trial, &trial->real.weights, at);
    double other;
    const double residual = residual_at(trial, at, slot, &other), lost = lost_of(trial, &sum),
                 expected = finished(trial, sum.sum, residual);
    double tolerance = 1e-37;
    for (int corner = 0; corner < 4; corner++)
        tolerance += fabs(finished(trial, sum.sum + (corner & 1 ? lost : -lost),
                                   residual + (corner & 2 ? other : -other)) -
                          expected);
    if (trial->real.epilogue.step_count)
        tolerance += 1e-5 * (fabs(expected) + 1);
    if (trial->problem.dtype == VKD_DTYPE_FLOAT16)
        tolerance += fabs(expected) / 2048 + 1.0 / (1 << 25);
    if (isnan(expected) || isnan(got))
        return isnan(expected) && isnan(got);
    double largest = trial->problem.dtype == VKD_DTYPE_FLOAT16 ? 65504 : 3.4028234e38;
    if (isinf(got)) /* what is close to the largest number may have become infinite */
        return fabs(expected) + tolerance >= largest && (got > 0) == (expected > 0);
    return fabs(got - expected) <= tolerance;
}

bool vkd_conv2d_float_trial_check(const conv2d_trial *trial, const void *y)
{
    const conv2d_problem *p = &trial->problem;
    for (uint32_t i = 0, count = vkd_conv2d_sample_count(p); i < count; i++) {
        conv2d_place at = vkd_conv2d_sample(p, i);
        size_t slot =
            (((size_t)at.n * p->out_h + at.y) * p->out_w + at.x) * vkd_align_up(p->out_c, 4) + at.c;
        if (!is_right(trial, &at, vkd_element_get(p->dtype, y, slot), slot))
            return false;
    }
    return true;
}
