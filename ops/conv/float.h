/* The variants of convolutions of floats; what is declared here are fields of conv2d_variant. Their
 * weights come from a file or from other operators. */
#ifndef VKD_OPS_CONV_FLOAT_H
#define VKD_OPS_CONV_FLOAT_H

#include "ops/conv/conv.h"

const char *vkd_conv2d_float_general_refuses(const conv2d_problem *problem, const vkd_caps *caps,
                                             const gemm_tile *tile);
double vkd_conv2d_float_general_cost(const conv2d_problem *problem, const vkd_caps *caps,
                                     const gemm_tile *tile);
vkd_status vkd_conv2d_float_emit_general(vkd_lowering *lowering, const conv2d *conv,
                                         const gemm_tile *tile);

const char *vkd_conv2d_float_depthwise_refuses(const conv2d_problem *problem, const vkd_caps *caps,
                                               const gemm_tile *tile);
double vkd_conv2d_float_depthwise_cost(const conv2d_problem *problem, const vkd_caps *caps,
                                       const gemm_tile *tile);
vkd_status vkd_conv2d_float_emit_depthwise(vkd_lowering *lowering, const conv2d *conv,
                                           const gemm_tile *tile);

/* What an invocation of the depthwise kernel for one undilated window computes: TILE(kernel, name,
 * pixels, channels, kind). */
/* clang-format off */
#define CONV2D_FLOAT_ROW_TILES(TILE)           \
    TILE(ROW_ONE, "1x4", 1, 4, GEMM_INVOCATIONS) \
    TILE(ROW, "4x4", 4, 4, GEMM_INVOCATIONS)   \
    TILE(ROW_LANES, "lanes 7x4", 7, 4, GEMM_IN_LANES)
/* clang-format on */

#define CONV2D_FLOAT_ID(kernel, ...) CONV2D_FLOAT_##kernel,
enum { CONV2D_FLOAT_ROW_TILES(CONV2D_FLOAT_ID) CONV2D_FLOAT_ROW_TILE_COUNT };
#undef CONV2D_FLOAT_ID
extern const gemm_tile vkd_conv2d_float_row_tiles[CONV2D_FLOAT_ROW_TILE_COUNT];

const char *vkd_conv2d_float_row_refuses(const conv2d_problem *problem, const vkd_caps *caps,
                                         const gemm_tile *tile);
double vkd_conv2d_float_row_cost(const conv2d_problem *problem, const vkd_caps *caps,
                                 const gemm_tile *tile);
vkd_status vkd_conv2d_float_emit_row(vkd_lowering *lowering, const conv2d *conv,
                                     const gemm_tile *tile);

/* What an invocation of the matrix product computes: TILE(id, kernel, name, pixels, channels,
 * kind).
 */
/* clang-format off */
#define CONV2D_FLOAT_TILES(TILE)  \
    TILE(TILE_4X4, TILE, "4x4", 4, 4, GEMM_INVOCATIONS) \
    TILE(TILE_8X8, TILE, "8x8", 8, 8, GEMM_INVOCATIONS) \
    TILE(LANES_4X32, LANES_4X32, "lanes 4x32", 4, 32, GEMM_IN_LANES) \
    TILE(LANES_2X16, LANES_2X16, "lanes 2x16", 2, 16, GEMM_IN_LANES)
/* clang-format on */

#define CONV2D_FLOAT_ID(kernel, ...) CONV2D_FLOAT_##kernel,
enum { CONV2D_FLOAT_TILES(CONV2D_FLOAT_ID) CONV2D_FLOAT_TILE_COUNT };
#undef CONV2D_FLOAT_ID
extern const gemm_tile vkd_conv2d_float_tiles[CONV2D_FLOAT_TILE_COUNT];

/* So many sums of an invocation, which compilers keep in registers, or in memory where those do not
 * suffice: docs/mobile-stats.md. */
const char *vkd_conv2d_float_sums_refuse(const vkd_caps *caps, uint32_t sums);
const char *vkd_conv2d_float_tile_refuses(const conv2d_problem *problem, const vkd_caps *caps,
                                          const gemm_tile *tile);
double vkd_conv2d_float_tile_cost(const conv2d_problem *problem, const vkd_caps *caps,
                                  const gemm_tile *tile);
vkd_status vkd_conv2d_float_emit_tile(vkd_lowering *lowering, const conv2d *conv,
                                      const gemm_tile *tile);

/* Blocks that go through shared memory; matrix units multiply halves. TILE(id, kernel, name,
 * pixels, channels, bytes of k in a chunk, threads / 32, kind). */
