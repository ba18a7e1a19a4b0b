/* The probe of CPU devices. A driver compiles the kernels for the processor at hand, and nothing
 * that it reports says how well: LLVM 15 takes a Zen 5, which it does not know, for any x86-64, and
 * the large tiles are half as fast as on an Intel. */
#include "ops/conv/trial.h"

#include <stdio.h>

enum { SMALL, LARGE, PROBED };
static const int probed_tiles[PROBED] = {
    [SMALL] = VKD_TILE_GEMM_LANES_4X16, [LARGE] = VKD_TILE_GEMM_LANES_7X32};

/* A millisecond or less for two cores, work enough for many; whole tiles of both kinds. */
static const conv2d_problem probed_problem = {.n = 1,
                                              .in_c = 256,
                                              .in_h = 28,
                                              .in_w = 32,
                                              .out_c = 256,
                                              .out_h = 28,
                                              .out_w = 32,
                                              .kernel = {1, 1},
                                              .stride = {1, 1},
                                              .dilation = {1, 1},
                                              .groups = 1};

float vkd_conv2d_probe_factor(const vkd_candidate_info *small, const vkd_candidate_info *large)
{
    const double noise = 1.15;
    if (small->measured_us <= 0 || large->measured_us <= 0)
        return 1;
    double factor = (large->cost_us / small->cost_us) / (large->measured_us / small->measured_us);
    return factor > noise || factor < 1 / noise ? (float)factor : 1;
}

static conv2d_variant probed_variant(const gemm_tile *tile)
{
    size_t i = 0;
    while (vkd_conv2d_variants[i].tile != tile ||
           !vkd_conv2d_is_named(&vkd_conv2d_variants[i], "pointwise"))
        i++;
    return vkd_conv2d_variants[i];
}

vkd_status vkd_conv2d_probe(vkd_context *context, vkd_tuner *tuner, vkd_caps *caps)
{
    const conv2d conv = {.problem = probed_problem, .residual = VKD_NO_TENSOR};
    conv2d_variant variants[PROBED];
    vkd_candidate_info candidates[PROBED];
    char key[CONV2D_TEXT + 16] = "work of ", *text = key + 8;
    if (caps->type != VKD_TYPE_CPU)
        return VKD_OK;
    for (int i = 0; i < PROBED; i++)
        variants[i] = probed_variant(&vkd_gemm_tiles[probed_tiles[i]]);
    vkd_conv2d_consider(variants, PROBED, &probed_problem, caps, candidates);
    vkd_conv2d_problem_format(&probed_problem, text);
    conv2d_trying trying;
    const vkd_trial trial = vkd_conv2d_trying_begin(&trying, context, &conv, caps, variants);
    vkd_status status = vkd_tuner_probe(tuner, key, candidates, PROBED, &trial);
    vkd_conv2d_trying_end(&trying);
    caps->large_tiles = vkd_conv2d_probe_factor(&candidates[SMALL], &candidates[LARGE]);
    if (status == VKD_OK && candidates[LARGE].measured_us > 0)
        vkd_log(
            context, VKD_LOG_INFO,
            "probe: '%s' %.0f us of work, '%s' %.0f us; large tiles count as %.2f times as fast",
            candidates[SMALL].variant, candidates[SMALL].measured_us, candidates[LARGE].variant,
            candidates[LARGE].measured_us, (double)caps->large_tiles);
    return status;
}
