/* A batch norm by constants: in the weights and the bias of the convolution before it, or as two
 * steps of a chain, a product and a sum. */
#include "graph/chain.h"
#include "runtime/base/element.h"

#include <math.h>

/* A constant with an element a channel; of none, all are `otherwise`. */
typedef struct parameter {
    const vkd_model_tensor *tensor; /* null: none */
    double otherwise;
} parameter;

static bool find_parameter(const vkd_rewriter *r, uint32_t id, uint32_t channels, parameter *out)
{
    out->tensor = id == VKD_NO_VALUE ? NULL : vkd_rw_tensor(r, id);
    const vkd_model_tensor *t = out->tensor;
    return !t || (t->data && !t->state && t->rank == 1 && t->dims[0] == channels &&
                  (t->dtype == VKD_DTYPE_FLOAT32 || t->dtype == VKD_DTYPE_FLOAT16));
}

static double at(const parameter *p, uint32_t channel)
{
    return p->tensor ? vkd_element_get(p->tensor->dtype, p->tensor->data, channel) : p->otherwise;
}

/* Adds such a constant under the dims that broadcast to x's. */
static vkd_status add_channels(vkd_rewriter *r, uint32_t rank, uint32_t channels, float **out,
                               uint32_t *out_id)
{
    vkd_model_value value = {.kind = VKD_VALUE_TENSOR};
    vkd_model_tensor *t = &value.tensor;
    *out = vkd_arena_alloc(r->net->arena, channels, sizeof **out);
    if (!*out)
        return vkd_fail_memory(r->net->arena->context, "the rewriter");
    t->dtype = t->staging_dtype = VKD_DTYPE_FLOAT32;
    t->rank = rank - 1;
    t->dims[0] = channels;
    for (uint32_t d = 1; d < t->rank; d++)
        t->dims[d] = 1;
    t->data = *out;
    t->size = channels * sizeof **out;
    return vkd_rw_add_value(r, &value, out_id);
}

static bool is_read(const vkd_rewriter *r, uint32_t id)
{
    return id != VKD_NO_VALUE && r->readers[id] > 0;
}

/* Whether it is one by constants, without other results; the parameters: mean, variance,
 * weight, bias. */
static bool is_affine(const vkd_rewriter *r, const norm_args *norm, parameter out[4])
{
    const vkd_model_tensor *x = vkd_rw_tensor(r, norm->x);
    out[2].otherwise = 1;
    out[3].otherwise = 0;
    return x->rank >= 2 && !is_read(r, norm->y[1]) && !is_read(r, norm->y[2]) &&
           norm->mean != VKD_NO_VALUE && norm->variance != VKD_NO_VALUE &&
           find_parameter(r, norm->mean, x->dims[1], &out[0]) &&
           find_parameter(r, norm->variance, x->dims[1], &out[1]) &&
           find_parameter(r, norm->weight, x->dims[1], &out[2]) &&
           find_parameter(r, norm->bias, x->dims[1], &out[3]);
}

/* weight / deviation */
static double factor_of(const norm_args *norm, const parameter p[4], uint32_t channel)
{
    return at(&p[2], channel) / sqrt(at(&p[1], channel) + (double)norm->eps);
}

/* x * factor + term with factor = weight / deviation, term = bias - mean * factor, as PyTorch has
 * it. */
vkd_status vkd_chain_norm(vkd_rewriter *r, size_t index)
{
    vkd_call *call = &r->net->calls[index];
    const norm_args *norm = vkd_rw_args(call, VKD_OP_BATCH_NORM);
    parameter p[4];
    if (!norm || !is_affine(r, norm, p) || vkd_rw_tensor(r, norm->x)->dtype != VKD_DTYPE_FLOAT32)
        return VKD_OK;
    const uint32_t rank = vkd_rw_tensor(r, norm->x)->rank,
                   channels = vkd_rw_tensor(r, norm->x)->dims[1];
    chain_args chain = {
        .x = {norm->x},
        .y = norm->y[0],
        .step_count = 2,
        .steps = {{CHAIN_BINARY + BINARY_MUL, 0, 1, {0, 1}},
                  {CHAIN_BINARY + BINARY_ADD, CHAIN_INPUTS, 2, {0, 1}}},
    };
    float *factors, *terms;
    VKD_TRY(add_channels(r, rank, channels, &factors, &chain.x[1]));
    VKD_TRY(add_channels(r, rank, channels, &terms, &chain.x[2]));
    for (uint32_t c = 0; c < channels; c++) {
        const double factor = factor_of(norm, p, c);
        factors[c] = (float)factor;
        terms[c] = (float)(at(&p[3], c) - at(&p[0], c) * factor);
    }
    VKD_TRY(vkd_rw_become(r, call, VKD_OP_CHAIN, &chain));
    call->name = "vkd.batch_norm";
    return VKD_OK;
}

/* -------------------------------------------------------------------------- in a convolution */

/* The convolution before a batch norm, which alone reads it. */
typedef struct folding {
    const norm_args *norm;
    parameter p[4], bias;
    vkd_call *call;
    conv_float_args *conv;
    const vkd_model_tensor *weight;
    uint32_t channels;
} folding;

