/* The variants of convolutions of floats: a sliding window for everything, a depthwise one, and
 * matrix products. */
#include "ops/conv/float.h"
#include "shaders/conv_float_params.h"

/* ------------------------------------------------------------------------------------- emission */

static conv_float_params params_of(const conv2d *conv, uint32_t w_tap)
{
    const conv2d_problem *p = &conv->problem;
    conv_float_params params = {
        .n = p->n,
        .in_h = p->in_h,
        .in_w = p->in_w,
        .out_h = p->out_h,
        .out_w = p->out_w,
        .in_c4 = (uint32_t)vkd_divide_up(p->in_c, 4),
        .out_c4 = (uint32_t)vkd_divide_up(p->out_c, 4),
        .groups = p->groups,
        .ic_group = conv2d_ic_group(p),
        .oc_group = conv2d_oc_group(p),
        .w_tap = w_tap,
        .kernel_h = p->kernel[0],
        .kernel_w = p->kernel[1],
        .stride_h = p->stride[0],
        .stride_w = p->stride[1],
        .padding_h = p->padding[0],
        .padding_w = p->padding[1],
        .dilation_h = p->dilation[0],
        .dilation_w = p->dilation[1],
        .low = conv->real.low,
        .high = conv->real.high,
        .eps = conv->real.norm_eps,
    };
    vkd_epilogue_numbers(&conv->real.epilogue, params.numbers);
    return params;
}

/* A dispatch with its operands and the constants that all kernels have; the grid is the caller's.
 */
vkd_status vkd_conv2d_float_begin(vkd_lowering *lowering, const conv2d *conv, vkd_shader shader,
                                  uint64_t loops, const conv2d_packing *packing, vkd_node *out)
{
    const bool has_bias = conv->real.bias != VKD_NO_TENSOR;
    const conv_float_params push = params_of(conv, packing->w_tap);
    vkd_tensor_id weights;
    VKD_TRY(vkd_conv2d_float_weights(lowering, conv, packing, &weights));
    *out = vkd_conv2d_node(lowering, conv, shader, loops, &push, sizeof push);
    vkd_node_read(out, conv->x);
    vkd_node_read(out, weights);
    vkd_node_read(out, has_bias              ? conv->real.bias
                       : conv->real.has_norm ? conv->real.norm
                                             : weights);
    vkd_node_write(out, conv->y);
    vkd_node_spec(out, conv->problem.dtype);
    vkd_node_spec(out, has_bias);
    vkd_node_spec(out, conv->problem.transposed);
    vkd_epilogue_bind(out, lowering->graph, &conv->real.epilogue, weights);
    return VKD_OK;
}

uint64_t vkd_conv2d_float_texels(const conv2d_problem *p)
{
    const uint64_t texel = p->dtype == VKD_DTYPE_FLOAT16 ? 2 : 4; /* elements of one */
    uint64_t x = (uint64_t)p->n * p->in_h * p->in_w * vkd_align_up(p->in_c, 4);
    uint64_t w = vkd_align_up(p->out_c, 8) * conv2d_taps(p) * vkd_align_up(conv2d_ic_group(p), 4);
    return (x > w ? x : w) / texel;
}

void vkd_conv2d_float_fetch_texels(vkd_node *node, vkd_dtype dtype)
{
    node->texel_mask = 0x3;
    node->word_mask = dtype == VKD_DTYPE_FLOAT16 ? 0x3 : 0;
}

static uint32_t words_of(const conv2d_problem *p) { return (uint32_t)vkd_divide_up(p->out_c, 4); }

/* ------------------------------------------------------------------------------------ estimates */

double vkd_conv2d_float_cost(const vkd_caps *caps, const conv2d_float_rates *rates, double work,
                             double outputs, double steps)
{
    if (caps->type == VKD_TYPE_CPU)
        return 6.0 + work / rates->cpu + outputs / rates->cpu_outputs;
    const bool discrete = caps->type == VKD_TYPE_DISCRETE;
    const double together = work / (discrete ? rates->discrete : rates->mobile),
                 alone = steps * (!discrete         ? 0.6
                                  : rates->step > 0 ? rates->step
                                                    : 0.15),
                 more = together > alone ? together : alone,
                 less = together > alone ? alone : together;
    return (discrete && rates->start > 0 ? rates->start : 2) + more + 0.3 * less * less / more;
}

/* ------------------------------------------------------------------------------ any convolution */

static uint64_t general_loops(const conv2d_problem *p)
{
    return vkd_loop(p->kernel[0], vkd_loop(p->kernel[1], vkd_loop(conv2d_ic_group(p), 0)));
}

const char *vkd_conv2d_float_general_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                             const gemm_tile *tile)
{
    (void)tile;
    return vkd_loops_refuse(caps, general_loops(p));
}

