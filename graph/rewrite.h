/* Rewrites over a model's operators, before they are lowered: exchanges an operator sequence for a cheaper one that computes
 * the same. Pure: model in, model out.
 *
 *   clone                     aten.clone of a layout transition vanishes: its readers read the source.
 *   quantize over view        quantize(view(x)) becomes view(quantize(x)), so that the next rule sees the pair.
 *   int8 max pool             dequantize -> max_pool2d -> quantize with equal scale and zero point becomes a max_pool2d of
 * int8: exact, since both maps are monotonic. int8 upsampling           the same for upsample_nearest2d. int8 mean dequantize
 * -> mean over h, w -> quantize becomes "vkd.q8_mean" (x, x_scale, x_zero, y_scale, y_zero, y): the sum is exact, one rounding
 * instead of several. int8 clamp                dequantize -> hardtanh, clamp or relu -> quantize with equal parameters becomes
 * "vkd.q8_clamp" (x, low, high, y) with the bounds quantised: exact. int8 concatenation        cat of dequantized tensors ->
 * quantize, all with equal parameters, becomes a cat of int8. fused clamp               convolution -> "vkd.q8_clamp": narrower
 * bounds of the convolution's own clamp ("vkd.q8_conv2d"). fused addition            convolution -> q8ta_add, where nothing
 * else reads the convolution: the addition happens in its epilogue, with both roundings, so the result is the same to the bit.
 *   dead operators            operators whose results nobody reads are dropped.
 */
#ifndef VKD_GRAPH_REWRITE_H
#define VKD_GRAPH_REWRITE_H

#include "schema/model.h"

/* Changes *model in place; what is new lies in `arena`. skip: a set of vkd_rewrites that are left out. */
VKD_MUST_USE vkd_status vkd_rewrite(vkd_model *model, uint32_t skip, vkd_arena *arena);

#endif