static bool find_convolution(vkd_rewriter *r, size_t index, folding *out)
{
    out->norm = vkd_rw_args(&r->net->calls[index], VKD_OP_BATCH_NORM);
    out->call = out->norm ? vkd_rw_only_producer(r, out->norm->x, index) : NULL;
    out->conv = vkd_rw_args(out->call, VKD_OP_CONV);
    if (!out->conv || !is_affine(r, out->norm, out->p))
        return false;
    const conv_float_args *conv = out->conv;
    const vkd_model_tensor *x = vkd_rw_tensor(r, out->norm->x),
                           *y = vkd_rw_tensor(r, out->norm->y[0]);
    out->weight = vkd_rw_tensor(r, conv->weight);
    out->channels = x->dims[1];
    out->bias.otherwise = 0;
    return conv->factors == VKD_NO_VALUE && !conv->product.epilogue.step_count &&
           conv->low.kind == VKD_NUMBER_NULL && conv->high.kind == VKD_NUMBER_NULL &&
           vkd_rw_alike(r, out->norm->x, out->norm->y[0]) && !y->state && out->weight->data &&
           !out->weight->state && out->weight->dtype == x->dtype && out->weight->rank == x->rank &&
           conv->groups > 0 && find_parameter(r, conv->bias, out->channels, &out->bias) &&
           (!out->bias.tensor || out->bias.tensor->dtype == x->dtype);
}

/* The largest weight of an output channel; where it is not the shape's, NAN. */
static double largest_weight(const folding *f, uint32_t channel)
{
    const vkd_model_tensor *w = f->weight;
    const uint32_t groups = (uint32_t)f->conv->groups, own = w->dims[f->conv->transposed ? 1 : 0];
    const size_t taps = (size_t)vkd_dims_count(w->rank - 2, w->dims + 2);
    const uint64_t out_c = f->conv->transposed ? (uint64_t)own * groups : own;
    if (out_c != f->channels || (f->conv->transposed && w->dims[0] % groups))
        return NAN;
    double most = 0;
    const size_t rows = f->conv->transposed ? w->dims[0] / groups : w->dims[1];
    for (size_t i = 0; i < rows; i++) {
        const size_t row = f->conv->transposed ? (channel / own * rows + i) * own + channel % own
                                               : (size_t)channel * rows + i;
        for (size_t t = 0; t < taps; t++) {
            const double size = fabs(vkd_element_get(w->dtype, w->data, row * taps + t));
            most = size > most || isnan(size) ? size : most;
        }
    }
    return most;
}

/* Whether a product with a channel's weights is no more than rounded: neither infinite nor all so
 * small that bits are lost. */
static bool is_plain(const folding *f, uint32_t channel, double factor, double term)
{
    const bool half = f->weight->dtype == VKD_DTYPE_FLOAT16;
    const double size = largest_weight(f, channel) * fabs(factor), most = half ? 6e4 : 1e38,
                 least = half ? 1.0 / 16384 : 1e-30;
    return fabs(term) < most && (size == 0 || (size > least && size < most));
}

static vkd_status fold_norm(vkd_rewriter *r, size_t index, const folding *f, uint32_t factors,
                            uint32_t terms)
{
    const char *name = vkd_chain_name(r->net->arena, f->call->name, r->net->calls[index].name);
    const uint32_t y = f->norm->y[0];
    if (!name)
        return vkd_fail_memory(r->net->arena->context, "the rewriter");
    vkd_rw_remove(r, &r->net->calls[index]);
    vkd_rw_set_input(r, &f->conv->factors, factors);
    vkd_rw_set_input(r, &f->conv->bias, terms);
    vkd_rw_set_result(r, f->call, y);
    f->call->name = name;
    return VKD_OK;
}

/* conv(x, w, b) * factor + term = conv(x, w * factor, b * factor + term): weights are multiplied
 * while they are packed. */
vkd_status vkd_fuse_norm(vkd_rewriter *r, size_t index)
{
    folding f;
    if (!find_convolution(r, index, &f))
        return VKD_OK;
    const vkd_dtype dtype = f.weight->dtype;
    float *factors = vkd_arena_alloc(r->net->arena, f.channels, sizeof *factors);
    void *terms = vkd_arena_alloc(r->net->arena, f.channels, vkd_dtype_size(dtype));
    vkd_model_value value = {.kind = VKD_VALUE_TENSOR,
                             .tensor = {.dtype = VKD_DTYPE_FLOAT32,
                                        .staging_dtype = VKD_DTYPE_FLOAT32,
                                        .rank = 1,
                                        .dims = {f.channels},
                                        .data = factors,
                                        .size = f.channels * sizeof *factors}};
    uint32_t factors_id, terms_id;
    if (!factors || !terms)
        return vkd_fail_memory(r->net->arena->context, "the rewriter");
    for (uint32_t c = 0; c < f.channels; c++) {
        const double factor = factor_of(f.norm, f.p, c),
                     term = at(&f.p[3], c) + (at(&f.bias, c) - at(&f.p[0], c)) * factor;
        if (!is_plain(&f, c, factor, term))
            return VKD_OK;
        factors[c] = (float)factor;
        vkd_element_set(dtype, terms, c, term);
    }
    VKD_TRY(vkd_rw_add_value(r, &value, &factors_id));
    value.tensor.dtype = value.tensor.staging_dtype = dtype;
    value.tensor.data = terms;
    value.tensor.size = f.channels * vkd_dtype_size(dtype);
    VKD_TRY(vkd_rw_add_value(r, &value, &terms_id));
    return fold_norm(r, index, &f, factors_id, terms_id);
}
