/* Trials of linear layers of integer weights: their own weights and scales, made-up rows, and the
 * scalar oracle, in double precision. */
#include "ops/conv/trial.h"
#include "ops/gemm/low_bit.h"
#include "ops/normalise.h"
#include "runtime/base/element.h"
#include "shaders/qlinear_params.h"

#include <math.h>
#include <string.h>

enum { X_STREAM = 12, RESIDUAL_STREAM };

/* ------------------------------------------------------------------------------------- operands */

typedef struct made_source {
    uint64_t stream, dtype;
} made_source;

static double made_at(uint32_t stream, vkd_dtype dtype, uint64_t at)
{
    const double number = (double)vkd_conv2d_trial_number(stream, at);
    return dtype == VKD_DTYPE_INT8 ? nearbyint(number * 127) : number;
}

static void pack_made(const void *from, void *dst, size_t size)
{
    const made_source *source = from;
    const vkd_dtype dtype = (vkd_dtype)source->dtype;
    for (size_t i = 0; i < size / vkd_dtype_size(dtype); i++)
        vkd_element_set(dtype, dst, i, made_at((uint32_t)source->stream, dtype, i));
}

/* A scale and a zero point of a row. */
static float pair_at(uint32_t row, int which)
{
    return which ? (float)(row % 7) - 3 : 0.01f + 0.001f * (float)(row % 5);
}

static void pack_pairs(const void *from, void *dst, size_t size)
{
    (void)from;
    for (uint32_t i = 0; i < size / sizeof(float); i++)
        ((float *)dst)[i] = pair_at(i / 2, i % 2);
}

static vkd_status add_constant(vkd_graph *graph, vkd_dtype dtype, uint32_t m, uint32_t n,
                               vkd_pack_fn pack, uint32_t stream, vkd_tensor_id *out)
{
    made_source *source = vkd_arena_alloc(graph->arena, 1, sizeof *source);
    if (!source)
        return vkd_fail_memory(graph->arena->context, "a layer to try");
    *source = (made_source){stream, dtype};
    VKD_TRY(vkd_graph_add_tensor(graph, VKD_PLACE_CONSTANT, dtype, VKD_ROWS, 2,
                                 (const uint32_t[]){m, n}, out));
    graph->tensors[*out].pack = pack;
    graph->tensors[*out].source = source;
    graph->tensors[*out].source_size = sizeof *source;
    return VKD_OK;
}

static vkd_status add_scratch(vkd_graph *graph, vkd_dtype dtype, uint32_t m, uint32_t n,
                              vkd_tensor_id *out)
{
    return vkd_graph_add_tensor(graph, VKD_PLACE_SCRATCH, dtype, VKD_ROWS, 2,
                                (const uint32_t[]){m, n}, out);
}

vkd_status vkd_low_bit_trial_operands(conv2d_trial *trial, vkd_graph *graph, conv2d *out)
{
    const conv2d_problem *p = &trial->problem;
    conv2d_low *low = &trial->low;
    *out =
        (conv2d){.problem = *p, .low = low, .channels = VKD_NO_TENSOR, .residual = VKD_NO_TENSOR};
    VKD_TRY(add_constant(graph, p->dtype, p->out_w, p->in_c, pack_made, X_STREAM, &out->x));
    if (low->mode == VKD_QLINEAR_DYNAMIC)
        VKD_TRY(add_constant(graph, VKD_DTYPE_FLOAT32, p->out_w, 2, pack_pairs, 0, &low->pairs));
    if (low->epilogue.has_residual && !low->weights.bytes[1].data)
        VKD_TRY(add_constant(graph, low->y_type, p->out_w, p->out_c, pack_made, RESIDUAL_STREAM,
                             &low->epilogue.residual));
    return add_scratch(graph, low->y_type, p->out_w, p->out_c, &out->y);
}

/* ---------------------------------------------------- what a variant leaves to other dispatches */

static void pack_norm(const void *from, void *dst, size_t size)
{
    memcpy(dst, ((const vkd_content *)from)->data, size);
}

