#include "ops/conv/pair.h"
#include "ops/conv/pair_oracle.h"
#include "shaders/pair_params.h"

#include <stddef.h>
#include <string.h>

/* ------------------------------------------------------------------------------------- the form */

typedef struct pair_form {
    uint32_t pixels; /* of a workgroup */
    uint32_t tiles, slices, k_steps;
} pair_form;

enum { STEP = 64, TILE = 16, LANES = 32, BINDINGS = 8 };

static uint32_t words_of(uint32_t channels) { return (uint32_t)vkd_divide_up(channels, 4); }

/* As in conv_pair.comp. */
static uint64_t shared_bytes(const pair_form *f, uint32_t slices)
{
    const uint64_t operands = TILE * (f->k_steps * UINT64_C(4) + 1) + f->tiles * slices * TILE * 5,
                   sums = (uint64_t)slices * TILE * f->tiles * 4;
    return 16 * (operands > sums ? operands : sums);
}

/* More slices than give each word of the first an invocation of its own, twice, only wait. */
static bool slices_fit(const pair_form *f, uint32_t slices, uint32_t words, const vkd_caps *caps)
{
    const uint64_t threads = (uint64_t)LANES * f->tiles * slices;
    return f->k_steps % slices == 0 && threads <= caps->max_workgroup_invocations &&
           slices <= caps->max_workgroup_size[2] &&
           shared_bytes(f, slices) <= caps->shared_memory &&
           (slices == 1 || threads <= UINT64_C(2) * words * f->pixels);
}

/* Fewer pixels where the map is small: measured on an H200, workgroups for two thirds of its
 * multiprocessors are worth that each reads all of the weights. */
static pair_form form_of(const conv2d_problem *first, const conv2d_problem *second,
                         const vkd_caps *caps)
{
    enum { MOST = 8, LEAST = 2, MOST_SLICES = 8 };
    const uint64_t all = conv2d_pixels(first),
                   busy = caps->multiprocessors ? caps->multiprocessors : 80;
    pair_form f = {.pixels = MOST,
                   .tiles = (uint32_t)vkd_divide_up(second->out_c, TILE),
                   .k_steps = (uint32_t)vkd_divide_up(first->out_c, STEP)};
    while (f.pixels > LEAST && 3 * vkd_divide_up(all, f.pixels) < 2 * busy)
        f.pixels /= 2;
    for (uint32_t slices = 1; slices <= MOST_SLICES; slices++)
        if (slices_fit(&f, slices, words_of(first->out_c), caps))
            f.slices = slices;
    return f;
}

/* Words of the first, chunks of k, and words of the result with their slices. */
static uint64_t loops_of(const pair_form *f, uint32_t between, uint32_t result)
{
    enum { DEPTH = 4 };
    const uint64_t threads = (uint64_t)LANES * f->tiles * f->slices;
    return vkd_loop(vkd_divide_up((uint64_t)words_of(between) * f->pixels, threads), 0) +
           vkd_loop(vkd_divide_up(f->k_steps / f->slices, DEPTH), 0) +
           vkd_loop(vkd_divide_up((uint64_t)words_of(result) * f->pixels, threads),
                    vkd_loop(f->slices - 1, 0));
}

/* ---------------------------------------------------------------------------------- the choice */

const char *vkd_conv2d_pair_first_refuses(const conv2d *first, const vkd_caps *caps)
{
    const conv2d_problem *p = &first->problem;
    if (!caps->matrix_int8 || caps->subgroup_size != LANES || caps->dot != VKD_DOT_SIGNED)
        return "the device has no int8 matrix units, or no dot products of int8";
    if (caps->max_storage_buffers < BINDINGS)
        return "the device binds fewer than 8 buffers";
    if (conv2d_is_float(p) || !conv2d_is_depthwise(p))
        return "the first is not depthwise";
    if (p->kernel[0] != 3 || p->kernel[1] != 3 || p->dilation[0] != 1 || p->dilation[1] != 1 ||
        p->stride[0] != p->stride[1])
        return "the first's window is not 3x3, undilated, with one stride";
    if (first->largest.n)
        return "its shape can change";
    return vkd_kernel_refuses(caps, VKD_SHADER_CONV_PAIR);
}

