/* The variants of convolutions of floats: a sliding window for everything, a depthwise one, and matrix products. */
#include "ops/conv_float.h"
#include "shaders/conv_float_params.h"

#include <string.h>

/* -------------------------------------------------------------------------------------------------------- emission */

static conv_float_params params_of(const conv2d *conv, uint32_t w_tap)
{
    const conv2d_problem *p = &conv->problem;
    return (conv_float_params){
        .n = p->n,
        .in_h = p->in_h,
        .in_w = p->in_w,
        .out_h = p->out_h,
        .out_w = p->out_w,
        .in_c4 = (uint32_t)vkd_divide_up(p->in_c, 4),
        .out_c4 = (uint32_t)vkd_divide_up(p->out_c, 4),
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
    };
}

/* A dispatch with its operands and the constants that all kernels have; the grid is the caller's. */
static vkd_status begin(vkd_lowering *lowering, const conv2d *conv, vkd_shader shader, uint64_t loops, uint32_t w_tap,
                        vkd_node *out)
{
    const bool has_bias = conv->real.bias != VKD_NO_TENSOR;
    const conv_float_params push = params_of(conv, w_tap);
    vkd_tensor_id weights;
    VKD_TRY(conv2d_float_weights(lowering, conv, w_tap, &weights));
    *out = conv2d_node(lowering, conv, shader, loops, &push, sizeof push);
    vkd_node_read(out, conv->x);
    vkd_node_read(out, weights);
    vkd_node_read(out, has_bias ? conv->real.bias : weights);
    vkd_node_write(out, conv->y);
    vkd_node_spec(out, conv->problem.dtype);
    vkd_node_spec(out, has_bias);
    vkd_node_spec(out, conv->problem.transposed);
    return VKD_OK;
}

static uint32_t words_of(const conv2d_problem *p) { return (uint32_t)vkd_divide_up(p->out_c, 4); }

/* -------------------------------------------------------------------------------------------------------- estimates */

/* What a device does in a microsecond, by its type; measured on a 2-core machine with llvmpipe, else reckoned. */
typedef struct device_rates {
    double start;        /* of a dispatch */
    double scalar, tile; /* multiply-adds: of the sliding window, of a product in registers */
    double depthwise;    /* of the depthwise kernel */
    double invocations;  /* that keep it busy */
    double latency;      /* of an invocation's step */
} device_rates;

static const device_rates cpu = {6, 300, 3e3, 2e3, 1, 0};
static const device_rates discrete = {2, 300e3, 6e6, 1.5e6, 1 << 16, 0.1};
static const device_rates mobile = {2, 10e3, 200e3, 60e3, 1 << 13, 0.4};

static const device_rates *rates_of(const vkd_caps *caps)
{
    return caps->type == VKD_TYPE_CPU ? &cpu : caps->type == VKD_TYPE_DISCRETE ? &discrete : &mobile;
}

/* Of so many invocations that share `macs`, each in so many steps. */
static double cost_of(const vkd_caps *caps, double rate, double macs, double invocations, double steps)
{
    const device_rates *rates = rates_of(caps);
    double filled = invocations / rates->invocations, work = macs / (rate * (filled < 1 ? filled : 1));
    double alone = steps * rates->latency;
    return rates->start + (work > alone ? work : alone);
}

/* ---------------------------------------------------------------------------------------------------- any convolution */

static uint64_t general_loops(const conv2d_problem *p)
{
    return vkd_loop(p->kernel[0], vkd_loop(p->kernel[1], vkd_loop(conv2d_ic_group(p), 0)));
}

const char *conv2d_float_general_refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    (void)tile;
    return vkd_loops_refuse(caps, general_loops(p));
}

double conv2d_float_general_cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    (void)tile;
    double invocations = (double)conv2d_pixels(p) * words_of(p), steps = (double)conv2d_k(p);
    return cost_of(caps, rates_of(caps)->scalar, invocations * steps * 4, invocations, steps);
}

