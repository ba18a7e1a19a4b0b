/* Convolutions of floats as matrix products over the taps of the window, without a matrix:
 * shaders/conv_float_tile.comp, and conv_float_lanes.comp for llvmpipe. */
#include "ops/conv/float.h"

#include <string.h>

#define TILE(id, kernel, tile_name, pixels, channels, way)                                         \
    [CONV2D_FLOAT_##id] = {.name = tile_name,                                                      \
                           .shader = VKD_SHADER_CONV_FLOAT_##kernel,                               \
                           .m = pixels,                                                            \
                           .n = channels,                                                          \
                           .kind = way},
const gemm_tile vkd_conv2d_float_tiles[CONV2D_FLOAT_TILE_COUNT] = {CONV2D_FLOAT_TILES(TILE)};
#undef TILE

/* Of k, four input channels each. */
static uint32_t tap_steps(const conv2d_problem *p)
{
    return (uint32_t)vkd_divide_up(conv2d_ic_group(p), 4);
}

/* Of the phase that meets the most taps: see shaders/conv_float_product.glsl. */
static uint64_t steps_of(const conv2d_problem *p)
{
    if (!p->transposed)
        return (uint64_t)conv2d_taps(p) * tap_steps(p);
    return vkd_divide_up(p->kernel[0], p->stride[0]) * vkd_divide_up(p->kernel[1], p->stride[1]) *
           tap_steps(p);
}

static uint64_t tile_loops(const conv2d_problem *p, const gemm_tile *tile, uint32_t slices)
{
    if (tile->kind == GEMM_IN_LANES)
        return vkd_loop(steps_of(p), 0);
    uint64_t share = vkd_divide_up(steps_of(p), slices),
             taps = vkd_divide_up(share, tap_steps(p)) + (slices > 1);
    return share + vkd_loop(taps, 1) + vkd_loop(slices - 1, 0);
}

/* Pixels of a phase, and how many phases. */
static uint64_t positions_of(const conv2d_problem *p)
{
    if (!p->transposed)
        return conv2d_pixels(p);
    return p->n * vkd_divide_up(p->out_h, p->stride[0]) * vkd_divide_up(p->out_w, p->stride[1]);
}

static uint64_t phases_of(const conv2d_problem *p)
{
    return p->transposed ? (uint64_t)p->stride[0] * p->stride[1] : 1;
}

/* Tiles along n, of all groups of channels. */
static uint64_t columns_of(const conv2d_problem *p, const gemm_tile *tile)
{
    return p->groups * vkd_divide_up(conv2d_oc_group(p), tile->n);
}

/* Tiles along m; in lanes whole subgroups of them, of which some may have nothing to do. */
static uint64_t rows_of(const conv2d_problem *p, const gemm_tile *tile)
{
    const uint32_t lanes = tile->kind == GEMM_IN_LANES ? GEMM_LANES : 1;
    return phases_of(p) * vkd_divide_up(positions_of(p), tile->m * lanes) * lanes;
}

/* Of one invocation each. */
static double tiles_of(const conv2d_problem *p, const gemm_tile *tile)
{
    return (double)rows_of(p, tile) * (double)columns_of(p, tile);
}

/* Few sizes, so that few pipelines serve all shapes. */
static uint32_t slices_of(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    enum { MOST = 16, TIMES = 4, LEAST_STEPS = 8 };
    uint32_t slices = 1;
    double wanted = caps->type == VKD_TYPE_CPU        ? 1
                    : caps->type == VKD_TYPE_DISCRETE ? 1 << 16
                                                      : 1 << 13;
    double filled = tiles_of(p, tile) / wanted;
    while (slices < MOST && slices * TIMES <= caps->max_workgroup_size[2] &&
           steps_of(p) >= LEAST_STEPS * TIMES * slices &&
           (filled * slices < 1 || vkd_loops_refuse(caps, tile_loops(p, tile, slices))))
        slices *= TIMES;
    return slices;
}

/* Along n, m, and slices of k. */
static void tile_workgroup(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile,
                           uint32_t local[3])
{
    uint32_t limit = caps->max_workgroup_invocations < 256 ? caps->max_workgroup_invocations : 256,
             room = 64;
    local[0] = GEMM_LANES;
    local[1] = local[2] = 1;
    if (tile->kind == GEMM_IN_LANES)
        return;
    local[2] = slices_of(p, caps, tile);
    while (room > 1 && (room * local[2] > limit ||
                        (local[2] - 1) * room * tile->m * tile->n * 4 > caps->shared_memory))
        room /= 2;
    while (local[0] > room || (local[0] > 1 && local[0] / 2 * tile->n >= p->out_c))
        local[0] /= 2;
    local[1] = room / local[0];
}

