/* A depthwise convolution of int8 and the pointwise one behind it in one dispatch, where that is
 * estimated to take less time than two: the first is put off, and made by its reader. */
#ifndef VKD_OPS_CONV_PAIR_H
#define VKD_OPS_CONV_PAIR_H

#include "ops/conv/conv.h"

/* What forces it, beside the names of variants. */
#define VKD_CONV2D_PAIR "pair"

/* Null if a pair of convolutions, by what they are but for their tensors, can be one dispatch on
 * the device, else why not. */
const char *vkd_conv2d_pair_refuses(const conv2d *first, const conv2d *second,
                                    const vkd_caps *caps);
/* The same for the first alone: whether it is worth putting off. */
const char *vkd_conv2d_pair_first_refuses(const conv2d *first, const vkd_caps *caps);

/* Whether the pair is what is to be emitted, by an option or by the estimates. */
VKD_MUST_USE vkd_status vkd_conv2d_pair_wins(vkd_lowering *lowering, const conv2d *first,
                                             const conv2d *second, bool *out);

/* Emits it: first->x and second->y are there, what is between is not. */
VKD_MUST_USE vkd_status vkd_conv2d_emit_pair(vkd_lowering *lowering, const conv2d *first,
                                             const conv2d *second);

#endif
