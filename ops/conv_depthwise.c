/* et_vk.q8ta_conv2d_dw, and the depthwise variants: shaders/conv_dw.comp for any window, shaders/conv_dw_row.glsl for 3x3 and
 * 5x5. */
#include "ops/conv_depthwise.h"
#include "ops/conv_args.h"
#include "ops/conv_window.h"
#include "ops/ops.h"

#include <string.h>

/* --------------------------------------------------------------------------------------------------------- weights */

typedef struct tap_source {
    const int8_t *weights; /* [channel][row] */
    uint32_t row, channels, taps;
} tap_source;

/* [tap][channel], channels padded to whole words. */
static void pack_taps(const void *from, void *dst, size_t size)
{
    const tap_source *source = from;
    int8_t *out = dst;
    uint32_t padded = (source->channels + 3) / 4 * 4;
    for (uint32_t tap = 0; tap < source->taps; tap++)
        for (uint32_t c = 0; c < padded; c++)
            *out++ = c < source->channels ? source->weights[(size_t)c * source->row + tap] : 0;
    memset(out, 0, size - (size_t)(out - (int8_t *)dst));
}

static uint32_t taps_of(const conv2d_problem *p) { return p->kernel[0] * p->kernel[1]; }

static uint32_t words_of(const conv2d_problem *p) { return (p->out_c + 3) / 4; }

/* Adds the packed weights and the bindings to a node, and the node to the graph. */
static vkd_status emit(vkd_lowering *lowering, const conv2d *conv, vkd_node *node)
{
    const conv2d_problem *p = &conv->problem;
    tap_source *source = vkd_arena_alloc(lowering->graph->arena, 1, sizeof *source);
    if (!source)
        return vkd_fail_memory(lowering->context, "convolution weights");
    *source = (tap_source){
        .weights = conv->weights,
        .row = (taps_of(p) + 3) / 4 * 4,
        .channels = p->out_c,
        .taps = taps_of(p),
    };
    vkd_tensor_id weights;
    VKD_TRY(vkd_graph_add_buffer(lowering->graph, (uint64_t)taps_of(p) * words_of(p) * 4, pack_taps, source, &weights));
    vkd_node_read(node, conv->x);
    vkd_node_read(node, weights);
    vkd_requantize_bind(node, conv->channels, conv->residual, conv->y);
    return vkd_graph_add_node(lowering->graph, node);
}

/* ------------------------------------------------------------------------------------------------------------ cost */

/* Microseconds for invocations that each load so many words and finish so many words of output. On a GPU that they do not fill,
 * it is the length of one; measured on an H100 for discrete ones. On a CPU it is the sum of all; measured on a 2-core machine.
 */
static double cost_of(const vkd_caps *caps, double invocations, double loads, double outputs)
{
    if (caps->type == VKD_TYPE_CPU)
        return 6.0 + invocations * (loads / 420 + outputs / 200);
    bool discrete = caps->type == VKD_TYPE_DISCRETE;
    double length = 0.7 + 0.3 * outputs + 0.038 * loads, filled = invocations / (discrete ? 1 << 17 : 1 << 13);
    return 2.0 + (discrete ? 1 : 4) * length * (filled > 1 ? filled : 1);
}

/* ------------------------------------------------------------------------------------------------------ any window */

static bool is_depthwise(const conv2d_problem *p) { return p->groups == p->in_c && p->groups == p->out_c; }

static const char *refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    (void)caps, (void)tile;
    return is_depthwise(p) ? NULL : "it is not depthwise";
}

static double cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    (void)tile;
    return cost_of(caps, (double)conv2d_pixels(p) * words_of(p), 4.0 * taps_of(p), 1); /* nothing of the loop is unrolled */
}

static vkd_status emit_any(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    (void)tile;
    if (lowering->caps->type == VKD_TYPE_CPU && taps_of(&conv->problem) > VKD_CPU_MAX_LOOP / 2)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "a window of %ux%u on a CPU", conv->problem.kernel[0],
                           conv->problem.kernel[1]);
    conv_params push = conv2d_window_params(conv);
    vkd_node node = conv2d_node(lowering, conv, VKD_SHADER_CONV_DW, &push, sizeof push);
    vkd_node_linear(&node, lowering->caps, conv2d_pixels(&conv->problem) * words_of(&conv->problem));
    return emit(lowering, conv, &node);
}

/* ------------------------------------------------------------------------------------------------------------ rows */

/* m pixels of a row, n channels; lanes: the kernels for llvmpipe. */
static const gemm_tile row_tiles[] = {
    {.name = "2x4", .m = 2, .n = 4},
    {.name = "4x4", .m = 4, .n = 4},
    {.name = "lanes 4x16", .m = 4, .n = 16, .kind = GEMM_IN_LANES},
};
enum { ROW_TILES = sizeof row_tiles / sizeof row_tiles[0] };

