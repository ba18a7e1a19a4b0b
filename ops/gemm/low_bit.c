/* The variants of linear layers of integer weights: shaders/qlinear.comp with one row or several to
 * an invocation, which share k or do not. */
#include "ops/gemm/low_bit.h"
#include "shaders/qlinear_params.h"

#include <string.h>

/* -------------------------------------------------------------------------------------- packing */

static const unsigned char *byte_of(const low_bit_weights *w, int layer, uint32_t n, uint32_t at)
{
    return (const unsigned char *)w->bytes[layer].data + (size_t)n * w->row + at;
}

int32_t vkd_low_bit_weight(const low_bit_weights *w, int layer, uint32_t n, uint32_t k)
{
    if (w->form == LOW_BIT_BYTES)
        return (int8_t)*byte_of(w, layer, n, k);
    const uint32_t byte = *byte_of(w, layer, n, k / 2);
    const bool high = (k % 2 == 0) == (w->form == LOW_BIT_HIGH);
    return (int32_t)(high ? byte >> 4 : byte & 15) - 8;
}

/* As the kernel has it: nibbles plus 8. Behind the ends are zeros. */
static uint32_t packed(const low_bit_weights *w, int layer, uint32_t n, uint32_t k)
{
    const int32_t weight = n < w->n && k < w->k ? vkd_low_bit_weight(w, layer, n, k) : 0;
    return w->bits == 8 ? (uint32_t)weight & 255 : (uint32_t)(weight + 8);
}

static unsigned char *pack_layer(const low_bit_weights *w, int layer, unsigned char *out)
{
    const uint32_t bits = w->bits, step = 32 / bits;
    for (uint32_t first = 0; first < w->n; first += 4)
        for (uint32_t k = 0; k < w->steps; k++)
            for (uint32_t j = 0; j < 4; j++, out += 4) {
                uint32_t word = 0;
                for (uint32_t i = 0; i < step; i++)
                    word |= packed(w, layer, first + j, k * step + i) << (bits * i);
                memcpy(out, &word, 4);
            }
    return out;
}

/* As in shaders/qlinear_params.h. */
static void pack_weights(const void *from, void *dst, size_t size)
{
    const low_bit_weights *w = from;
    unsigned char *out = pack_layer(w, 0, dst);
    if (w->bytes[1].data)
        out = pack_layer(w, 1, out);
    memset(out, 0, size - (size_t)(out - (unsigned char *)dst));
}

double vkd_low_bit_scale(const low_bit_channels *c, int layer, uint32_t n, uint32_t group)
{
    return vkd_element_get((vkd_dtype)c->scale_type[layer], c->scales[layer].data,
                           (size_t)group * c->row[layer] + n);
}

double vkd_low_bit_bias(const low_bit_channels *c, int layer, uint32_t n)
{
    return c->bias[layer].data
               ? vkd_element_get((vkd_dtype)c->bias_type[layer], c->bias[layer].data, n)
               : 0;
}

static float *pack_scales(const low_bit_channels *c, int layer, float *out)
{
    for (uint32_t first = 0; first < c->n; first += 4)
        for (uint32_t g = 0; g < c->groups; g++)
            for (uint32_t n = first; n < first + 4; n++)
                *out++ = n < c->n ? (float)vkd_low_bit_scale(c, layer, n, g) : 0;
    return out;
}

static float *pack_bias(const low_bit_channels *c, int layer, float *out)
{
    for (uint32_t n = 0; n < vkd_align_up(c->n, 4); n++)
        *out++ = n < c->n ? (float)vkd_low_bit_bias(c, layer, n) : 0;
    return out;
}

static void pack_channels(const void *from, void *dst, size_t size)
{
    const low_bit_channels *c = from;
    const int layers = c->scales[1].data ? 2 : 1;
    float *out = dst;
    for (int i = 0; i < layers; i++)
        out = pack_scales(c, i, out);
    for (int i = 0; i < layers; i++)
        out = pack_bias(c, i, out);
    for (uint32_t k = 0; c->norm.data && k < c->k; k++)
        *out++ = (float)vkd_element_get((vkd_dtype)c->norm_type, c->norm.data, k);
    memset(out, 0, size - (size_t)((char *)out - (char *)dst));
}

static vkd_status add_constants(vkd_lowering *lowering, const conv2d_low *low,
                                vkd_tensor_id *weights, vkd_tensor_id *channels)
{
    const low_bit_weights *w = &low->weights;
    const low_bit_channels *c = &low->channels;
    const uint64_t layers = w->bytes[1].data ? 2 : 1, padded = layers * vkd_align_up(w->n, 4);
    VKD_TRY(
        vkd_op_constant(lowering, padded * w->steps * 4, pack_weights, w, sizeof *w, 2, weights));
    return vkd_op_constant(lowering, padded * 4 * (c->groups + 1) + (c->norm.data ? 4 * c->k : 0),
                           pack_channels, c, sizeof *c, 5, channels);
}

