/* "vkd.q8_excite": two int8 convolutions of one pixel, one behind the other, in one dispatch, which
 * rules make of what squeezes and excites (graph/fuse.c). */
#include "ops/conv/args.h"
#include "ops/conv/squeeze.h"
#include "ops/function.h"
#include "ops/tables.h"
#include "ops/requantize.h"
#include "shaders/excite_params.h"

#include <string.h>

static const vkd_param excite_parameters[] = {
    VKD_TENSOR(excite_args, first.x, x),
    VKD_CONSTANT(excite_args, first.weight, weights),
    VKD_CONSTANT(excite_args, first.requantize.weight_sums, weight_sums),
    VKD_FINITE(excite_args, first.requantize.weight_scales, weight_scales),
    VKD_OPTIONAL_FINITE(excite_args, first.requantize.bias, bias),
    VKD_CONSTANT(excite_args, second.weight, second_weights),
    VKD_CONSTANT(excite_args, second.requantize.weight_sums, second_weight_sums),
    VKD_FINITE(excite_args, second.requantize.weight_scales, second_weight_scales),
    VKD_OPTIONAL_FINITE(excite_args, second.requantize.bias, second_bias),
    VKD_OUTPUT(excite_args, second.y, out),
    VKD_PARAMS_END,
};

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const excite_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->first.x);
    uint32_t dims[VKD_MAX_RANK];
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 3] = vkd_shape_of(shaping, args->second.weight)->dims[0];
    return vkd_shape_set(shaping, args->second.y, x->rank, dims);
}

/* ------------------------------------------------------------------------------------ constants */

enum { LAYERS = 2, UNIT = 16 };

/* What shaders/excite_params.h says the constants are; null and zeros where there is no table. */
typedef struct excite_source {
    vkd_content weights[LAYERS], sums[LAYERS], scales[LAYERS], biases[LAYERS];
    float x_scales[LAYERS];
    int32_t x_zeros[LAYERS];
    uint32_t k[LAYERS], n[LAYERS]; /* channels */
    uint32_t tables[LAYERS];       /* 0: none, 1: of bytes, 2: of floats */
    chain_args functions[LAYERS];
} excite_source;

static uint32_t words_of(uint32_t channels) { return (uint32_t)vkd_divide_up(channels, 4); }

static size_t weight_bytes(const excite_source *s, int layer)
{
    return (size_t)UNIT * words_of(s->k[layer]) * words_of(s->n[layer]);
}

static size_t block_bytes(const excite_source *s, int layer)
{
    return sizeof(vkd_channel_block) * words_of(s->n[layer]);
}

static size_t table_bytes(int layer)
{
    return VKD_TABLE_COUNT * (layer == 0 ? sizeof(int8_t) : sizeof(float));
}

/* Four channels of four values of k. */
static void pack_unit(const excite_source *s, int layer, uint32_t block, uint32_t step, char *out)
{
    const uint32_t k = s->k[layer], row = 4 * words_of(k), left = k - 4 * step;
    for (uint32_t i = 0; i < 4; i++, out += 4) {
        const uint32_t channel = 4 * block + i, count = channel < s->n[layer] ? left : 0;
        memset(out, 0, 4);
        if (count)
            memcpy(out, (const char *)s->weights[layer].data + (size_t)channel * row + 4 * step,
                   count < 4 ? count : 4);
    }
}

static void pack_weights(const excite_source *s, int layer, char *out)
{
    const uint32_t steps = words_of(s->k[layer]), blocks = words_of(s->n[layer]);
    for (uint32_t i = 0; i < steps * blocks; i++, out += UNIT)
        if (layer == 0)
            pack_unit(s, layer, i / steps, i % steps, out);
        else
            pack_unit(s, layer, i % blocks, i / blocks, out);
}

static void pack_blocks(const excite_source *s, int layer, char *out)
{
    const vkd_channel_source source = {s->sums[layer],     s->scales[layer],  s->biases[layer],
                                       s->x_scales[layer], s->x_zeros[layer], s->n[layer]};
    vkd_pack_channels(&source, out, block_bytes(s, layer));
}

static void pack_table(const excite_source *s, int layer, char *out)
{
    const size_t size = table_bytes(layer);
    if (s->tables[layer] == 0)
        memset(out, 0, size);
    else
        (s->tables[layer] == 1 ? vkd_pack_bytes : vkd_pack_floats)(&s->functions[layer], out, size);
}

