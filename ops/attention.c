/* Operators of attention, over a cache or not. */
#include "graph/operators.h"
#include "ops/attention.h"
#include "ops/rotary.h"
#include "ops/tables.h"
#include "runtime/base/element.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ operators */

typedef struct attention_args {
    uint32_t q, k, v, k_cache, v_cache, mask, y;
    vkd_sym start;
    bool causal;
    float dropout, scale; /* scale NAN: 1 / sqrt(width) */
} attention_args;

static const vkd_param cache_params[] = {VKD_TENSOR(attention_args, q, query),
                                         VKD_TENSOR(attention_args, k, key),
                                         VKD_TENSOR(attention_args, v, value),
                                         VKD_MUTATED(attention_args, k_cache, key_cache),
                                         VKD_MUTATED(attention_args, v_cache, value_cache),
                                         VKD_SYM(attention_args, start, start_pos),
                                         VKD_IGNORED("seq_len"),
                                         VKD_OPTIONAL_TENSOR(attention_args, mask, attn_mask),
                                         VKD_FLOAT(attention_args, dropout, drpout_p),
                                         VKD_BOOL(attention_args, causal, is_causal),
                                         VKD_OPTIONAL_FLOAT(attention_args, scale),
                                         VKD_OUTPUT(attention_args, y, out),
                                         VKD_PARAMS_END};
static const vkd_param custom_params[] = {VKD_TENSOR(attention_args, q, query),
                                          VKD_TENSOR(attention_args, k_cache, key),
                                          VKD_TENSOR(attention_args, v_cache, value),
                                          VKD_SYM(attention_args, start, start_pos),
                                          VKD_OPTIONAL_TENSOR(attention_args, mask, attn_mask),
                                          VKD_FLOAT(attention_args, dropout, drpout_p),
                                          VKD_BOOL(attention_args, causal, is_causal),
                                          VKD_OPTIONAL_FLOAT(attention_args, scale),
                                          VKD_OUTPUT(attention_args, y, out),
                                          VKD_PARAMS_END};
static const vkd_param sdpa_params[] = {VKD_TENSOR(attention_args, q, query),
                                        VKD_TENSOR(attention_args, k, key),
                                        VKD_TENSOR(attention_args, v, value),
                                        VKD_OPTIONAL_TENSOR(attention_args, mask, attn_mask),
                                        VKD_OPTIONAL_FLOAT(attention_args, scale),
                                        VKD_OUTPUT(attention_args, y, out),
                                        VKD_PARAMS_END};
static const attention_args defaults = {.k = VKD_NO_VALUE,
                                        .v = VKD_NO_VALUE,
                                        .k_cache = VKD_NO_VALUE,
                                        .v_cache = VKD_NO_VALUE,
                                        .mask = VKD_NO_VALUE,
                                        .start.value = VKD_NO_VALUE,
                                        .scale = NAN};

static vkd_status fail_operands(vkd_shaping *shaping, uint32_t value, const vkd_model_tensor *q,
                                const vkd_model_tensor *k, const vkd_model_tensor *v)
{
    char a[VKD_DIMS_TEXT], b[VKD_DIMS_TEXT], c[VKD_DIMS_TEXT];
    return vkd_shape_fail_value(
        shaping, VKD_INVALID_MODEL, value,
        "does not fit, expected heads and positions that go together: %s, %s and %s",
        vkd_dims_format(q->rank, q->dims, a), vkd_dims_format(k->rank, k->dims, b),
        vkd_dims_format(v->rank, v->dims, c));
}

/* [batch, heads, queries, width] with keys [batch, heads / n, keys, width]. */
static vkd_status shape_sdpa(vkd_shaping *shaping, const void *arguments)
{
    const attention_args *args = arguments;
    const vkd_model_tensor *q = vkd_shape_of(shaping, args->q), *k = vkd_shape_of(shaping, args->k),
                           *v = vkd_shape_of(shaping, args->v);
    bool fits = q->rank == 4 && k->rank == 4 && v->rank == 4 && q->dims[0] == k->dims[0] &&
                q->dims[3] == k->dims[3] && k->dims[1] && q->dims[1] % k->dims[1] == 0 &&
                !memcmp(k->dims, v->dims, 4 * sizeof *k->dims);
    return fits ? vkd_shape_set_as(shaping, args->y, args->q)
                : fail_operands(shaping, args->k, q, k, v);
}