static const struct row_kernel {
    uint32_t kernel, stride;
    vkd_shader shaders[ROW_TILES];
} row_kernels[] = {
    {3, 1, {VKD_SHADER_CONV_DW_3X3_S1_W2, VKD_SHADER_CONV_DW_3X3_S1_W4, VKD_SHADER_CONV_DW_LANES_3X3_S1}},
    {3, 2, {VKD_SHADER_CONV_DW_3X3_S2_W2, VKD_SHADER_CONV_DW_3X3_S2_W4, VKD_SHADER_CONV_DW_LANES_3X3_S2}},
    {5, 1, {VKD_SHADER_CONV_DW_5X5_S1_W2, VKD_SHADER_CONV_DW_5X5_S1_W4, VKD_SHADER_CONV_DW_LANES_5X5_S1}},
    {5, 2, {VKD_SHADER_CONV_DW_5X5_S2_W2, VKD_SHADER_CONV_DW_5X5_S2_W4, VKD_SHADER_CONV_DW_LANES_5X5_S2}},
};

static const struct row_kernel *row_kernel(const conv2d_problem *p)
{
    for (size_t i = 0; i < sizeof row_kernels / sizeof row_kernels[0]; i++) {
        const struct row_kernel *k = &row_kernels[i];
        if (p->kernel[0] == k->kernel && p->kernel[1] == k->kernel && p->stride[0] == k->stride && p->stride[1] == k->stride)
            return k;
    }
    return NULL;
}

typedef struct grid {
    uint32_t local[3], groups[3];
} grid;

/* Workgroups of 64 that fit the output. x is words of channels, y tiles of pixels in a row, z rows; for lanes, x is texels of
 * channels and tiles, y rows, which leaves fewer lanes without work. */
static grid row_grid(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    uint32_t tiles = (p->out_w + tile->m - 1) / tile->m, rows = p->n * p->out_h;
    const uint32_t words[3] = {words_of(p), tiles, rows}, texels[3] = {p->out_c / tile->n * tiles, rows, 1};
    const uint32_t *size = (tile->kind == GEMM_IN_LANES) ? texels : words;
    grid g = {.local = {1, 1, 1}};
    uint32_t room = caps->max_workgroup_invocations < 64 ? caps->max_workgroup_invocations : 64;
    for (int axis = 0; axis < 3; axis++) {
        while (g.local[axis] < 8 && g.local[axis] < size[axis] && room >= 2) {
            g.local[axis] *= 2;
            room /= 2;
        }
        g.groups[axis] = (size[axis] + g.local[axis] - 1) / g.local[axis];
    }
    return g;
}

static const char *lanes_refuse(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    if (caps->type != VKD_TYPE_CPU)
        return "it is for CPU devices";
    if (p->out_c % tile->n)
        return "the channels are no multiple of 16";
    uint64_t pixels = (uint64_t)p->n * p->in_h * p->in_w;
    pixels = conv2d_pixels(p) > pixels ? conv2d_pixels(p) : pixels;
    return pixels * (p->out_c / tile->n) > caps->max_texels ? "its tensors are larger than a texel buffer" : NULL;
}

static const char *row_refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    if (!is_depthwise(p))
        return "it is not depthwise";
    if (!row_kernel(p) || p->dilation[0] != 1 || p->dilation[1] != 1)
        return "the window is not 3x3 or 5x5 with stride 1 or 2, undilated";
    grid g = row_grid(p, caps, tile);
    for (int axis = 0; axis < 3; axis++)
        if (g.groups[axis] > caps->max_workgroup_count[axis])
            return "its grid is larger than the device allows";
    return (tile->kind == GEMM_IN_LANES) ? lanes_refuse(p, caps, tile) : NULL;
}

static double row_cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    double loads = p->kernel[0] * ((tile->m - 1) * p->stride[1] + 2.0 * p->kernel[1]); /* inputs, and a row of weights */
    double invocations = (double)p->n * p->out_h * ((p->out_w + tile->m - 1) / tile->m) * words_of(p);
    /* A fetch brings four words at the price of less than one. */
    return (tile->kind == GEMM_IN_LANES) ? 6.0 + invocations * (loads / 1300 + tile->m / 600.0)
                                         : cost_of(caps, invocations, loads, tile->m);
}