static void pack(const void *source, void *dst, size_t size)
{
    const excite_source *s = source;
    char *out = dst, *end = out + size;
    for (int layer = 0; layer < LAYERS; out += weight_bytes(s, layer++))
        pack_weights(s, layer, out);
    for (int layer = 0; layer < LAYERS; out += block_bytes(s, layer++))
        pack_blocks(s, layer, out);
    for (int layer = 0; layer < LAYERS; out += table_bytes(layer++))
        pack_table(s, layer, out);
    memset(out, 0, (size_t)(end - out));
}

/* ------------------------------------------------------------------------------------- lowering */

/* Of one of the two; y: what it makes, with the function behind it. */
static vkd_status add_layer(vkd_lowering *lowering, const conv_args *conv, uint32_t k, int layer,
                            vkd_dtype y, excite_source *s, requantize_params *params)
{
    const uint32_t n = vkd_value_tensor(lowering, conv->weight)->dims[0],
                   dims[] = {n, (uint32_t)vkd_align_up(k, 4)};
    vkd_channel_source channels;
    VKD_TRY(vkd_conv_args_check_weight(lowering, conv->weight, 2, dims));
    VKD_TRY(vkd_requantize_source(lowering, &conv->requantize, n, &channels, params));
    VKD_TRY(vkd_requantize_fuse(lowering, &conv->requantize, &conv->fused, conv->y, params));
    s->weights[layer] = vkd_op_content(lowering, conv->weight);
    s->sums[layer] = channels.sums;
    s->scales[layer] = channels.scales;
    s->biases[layer] = channels.bias;
    s->x_scales[layer] = channels.x_scale;
    s->x_zeros[layer] = channels.x_zero;
    s->k[layer] = k;
    s->n[layer] = n;
    if (conv->fused.chain) {
        s->tables[layer] = y == VKD_DTYPE_INT8 ? 1 : 2;
        s->functions[layer] = vkd_function_source(conv->fused.chain);
    }
    return VKD_OK;
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const excite_args *args = arguments;
    const vkd_dtype dtype = vkd_value_tensor(lowering, args->second.y)->dtype;
    vkd_tensor_id x, y, constants;
    excite_source source;
    excite_params params = {.groups = 0};
    memset(&source, 0, sizeof source); /* it is compared by its bytes */
    VKD_TRY(vkd_op_input(lowering, args->first.x, VKD_DTYPE_INT8, VKD_4C, &x));
    VKD_TRY(vkd_op_output_4c(lowering, args->second.y, dtype, &y));
    const uint32_t k = lowering->graph->tensors[x].c, images = lowering->graph->tensors[x].n;
    VKD_TRY(add_layer(lowering, &args->first, k, 0, VKD_DTYPE_INT8, &source, &params.first));
    VKD_TRY(add_layer(lowering, &args->second, source.n[0], 1, dtype, &source, &params.second));
    uint64_t bytes = table_bytes(0) + table_bytes(1);
    for (int layer = 0; layer < LAYERS; layer++)
        bytes += weight_bytes(&source, layer) + block_bytes(&source, layer);
    VKD_TRY(vkd_op_constant(lowering, bytes, pack, &source, sizeof source, 4 * LAYERS, &constants));

    const uint32_t steps = words_of(k), between = words_of(source.n[0]);
    params.words = words_of(source.n[1]);
    const conv_squeeze form = vkd_conv_squeeze(lowering->caps, steps, between, params.words);
    params.slices = form.slices;
    params.groups = images * params.slices;
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_EXCITE, form.loops, &params, sizeof params);
    node.specs[0] = form.width;
    node.macs = (uint64_t)images * source.n[0] * (k + source.n[1]);
    vkd_node_spec(&node, form.lanes);
    vkd_node_spec(&node, steps);
    vkd_node_spec(&node, between);
    vkd_node_spec(&node, source.tables[0]);
    vkd_node_spec(&node, source.tables[1]);
    vkd_node_groups(&node, lowering->caps, params.groups);
    vkd_node_read(&node, x);
    vkd_node_read(&node, constants);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, x, y);
}

static const vkd_op rows[] = {
    {"vkd.q8_excite", excite_parameters, sizeof(excite_args), shape, lower,
     .kind = VKD_OP_Q8_EXCITE, .internal = true},
};

const vkd_op_table vkd_excite_ops = VKD_OP_TABLE(rows);
