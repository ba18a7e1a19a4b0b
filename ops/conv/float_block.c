/* Convolutions of floats as matrix products in blocks that go through shared memory: on matrix
 * units shaders/conv_float_coop.comp, else conv_float_block.comp. */
#include "ops/conv/float.h"

#include <string.h>

#define TILE(id, kernel, tile_name, pixels, channels, chunk, subgroups_, kind_)                    \
    [CONV2D_FLOAT_##id] = {.name = tile_name,                                                      \
                           .shader = VKD_SHADER_CONV_FLOAT_##kernel,                               \
                           .m = pixels,                                                            \
                           .n = channels,                                                          \
                           .step = chunk,                                                          \
                           .kind = kind_,                                                          \
                           .subgroups = subgroups_},
const gemm_tile vkd_conv2d_float_block_tiles[CONV2D_FLOAT_BLOCK_COUNT] = {
    CONV2D_FLOAT_BLOCK_TILES(TILE)};
#undef TILE

/* Channels that are loaded at once: of 16 bytes where they come in so many. */
static uint32_t grain_of(const conv2d_problem *p)
{
    return p->dtype == VKD_DTYPE_FLOAT32 || conv2d_ic_group(p) % 8 ? 4 : 8;
}

static bool is_wide(const conv2d_problem *p)
{
    return p->dtype == VKD_DTYPE_FLOAT32 || grain_of(p) == 8;
}

/* Weights of a tap and an output channel. */
static uint32_t tap_k(const conv2d_problem *p)
{
    return (uint32_t)vkd_align_up(conv2d_ic_group(p), grain_of(p));
}

static uint64_t chunks_of(const conv2d_problem *p, const gemm_tile *tile)
{
    return vkd_divide_up((uint64_t)conv2d_taps(p) * tap_k(p) * vkd_dtype_size(p->dtype),
                         tile->step);
}

static uint64_t columns_of(const conv2d_problem *p, const gemm_tile *tile)
{
    return p->groups * vkd_divide_up(conv2d_oc_group(p), tile->n);
}

static uint64_t rows_of(const conv2d_problem *p, const gemm_tile *tile)
{
    return vkd_divide_up(conv2d_pixels(p), tile->m);
}

static uint32_t threads_of(const gemm_tile *tile) { return 32 * tile->subgroups; }

/* Where a slice is as good as a tile. */
static double simple_time(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    const double macs = (double)(rows_of(p, tile) * tile->m * columns_of(p, tile) * tile->n) *
                        (double)chunks_of(p, tile) *
                        (tile->step / (double)vkd_dtype_size(p->dtype));
    return 6 + macs / (caps->type == VKD_TYPE_CPU ? 2e3 : 200e3);
}

/* Fitted on an H200 to the convolutions of ResNet50 and MobileNetV3 and linear layers of a ViT and
 * a decoder; matrix 16x16 and the blocks without matrix units are reckoned from the others. */
static double time_of(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile,
                      uint32_t slices)
{
    static const gemm_rates rates[CONV2D_FLOAT_BLOCK_COUNT] = {
        [CONV2D_FLOAT_COOP_16X16] = {2.6, 0.21, 0.1, 0.08, 0.034, 0.05},
        [CONV2D_FLOAT_COOP_16X32] = {2.6, 0.214, 0.15, 0.085, 0.045, 0.062},
        [CONV2D_FLOAT_COOP_32X32] = {2.4, 0.216, 2.7, 0.12, 0.080, 0.095},
        [CONV2D_FLOAT_COOP_64X64] = {2.0, 0.50, 2.7, 0.0, 0.22, 0.8},
        [CONV2D_FLOAT_COOP_128X128] = {2.0, 0.50, 5.8, 1.0, 0.537, 4.3},
        [CONV2D_FLOAT_BLOCK_32X32] = {2.6, 0.5, 0.8, 0.3, 0.35, 0.2},
        [CONV2D_FLOAT_BLOCK_64X64] = {2.6, 1.2, 0.8, 0.3, 1.1, 0.6},
        [CONV2D_FLOAT_BLOCK_128X128] = {2.6, 1.4, 0.8, 0.3, 3.5, 1.0},
    };
    /* their chunks are of as many floats, halves or not */
    const uint64_t twice = tile->kind != GEMM_MATRIX && p->dtype == VKD_DTYPE_FLOAT16 ? 2 : 1;
    return vkd_gemm_time(&rates[tile - vkd_conv2d_float_block_tiles], caps,
                         rows_of(p, tile) * columns_of(p, tile), chunks_of(p, tile) * twice,
                         slices);
}

/* Bytes of shared memory of a slice: a chunk of both operands with the padding of its rows, or
 * sums of at most 64 of the tile's rows. */
static uint32_t shared_bytes(const gemm_tile *tile)
{
    const uint32_t chunk = (tile->m + tile->n) * (tile->step + 16),
                   sums = tile->m / (tile->m > 32 ? 2 : 1) * tile->n * 4;
    return chunk > sums ? chunk : sums;
}

