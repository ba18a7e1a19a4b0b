/* Linear layers whose weights are integers of 8 or 4 bits and whose results are floats, and tables
 * of 4-bit rows. */
#include "graph/operators.h"
#include "ops/gemm/matmul.h"
#include "ops/normalise.h"
#include "ops/tables.h"
#include "runtime/base/element.h"
#include "shaders/nibbles_params.h"
#include "shaders/pairs_params.h"
#include "shaders/qlinear_params.h"

#include <math.h>
#include <string.h>

/* -------------------------------------------------------------------------------------- weights */

typedef enum weight_form {
    BYTES, /* int8 [n][k] */
    NIBBLES_HIGH /* [n][k / 2], even k in the high half */,
    NIBBLES_LOW /* even k in the low half */
} weight_form;

/* Of a layer, or of two that are computed together: the second one's bytes may be null. */
typedef struct weight_source {
    vkd_content bytes[2];
    uint32_t form, n, k, row, steps; /* row: bytes of one n in the file */
    uint32_t bits;                   /* as which they are packed: 8 of BYTES, at least 4 of others */
} weight_source;

static uint32_t weight_bits(const weight_source *s, int layer, uint32_t n, uint32_t k)
{
    if (n >= s->n || k >= s->k)
        return s->bits == 8 ? 0 : 8; /* zeros */
    const unsigned char *row = (const unsigned char *)s->bytes[layer].data + (size_t)n * s->row;
    if (s->form == BYTES)
        return row[k];
    uint32_t byte = row[k / 2];
    bool high = (k % 2 == 0) == (s->form == NIBBLES_HIGH);
    uint32_t nibble = high ? byte >> 4 : byte & 15;
    return s->bits == 8 ? (nibble - 8) & 255 : nibble;
}

static unsigned char *pack_layer(const weight_source *s, int layer, unsigned char *out)
{
    const uint32_t bits = s->bits, step = 32 / bits;
    for (uint32_t first = 0; first < s->n; first += 4)
        for (uint32_t k = 0; k < s->steps; k++)
            for (uint32_t j = 0; j < 4; j++, out += 4) {
                uint32_t word = 0;
                for (uint32_t i = 0; i < step; i++)
                    word |= weight_bits(s, layer, first + j, k * step + i) << (bits * i);
                memcpy(out, &word, 4);
            }
    return out;
}

/* As in shaders/qlinear_params.h. */
static void pack_weights(const void *from, void *dst, size_t size)
{
    const weight_source *s = from;
    unsigned char *out = pack_layer(s, 0, dst);
    if (s->bytes[1].data)
        out = pack_layer(s, 1, out);
    memset(out, 0, size - (size_t)(out - (unsigned char *)dst));
}

typedef struct channel_source {
    /* scales [groups][row] or [row]; of a second layer, of biases and of a norm: null for none */
    vkd_content scales[2], bias[2], norm;
    uint32_t scale_type[2], bias_type[2], row[2], norm_type, groups, n, k;
} channel_source;

static float *pack_scales(const channel_source *s, int layer, float *out)
{
    for (uint32_t first = 0; first < s->n; first += 4)
        for (uint32_t g = 0; g < s->groups; g++)
            for (uint32_t n = first; n < first + 4; n++)
                *out++ = n < s->n ? (float)vkd_element_get((vkd_dtype)s->scale_type[layer],
                                                           s->scales[layer].data,
                                                           (size_t)g * s->row[layer] + n)
                                  : 0;
    return out;
}

static float *pack_bias(const channel_source *s, int layer, float *out)
{
    for (uint32_t n = 0; n < vkd_align_up(s->n, 4); n++)
        *out++ =
            n < s->n && s->bias[layer].data
                ? (float)vkd_element_get((vkd_dtype)s->bias_type[layer], s->bias[layer].data, n)
                : 0;
    return out;
}

static void pack_channels(const void *from, void *dst, size_t size)
{
    const channel_source *s = from;
    const int layers = s->scales[1].data ? 2 : 1;
    float *out = dst;
    for (int i = 0; i < layers; i++)
        out = pack_scales(s, i, out);
    for (int i = 0; i < layers; i++)
        out = pack_bias(s, i, out);
    for (uint32_t k = 0; s->norm.data && k < s->k; k++)
        *out++ = (float)vkd_element_get((vkd_dtype)s->norm_type, s->norm.data, k);
    memset(out, 0, size - (size_t)((char *)out - (char *)dst));
}

/* ------------------------------------------------------------------------------------ arguments */

typedef struct qlinear_args {
    product_args product;
    uint32_t x, x_scales, x_zeros, weight, scales, bias;
    float x_scale;
    int32_t x_zero, group; /* group 0: one scale for all of k */
} qlinear_args;

typedef enum qlinear_code { INT8PACK, QCS4W, Q4GSW, DQ8CA_Q4GSW, Q8TA_Q8CSW, Q8CSW } qlinear_code;

