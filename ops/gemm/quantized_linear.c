/* Linear layers whose weights are integers of 8 or 4 bits and whose results are floats. */
#include "graph/operators.h"
#include "ops/gemm/low_bit.h"
#include "ops/normalise.h"
#include "ops/tables.h"
#include "shaders/pairs_params.h"
#include "shaders/qlinear_params.h"

#include <math.h>
#include <string.h>

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

static low_bit_form form_of(int code)
{
    return code == QCS4W                          ? LOW_BIT_HIGH
           : code == Q4GSW || code == DQ8CA_Q4GSW ? LOW_BIT_LOW
                                                  : LOW_BIT_BYTES;
}

static vkd_status shape(vkd_shaping *shaping, const void *arguments)
{
    const qlinear_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *weight = vkd_shape_of(shaping, args->weight);
    const low_bit_form form = form_of(shaping->call->row->code);
    const uint32_t k = x->rank ? x->dims[x->rank - 1] : 0;
    const uint64_t least = form == LOW_BIT_BYTES ? k : vkd_divide_up(k, 2);
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

static uint32_t mode_of(int code)
{
    return code == DQ8CA_Q4GSW  ? VKD_QLINEAR_DYNAMIC
           : code == Q8TA_Q8CSW ? VKD_QLINEAR_STATIC
                                : VKD_QLINEAR_FLOAT;
}

/* As which weights are packed: nibbles become bytes where a group is no whole number of words. */
static uint32_t packed_bits(low_bit_form form, uint32_t group, uint32_t k)
{
    return form == LOW_BIT_BYTES || (group % 8 && group != k) ? 8 : 4;
}

static uint32_t group_of(const qlinear_args *args, uint32_t k)
{
    return args->group ? (uint32_t)args->group : k;
}

/* One of the layers that are computed together. */
static vkd_status add_layer(vkd_lowering *lowering, const qlinear_args *args, int layer,
                            conv2d_low *low)
{
    low_bit_channels *c = &low->channels;
    const bool has_bias = args->bias != VKD_NO_VALUE;
    VKD_TRY(check_channels(lowering, args, c->groups, c->n, &c->row[layer]));
    low->weights.bytes[layer] = vkd_op_content(lowering, args->weight);
    c->scales[layer] = vkd_op_content(lowering, args->scales);
    c->scale_type[layer] = vkd_value_tensor(lowering, args->scales)->dtype;
    c->bias[layer] = vkd_op_content(lowering, args->bias);
    c->bias_type[layer] =
        has_bias ? vkd_value_tensor(lowering, args->bias)->dtype : VKD_DTYPE_FLOAT32;
    return VKD_OK;
}

/* The norm that was put off of x, which a kernel may make. */
static const norm_args *norm_of(const vkd_lowering *lowering, const qlinear_args *args,
                                const conv2d_low *low)
{
    const norm_args *norm = vkd_late_rms_norm(lowering, args->x);
    if (!norm || low->mode != VKD_QLINEAR_FLOAT || low->weights.k % 4)
        return NULL;
    const vkd_model_tensor *weight = vkd_value_tensor(lowering, norm->weight);
    return weight->data && !weight->state ? norm : NULL;
}

static vkd_status make_layer(vkd_lowering *lowering, const void *arguments, uint32_t value);

/* The layer that was put off because this one has its result for a residual. */
static const qlinear_args *partner_of(const vkd_lowering *lowering, const qlinear_args *args)
{
    const uint32_t residual = args->product.epilogue.residual;
    const vkd_call *call =
        residual == VKD_NO_VALUE ? NULL : vkd_op_late(lowering, residual, make_layer);
    return call ? call->args : NULL;
}

static conv2d_problem problem_of(const vkd_lowering *lowering, const qlinear_args *args)
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *weight = vkd_value_tensor(lowering, args->weight);
    const int code = lowering->call->row->code;
    const uint32_t rows = (uint32_t)vkd_dims_count(x->rank - 1, x->dims), k = x->dims[x->rank - 1];
    conv2d_problem p = conv2d_of_rows(rows, k, weight->dims[0], x->dtype);
    p.low_group = group_of(args, k);
    p.low_bits = packed_bits(form_of(code), p.low_group, k);
    p.low_mode = mode_of(code);
    return p;
}

/* All that one kernel may compute. *out: in the graph's arena, as what is tried is kept. */
static vkd_status describe(vkd_lowering *lowering, const qlinear_args *args, conv2d_problem *p,
                           vkd_dtype y_type, conv2d_low **out)
{
    conv2d_low *low = *out = vkd_arena_alloc(lowering->graph->arena, 1, sizeof *low);
    if (!low)
        return vkd_fail_memory(lowering->context, "a linear layer");
    const uint32_t k = p->in_c, n = p->out_c,
                   row = vkd_value_tensor(lowering, args->weight)->dims[1];
    low->weights = (low_bit_weights){.form = form_of(lowering->call->row->code),
                                     .n = n,
                                     .k = k,
                                     .row = row,
                                     .steps = (uint32_t)vkd_divide_up(k, 32 / p->low_bits),
                                     .bits = p->low_bits};
    low->channels.groups = k / p->low_group;
    low->channels.n = n;
    low->channels.k = k;
    low->mode = p->low_mode;
    low->group = p->low_group;
    low->x_scale = args->x_scale;
    low->x_zero = args->x_zero;
    low->pairs = VKD_NO_TENSOR;
    low->y_type = y_type;
    VKD_TRY(add_layer(lowering, args, 0, low));
    VKD_TRY(vkd_epilogue_make(lowering, &args->product, &low->epilogue));
    if (!vkd_low_bit_may_take(p, lowering->caps))
        return VKD_OK;
    const qlinear_args *partner = partner_of(lowering, args);
    const norm_args *norm = norm_of(lowering, args, low);
    p->low_more = (norm ? LOW_BIT_NORM : 0) | (partner ? LOW_BIT_GATE : 0);
    if (partner)
        VKD_TRY(add_layer(lowering, partner, 1, low));
    low->channels.norm = vkd_op_content(lowering, norm ? norm->weight : VKD_NO_VALUE);
    low->channels.norm_type =
        norm ? vkd_value_tensor(lowering, norm->weight)->dtype : VKD_DTYPE_FLOAT32;
    low->eps = norm ? norm->eps : 0;
    return VKD_OK;
}

