/* With d(q) = (q - zero) * scale and Q(v) = clamp(round(v / scale) + zero), both as the kernels
 * compute them: Q(d(q)) = q for every int8 q, since three roundings of 2^-24 cannot add up to half
 * a step in 255, and both maps are monotonic. What only selects among its input's elements, a
 * maximum too, can therefore select among the int8 values. */
#include "graph/int8.h"
#include "graph/chain.h"

#include <math.h>

/* The quantize at `index`, and the call whose result it alone reads; null where there is no such
 * pair. */
static quantize_args *quantize_at(vkd_rewriter *r, size_t index, vkd_call **out_before)
{
    quantize_args *quantize = vkd_rw_args(&r->net->calls[index], VKD_OP_QUANTIZE);
    *out_before = quantize ? vkd_rw_only_producer(r, quantize->x, index) : NULL;
    return *out_before ? quantize : NULL;
}

/* The dequantize that makes a value, whoever else reads it. */
static const quantize_args *dequantize_of(vkd_rewriter *r, uint32_t id, const vkd_call *before)
{
    return vkd_rw_args(vkd_rw_producer(r, id, vkd_rw_index(r, before)), VKD_OP_DEQUANTIZE);
}

/* Others are left for the lowering to judge. */
static bool is_full_range(const quantize_args *q) { return q->low == -128 && q->high == 127; }

/* Whether a dequantize and a quantize have equal parameters, and such that nothing overflows or
 * gets subnormal. */
static bool undo_each_other(const quantize_args *a, const quantize_args *b)
{
    return is_full_range(a) && is_full_range(b) && a->scale == b->scale && a->zero == b->zero &&
           a->scale > 1e-30f && a->scale < 1e30f && a->zero >= -128 && a->zero <= 127;
}

/* What the quantize wrote is written by the call before it, which now reads what the dequantize
 * read. */
static void bypass(vkd_rewriter *r, size_t quantize, vkd_call *call, uint32_t *x_field,
                   const quantize_args *dequantize)
{
    uint32_t y = vkd_call_result(&r->net->calls[quantize]), x = *x_field;
    vkd_rw_remove(r, &r->net->calls[quantize]);
    vkd_rw_set_input(r, x_field, dequantize->x);
    vkd_rw_set_result(r, call, y);
    vkd_rw_drop_unread(r, x);
}

/* ------------------------------------------------------------------------- max pool, upsampling */

/* Where such a call has its input; null for others. */
static uint32_t *selected_input(const vkd_rewriter *r, const vkd_call *call)
{
    pool_args *pool = vkd_rw_args(call, VKD_OP_MAX_POOL);
    if (pool)
        return pool->y[1] == VKD_NO_VALUE || !r->readers[pool->y[1]] ? &pool->x : NULL;
    upsample_args *upsample = vkd_rw_args(call, VKD_OP_UPSAMPLE_NEAREST);
    return upsample ? &upsample->x : NULL;
}

vkd_status vkd_int8_select(vkd_rewriter *r, size_t index)
{
    vkd_call *call;
    const quantize_args *quantize = quantize_at(r, index, &call);
    uint32_t *x = quantize ? selected_input(r, call) : NULL;
    const quantize_args *dequantize = x ? dequantize_of(r, *x, call) : NULL;
    if (dequantize && undo_each_other(dequantize, quantize))
        bypass(r, index, call, x, dequantize);
    return VKD_OK;
}

/* dequantize -> max pool -> max pool of int8 -> dequantize, where only floats are wanted: fewer
 * bytes, and a dequantize of fewer elements that may be others' part. */
vkd_status vkd_int8_pool(vkd_rewriter *r, size_t index)
{
    vkd_call *call = &r->net->calls[index];
    pool_args *pool = vkd_rw_args(call, VKD_OP_MAX_POOL);
    vkd_call *before =
        pool && selected_input(r, call) ? vkd_rw_only_producer(r, pool->x, index) : NULL;
    quantize_args *dequantize = vkd_rw_args(before, VKD_OP_DEQUANTIZE);
    if (!dequantize || !isfinite(dequantize->scale) || dequantize->scale <= 0 ||
        vkd_rw_tensor(r, dequantize->x)->state ||
        vkd_rw_tensor(r, dequantize->x)->dtype != VKD_DTYPE_INT8 ||
        vkd_rw_tensor(r, pool->y[0])->state)
        return VKD_OK;
    const uint32_t x = dequantize->x, y = pool->y[0];
    vkd_model_value pooled = r->net->values[y];
    uint32_t id;
    pooled.tensor.dtype = pooled.tensor.staging_dtype = VKD_DTYPE_INT8;
    pooled.tensor.size = (size_t)vkd_dims_count(pooled.tensor.rank, pooled.tensor.dims);
    VKD_TRY(vkd_rw_add_value(r, &pooled, &id));
    vkd_rw_set_input(r, &pool->x, x);
    vkd_rw_set_input(r, &dequantize->x, id);
    vkd_rw_set_result(r, before, y);
    vkd_rw_set_result(r, call, id);
    vkd_rw_swap(r, before, call);
    return VKD_OK;
}