/* ------------------------------------------------------------------------------------- variants */

static uint32_t steps_of(const conv2d_problem *p)
{
    return (uint32_t)vkd_divide_up(p->in_c, 32 / p->low_bits);
}

static uint64_t units_of(const conv2d_problem *p, const gemm_tile *tile)
{
    return vkd_divide_up(p->out_w, tile->m) * vkd_divide_up(p->out_c, 4);
}

static uint32_t most_invocations(const vkd_caps *caps, const gemm_tile *tile)
{
    const uint32_t most = 32 * tile->subgroups;
    return caps->max_workgroup_invocations < most ? caps->max_workgroup_invocations : most;
}

/* Invocations that share k: a GPU has nothing else to be parallel in where rows are few. */
static uint32_t lanes_of(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    enum { FEW = 1 << 17 };
    uint32_t lanes = 1;
    while (tile->kind == GEMM_IN_LANES && lanes * 2 <= most_invocations(caps, tile) &&
           lanes * 2 <= steps_of(p) && units_of(p, tile) * lanes < FEW)
        lanes *= 2;
    return lanes;
}

static uint64_t loops_of(const conv2d_problem *p, uint32_t lanes, bool norm)
{
    return 128 + vkd_loop(vkd_divide_up(steps_of(p), lanes), 0) +
           (norm ? 128 + vkd_loop(vkd_divide_up(p->in_c, 4 * (uint64_t)lanes), 0) : 0);
}

static const char *refuses(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    if (tile->kind == GEMM_IN_LANES && caps->type == VKD_TYPE_CPU)
        return "a CPU has enough to do with columns";
    if (tile->kind == GEMM_IN_LANES && lanes_of(p, caps, tile) == 1)
        return "rows and columns are enough for all invocations";
    return vkd_loops_refuse(caps, loops_of(p, lanes_of(p, caps, tile), false));
}

/* On a CPU multiply-adds count, measured with llvmpipe; on a GPU the bytes of weights, which each
 * tile of rows reads again, and how long an invocation is. */
static double cost(const conv2d_problem *p, const vkd_caps *caps, const gemm_tile *tile)
{
    const double tiles = (double)vkd_divide_up(p->out_w, tile->m),
                 columns = vkd_align_up(p->out_c, 4), k = (double)steps_of(p) * (32 / p->low_bits),
                 macs = tiles * tile->m * columns * k,
                 bytes = tiles * columns * k * p->low_bits / 8;
    if (caps->type == VKD_TYPE_CPU)
        return 6 + tiles * columns * k * (0.55 + 0.45 * tile->m) / 0.8e3;
    const bool discrete = caps->type == VKD_TYPE_DISCRETE;
    /* what it leaves to others is a dispatch each, behind a barrier */
    const uint32_t left = tile->m < p->out_w ? (p->low_more & 1) + (p->low_more >> 1) : 0;
    const double step = (discrete ? 0.02 : 0.1) * (1 + 0.25 * tile->m);
    return (discrete ? 3 : 8) * (1 + left) + bytes / (discrete ? 2e6 : 40e3) +
           macs / (discrete ? 10e6 : 100e3) +
           step * (double)vkd_divide_up(steps_of(p), lanes_of(p, caps, tile));
}

static qlinear_params params_of(const conv2d *conv)
{
    const conv2d_low *low = conv->low;
    const uint32_t layers = low->weights.bytes[1].data ? 2 : 1;
    qlinear_params params = {
        .m = conv->problem.out_w,
        .n = low->weights.n,
        .k = low->weights.k,
        .steps = low->weights.steps,
        .group_steps = (uint32_t)vkd_divide_up(low->group, 32 / low->weights.bits),
        .bias_at = layers * low->channels.groups * (uint32_t)vkd_align_up(low->weights.n, 4),
        .x_scale = low->x_scale,
        .x_inverse_scale = low->x_scale > 0 ? vkd_inverse_scale(low->x_scale) : 1,
        .x_zero = (float)low->x_zero,
        .eps = low->eps,
    };
    vkd_epilogue_numbers(&low->epilogue, params.numbers);
    return params;
}