/* Whether so many positions fit behind `start` in a cache. */
static vkd_status check_room(vkd_shaping *shaping, const vkd_sym *start, uint32_t count,
                             uint32_t room)
{
    int64_t at = vkd_shape_number(shaping, *start);
    if (at < 0 || at + count > room)
        return vkd_shape_fail_at(shaping, VKD_INVALID_ARGUMENT, start,
                                 "means positions %lld to %lld, expected what fits a cache of %u",
                                 (long long)at, (long long)at + count - 1, room);
    return VKD_OK;
}

/* [1, positions, heads, width] of all of them. */
static vkd_status shape_cached(vkd_shaping *shaping, const void *arguments)
{
    const attention_args *args = arguments;
    const vkd_model_tensor *q = vkd_shape_of(shaping, args->q),
                           *k = vkd_shape_of(shaping, args->k_cache),
                           *v = vkd_shape_of(shaping, args->v_cache);
    bool fits = q->rank == 4 && k->rank == 4 && v->rank == 4 && q->dims[0] == 1 &&
                k->dims[0] == 1 && q->dims[3] == k->dims[3] && k->dims[2] &&
                q->dims[2] % k->dims[2] == 0 && !memcmp(k->dims, v->dims, 4 * sizeof *k->dims);
    for (int i = 0; i < 2 && fits; i++) {
        uint32_t value = i ? args->v : args->k;
        const vkd_model_tensor *x = value == VKD_NO_VALUE ? NULL : vkd_shape_of(shaping, value);
        fits = !x || (x->rank == 4 && x->dims[0] == 1 && x->dims[1] == q->dims[1] &&
                      x->dims[2] == k->dims[2] && x->dims[3] == k->dims[3]);
    }
    if (!fits)
        return fail_operands(shaping, args->k_cache, q, k, v);
    VKD_TRY(check_room(shaping, &args->start, q->dims[1], k->dims[1]));
    return vkd_shape_set_as(shaping, args->y, args->q);
}

static vkd_status check_plain(vkd_lowering *lowering, const attention_args *args)
{
    return args->dropout == 0 ? VKD_OK
                              : vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->dropout,
                                               "is %g, expected 0", (double)args->dropout);
}

static float scale_of(const attention_args *args, uint32_t width)
{
    return isnan(args->scale) ? (float)(1 / sqrt((double)width)) : args->scale;
}

static vkd_status make_whole(vkd_lowering *lowering, vkd_view *view)
{
    vkd_tensor_id whole;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH,
                                 lowering->graph->tensors[view->tensor].dtype, VKD_ROWS, view->rank,
                                 view->dims, &whole));
    VKD_TRY(vkd_op_move(lowering, view, whole));
    *view = vkd_view_of(lowering->graph, whole);
    return VKD_OK;
}

/* After how many images a mask of so many dims may begin again: those are windows of one. */
static uint32_t windows_of(const vkd_view *mask, uint32_t images)
{
    const uint32_t own = mask->rank < 4 ? 1 : mask->dims[mask->rank - 4];
    return own > 1 ? own : mask->rank == 5 && mask->dims[0] > 1 ? images / mask->dims[0] : 1;
}

/* The mask, which broadcasts to images, heads, queries and keys, of rank 5 to images of windows. */
static vkd_status view_mask(vkd_lowering *lowering, const uint32_t *value, uint32_t rank,
                            attention *a)
{
    a->mask.tensor = VKD_NO_TENSOR;
    if (*value == VKD_NO_VALUE)
        return VKD_OK;
    vkd_view mask;
    VKD_TRY(vkd_op_view(lowering, *value, &mask));
    const uint32_t images = vkd_attention_images(a),
                   windows = rank == 5 ? windows_of(&mask, images) : images,
                   dims[] = {windows ? images / windows : 0, windows, a->image_heads, a->queries,
                             a->keys};
    bool fits = mask.rank <= rank && dims[0] * windows == images;
    for (uint32_t d = 0; fits && d < mask.rank; d++)
        fits = mask.dims[d] == 1 || mask.dims[d] == dims[5 - mask.rank + d];
    if (!fits) {
        char is[VKD_DIMS_TEXT], expected[VKD_DIMS_TEXT];
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, value,
                              "is %s, expected what broadcasts to %s",
                              vkd_dims_format(mask.rank, mask.dims, is),
                              vkd_dims_format(rank, dims + 5 - rank, expected));
    }
    vkd_view_broadcast(&mask, 5, dims);
    const bool again = dims[0] == 1 || mask.strides[0] == 0; /* for each image the same */
    if (!again && mask.strides[0] != mask.strides[1] * (int32_t)windows)
        VKD_TRY(make_whole(lowering, &mask));
    a->mask = vkd_view_without(&mask, 0);
    a->mask.dims[0] = a->mask_images = again ? windows : images;
    return VKD_OK;
}

