/* Cases of ops/attention.c and ops/rotary.c. */
#include "table_families.h"

#include <math.h>

/* ------------------------------------------------------------------------------------ attention */

enum { KEYS = 64 };

/* Keys and values by position l and head h of image b, as a cache or a call has them. */
typedef struct attention {
    /* mask: null, or broadcasts to [images, heads, queries, keys] */
    const table_tensor *q, *k, *v, *mask;
    uint32_t images, heads, queries, keys, width, group;
    /* dims are [image, position, head, width], else [image, head, position, width] */
    bool by_position;
    bool causal;
    int64_t start; /* query s sees keys 0 .. start + s where causal */
    double scale;
} attention;

static double element(const attention *a, const table_tensor *x, size_t b, size_t h, size_t l,
                      size_t d)
{
    const uint32_t *dims = x->shape.dims;
    size_t first = a->by_position ? l : h, second = a->by_position ? h : l;
    return x->values[((b * dims[1] + first) * dims[2] + second) * dims[3] + d];
}

static double score(const attention *a, size_t b, size_t h, size_t s, size_t l)
{
    double sum = 0;
    for (size_t d = 0; d < a->width; d++)
        sum += element(a, a->q, b, h, s, d) * element(a, a->k, b, h / a->group, l, d);
    sum *= a->scale;
    if (!a->mask)
        return sum;
    const vkd_shape all = {4, {a->images, a->heads, a->queries, a->keys}};
    size_t at = ((b * a->heads + h) * a->queries + s) * a->keys + l;
    double mask = a->mask->values[table_broadcast_index(&a->mask->shape, &all, at)];
    return a->mask->dtype == VKD_DTYPE_BOOL ? (mask != 0 ? sum : -INFINITY) : sum + mask;
}

/* How the values of the keys that query s sees are weighed; returns how many it sees. */
static size_t weigh(const attention *a, size_t b, size_t h, size_t s, double weights[KEYS])
{
    size_t seen = a->causal                    ? (size_t)a->start + s + 1
                  : a->by_position && !a->mask ? (size_t)a->start + a->queries
                                               : a->keys;
    double most = -INFINITY, sum = 0;
    for (size_t l = 0; l < seen; l++) {
        weights[l] = score(a, b, h, s, l);
        most = weights[l] > most ? weights[l] : most;
    }
    for (size_t l = 0; l < seen; l++)
        sum += weights[l] = exp(weights[l] - most);
    for (size_t l = 0; l < seen; l++)
        weights[l] /= sum;
    return seen;
}

static void expect(table *t, const attention *a)
{
    table_tensor *y = table_output(t, a->q->dtype, a->q->shape);
    y->absolute = a->q->dtype == VKD_DTYPE_FLOAT16 ? 1e-3 : 3e-5; /* of values up to 2 */
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[4];
        double weights[KEYS];
        table_places(&y->shape, i, at);
        size_t h = at[a->by_position ? 2 : 1], s = at[a->by_position ? 1 : 2];
        size_t seen = weigh(a, at[0], h, s, weights);
        for (size_t l = 0; l < seen; l++)
            y->values[i] += weights[l] * element(a, a->v, at[0], h / a->group, l, at[3]);
    }
}

static void draw_scale(table *t, attention *a)
{
    a->scale = 1 / sqrt(a->width);
    if (table_chance(t, 2))
        table_null(t);
    else
        table_double(t, a->scale = 0.25);
}

/* At least one key is left to every query. */
static void draw_mask(table *t, attention *a, vkd_shape full)
{
    if (table_chance(t, 2)) {
        table_null(t);
        return;
    }
    bool truths = table_chance(t, 3);
    vkd_shape shape = table_narrowed(t, full);
    table_tensor *mask = table_drawn(t, truths ? VKD_DTYPE_BOOL : a->q->dtype, shape,
                                     truths ? 0 : -3, truths ? 1 : 3);
    uint32_t row = shape.rank ? shape.dims[shape.rank - 1] : 1;
    for (size_t i = 0; i < mask->count; i++)
        if (i % row == 0 && truths)
            mask->values[i] = 1;
        else if (i % row && !truths && table_chance(t, 4))
            mask->values[i] = -INFINITY;
    a->mask = mask;
}