double vkd_conv2d_float_general_cost(const conv2d_problem *p, const vkd_caps *caps,
                                     const gemm_tile *tile)
{
    (void)tile;
    static const conv2d_float_rates rates = {1.7e3, 106, 1e6, 30e3, 0, 0};
    double outputs = (double)conv2d_pixels(p) * words_of(p) * 4, k = (double)conv2d_k(p);
    return vkd_conv2d_float_cost(caps, &rates, outputs * k, outputs, k);
}

vkd_status vkd_conv2d_float_emit_general(vkd_lowering *lowering, const conv2d *conv,
                                         const gemm_tile *tile)
{
    (void)tile;
    const conv2d_problem *p = &conv->problem;
    const conv2d_packing packing = {4, 1, conv2d_ic_group(p)};
    vkd_node node;
    VKD_TRY(vkd_conv2d_float_begin(lowering, conv, VKD_SHADER_CONV_FLOAT, general_loops(p),
                                   &packing, &node));
    vkd_node_linear(&node, lowering->caps, conv2d_pixels(p) * words_of(p));
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}

/* ---------------------------------------------------------------------------------------- table */

static bool is_pointwise(const conv2d_problem *p)
{
    return p->kernel[0] == 1 && p->kernel[1] == 1 && !p->padding[0] && !p->padding[1] &&
           !p->transposed;
}

static const char *pointwise_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                     const gemm_tile *tile)
{
    return is_pointwise(p) ? vkd_conv2d_float_tile_refuses(p, caps, tile)
                           : "the kernel is not 1x1 without padding";
}

static const char *implicit_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                    const gemm_tile *tile)
{
    return is_pointwise(p) ? "it is pointwise" : vkd_conv2d_float_tile_refuses(p, caps, tile);
}

static const char *pointwise_block_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                           const gemm_tile *tile)
{
    return is_pointwise(p) ? vkd_conv2d_float_block_refuses(p, caps, tile)
                           : "the kernel is not 1x1 without padding";
}

static const char *implicit_block_refuses(const conv2d_problem *p, const vkd_caps *caps,
                                          const gemm_tile *tile)
{
    return is_pointwise(p) ? "it is pointwise" : vkd_conv2d_float_block_refuses(p, caps, tile);
}

/* clang-format off */
#define POINTWISE(id, kernel, name, ...) \
    {"pointwise " name, "pointwise", &vkd_conv2d_float_tiles[CONV2D_FLOAT_##id], \
     pointwise_refuses, vkd_conv2d_float_tile_cost, vkd_conv2d_float_emit_tile},
#define IMPLICIT(id, kernel, name, ...) \
    {"implicit " name, "implicit", &vkd_conv2d_float_tiles[CONV2D_FLOAT_##id], implicit_refuses, \
     vkd_conv2d_float_tile_cost, vkd_conv2d_float_emit_tile},
#define POINTWISE_BLOCK(id, kernel, name, ...) \
    {"pointwise " name, "pointwise", &vkd_conv2d_float_block_tiles[CONV2D_FLOAT_##id], \
     pointwise_block_refuses, vkd_conv2d_float_block_cost, vkd_conv2d_float_emit_block},
#define IMPLICIT_BLOCK(id, kernel, name, ...) \
    {"implicit " name, "implicit", &vkd_conv2d_float_block_tiles[CONV2D_FLOAT_##id], \
     implicit_block_refuses, vkd_conv2d_float_block_cost, vkd_conv2d_float_emit_block},
#define VECTOR(id, name, ...) \
    {"pointwise " name, "pointwise", &vkd_conv2d_float_vector_tiles[CONV2D_FLOAT_##id], \
     vkd_conv2d_float_vector_refuses, vkd_conv2d_float_vector_cost, vkd_conv2d_float_emit_vector},
#define DEPTHWISE_ROW(id, name, ...) \
    {"depthwise_row " name, "depthwise_row", &vkd_conv2d_float_row_tiles[CONV2D_FLOAT_##id], \
     vkd_conv2d_float_row_refuses, vkd_conv2d_float_row_cost, vkd_conv2d_float_emit_row},

const conv2d_variant vkd_conv2d_float_variants[] = {
    {"general", "general", NULL, vkd_conv2d_float_general_refuses, vkd_conv2d_float_general_cost,
     vkd_conv2d_float_emit_general},
    CONV2D_FLOAT_TILES(POINTWISE)
    CONV2D_FLOAT_TILES(IMPLICIT)
    CONV2D_FLOAT_BLOCK_TILES(POINTWISE_BLOCK)
    CONV2D_FLOAT_BLOCK_TILES(IMPLICIT_BLOCK)
    CONV2D_FLOAT_VECTOR_TILES(VECTOR)
    {"depthwise", "depthwise", NULL, vkd_conv2d_float_depthwise_refuses,
     vkd_conv2d_float_depthwise_cost, vkd_conv2d_float_emit_depthwise},
    CONV2D_FLOAT_ROW_TILES(DEPTHWISE_ROW)
};
/* clang-format on */
const size_t vkd_conv2d_float_variant_count =
    sizeof vkd_conv2d_float_variants / sizeof *vkd_conv2d_float_variants;