vkd_status vkd_int8_average(vkd_rewriter *r, size_t index)
{
    vkd_call *call = &r->net->calls[index];
    pool_args *pool = vkd_rw_args(call, VKD_OP_AVERAGE_POOL);
    const vkd_call *before = pool ? vkd_rw_only_producer(r, pool->x, index) : NULL;
    const quantize_args *dequantize = vkd_rw_args(before, VKD_OP_DEQUANTIZE);
    if (!dequantize || !isfinite(dequantize->scale) || dequantize->scale <= 0 ||
        dequantize->zero < -128 || dequantize->zero > 127 ||
        vkd_rw_tensor(r, dequantize->x)->state ||
        vkd_rw_tensor(r, dequantize->x)->dtype != VKD_DTYPE_INT8 ||
        vkd_rw_tensor(r, dequantize->y)->dtype != VKD_DTYPE_FLOAT32 ||
        vkd_rw_tensor(r, pool->y[0])->dtype != VKD_DTYPE_FLOAT32)
        return VKD_OK;
    const uint32_t real = pool->x;
    const char *name = vkd_chain_name(r->net->arena, before->name, call->name);
    if (!name)
        return vkd_fail_memory(r->net->arena->context, "the rewriter");
    call->name = name;
    pool->x_scale = dequantize->scale;
    pool->x_zero = dequantize->zero;
    vkd_rw_set_input(r, &pool->x, dequantize->x);
    vkd_rw_drop_unread(r, real);
    return VKD_OK;
}

/* ----------------------------------------------------------------------------------------- mean */

/* Whether the two innermost dims of a tensor of rank 4 are reduced. */
static bool over_pixels(const vkd_rewriter *r, const reduce_args *mean, uint32_t x_id)
{
    const vkd_model_tensor *x = vkd_rw_tensor(r, x_id);
    if (x->rank != 4 || mean->dims.count != 2)
        return false;
    int32_t a = mean->dims.items[0], b = mean->dims.items[1];
    return ((a == 2 || a == -2) && (b == 3 || b == -1)) ||
           ((a == 3 || a == -1) && (b == 2 || b == -2));
}

static bool is_bound(const vkd_number *number)
{
    return number->kind != VKD_NUMBER_SYM && !isnan(number->real);
}

/* NAN for no bound. */
static float bound_of(const vkd_number *number)
{
    return number->kind == VKD_NUMBER_NULL ? NAN : (float)number->real;
}

/* The clamp with known bounds that makes a value, whoever else reads it. */
static const clamp_args *clamp_of(vkd_rewriter *r, uint32_t id, const vkd_call *before)
{
    const clamp_args *clamp =
        vkd_rw_args(vkd_rw_producer(r, id, vkd_rw_index(r, before)), VKD_OP_CLAMP);
    return clamp && is_bound(&clamp->low) && is_bound(&clamp->high) ? clamp : NULL;
}

vkd_status vkd_int8_mean(vkd_rewriter *r, size_t index)
{
    vkd_call *call;
    const quantize_args *quantize = quantize_at(r, index, &call);
    const reduce_args *mean = quantize ? vkd_rw_args(call, VKD_OP_MEAN) : NULL;
    if (!mean)
        return VKD_OK;
    const clamp_args *clamp = clamp_of(r, mean->x, call);
    const vkd_call *reader = clamp ? vkd_rw_producer(r, mean->x, index) : call;
    uint32_t clamped = mean->x, x = clamp ? clamp->x : mean->x;
    const quantize_args *dequantize = dequantize_of(r, x, reader);
    if (!dequantize || !is_full_range(dequantize) || !is_full_range(quantize) ||
        !over_pixels(r, mean, dequantize->x))
        return VKD_OK;
    const q8_mean_args args = {
        .x = dequantize->x,
        .x_scale = dequantize->scale,
        .x_zero = dequantize->zero,
        .low = clamp ? bound_of(&clamp->low) : NAN,
        .high = clamp ? bound_of(&clamp->high) : NAN,
        .y_scale = quantize->scale,
        .y_zero = quantize->zero,
        .y = quantize->y,
    };
    vkd_rw_remove(r, &r->net->calls[index]);
    VKD_TRY(vkd_rw_become(r, call, VKD_OP_Q8_MEAN, &args));
    vkd_rw_drop_unread(r, clamped);
    vkd_rw_drop_unread(r, x);
    return VKD_OK;
}