#define QLINEAR_RESULT                                                                             \
    VKD_OUTPUT(qlinear_args, product.y, out), VKD_FUSED(qlinear_args, product.epilogue.residual),  \
        VKD_PARAMS_END

static const vkd_param plain_params[] = {VKD_TENSOR(qlinear_args, x, self),
                                         VKD_CONSTANT(qlinear_args, weight),
                                         VKD_FINITE(qlinear_args, scales), QLINEAR_RESULT};
static const vkd_param biased_params[] = {
    VKD_TENSOR(qlinear_args, x, input), VKD_CONSTANT(qlinear_args, weight),
    VKD_FINITE(qlinear_args, scales), VKD_OPTIONAL_CONSTANT(qlinear_args, bias), QLINEAR_RESULT};
static const vkd_param group_params[] = {VKD_TENSOR(qlinear_args, x, self),
                                         VKD_CONSTANT(qlinear_args, weight, weights),
                                         VKD_FINITE(qlinear_args, scales, weight_scales),
                                         VKD_INT(qlinear_args, group, group_size),
                                         VKD_OPTIONAL_CONSTANT(qlinear_args, bias),
                                         QLINEAR_RESULT};
/* Nothing is fused behind it: what quantises x has the residual's binding. */
static const vkd_param dynamic_params[] = {
    VKD_TENSOR(qlinear_args, x, input), VKD_TENSOR(qlinear_args, x_scales, input_scales),
    VKD_TENSOR(qlinear_args, x_zeros, input_zp), VKD_CONSTANT(qlinear_args, weight, weights),
    /* x loses its zero point before it is multiplied */
    VKD_IGNORED("weight_sums"), VKD_FINITE(qlinear_args, scales, weight_scales),
    VKD_INT(qlinear_args, group, group_size), VKD_OPTIONAL_CONSTANT(qlinear_args, bias),
    VKD_OUTPUT(qlinear_args, product.y, out), VKD_PARAMS_END};
static const vkd_param static_params[] = {VKD_TENSOR(qlinear_args, x),
                                          VKD_FLOAT(qlinear_args, x_scale, input_scale),
                                          VKD_INT(qlinear_args, x_zero, input_zero_point),
                                          VKD_CONSTANT(qlinear_args, weight, weights),
                                          VKD_IGNORED("weight_sums"),
                                          VKD_FINITE(qlinear_args, scales, weight_scales),
                                          VKD_OPTIONAL_CONSTANT(qlinear_args, bias),
                                          QLINEAR_RESULT};
static const qlinear_args defaults = {.product = VKD_NO_EPILOGUE,
                                      .x_scales = VKD_NO_VALUE,
                                      .x_zeros = VKD_NO_VALUE,
                                      .bias = VKD_NO_VALUE};

static weight_form form_of(int code)
{
    return code == QCS4W                          ? NIBBLES_HIGH
           : code == Q4GSW || code == DQ8CA_Q4GSW ? NIBBLES_LOW
                                                  : BYTES;
}

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const qlinear_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *weight = vkd_shape_of(shaping, args->weight);
    const weight_form form = form_of(shaping->call->row->code);
    const uint32_t k = x->rank ? x->dims[x->rank - 1] : 0;
    const uint64_t least = form == BYTES ? k : vkd_divide_up(k, 2);
    bool bytes = weight->dtype == VKD_DTYPE_INT8 || weight->dtype == VKD_DTYPE_UINT8;
    if (!k || weight->rank != 2 || !bytes || weight->dims[1] < least ||
        weight->dims[1] > vkd_align_up(least, 4)) {
        char is[VKD_DIMS_TEXT], weights[VKD_DIMS_TEXT];
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->weight,
                                 "is %s %s, expected what fits an input of %s",
                                 vkd_dtype_name(weight->dtype),
                                 vkd_dims_format(weight->rank, weight->dims, weights),
                                 vkd_dims_format(x->rank, x->dims, is));
    }
    const uint32_t group = args->group ? (uint32_t)args->group : k;
    if (args->group < 0 || (group % 4 && group != k) || k % group)
        return vkd_shape_fail_at(shaping, VKD_UNSUPPORTED, &args->group,
                                 "is %d, expected %u or a divisor of it that is a multiple of 4",
                                 args->group, k);
    uint32_t dims[VKD_MAX_RANK];
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 1] = weight->dims[0];
    return vkd_shape_set(shaping, args->product.y, x->rank, dims);
}

/* ------------------------------------------------------------------------------------- lowering */

