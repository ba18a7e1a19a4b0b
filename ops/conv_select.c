/* Which variant runs a convolution. */
#include "ops/conv_gemm.h"

/* Groups must fill whole words, so that a group starts at a word. */
static bool groups_fill_words(const conv2d_problem *p)
{
    return p->groups == 1 || (conv2d_ic_group(p) % 4 == 0 && conv2d_oc_group(p) % 4 == 0);
}

static bool is_pointwise(const conv2d_problem *p)
{
    return p->kernel[0] == 1 && p->kernel[1] == 1 && !p->padding[0] && !p->padding[1];
}

/* ---------------------------------------------------------------------------------------------------------- general */

static const char *general_refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    (void)p, (void)caps, (void)tile;
    return NULL;
}

static double general_cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    (void)tile;
    /* A word of four input channels is the unit of work. */
    double padded = (double)conv2d_pixels(p) * ((p->out_c + 3) / 4 * 4) * p->kernel[0] * p->kernel[1] *
                    ((conv2d_ic_group(p) + 3) / 4 * 4);
    double rate = caps->type == VKD_TYPE_CPU ? 2e3 : caps->type == VKD_TYPE_DISCRETE ? 2e6 : 150e3; /* MACs a microsecond */
    if (!groups_fill_words(p))
        rate /= 16;
    return 2.0 + padded / rate;
}

/* ----------------------------------------------------------------------------------------------------------- im2col */

static double im2col_bytes(const conv2d_problem *p) { return (double)conv2d_pixels(p) * (double)conv2d_im2col_row(p) * p->groups; }

static const char *im2col_refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    if (is_pointwise(p))
        return "it is pointwise";
    if (!groups_fill_words(p))
        return "the channels of a group are no multiple of 4";
    if (im2col_bytes(p) > (double)caps->max_storage_range || im2col_bytes(p) > INT32_MAX)
        return "its scratch matrix is larger than the device can bind";
    gemm_problem gemm = conv2d_im2col_gemm(p);
    return vkd_gemm_refuses(tile, &gemm, caps);
}

static double im2col_cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    gemm_problem gemm = conv2d_im2col_gemm(p);
    /* Bytes a microsecond; values that must be picked out of words one by one are slower. */
    double rate = caps->type == VKD_TYPE_CPU ? 2.5e3 : caps->type == VKD_TYPE_DISCRETE ? 400e3 : 20e3;
    double pick = conv2d_ic_group(p) % 4 ? 5 : 1;
    return 2.0 + im2col_bytes(p) / rate * pick + vkd_gemm_cost(tile, &gemm, caps);
}

/* --------------------------------------------------------------------------------------------- pointwise and implicit */

static const char *pointwise_refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    gemm_problem gemm = conv2d_direct_gemm(p);
    return is_pointwise(p) ? vkd_gemm_refuses(tile, &gemm, caps) : "the kernel is not 1x1 without padding";
}

static const char *implicit_refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    gemm_problem gemm = conv2d_direct_gemm(p);
    return is_pointwise(p) ? "it is pointwise" : vkd_gemm_refuses(tile, &gemm, caps);
}

static double direct_cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    gemm_problem gemm = conv2d_direct_gemm(p);
    return vkd_gemm_cost(tile, &gemm, caps);
}

/* ------------------------------------------------------------------------------------------------------------ table */

#define WITH_TILE(family, index, tile, refuses, cost, emit)                                                                    \
    {family " " tile, family, &vkd_gemm_tiles[index], refuses, cost, emit}
#define WITH_ALL_TILES(family, refuses, cost, emit)                                                                            \
    WITH_TILE(family, 0, "4x4 words", refuses, cost, emit), WITH_TILE(family, 1, "4x4", refuses, cost, emit),                  \
        WITH_TILE(family, 2, "8x8", refuses, cost, emit), WITH_TILE(family, 3, "lanes 4x16", refuses, cost, emit),             \
        WITH_TILE(family, 4, "lanes 7x32", refuses, cost, emit), WITH_TILE(family, 5, "lanes words 7x32", refuses, cost, emit),      \
        WITH_TILE(family, 6, "matrix words 32x16", refuses, cost, emit),     \
        WITH_TILE(family, 7, "matrix 32x16", refuses, cost, emit)

const conv2d_variant conv2d_variants[] = {
    {"general", "general", NULL, general_refuses, general_cost, conv2d_emit_general},
    WITH_ALL_TILES("im2col", im2col_refuses, im2col_cost, conv2d_emit_im2col),
    WITH_ALL_TILES("pointwise", pointwise_refuses, direct_cost, conv2d_emit_direct),
    WITH_ALL_TILES("implicit", implicit_refuses, direct_cost, conv2d_emit_direct),
};
const size_t conv2d_variant_count = sizeof conv2d_variants / sizeof *conv2d_variants;

size_t conv2d_select(const conv2d_problem *problem, const vkd_caps *caps, const char *forced, vkd_candidate_info *candidates,
                     const char **reason)
{
    conv2d_consider(conv2d_variants, conv2d_variant_count, problem, caps, candidates);
    return conv2d_choose(conv2d_variants, conv2d_variant_count, candidates, forced, reason);
}