static vkd_status emit(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    const conv2d_problem *p = &conv->problem;
    const conv2d_low *low = conv->low;
    const bool norm = low->channels.norm.data, pair = low->weights.bytes[1].data;
    const uint32_t lanes = lanes_of(p, lowering->caps, tile);
    const qlinear_params params = params_of(conv);
    vkd_epilogue epilogue = low->epilogue;
    vkd_tensor_id weights, channels;
    VKD_TRY(add_constants(lowering, low, &weights, &channels));
    if (pair)
        epilogue.residual = channels; /* the binding has to have something */
    vkd_node node = vkd_conv2d_node(lowering, conv, VKD_SHADER_QLINEAR, loops_of(p, lanes, norm),
                                    &params, sizeof params);
    node.specs[0] = lanes;
    node.specs[1] = 1;
    while (lanes * node.specs[1] * 2 <= most_invocations(lowering->caps, tile))
        node.specs[1] *= 2;
    vkd_node_groups(&node, lowering->caps, vkd_divide_up(units_of(p, tile), node.specs[1]));
    vkd_node_read(&node, conv->x);
    vkd_node_read(&node, weights);
    vkd_node_read(&node, channels);
    vkd_node_write(&node, conv->y);
    vkd_node_spec(&node, p->dtype);
    vkd_node_spec(&node, low->y_type);
    vkd_node_spec(&node, p->low_bits);
    vkd_node_spec(&node, low->mode);
    vkd_node_spec(&node, tile->m);
    vkd_node_spec(&node, p->out_c % 4 == 0 ? 1 : low->y_type == VKD_DTYPE_FLOAT16 ? 2 : 0);
    vkd_node_spec(&node, low->mode != VKD_QLINEAR_FLOAT && low->channels.groups == 1);
    vkd_node_spec(&node, p->in_c % 4 == 0);
    vkd_epilogue_bind(&node, lowering->graph, &epilogue,
                      low->pairs == VKD_NO_TENSOR ? channels : low->pairs);
    vkd_node_spec(&node, norm);
    vkd_node_spec(&node, pair);
    node.macs *= pair ? 2 : 1;
    return vkd_op_add_node(lowering, &node, conv->x, conv->y);
}

/* ---------------------------------------------------------------------------------------- table */

enum { GROUP = 4, WIDE = 8 }; /* subgroups of 32 */

/* Rows that an invocation computes, or with others that share k. */
#define TILE(name_, rows, kind_, subgroups_)                                                       \
    {                                                                                              \
        .name = name_, .shader = VKD_SHADER_QLINEAR, .m = rows, .n = 4, .kind = kind_,             \
        .subgroups = subgroups_                                                                    \
    }
static const gemm_tile tiles[] = {
    TILE("1x4", 1, GEMM_INVOCATIONS, GROUP),    TILE("4x4", 4, GEMM_INVOCATIONS, GROUP),
    TILE("8x4", 8, GEMM_INVOCATIONS, GROUP),    TILE("lanes 1x4", 1, GEMM_IN_LANES, GROUP),
    TILE("lanes 4x4", 4, GEMM_IN_LANES, GROUP), TILE("wide 1x4", 1, GEMM_IN_LANES, WIDE),
};
#undef TILE

#define VARIANT(name_, tile_)                                                                      \
    {                                                                                              \
        "low_bit " name_, "low_bit", &tiles[tile_], refuses, cost, emit                            \
    }
const conv2d_variant vkd_conv2d_low_variants[] = {
    VARIANT("1x4", 0),       VARIANT("4x4", 1),       VARIANT("8x4", 2),
    VARIANT("lanes 1x4", 3), VARIANT("lanes 4x4", 4), VARIANT("wide 1x4", 5),
};
const size_t vkd_conv2d_low_variant_count =
    sizeof vkd_conv2d_low_variants / sizeof *vkd_conv2d_low_variants;

/* -------------------------------------------------------------------------- what a kernel takes */

bool vkd_low_bit_takes(const conv2d_variant *variant, const conv2d_problem *p, const vkd_caps *caps)
{
    enum { FEW = 4 }; /* of more each workgroup would make too many norms */
    return p->out_w <= FEW && p->out_w <= variant->tile->m && caps->type != VKD_TYPE_CPU;
}

bool vkd_low_bit_may_take(const conv2d_problem *p, const vkd_caps *caps)
{
    for (size_t i = 0; i < vkd_conv2d_low_variant_count; i++)
        if (vkd_low_bit_takes(&vkd_conv2d_low_variants[i], p, caps))
            return true;
    return false;
}

void vkd_low_bit_drop(conv2d_low *low)
{
    low_bit_channels *c = &low->channels;
    low->weights.bytes[1] = c->scales[1] = c->bias[1] = c->norm = (vkd_content){NULL, 0};
    c->scale_type[1] = c->bias_type[1] = c->row[1] = c->norm_type = 0;
}
