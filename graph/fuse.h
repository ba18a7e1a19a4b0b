/* The rewrite rules that let the epilogue of a convolution or linear layer do what the operators
 * behind it do, and that make one operator of attention, or of what comes before it: see rewrite.h.
 */
#ifndef VKD_GRAPH_FUSE_H
#define VKD_GRAPH_FUSE_H

#include "graph/rewriter.h"

VKD_MUST_USE vkd_status vkd_fuse_clamp(vkd_rewriter *r, size_t index);
VKD_MUST_USE vkd_status vkd_fuse_add(vkd_rewriter *r, size_t index);
VKD_MUST_USE vkd_status vkd_fuse_chain(vkd_rewriter *r, size_t index);
/* The same with the int8 parts of a concatenation that are tables. */
VKD_MUST_USE vkd_status vkd_fuse_part(vkd_rewriter *r, size_t index);
/* Two convolutions of one pixel, one behind the other; and a function of their result alone. */
VKD_MUST_USE vkd_status vkd_fuse_excite(vkd_rewriter *r, size_t index);
VKD_MUST_USE vkd_status vkd_fuse_excite_chain(vkd_rewriter *r, size_t index);
VKD_MUST_USE vkd_status vkd_fuse_excite_floats(vkd_rewriter *r, size_t index);
VKD_MUST_USE vkd_status vkd_fuse_dequantize(vkd_rewriter *r, size_t index);
VKD_MUST_USE vkd_status vkd_fuse_attention(vkd_rewriter *r, size_t index);
VKD_MUST_USE vkd_status vkd_attention_heads(vkd_rewriter *r, size_t index);
VKD_MUST_USE vkd_status vkd_fuse_rotary(vkd_rewriter *r, size_t index);

#endif
