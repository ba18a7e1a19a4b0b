/* "vkd.excite": two convolutions of floats of one pixel, one behind the other, in one dispatch,
 * which a rule makes of what squeezes and excites (graph/fuse.c). */
#include "ops/conv/squeeze.h"
#include "ops/epilogue.h"
#include "ops/tables.h"
#include "shaders/excite_float_params.h"

#include <math.h>
#include <string.h>

static const vkd_param parameters[] = {
    VKD_TENSOR(excite_float_args, first.x, input),
    VKD_CONSTANT(excite_float_args, first.weight, weight),
    VKD_OPTIONAL_CONSTANT(excite_float_args, first.bias, bias),
    VKD_CONSTANT(excite_float_args, second.weight, second_weight),
    VKD_OPTIONAL_CONSTANT(excite_float_args, second.bias, second_bias),
    VKD_OUTPUT(excite_float_args, second.product.y, out),
    VKD_PARAMS_END,
};

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const excite_float_args *args = arguments;
    const uint32_t dims[] = {vkd_shape_of(shaping, args->first.x)->dims[0],
                             vkd_shape_of(shaping, args->second.weight)->dims[0], 1, 1};
    return vkd_shape_set(shaping, args->second.product.y, 4, dims);
}

/* ------------------------------------------------------------------------------------ constants */

enum { LAYERS = 2 };

/* What shaders/excite_float_params.h says the constants are. */
typedef struct excite_source {
    vkd_content weights[LAYERS], biases[LAYERS]; /* null: zeros */
    uint32_t k[LAYERS], n[LAYERS];               /* channels */
    uint32_t size;                               /* of an element */
} excite_source;

static uint32_t fours_of(uint32_t channels) { return (uint32_t)vkd_divide_up(channels, 4); }

/* Those that exist of four elements, and zeros. */
static char *pack_four(const excite_source *s, const vkd_content *from, size_t first, uint32_t left,
                       char *out)
{
    const size_t bytes = (size_t)(left < 4 ? left : 4) * s->size;
    if (bytes)
        memcpy(out, (const char *)from->data + first * s->size, bytes);
    memset(out + bytes, 0, 4 * (size_t)s->size - bytes);
    return out + 4 * (size_t)s->size;
}

/* Four channels of four values of k. */
static char *pack_unit(const excite_source *s, int layer, uint32_t block, uint32_t step, char *out)
{
    const uint32_t k = s->k[layer];
    for (uint32_t channel = 4 * block; channel < 4 * block + 4; channel++)
        out = pack_four(s, &s->weights[layer], (size_t)channel * k + 4 * (size_t)step,
                        channel < s->n[layer] ? k - 4 * step : 0, out);
    return out;
}

static char *pack_weights(const excite_source *s, int layer, char *out)
{
    const uint32_t steps = fours_of(s->k[layer]), blocks = fours_of(s->n[layer]);
    for (uint32_t i = 0; i < steps * blocks; i++)
        out = layer == 0 ? pack_unit(s, layer, i / steps, i % steps, out)
                         : pack_unit(s, layer, i % blocks, i / blocks, out);
    return out;
}

static char *pack_bias(const excite_source *s, int layer, char *out)
{
    const uint32_t n = s->n[layer];
    for (uint32_t block = 0; block < fours_of(n); block++)
        out = pack_four(s, &s->biases[layer], 4 * (size_t)block,
                        s->biases[layer].data ? n - 4 * block : 0, out);
    return out;
}

static void pack(const void *source, void *dst, size_t size)
{
    char *out = dst, *end = out + size;
    for (int layer = 0; layer < LAYERS; layer++)
        out = pack_weights(source, layer, out);
    for (int layer = 0; layer < LAYERS; layer++)
        out = pack_bias(source, layer, out);
    memset(out, 0, (size_t)(end - out));
}

/* ------------------------------------------------------------------------------------- lowering */

static float bound(const vkd_number *number, float otherwise)
{
    return number->kind == VKD_NUMBER_NULL ? otherwise : (float)number->real;
}

/* Of one of the two, with the steps behind it. */
static vkd_status add_layer(vkd_lowering *lowering, const conv_float_args *conv, int layer,
                            excite_source *s, excite_float_params *params, vkd_epilogue *steps)
{
    const vkd_model_tensor *weight = vkd_value_tensor(lowering, conv->weight);
    s->weights[layer] = vkd_op_content(lowering, conv->weight);
    s->biases[layer] = vkd_op_content(lowering, conv->bias);
    s->n[layer] = weight->dims[0];
    s->k[layer] = weight->dims[1];
    params->low[layer] = bound(&conv->low, -INFINITY);
    params->high[layer] = bound(&conv->high, INFINITY);
    VKD_TRY(vkd_epilogue_make(lowering, &conv->product, steps));
    vkd_epilogue_take_bounds(steps, &params->low[layer], &params->high[layer]);
    vkd_epilogue_numbers(steps, params->numbers[layer]);
    return VKD_OK;
}

static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    const excite_float_args *args = arguments;
    const vkd_dtype dtype = vkd_value_tensor(lowering, args->second.product.y)->dtype;
    const uint32_t images = vkd_value_tensor(lowering, args->first.x)->dims[0];
    vkd_tensor_id x, y, constants;
    vkd_epilogue steps[LAYERS];
    excite_source source;
    excite_float_params params = {.groups = 0};
    memset(&source, 0, sizeof source); /* it is compared by its bytes */
    source.size = (uint32_t)vkd_dtype_size(dtype);
    VKD_TRY(vkd_op_input(lowering, args->first.x, dtype, VKD_4C, &x));
    VKD_TRY(vkd_op_output_4c(lowering, args->second.product.y, dtype, &y));
    VKD_TRY(add_layer(lowering, &args->first, 0, &source, &params, &steps[0]));
    VKD_TRY(add_layer(lowering, &args->second, 1, &source, &params, &steps[1]));
    const uint32_t fours = fours_of(source.k[0]), between = fours_of(source.n[0]);
    params.fours = fours_of(source.n[1]);
    params.k = source.k[0];
    params.channels = source.n[0];
    const uint64_t count =
        16ull * between * (fours + params.fours) + 4ull * (between + params.fours);
    VKD_TRY(vkd_op_constant(lowering, count * source.size, pack, &source, sizeof source, 2 * LAYERS,
                            &constants));

    const conv_squeeze form = vkd_conv_squeeze(lowering->caps, fours, between, params.fours);
    params.slices = form.slices;
    params.groups = images * form.slices;
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_EXCITE_FLOAT, form.loops, &params, sizeof params);
    node.specs[0] = form.width;
    node.macs = (uint64_t)images * source.n[0] * ((uint64_t)source.k[0] + source.n[1]);
    vkd_node_spec(&node, dtype);
    vkd_node_spec(&node, form.lanes);
    vkd_node_spec(&node, fours);
    vkd_node_spec(&node, between);
    for (int layer = 0; layer < LAYERS; layer++)
        vkd_epilogue_steps(&node, &steps[layer]);
    vkd_node_groups(&node, lowering->caps, params.groups);
    vkd_node_read(&node, x);
    vkd_node_read(&node, constants);
    vkd_node_write(&node, y);
    return vkd_op_add_node(lowering, &node, x, y);
}

static const vkd_op rows[] = {
    {"vkd.excite", parameters, sizeof(excite_float_args), shape, lower, .kind = VKD_OP_EXCITE,
     .internal = true},
};

const vkd_op_table vkd_excite_float_ops = VKD_OP_TABLE(rows);
