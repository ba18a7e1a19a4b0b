/* With d(q) = (q - zero) * scale and Q(v) = clamp(round(v / scale) + zero), both as the kernels compute them: Q(d(q)) = q for
 * every int8 q, since three roundings of 2^-24 cannot add up to half a step in 255, and both maps are monotonic. What only
 * selects among its input's elements, a maximum too, can therefore select among the int8 values. */
#include "graph/int8.h"

#include <math.h>

/* The op whose result is what the quantize at `index` alone reads; null where that is no quantize. y: the quantize's result. */
static vkd_model_op *before_quantize(vkd_rewriter *r, size_t index, uint32_t *y)
{
    vkd_model_op *quantize = &r->ops[index];
    vkd_model_op *op = vkd_rw_is_quantize(quantize) ? vkd_rw_only_producer(r, quantize->args[0], index) : NULL;
    *y = vkd_rw_result(r, quantize);
    return op && *y != VKD_NO_ID && vkd_rw_result(r, op) == quantize->args[0] ? op : NULL;
}

/* The dequantize that makes a value, whoever else reads it. */
static const vkd_model_op *dequantize_of(vkd_rewriter *r, uint32_t id, const vkd_model_op *before)
{
    const vkd_model_op *op = vkd_rw_producer(r, id, (size_t)(before - r->ops));
    return op && vkd_rw_is_dequantize(op) && vkd_rw_is_tensor(r, op->args[0]) ? op : NULL;
}

/* Removes the op that makes a value, if nobody reads the value any more: other rules count an op's readers. */
static void drop_unread(vkd_rewriter *r, uint32_t id)
{
    vkd_model_op *op = r->readers[id] ? NULL : vkd_rw_producer(r, id, r->op_count);
    if (op)
        vkd_rw_remove(r, op);
}

/* Whether a dequantize and a quantize have equal parameters, and such that nothing overflows or gets subnormal. */
static bool undo_each_other(const vkd_rewriter *r, const vkd_model_op *dequantize, const vkd_model_op *quantize)
{
    double x_scale, x_zero, y_scale, y_zero;
    return vkd_rw_qparams(r, dequantize, &x_scale, &x_zero) && vkd_rw_qparams(r, quantize, &y_scale, &y_zero) &&
           x_scale == y_scale && x_zero == y_zero && x_scale > 1e-30 && x_scale < 1e30 && x_zero >= -128 && x_zero <= 127;
}

/* ---------------------------------------------------------------------------------------------------------- clamps */

static bool is_relu(const vkd_model_op *op) { return vkd_rw_named(op, "aten.relu.default", 2); }

/* Whether a value is a bound: a number, or null for none. */
static bool is_bound(const vkd_rewriter *r, uint32_t id)
{
    double bound;
    return r->values[id].kind == VKD_VALUE_NULL || (vkd_rw_number(r, id, &bound) && !isnan(bound));
}

/* A clamp whose bounds are known. Arguments: x, low, high, y; of relu: x, y. */
static bool is_clamp(const vkd_rewriter *r, const vkd_model_op *op)
{
    return is_relu(op) || ((vkd_rw_named(op, "aten.hardtanh.default", 4) || vkd_rw_named(op, "aten.clamp.default", 4)) &&
                           is_bound(r, op->args[1]) && is_bound(r, op->args[2]));
}

/* -------------------------------------------------------------------------------------------- max pool, upsampling */

static bool is_max_pool(const vkd_model_op *op)
{
    return vkd_rw_named(op, "aten.max_pool2d_with_indices.default", 7) || vkd_rw_named(op, "aten.max_pool2d.default", 7);
}

/* Whether results behind the first are read, the positions of the maxima. */
static bool others_read(const vkd_rewriter *r, const vkd_model_op *op)
{
    const vkd_model_value *results = &r->values[op->args[op->arg_count - 1]];
    if (results->kind == VKD_VALUE_VALUE_LIST)
        for (size_t i = 1; i < results->list.count; i++)
            if (r->readers[results->list.values[i]])
                return true;
    return false;
}