static attention draw_sizes(table *t)
{
    attention a = {
        .images = 1, .queries = 1 + table_below(t, 7), .width = 1 + table_below(t, 36), .scale = 1};
    a.group = 1 + table_below(t, 3);
    a.heads = a.group * (1 + table_below(t, 3));
    return a;
}

static void draw_sdpa(table *t)
{
    attention a = draw_sizes(t);
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    a.images = 1 + table_below(t, 3);
    a.keys = 1 + table_below(t, 40);
    const vkd_shape keys = {4, {a.images, a.heads / a.group, a.keys, a.width}};
    a.q = table_drawn(t, dtype, (vkd_shape){4, {a.images, a.heads, a.queries, a.width}}, -2, 2);
    a.k = table_drawn(t, dtype, keys, -2, 2);
    a.v = table_drawn(t, dtype, keys, -2, 2);
    draw_mask(t, &a, (vkd_shape){4, {a.images, a.heads, a.queries, a.keys}});
    draw_scale(t, &a);
    expect(t, &a);
}

/* Over a cache that holds keys and values already. */
static void draw_custom(table *t)
{
    attention a = draw_sizes(t);
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    a.by_position = true;
    a.keys = a.queries + table_below(t, 40);
    a.start = table_below(t, a.keys - a.queries + 1);
    const vkd_shape cache = {4, {1, a.keys, a.heads / a.group, a.width}};
    a.q = table_drawn(t, dtype, (vkd_shape){4, {1, a.queries, a.heads, a.width}}, -2, 2);
    a.k = table_drawn(t, dtype, cache, -2, 2);
    a.v = table_drawn(t, dtype, cache, -2, 2);
    table_size(t, a.start);
    draw_mask(t, &a, (vkd_shape){2, {a.queries, a.keys}});
    table_double(t, 0); /* dropout */
    a.causal = table_chance(t, 2);
    table_bool(t, a.causal);
    draw_scale(t, &a);
    expect(t, &a);
}

/* Positions from `start` on are replaced in a copy of the cache. */
static table_tensor cache_with(const table_tensor *cache, const table_tensor *x, int64_t start,
                               double *values)
{
    table_tensor after = *cache;
    size_t position = (size_t)cache->shape.dims[2] * cache->shape.dims[3];
    after.values = values;
    for (size_t i = 0; i < cache->count; i++) {
        size_t first = (size_t)start * position;
        values[i] = i >= first && i < first + x->count ? x->values[i - first] : cache->values[i];
    }
    return after;
}

/* The same, with new keys and values that are put into the cache before. */
static void draw_cached(table *t)
{
    static double values[2][1 << 16];
    attention a = draw_sizes(t);
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    a.by_position = true;
    a.keys = a.queries + table_below(t, 40);
    a.start = table_below(t, a.keys - a.queries + 1);
    const vkd_shape cache = {4, {1, a.keys, a.heads / a.group, a.width}};
    const vkd_shape added = {4, {1, a.queries, a.heads / a.group, a.width}};
    a.q = table_drawn(t, dtype, (vkd_shape){4, {1, a.queries, a.heads, a.width}}, -2, 2);
    table_tensor *x[2], *caches[2], after[2];
    for (int i = 0; i < 2; i++)
        x[i] = table_drawn(t, dtype, added, -2, 2);
    for (int i = 0; i < 2; i++) {
        caches[i] = table_drawn(t, dtype, cache, -2, 2);
        caches[i]->arrival = TABLE_STATE;
        after[i] = cache_with(caches[i], x[i], a.start, values[i]);
    }
    a.k = &after[0];
    a.v = &after[1];
    table_size(t, a.start);
    table_int(t, 1); /* seq_len */
    draw_mask(t, &a, (vkd_shape){2, {a.queries, a.keys}});
    table_double(t, 0); /* dropout */
    a.causal = table_chance(t, 2);
    table_bool(t, a.causal);
    draw_scale(t, &a);
    expect(t, &a);
}

/* All that comes of it is the cache. */
static void draw_update(table *t)
{
    vkd_shape cache = table_shape_filled(t, 4, 4), added = cache;
    cache.dims[0] = added.dims[0] = 1;
    added.dims[1] = 1 + table_below(t, cache.dims[1]);
    int64_t start = table_below(t, cache.dims[1] - added.dims[1] + 1);
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    const table_tensor *x = table_drawn(t, dtype, added, -2, 2);
    table_tensor *before = table_drawn(t, dtype, cache, -2, 2);
    before->arrival = TABLE_STATE;
    table_size(t, start);
    table_unread(t, dtype, added);
    table_tensor *after = table_after(t, before);
    cache_with(before, x, start, after->values);
}