vkd_status conv2d_float_emit_general(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    (void)tile;
    const conv2d_problem *p = &conv->problem;
    vkd_node node;
    VKD_TRY(begin(lowering, conv, VKD_SHADER_CONV_FLOAT, general_loops(p), conv2d_ic_group(p), &node));
    vkd_node_linear(&node, lowering->caps, conv2d_pixels(p) * words_of(p));
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}

/* --------------------------------------------------------------------------------------------------------- depthwise */

enum { RUN = 4 }; /* pixels of an invocation */

static uint64_t depthwise_loops(const conv2d_problem *p) { return vkd_loop(p->kernel[0], vkd_loop(p->kernel[1], 0)); }

static uint64_t runs_of(const conv2d_problem *p)
{
    return (uint64_t)p->n * p->out_h * vkd_divide_up(p->out_w, RUN) * words_of(p);
}

const char *conv2d_float_depthwise_refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    (void)tile;
    if (!conv2d_is_depthwise(p))
        return "it is not depthwise";
    return vkd_loops_refuse(caps, depthwise_loops(p));
}

double conv2d_float_depthwise_cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    (void)tile;
    double invocations = (double)runs_of(p), steps = conv2d_taps(p);
    return cost_of(caps, rates_of(caps)->depthwise, invocations * steps * 4 * RUN, invocations, steps);
}

vkd_status conv2d_float_emit_depthwise(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    (void)tile;
    const conv2d_problem *p = &conv->problem;
    vkd_node node;
    VKD_TRY(begin(lowering, conv, VKD_SHADER_CONV_FLOAT_DW, depthwise_loops(p), 1, &node));
    vkd_node_linear(&node, lowering->caps, runs_of(p));
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}

/* --------------------------------------------------------------------------------------------------- matrix products */

#define TILE(id, tile_name, pixels, channels)                                                                                  \
    [CONV2D_FLOAT_##                                                                                                           \
        id] = {.name = tile_name, .shader = VKD_SHADER_CONV_FLOAT_TILE, .m = pixels, .n = channels, .kind = GEMM_INVOCATIONS},
const gemm_tile conv2d_float_tiles[CONV2D_FLOAT_TILE_COUNT] = {CONV2D_FLOAT_TILES(TILE)};
#undef TILE

/* Of k, four input channels each. */
static uint32_t tap_steps(const conv2d_problem *p) { return (uint32_t)vkd_divide_up(conv2d_ic_group(p), 4); }
static uint64_t steps_of(const conv2d_problem *p) { return (uint64_t)conv2d_taps(p) * tap_steps(p); }

static uint64_t tile_loops(const conv2d_problem *p, uint32_t slices)
{
    uint64_t share = vkd_divide_up(steps_of(p), slices), taps = vkd_divide_up(share, tap_steps(p)) + (slices > 1);
    return share + vkd_loop(taps, 1) + vkd_loop(slices - 1, 0);
}

static uint64_t tiles_of(const conv2d_problem *p, const gemm_tile *tile)
{
    return vkd_divide_up(conv2d_pixels(p), tile->m) * vkd_divide_up(p->out_c, tile->n);
}

/* Along n, m, and slices of k. Few sizes, so that few pipelines serve all shapes. */
static void tile_workgroup(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile, uint32_t local[3])
{
    uint32_t limit = caps->max_workgroup_invocations < 256 ? caps->max_workgroup_invocations : 256, room = 64;
    local[0] = local[1] = local[2] = 1;
    while (local[0] < 8 && local[0] * tile->n < p->out_c)
        local[0] *= 2;
    double filled = (double)tiles_of(p, tile) / rates_of(caps)->invocations;
    while (local[2] < 16 && local[2] * 4 <= caps->max_workgroup_size[2] && steps_of(p) >= 8 * 4 * local[2] &&
           (filled * local[2] < 1 || vkd_loops_refuse(caps, tile_loops(p, local[2]))))
        local[2] *= 4;
    while (room * local[2] > limit || (local[2] - 1) * room * tile->m * tile->n * 4 > caps->shared_memory)
        room /= 2;
    while (local[0] > room)
        local[0] /= 2;
    local[1] = room / local[0];
}

