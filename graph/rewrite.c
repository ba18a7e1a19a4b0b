#include "graph/rewrite.h"
#include "graph/fuse.h"
#include "graph/rewriter.h"

#include <string.h>

/* Each rule looks at the op at `index` as the last of its sequence. */
typedef vkd_status (*rule)(vkd_rewriter *r, size_t index);

static bool same_dims(const vkd_rewriter *r, uint32_t a, uint32_t b)
{
    const vkd_model_tensor *x = &r->values[a].tensor, *y = &r->values[b].tensor;
    return x->dtype == y->dtype && x->rank == y->rank && !memcmp(x->dims, y->dims, x->rank * sizeof x->dims[0]);
}

static bool is_view(const vkd_model_op *op)
{
    return vkd_rw_named(op, "aten.view_copy.default", 3) || vkd_rw_named(op, "aten.squeeze_copy.dims", 3) ||
           vkd_rw_named(op, "aten.squeeze_copy.dim", 3) || vkd_rw_named(op, "aten.unsqueeze_copy.default", 3);
}

static bool is_max_pool(const vkd_model_op *op)
{
    return vkd_rw_named(op, "aten.max_pool2d_with_indices.default", 7) || vkd_rw_named(op, "aten.max_pool2d.default", 7);
}

/* The dequantize that makes a value, whoever else reads it. */
static const vkd_model_op *dequantize_of(vkd_rewriter *r, uint32_t id, const vkd_model_op *before)
{
    const vkd_model_op *op = vkd_rw_producer(r, id, (size_t)(before - r->ops));
    return op && vkd_rw_is_dequantize(op) && vkd_rw_is_tensor(r, op->args[0]) ? op : NULL;
}

/* Readers of a layout transition's result read its source. Forward, so that chains of clones resolve. */
static vkd_status skip_clones(vkd_rewriter *r)
{
    uint32_t *source = vkd_arena_alloc(r->arena, r->value_count, sizeof *source);
    if (!source)
        return vkd_fail_memory(r->arena->context, "the rewriter");
    for (uint32_t i = 0; i < r->value_count; i++)
        source[i] = i;
    for (size_t i = 0; i < r->op_count; i++) {
        vkd_model_op *op = &r->ops[i];
        for (size_t a = 0; a + 1 < op->arg_count; a++)
            if (source[op->args[a]] != op->args[a])
                vkd_rw_set_arg(r, op, a, source[op->args[a]]);
        if (vkd_rw_named(op, "aten.clone.default", 3) && vkd_rw_is_tensor(r, op->args[0]) && vkd_rw_is_tensor(r, op->args[2]) &&
            same_dims(r, op->args[0], op->args[2]))
            source[op->args[2]] = op->args[0];
    }
    return VKD_OK;
}

/* quantize(view(x)) -> view(quantize(x)) */
static vkd_status quantize_over_view(vkd_rewriter *r, size_t index)
{
    vkd_model_op *quantize = &r->ops[index];
    vkd_model_op *view = vkd_rw_is_quantize(quantize) ? vkd_rw_only_producer(r, quantize->args[0], index) : NULL;
    uint32_t y = vkd_rw_result(r, quantize);
    if (!view || !is_view(view) || !vkd_rw_is_tensor(r, view->args[0]) || y == VKD_NO_ID)
        return VKD_OK;
    uint32_t x = view->args[0], id;
    vkd_model_value quantized = r->values[x];
    quantized.tensor.dtype = quantized.tensor.staging_dtype = r->values[y].tensor.dtype;
    quantized.tensor.size = (size_t)vkd_dims_count(quantized.tensor.rank, quantized.tensor.dims);
    quantized.tensor.data = NULL;
    VKD_TRY(vkd_rw_add_value(r, &quantized, &id));
    vkd_rw_set_arg(r, quantize, 0, x);
    vkd_rw_set_arg(r, view, 0, id);
    vkd_rw_set_result(r, view, y);
    vkd_rw_set_result(r, quantize, id);
    vkd_rw_swap(r, view, quantize);
    return VKD_OK;
}