static uint32_t slices_of(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    uint32_t best = 1, most = caps->max_workgroup_invocations / threads_of(tile);
    if (caps->type == VKD_TYPE_CPU)
        return 1;
    for (uint32_t slices = 2; slices <= 16 && slices <= most && slices <= chunks_of(p, tile);
         slices *= 2)
        if (slices * shared_bytes(tile) <= caps->shared_memory &&
            slices <= caps->max_workgroup_size[2] &&
            time_of(p, caps, tile, slices) < time_of(p, caps, tile, best))
            best = slices;
    return best;
}

/* Chunks of k with their steps, then a word of each invocation with its slices. */
static uint64_t loops_of(const conv2d_problem *p, const gemm_tile *tile, uint32_t slices)
{
    enum { STEPS = 4 };
    const uint64_t words = vkd_divide_up(tile->m * tile->n / 4, threads_of(tile) * slices),
                   steps = tile->kind == GEMM_MATRIX ? 0 : vkd_loop(STEPS, 0);
    return vkd_loop(vkd_divide_up(chunks_of(p, tile), slices) - 1, steps) + steps +
           2 * vkd_loop(words, vkd_loop(slices - 1, 0));
}

/* Tiles of pixels along y, and how often those are folded into z. */
static void fold_rows(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile,
                      uint64_t out[2])
{
    out[1] = vkd_divide_up(rows_of(p, tile), caps->max_workgroup_count[1]);
    out[0] = vkd_divide_up(rows_of(p, tile), out[1]);
}

const char *vkd_conv2d_float_block_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                           const gemm_tile *tile)
{
    uint64_t rows[2];
    if (tile->kind == GEMM_MATRIX && p->dtype != VKD_DTYPE_FLOAT16)
        return "it is not of halves";
    if (p->transposed)
        return "it is transposed";
    if (!conv2d_groups_fill_words(p) || (p->groups > 1 && conv2d_oc_group(p) % 16))
        return "a group's channels are no multiples of 4, and of 16 for the output";
    if (vkd_kernel_refuses(caps, tile->shader))
        return vkd_kernel_refuses(caps, tile->shader);
    if (tile->kind == GEMM_MATRIX && (!caps->matrix_f16 || caps->subgroup_size != 32))
        return "the device has no matrix units for f16";
    if (caps->type == VKD_TYPE_CPU && tile->m > 32)
        return "it is for GPUs";
    const char *reason = vkd_conv2d_float_sums_refuse(caps, tile->m * tile->n / threads_of(tile));
    if (reason)
        return reason;
    if (shared_bytes(tile) > caps->shared_memory ||
        threads_of(tile) > caps->max_workgroup_invocations ||
        threads_of(tile) > caps->max_workgroup_size[0])
        return "its block is larger than a workgroup of the device";
    fold_rows(p, caps, tile, rows);
    if (rows[1] > caps->max_workgroup_count[2] ||
        columns_of(p, tile) > caps->max_workgroup_count[0])
        return "it has more rows than a dispatch can have workgroups for";
    return vkd_loops_refuse(caps, loops_of(p, tile, slices_of(p, caps, tile)));
}

double vkd_conv2d_float_block_cost(const conv2d_problem *p, const vkd_caps *caps,
                                   const gemm_tile *tile)
{
    return caps->type == VKD_TYPE_DISCRETE ? time_of(p, caps, tile, slices_of(p, caps, tile))
                                           : simple_time(p, caps, tile);
}

vkd_status vkd_conv2d_float_emit_block(vkd_lowering *lowering, const conv2d *conv,
                                       const gemm_tile *tile)
{
    const conv2d_problem *p = &conv->problem;
    const uint32_t slices = slices_of(conv2d_choice(conv), lowering->caps, tile),
                   threads = threads_of(tile);
    const bool units = tile->kind == GEMM_MATRIX, window = conv2d_taps(p) > 1 || p->padding[0] ||
                                                           p->padding[1] || p->stride[0] > 1 ||
                                                           p->stride[1] > 1;
    const conv2d_packing packing = {16, grain_of(p), tap_k(p)};
    uint64_t rows[2];
    vkd_node node;
    VKD_TRY(vkd_conv2d_float_begin(lowering, conv, tile->shader, loops_of(p, tile, slices),
                                   &packing, &node));
    node.specs[0] = units ? 32 : threads;
    node.specs[1] = threads / node.specs[0];
    node.specs[2] = slices;
    fold_rows(p, lowering->caps, tile, rows);
    node.groups[0] = (uint32_t)columns_of(p, tile);
    node.groups[1] = (uint32_t)rows[0];
    node.groups[2] = (uint32_t)rows[1];
    vkd_node_spec(&node, window);
    vkd_node_spec(&node, is_wide(p));
    vkd_node_spec(&node, conv2d_ic_group(p) % 4 != 0);
    vkd_node_spec(&node, packing.w_tap / packing.grain);
    vkd_node_spec(&node, p->kernel[0]);
    vkd_node_spec(&node, p->kernel[1]);
    if (!units) {
        vkd_node_spec(&node, tile->m);
        vkd_node_spec(&node, tile->n);
    }
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}