static vkd_status check_channels(vkd_lowering *lowering, const qlinear_args *args, uint32_t groups,
                                 uint32_t n, uint32_t *row)
{
    const vkd_model_tensor *scales = vkd_value_tensor(lowering, args->scales);
    const uint64_t count = vkd_dims_count(scales->rank, scales->dims);
    *row = groups ? (uint32_t)(count / groups) : 0;
    bool real = vkd_is_float(scales->dtype);
    if (!real || *row < n || count % groups)
        return vkd_op_fail_at(
            lowering, VKD_INVALID_MODEL, &args->scales,
            "has %llu of dtype %s, expected f32 or f16 for %u groups of %u columns",
            (unsigned long long)count, vkd_dtype_name(scales->dtype), groups, n);
    if (args->bias == VKD_NO_VALUE)
        return VKD_OK;
    const vkd_model_tensor *bias = vkd_value_tensor(lowering, args->bias);
    if ((bias->dtype != VKD_DTYPE_FLOAT32 && bias->dtype != VKD_DTYPE_FLOAT16) ||
        vkd_dims_count(bias->rank, bias->dims) < n)
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, &args->bias,
                              "has %llu of dtype %s, expected f32 or f16 for %u columns",
                              (unsigned long long)vkd_dims_count(bias->rank, bias->dims),
                              vkd_dtype_name(bias->dtype), n);
    return VKD_OK;
}

/* The norm that was put off of x, which the kernel makes: where there is one tile of rows, and, as
 * on a CPU, invocations do not make it by themselves. */
static const norm_args *norm_of(const vkd_lowering *lowering, const qlinear_args *args,
                                const qlinear_params *params, uint32_t mode, uint32_t rows)
{
    const norm_args *norm = vkd_late_rms_norm(lowering, args->x);
    if (!norm || mode != VKD_QLINEAR_FLOAT || params->m > rows || params->k % 4 ||
        lowering->caps->type == VKD_TYPE_CPU)
        return NULL;
    const vkd_model_tensor *weight = vkd_value_tensor(lowering, norm->weight);
    return weight->data && !weight->state ? norm : NULL;
}

/* What is read together with x: of one layer, or of two; with a norm, or without. */
typedef struct operands {
    const qlinear_args *layers[2]; /* the second may be null */
    const norm_args *norm;
    weight_form form;
    uint32_t bits, groups;
} operands;

static vkd_status add_constants(vkd_lowering *lowering, const operands *o,
                                const qlinear_params *params, vkd_tensor_id *weights,
                                vkd_tensor_id *channels)
{
    const uint32_t layers = o->layers[1] ? 2 : 1;
    const uint64_t padded = layers * vkd_align_up(params->n, 4);
    weight_source w;
    channel_source c;
    memset(&w, 0, sizeof w);
    memset(&c, 0, sizeof c);
    for (uint32_t i = 0; i < layers; i++) {
        const qlinear_args *args = o->layers[i];
        VKD_TRY(check_channels(lowering, args, o->groups, params->n, &c.row[i]));
        w.bytes[i] = vkd_op_content(lowering, args->weight);
        c.scales[i] = vkd_op_content(lowering, args->scales);
        c.scale_type[i] = vkd_value_tensor(lowering, args->scales)->dtype;
        c.bias[i] = vkd_op_content(lowering, args->bias);
        c.bias_type[i] = args->bias == VKD_NO_VALUE ? VKD_DTYPE_FLOAT32
                                                    : vkd_value_tensor(lowering, args->bias)->dtype;
    }
    w.form = o->form;
    w.bits = o->bits;
    w.n = params->n;
    w.k = params->k;
    w.row = vkd_value_tensor(lowering, o->layers[0]->weight)->dims[1];
    w.steps = params->steps;
    c.norm = vkd_op_content(lowering, o->norm ? o->norm->weight : VKD_NO_VALUE);
    c.norm_type = o->norm ? vkd_value_tensor(lowering, o->norm->weight)->dtype : VKD_DTYPE_FLOAT32;
    c.groups = o->groups;
    c.n = params->n;
    c.k = params->k;
    VKD_TRY(vkd_op_constant(lowering, padded * params->steps * 4, pack_weights, &w, sizeof w, 2,
                            weights));
    return vkd_op_constant(lowering, padded * 4 * (o->groups + 1) + (o->norm ? 4 * c.k : 0),
                           pack_channels, &c, sizeof c, 5, channels);
}