/* A view [.., heads, positions, width] as rows, copied where these do not lie in one piece. */
static vkd_status rows_of(vkd_lowering *lowering, const attention *a, vkd_view view,
                          attention_rows *out)
{
    const uint32_t heads = view.rank - 3, width = view.rank - 1;
    bool strided = view.strides[width] == 1 || view.dims[width] == 1;
    for (uint32_t d = 0; d < width; d++)
        strided &= view.strides[d] >= 0; /* kernels divide them */
    if (!strided)
        VKD_TRY(make_whole(lowering, &view));
    const uint32_t head = (uint32_t)view.strides[heads];
    *out = (attention_rows){.tensor = view.tensor,
                            .offset = (uint32_t)view.offset,
                            .image = heads ? (uint32_t)view.strides[0] : head * a->image_heads,
                            .position = (uint32_t)view.strides[heads + 1],
                            .head = head};
    return VKD_OK;
}

static vkd_status rows_in(vkd_lowering *lowering, const attention *a, uint32_t value,
                          attention_rows *out)
{
    vkd_view view;
    VKD_TRY(vkd_op_view(lowering, value, &view));
    return rows_of(lowering, a, view, out);
}

/* A result [.., heads, queries, width] is made by positions, as whoever puts heads side by side
 * wants it, where it is of one image or has a dim for them. */
static vkd_status emit_heads(vkd_lowering *lowering, uint32_t value, attention *a)
{
    const vkd_model_tensor *shape = vkd_value_tensor(lowering, value);
    const uint32_t dims[] = {vkd_attention_images(a), a->queries, a->image_heads, a->width};
    a->y = (attention_rows){.image = a->image_heads * a->queries * a->width,
                            .position = a->width,
                            .head = a->queries * a->width};
    if ((shape->rank == 3 && dims[0] > 1) || shape->state || lowering->use[value].is_output) {
        VKD_TRY(vkd_op_output_in(lowering, value, shape->dtype, VKD_ROWS, &a->y.tensor));
        return vkd_attention_emit(lowering, a);
    }
    a->y.position = a->image_heads * a->width;
    a->y.head = a->width;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, shape->dtype, VKD_ROWS, 4,
                                 dims, &a->y.tensor));
    VKD_TRY(vkd_attention_emit(lowering, a));
    vkd_view view = {.tensor = a->y.tensor, .rank = shape->rank};
    memcpy(view.dims, shape->dims, sizeof view.dims);
    view.strides[0] = (int32_t)a->y.image;
    view.strides[view.rank - 3] = (int32_t)a->y.head;
    view.strides[view.rank - 2] = (int32_t)a->y.position;
    view.strides[view.rank - 1] = 1;
    return vkd_op_output_view(lowering, value, &view);
}

static vkd_status lower_sdpa(vkd_lowering *lowering, const void *arguments)
{
    const attention_args *args = arguments;
    const vkd_model_tensor *q = vkd_value_tensor(lowering, args->q),
                           *k = vkd_value_tensor(lowering, args->k);
    attention a = {.heads = q->dims[0] * q->dims[1],
                   .image_heads = q->dims[1],
                   .queries = q->dims[2],
                   .keys = k->dims[2],
                   .width = q->dims[3],
                   .group = q->dims[1] / k->dims[1],
                   .start = VKD_NO_SYMBOL,
                   .scale = scale_of(args, q->dims[3])};
    VKD_TRY(rows_in(lowering, &a, args->q, &a.q));
    VKD_TRY(rows_in(lowering, &a, args->k, &a.k));
    VKD_TRY(rows_in(lowering, &a, args->v, &a.v));
    VKD_TRY(view_mask(lowering, &args->mask, 4, &a));
    return emit_heads(lowering, args->y, &a);
}

/* Writes positions into a cache, from `start` on. */
static vkd_status write_cache(vkd_lowering *lowering, uint32_t value, uint32_t cache, vkd_sym start,
                              vkd_tensor_id *out)
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, value),
                           *all = vkd_value_tensor(lowering, cache);
    const uint32_t position = all->dims[2] * all->dims[3];
    vkd_view view;
    VKD_TRY(vkd_op_state(lowering, cache, out));
    if (x->dtype != all->dtype)
        return vkd_op_fail_value(lowering, VKD_INVALID_MODEL, value,
                                 "has dtype %s, expected that of its cache, %s",
                                 vkd_dtype_name(x->dtype), vkd_dtype_name(all->dtype));
    const vkd_pasting pasting = {
        .x_row = x->dims[1] * position,
        .y_row = all->dims[1] * position,
        .at = start.value == VKD_NO_VALUE ? (uint32_t)start.number * position : 0,
        .symbol = start,
        .symbol_stride = position,
        .symbol_most = all->dims[1] - x->dims[1]};
    if (vkd_rotary_pastes(lowering, value, &pasting))
        return vkd_rotary_paste(lowering, value, &pasting, *out);
    VKD_TRY(vkd_op_view(lowering, value, &view));
    return vkd_paste(lowering, &view, &pasting, *out);
}

