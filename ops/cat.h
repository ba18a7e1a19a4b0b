/* Concatenations that grow, as dense blocks make them: the last part of one may be put off, for the
 * operator that reads all of it to put there as well. */
#ifndef VKD_OPS_CAT_H
#define VKD_OPS_CAT_H

#include "graph/operators.h"
#include "ops/lower.h"

/* An int8 tensor, 4C, that lacks from a concatenation of floats along the channels, 4C too, where
 * it is dequantized. */
typedef struct vkd_cat_part {
    vkd_tensor_id x;
    chain_scale scale;
    uint32_t first, groups; /* of four channels: where it begins, and how many there are with it */
} vkd_cat_part;

/* Whether a value is a concatenation whose last part has been put off. */
bool vkd_cat_lacks_part(const vkd_lowering *lowering, uint32_t value);
/* Of such a one: what the caller's node has to put there. The value has all its memory then. */
VKD_MUST_USE vkd_status vkd_cat_take_part(vkd_lowering *lowering, uint32_t value,
                                          vkd_cat_part *out);

#endif