/* Scale and zero point of every row of x. */
static vkd_status add_pairs(vkd_lowering *lowering, const qlinear_args *args, uint32_t rows,
                            vkd_tensor_id *out)
{
    const vkd_model_tensor *scale = vkd_value_tensor(lowering, args->x_scales),
                           *zero = vkd_value_tensor(lowering, args->x_zeros);
    const uint32_t dims[] = {rows, 2}, values[] = {args->x_scales, args->x_zeros};
    vkd_tensor_id scales, zeros;
    for (size_t i = 0; i < 2; i++) {
        const vkd_model_tensor *of_rows = i ? zero : scale;
        const uint64_t count = vkd_dims_count(of_rows->rank, of_rows->dims);
        if (count != rows)
            return vkd_op_fail_value(lowering, VKD_INVALID_MODEL, values[i],
                                     "has %llu, expected one for each of %u rows",
                                     (unsigned long long)count, rows);
    }
    VKD_TRY(vkd_op_input(lowering, args->x_scales, scale->dtype, VKD_ROWS, &scales));
    VKD_TRY(vkd_op_input(lowering, args->x_zeros, zero->dtype, VKD_ROWS, &zeros));
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_ROWS, 2,
                                 dims, out));
    const pairs_params params = {.rows = rows};
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_PAIRS, VKD_NO_LOOPS, &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, rows);
    vkd_node_read(&node, scales);
    vkd_node_read(&node, zeros);
    vkd_node_write(&node, *out);
    vkd_node_spec(&node, scale->dtype);
    vkd_node_spec(&node, zero->dtype);
    return vkd_op_add_node(lowering, &node, scales, *out);
}

/* Invocations that share k, and how many of those a workgroup has: a GPU has nothing else to be
 * parallel in where rows are few. */
static void set_size(const vkd_lowering *lowering, const qlinear_params *params, uint32_t rows,
                     bool norm, vkd_node *node)
{
    const vkd_caps *caps = lowering->caps;
    const uint64_t units = vkd_divide_up(params->m, rows) * vkd_divide_up(params->n, 4);
    enum { GROUP = 128, FEW = 1 << 17 };
    uint32_t lanes = 1, tiles = 1,
             most =
                 caps->max_workgroup_invocations < GROUP ? caps->max_workgroup_invocations : GROUP;
    while (caps->type != VKD_TYPE_CPU && lanes * 2 <= most && lanes * 2 <= params->steps &&
           units * lanes < FEW)
        lanes *= 2;
    while (lanes * tiles * 2 <= most)
        tiles *= 2;
    node->specs[0] = lanes;
    node->specs[1] = tiles;
    node->loops = 64 + vkd_loop(vkd_divide_up(params->steps, lanes), 0) +
                  (norm ? 64 + vkd_loop(vkd_divide_up(params->k, 4 * lanes), 0) : 0);
    vkd_node_groups(node, caps, vkd_divide_up(units, tiles));
}

static vkd_status make_layer(vkd_lowering *lowering, const void *arguments, uint32_t value);

/* The layer that was put off because this one has its result for a residual: the kernel computes
 * both where there is one tile of rows; not on a CPU, which has enough to do with one. */
static const qlinear_args *partner_of(const vkd_lowering *lowering, const qlinear_args *args,
                                      const qlinear_params *params, uint32_t rows)
{
    const uint32_t residual = args->product.epilogue.residual;
    const vkd_call *call =
        residual == VKD_NO_VALUE ? NULL : vkd_op_late(lowering, residual, make_layer);
    return call && params->m <= rows && lowering->caps->type != VKD_TYPE_CPU ? call->args : NULL;
}

static uint32_t mode_of(int code)
{
    return code == DQ8CA_Q4GSW  ? VKD_QLINEAR_DYNAMIC
           : code == Q8TA_Q8CSW ? VKD_QLINEAR_STATIC
                                : VKD_QLINEAR_FLOAT;
}

/* As which weights are packed: nibbles become bytes where a group is no whole number of words. */
static uint32_t packed_bits(weight_form form, uint32_t group, uint32_t k)
{
    return form == BYTES || (group % 8 && group != k) ? 8 : 4;
}