/* Keys above the context are no keys yet, but where a mask says what is one. */
static uint32_t sees(const attention_args *args)
{
    return args->causal                 ? VKD_SEES_BEFORE
           : args->mask == VKD_NO_VALUE ? VKD_SEES_CONTEXT
                                        : VKD_SEES_ALL;
}

static vkd_status lower_cached(vkd_lowering *lowering, const void *arguments)
{
    const attention_args *args = arguments;
    const vkd_model_tensor *q = vkd_value_tensor(lowering, args->q),
                           *k = vkd_value_tensor(lowering, args->k_cache);
    const uint32_t width = q->dims[3];
    attention a = {.heads = q->dims[2],
                   .image_heads = q->dims[2],
                   .queries = q->dims[1],
                   .keys = k->dims[1],
                   .width = width,
                   .group = q->dims[2] / k->dims[2],
                   .q = {.position = q->dims[2] * width, .head = width},
                   .k = {.position = k->dims[2] * width, .head = width},
                   .v = {.position = k->dims[2] * width, .head = width},
                   .y = {.position = q->dims[2] * width, .head = width},
                   .sees = sees(args),
                   .start = args->start,
                   .scale = scale_of(args, width)};
    attention_token token = {args->q, args->k, args->v, args->y, 0};
    VKD_TRY(check_plain(lowering, args));
    if (args->k != VKD_NO_VALUE && args->mask == VKD_NO_VALUE) {
        VKD_TRY(vkd_op_state(lowering, args->k_cache, &a.k.tensor));
        VKD_TRY(vkd_op_state(lowering, args->v_cache, &a.v.tensor));
        if (vkd_attention_takes(lowering, &a, &token))
            return vkd_attention_step(lowering, &a, &token);
    }
    VKD_TRY(vkd_op_rows(lowering, args->q, &a.q.tensor));
    if (args->k != VKD_NO_VALUE) {
        VKD_TRY(write_cache(lowering, args->k, args->k_cache, args->start, &a.k.tensor));
        VKD_TRY(write_cache(lowering, args->v, args->v_cache, args->start, &a.v.tensor));
    } else {
        VKD_TRY(vkd_op_rows(lowering, args->k_cache, &a.k.tensor));
        VKD_TRY(vkd_op_rows(lowering, args->v_cache, &a.v.tensor));
    }
    VKD_TRY(view_mask(lowering, &args->mask, 4, &a));
    VKD_TRY(vkd_op_output_in(lowering, args->y, vkd_value_tensor(lowering, args->y)->dtype,
                             VKD_ROWS, &a.y.tensor));
    return vkd_attention_emit(lowering, &a);
}

/* ------------------------------------------------------------------------------ put together */

static const vkd_param fused_params[] = {VKD_TENSOR(fused_attention_args, q),
                                         VKD_TENSOR(fused_attention_args, k),
                                         VKD_TENSOR(fused_attention_args, v),
                                         VKD_OPTIONAL_TENSOR(fused_attention_args, mask),
                                         VKD_INT(fused_attention_args, heads),
                                         VKD_FLOAT(fused_attention_args, scale),
                                         VKD_BOOL(fused_attention_args, safe),
                                         VKD_OUTPUT(fused_attention_args, y),
                                         VKD_PARAMS_END};

/* [batch, .., ..], or with heads in it a dim of their own. */
static uint32_t batch_of(const vkd_model_tensor *t)
{
    return t->rank == 4 ? t->dims[0] * t->dims[1] : t->dims[0];
}

static bool has_heads(const vkd_model_tensor *t, uint32_t heads)
{
    return t->rank == 3 || (t->rank == 4 && t->dims[1] == heads);
}

