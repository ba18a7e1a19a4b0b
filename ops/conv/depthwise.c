/* The depthwise variants: shaders/conv_dw.comp for any window, shaders/conv_dw_row.comp and
 * conv_dw_lanes.comp for 3x3 and 5x5.
 */
#include "ops/conv/depthwise.h"
#include "ops/conv/window.h"

#include <stddef.h>
#include <string.h>

/* -------------------------------------------------------------------------------------- weights */

typedef struct tap_source {
    vkd_weights weights;
    uint32_t channels, taps;
} tap_source;

/* [tap][channel], channels padded to whole words. */
static void pack_taps(const void *from, void *dst, size_t size)
{
    const tap_source *source = from;
    int8_t *out = dst;
    uint32_t padded = (uint32_t)vkd_align_up(source->channels, 4);
    for (uint32_t tap = 0; tap < source->taps; tap++)
        for (uint32_t c = 0; c < padded; c++)
            *out++ = c < source->channels ? *vkd_weights_at(&source->weights, c, tap) : 0;
    memset(out, 0, size - (size_t)(out - (int8_t *)dst));
}

static uint32_t words_of(const conv2d_problem *p) { return (uint32_t)vkd_divide_up(p->out_c, 4); }

/* Adds the packed weights and the bindings to a node, and the node to the graph. */
static vkd_status emit(vkd_lowering *lowering, const conv2d *conv, vkd_node *node)
{
    const conv2d_problem *p = &conv->problem;
    const tap_source source = {
        .weights = conv->weights,
        .channels = p->out_c,
        .taps = conv2d_taps(p),
    };
    vkd_tensor_id weights;
    VKD_TRY(vkd_op_constant(lowering, (uint64_t)conv2d_taps(p) * words_of(p) * 4, pack_taps,
                            &source, sizeof source, 1, &weights));
    vkd_node_read(node, conv->x);
    vkd_node_read(node, weights);
    vkd_requantize_bind(node, conv->channels, conv->residual, conv->y);
    return vkd_op_add_node(lowering, node, conv->x, conv->y);
}

/* ----------------------------------------------------------------------------------------- cost */

/* Microseconds for invocations that each load so many words and finish so many words of output. On
 * a GPU that they do not fill, it is the length of one; measured on an H100 for discrete ones. On a
 * CPU it is the sum of all; measured on a 2-core machine.
 */
static double cost_of(const vkd_caps *caps, double invocations, double loads, double outputs)
{
    if (caps->type == VKD_TYPE_CPU)
        return 6.0 + invocations * (loads / 420 + outputs / 200);
    bool discrete = caps->type == VKD_TYPE_DISCRETE;
    double length = 0.7 + 0.3 * outputs + 0.038 * loads,
           filled = invocations / (discrete ? 1 << 17 : 1 << 13);
    return 2.0 + (discrete ? 1 : 4) * length * (filled > 1 ? filled : 1);
}

/* ----------------------------------------------------------------------------------- any window */

static uint64_t window_loops(const conv2d_problem *p)
{
    return vkd_loop(p->kernel[0], vkd_loop(p->kernel[1], 0));
}

const char *vkd_conv2d_depthwise_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                         const gemm_tile *tile)
{
    (void)tile;
    if (!conv2d_is_depthwise(p))
        return "it is not depthwise";
    return vkd_loops_refuse(caps, window_loops(p));
}

double vkd_conv2d_depthwise_cost(const conv2d_problem *p, const vkd_caps *caps,
                                 const gemm_tile *tile)
{
    (void)tile;
    /* nothing of the loop is unrolled */
    return cost_of(caps, (double)conv2d_pixels(p) * words_of(p), 4.0 * conv2d_taps(p), 1);
}

vkd_status vkd_conv2d_emit_depthwise(vkd_lowering *lowering, const conv2d *conv,
                                     const gemm_tile *tile)
{
    (void)tile;
    conv_params push = vkd_conv2d_window_params(conv);
    vkd_node node = vkd_conv2d_node(lowering, conv, VKD_SHADER_CONV_DW,
                                    window_loops(&conv->problem), &push, sizeof push);
    vkd_node_linear(&node, lowering->caps,
                    conv2d_pixels(&conv->problem) * words_of(&conv->problem));
    return emit(lowering, conv, &node);
}

/* ----------------------------------------------------------------------------------------- rows */