static vkd_status emit(vkd_lowering *lowering, const qlinear_args *args, qlinear_params params,
                       vkd_tensor_id y)
{
    const int code = lowering->call->row->code;
    const uint32_t mode = mode_of(code), group = args->group ? (uint32_t)args->group : params.k,
                   groups = params.k / group;
    const vkd_model_tensor *shape_x = vkd_value_tensor(lowering, args->x);
    const vkd_dtype y_type = lowering->graph->tensors[y].dtype;
    const uint32_t rows = params.m > 1 ? 4 : 1;
    const operands o = {{args, partner_of(lowering, args, &params, rows)},
                        norm_of(lowering, args, &params, mode, rows),
                        form_of(code),
                        packed_bits(form_of(code), group, params.k),
                        groups};
    vkd_tensor_id x, weights, channels, pairs;
    vkd_epilogue epilogue;
    params.eps = o.norm ? o.norm->eps : 0;
    params.bias_at *= o.layers[1] ? 2 : 1;
    VKD_TRY(vkd_op_input(lowering, o.norm ? o.norm->x : args->x, shape_x->dtype, VKD_ROWS, &x));
    VKD_TRY(add_constants(lowering, &o, &params, &weights, &channels));
    if (o.layers[1]) {
        VKD_TRY(vkd_epilogue_make(lowering, &args->product, &epilogue));
        epilogue.residual = channels; /* the binding has to have something */
    } else {
        VKD_TRY(vkd_epilogue_rows(lowering, &args->product, &epilogue));
    }
    vkd_epilogue_numbers(&epilogue, params.numbers);
    pairs = channels;
    if (mode == VKD_QLINEAR_DYNAMIC)
        VKD_TRY(add_pairs(lowering, args, params.m, &pairs));
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_QLINEAR, VKD_NO_LOOPS, &params, sizeof params);
    set_size(lowering, &params, rows, o.norm, &node);
    vkd_node_read(&node, x);
    vkd_node_read(&node, weights);
    vkd_node_read(&node, channels);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, shape_x->dtype);
    vkd_node_spec(&node, y_type);
    vkd_node_spec(&node, o.bits);
    vkd_node_spec(&node, mode);
    vkd_node_spec(&node, rows);
    vkd_node_spec(&node, params.n % 4 == 0 ? 1 : y_type == VKD_DTYPE_FLOAT16 ? 2 : 0);
    vkd_node_spec(&node, mode != VKD_QLINEAR_FLOAT && groups == 1);
    vkd_node_spec(&node, params.k % 4 == 0);
    vkd_epilogue_bind(&node, lowering->graph, &epilogue, pairs);
    vkd_node_spec(&node, o.norm != NULL);
    vkd_node_spec(&node, o.layers[1] != NULL);
    node.macs = (uint64_t)params.m * params.n * params.k * (o.layers[1] ? 2 : 1);
    return vkd_op_add_node(lowering, &node, x, y);
}

static vkd_status make_layer(vkd_lowering *lowering, const void *arguments, uint32_t value)
{
    (void)value;
    enum { MAX_K = 65793 }; /* an int32 of products of 8 bits */
    const qlinear_args *args = arguments;
    const int code = lowering->call->row->code;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *weight = vkd_value_tensor(lowering, args->weight);
    const uint32_t k = x->dims[x->rank - 1], group = args->group ? (uint32_t)args->group : k,
                   step = 32 / packed_bits(form_of(code), group, k);
    const vkd_dtype dtype = vkd_value_tensor(lowering, args->product.y)->dtype;
    bool real = vkd_is_float(x->dtype);
    if (!real && !(code == Q8TA_Q8CSW && x->dtype == VKD_DTYPE_INT8))
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->x,
                              "has dtype %s, expected f32 or f16", vkd_dtype_name(x->dtype));
    if (code == Q8TA_Q8CSW && (!(args->x_scale > 0) || !isfinite(args->x_scale) || k > MAX_K))
        return vkd_op_fail_at(
            lowering, VKD_INVALID_MODEL, &args->x_scale,
            "is %g for sums of %u products, expected a positive number, and %d products at most",
            (double)args->x_scale, k, MAX_K);
    qlinear_params params = {
        .m = (uint32_t)vkd_dims_count(x->rank - 1, x->dims),
        .n = weight->dims[0],
        .k = k,
        .steps = (uint32_t)vkd_divide_up(k, step),
        .group_steps = (uint32_t)vkd_divide_up(group, step),
        .x_scale = args->x_scale,
        .x_inverse_scale = args->x_scale > 0 ? vkd_inverse_scale(args->x_scale) : 1,
        .x_zero = (float)args->x_zero,
    };
    params.bias_at = k / group * (uint32_t)vkd_align_up(params.n, 4);
    vkd_tensor_id y, sums;
    VKD_TRY(vkd_op_output_in(lowering, args->product.y, dtype, VKD_ROWS, &y));
    if (dtype != VKD_DTYPE_FLOAT16 || params.n % 2 == 0)
        return emit(lowering, args, params, y);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_ROWS, 2,
                                 (const uint32_t[]){params.m, params.n}, &sums));
    VKD_TRY(emit(lowering, args, params, sums));
    vkd_view all = vkd_view_of(lowering->graph, sums);
    vkd_tensor_id matrix; /* two rows would share a word of halves */
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, lowering->graph->tensors[y].place, dtype,
                                 VKD_ROWS, 2, all.dims, &matrix));
    lowering->graph->tensors[matrix].storage = y;
    return vkd_op_move(lowering, &all, matrix);
}

/* Whether two layers multiply the same by weights of the same form, and the other one has this
 * one's result for a residual. */
static bool are_partners(const vkd_lowering *lowering, const vkd_call *call, const vkd_call *other)
{
    if (!other->row || other->row->code != call->row->code ||
        other->row->shape != call->row->shape || mode_of(call->row->code) != VKD_QLINEAR_FLOAT)
        return false;
    const qlinear_args *a = call->args, *b = other->args;
    const vkd_model_tensor *w = vkd_value_tensor(lowering, a->weight),
                           *v = vkd_value_tensor(lowering, b->weight);
    return !a->product.epilogue.step_count && a->x == b->x && a->group == b->group &&
           b->product.epilogue.residual == a->product.y && w->dims[0] == v->dims[0] &&
           w->dims[1] == v->dims[1];
}

