/* What is known of a net's convolutions since it was lowered with a tuner, for lowering it again
 * for other shapes: times, and kernels that have failed their self-check. Kernels are chosen for
 * the largest shape whatever the shape is, so that it holds for all. */
#ifndef VKD_OPS_CONV_KNOWN_H
#define VKD_OPS_CONV_KNOWN_H

#include "ops/conv/conv.h"

typedef struct conv2d_known {
    const vkd_call *call; /* that made it */
    const char *key;
    const vkd_candidate_info *candidates;
} conv2d_known;

struct vkd_known {
    size_t count;
    conv2d_known *convs; /* in the order of the net's calls */
};

/* Of a net that has been lowered. In the arena; the net must outlive it. */
VKD_MUST_USE vkd_status vkd_known_make(vkd_arena *arena, const vkd_lowered *lowered,
                                       vkd_known *out);

/* The candidates for a convolution of the call that is being lowered, as many as its table has;
 * null: nothing is known of it. */
const vkd_candidate_info *vkd_known_find(const vkd_lowering *lowering, const conv2d *conv);

#endif
