/* Attention as kernels have it: where its operands are, and the dispatches that compute it. */
#ifndef VKD_OPS_ATTENTION_H
#define VKD_OPS_ATTENTION_H

#include "ops/lower.h"
#include "shaders/attention_params.h"

/* Rows of `width` contiguous elements, by image, position and head. */
typedef struct attention_rows {
    vkd_tensor_id tensor;
    uint32_t offset, image, position, head;
} attention_rows;

typedef struct attention {
    uint32_t heads, image_heads, queries, keys, width, group; /* heads: of all images */
    attention_rows q, k, v;
    uint32_t sees; /* VKD_SEES_ ... */
    vkd_sym start;
    float scale;
    bool safe;            /* a query that sees no key gets zeros */
    vkd_view mask;        /* [images][heads][queries][keys]; tensor VKD_NO_TENSOR: none */
    uint32_t mask_images; /* after so many it is the first one's again */
    attention_rows y;     /* of an image one behind the other, by position or by head */
} attention;

/* A token's query, key and value, before they are turned and put into the caches k and v. */
typedef struct attention_token {
    uint32_t q, k, v, y; /* values of the net */
    uint32_t lanes;      /* of vkd_attention_takes */
} attention_token;

static inline uint32_t vkd_attention_images(const attention *a)
{
    return a->image_heads ? a->heads / a->image_heads : 1;
}

/* Appends the dispatches: one on matrix units or for a single query, or two for so many queries. */
VKD_MUST_USE vkd_status vkd_attention_emit(vkd_lowering *lowering, const attention *a);

/* Whether one dispatch can turn a token's query and key, put the key and the value into the caches
 * and make the attention to all keys up to there: where what turns them was put off, and nobody
 * else reads it. Of `a` there are the caches' tensors and the sizes. */
bool vkd_attention_takes(const vkd_lowering *lowering, const attention *a, attention_token *token);
/* Appends that dispatch. */
VKD_MUST_USE vkd_status vkd_attention_step(vkd_lowering *lowering, const attention *a,
                                           const attention_token *token);

#endif
