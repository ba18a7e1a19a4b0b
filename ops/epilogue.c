#include "ops/epilogue.h"
#include "graph/chain.h"

#include <math.h>
#include <string.h>

static bool are_alike(const vkd_model_tensor *a, const vkd_model_tensor *b)
{
    return a->rank == b->rank && !memcmp(a->dims, b->dims, a->rank * sizeof a->dims[0]);
}

/* The rule may have taken the result of a view of rows for theirs. */
static bool have_rows_alike(const vkd_model_tensor *a, const vkd_model_tensor *b)
{
    return a->rank && b->rank && a->dims[a->rank - 1] == b->dims[b->rank - 1] &&
           vkd_dims_count(a->rank, a->dims) == vkd_dims_count(b->rank, b->dims);
}

vkd_status vkd_epilogue_make(vkd_lowering *lowering, const product_args *args, vkd_epilogue *out)
{
    const epilogue_args *e = &args->epilogue;
    *out = (vkd_epilogue){.step_count = e->step_count,
                          .has_residual = e->residual != VKD_NO_VALUE,
                          .residual = VKD_NO_TENSOR};
    memcpy(out->steps, e->steps, sizeof out->steps);
    if (!out->has_residual)
        return VKD_OK;
    /* The file's were alike, of which those that may be smaller now need not be. */
    const vkd_model_tensor *r = vkd_value_tensor(lowering, e->residual),
                           *y = vkd_value_tensor(lowering, args->y);
    const bool rows = lowering->call->row->kind == VKD_OP_PRODUCT;
    if (!are_alike(r, y) && !(rows && have_rows_alike(r, y)))
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, &e->residual,
                              "has another shape than the result, expected the same");
    return VKD_OK;
}

vkd_status vkd_epilogue_rows(vkd_lowering *lowering, const product_args *args, vkd_epilogue *out)
{
    VKD_TRY(vkd_epilogue_make(lowering, args, out));
    return out->has_residual ? vkd_op_rows(lowering, args->epilogue.residual, &out->residual)
                             : VKD_OK;
}

/* The slot of an operand when the first step is gone, whose result is the sum then. */
static uint32_t without_first(uint32_t slot)
{
    if (slot == EPILOGUE_INPUTS)
        return EPILOGUE_SUM;
    return slot > EPILOGUE_INPUTS && slot < EPILOGUE_NUMBER ? slot - 1 : slot;
}

void vkd_epilogue_take_bounds(vkd_epilogue *e, float *low, float *high)
{
    const chain_step first = e->steps[0];
    if (!e->step_count || first.function != UNARY_CLAMP || first.a != EPILOGUE_SUM ||
        *low != -INFINITY || *high != INFINITY)
        return;
    for (uint32_t s = 1; s < e->step_count; s++)
        if (e->steps[s].a == EPILOGUE_SUM ||
            (e->steps[s].b == EPILOGUE_SUM && e->steps[s].function >= CHAIN_BINARY))
            return;
    *low = first.numbers[0];
    *high = first.numbers[1];
    e->step_count--;
    for (uint32_t s = 0; s < e->step_count; s++) {
        e->steps[s] = e->steps[s + 1];
        e->steps[s].a = without_first(e->steps[s].a);
        e->steps[s].b = without_first(e->steps[s].b);
    }
}

void vkd_epilogue_numbers(const vkd_epilogue *e, float out[2 * EPILOGUE_STEPS])
{
    for (uint32_t s = 0; s < EPILOGUE_STEPS; s++)
        for (uint32_t i = 0; i < 2; i++)
            out[2 * s + i] = s < e->step_count ? e->steps[s].numbers[i] : 0;
}

void vkd_epilogue_steps(vkd_node *node, const vkd_epilogue *e)
{
    vkd_node_spec(node, e->step_count);
    for (uint32_t s = 0; s < EPILOGUE_STEPS; s++)
        vkd_node_spec(node, s < e->step_count
                                ? e->steps[s].function | e->steps[s].a << 8 | e->steps[s].b << 16
                                : 0);
}

void vkd_epilogue_bind(vkd_node *node, const vkd_graph *graph, const vkd_epilogue *e,
                       vkd_tensor_id otherwise)
{
    vkd_node_read(node, e->has_residual ? e->residual : otherwise);
    vkd_node_spec(node, e->has_residual ? graph->tensors[e->residual].dtype : 0);
    vkd_epilogue_steps(node, e);
}

double vkd_epilogue_value(const vkd_epilogue *e, double sum, double residual)
{
    double slots[EPILOGUE_NUMBER + 1] = {sum, residual}, result = sum;
    for (uint32_t s = 0; s < e->step_count; s++) {
        const chain_step *step = &e->steps[s];
        slots[EPILOGUE_NUMBER] = (double)step->numbers[0];
        result = vkd_chain_step(step, slots[step->a], slots[step->b]);
        slots[EPILOGUE_INPUTS + s] = result;
    }
    return result;
}
