/* The table of all variants, and what the families refuse and cost. */
#include "ops/conv/depthwise.h"
#include "ops/conv/gemm.h"

static bool is_pointwise(const conv2d_problem *p)
{
    return p->kernel[0] == 1 && p->kernel[1] == 1 && !p->padding[0] && !p->padding[1];
}

/* -------------------------------------------------------------------------------------- general */

static const char *general_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                   const gemm_tile *tile)
{
    (void)tile;
    return vkd_loops_refuse(caps, vkd_conv2d_general_loops(p));
}

static double general_cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    (void)tile;
    bool cpu = caps->type == VKD_TYPE_CPU, discrete = caps->type == VKD_TYPE_DISCRETE;
    double rate = cpu ? 2e3 : discrete ? 2e6 : 150e3; /* MACs a microsecond */
    /* A word of four input channels is the unit of work. */
    double k = (double)conv2d_taps(p) * (double)vkd_align_up(conv2d_ic_group(p), 4);
    double padded = (double)conv2d_pixels(p) * (double)vkd_align_up(p->out_c, 4) * k;
    /* Where a GPU has few invocations, the length of one counts: measured on an H100. */
    if (conv2d_groups_fill_words(p))
        return 2.0 + padded / rate + (discrete ? 0.25 * k / 4 : 0);
    /* conv_bytes.comp picks its values out of words one by one. The length of an invocation is
     * reckoned from what a load takes in the depthwise kernels, not measured. */
    double least = cpu ? 6.0 : 2.0 + (discrete ? 0.3 : 1.2) * (double)conv2d_k(p);
    return least + 16 * padded / rate;
}

/* --------------------------------------------------------------------------------------- im2col */

static double im2col_bytes(const conv2d_problem *p)
{
    return (double)conv2d_pixels(p) * (double)vkd_conv2d_im2col_row(p) * p->groups;
}

static const char *im2col_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                  const gemm_tile *tile)
{
    if (is_pointwise(p))
        return "it is pointwise";
    if (!conv2d_groups_fill_words(p))
        return "the channels of a group are no multiple of 4";
    if (im2col_bytes(p) > (double)caps->max_storage_range || im2col_bytes(p) > INT32_MAX)
        return "its scratch matrix is larger than the device can bind";
    gemm_problem gemm = vkd_conv2d_im2col_gemm(p);
    return vkd_gemm_refuses(tile, &gemm, caps);
}

static double im2col_cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    gemm_problem gemm = vkd_conv2d_im2col_gemm(p);
    /* Bytes a microsecond; values that must be picked out of words one by one are slower. */
    bool cpu = caps->type == VKD_TYPE_CPU;
    double rate = cpu ? 2.5e3 : caps->type == VKD_TYPE_DISCRETE ? 400e3 : 20e3;
    double pick = conv2d_ic_group(p) % 4 == 0 ? 1 : cpu ? 7 : 5;
    return 2.0 + im2col_bytes(p) / rate * pick + vkd_gemm_cost(tile, &gemm, caps);
}

/* ----------------------------------------------------------------------- pointwise and implicit */

static const char *pointwise_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                     const gemm_tile *tile)
{
    gemm_problem gemm = vkd_conv2d_direct_gemm(p);
    return is_pointwise(p) ? vkd_gemm_refuses(tile, &gemm, caps)
                           : "the kernel is not 1x1 without padding";
}

static const char *implicit_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                    const gemm_tile *tile)
{
    gemm_problem gemm = vkd_conv2d_direct_gemm(p);
    return is_pointwise(p) ? "it is pointwise" : vkd_gemm_refuses(tile, &gemm, caps);
}

static double direct_cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    gemm_problem gemm = vkd_conv2d_direct_gemm(p);
    return vkd_gemm_cost(tile, &gemm, caps);
}

/* ---------------------------------------------------------------------------------------- table */

#define IM2COL(name, kernel, ...)                                                                  \
    {"im2col " name, "im2col",    &vkd_gemm_tiles[VKD_TILE_##kernel],                              \
     im2col_refuses, im2col_cost, vkd_conv2d_emit_im2col},
#define POINTWISE(name, kernel, ...)                                                               \
    {"pointwise " name, "pointwise", &vkd_gemm_tiles[VKD_TILE_##kernel],                           \
     pointwise_refuses, direct_cost, vkd_conv2d_emit_direct},
#define IMPLICIT(name, kernel, ...)                                                                \
    {"implicit " name, "implicit",  &vkd_gemm_tiles[VKD_TILE_##kernel],                            \
     implicit_refuses, direct_cost, vkd_conv2d_emit_direct},
#define DEPTHWISE_ROW(id, name, ...)                                                               \
    {"depthwise_row " name,  "depthwise_row",     &vkd_conv2d_row_tiles[CONV2D_ROW_##id],          \
     vkd_conv2d_row_refuses, vkd_conv2d_row_cost, vkd_conv2d_emit_row},

/* clang-format off */
const conv2d_variant vkd_conv2d_variants[] = {
    {"general", "general", NULL, general_refuses, general_cost, vkd_conv2d_emit_general},
    VKD_GEMM_TILES(IM2COL)
    VKD_GEMM_TILES(POINTWISE)
    VKD_GEMM_TILES(IMPLICIT)
    {"depthwise", "depthwise", NULL, vkd_conv2d_depthwise_refuses, vkd_conv2d_depthwise_cost,
     vkd_conv2d_emit_depthwise},
    CONV2D_ROW_TILES(DEPTHWISE_ROW)
};
/* clang-format on */
const size_t vkd_conv2d_variant_count = sizeof vkd_conv2d_variants / sizeof *vkd_conv2d_variants;