/* Puts off a layer for one close behind it that computes both. */
static vkd_status lower(vkd_lowering *lowering, const void *arguments)
{
    enum { NEAR = 4 };
    const qlinear_args *args = arguments;
    const vkd_call *call = lowering->call, *end = lowering->net->calls + lowering->net->call_count;
    const uint32_t y = args->product.y;
    bool found = false;
    for (const vkd_call *other = call + 1; other < end && other <= call + NEAR && !found; other++)
        found = are_partners(lowering, call, other);
    if (!found || lowering->use[y].reads != 1 || !vkd_op_may_be_late(lowering, y, &args->x, 1))
        return make_layer(lowering, args, y);
    const uint32_t n = vkd_value_tensor(lowering, args->weight)->dims[0];
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    uint32_t row;
    VKD_TRY(check_channels(
        lowering, args, args->group ? x->dims[x->rank - 1] / (uint32_t)args->group : 1, n, &row));
    vkd_op_put_off(lowering, y, make_layer);
    return VKD_OK;
}

/* ------------------------------------------------------------------------------- tables of rows */

typedef struct nibble_args {
    uint32_t table, scales, zeros, index, y;
    int32_t group;
    bool low_first;
} nibble_args;

static const vkd_param embedding_params[] = {VKD_TENSOR(nibble_args, table, weight),
                                             VKD_TENSOR(nibble_args, scales, weight_scales),
                                             VKD_INT(nibble_args, group, group_size),
                                             VKD_TENSOR(nibble_args, index, indices),
                                             VKD_BOOL(nibble_args, low_first, is_linear_weight),
                                             VKD_OUTPUT(nibble_args, y, out),
                                             VKD_PARAMS_END};
static const vkd_param embedding_4bit_params[] = {
    VKD_TENSOR(nibble_args, table, weight),
    VKD_TENSOR(nibble_args, scales, weight_scales),
    VKD_OPTIONAL_TENSOR(nibble_args, zeros, weight_zero_points),
    VKD_IGNORED("quant_min"),
    VKD_IGNORED("quant_max"),
    VKD_TENSOR(nibble_args, index, indices),
    VKD_IGNORED("dtype"),
    VKD_OUTPUT(nibble_args, y, out),
    VKD_PARAMS_END};
static const vkd_param embedding_bits_params[] = {
    VKD_TENSOR(nibble_args, table, weight),
    VKD_TENSOR(nibble_args, scales, weight_scales),
    VKD_OPTIONAL_TENSOR(nibble_args, zeros, weight_zero_points),
    VKD_IGNORED("weight_quant_min"),
    VKD_IGNORED("weight_quant_max"),
    VKD_TENSOR(nibble_args, index, indices),
    VKD_OUTPUT(nibble_args, y, out),
    VKD_PARAMS_END};
static const vkd_param backward_params[] = {VKD_TENSOR(nibble_args, index, d_out),
                                            VKD_TENSOR(nibble_args, table, weights),
                                            VKD_TENSOR(nibble_args, scales, weight_scales),
                                            VKD_INT(nibble_args, group, group_size),
                                            VKD_OUTPUT(nibble_args, y, out),
                                            VKD_PARAMS_END};
static const nibble_args no_zeros = {.zeros = VKD_NO_VALUE};

static vkd_status fail_table(vkd_shaping *shaping, const nibble_args *args)
{
    const vkd_model_tensor *table = vkd_shape_of(shaping, args->table),
                           *scales = vkd_shape_of(shaping, args->scales);
    char rows[VKD_DIMS_TEXT], by[VKD_DIMS_TEXT];
    return vkd_shape_fail_at(
        shaping, VKD_INVALID_MODEL, &args->scales, "is %s, expected what fits a table of %s %s",
        vkd_dims_format(scales->rank, scales->dims, by), vkd_dtype_name(table->dtype),
        vkd_dims_format(table->rank, table->dims, rows));
}

/* Elements of a row; a row's code says of how many bits. */
static uint32_t width_of_rows(const vkd_call *call, const vkd_model_tensor *table)
{
    return table->dims[1] * (8 / (uint32_t)call->row->code);
}