static vkd_status add_norm(vkd_lowering *lowering, conv2d *conv)
{
    const conv2d_problem *p = &conv->problem;
    const low_bit_channels *c = &conv->low->channels;
    vkd_normalisation n = {.op = VKD_NORMALISE_SCALE,
                           .stats = VKD_STATS_RMS,
                           .reduced = {false, true},
                           .eps = conv->low->eps,
                           .x = vkd_view_of(lowering->graph, conv->x),
                           .bias.tensor = VKD_NO_TENSOR};
    vkd_tensor_id weight;
    VKD_TRY(vkd_op_constant_tensor(lowering, (vkd_dtype)c->norm_type, 1, &p->in_c, pack_norm,
                                   &c->norm, sizeof c->norm, 1, &weight));
    n.weight = vkd_view_of(lowering->graph, weight);
    vkd_view_broadcast(&n.weight, n.x.rank, n.x.dims);
    VKD_TRY(add_scratch(lowering->graph, p->dtype, p->out_w, p->in_c, &conv->x));
    return vkd_normalise(lowering, &n, conv->x, NULL);
}

/* The second layer by itself, as the residual of the first. */
static vkd_status add_gate(vkd_lowering *lowering, const conv2d_variant *variant,
                           const conv2d *conv, conv2d_low *first)
{
    conv2d_low second = *first;
    conv2d gate = *conv;
    second.epilogue = (vkd_epilogue){.residual = VKD_NO_TENSOR};
    second.weights.bytes[0] = first->weights.bytes[1];
    second.channels.scales[0] = first->channels.scales[1];
    second.channels.bias[0] = first->channels.bias[1];
    second.channels.scale_type[0] = first->channels.scale_type[1];
    second.channels.bias_type[0] = first->channels.bias_type[1];
    second.channels.row[0] = first->channels.row[1];
    vkd_low_bit_drop(&second);
    vkd_low_bit_drop(first);
    gate.low = &second;
    VKD_TRY(add_scratch(lowering->graph, first->y_type, conv->problem.out_w, conv->problem.out_c,
                        &gate.y));
    first->epilogue.residual = gate.y;
    return variant->emit(lowering, &gate, variant->tile);
}

vkd_status vkd_low_bit_trial_emit(vkd_lowering *lowering, const conv2d_variant *variant,
                                  const conv2d *conv)
{
    conv2d whole = *conv;
    conv2d_low low = *conv->low;
    whole.low = &low;
    if (!vkd_low_bit_takes(variant, &conv->problem, lowering->caps)) {
        if (low.channels.norm.data)
            VKD_TRY(add_norm(lowering, &whole));
        if (low.weights.bytes[1].data)
            VKD_TRY(add_gate(lowering, variant, &whole, &low));
        vkd_low_bit_drop(&low);
    }
    return variant->emit(lowering, &whole, variant->tile);
}

/* --------------------------------------------------------------------------------------- oracle */

/* 1 / the root mean square of a row of x. */
static double factor_of(const conv2d_trial *trial, uint32_t row)
{
    const conv2d_problem *p = &trial->problem;
    double squares = 0;
    for (uint32_t k = 0; k < p->in_c; k++) {
        const double x = made_at(X_STREAM, p->dtype, (uint64_t)row * p->in_c + k);
        squares += x * x;
    }
    return 1 / sqrt(squares / p->in_c + (double)trial->low.eps);
}

/* x[k] of a row as it is multiplied. factor: of the norm. */
static double row_at(const conv2d_trial *trial, uint32_t row, uint32_t k, double factor)
{
    const conv2d_problem *p = &trial->problem;
    const conv2d_low *low = &trial->low;
    const double x = made_at(X_STREAM, p->dtype, (uint64_t)row * p->in_c + k);
    const bool by_row = low->mode == VKD_QLINEAR_DYNAMIC;
    const float scale = by_row ? pair_at(row, 0) : low->x_scale;
    const double zero = by_row ? (double)pair_at(row, 1) : low->x_zero;
    if (low->channels.norm.data)
        return x * factor *
               vkd_element_get((vkd_dtype)low->channels.norm_type, low->channels.norm.data, k);
    if (low->mode == VKD_QLINEAR_FLOAT)
        return x;
    if (p->dtype == VKD_DTYPE_INT8)
        return (x - zero) * (double)scale;
    const double q = nearbyint((double)((float)x * (1 / scale))) + zero;
    return ((q < -128 ? -128 : q > 127 ? 127 : q) - zero) * (double)scale;
}

