/* The end of every convolution and linear layer: see shaders/requantize_params.h. */
#ifndef VKD_OPS_REQUANTIZE_H
#define VKD_OPS_REQUANTIZE_H

#include "graph/operators.h"
#include "ops/lower.h"
#include "shaders/requantize_params.h"

/* More products than this could overflow an int32 accumulator: k * 128 * 255 < 2^31 (activations
 * may be shifted to unsigned).
 */
enum { VKD_MAX_K = 65793 };

/* What the blocks of channels are packed from; the pointers go into the file. */
typedef struct vkd_channel_source {
    vkd_content sums, scales, bias; /* int32, float, float or null; any alignment */
    float x_scale;
    int32_t x_zero;
    uint32_t channels;
} vkd_channel_source;

/* Of four channels, as in shaders/requantize.glsl. */
typedef struct vkd_channel_block {
    int32_t offset[4];
    float scale[4];
    float bias[4];
    int32_t sum[4];
} vkd_channel_block;

/* In plain C, as shaders/requantize_params.h says: a sum of a channel of a block, and that with a
 * residual. False where a file's numbers are such that kernels may make different things of it. */
bool vkd_requantize_one(const requantize_params *params, const vkd_channel_block *block,
                        uint32_t channel, int32_t sum, int8_t *out);
int8_t vkd_requantize_sum(const requantize_params *params, int8_t q, int8_t residual);

/* Blocks for all channels, and zeros. */
void vkd_pack_channels(const void *source, void *dst, size_t size);

/* Checks the arguments against the number of output channels and makes the kernels' side of them,
 * but for the constant. */
VKD_MUST_USE vkd_status vkd_requantize_source(vkd_lowering *lowering, const requantize_args *args,
                                              uint32_t channels, vkd_channel_source *out_source,
                                              requantize_params *out_params);

/* Checks the arguments against the number of output channels and makes the kernels' side of them:
 * the constant with one block per four channels, and the push constants. */
VKD_MUST_USE vkd_status vkd_requantize(vkd_lowering *lowering, const requantize_args *args,
                                       uint32_t channels, vkd_tensor_id *out_blocks,
                                       requantize_params *out_params);

/* Adds what is fused behind it to the push constants that vkd_requantize made for `args`; the
 * residual must be shaped as y. */
VKD_MUST_USE vkd_status vkd_requantize_fuse(vkd_lowering *lowering, const requantize_args *args,
                                            const fused_args *fused, uint32_t y,
                                            requantize_params *params);

/* The last bindings of every kernel that ends in requantize.glsl: the blocks, the residual
 * (VKD_NO_TENSOR without), the result.
 */
void vkd_requantize_bind(vkd_node *node, vkd_tensor_id blocks, vkd_tensor_id residual,
                         vkd_tensor_id y);

/* For kernels with the sizes compiled in: what a node's push constants have before a
 * requantize_params at their end becomes specialisation constants, in the same order, behind those
 * that the node has and one for whether there is a residual. So many bytes at their beginning are
 * the shape, which stays there too: where it can change, its constants are 0. */
void vkd_requantize_bake(vkd_node *node, bool residual, uint32_t shape, bool resizes);

/* Scale and zero point of an int8 tensor, fields of the call's struct: finite, positive, and
 * within int8. */
VKD_MUST_USE vkd_status vkd_check_qparams(vkd_lowering *lowering, const float *scale,
                                          const int32_t *zero);

#endif