const char *vkd_conv2d_pair_refuses(const conv2d *first, const conv2d *second, const vkd_caps *caps)
{
    const conv2d_problem *p = &second->problem;
    const char *reason = vkd_conv2d_pair_first_refuses(first, caps);
    if (reason)
        return reason;
    if (p->kernel[0] != 1 || p->kernel[1] != 1 || p->stride[0] != 1 || p->stride[1] != 1 ||
        p->padding[0] || p->padding[1] || p->groups != 1)
        return "the second is not pointwise";
    const pair_form f = form_of(&first->problem, p, caps);
    if (p->in_c > VKD_PAIR_MOST_CHANNELS || !f.slices || f.tiles > caps->max_workgroup_size[1])
        return "it has more channels than a workgroup has room for";
    if (vkd_divide_up(conv2d_pixels(p), f.pixels) > caps->max_workgroup_count[0])
        return "it has more pixels than a dispatch can have workgroups for";
    return vkd_loops_refuse(caps, loops_of(&f, p->in_c, p->out_c));
}

/* Microseconds, fitted to twelve pairs of MobileNetV2 on an H200: what it takes however small, the
 * weights that each workgroup reads, its words of the first, and the share of all of them that a
 * multiprocessor has. */
static double cost_of(const conv2d_problem *first, const conv2d_problem *second,
                      const vkd_caps *caps)
{
    const double channels = first->out_c, busy = caps->multiprocessors ? caps->multiprocessors : 80;
    return 3.3 + 21.5e-6 * channels * second->out_c + 2.1e-3 * channels +
           0.7e-3 * channels * (double)conv2d_pixels(first) / busy;
}

/* Of one of the two in a dispatch of its own, by what is known; 0: nothing can run it. */
static vkd_status cost_alone(vkd_lowering *lowering, const conv2d *conv, double *out)
{
    char key[CONV2D_KEY];
    const char *reason;
    const size_t count = vkd_conv2d_variant_count;
    vkd_candidate_info *candidates =
        vkd_arena_alloc(lowering->graph->arena, count, sizeof *candidates);
    if (!candidates)
        return vkd_fail_memory(lowering->context, "a selection");
    vkd_conv2d_consider(vkd_conv2d_variants, count, &conv->problem, lowering->caps, candidates);
    vkd_conv2d_key_format(conv, key);
    if (lowering->tuner)
        vkd_tuner_recall(lowering->tuner, key, candidates, count);
    const size_t winner = vkd_conv2d_choose(vkd_conv2d_variants, count, candidates, NULL, &reason);
    *out = winner == count                      ? 0
           : candidates[winner].measured_us > 0 ? candidates[winner].measured_us
                                                : candidates[winner].cost_us;
    return VKD_OK;
}

