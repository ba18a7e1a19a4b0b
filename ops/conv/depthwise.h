/* The depthwise families: "depthwise", which takes any window, and "depthwise_row", which reuses
 * what it loads along a row. They run problems with one input channel a group and as many output
 * channels. What is declared here are fields of conv2d_variant. */
#ifndef VKD_OPS_CONV_DEPTHWISE_H
#define VKD_OPS_CONV_DEPTHWISE_H

#include "ops/conv/conv.h"

const char *vkd_conv2d_depthwise_refuses(const conv2d_problem *problem, const vkd_caps *caps,
                                         const gemm_tile *tile);
double vkd_conv2d_depthwise_cost(const conv2d_problem *problem, const vkd_caps *caps,
                                 const gemm_tile *tile);
vkd_status vkd_conv2d_emit_depthwise(vkd_lowering *lowering, const conv2d *conv,
                                     const gemm_tile *tile);

/* What an invocation of depthwise_row computes: TILE(id, name, pixels of a row, channels, kind). */
/* clang-format off */
#define CONV2D_ROW_TILES(TILE)                           \
    TILE(2X4, "2x4", 2, 4, GEMM_INVOCATIONS)             \
    TILE(4X4, "4x4", 4, 4, GEMM_INVOCATIONS)             \
    TILE(LANES_4X16, "lanes 4x16", 4, 16, GEMM_IN_LANES)
/* clang-format on */

#define CONV2D_ROW_ID(id, ...) CONV2D_ROW_##id,
enum { CONV2D_ROW_TILES(CONV2D_ROW_ID) CONV2D_ROW_TILE_COUNT };
#undef CONV2D_ROW_ID
extern const gemm_tile vkd_conv2d_row_tiles[CONV2D_ROW_TILE_COUNT];

const char *vkd_conv2d_row_refuses(const conv2d_problem *problem, const vkd_caps *caps,
                                   const gemm_tile *tile);
double vkd_conv2d_row_cost(const conv2d_problem *problem, const vkd_caps *caps,
                           const gemm_tile *tile);
vkd_status vkd_conv2d_emit_row(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile);

#endif
