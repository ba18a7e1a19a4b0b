/* The sliding-window variant: shaders/conv_general.comp where groups fill whole words,
 * shaders/conv_bytes.comp where not.
 */
#include "ops/conv/window.h"

#include <string.h>

typedef struct window_source {
    vkd_weights weights;
    uint32_t row, out_c, taps, ic_group; /* row: bytes, of pack_rows */
} window_source;

/* [oc / 4][tap][ic / 4][4 channels][4] */
static void pack_words(const void *from, void *dst, size_t size)
{
    const window_source *source = from;
    int8_t *out = dst;
    for (uint32_t oc4 = 0; oc4 < source->out_c; oc4 += 4)
        for (uint32_t tap = 0; tap < source->taps; tap++)
            for (uint32_t ic4 = 0; ic4 < source->ic_group; ic4 += 4)
                for (uint32_t oc = oc4; oc < oc4 + 4; oc++, out += 4) {
                    uint32_t count = oc >= source->out_c          ? 0
                                     : source->ic_group - ic4 < 4 ? source->ic_group - ic4
                                                                  : 4;
                    int8_t word[4] = {0};
                    if (count)
                        memcpy(word,
                               vkd_weights_at(&source->weights, oc,
                                              (size_t)tap * source->ic_group + ic4),
                               count);
                    memcpy(out, word, 4);
                }
    memset(out, 0, size - (size_t)(out - (int8_t *)dst));
}

/* [oc][row]: k, and zeros up to a whole word. */
static void pack_rows(const void *from, void *dst, size_t size)
{
    const window_source *source = from;
    int8_t *out = dst;
    const size_t ic_group = source->ic_group, k = source->taps * ic_group;
    for (uint32_t oc = 0; oc < source->out_c; oc++) {
        for (uint32_t tap = 0; tap < source->taps; tap++, out += ic_group)
            memcpy(out, vkd_weights_at(&source->weights, oc, tap * ic_group), ic_group);
        memset(out, 0, source->row - k);
        out += source->row - k;
    }
    memset(out, 0, size - (size_t)(out - (int8_t *)dst));
}

conv_params vkd_conv2d_window_params(const conv2d *conv)
{
    const conv2d_problem *p = &conv->problem;
    return (conv_params){
        .shape = {p->n, p->in_h, p->in_w, p->out_h, p->out_w},
        .in_c4 = (uint32_t)vkd_divide_up(p->in_c, 4),
        .out_c4 = (uint32_t)vkd_divide_up(p->out_c, 4),
        .ic_group = conv2d_ic_group(p),
        .oc_group = conv2d_oc_group(p),
        .groups = p->groups,
        .kernel_h = p->kernel[0],
        .kernel_w = p->kernel[1],
        .stride_h = p->stride[0],
        .stride_w = p->stride[1],
        .padding_h = p->padding[0],
        .padding_w = p->padding[1],
        .dilation_h = p->dilation[0],
        .dilation_w = p->dilation[1],
        .x_zero = conv->x_zero,
        .requantize = conv->requantize,
    };
}

static uint32_t quads_of(const conv2d_problem *p) { return (uint32_t)vkd_divide_up(p->out_w, 4); }

/* Workgroups of 64 that fit the output of the largest shape: x is words of channels, y quads of
 * pixels in a row, z rows. */
static void set_grid(vkd_node *node, const conv2d_problem *p, const conv2d_problem *largest)
{
    const uint32_t words = (uint32_t)vkd_divide_up(p->out_c, 4);
    uint32_t local[3] = {1, 1, 1};
    while (local[0] < 8 && local[0] < words)
        local[0] *= 2;
    while (local[0] * local[1] < 64 && local[1] < quads_of(largest))
        local[1] *= 2;
    while (local[0] * local[1] * local[2] < 64 && local[2] < largest->n * largest->out_h &&
           local[2] < 8)
        local[2] *= 2;
    node->spec_count = 3;
    memcpy(node->specs, local, sizeof local);
    node->groups[0] = (uint32_t)vkd_divide_up(words, local[0]);
    node->groups[1] = (uint32_t)vkd_divide_up(quads_of(p), local[1]);
    node->groups[2] = (uint32_t)vkd_divide_up((uint64_t)p->n * p->out_h, local[2]);
}

uint64_t vkd_conv2d_general_loops(const conv2d_problem *p)
{
    if (!conv2d_groups_fill_words(p))
        return vkd_loop(conv2d_k(p), 0);
    return vkd_loop(p->kernel[0],
                    vkd_loop(p->kernel[1], vkd_loop(vkd_divide_up(conv2d_ic_group(p), 4), 0)));
}

vkd_status vkd_conv2d_emit_general(vkd_lowering *lowering, const conv2d *conv,
                                   const gemm_tile *tile)
{
    (void)tile;
    const conv2d_problem *p = &conv->problem;
    bool words = conv2d_groups_fill_words(p);
    const window_source source = {
        .weights = conv->weights,
        .row = conv2d_weight_row(p),
        .out_c = p->out_c,
        .taps = conv2d_taps(p),
        .ic_group = conv2d_ic_group(p),
    };
    conv_params push = vkd_conv2d_window_params(conv);
    push.k_row = source.row;

    uint64_t bytes =
        words ? (uint64_t)push.out_c4 * 16 * source.taps * vkd_divide_up(source.ic_group, 4)
              : (uint64_t)source.out_c * source.row;
    vkd_tensor_id weights;
    VKD_TRY(vkd_op_constant(lowering, bytes, words ? pack_words : pack_rows, &source, sizeof source,
                            1, &weights));

    vkd_node node =
        vkd_conv2d_node(lowering, conv, words ? VKD_SHADER_CONV_GENERAL : VKD_SHADER_CONV_BYTES,
                        vkd_conv2d_general_loops(p), &push, sizeof push);
    if (words)
        set_grid(&node, p, conv2d_choice(conv));
    else
        vkd_node_linear(&node, lowering->caps, (uint64_t)conv2d_pixels(p) * push.out_c4);
    vkd_node_read(&node, conv->x);
    vkd_node_read(&node, weights);
    vkd_requantize_bind(&node, conv->channels, conv->residual, conv->y);
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}
