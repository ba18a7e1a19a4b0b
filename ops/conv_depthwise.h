/* The depthwise variants: rows for the convolution factory's table. They run problems with one input channel a group and as
 * many output channels, and take weights in the order of q8ta_conv2d. */
#ifndef VKD_OPS_CONV_DEPTHWISE_H
#define VKD_OPS_CONV_DEPTHWISE_H

#include "ops/conv.h"

/* "depthwise", which takes any window, and the family "depthwise_row", which reuses what it loads along a row. */
extern const conv2d_variant conv2d_depthwise_variants[];
extern const size_t conv2d_depthwise_variant_count;

#endif