/* Workgroups along m, in y and z. */
static void tile_rows(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile,
                      const uint32_t local[3], uint32_t out[2])
{
    const uint32_t height = tile->kind == GEMM_IN_LANES ? GEMM_LANES : local[1];
    uint64_t rows = vkd_divide_up(rows_of(p, tile), height),
             folds = vkd_divide_up(rows, caps->max_workgroup_count[1]);
    out[0] = (uint32_t)vkd_divide_up(rows, folds);
    out[1] = (uint32_t)folds;
}

static const char *lanes_refuse(const conv2d_problem *p, const vkd_caps *caps)
{
    if (caps->type != VKD_TYPE_CPU || caps->subgroup_size != GEMM_LANES || !caps->subgroup_shuffle)
        return "it is for CPU devices with subgroups of 8";
    return vkd_conv2d_float_texels(p) > caps->max_texels
               ? "its tensors are larger than a texel buffer"
               : NULL;
}

const char *vkd_conv2d_float_sums_refuse(const vkd_caps *caps, uint32_t sums)
{
    enum { MALI_REGISTERS = 64 };
    return caps->vendor_id == VKD_VENDOR_ARM && sums >= MALI_REGISTERS
               ? "an invocation's sums fill all registers of a Mali"
               : NULL;
}

const char *vkd_conv2d_float_tile_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                          const gemm_tile *tile)
{
    if (!conv2d_groups_fill_words(p))
        return "the channels of a group are no multiple of 4";
    if (p->transposed && (p->dilation[0] > 1 || p->dilation[1] > 1))
        return "it is transposed and dilated";
    if (vkd_kernel_refuses(caps, tile->shader))
        return vkd_kernel_refuses(caps, tile->shader);
    if (p->groups > 1 && tile->n > 4 &&
        conv2d_oc_group(p) % 8) /* which weights come in, or a tile's channels */
        return "the output channels of a group are no multiple of 8";
    const char *reason = tile->kind == GEMM_IN_LANES
                             ? lanes_refuse(p, caps)
                             : vkd_conv2d_float_sums_refuse(caps, tile->m * tile->n);
    if (reason)
        return reason;
    uint32_t local[3], rows[2];
    tile_workgroup(p, caps, tile, local);
    tile_rows(p, caps, tile, local, rows);
    if (rows[1] > caps->max_workgroup_count[2])
        return "it has more rows than a dispatch can have workgroups for";
    return vkd_loops_refuse(caps, tile_loops(p, tile, local[2]));
}

double vkd_conv2d_float_tile_cost(const conv2d_problem *p, const vkd_caps *caps,
                                  const gemm_tile *tile)
{
    static const conv2d_float_rates rates[CONV2D_FLOAT_TILE_COUNT] = {
        [CONV2D_FLOAT_TILE_4X4] = {6.5e3, 500, 2.3e6, 200e3, 2.9, 0.62},
        [CONV2D_FLOAT_TILE_8X8] = {11e3, 400, 3.05e6, 250e3, 4.0, 0.84},
        [CONV2D_FLOAT_LANES_4X32] = {42e3, 970, 1, 1, 0, 0},
        [CONV2D_FLOAT_LANES_2X16] = {31e3, 990, 1, 1, 0, 0},
    };
    uint32_t local[3];
    tile_workgroup(p, caps, tile, local);
    double outputs = tiles_of(p, tile) * tile->m * tile->n, steps = (double)steps_of(p);
    return vkd_conv2d_float_cost(caps, &rates[tile - vkd_conv2d_float_tiles], outputs * steps * 4,
                                 outputs, steps / local[2]);
}

/* Whether windows may reach beyond the image. */
static bool hangs_over(const conv2d_problem *p)
{
    return p->transposed || p->padding[0] || p->padding[1];
}

vkd_status vkd_conv2d_float_emit_tile(vkd_lowering *lowering, const conv2d *conv,
                                      const gemm_tile *tile)
{
    const conv2d_problem *p = &conv->problem;
    const bool in_lanes = tile->kind == GEMM_IN_LANES;
    const conv2d_packing packing = {in_lanes ? 8 : 4, in_lanes ? 4 : 1, tap_steps(p) * 4};
    uint32_t local[3];
    vkd_node node;
    tile_workgroup(conv2d_choice(conv), lowering->caps, tile, local);
    VKD_TRY(vkd_conv2d_float_begin(lowering, conv, tile->shader, tile_loops(p, tile, local[2]),
                                   &packing, &node));
    memcpy(node.specs, local, sizeof local);
    node.groups[0] = (uint32_t)vkd_divide_up(columns_of(p, tile), in_lanes ? 1 : local[0]);
    tile_rows(p, lowering->caps, tile, local, &node.groups[1]);
    if (in_lanes) {
        vkd_conv2d_float_fetch_texels(&node, p->dtype);
    } else {
        vkd_node_spec(&node, hangs_over(p));
        vkd_node_spec(&node, conv2d_ic_group(p) % 4 != 0);
        vkd_node_spec(&node, tile->m);
        vkd_node_spec(&node, tile->n / 4);
    }
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}
