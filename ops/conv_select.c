/* Which variant runs a convolution. */
#include "ops/conv_gemm.h"

#include <string.h>

/* Groups must fill whole words, so that a group starts at a word. */
static bool groups_fill_words(const conv2d_problem *p)
{
    return p->groups == 1 || (conv2d_ic_group(p) % 4 == 0 && conv2d_oc_group(p) % 4 == 0);
}

static const char *general_refuses(const conv2d_problem *p, const vkd_caps *caps)
{
    (void)p, (void)caps;
    return NULL;
}

static double general_cost(const conv2d_problem *p, const vkd_caps *caps)
{
    /* Measured: bench/conv table in the README. A word of four input channels is the unit of work. */
    double padded = (double)conv2d_pixels(p) * ((p->out_c + 3) / 4 * 4) * p->kernel[0] * p->kernel[1] *
                    ((conv2d_ic_group(p) + 3) / 4 * 4);
    double rate = caps->type == VKD_TYPE_CPU ? 8e3 : caps->type == VKD_TYPE_DISCRETE ? 2e6 : 150e3; /* MACs a microsecond */
    if (!groups_fill_words(p))
        rate /= 16;
    return 2.0 + padded / rate;
}

static const char *im2col_refuses(const conv2d_problem *p, const vkd_caps *caps)
{
    if (!groups_fill_words(p))
        return "the channels of a group are no multiple of 4";
    double bytes = (double)conv2d_pixels(p) * (double)conv2d_im2col_row(p) * p->groups;
    if (bytes > (double)caps->max_storage_range || bytes > INT32_MAX)
        return "its scratch matrix is larger than the device can bind";
    return NULL;
}

static double im2col_cost(const conv2d_problem *p, const vkd_caps *caps)
{
    gemm_problem gemm = conv2d_im2col_gemm(p);
    double bytes = (double)conv2d_pixels(p) * (double)conv2d_im2col_row(p) * p->groups;
    double rate = caps->type == VKD_TYPE_CPU ? 1e3 : caps->type == VKD_TYPE_DISCRETE ? 400e3 : 20e3; /* bytes a microsecond */
    return 2.0 + bytes / rate + vkd_gemm_cost(&gemm, caps);
}

static bool is_pointwise(const conv2d_problem *p)
{
    return p->kernel[0] == 1 && p->kernel[1] == 1 && !p->padding[0] && !p->padding[1];
}

static const char *pointwise_refuses(const conv2d_problem *p, const vkd_caps *caps)
{
    (void)caps;
    if (!is_pointwise(p))
        return "the kernel is not 1x1 without padding";
    return groups_fill_words(p) ? NULL : "the channels of a group are no multiple of 4";
}

static const char *implicit_refuses(const conv2d_problem *p, const vkd_caps *caps)
{
    (void)caps;
    if (is_pointwise(p))
        return "it is pointwise";
    gemm_problem gemm = conv2d_direct_gemm(p);
    return groups_fill_words(p) && vkd_gemm_reads(&gemm) ? NULL : "the input channels of a group are no multiple of 4";
}

static double direct_cost(const conv2d_problem *p, const vkd_caps *caps)
{
    gemm_problem gemm = conv2d_direct_gemm(p);
    return vkd_gemm_cost(&gemm, caps);
}

const conv2d_variant conv2d_variants[] = {
    {"general", general_refuses, general_cost, conv2d_emit_general},
    {"im2col", im2col_refuses, im2col_cost, conv2d_emit_im2col},
    {"pointwise", pointwise_refuses, direct_cost, conv2d_emit_direct},
    {"implicit", implicit_refuses, direct_cost, conv2d_emit_direct},
};
const size_t conv2d_variant_count = sizeof conv2d_variants / sizeof *conv2d_variants;

size_t conv2d_select(const conv2d_problem *problem, const vkd_caps *caps, const char *forced, vkd_candidate_info *candidates,
                     const char **reason)
{
    size_t winner = 0;
    *reason = "lowest estimated cost";
    for (size_t i = 0; i < conv2d_variant_count; i++) {
        const conv2d_variant *variant = &conv2d_variants[i];
        const char *refusal = variant->refuses(problem, caps);
        candidates[i] = (vkd_candidate_info){.variant = variant->name, .eligible = !refusal, .reason = refusal};
        if (refusal)
            continue;
        candidates[i].cost_us = variant->cost(problem, caps);
        candidates[i].reason = "cost model";
        if (candidates[i].cost_us < candidates[winner].cost_us)
            winner = i;
    }
    for (size_t i = 0; forced && i < conv2d_variant_count; i++)
        if (candidates[i].eligible && !strcmp(conv2d_variants[i].name, forced)) {
            *reason = "forced by an option";
            return i;
        }
    return winner;
}