vkd_status vkd_int8_mean_of_chain(vkd_rewriter *r, size_t index)
{
    vkd_call *call;
    const quantize_args *quantize = quantize_at(r, index, &call);
    const reduce_args *mean = quantize ? vkd_rw_args(call, VKD_OP_MEAN) : NULL;
    const chain_args *chain =
        mean ? vkd_rw_args(vkd_rw_producer(r, mean->x, index), VKD_OP_CHAIN) : NULL;
    if (!chain || !vkd_chain_is_table(r, chain) || vkd_rw_tensor(r, chain->x[0])->state ||
        !is_full_range(quantize) || !over_pixels(r, mean, mean->x))
        return VKD_OK;
    uint32_t x = mean->x;
    const q8_mean_args args = {
        .x = chain->x[0],
        .chain = chain,
        .x_scale = 1,
        .low = NAN,
        .high = NAN,
        .y_scale = quantize->scale,
        .y_zero = quantize->zero,
        .y = quantize->y,
    };
    vkd_rw_remove(r, &r->net->calls[index]);
    VKD_TRY(vkd_rw_become(r, call, VKD_OP_Q8_MEAN, &args));
    vkd_rw_drop_unread(r, x);
    return VKD_OK;
}

/* ---------------------------------------------------------------------------------------- clamp */

/* A bound as the int8 value that the quantize makes of it: min(max(v, low), high) and Q are
 * monotonic, so that Q of the one is the other of the Qs, and Q(d(q)) = q. A null is no bound. */
static int32_t quantized_bound(const vkd_number *bound, const quantize_args *quantize,
                               int32_t unbounded)
{
    if (bound->kind == VKD_NUMBER_NULL)
        return unbounded;
    /* the kernel's; finite, as the scale is no subnormal */
    float inverse = (float)(1.0 / (double)quantize->scale);
    float q = rintf((float)bound->real * inverse) + (float)quantize->zero;
    return q > 127.0f ? 127 : q > -128.0f ? (int32_t)q : -128;
}

vkd_status vkd_int8_clamp(vkd_rewriter *r, size_t index)
{
    vkd_call *call;
    const quantize_args *quantize = quantize_at(r, index, &call);
    const clamp_args *clamp = quantize ? vkd_rw_args(call, VKD_OP_CLAMP) : NULL;
    const quantize_args *dequantize = clamp ? dequantize_of(r, clamp->x, call) : NULL;
    if (!dequantize || !is_bound(&clamp->low) || !is_bound(&clamp->high) ||
        !undo_each_other(dequantize, quantize))
        return VKD_OK;
    uint32_t x = clamp->x;
    const q8_clamp_args args = {
        .x = dequantize->x,
        .low = quantized_bound(&clamp->low, quantize, -128),
        .high = quantized_bound(&clamp->high, quantize, 127),
        .y = quantize->y,
    };
    vkd_rw_remove(r, &r->net->calls[index]);
    VKD_TRY(vkd_rw_become(r, call, VKD_OP_Q8_CLAMP, &args));
    vkd_rw_drop_unread(r, x);
    return VKD_OK;
}

/* -------------------------------------------------------------------------------- concatenation */

static bool all_undone(vkd_rewriter *r, const cat_args *cat, const vkd_call *call,
                       const quantize_args *quantize)
{
    for (size_t i = 0; i < cat->parts.count; i++) {
        const quantize_args *dequantize = dequantize_of(r, cat->parts.values[i], call);
        if (!dequantize || !undo_each_other(dequantize, quantize))
            return false;
    }
    return true;
}

vkd_status vkd_int8_cat(vkd_rewriter *r, size_t index)
{
    vkd_call *call;
    const quantize_args *quantize = quantize_at(r, index, &call);
    cat_args *cat = quantize ? vkd_rw_args(call, VKD_OP_CAT) : NULL;
    if (!cat || !all_undone(r, cat, call, quantize))
        return VKD_OK;
    uint32_t y = quantize->y;
    vkd_rw_remove(r, &r->net->calls[index]);
    for (size_t i = 0; i < cat->parts.count; i++) {
        uint32_t x = cat->parts.values[i];
        vkd_rw_set_input(r, &cat->parts.values[i], dequantize_of(r, x, call)->x);
        vkd_rw_drop_unread(r, x);
    }
    vkd_rw_set_result(r, call, y);
    return VKD_OK;
}
