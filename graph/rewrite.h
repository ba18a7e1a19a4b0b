/* Rewrites over a net's operators, before they are lowered: exchanges an operator sequence for a
 * cheaper one that computes the same. Pure: net in, net out.
 *
 * - constants: prepacks and views of constants that nobody writes vanish, and casts and rows by an
 * index of small ones are done here.
 * - clone: aten.clone of a layout transition vanishes: its readers read the source. So does a
 * dequantize that was there before.
 * - quantize over view: quantize(view(x)) becomes view(quantize(x)), so that the next rules see the
 * pair.
 * - int8 max pool, int8 upsampling: dequantize -> max_pool2d -> quantize with equal scale and zero
 * point becomes a max_pool2d of int8: exact, since both maps are monotonic. The same for
 * upsample_nearest2d.
 * - pool before dequantize: max_pool2d(dequantize(x)) becomes dequantize(max_pool2d(x)): exact.
 * - average of int8: avg_pool2d dequantizes what it reads, as the operator does.
 * - int8 mean: dequantize -> mean over h, w -> quantize becomes "vkd.q8_mean" (x, x_scale, x_zero,
 * low, high, y_scale, y_zero, y), and a hardtanh, clamp or relu before the mean becomes its bounds
 * low and high: real numbers, or null for none. Rounds once where the operators round several
 * times: the sum of what is not clamped is exact, or rounded once where pixels are very many, see
 * shaders/q8_mean_params.h.
 * - int8 clamp: dequantize -> hardtanh, clamp or relu -> quantize with equal parameters becomes
 * "vkd.q8_clamp" (x, low, high, y) with the bounds quantised: exact.
 * - int8 concatenation: cat of dequantized tensors -> quantize, all with equal parameters, becomes
 * a cat of int8.
 * - fused clamp: convolution -> "vkd.q8_clamp": narrower bounds of the convolution's own clamp
 * ("vkd.q8_conv2d").
 * - fused addition: convolution -> q8ta_add, where nothing else reads the convolution: the addition
 * happens in its epilogue, with both roundings, so the result is the same to the bit.
 * - fused dequantize: linear -> dequantize, where nothing else reads the int8, becomes
 * "vkd.q8_linear" (the linear layer's arguments without the result, scale, zero, y): the same to
 * the bit.
 * - chains: operators that work element by element in floats become "vkd.chain", see chain.h.
 * - mean of a chain: quantize(mean(chain)) over the pixels of an int8 tensor is a "vkd.q8_mean" of
 * a table.
 * - fused chain: convolution -> chain that is a function of its result alone and int8: the
 * convolution's epilogue looks the result up in a table.
 * - squeeze and excite: convolution -> convolution of one pixel is "vkd.q8_excite", which also
 * takes in a chain that is a function of its result alone, int8 or floats, as a table; of floats,
 * by constants, "vkd.excite".
 * - quantized concatenation: cat -> quantize, where each part is a function of one int8 tensor:
 * the parts are quantized, each by a table.
 * - parts of concatenations: one that is a function of one int8 tensor is looked up in a table
 * while it is copied, or becomes a table in the epilogue of the convolution before it.
 * - growing concatenations: where one begins with the parts of another, both lie in the memory of
 * the longer one, and each part is written once.
 * - batch norms: convolution of floats by constants -> batch norm by constants, where nothing else
 * reads the convolution: factors of its weights, and a bias.
 * - moves: slices, places, turned dims and views one behind the other are one copy of rows, see
 * rows.c.
 * - epilogues: convolution or matrix product of floats -> chain, see epilogue.h.
 * - dead operators: operators whose results nobody reads are dropped.
 */
#ifndef VKD_GRAPH_REWRITE_H
#define VKD_GRAPH_REWRITE_H

#include "graph/net.h"

/* Changes *net in place. skip: a set of vkd_rewrites that are left out. */
VKD_MUST_USE vkd_status vkd_rewrite(vkd_net *net, uint32_t skip);

#endif