vkd_status vkd_int8_select(vkd_rewriter *r, size_t index)
{
    uint32_t y;
    vkd_model_op *quantize = &r->ops[index], *op = before_quantize(r, index, &y);
    if (!op || !(is_max_pool(op) || vkd_rw_named(op, "aten.upsample_nearest2d.vec", 4)) || others_read(r, op))
        return VKD_OK;
    const vkd_model_op *dequantize = dequantize_of(r, op->args[0], op);
    if (!dequantize || !undo_each_other(r, dequantize, quantize))
        return VKD_OK;
    uint32_t x = op->args[0];
    vkd_rw_remove(r, quantize);
    vkd_rw_set_arg(r, op, 0, dequantize->args[0]);
    vkd_rw_set_result(r, op, y);
    drop_unread(r, x);
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------------------------------ mean */

/* Whether a list names exactly the two innermost dims of a tensor of rank 4. */
static bool over_pixels(const vkd_rewriter *r, uint32_t tensor, uint32_t list)
{
    const vkd_model_tensor *x = &r->values[tensor].tensor;
    const vkd_model_value *dims = &r->values[list];
    if (x->rank != 4 || dims->kind != VKD_VALUE_INT_LIST || dims->list.count != 2)
        return false;
    int64_t a = dims->list.ints[0], b = dims->list.ints[1];
    return ((a == 2 || a == -2) && (b == 3 || b == -1)) || ((a == 3 || a == -1) && (b == 2 || b == -2));
}

/* The clamp that makes a value, whoever else reads it. */
static const vkd_model_op *clamp_of(vkd_rewriter *r, uint32_t id, const vkd_model_op *before)
{
    const vkd_model_op *op = vkd_rw_producer(r, id, (size_t)(before - r->ops));
    return op && is_clamp(r, op) ? op : NULL;
}

/* The bounds as values: numbers, or null where there is none; clamp may be null. */
static vkd_status bound_values(vkd_rewriter *r, const vkd_model_op *clamp, uint32_t *low, uint32_t *high)
{
    if (clamp && !is_relu(clamp)) {
        *low = clamp->args[1];
        *high = clamp->args[2];
        return VKD_OK;
    }
    VKD_TRY(vkd_rw_add_null(r, high));
    *low = *high;
    return clamp ? vkd_rw_add_int(r, 0, low) : VKD_OK;
}

vkd_status vkd_int8_mean(vkd_rewriter *r, size_t index)
{
    uint32_t y;
    vkd_model_op *quantize = &r->ops[index], *mean = before_quantize(r, index, &y);
    if (!mean || !vkd_rw_named(mean, "aten.mean.dim", 5))
        return VKD_OK;
    const vkd_model_op *clamp = clamp_of(r, mean->args[0], mean), *reader = clamp ? clamp : mean;
    const vkd_model_op *dequantize = dequantize_of(r, reader->args[0], reader);
    double scale, zero;
    if (!dequantize || !over_pixels(r, dequantize->args[0], mean->args[1]) || !vkd_rw_qparams(r, dequantize, &scale, &zero) ||
        !vkd_rw_qparams(r, quantize, &scale, &zero))
        return VKD_OK;
    uint32_t args[] = {
        dequantize->args[0], dequantize->args[1], dequantize->args[2], 0, 0, quantize->args[1], quantize->args[2], y};
    VKD_TRY(bound_values(r, clamp, &args[3], &args[4]));
    uint32_t clamped = mean->args[0], x = reader->args[0];
    vkd_rw_remove(r, quantize);
    VKD_TRY(vkd_rw_replace(r, mean, "vkd.q8_mean", sizeof args / sizeof *args, args));
    drop_unread(r, clamped);
    drop_unread(r, x);
    return VKD_OK;
}

/* ----------------------------------------------------------------------------------------------------------- clamp */

/* A bound as the int8 value that the quantize makes of it: min(max(v, low), high) and Q are monotonic, so that Q of the one is
 * the other of the Qs, and Q(d(q)) = q. A null is no bound. */
static int64_t quantized_bound(const vkd_rewriter *r, uint32_t id, double scale, double zero, int64_t unbounded)
{
    double bound;
    if (!vkd_rw_number(r, id, &bound))
        return unbounded;
    float inverse = (float)(1.0 / (double)(float)scale); /* the kernel's */
    float q = rintf((float)bound * inverse) + (float)zero;
    return q < -128.0f ? -128 : q > 127.0f ? 127 : (int64_t)q;
}

static bool clamp_bounds(const vkd_rewriter *r, const vkd_model_op *clamp, const vkd_model_op *quantize, int64_t *low,
                         int64_t *high)
{
    double scale, zero;
    if (!is_clamp(r, clamp) || !vkd_rw_qparams(r, quantize, &scale, &zero))
        return false;
    bool relu = is_relu(clamp);
    *low = relu ? (int64_t)zero : quantized_bound(r, clamp->args[1], scale, zero, -128);
    *high = relu ? 127 : quantized_bound(r, clamp->args[2], scale, zero, 127);
    return true;
}

vkd_status vkd_int8_clamp(vkd_rewriter *r, size_t index)
{
    uint32_t y;
    int64_t low, high;
    vkd_model_op *quantize = &r->ops[index], *clamp = before_quantize(r, index, &y);
    if (!clamp || !clamp_bounds(r, clamp, quantize, &low, &high))
        return VKD_OK;
    const vkd_model_op *dequantize = dequantize_of(r, clamp->args[0], clamp);
    if (!dequantize || !undo_each_other(r, dequantize, quantize))
        return VKD_OK;
    uint32_t x = clamp->args[0], args[4] = {dequantize->args[0], 0, 0, y};
    VKD_TRY(vkd_rw_add_int(r, low, &args[1]));
    VKD_TRY(vkd_rw_add_int(r, high, &args[2]));
    vkd_rw_remove(r, quantize);
    VKD_TRY(vkd_rw_replace(r, clamp, "vkd.q8_clamp", 4, args));
    drop_unread(r, x);
    return VKD_OK;
}

/* ---------------------------------------------------------------------------------------------------- concatenation */

/* The int8 sources of a list of tensors; null where one is no dequantize that the quantize undoes. */
static vkd_status int8_sources(vkd_rewriter *r, const vkd_model_op *cat, const vkd_model_op *quantize, uint32_t **out)
{
    const vkd_model_value *parts = &r->values[cat->args[0]];
    *out = NULL;
    if (parts->kind != VKD_VALUE_VALUE_LIST || !parts->list.count)
        return VKD_OK;
    for (size_t i = 0; i < parts->list.count; i++) {
        const vkd_model_op *dequantize = dequantize_of(r, parts->list.values[i], cat);
        if (!dequantize || !undo_each_other(r, dequantize, quantize))
            return VKD_OK;
    }
    *out = vkd_arena_alloc(r->arena, parts->list.count, sizeof **out);
    if (!*out)
        return vkd_fail_memory(r->arena->context, "the rewriter");
    for (size_t i = 0; i < parts->list.count; i++)
        (*out)[i] = dequantize_of(r, parts->list.values[i], cat)->args[0];
    return VKD_OK;
}

vkd_status vkd_int8_cat(vkd_rewriter *r, size_t index)
{
    uint32_t y, id, *sources;
    vkd_model_op *quantize = &r->ops[index], *cat = before_quantize(r, index, &y);
    if (!cat || !vkd_rw_named(cat, "aten.cat.default", 3))
        return VKD_OK;
    VKD_TRY(int8_sources(r, cat, quantize, &sources));
    if (!sources)
        return VKD_OK;
    const vkd_model_value floats = r->values[cat->args[0]];
    vkd_model_value list = floats;
    list.list.values = sources;
    VKD_TRY(vkd_rw_add_value(r, &list, &id));
    vkd_rw_remove(r, quantize);
    vkd_rw_set_arg(r, cat, 0, id);
    vkd_rw_set_result(r, cat, y);
    for (size_t i = 0; i < floats.list.count; i++)
        drop_unread(r, floats.list.values[i]);
    return VKD_OK;
}
