#include "ops/attention_oracle.h"
#include "runtime/base/element.h"
#include "runtime/base/math.h"
#include "shaders/attention_params.h"

#include <math.h>
#include <string.h>

/* Of attention_coop.comp. */
enum { MASK_TYPE = 3, HAS_MASK, SAFE, SEES = 7 }; /* specialisation constants */
enum { Q, K, V, MASK, SYMBOLS, Y };               /* bindings */
enum { ADDED = 1, HIDES };                        /* what HAS_MASK says of the mask */
enum { MOST_KEYS = 200, SAMPLE = 16 };

static attention_params params_of(const vkd_node *node)
{
    attention_params params;
    memcpy(&params, node->push, sizeof params);
    return params;
}

/* --------------------------------------------------------------------------------------- places */

/* As in attention.glsl. */
static uint32_t image_of(const attention_params *p, uint32_t h) { return h / p->image_heads; }
static uint32_t head_of(const attention_params *p, uint32_t h) { return h % p->image_heads; }

/* The element where the row of a head begins at a position, which is a query's or a key's. */
static size_t row_of(const attention_params *p, int binding, uint32_t h, uint32_t at)
{
    const uint32_t i = image_of(p, h), head = head_of(p, h);
    switch (binding) {
    case Q:
        return p->q_offset + i * p->q_i + head * p->q_h + at * p->q_s;
    case K:
        return p->k_offset + i * p->k_i + head / p->group * p->k_h + at * p->k_l;
    case V:
        return p->v_offset + i * p->v_i + head / p->group * p->v_h + at * p->v_l;
    default:
        return i * p->y_i + head * p->y_h + at * p->y_s;
    }
}

/* The element of the mask for a query's key. */
static size_t mask_at(const attention_params *p, uint32_t h, uint32_t s, uint32_t l)
{
    return p->mask_offset + image_of(p, h) % p->mask_images * p->mask_i +
           head_of(p, h) * p->mask_h + s * p->mask_s + l * p->mask_l;
}

static uint32_t keys_of(const attention_params *p, uint32_t sees, uint32_t s)
{
    const int64_t last = sees == VKD_SEES_BEFORE ? p->first + s : p->all - 1,
                  count = p->start + last + 1;
    return sees == VKD_SEES_ALL || count > p->keys ? p->keys : count < 0 ? 0 : (uint32_t)count;
}

/* ----------------------------------------------------------------------------------------- less */

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Heads of keys and values in an image. */
static uint32_t sources_of(const attention_params *p)
{
    return (uint32_t)vkd_divide_up(p->image_heads, p->group);
}

/* Several blocks of keys and of queries, the last of which sees all keys; of the heads a few of two
 * images, in more than one group. */
static void fewer(attention_params *p)
{
    const uint32_t images = least(p->heads / p->image_heads, 2);
    p->keys = least(p->keys, MOST_KEYS);
    p->queries = p->all = least(p->queries, 40);
    p->symbol = UINT32_MAX;
    p->start = (int32_t)p->keys - (int32_t)p->queries;
    p->group = least(p->group, 3);
    p->image_heads = least(p->image_heads, 2 * p->group);
    p->heads = images * p->image_heads;
    p->mask_images = least(p->mask_images, images);
}

/* Rows side by side, by image, position and head; a mask is the same for whatever it was. */
static void closer(attention_params *p)
{
    p->q_offset = p->k_offset = p->v_offset = p->mask_offset = 0;
    p->q_h = p->y_h = p->k_h = p->v_h = p->width;
    p->q_s = p->y_s = p->image_heads * p->width;
    p->k_l = p->v_l = sources_of(p) * p->width;
    p->q_i = p->y_i = p->queries * p->q_s;
    p->k_i = p->v_i = p->keys * p->k_l;
    p->mask_l = p->mask_l ? 1 : 0;
    p->mask_s = p->mask_s ? p->keys : 0;
    p->mask_h = p->mask_h ? p->queries * p->keys : 0;
    p->mask_i = p->mask_i ? p->image_heads * p->queries * p->keys : 0;
}

