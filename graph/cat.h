/* The rewrite rules for concatenations: what their parts are made by happens while they are copied,
 * and those that begin as others do share memory; see rewrite.h. */
#ifndef VKD_GRAPH_CAT_H
#define VKD_GRAPH_CAT_H

#include "graph/rewriter.h"

/* Of the whole net: which concatenations go on with the parts of an earlier one. */
VKD_MUST_USE vkd_status vkd_cat_grow(vkd_rewriter *r);
/* cat -> quantize: the parts are quantized, where each is a function of one int8 tensor. */
VKD_MUST_USE vkd_status vkd_cat_quantize(vkd_rewriter *r, size_t index);
/* Parts that are functions of an int8 tensor become tables of the concatenation. */
VKD_MUST_USE vkd_status vkd_cat_join(vkd_rewriter *r, size_t index);

#endif
