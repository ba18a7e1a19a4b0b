/* The rewrite rules for what stands between a dequantize and a quantize: it is done on int8; see
 * rewrite.h. */
#ifndef VKD_GRAPH_INT8_H
#define VKD_GRAPH_INT8_H

#include "graph/rewriter.h"

/* max_pool2d and upsample_nearest2d */
VKD_MUST_USE vkd_status vkd_int8_select(vkd_rewriter *r, size_t index);
/* max_pool2d of what is dequantized and stays floats */
VKD_MUST_USE vkd_status vkd_int8_pool(vkd_rewriter *r, size_t index);
/* avg_pool2d of what it dequantizes itself */
VKD_MUST_USE vkd_status vkd_int8_average(vkd_rewriter *r, size_t index);
VKD_MUST_USE vkd_status vkd_int8_mean(vkd_rewriter *r, size_t index);
/* The same of what a chain makes of an int8 tensor. */
VKD_MUST_USE vkd_status vkd_int8_mean_of_chain(vkd_rewriter *r, size_t index);
VKD_MUST_USE vkd_status vkd_int8_clamp(vkd_rewriter *r, size_t index);
VKD_MUST_USE vkd_status vkd_int8_cat(vkd_rewriter *r, size_t index);

#endif
