/* A batch norm by constants as two steps of a chain: a product and a sum. */
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
    return x->rank >= 2 && x->dtype == VKD_DTYPE_FLOAT32 && !is_read(r, norm->y[1]) &&
           !is_read(r, norm->y[2]) && norm->mean != VKD_NO_VALUE &&
           norm->variance != VKD_NO_VALUE && find_parameter(r, norm->mean, x->dims[1], &out[0]) &&
           find_parameter(r, norm->variance, x->dims[1], &out[1]) &&
           find_parameter(r, norm->weight, x->dims[1], &out[2]) &&
           find_parameter(r, norm->bias, x->dims[1], &out[3]);
}

/* x * factor + term with factor = weight / deviation, term = bias - mean * factor, as PyTorch has
 * it. */
vkd_status vkd_chain_norm(vkd_rewriter *r, size_t index)
{
    vkd_call *call = &r->net->calls[index];
    const norm_args *norm = vkd_rw_args(call, VKD_OP_BATCH_NORM);
    parameter p[4];
    if (!norm || !is_affine(r, norm, p))
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
        double factor = at(&p[2], c) / sqrt(at(&p[1], c) + (double)norm->eps);
        factors[c] = (float)factor;
        terms[c] = (float)(at(&p[3], c) - at(&p[0], c) * factor);
    }
    VKD_TRY(vkd_rw_become(r, call, VKD_OP_CHAIN, &chain));
    call->name = "vkd.batch_norm";
    return VKD_OK;
}