#define TILE(id, tile_name, pixels, channels, way)                                                 \
    [CONV2D_ROW_##id] = {.name = tile_name, .m = pixels, .n = channels, .kind = way},
const gemm_tile vkd_conv2d_row_tiles[CONV2D_ROW_TILE_COUNT] = {CONV2D_ROW_TILES(TILE)};
#undef TILE

static const struct row_kernel {
    uint32_t kernel, stride;
    vkd_shader shaders[CONV2D_ROW_TILE_COUNT];
} row_kernels[] = {
    {3,
     1,
     {VKD_SHADER_CONV_DW_3X3_S1_W2, VKD_SHADER_CONV_DW_3X3_S1_W4, VKD_SHADER_CONV_DW_LANES_3X3_S1}},
    {3,
     2,
     {VKD_SHADER_CONV_DW_3X3_S2_W2, VKD_SHADER_CONV_DW_3X3_S2_W4, VKD_SHADER_CONV_DW_LANES_3X3_S2}},
    {5,
     1,
     {VKD_SHADER_CONV_DW_5X5_S1_W2, VKD_SHADER_CONV_DW_5X5_S1_W4, VKD_SHADER_CONV_DW_LANES_5X5_S1}},
    {5,
     2,
     {VKD_SHADER_CONV_DW_5X5_S2_W2, VKD_SHADER_CONV_DW_5X5_S2_W4, VKD_SHADER_CONV_DW_LANES_5X5_S2}},
};

static const struct row_kernel *row_kernel(const conv2d_problem *p)
{
    for (size_t i = 0; i < sizeof row_kernels / sizeof row_kernels[0]; i++) {
        const struct row_kernel *k = &row_kernels[i];
        if (p->kernel[0] == k->kernel && p->kernel[1] == k->kernel && p->stride[0] == k->stride &&
            p->stride[1] == k->stride)
            return k;
    }
    return NULL;
}

typedef struct grid {
    uint32_t local[3], groups[3];
} grid;

/* Invocations: x is words of channels, y tiles of pixels in a row, z rows; for lanes, x is texels
 * of channels and tiles, y rows, which leaves fewer lanes without work. */
static void row_sizes(const conv2d_problem *p, const gemm_tile *tile, uint32_t out[3])
{
    uint32_t tiles = (uint32_t)vkd_divide_up(p->out_w, tile->m), rows = p->n * p->out_h;
    const uint32_t words[3] = {words_of(p), tiles, rows},
                   texels[3] = {p->out_c / tile->n * tiles, rows, 1};
    memcpy(out, tile->kind == GEMM_IN_LANES ? texels : words, sizeof words);
}

/* Workgroups of 64 that fit the output of the largest shape. */
static grid row_grid(const conv2d_problem *p, const conv2d_problem *largest, const vkd_caps *caps,
                     const gemm_tile *tile)
{
    uint32_t size[3], most[3];
    row_sizes(p, tile, size);
    row_sizes(largest, tile, most);
    grid g = {.local = {1, 1, 1}};
    uint32_t room = caps->max_workgroup_invocations < 64 ? caps->max_workgroup_invocations : 64;
    for (int axis = 0; axis < 3; axis++) {
        while (g.local[axis] < 8 && g.local[axis] < most[axis] && room >= 2) {
            g.local[axis] *= 2;
            room /= 2;
        }
        g.groups[axis] = (uint32_t)vkd_divide_up(size[axis], g.local[axis]);
    }
    return g;
}

static const char *lanes_refuse(const conv2d_problem *p, const vkd_caps *caps,
                                const gemm_tile *tile)
{
    if (caps->type != VKD_TYPE_CPU)
        return "it is for CPU devices";
    if (p->out_c % tile->n)
        return "the channels are no multiple of 16";
    uint64_t pixels = (uint64_t)p->n * p->in_h * p->in_w;
    pixels = conv2d_pixels(p) > pixels ? conv2d_pixels(p) : pixels;
    return pixels * (p->out_c / tile->n) > caps->max_texels
               ? "its tensors are larger than a texel buffer"
               : NULL;
}

const char *vkd_conv2d_row_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                   const gemm_tile *tile)
{
    if (!conv2d_is_depthwise(p))
        return "it is not depthwise";
    if (!row_kernel(p) || p->dilation[0] != 1 || p->dilation[1] != 1)
        return "the window is not 3x3 or 5x5 with stride 1 or 2, undilated";
    grid g = row_grid(p, p, caps, tile);
    for (int axis = 0; axis < 3; axis++)
        if (g.groups[axis] > caps->max_workgroup_count[axis])
            return "its grid is larger than the device allows";
    const char *reason =
        vkd_kernel_refuses(caps, row_kernel(p)->shaders[tile - vkd_conv2d_row_tiles]);
    if (reason)
        return reason;
    return tile->kind == GEMM_IN_LANES ? lanes_refuse(p, caps, tile) : NULL;
}

double vkd_conv2d_row_cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    /* inputs, and a row of weights */
    double loads = p->kernel[0] * ((tile->m - 1) * p->stride[1] + 2.0 * p->kernel[1]);
    double invocations =
        (double)p->n * p->out_h * (double)vkd_divide_up(p->out_w, tile->m) * words_of(p);
    /* A fetch brings four words at the price of less than one; SwiftShader compiles such kernels
     * for minutes, into gigabytes. */
    const double slower = caps->subgroup_size == GEMM_LANES ? 1 : 100;
    return tile->kind == GEMM_IN_LANES
               ? 6.0 + slower * invocations * (loads / 1300 + tile->m / 600.0)
               : cost_of(caps, invocations, loads, tile->m);
}

vkd_status vkd_conv2d_emit_row(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    conv_params push = vkd_conv2d_window_params(conv);
    vkd_shader shader = row_kernel(&conv->problem)->shaders[tile - vkd_conv2d_row_tiles];
    vkd_node node = vkd_conv2d_node(lowering, conv, shader, vkd_loop(conv->problem.kernel[0], 0),
                                    &push, sizeof push);
    grid g = row_grid(&conv->problem, conv2d_choice(conv), lowering->caps, tile);
    memcpy(node.specs, g.local, sizeof g.local);
    memcpy(node.groups, g.groups, sizeof g.groups);
    node.spec_count = 3;
    _Static_assert(4 + offsetof(conv_params, requantize) / 4 <= VKD_MAX_SPECS, "all sizes fit");
    if (tile->kind == GEMM_IN_LANES) {
        node.texel_mask = 0xf; /* all but the result */
        vkd_node_spec(&node, conv->table);
    } else {
        vkd_requantize_bake(&node, conv->residual != VKD_NO_TENSOR, sizeof(conv_shape),
                            conv->largest.n > 0);
    }
    return emit(lowering, conv, &node);
}