/* Workgroups along m, in y and z. */
static void tile_rows(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile, uint32_t height, uint32_t out[2])
{
    uint64_t rows = vkd_divide_up(conv2d_pixels(p), tile->m * height);
    out[1] = (uint32_t)vkd_divide_up(rows, caps->max_workgroup_count[1]);
    out[0] = (uint32_t)vkd_divide_up(rows, out[1]);
}

const char *conv2d_float_tile_refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    if (!conv2d_groups_fill_words(p))
        return "the channels of a group are no multiple of 4";
    uint32_t local[3], rows[2];
    tile_workgroup(p, caps, tile, local);
    tile_rows(p, caps, tile, local[1], rows);
    if (rows[1] > caps->max_workgroup_count[2])
        return "it has more rows than a dispatch can have workgroups for";
    return vkd_loops_refuse(caps, tile_loops(p, local[2]));
}

double conv2d_float_tile_cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    uint32_t local[3];
    tile_workgroup(p, caps, tile, local);
    double macs = (double)tiles_of(p, tile) * tile->m * tile->n * (double)steps_of(p) * 4;
    return cost_of(caps, rates_of(caps)->tile, macs, (double)tiles_of(p, tile) * local[2], (double)steps_of(p) / local[2]);
}

static bool hangs_over(const conv2d_problem *p) { return p->transposed || p->padding[0] || p->padding[1]; }

vkd_status conv2d_float_emit_tile(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    const conv2d_problem *p = &conv->problem;
    uint32_t local[3];
    vkd_node node;
    tile_workgroup(p, lowering->caps, tile, local);
    VKD_TRY(begin(lowering, conv, tile->shader, tile_loops(p, local[2]), tap_steps(p) * 4, &node));
    memcpy(node.specs, local, sizeof local);
    node.groups[0] = (uint32_t)vkd_divide_up(p->out_c, tile->n * local[0]);
    tile_rows(p, lowering->caps, tile, local[1], &node.groups[1]);
    vkd_node_spec(&node, hangs_over(p));
    vkd_node_spec(&node, conv2d_ic_group(p) % 4 != 0);
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}

/* ------------------------------------------------------------------------------------------------------------- table */

static bool is_pointwise(const conv2d_problem *p)
{
    return p->kernel[0] == 1 && p->kernel[1] == 1 && !p->padding[0] && !p->padding[1] && !p->transposed;
}

static const char *pointwise_refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    return is_pointwise(p) ? conv2d_float_tile_refuses(p, caps, tile) : "the kernel is not 1x1 without padding";
}

static const char *implicit_refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    return is_pointwise(p) ? "it is pointwise" : conv2d_float_tile_refuses(p, caps, tile);
}

#define POINTWISE(id, name, ...)                                                                                               \
    {"pointwise " name,      "pointwise",           &conv2d_float_tiles[CONV2D_FLOAT_##id], pointwise_refuses,                 \
     conv2d_float_tile_cost, conv2d_float_emit_tile},
#define IMPLICIT(id, name, ...)                                                                                                \
    {"implicit " name,      "implicit", &conv2d_float_tiles[CONV2D_FLOAT_##id], implicit_refuses, conv2d_float_tile_cost,      \
     conv2d_float_emit_tile},

/* clang-format off */
const conv2d_variant conv2d_float_variants[] = {
    {"general", "general", NULL, conv2d_float_general_refuses, conv2d_float_general_cost, conv2d_float_emit_general},
    CONV2D_FLOAT_TILES(POINTWISE)
    CONV2D_FLOAT_TILES(IMPLICIT)
    {"depthwise", "depthwise", NULL, conv2d_float_depthwise_refuses, conv2d_float_depthwise_cost, conv2d_float_emit_depthwise},
};
/* clang-format on */
const size_t conv2d_float_variant_count = sizeof conv2d_float_variants / sizeof *conv2d_float_variants;
