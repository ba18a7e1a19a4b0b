/* The tiled int8 GEMM: which tiles there are, which can run a product, how B is packed, and how the
 * dispatch is emitted. Pointwise, implicit-GEMM and im2col convolutions and linear layers are this
 * product. */
#ifndef VKD_OPS_GEMM_GEMM_H
#define VKD_OPS_GEMM_GEMM_H

#include "ops/lower.h"
#include "shaders/gemm_params.h"

/* int8 weights as a file has them: value k of a channel is at data[channel * channel_step + k *
 * k_step]. What is one tap's, all of its k, lies one behind another. */
typedef struct vkd_weights {
    vkd_content content;
    uint32_t channel_step, k_step;
} vkd_weights;

static inline const int8_t *vkd_weights_at(const vkd_weights *weights, size_t channel, size_t k)
{
    return (const int8_t *)weights->content.data + channel * weights->channel_step +
           k * weights->k_step;
}

/* The product's shape: a convolution, or a matrix as an image of one row. */
typedef struct gemm_problem {
    /* output pixels; output channels of one group, a multiple of 4 where there are several groups
     */
    uint32_t m, n;
    uint32_t most_m; /* of the largest shape, where it can change: what workgroups are made for, so
                      * that another shape needs no other pipeline. 0: it cannot */
    uint32_t tap_k;  /* input channels of one group */
    uint32_t groups;
    uint32_t a_bytes; /* of a pixel of A, a multiple of 4 */
    uint32_t out_w, out_h, in_w, in_h;
    uint32_t kernel[2], stride[2], padding[2], dilation[2]; /* h, w */
    int32_t x_zero;
} gemm_problem;

/* m rows of k values. */
gemm_problem vkd_gemm_matrix(uint32_t m, uint32_t n, uint32_t k, uint32_t groups,
                             uint32_t row_bytes);

typedef enum gemm_kind {
    GEMM_INVOCATIONS, /* shaders/gemm_4x4.comp: every invocation a tile of its own */
    GEMM_IN_LANES,    /* shaders/gemm_lanes.comp: for llvmpipe */
    GEMM_MATRIX       /* shaders/gemm_coop.comp: matrix units, a tile a workgroup */
} gemm_kind;

/* A kernel with its tile; one row of a table. */
typedef struct gemm_tile {
    const char *name;
    vkd_shader shader;
    /* rows and channels that an invocation computes, or a workgroup of matrix units */
    uint32_t m, n;
    uint32_t grain;        /* bytes of a tap's channels loaded at once: a tap's k is padded to it */
    uint32_t row_taps;     /* taps of a window's row loaded at once: a row is padded to it */
    uint32_t step;         /* bytes of k between two places in B: all of k is padded to it, but of
                            * blocks of floats */
    uint32_t channel_unit; /* channels side by side in B */
    gemm_kind kind;
    uint32_t subgroups; /* of a workgroup of matrix units, for each slice of k */
} gemm_tile;

/* All tiles, for whoever makes something of each:
 * TILE(name, kernel, m, n, grain, row_taps, step, channel_unit, kind, subgroups). */