vkd_status vkd_conv2d_pair_wins(vkd_lowering *lowering, const conv2d *first, const conv2d *second,
                                bool *out)
{
    double alone[2];
    *out = false;
    if (vkd_conv2d_pair_refuses(first, second, lowering->caps))
        return VKD_OK;
    *out = lowering->variant && !strcmp(lowering->variant, VKD_CONV2D_PAIR);
    if (lowering->variant)
        return VKD_OK;
    VKD_TRY(cost_alone(lowering, first, &alone[0]));
    VKD_TRY(cost_alone(lowering, second, &alone[1]));
    *out = cost_of(&first->problem, &second->problem, lowering->caps) < alone[0] + alone[1];
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------- emission */

typedef struct tap_source {
    vkd_weights weights;
    uint32_t channels;
} tap_source;

enum { TAPS = 9, TAPS_PADDED = 12 };

/* [channel / 4][tap / 4][channel][tap], both padded with zeros. */
static void pack_taps(const void *from, void *dst, size_t size)
{
    const tap_source *source = from;
    int8_t *out = dst;
    memset(out, 0, size);
    for (uint32_t c = 0; c < source->channels; c++)
        for (uint32_t tap = 0; tap < TAPS; tap++)
            out[(c / 4 * 3 + tap / 4) * 16 + c % 4 * 4 + tap % 4] =
                *vkd_weights_at(&source->weights, c, tap);
}

static vkd_status add_constants(vkd_lowering *lowering, const conv2d *first, const conv2d *second,
                                vkd_tensor_id *taps, vkd_tensor_id *b)
{
    const tap_source source = {first->weights, first->problem.out_c};
    const gemm_problem problem =
        vkd_gemm_matrix(1, second->problem.out_c, second->problem.in_c, 1, second->problem.in_c);
    VKD_TRY(vkd_op_constant(lowering, (uint64_t)words_of(source.channels) * 4 * TAPS_PADDED,
                            pack_taps, &source, sizeof source, 1, taps));
    return vkd_gemm_add_weights(lowering, &vkd_gemm_tiles[VKD_TILE_GEMM_COOP_16X16], &problem,
                                &second->weights, source.channels, b);
}

static pair_params params_of(const conv2d *first, const conv2d *second, const pair_form *form)
{
    const conv2d_problem *p = &first->problem;
    return (pair_params){
        .m = (uint32_t)conv2d_pixels(p),
        .in_h = p->in_h,
        .in_w = p->in_w,
        .out_h = p->out_h,
        .out_w = p->out_w,
        .c4 = words_of(p->out_c),
        .n4 = words_of(second->problem.out_c),
        .stride = p->stride[0],
        .padding_h = p->padding[0],
        .padding_w = p->padding[1],
        .x_zero = first->x_zero,
        .k_steps = form->k_steps,
        .first = first->requantize,
        .second = second->requantize,
    };
}

static const char *shape_text(vkd_lowering *lowering, const conv2d *first, const conv2d *second)
{
    char text[CONV2D_TEXT];
    vkd_conv2d_problem_format(&first->problem, text);
    return vkd_arena_printf(lowering->graph->arena, "%s, 1x1 -> %u", text,
                            (unsigned)second->problem.out_c);
}

vkd_status vkd_conv2d_emit_pair(vkd_lowering *lowering, const conv2d *first, const conv2d *second)
{
    const pair_form form = form_of(&first->problem, &second->problem, lowering->caps);
    const pair_params params = params_of(first, second, &form);
    const uint32_t sizes = offsetof(pair_params, first);
    vkd_tensor_id taps, b;
    VKD_TRY(add_constants(lowering, first, second, &taps, &b));
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_CONV_PAIR,
                                loops_of(&form, first->problem.out_c, second->problem.out_c),
                                (const char *)&params + sizes, (uint32_t)sizeof params - sizes);
    const uint32_t local[] = {LANES, form.tiles, form.slices};
    memcpy(node.specs, local, sizeof local);
    vkd_node_spec(&node, form.pixels);
    vkd_node_spec(&node, first->table);
    vkd_node_spec(&node, second->residual != VKD_NO_TENSOR);
    memcpy(node.specs + node.spec_count, &params, sizes);
    node.spec_count += sizes / 4;
    node.groups[0] = (uint32_t)vkd_divide_up(params.m, form.pixels);
    node.shape = shape_text(lowering, first, second);
    node.macs = conv2d_macs(&first->problem) + conv2d_macs(&second->problem);
    node.cost_us = cost_of(&first->problem, &second->problem, lowering->caps);
    node.oracle = &vkd_pair_oracle;
    if (!node.shape)
        return vkd_fail_memory(lowering->context, "a shape");
    vkd_node_read(&node, first->x);
    vkd_node_read(&node, taps);
    vkd_node_read(&node, first->channels);
    vkd_node_read(&node, first->table ? first->residual : first->channels);
    vkd_node_read(&node, b);
    vkd_requantize_bind(&node, second->channels, second->residual, second->y);
    return vkd_op_add_node(lowering, &node, first->x, second->y);
}