/* Chooses the kernel, and gives it what it takes. */
static vkd_status emit(vkd_lowering *lowering, const qlinear_args *args, vkd_tensor_id y)
{
    conv2d conv = {.problem = problem_of(lowering, args),
                   .channels = VKD_NO_TENSOR,
                   .residual = VKD_NO_TENSOR,
                   .y = y};
    const conv2d_variant *variant;
    conv2d_low *low;
    VKD_TRY(describe(lowering, args, &conv.problem, lowering->graph->tensors[y].dtype, &low));
    conv.low = low;
    VKD_TRY(vkd_conv2d_select(lowering, &conv, vkd_conv2d_low_variants,
                              vkd_conv2d_low_variant_count, &variant));
    conv2d_low own = *low;
    conv.low = &own;
    if (!vkd_low_bit_takes(variant, &conv.problem, lowering->caps))
        vkd_low_bit_drop(&own);
    const bool norm = own.channels.norm.data;
    VKD_TRY(vkd_op_input(lowering, norm ? vkd_late_rms_norm(lowering, args->x)->x : args->x,
                         conv.problem.dtype, VKD_ROWS, &conv.x));
    if (!own.weights.bytes[1].data)
        VKD_TRY(vkd_epilogue_rows(lowering, &args->product, &own.epilogue));
    if (own.mode == VKD_QLINEAR_DYNAMIC)
        VKD_TRY(add_pairs(lowering, args, conv.problem.out_w, &own.pairs));
    return variant->emit(lowering, &conv, variant->tile);
}

static vkd_status make_layer(vkd_lowering *lowering, const void *arguments, uint32_t value)
{
    (void)value;
    enum { MAX_K = 65793 }; /* an int32 of products of 8 bits */
    const qlinear_args *args = arguments;
    const int code = lowering->call->row->code;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    const uint32_t k = x->dims[x->rank - 1], m = (uint32_t)vkd_dims_count(x->rank - 1, x->dims),
                   n = vkd_value_tensor(lowering, args->weight)->dims[0];
    const vkd_dtype dtype = vkd_value_tensor(lowering, args->product.y)->dtype;
    if (!vkd_is_float(x->dtype) && !(code == Q8TA_Q8CSW && x->dtype == VKD_DTYPE_INT8))
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, &args->x,
                              "has dtype %s, expected f32 or f16", vkd_dtype_name(x->dtype));
    if (code == Q8TA_Q8CSW && (!(args->x_scale > 0) || !isfinite(args->x_scale) || k > MAX_K))
        return vkd_op_fail_at(
            lowering, VKD_INVALID_MODEL, &args->x_scale,
            "is %g for sums of %u products, expected a positive number, and %d products at most",
            (double)args->x_scale, k, MAX_K);
    vkd_tensor_id y, sums;
    VKD_TRY(vkd_op_output_in(lowering, args->product.y, dtype, VKD_ROWS, &y));
    if (dtype != VKD_DTYPE_FLOAT16 || n % 2 == 0)
        return emit(lowering, args, y);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_FLOAT32, VKD_ROWS, 2,
                                 (const uint32_t[]){m, n}, &sums));
    VKD_TRY(emit(lowering, args, sums));
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

#define QLINEAR(name_, params_, code_)                                                             \
    {                                                                                              \
        name_, params_, sizeof(qlinear_args), shape, lower,                                        \
            .code = code_, .kind = (code_) == DQ8CA_Q4GSW ? VKD_OP_OTHER : VKD_OP_PRODUCT,         \
            .defaults = &defaults                                                                  \
    }

static const vkd_op rows[] = {
    QLINEAR("aten._weight_int8pack_mm.default", plain_params, INT8PACK),
    QLINEAR("et_vk.linear_qcs4w.default", plain_params, QCS4W),
    QLINEAR("et_vk.linear_q4gsw.default", group_params, Q4GSW),
    QLINEAR("et_vk.q4gsw_linear.default", group_params, Q4GSW),
    QLINEAR("et_vk.linear_dq8ca_q4gsw.default", dynamic_params, DQ8CA_Q4GSW),
    QLINEAR("et_vk.linear_q8ta_q8csw.default", static_params, Q8TA_Q8CSW),
    QLINEAR("et_vk.linear_q8csw.default", biased_params, Q8CSW),
};

const vkd_op_table vkd_quantized_linear_ops = VKD_OP_TABLE(rows);