static vkd_status shape_embedding(vkd_shaping *shaping, const void *arguments)
{
    const nibble_args *args = arguments;
    const vkd_model_tensor *table = vkd_shape_of(shaping, args->table),
                           *scales = vkd_shape_of(shaping, args->scales);
    const vkd_model_tensor *index = vkd_shape_of(shaping, args->index);
    bool fits = table->rank == 2 && vkd_dtype_size(table->dtype) == 1 &&
                (scales->rank == 1 || scales->rank == 2) && scales->dims[0] == table->dims[0] &&
                table->dims[0] > 0;
    uint32_t groups = fits && scales->rank == 2 ? scales->dims[1] : 1;
    if (!fits || !groups || width_of_rows(shaping->call, table) % groups)
        return fail_table(shaping, args);
    if (args->zeros != VKD_NO_VALUE) {
        const vkd_model_tensor *zeros = vkd_shape_of(shaping, args->zeros);
        if (vkd_dims_count(zeros->rank, zeros->dims) != vkd_dims_count(scales->rank, scales->dims))
            return fail_table(shaping, args);
    }
    uint32_t dims[VKD_MAX_RANK + 1];
    memcpy(dims, index->dims, sizeof index->dims);
    dims[index->rank] = width_of_rows(shaping->call, table);
    return vkd_shape_set(shaping, args->y, index->rank + 1, dims);
}

typedef struct nibble_rows {
    nibbles_params params;
    /* zeros, index: VKD_NO_TENSOR for none and all rows */
    vkd_tensor_id table, scales, zeros, index;
    bool high_first;
} nibble_rows;

static vkd_status emit_rows(vkd_lowering *lowering, const nibble_rows *r, vkd_tensor_id y)
{
    const vkd_tensor *tensors = lowering->graph->tensors;
    const bool has_zeros = r->zeros != VKD_NO_TENSOR, indexed = r->index != VKD_NO_TENSOR;
    const vkd_tensor_id zeros = has_zeros ? r->zeros : r->scales;
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_NIBBLES, VKD_NO_LOOPS, &r->params, sizeof r->params);
    vkd_node_linear(&node, lowering->caps, r->params.groups);
    vkd_node_read(&node, r->table);
    vkd_node_read(&node, r->scales);
    vkd_node_read(&node, zeros);
    vkd_node_read(&node, indexed ? r->index : r->table);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, tensors[r->scales].dtype);
    vkd_node_spec(&node, tensors[zeros].dtype);
    vkd_node_spec(&node, tensors[y].dtype);
    vkd_node_spec(&node, r->high_first);
    vkd_node_spec(&node, indexed);
    vkd_node_spec(&node, has_zeros);
    vkd_node_spec(&node, (uint32_t)lowering->call->row->code);
    vkd_node_spec(&node, tensors[r->table].dtype == VKD_DTYPE_INT8);
    return vkd_op_add_node(lowering, &node, r->table, y);
}

static vkd_status lower_embedding(vkd_lowering *lowering, const void *arguments)
{
    const nibble_args *args = arguments;
    const vkd_model_tensor *table = vkd_value_tensor(lowering, args->table),
                           *scales = vkd_value_tensor(lowering, args->scales);
    const vkd_model_tensor *y_shape = vkd_value_tensor(lowering, args->y);
    const uint32_t groups = scales->rank == 2 ? scales->dims[1] : 1,
                   width = width_of_rows(lowering->call, table);
    const uint32_t slots = (uint32_t)vkd_dims_count(y_shape->rank, y_shape->dims);
    nibble_rows r = {.params = {.groups = (uint32_t)vkd_divide_up(slots, 4),
                                .slots = slots,
                                .width = width,
                                .row_bytes = table->dims[1],
                                .rows = table->dims[0],
                                .group = width / groups,
                                .scale_row = groups,
                                .scale_group = 1},
                     .zeros = VKD_NO_TENSOR,
                     .high_first = !args->low_first};
    vkd_tensor_id y;
    if (vkd_value_tensor(lowering, args->index)->dtype != VKD_DTYPE_INT32)
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->index, "has dtype %s, expected i32",
                              vkd_dtype_name(vkd_value_tensor(lowering, args->index)->dtype));
    VKD_TRY(vkd_op_rows(lowering, args->table, &r.table));
    VKD_TRY(vkd_op_rows(lowering, args->scales, &r.scales));
    VKD_TRY(vkd_op_rows(lowering, args->index, &r.index));
    if (args->zeros != VKD_NO_VALUE)
        VKD_TRY(vkd_op_rows(lowering, args->zeros, &r.zeros));
    VKD_TRY(vkd_op_output_in(lowering, args->y, y_shape->dtype, VKD_ROWS, &y));
    return emit_rows(lowering, &r, y);
}

/* d_out [.., n] times the weights [n, k]. */
static vkd_status shape_backward(vkd_shaping *shaping, const void *arguments)
{
    const nibble_args *args = arguments;
    const vkd_model_tensor *table = vkd_shape_of(shaping, args->table),
                           *scales = vkd_shape_of(shaping, args->scales);
    const vkd_model_tensor *d = vkd_shape_of(shaping, args->index);
    bool fits = d->rank && table->rank == 2 && scales->rank == 2 &&
                table->dims[0] == d->dims[d->rank - 1] && args->group > 0 &&
                scales->dims[1] >= table->dims[0];
    if (!fits)
        return fail_table(shaping, args);
    uint32_t dims[VKD_MAX_RANK];
    memcpy(dims, d->dims, sizeof dims);
    dims[d->rank - 1] = scales->dims[0] * (uint32_t)args->group;
    if (vkd_divide_up(dims[d->rank - 1], 2) > table->dims[1])
        return fail_table(shaping, args);
    return vkd_shape_set(shaping, args->y, d->rank, dims);
}

