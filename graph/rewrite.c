#include "graph/rewrite.h"
#include "graph/cat.h"
#include "graph/chain.h"
#include "graph/epilogue.h"
#include "graph/fold.h"
#include "graph/fuse.h"
#include "graph/int8.h"
#include "graph/pixels.h"
#include "graph/rewriter.h"
#include "graph/rows.h"

#include <string.h>

/* Each rule looks at the call at `index` as the last of its sequence. */
typedef vkd_status (*rule)(vkd_rewriter *r, size_t index);

/* Readers of a layout transition's result read its source, those of a dequantize that was there
 * before read the first one's. Forward, so that chains of clones resolve. */
typedef struct skipping {
    vkd_rewriter *r;
    uint32_t *source; /* by value id */
} skipping;

static void read_source(void *user, uint32_t *id, bool write)
{
    const skipping *s = user;
    if (!write && s->source[*id] != *id)
        vkd_rw_set_input(s->r, id, s->source[*id]);
}

static bool are_fixed(const vkd_rewriter *r, uint32_t x, uint32_t y)
{
    return !vkd_rw_tensor(r, x)->state && !vkd_rw_tensor(r, y)->state;
}

static bool same_dequantize(const vkd_rewriter *r, const quantize_args *a, const quantize_args *b)
{
    return a->scale == b->scale && a->zero == b->zero && a->low == b->low && a->high == b->high &&
           vkd_rw_alike(r, a->y, b->y) && are_fixed(r, a->x, a->y) && are_fixed(r, b->x, b->y);
}

static vkd_status skip_copies(vkd_rewriter *r)
{
    vkd_net *net = r->net;
    uint32_t *source = vkd_arena_alloc(net->arena, net->value_count, sizeof *source);
    const quantize_args **first = vkd_arena_alloc(net->arena, net->value_count, sizeof *first);
    if (!source || !first)
        return vkd_fail_memory(net->arena->context, "the rewriter");
    for (uint32_t i = 0; i < net->value_count; i++)
        source[i] = i;
    for (size_t i = 0; i < net->call_count; i++) {
        if (!net->calls[i].row)
            continue;
        vkd_call_uses(&net->calls[i], read_source, &(skipping){r, source});
        const view_args *clone = vkd_rw_args(&net->calls[i], VKD_OP_CLONE);
        const quantize_args *dequantize = vkd_rw_args(&net->calls[i], VKD_OP_DEQUANTIZE);
        if (clone && vkd_rw_alike(r, clone->x, clone->y) && are_fixed(r, clone->x, clone->y))
            source[clone->y] = clone->x;
        if (!dequantize)
            continue;
        const quantize_args **before = &first[dequantize->x];
        if (*before && same_dequantize(r, *before, dequantize))
            source[dequantize->y] = (*before)->y;
        else
            *before = dequantize;
    }
    return VKD_OK;
}

/* quantize(view(x)) -> view(quantize(x)) */
static vkd_status quantize_over_view(vkd_rewriter *r, size_t index)
{
    quantize_args *quantize = vkd_rw_args(&r->net->calls[index], VKD_OP_QUANTIZE);
    vkd_call *call = quantize ? vkd_rw_only_producer(r, quantize->x, index) : NULL;
    view_args *view = vkd_rw_args(call, VKD_OP_VIEW);
    if (!view)
        return VKD_OK;
    uint32_t x = view->x, y = quantize->y, id;
    vkd_model_value quantized = r->net->values[x];
    quantized.tensor.dtype = quantized.tensor.staging_dtype = vkd_rw_tensor(r, y)->dtype;
    quantized.tensor.size = (size_t)vkd_dims_count(quantized.tensor.rank, quantized.tensor.dims);
    quantized.tensor.data = NULL;
    VKD_TRY(vkd_rw_add_value(r, &quantized, &id));
    vkd_rw_set_input(r, &quantize->x, x);
    vkd_rw_set_input(r, &view->x, id);
    vkd_rw_set_result(r, call, y);
    vkd_rw_set_result(r, &r->net->calls[index], id);
    vkd_rw_swap(r, call, &r->net->calls[index]);
    return VKD_OK;
}

static vkd_status apply(vkd_rewriter *r, rule rewrite)
{
    for (size_t i = 0; i < r->net->call_count; i++)
        if (r->net->calls[i].row)
            VKD_TRY(rewrite(r, i));
    return VKD_OK;
}

vkd_status vkd_rewrite(vkd_net *net, uint32_t skip)
{
    static const struct {
        vkd_rewrites set;
        rule rewrite;
    } rules[] = {
        {VKD_REWRITE_ATTENTION, vkd_fuse_attention},
        {VKD_REWRITE_ATTENTION, vkd_attention_heads},
        {VKD_REWRITE_ATTENTION, vkd_fuse_rotary},
        {VKD_REWRITE_MOVES, vkd_join_moves},
        {VKD_REWRITE_VIEWS, quantize_over_view},
        {VKD_REWRITE_INT8, vkd_pixels_quantize},
        {VKD_REWRITE_INT8, vkd_int8_select},
        {VKD_REWRITE_INT8, vkd_int8_pool},
        {VKD_REWRITE_INT8, vkd_int8_average},
        {VKD_REWRITE_INT8, vkd_int8_mean},
        {VKD_REWRITE_INT8, vkd_int8_clamp},
        {VKD_REWRITE_INT8, vkd_int8_cat},
        {VKD_REWRITE_FUSE_CLAMP, vkd_fuse_clamp},
        {VKD_REWRITE_FUSE_ADD, vkd_fuse_add},
        {VKD_REWRITE_FUSE_DEQUANTIZE, vkd_fuse_dequantize},
        {VKD_REWRITE_FUSE_NORM, vkd_fuse_norm},
        {VKD_REWRITE_CHAINS, vkd_chain_norm},
        {VKD_REWRITE_CHAINS, vkd_chain_join},
        {VKD_REWRITE_CHAINS, vkd_int8_mean_of_chain},
        {VKD_REWRITE_CHAINS, vkd_chain_join}, /* what means have read */
        {VKD_REWRITE_CATS, vkd_cat_quantize},
        {VKD_REWRITE_CATS, vkd_cat_join},
        {VKD_REWRITE_FUSE_CHAIN, vkd_fuse_chain},
        {VKD_REWRITE_FUSE_CHAIN, vkd_fuse_part},
        {VKD_REWRITE_EXCITE, vkd_fuse_excite},
        {VKD_REWRITE_EXCITE, vkd_fuse_excite_chain},
        {VKD_REWRITE_FUSE_CHAIN, vkd_fuse_epilogue},
        {VKD_REWRITE_EXCITE, vkd_fuse_excite_floats},
    };
    vkd_rewriter r;
    net->skipped = skip;
    VKD_TRY(vkd_rewriter_init(&r, net));
    if (!(skip & VKD_REWRITE_FOLD))
        VKD_TRY(vkd_fold_constants(&r));
    if (!(skip & VKD_REWRITE_CLONES))
        VKD_TRY(skip_copies(&r));
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (!(skip & rules[i].set))
            VKD_TRY(apply(&r, rules[i].rewrite));
    vkd_rewriter_finish(&r);
    return skip & VKD_REWRITE_CATS ? VKD_OK : vkd_cat_grow(&r); /* of those that stay */
}