/* clang-format off */
#define VKD_GEMM_TILES(TILE)                                                                   \
    TILE("4x4 words", GEMM_4X4_WORDS, 4, 4, 4, 1, 4, 4, GEMM_INVOCATIONS, 1)                   \
    TILE("4x4", GEMM_4X4, 4, 4, 16, 1, 16, 4, GEMM_INVOCATIONS, 1)                             \
    TILE("lanes 2x32", GEMM_LANES_2X32, 2, 32, 16, 1, 16, 8, GEMM_IN_LANES, 1)                 \
    TILE("lanes 4x16", GEMM_LANES_4X16, 4, 16, 16, 1, 16, 8, GEMM_IN_LANES, 1)                 \
    TILE("lanes 7x32", GEMM_LANES_7X32, 7, 32, 16, 1, 16, 8, GEMM_IN_LANES, 1)                 \
    TILE("lanes words 7x32", GEMM_LANES_WORDS_7X32, 7, 32, 4, 1, 16, 8, GEMM_IN_LANES, 1)      \
    TILE("matrix pixels 32x32", GEMM_COOP_PIXELS_32X32, 32, 32, 4, 4, 64, 16, GEMM_MATRIX, 1)  \
    TILE("matrix pixels 64x64", GEMM_COOP_PIXELS_64X64, 64, 64, 4, 4, 64, 16, GEMM_MATRIX, 4)  \
    TILE("matrix words 32x16", GEMM_COOP_WORDS_32X16, 32, 16, 4, 1, 64, 16, GEMM_MATRIX, 1)    \
    TILE("matrix 16x16", GEMM_COOP_16X16, 16, 16, 16, 1, 64, 16, GEMM_MATRIX, 1)               \
    TILE("matrix 32x16", GEMM_COOP_32X16, 32, 16, 16, 1, 64, 16, GEMM_MATRIX, 1)               \
    TILE("matrix 32x32", GEMM_COOP_32X32, 32, 32, 16, 1, 64, 16, GEMM_MATRIX, 1)               \
    TILE("matrix 32x64", GEMM_COOP_32X64, 32, 64, 16, 1, 64, 16, GEMM_MATRIX, 1)               \
    TILE("matrix 64x64", GEMM_COOP_64X64, 64, 64, 16, 1, 64, 16, GEMM_MATRIX, 4)
/* clang-format on */

#define VKD_TILE(name, kernel, ...) VKD_TILE_##kernel,
enum { VKD_GEMM_TILES(VKD_TILE) VKD_TILE_COUNT };
#undef VKD_TILE
extern const gemm_tile vkd_gemm_tiles[VKD_TILE_COUNT];

/* Null if the tile can run the problem on the device, else why not. */
const char *vkd_gemm_refuses(const gemm_tile *tile, const gemm_problem *problem,
                             const vkd_caps *caps);

/* The workgroup for a tile: along n, m, and slices of k; of matrix units, the invocations of a
 * subgroup, the subgroups of a slice, and slices. */
void vkd_gemm_workgroup(const gemm_tile *tile, const gemm_problem *problem, const vkd_caps *caps,
                        uint32_t out[3]);

/* What a tile of matrix units takes on a H100, in microseconds: fitted to measurements. */
typedef struct gemm_rates {
    double start; /* of the dispatch, barrier included */
    double chunk; /* how long a slice takes for a step of k */
    /* and all of them together for the epilogue, and for adding up several */
    double epilogue, adding;
    /* how much of a multiprocessor's time a step of k and a slice take */
    double chunk_work, slice_work;
} gemm_rates;

/* Estimated microseconds of so many tiles, a workgroup each, with so many steps of k in slices. */
double vkd_gemm_time(const gemm_rates *rates, const vkd_caps *caps, uint64_t tiles, uint64_t chunks,
                     uint32_t slices);

/* Estimated microseconds. */
double vkd_gemm_cost(const gemm_tile *tile, const gemm_problem *problem, const vkd_caps *caps);

/* The tile of lowest cost; null if there is none, as for more rows than the device has workgroups
 * for. */
const gemm_tile *vkd_gemm_best(const gemm_problem *problem, const vkd_caps *caps);

typedef struct gemm_operands {
    vkd_tensor_id a, y, channels, residual; /* residual: VKD_NO_TENSOR without */
    bool table;                             /* it is one, see shaders/epilogue.glsl */
    vkd_weights weights;                    /* of groups * n channels, k = tap * tap_k + channel */
    /* of each tap in it: problem's, or less where the rest of A's row is padding */
    uint32_t tap_k;
    requantize_params requantize;
} gemm_operands;

/* The constant that B is, as the tile reads it; tap_k as in gemm_operands. */
VKD_MUST_USE vkd_status vkd_gemm_add_weights(vkd_lowering *lowering, const gemm_tile *tile,
                                             const gemm_problem *problem,
                                             const vkd_weights *weights, uint32_t tap_k,
                                             vkd_tensor_id *out);

/* Emits the dispatch. `node` has op, shape and macs filled in; shader, bindings, constants and
 * groups are set here. */
VKD_MUST_USE vkd_status vkd_gemm_emit(vkd_lowering *lowering, const gemm_tile *tile,
                                      const gemm_problem *problem, const gemm_operands *operands,
                                      vkd_node node);

#endif