/* dequantize -> max_pool2d -> quantize with equal parameters: the pool takes and gives int8. */
static vkd_status int8_max_pool(vkd_rewriter *r, size_t index)
{
    vkd_model_op *quantize = &r->ops[index];
    vkd_model_op *pool = vkd_rw_is_quantize(quantize) ? vkd_rw_only_producer(r, quantize->args[0], index) : NULL;
    uint32_t y = vkd_rw_result(r, quantize);
    if (!pool || !is_max_pool(pool) || vkd_rw_result(r, pool) != quantize->args[0] || y == VKD_NO_ID)
        return VKD_OK;
    const vkd_model_op *dequantize = dequantize_of(r, pool->args[0], pool);
    double x_scale, x_zero, y_scale, y_zero;
    if (!dequantize || !vkd_rw_qparams(r, dequantize, &x_scale, &x_zero) || !vkd_rw_qparams(r, quantize, &y_scale, &y_zero) ||
        x_scale != y_scale || x_zero != y_zero)
        return VKD_OK;
    const vkd_model_value *results = &r->values[pool->args[pool->arg_count - 1]];
    if (results->kind == VKD_VALUE_VALUE_LIST) /* the positions of the maxima must not be wanted */
        for (size_t i = 1; i < results->list.count; i++)
            if (r->readers[results->list.values[i]])
                return VKD_OK;
    vkd_rw_remove(r, quantize);
    vkd_rw_set_arg(r, pool, 0, dequantize->args[0]);
    vkd_rw_set_result(r, pool, y);
    return VKD_OK;
}

/* Whether a list names exactly the two innermost dims of a tensor of rank 4. */
static bool over_pixels(const vkd_rewriter *r, uint32_t tensor, uint32_t list)
{
    const vkd_model_value *dims = &r->values[list];
    if (r->values[tensor].tensor.rank != 4 || dims->kind != VKD_VALUE_INT_LIST || dims->list.count != 2)
        return false;
    int64_t a = dims->list.ints[0], b = dims->list.ints[1];
    return ((a == 2 || a == -2) && (b == 3 || b == -1)) || ((a == 3 || a == -1) && (b == 2 || b == -2));
}

/* dequantize -> mean over h, w -> quantize: "vkd.q8_mean". */
static vkd_status int8_mean(vkd_rewriter *r, size_t index)
{
    vkd_model_op *quantize = &r->ops[index];
    vkd_model_op *mean = vkd_rw_is_quantize(quantize) ? vkd_rw_only_producer(r, quantize->args[0], index) : NULL;
    uint32_t y = vkd_rw_result(r, quantize);
    if (!mean || !vkd_rw_named(mean, "aten.mean.dim", 5) || y == VKD_NO_ID)
        return VKD_OK;
    const vkd_model_op *dequantize = dequantize_of(r, mean->args[0], mean);
    double scale, zero;
    if (!dequantize || !over_pixels(r, dequantize->args[0], mean->args[1]) || !vkd_rw_qparams(r, dequantize, &scale, &zero) ||
        !vkd_rw_qparams(r, quantize, &scale, &zero))
        return VKD_OK;
    const uint32_t args[] = {dequantize->args[0], dequantize->args[1], dequantize->args[2], quantize->args[1], quantize->args[2], y};
    vkd_rw_remove(r, quantize);
    return vkd_rw_replace(r, mean, "vkd.q8_mean", sizeof args / sizeof *args, args);
}

static vkd_status apply(vkd_rewriter *r, rule rewrite)
{
    for (size_t i = 0; i < r->op_count; i++)
        if (r->ops[i].name)
            VKD_TRY(rewrite(r, i));
    return VKD_OK;
}

vkd_status vkd_rewrite(vkd_model *model, vkd_arena *arena)
{
    static const rule rules[] = {quantize_over_view, int8_max_pool, int8_mean, vkd_fuse_clamp, vkd_fuse_add};
    vkd_rewriter r;
    VKD_TRY(vkd_rewriter_init(&r, model, arena));
    VKD_TRY(skip_clones(&r));
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        VKD_TRY(apply(&r, rules[i]));
    vkd_rewriter_finish(&r, model);
    return VKD_OK;
}
