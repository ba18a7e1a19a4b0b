/* shaders/attention_weights.comp: p[h, s, l] = softmax over l of (scale * q[s, h] . k[l, h / group]
 * + mask), and attention_values.comp: y[s, h] = sum over l of p[h, s, l] * v[l, h / group], of each
 * image; or both in attention_coop.comp and, for a single query, attention_query.comp. What is
 * beyond a query's keys is never read. */
#ifndef VKD_SHADERS_ATTENTION_PARAMS_H
#define VKD_SHADERS_ATTENTION_PARAMS_H

#include "types.h"

/* Which keys a query sees, a specialisation constant: all; query s those up to position + s; each
 * those of the positions before, and of the queries. */
#define VKD_SEES_ALL 0
#define VKD_SEES_BEFORE 1
#define VKD_SEES_CONTEXT 2

/* Of a workgroup of attention_coop.comp. */
#define VKD_ATTENTION_SUBGROUPS 4u
#define VKD_ATTENTION_QUERIES 16u

/* Keys that an invocation of attention_query.comp reads at once; of 8 elements at least. */
#define VKD_ATTENTION_BATCH 8u

VKD_PARAMS_STRUCT(attention_params)
{
    /* heads: of all images; keys: there are at most; group: query heads for each head of k and v */
    u32 heads, image_heads, queries, keys, width, group;
    u32 first, all; /* the queries are those from here on, of so many */
    u32 symbol;     /* the word with the position of the first query; ~0: `start` */
    i32 start;
    f32 scale;
    /* strides: _i from image to image, _h from head to head, _s and _l from position to position */
    u32 q_offset, q_i, q_h, q_s;
    u32 y_i, y_h, y_s;
    u32 k_offset, k_i, k_h, k_l;
    u32 v_offset, v_i, v_h, v_l;
    u32 mask_offset, mask_images, mask_i, mask_h, mask_s, mask_l; /* again after so many images */
};

#endif