/* --------------------------------------------------------------------------------------- rotary */

typedef struct rotation {
    uint32_t positions, heads, width, rotated, row; /* row: of the table */
    int64_t start;
    bool halves;                       /* pairs lie half of `rotated` apart, else side by side */
    const table_tensor *cosine, *sine; /* sine null: both lie in the first, pair by pair */
} rotation;

static void expect_turned(table *t, const rotation *r, const table_tensor *x)
{
    table_tensor *y = table_output(t, x->dtype, x->shape);
    y->absolute = 1e-6 * 4;
    for (size_t i = 0; i < y->count; i++) {
        size_t d = i % r->width,
               position = i / r->width / r->heads % r->positions + (size_t)r->start;
        size_t away = r->halves ? r->rotated / 2 : 1, angle = r->halves ? d : d / 2;
        bool first = r->halves ? d < away : d % 2 == 0;
        if (d >= r->rotated) {
            y->values[i] = x->values[i];
            continue;
        }
        size_t at = position * r->row + (r->sine ? angle : 2 * angle);
        double c = r->cosine->values[at],
               s = r->sine ? r->sine->values[at] : r->cosine->values[at + 1];
        y->values[i] = x->values[i] * c + (first ? -x->values[i + away] : x->values[i - away]) * s;
    }
}

enum { PAIRS, HALVES };

/* Queries and keys differ in their heads. */
static void draw_rotary(table *t)
{
    rotation r = {.positions = 1 + table_below(t, 9), .width = 2 * (1 + table_below(t, 18))};
    r.halves = t->row->code == HALVES;
    r.rotated = r.halves && table_chance(t, 2) ? 2 * (1 + table_below(t, r.width / 2)) : r.width;
    r.row = r.halves ? r.rotated : r.width / 2;
    r.start = r.halves ? table_below(t, 5) : 0;
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    const vkd_shape angles = {2, {r.positions + (r.halves ? 5 : 0), r.row}};
    table_tensor *x[2];
    uint32_t heads[] = {1 + table_below(t, 4), 1 + table_below(t, 4)},
             images = 1 + table_below(t, 2);
    for (int i = 0; i < 2; i++)
        x[i] =
            table_drawn(t, dtype, (vkd_shape){4, {images, r.positions, heads[i], r.width}}, -2, 2);
    r.cosine = table_drawn(t, dtype, angles, -1, 1);
    r.sine = table_drawn(t, dtype, angles, -1, 1);
    if (r.halves)
        table_size(t, r.start);
    for (int i = 0; i < 2; i++) {
        r.heads = heads[i];
        expect_turned(t, &r, x[i]);
    }
    table_gather(t, 2);
}

static void draw_interleaved(table *t)
{
    rotation r = {
        .positions = 1 + table_below(t, 9), .heads = 1, .width = 2 * (1 + table_below(t, 18))};
    r.rotated = r.row = r.width;
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS);
    table_tensor *x =
        table_drawn(t, dtype, (vkd_shape){3, {1 + table_below(t, 3), r.positions, r.width}}, -2, 2);
    const vkd_shape flat = {2, {r.positions, r.width}}, pairs = {3, {r.positions, r.width / 2, 2}};
    r.cosine = table_drawn(t, dtype, table_chance(t, 2) ? flat : pairs, -1, 1);
    expect_turned(t, &r, x);
}

static const table_case cases[] = {
    {"et_vk.sdpa.default", draw_sdpa},
    {"llama.custom_sdpa.default", draw_custom},
    {"llama.sdpa_with_kv_cache.default", draw_cached},
    {"llama.update_cache.default", draw_update},
    {"et_vk.apply_rotary_emb.default", draw_rotary, PAIRS},
    {"et_vk.apply_rotary_emb_hf.default", draw_rotary, HALVES},
    {"et_vk.apply_rotary_emb_interleaved.default", draw_interleaved},
};
const table_family table_attention = TABLE_FAMILY(cases);