static vkd_status emit_row(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    conv_params push = conv2d_window_params(conv);
    vkd_shader shader = row_kernel(&conv->problem)->shaders[tile - row_tiles];
    vkd_node node = conv2d_node(lowering, conv, shader, &push, sizeof push);
    grid g = row_grid(&conv->problem, lowering->caps, tile);
    memcpy(node.specs, g.local, sizeof g.local);
    memcpy(node.groups, g.groups, sizeof g.groups);
    node.spec_count = 3;
    node.texel_mask = (tile->kind == GEMM_IN_LANES) ? 0xf : 0; /* all but the result */
    return emit(lowering, conv, &node);
}

const conv2d_variant conv2d_depthwise_variants[] = {
    {"depthwise", "depthwise", NULL, refuses, cost, emit_any},
    {"depthwise_row 2x4", "depthwise_row", &row_tiles[0], row_refuses, row_cost, emit_row},
    {"depthwise_row 4x4", "depthwise_row", &row_tiles[1], row_refuses, row_cost, emit_row},
    {"depthwise_row lanes 4x16", "depthwise_row", &row_tiles[2], row_refuses, row_cost, emit_row},
};
const size_t conv2d_depthwise_variant_count = sizeof conv2d_depthwise_variants / sizeof conv2d_depthwise_variants[0];

/* -------------------------------------------------------------------------------------------------------- lowering */

#define DEPTHWISE_PARAMS                                                                                                       \
    VKD_CONV_PARAMS, VKD_INTS(conv_args, dilation, 2), VKD_INT(conv_args, groups), VKD_STRING(conv_args, requantize.activation)

static const vkd_param depthwise_params[] = {DEPTHWISE_PARAMS, VKD_OUTPUT(conv_args, y), VKD_PARAMS_END};

/* The rewriter's "vkd.q8_conv2d_dw", as "vkd.q8_conv2d". */
static const vkd_param fused_depthwise_params[] = {DEPTHWISE_PARAMS, VKD_FUSED_PARAMS(conv_args, fused),
                                                   VKD_OUTPUT(conv_args, y), VKD_PARAMS_END};

static int64_t out_size(const conv_args *args, int axis, int64_t in)
{
    int64_t reach = (int64_t)args->dilation[axis] * (args->kernel[axis] - 1) + 1;
    int64_t room = in + 2 * (int64_t)args->padding[axis] - reach;
    return room < 0 ? 0 : room / args->stride[axis] + 1;
}

/* The file's [kernel_h][kernel_w][channel] in the order that all variants know: [channel][row of taps]. */
static vkd_status reorder_weights(vkd_lowering *lowering, uint32_t value, const conv2d_problem *p, const int8_t **out)
{
    const vkd_model_tensor *weight = vkd_value_tensor(lowering, value);
    uint32_t padded = words_of(p) * 4, row = (taps_of(p) + 3) / 4 * 4;
    bool whole = weight->rank == 3 && weight->dims[2] == padded; /* channels may be padded to whole words */
    VKD_TRY(
        conv_args_check_weight(lowering, value, 3, (const uint32_t[]){p->kernel[0], p->kernel[1], whole ? padded : p->out_c}));
    const int8_t *taps = weight->data;
    int8_t *rows = vkd_arena_alloc(lowering->graph->arena, p->out_c, row);
    if (!rows)
        return vkd_fail_memory(lowering->context, "convolution weights");
    for (uint32_t tap = 0; tap < taps_of(p); tap++)
        for (uint32_t c = 0; c < p->out_c; c++)
            rows[(size_t)c * row + tap] = taps[(size_t)tap * weight->dims[2] + c];
    *out = rows;
    return VKD_OK;
}

static vkd_status lower(vkd_lowering *lowering, const conv_args *args, bool fused)
{
    conv2d conv;
    VKD_TRY(conv_args_begin(lowering, args, out_size, fused, &conv));
    if (!is_depthwise(&conv.problem))
        return vkd_op_fail(lowering, VKD_UNSUPPORTED,
                           "%u groups for %u input and %u output channels: one channel a group is supported",
                           conv.problem.groups, conv.problem.in_c, conv.problem.out_c);
    VKD_TRY(reorder_weights(lowering, args->weight, &conv.problem, &conv.weights));
    return conv2d_build(lowering, &conv, conv2d_depthwise_variants, conv2d_depthwise_variant_count);
}

vkd_status vkd_lower_conv2d_dw(vkd_lowering *lowering)
{
    conv_args args = {0};
    VKD_TRY(vkd_op_args(lowering, depthwise_params, &args));
    return lower(lowering, &args, false);
}

vkd_status vkd_lower_fused_conv2d_dw(vkd_lowering *lowering)
{
    conv_args args = {0};
    VKD_TRY(vkd_op_args(lowering, fused_depthwise_params, &args));
    return lower(lowering, &args, true);
}