/* clang-format off */
#define CONV2D_FLOAT_BLOCK_TILES(TILE)  \
    TILE(COOP_16X16, COOP_16X16, "matrix 16x16", 16, 16, 64, 1, GEMM_MATRIX) \
    TILE(COOP_16X32, COOP_16X32, "matrix 16x32", 16, 32, 64, 1, GEMM_MATRIX) \
    TILE(COOP_32X32, COOP_32X32, "matrix 32x32", 32, 32, 64, 1, GEMM_MATRIX) \
    TILE(COOP_64X64, COOP_64X64, "matrix 64x64", 64, 64, 128, 4, GEMM_MATRIX) \
    TILE(COOP_128X128, COOP_128X128, "matrix 128x128", 128, 128, 64, 8, GEMM_MATRIX) \
    TILE(BLOCK_32X32, BLOCK, "block 32x32", 32, 32, 64, 2, GEMM_INVOCATIONS) \
    TILE(BLOCK_64X64, BLOCK, "block 64x64", 64, 64, 64, 2, GEMM_INVOCATIONS) \
    TILE(BLOCK_128X128, BLOCK, "block 128x128", 128, 128, 64, 8, GEMM_INVOCATIONS)
/* clang-format on */

#define CONV2D_FLOAT_ID(kernel, ...) CONV2D_FLOAT_##kernel,
enum { CONV2D_FLOAT_BLOCK_TILES(CONV2D_FLOAT_ID) CONV2D_FLOAT_BLOCK_COUNT };
#undef CONV2D_FLOAT_ID
extern const gemm_tile vkd_conv2d_float_block_tiles[CONV2D_FLOAT_BLOCK_COUNT];

const char *vkd_conv2d_float_block_refuses(const conv2d_problem *problem, const vkd_caps *caps,
                                           const gemm_tile *tile);
double vkd_conv2d_float_block_cost(const conv2d_problem *problem, const vkd_caps *caps,
                                   const gemm_tile *tile);
vkd_status vkd_conv2d_float_emit_block(vkd_lowering *lowering, const conv2d *conv,
                                       const gemm_tile *tile);

/* For few pixels and windows of one: shaders/conv_float_vector.comp. TILE(kernel, name, pixels). */
/* clang-format off */
#define CONV2D_FLOAT_VECTOR_TILES(TILE)  \
    TILE(VECTOR_1, "vector 1x4", 1) \
    TILE(VECTOR_4, "vector 4x4", 4)
/* clang-format on */

#define CONV2D_FLOAT_ID(kernel, ...) CONV2D_FLOAT_##kernel,
enum { CONV2D_FLOAT_VECTOR_TILES(CONV2D_FLOAT_ID) CONV2D_FLOAT_VECTOR_COUNT };
#undef CONV2D_FLOAT_ID
extern const gemm_tile vkd_conv2d_float_vector_tiles[CONV2D_FLOAT_VECTOR_COUNT];

const char *vkd_conv2d_float_vector_refuses(const conv2d_problem *problem, const vkd_caps *caps,
                                            const gemm_tile *tile);
double vkd_conv2d_float_vector_cost(const conv2d_problem *problem, const vkd_caps *caps,
                                    const gemm_tile *tile);
vkd_status vkd_conv2d_float_emit_vector(vkd_lowering *lowering, const conv2d *conv,
                                        const gemm_tile *tile);

/* Whether it can be given rows that are to be normalised (conv2d_real.has_norm). On a CPU each
 * invocation would do so by itself. */
bool vkd_conv2d_float_norms(const conv2d_variant *variant, const vkd_caps *caps);

/* What a kernel does in a microsecond, by kind of device: units of work, which are multiply-adds
 * where nothing else is said, and outputs, which are counted apart on CPUs. Measured with llvmpipe
 * on 2 cores, and on an H200; reckoned for mobile GPUs, from what their loads take. */
typedef struct conv2d_float_rates {
    double cpu, cpu_outputs, discrete, mobile;
    double start,
        step; /* microseconds on a discrete one: of the dispatch, and of a step; 0: 2, 0.15 */
} conv2d_float_rates;

/* Estimated microseconds. steps: of the longest invocation, each of which waits for memory. */
double vkd_conv2d_float_cost(const vkd_caps *caps, const conv2d_float_rates *rates, double work,
                             double outputs, double steps);

/* The form in which a kernel wants weights: conv_weights_params of shaders/conv_float_params.h. */
typedef struct conv2d_packing {
    uint32_t unit, grain;
    uint32_t w_tap; /* weights of a tap for an output channel, a multiple of grain */
} conv2d_packing;
/* A constant weight as it is packed, times its channel's factor. */
double vkd_conv2d_float_weight(vkd_dtype dtype, const vkd_content *weights,
                               const vkd_content *factors, size_t place, uint32_t oc);
VKD_MUST_USE vkd_status vkd_conv2d_float_weights(vkd_lowering *lowering, const conv2d *conv,
                                                 const conv2d_packing *packing, vkd_tensor_id *out);

/* A dispatch with its operands and the constants that all kernels have; the grid is the caller's.
 */
VKD_MUST_USE vkd_status vkd_conv2d_float_begin(vkd_lowering *lowering, const conv2d *conv,
                                               vkd_shader shader, uint64_t loops,
                                               const conv2d_packing *packing, vkd_node *out);

/* For kernels that fetch x and weights as texels: how many the larger one has at most, and the
 * masks of a node. */
uint64_t vkd_conv2d_float_texels(const conv2d_problem *problem);
void vkd_conv2d_float_fetch_texels(vkd_node *node, vkd_dtype dtype);

#endif
