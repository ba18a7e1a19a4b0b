#include "graph/rewrite.h"
#include "graph/fuse.h"
#include "graph/int8.h"
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

static vkd_status apply(vkd_rewriter *r, rule rewrite)
{
    for (size_t i = 0; i < r->op_count; i++)
        if (r->ops[i].name)
            VKD_TRY(rewrite(r, i));
    return VKD_OK;
}

vkd_status vkd_rewrite(vkd_model *model, uint32_t skip, vkd_arena *arena)
{
    static const struct {
        vkd_rewrites set;
        rule rewrite;
    } rules[] = {
        {VKD_REWRITE_VIEWS, quantize_over_view}, {VKD_REWRITE_INT8, vkd_int8_select},
        {VKD_REWRITE_INT8, vkd_int8_mean},       {VKD_REWRITE_INT8, vkd_int8_clamp},
        {VKD_REWRITE_INT8, vkd_int8_cat},        {VKD_REWRITE_FUSE_CLAMP, vkd_fuse_clamp},
        {VKD_REWRITE_FUSE_ADD, vkd_fuse_add},    {VKD_REWRITE_FUSE_DEQUANTIZE, vkd_fuse_dequantize},
    };
    vkd_rewriter r;
    VKD_TRY(vkd_rewriter_init(&r, model, arena));
    if (!(skip & VKD_REWRITE_CLONES))
        VKD_TRY(skip_clones(&r));
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!(skip & rules[i].set))
            VKD_TRY(apply(&r, rules[i].rewrite));
    vkd_rewriter_finish(&r, model);
    return VKD_OK;
}