static vkd_status lower_backward(vkd_lowering *lowering, const void *arguments)
{
    const nibble_args *args = arguments;
    const vkd_model_tensor *table = vkd_value_tensor(lowering, args->table),
                           *scales = vkd_value_tensor(lowering, args->scales);
    const vkd_model_tensor *d = vkd_value_tensor(lowering, args->index);
    const uint32_t n = table->dims[0], k = scales->dims[0] * (uint32_t)args->group;
    nibble_rows r = {.params = {.groups = (uint32_t)vkd_divide_up((uint64_t)n * k, 4),
                                .slots = n * k,
                                .width = k,
                                .row_bytes = table->dims[1],
                                .rows = n,
                                .group = (uint32_t)args->group,
                                .scale_row = 1,
                                .scale_group = scales->dims[1]},
                     .zeros = VKD_NO_TENSOR,
                     .index = VKD_NO_TENSOR};
    vkd_tensor_id weights, rows;
    VKD_TRY(vkd_op_check_floats(lowering, &args->index, 1));
    VKD_TRY(vkd_op_rows(lowering, args->table, &r.table));
    VKD_TRY(vkd_op_rows(lowering, args->scales, &r.scales));
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_ROWS, 2,
                                 (const uint32_t[]){n, k}, &weights));
    VKD_TRY(emit_rows(lowering, &r, weights));
    VKD_TRY(vkd_op_rows(lowering, args->index, &rows));
    const uint32_t m = (uint32_t)vkd_dims_count(d->rank - 1, d->dims);
    vkd_matmul product = {.weight = VKD_NO_VALUE, .alpha = 1, .c.tensor = VKD_NO_TENSOR};
    product.a =
        (vkd_view){.tensor = rows, .rank = 3, .dims = {1, m, n}, .strides = {0, (int32_t)n, 1}};
    product.b =
        (vkd_view){.tensor = weights, .rank = 3, .dims = {1, n, k}, .strides = {0, (int32_t)k, 1}};
    return vkd_matmul_emit(lowering, &product, args->y);
}

#define QLINEAR(name_, params_, code_)                                                             \
    {                                                                                              \
        name_, params_, sizeof(qlinear_args), shape, lower,                                        \
            .code = code_, .kind = (code_) == DQ8CA_Q4GSW ? VKD_OP_OTHER : VKD_OP_PRODUCT,         \
            .defaults = &defaults                                                                  \
    }

#define ROWS(name_, params_, bits_)                                                                \
    {                                                                                              \
        name_, params_, sizeof(nibble_args), shape_embedding, lower_embedding,                     \
            .code = bits_, .defaults = &no_zeros                                                   \
    }

static const vkd_op rows[] = {
    QLINEAR("aten._weight_int8pack_mm.default", plain_params, INT8PACK),
    QLINEAR("et_vk.linear_qcs4w.default", plain_params, QCS4W),
    QLINEAR("et_vk.linear_q4gsw.default", group_params, Q4GSW),
    QLINEAR("et_vk.q4gsw_linear.default", group_params, Q4GSW),
    QLINEAR("et_vk.linear_dq8ca_q4gsw.default", dynamic_params, DQ8CA_Q4GSW),
    QLINEAR("et_vk.linear_q8ta_q8csw.default", static_params, Q8TA_Q8CSW),
    QLINEAR("et_vk.linear_q8csw.default", biased_params, Q8CSW),
    ROWS("et_vk.embedding_q4gsw.default", embedding_params, 4),
    ROWS("quantized_decomposed.embedding_4bit.dtype", embedding_4bit_params, 4),
    {"et_vk.linear_q4gsw_backward.default", backward_params, sizeof(nibble_args), shape_backward,
     lower_backward, .code = 4, .defaults = &no_zeros},
    /* between delegates */
    ROWS("quantized_decomposed::embedding_byte.out", embedding_bits_params, 8),
    ROWS("quantized_decomposed::embedding_byte.dtype_out", embedding_4bit_params, 8),
    ROWS("quantized_decomposed::embedding_4bit.out", embedding_bits_params, 4),
    ROWS("quantized_decomposed::embedding_4bit.dtype_out", embedding_4bit_params, 4),
    ROWS("quantized_decomposed::embedding_2bit.out", embedding_bits_params, 2),
    ROWS("quantized_decomposed::embedding_2bit.dtype_out", embedding_4bit_params, 2),
};

const vkd_op_table vkd_quantized_linear_ops = VKD_OP_TABLE(rows);
