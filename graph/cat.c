/* A dense block concatenates the same tensors again and again, with one more each time: all its
 * concatenations are the beginnings of the last one and lie in its memory, where each part is
 * written once. A part that is a function of one int8 tensor is no dispatch of its own: it is
 * looked up in a table while it is copied. */
#include "graph/cat.h"
#include "graph/chain.h"

#include <string.h>

/* ------------------------------------------------------------------------------------- growing */

static int32_t dim_of(const vkd_rewriter *r, const cat_args *cat)
{
    return cat->dim < 0 ? cat->dim + (int32_t)vkd_rw_tensor(r, cat->y)->rank : cat->dim;
}

static bool has_table(const cat_args *cat, size_t i) { return cat->tables && cat->tables[i]; }

static bool same_part(const cat_args *a, const cat_args *b, size_t i)
{
    return a->parts.values[i] == b->parts.values[i] && has_table(a, i) == has_table(b, i) &&
           (!has_table(a, i) || !memcmp(a->tables[i], b->tables[i], sizeof *a->tables[i]));
}

static bool begins_with(const vkd_rewriter *r, const cat_args *longer, const cat_args *shorter)
{
    bool same = shorter->parts.count <= longer->parts.count &&
                dim_of(r, longer) == dim_of(r, shorter) &&
                vkd_rw_tensor(r, longer->y)->dtype == vkd_rw_tensor(r, shorter->y)->dtype;
    for (size_t i = 0; same && i < shorter->parts.count; i++)
        same = same_part(longer, shorter, i);
    return same;
}

/* What is written in place later is another tensor each time. */
static bool is_fixed(const vkd_rewriter *r, const cat_args *cat)
{
    bool changes = vkd_rw_tensor(r, cat->y)->state;
    for (size_t i = 0; i < cat->parts.count; i++)
        changes |= vkd_rw_tensor(r, cat->parts.values[i])->state;
    return !changes;
}

/* Forward, each looks for the one before it with the same first part; backward, all learn of the
 * longest. */
vkd_status vkd_cat_grow(vkd_rewriter *r)
{
    const vkd_net *net = r->net;
    cat_args **latest = vkd_arena_alloc(net->arena, net->value_count, sizeof *latest),
             **shorter = vkd_arena_alloc(net->arena, net->call_count, sizeof *shorter);
    if (!latest || !shorter)
        return vkd_fail_memory(net->arena->context, "the rewriter");
    for (size_t i = 0; i < net->call_count; i++) {
        cat_args *cat = vkd_rw_args(&net->calls[i], VKD_OP_CAT);
        if (!cat || !is_fixed(r, cat))
            continue;
        cat_args **before = &latest[cat->parts.values[0]];
        if (*before && begins_with(r, cat, *before)) {
            shorter[i] = *before;
            cat->shared = shorter[i]->parts.count;
            cat->before = shorter[i]->y;
        }
        *before = cat;
    }
    for (size_t i = net->call_count; i-- > 0;) {
        if (!shorter[i])
            continue;
        cat_args *cat = net->calls[i].args;
        cat->whole = cat->whole == VKD_NO_VALUE ? cat->y : cat->whole;
        shorter[i]->whole = cat->whole;
    }
    return VKD_OK;
}

/* --------------------------------------------------------------------------------------- tables */

/* The function of one int8 tensor that makes a value, for calls before `index`. The last bit of
 * what is more than dequantized may be the device's own, which an int8 result does not show. */
static bool table_of(vkd_rewriter *r, uint32_t id, size_t index, chain_args *out)
{
    const vkd_call *call = vkd_rw_producer(r, id, index);
    return call && vkd_chain_of(r, call, out) && vkd_chain_is_table(r, out) &&
           !vkd_rw_tensor(r, out->x[0])->state;
}

/* The kernel that has tables copies images. */
static bool takes_tables(const vkd_rewriter *r, const cat_args *cat)
{
    const vkd_model_tensor *y = vkd_rw_tensor(r, cat->y);
    return y->rank >= 1 && y->rank <= 4 &&
           (y->dtype == VKD_DTYPE_FLOAT32 || y->dtype == VKD_DTYPE_INT8);
}

static bool make_room(vkd_rewriter *r, cat_args *cat)
{
    if (!cat->tables)
        cat->tables = vkd_arena_alloc(r->net->arena, cat->parts.count, sizeof *cat->tables);
    return cat->tables;
}

static const chain_args *keep(vkd_rewriter *r, const chain_args *chain)
{
    chain_args *copy = vkd_arena_alloc(r->net->arena, 1, sizeof *copy);
    if (copy) {
        *copy = *chain;
        copy->y = 0; /* equal functions have equal bytes */
    }
    return copy;
}

/* Part i is what a table makes of its int8 tensor. */
static vkd_status set_table(vkd_rewriter *r, cat_args *cat, size_t i, const chain_args *chain)
{
    const uint32_t id = cat->parts.values[i];
    const chain_args *kept = keep(r, chain);
    if (!kept || !make_room(r, cat))
        return vkd_fail_memory(r->net->arena->context, "the rewriter");
    cat->tables[i] = kept;
    vkd_rw_set_input(r, &cat->parts.values[i], chain->x[0]);
    vkd_rw_drop_unread(r, id);
    return VKD_OK;
}

vkd_status vkd_cat_quantize(vkd_rewriter *r, size_t index)
{
    vkd_call *last = &r->net->calls[index];
    const quantize_args *quantize = vkd_rw_args(last, VKD_OP_QUANTIZE);
    vkd_call *call = quantize ? vkd_rw_only_producer(r, quantize->x, index) : NULL;
    cat_args *cat = vkd_rw_args(call, VKD_OP_CAT);
    chain_args chain, quantized;
    bool tables = cat && takes_tables(r, cat) && vkd_chain_of(r, last, &quantized) &&
                  quantized.y_scale.scale > 0;
    for (size_t i = 0; tables && i < cat->parts.count; i++)
        tables = !has_table(cat, i) && table_of(r, cat->parts.values[i], index, &chain) &&
                 vkd_rw_tensor(r, chain.y)->dtype == VKD_DTYPE_FLOAT32;
    if (!tables)
        return VKD_OK;
    const uint32_t y = quantize->y;
    vkd_rw_remove(r, last);
    vkd_rw_set_result(r, call, y);
    call->name = "vkd.dequantize+cat+quantize";
    for (size_t i = 0; i < cat->parts.count; i++) {
        table_of(r, cat->parts.values[i], index, &chain);
        chain.y_scale = quantized.y_scale;
        VKD_TRY(set_table(r, cat, i, &chain));
    }
    return VKD_OK;
}

vkd_status vkd_cat_join(vkd_rewriter *r, size_t index)
{
    vkd_call *call = &r->net->calls[index];
    cat_args *cat = vkd_rw_args(call, VKD_OP_CAT);
    chain_args chain;
    if (!cat || !takes_tables(r, cat))
        return VKD_OK;
    for (size_t i = 0; i < cat->parts.count; i++)
        if (!has_table(cat, i) && table_of(r, cat->parts.values[i], index, &chain) &&
            (!chain.step_count || vkd_rw_tensor(r, cat->y)->dtype == VKD_DTYPE_INT8)) {
            VKD_TRY(set_table(r, cat, i, &chain));
            call->name = "vkd.dequantize+cat";
        }
    return VKD_OK;
}