static vkd_status shape_fused(vkd_shaping *shaping, const void *arguments)
{
    const fused_attention_args *args = arguments;
    const vkd_model_tensor *q = vkd_shape_of(shaping, args->q), *k = vkd_shape_of(shaping, args->k),
                           *v = vkd_shape_of(shaping, args->v);
    const uint32_t heads = (uint32_t)args->heads, batch = batch_of(q);
    if (!has_heads(q, heads) || !has_heads(k, heads) || !has_heads(v, heads) ||
        batch_of(k) != batch || batch_of(v) != batch || batch % heads)
        return fail_operands(shaping, args->k, q, k, v);
    const uint32_t *queries = q->dims + q->rank - 2, *keys = k->dims + k->rank - 2,
                   *values = v->dims + v->rank - 2;
    if (queries[1] != keys[0] || queries[1] != values[1] || keys[1] != values[0])
        return fail_operands(shaping, args->k, q, k, v);
    const uint32_t dims[] = {batch / heads, heads, queries[0], queries[1]},
                   flat[] = {batch, queries[0], queries[1]};
    const uint32_t rank = shaping->net->values[args->y].tensor.rank;
    return vkd_shape_set(shaping, args->y, rank, rank == 4 ? dims : flat);
}

static vkd_status lower_fused(vkd_lowering *lowering, const void *arguments)
{
    const fused_attention_args *args = arguments;
    const vkd_model_tensor *q = vkd_value_tensor(lowering, args->q),
                           *v = vkd_value_tensor(lowering, args->v);
    attention a = {.heads = batch_of(q),
                   .image_heads = (uint32_t)args->heads,
                   .queries = q->dims[q->rank - 2],
                   .keys = v->dims[v->rank - 2],
                   .width = q->dims[q->rank - 1],
                   .group = 1,
                   .start = VKD_NO_SYMBOL,
                   .scale = args->scale,
                   .safe = args->safe};
    vkd_view turned;
    VKD_TRY(vkd_op_view(lowering, args->k, &turned));
    const uint32_t last = turned.rank - 1;
    vkd_view k = turned;
    k.dims[last - 1] = turned.dims[last], k.dims[last] = turned.dims[last - 1];
    k.strides[last - 1] = turned.strides[last], k.strides[last] = turned.strides[last - 1];
    VKD_TRY(rows_in(lowering, &a, args->q, &a.q));
    VKD_TRY(rows_of(lowering, &a, k, &a.k));
    VKD_TRY(rows_in(lowering, &a, args->v, &a.v));
    VKD_TRY(view_mask(lowering, &args->mask, 5, &a));
    return emit_heads(lowering, args->y, &a);
}

/* --------------------------------------------------------------------------------- update_cache */

typedef struct update_args {
    uint32_t value, cache, y;
    vkd_sym start;
} update_args;

static const vkd_param update_params[] = {
    VKD_TENSOR(update_args, value), VKD_MUTATED(update_args, cache),
    VKD_SYM(update_args, start, start_pos), VKD_OUTPUT(update_args, y, out), VKD_PARAMS_END};

static vkd_status shape_update(vkd_shaping *shaping, const void *arguments)
{
    const update_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->value),
                           *cache = vkd_shape_of(shaping, args->cache);
    if (x->rank != 4 || cache->rank != 4 || x->dims[0] != 1 || cache->dims[0] != 1 ||
        x->dims[2] != cache->dims[2] || x->dims[3] != cache->dims[3])
        return fail_operands(shaping, args->value, x, cache, cache);
    return check_room(shaping, &args->start, x->dims[1], cache->dims[1]);
}

/* What comes out is nothing that anybody may read. */
static vkd_status lower_update(vkd_lowering *lowering, const void *arguments)
{
    const update_args *args = arguments;
    vkd_tensor_id cache;
    return write_cache(lowering, args->value, args->cache, args->start, &cache);
}

#define ATTENTION(name_, params_, shape_, lower_)                                                  \
    {                                                                                              \
        name_, params_, sizeof(attention_args), shape_, lower_, .defaults = &defaults              \
    }

static const vkd_op rows_[] = {
    {"llama.sdpa_with_kv_cache.default", cache_params, sizeof(attention_args), shape_cached,
     lower_cached, .defaults = &defaults, .effect = true},
    ATTENTION("llama.custom_sdpa.default", custom_params, shape_cached, lower_cached),
    ATTENTION("et_vk.sdpa.default", sdpa_params, shape_sdpa, lower_sdpa),
    {"vkd.attention", fused_params, sizeof(fused_attention_args), shape_fused, lower_fused,
     .kind = VKD_OP_ATTENTION, .internal = true},
    {"llama.update_cache.default", update_params, sizeof(update_args), shape_update, lower_update,
     .effect = true},
};

const vkd_op_table vkd_attention_ops = VKD_OP_TABLE(rows_);