/* Where there is no mask, or no symbol, another tensor is in its place. */
static void count_bytes(const attention_params *p, uint32_t mask_element,
                        uint64_t bytes[VKD_MAX_BINDINGS])
{
    enum { HALF = sizeof(uint16_t) };
    const uint64_t images = p->heads / p->image_heads;
    bytes[Q] = bytes[Y] = vkd_align_up(images * p->q_i * HALF, 16);
    bytes[K] = bytes[V] = vkd_align_up(images * p->k_i * HALF, 16);
    bytes[SYMBOLS] = 16;
    bytes[MASK] = vkd_align_up((uint64_t)p->heads * p->queries * p->keys * mask_element, 16);
}

/* Scores are such that several keys count. */
static void shrink(vkd_node *node, uint64_t bytes[VKD_MAX_BINDINGS])
{
    attention_params p = params_of(node);
    const bool has_mask = node->specs[HAS_MASK];
    fewer(&p);
    closer(&p);
    count_bytes(&p, has_mask ? (uint32_t)vkd_dtype_size((vkd_dtype)node->specs[MASK_TYPE]) : 0,
                bytes);
    p.scale = copysignf(0.3f / sqrtf((float)p.width), p.scale);
    memcpy(node->push, &p, sizeof p);
    node->groups[0] = p.heads * (uint32_t)vkd_divide_up(p.queries, VKD_ATTENTION_QUERIES);
    node->groups[1] = node->groups[2] = 1;
}

/* --------------------------------------------------------------------------------------- values */

static double half_at(const vkd_words *words, size_t element)
{
    return vkd_element_get(VKD_DTYPE_FLOAT16, words->at, element);
}

static double score_of(const vkd_node *node, const attention_params *p, const vkd_words *bindings,
                       uint32_t h, uint32_t s, uint32_t l)
{
    const size_t q = row_of(p, Q, h, s), k = row_of(p, K, h, l);
    double sum = 0;
    for (uint32_t i = 0; i < p->width; i++)
        sum += half_at(&bindings[Q], q + i) * half_at(&bindings[K], k + i);
    sum *= (double)p->scale;
    if (!node->specs[HAS_MASK])
        return sum;
    const double mask =
        vkd_element_get((vkd_dtype)node->specs[MASK_TYPE], bindings[MASK].at, mask_at(p, h, s, l));
    return node->specs[HAS_MASK] == ADDED ? sum + mask : mask == 0 ? -INFINITY : sum;
}

/* The weights of a query's keys; returns what their sum is to be divided by, 0 where it sees none.
 */
static double weigh(const vkd_node *node, const attention_params *p, const vkd_words *bindings,
                    uint32_t h, uint32_t s, uint32_t count, double weights[MOST_KEYS])
{
    double most = -INFINITY, sum = 0;
    for (uint32_t l = 0; l < count; l++) {
        weights[l] = score_of(node, p, bindings, h, s, l);
        most = weights[l] > most ? weights[l] : most;
    }
    for (uint32_t l = 0; l < count && most > -INFINITY; l++)
        sum += weights[l] = exp(weights[l] - most);
    return sum;
}

static void store_query(const vkd_node *node, const attention_params *p, const vkd_words *bindings,
                        uint32_t h, uint32_t s)
{
    double weights[MOST_KEYS];
    const uint32_t count = keys_of(p, node->specs[SEES], s);
    const double sum = weigh(node, p, bindings, h, s, count, weights);
    const size_t y = row_of(p, Y, h, s);
    for (uint32_t i = 0; i < p->width; i++) {
        double value = 0;
        for (uint32_t l = 0; l < count && sum > 0; l++)
            value += weights[l] * half_at(&bindings[V], row_of(p, V, h, l) + i);
        value = sum > 0 ? value / sum : node->specs[SAFE] || count == 0 ? 0 : NAN;
        vkd_element_set(VKD_DTYPE_FLOAT16, bindings[Y].at, y + i, value);
        ((uint16_t *)bindings[Y].written)[y + i] = UINT16_MAX;
    }
}

/* The first query, the last one, and some between. */
static void store(const vkd_node *node, const vkd_words bindings[VKD_MAX_BINDINGS])
{
    const attention_params p = params_of(node);
    const uint32_t all = p.heads * p.queries, count = least(all, SAMPLE);
    for (uint32_t k = 0; k < count; k++) {
        const uint32_t at = k == 0 ? 0 : k == 1 ? all - 1 : (uint32_t)((uint64_t)k * all / count);
        store_query(node, &p, bindings, at / p.queries, at % p.queries);
    }
}

const vkd_oracle vkd_attention_oracle = {shrink, store};