typedef struct layer_sum {
    double sum, magnitude;
} layer_sum;

static layer_sum sum_at(const conv2d_trial *trial, int layer, const conv2d_place *at, double factor)
{
    const conv2d_low *low = &trial->low;
    layer_sum s = {vkd_low_bit_bias(&low->channels, layer, at->c), 0};
    s.magnitude = fabs(s.sum);
    for (uint32_t k = 0; k < trial->problem.in_c; k++) {
        const double product = row_at(trial, at->x, k, factor) *
                               vkd_low_bit_weight(&low->weights, layer, at->c, k) *
                               vkd_low_bit_scale(&low->channels, layer, at->c, k / low->group);
        s.sum += product;
        s.magnitude += fabs(product);
    }
    return s;
}

/* What a sum may be off by: its order, rows that are rounded to a half behind a norm, and, where x
 * is quantised, a step that a rounding of its reciprocal has moved. */
static double lost_of(const conv2d_trial *trial, const layer_sum *s)
{
    const bool halves = trial->low.channels.norm.data && trial->problem.dtype == VKD_DTYPE_FLOAT16;
    const bool steps = trial->low.mode != VKD_QLINEAR_FLOAT;
    return s->magnitude * (halves ? 1.0 / 1024 : steps ? 1e-3 : 1e-5) + 1e-37;
}

static bool is_right(const conv2d_trial *trial, const conv2d_place *at, double got, size_t slot)
{
    const conv2d_low *low = &trial->low;
    const double factor = low->channels.norm.data ? factor_of(trial, at->x) : 1;
    const layer_sum first = sum_at(trial, 0, at, factor);
    layer_sum second = {0, 0};
    double residual = made_at(RESIDUAL_STREAM, low->y_type, slot), lost = lost_of(trial, &first),
           other = 0;
    if (low->weights.bytes[1].data) {
        second = sum_at(trial, 1, at, factor);
        residual = second.sum;
        other = lost_of(trial, &second);
        other += low->y_type == VKD_DTYPE_FLOAT16 ? fabs(residual) / 2048 : 0;
    }
    const double expected = vkd_epilogue_value(&low->epilogue, first.sum, residual);
    double tolerance = 1e-37;
    for (int corner = 0; corner < 4; corner++)
        tolerance +=
            fabs(vkd_epilogue_value(&low->epilogue, first.sum + (corner & 1 ? lost : -lost),
                                    residual + (corner & 2 ? other : -other)) -
                 expected);
    if (low->epilogue.step_count)
        tolerance += 1e-5 * (fabs(expected) + 1);
    if (low->y_type == VKD_DTYPE_FLOAT16)
        tolerance += fabs(expected) / 2048 + 1.0 / (1 << 25);
    if (!isfinite(expected) || !isfinite(got)) /* what is close to the largest half is infinite */
        return isnan(expected) == isnan(got) && fabs(expected) + tolerance >= 65504;
    return fabs(got - expected) <= tolerance;
}

bool vkd_low_bit_trial_check(const conv2d_trial *trial, const void *y)
{
    const conv2d_problem *p = &trial->problem;
    for (uint32_t i = 0, count = vkd_conv2d_sample_count(p); i < count; i++) {
        const conv2d_place at = vkd_conv2d_sample(p, i);
        const size_t slot = (size_t)at.x * p->out_c + at.c;
        if (!is_right(trial, &at, vkd_element_get(trial->low.y_type, y, slot), slot))
            return false;
    }
    return true;
}
