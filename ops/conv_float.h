/* The variants of convolutions of floats; what is declared here are fields of conv2d_variant. Their weights come from a file or
 * from other operators. */
#ifndef VKD_OPS_CONV_FLOAT_H
#define VKD_OPS_CONV_FLOAT_H

#include "ops/conv.h"

const char *conv2d_float_general_refuses(const conv2d_problem *problem, const vkd_caps *caps, const gemm_tile *tile);
double conv2d_float_general_cost(const conv2d_problem *problem, const vkd_caps *caps, const gemm_tile *tile);
vkd_status conv2d_float_emit_general(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile);

const char *conv2d_float_depthwise_refuses(const conv2d_problem *problem, const vkd_caps *caps, const gemm_tile *tile);
double conv2d_float_depthwise_cost(const conv2d_problem *problem, const vkd_caps *caps, const gemm_tile *tile);
vkd_status conv2d_float_emit_depthwise(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile);

/* What an invocation of the matrix product computes: TILE(id, name, pixels, channels). */
/* clang-format off */
#define CONV2D_FLOAT_TILES(TILE)  \
    TILE(4X4, "4x4", 4, 4)
/* clang-format on */

#define CONV2D_FLOAT_ID(id, ...) CONV2D_FLOAT_##id,
enum { CONV2D_FLOAT_TILES(CONV2D_FLOAT_ID) CONV2D_FLOAT_TILE_COUNT };
#undef CONV2D_FLOAT_ID
extern const gemm_tile conv2d_float_tiles[CONV2D_FLOAT_TILE_COUNT];

const char *conv2d_float_tile_refuses(const conv2d_problem *problem, const vkd_caps *caps, const gemm_tile *tile);
double conv2d_float_tile_cost(const conv2d_problem *problem, const vkd_caps *caps, const gemm_tile *tile);
vkd_status conv2d_float_emit_tile(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile);

/* Brings weights to a kernel's form: of so many of a tap and output channel, w_tap of conv_float_params.h. */
VKD_MUST_USE vkd_status conv2d_float_weights(vkd_lowering *lowering, const conv2d *conv, uint32_t w_tap, vkd_tensor_id *out);

#endif
