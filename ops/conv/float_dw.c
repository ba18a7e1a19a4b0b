/* Depthwise convolutions of floats: shaders/conv_float_dw.comp for any window, conv_float_row.comp
 * for those that are not wide. */
#include "ops/conv/float.h"

#include <math.h>

enum { RUN = 4 }; /* pixels of an invocation */
/* What follows a pixel's sum takes as long as so many taps. */
enum { PIXEL_STEPS = 5 };

static uint64_t depthwise_loops(const conv2d_problem *p)
{
    return vkd_loop(p->kernel[0], vkd_loop(p->kernel[1], 0));
}

static uint64_t runs_of(const conv2d_problem *p, uint32_t pixels)
{
    return (uint64_t)p->n * p->out_h * vkd_divide_up(p->out_w, pixels) * vkd_divide_up(p->out_c, 4);
}

const char *vkd_conv2d_float_depthwise_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                               const gemm_tile *tile)
{
    (void)tile;
    if (!conv2d_is_depthwise(p))
        return "it is not depthwise";
    return vkd_loops_refuse(caps, depthwise_loops(p));
}

double vkd_conv2d_float_depthwise_cost(const conv2d_problem *p, const vkd_caps *caps,
                                       const gemm_tile *tile)
{
    (void)tile;
    static const conv2d_float_rates rates = {2.1e3, 860, 5e6, 100e3, 0, 0};
    double outputs = (double)runs_of(p, RUN) * 4 * RUN, taps = conv2d_taps(p);
    return vkd_conv2d_float_cost(caps, &rates, outputs * taps, outputs, taps + PIXEL_STEPS * RUN);
}

vkd_status vkd_conv2d_float_emit_depthwise(vkd_lowering *lowering, const conv2d *conv,
                                           const gemm_tile *tile)
{
    (void)tile;
    const conv2d_problem *p = &conv->problem;
    const conv2d_packing packing = {4, 1, 1};
    vkd_node node;
    VKD_TRY(vkd_conv2d_float_begin(lowering, conv, VKD_SHADER_CONV_FLOAT_DW, depthwise_loops(p),
                                   &packing, &node));
    vkd_node_linear(&node, lowering->caps, runs_of(p, RUN));
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}

/* ----------------------------------------------------------------------------------------- rows */

#define TILE(id, tile_name, pixels, channels, way)                                                 \
    [CONV2D_FLOAT_##id] = {.name = tile_name,                                                      \
                           .shader = VKD_SHADER_CONV_FLOAT_##id,                                   \
                           .m = pixels,                                                            \
                           .n = channels,                                                          \
                           .kind = way},
const gemm_tile vkd_conv2d_float_row_tiles[CONV2D_FLOAT_ROW_TILE_COUNT] = {
    CONV2D_FLOAT_ROW_TILES(TILE)};
#undef TILE

static uint64_t row_loops(const conv2d_problem *p) { return vkd_loop(p->kernel[0], 0); }

const char *vkd_conv2d_float_row_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                         const gemm_tile *tile)
{
    enum { WIDEST = 7, LONGEST_STRIDE = 2 };
    if (!conv2d_is_depthwise(p))
        return "it is not depthwise";
    if (p->transposed || p->kernel[1] > WIDEST || (tile->m == 1 && p->kernel[0] > WIDEST))
        return tile->m == 1 ? "it is transposed, or its window larger than 7x7"
                            : "it is transposed, or its window wider than 7";
    if (tile->m > 1 && (p->dilation[0] > 1 || p->dilation[1] > 1 || p->stride[1] > LONGEST_STRIDE))
        return "its window is dilated, or more than 2 pixels from the next one";
    if (tile->kind == GEMM_IN_LANES && caps->type != VKD_TYPE_CPU)
        return "it is for CPU devices";
    if (tile->kind == GEMM_IN_LANES && vkd_conv2d_float_texels(p) > caps->max_texels)
        return "its tensors are larger than a texel buffer";
    return vkd_loops_refuse(caps, row_loops(p));
}

/* Its work is loads, of inputs and of weights. Each row of the window is waited for, and each pixel
 * has what follows the sum. */
double vkd_conv2d_float_row_cost(const conv2d_problem *p, const vkd_caps *caps,
                                 const gemm_tile *tile)
{
    static const conv2d_float_rates rates[] = {
        [CONV2D_FLOAT_ROW_ONE] = {300, INFINITY, 1e6, 20e3, 0, 0},
        [CONV2D_FLOAT_ROW] = {400, INFINITY, 1e6, 20e3, 0, 0},
        [CONV2D_FLOAT_ROW_LANES] = {650, INFINITY, 1e6, 20e3, 0, 0}};
    double runs = (double)runs_of(p, tile->m),
           loads = p->kernel[0] * ((tile->m - 1.0) * p->stride[1] + 2.0 * p->kernel[1]);
    return vkd_conv2d_float_cost(caps, &rates[tile - vkd_conv2d_float_row_tiles], runs * loads,
                                 runs * tile->m * tile->n,
                                 3.0 * p->kernel[0] + PIXEL_STEPS * tile->m);
}

vkd_status vkd_conv2d_float_emit_row(vkd_lowering *lowering, const conv2d *conv,
                                     const gemm_tile *tile)
{
    const conv2d_problem *p = &conv->problem;
    const conv2d_packing packing = {4, 1, 1};
    vkd_node node;
    VKD_TRY(vkd_conv2d_float_begin(lowering, conv, tile->shader, row_loops(p), &packing, &node));
    vkd_node_linear(&node, lowering->caps, runs_of(p, tile->m));
    vkd_node_spec(&node, p->kernel[1]);
    vkd_node_spec(&node, p->stride[1]);
    vkd_node_spec(&node, p->kernel[0]);
    if (tile->kind == GEMM_IN_LANES)
        vkd_conv2d_float_fetch_texels(&node, p->dtype);
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}
