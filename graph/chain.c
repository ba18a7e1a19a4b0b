#include "graph/chain.h"
#include "runtime/base/element.h"

#include <string.h>

/* --------------------------------------------------------------------------------- single calls */

static bool is_real(const vkd_net *net, uint32_t id)
{
    vkd_dtype dtype = net->values[id].tensor.dtype;
    return dtype == VKD_DTYPE_FLOAT32 || dtype == VKD_DTYPE_FLOAT16;
}

static chain_args empty_chain(uint32_t y)
{
    chain_args chain = {.y = y};
    for (int i = 0; i < CHAIN_INPUTS; i++)
        chain.x[i] = VKD_NO_VALUE;
    return chain;
}

/* Which input it is; CHAIN_INPUTS if there is no room. */
static uint32_t add_input(chain_args *chain, uint32_t x, chain_scale scale)
{
    for (uint32_t i = 0; i < CHAIN_INPUTS; i++) {
        const chain_scale *own = &chain->x_scales[i];
        if (chain->x[i] == x && own->scale == scale.scale && own->zero == scale.zero)
            return i;
        if (chain->x[i] == VKD_NO_VALUE) {
            chain->x[i] = x;
            chain->x_scales[i] = scale;
            return i;
        }
    }
    return CHAIN_INPUTS;
}

bool vkd_chain_copy(const vkd_net *net, uint32_t x, uint32_t y, chain_args *out)
{
    *out = empty_chain(y);
    out->x[0] = x;
    return is_real(net, x) && is_real(net, y);
}

bool vkd_chain_unary(const vkd_net *net, uint32_t x, uint32_t y, const chain_step *step,
                     chain_args *out)
{
    if (!vkd_chain_copy(net, x, y, out) ||
        (step->function >= UNARY_BY_LOG && step->function != CHAIN_HALF))
        return false;
    out->steps[out->step_count++] = *step;
    return true;
}

static bool has_dims_of(const vkd_model_tensor *a, const vkd_model_tensor *b)
{
    return a->rank == b->rank && !memcmp(a->dims, b->dims, a->rank * sizeof *a->dims);
}

/* A constant of one element does as a number, where the other operand makes the result's dims. */
static bool is_number(const vkd_net *net, uint32_t id, uint32_t other, uint32_t y)
{
    const vkd_model_tensor *t = &net->values[id].tensor;
    return other != VKD_NO_VALUE && other != id && t->data && !t->state &&
           vkd_dims_count(t->rank, t->dims) == 1 &&
           has_dims_of(&net->values[other].tensor, &net->values[y].tensor);
}

/* An operand of a function of two as the step has it. */
static bool add_operand(const vkd_net *net, uint32_t id, uint32_t other, const vkd_number *number,
                        chain_args *chain, uint32_t *out)
{
    float *value = &chain->steps[0].numbers[0];
    *out = CHAIN_NUMBER;
    if (id == VKD_NO_VALUE) {
        *value = (float)number->real;
        return number->kind == VKD_NUMBER_INT || number->kind == VKD_NUMBER_DOUBLE;
    }
    const vkd_model_tensor *t = &net->values[id].tensor;
    if (is_number(net, id, other, chain->y)) {
        *value = (float)vkd_element_get(t->dtype, t->data, 0);
        return true;
    }
    *out = add_input(chain, id, (chain_scale){0});
    return is_real(net, id);
}

bool vkd_chain_binary(const vkd_net *net, uint32_t function, uint32_t a, uint32_t b,
                      const vkd_number *number, const vkd_number *alpha, uint32_t y,
                      chain_args *out)
{
    bool has_alpha = alpha && alpha->kind != VKD_NUMBER_NULL;
    *out = empty_chain(y);
    chain_step *step = &out->steps[out->step_count++];
    step->function = CHAIN_BINARY + function;
    step->numbers[1] = has_alpha ? (float)alpha->real : 1;
    return function <= BINARY_MAX && is_real(net, y) &&
           (!has_alpha || alpha->kind != VKD_NUMBER_SYM) &&
           add_operand(net, a, b, number, out, &step->a) &&
           add_operand(net, b, a, number, out, &step->b) && out->x[0] != VKD_NO_VALUE &&
           (step->a != CHAIN_NUMBER || step->b != CHAIN_NUMBER);
}

/* -------------------------------------------------------------------------------------- joining */

bool vkd_chain_of(const vkd_rewriter *r, const vkd_call *call, chain_args *out)
{
    const chain_args *chain = vkd_rw_args(call, VKD_OP_CHAIN);
    if (!chain)
        return call->row->chain && call->row->chain(r->net, call, out);
    *out = *chain;
    return true;
}

/* What refers to the result of all steps. */
static uint32_t result_of(const chain_args *chain)
{
    return chain->step_count ? CHAIN_INPUTS + chain->step_count - 1 : 0;
}

/* The first chain's steps, then those of the second, which has its result as an input: false where
 * that is too much for one. */
static bool append(const chain_args *first, const chain_args *second, uint32_t input,
                   chain_args *out)
{
    uint32_t places[CHAIN_INPUTS] = {0};
    *out = *first;
    out->y = second->y;
    out->y_scale = second->y_scale;
    out->step_count += second->step_count;
    if (out->step_count > CHAIN_STEPS)
        return false;
    for (uint32_t i = 0; i < CHAIN_INPUTS && second->x[i] != VKD_NO_VALUE; i++) {
        places[i] =
            i == input ? result_of(first) : add_input(out, second->x[i], second->x_scales[i]);
        if (i != input && places[i] == CHAIN_INPUTS)
            return false;
    }
    for (uint32_t s = 0; s < second->step_count; s++) {
        chain_step *step = &out->steps[first->step_count + s];
        *step = second->steps[s];
        uint32_t *operands[] = {&step->a, &step->b};
        for (int o = 0; o < 2; o++)
            if (*operands[o] < CHAIN_INPUTS)
                *operands[o] = places[*operands[o]];
            else if (*operands[o] != CHAIN_NUMBER)
                *operands[o] += first->step_count;
    }
    return true;
}

static bool has_exponentials(const chain_args *chain)
{
    for (uint32_t s = 0; s < chain->step_count; s++)
        if (chain->steps[s].function >= UNARY_BY_EXP && chain->steps[s].function < UNARY_BY_LOG)
            return true;
    return false;
}

static bool reads_states(const vkd_rewriter *r, const chain_args *chain)
{
    for (uint32_t i = 0; i < CHAIN_INPUTS && chain->x[i] != VKD_NO_VALUE; i++)
        if (vkd_rw_tensor(r, chain->x[i])->state)
            return true;
    return false;
}

/* More elements than this are not computed anew for each element that they are broadcast to, where
 * that takes an exponential. */
enum { MAX_REPEATED = 1 << 14 };

/* What is no dispatch. */
static bool is_copy(const vkd_rewriter *r, const chain_args *chain)
{
    return !chain->step_count &&
           vkd_rw_tensor(r, chain->x[0])->dtype == vkd_rw_tensor(r, chain->y)->dtype;
}

/* The chain that makes an input, where it may be computed within the call that reads it. What only
 * reads its input costs nothing where it is done twice. */
static bool part_of(vkd_rewriter *r, size_t index, const chain_args *chain, uint32_t input,
                    chain_args *part)
{
    const vkd_call *call = &r->net->calls[index];
    const uint32_t id = chain->x[input];
    const vkd_call *producer = vkd_rw_producer(r, id, index);
    const vkd_model_tensor *x = vkd_rw_tensor(r, id), *y = vkd_rw_tensor(r, chain->y);
    if (!producer || !is_real(r->net, id) || !vkd_chain_of(r, producer, part) ||
        reads_states(r, part) ||
        ((part->step_count || is_copy(r, chain)) && !vkd_rw_reads_alone(r, call, id)))
        return false;
    return has_dims_of(x, y) || !has_exponentials(part) ||
           vkd_dims_count(y->rank, y->dims) <= MAX_REPEATED;
}

/* What of a name says what it does: "dequantize" of "quantized_decomposed.dequantize_per_tensor.
 * default". */
static const char *short_name(const char *name, int *length)
{
    const char *dot = strpbrk(name, ".:");
    name = dot ? dot + strspn(dot, ".:") : name;
    const char *end = strchr(name, '.'), *tensor = strstr(name, "_per_tensor");
    *length = (int)(tensor ? tensor - name : end ? end - name : (long)strlen(name));
    return name;
}

enum { MAX_NAME = 60 };

const char *vkd_chain_name(vkd_arena *arena, const char *first, const char *second)
{
    int a, b;
    first = short_name(first, &a);
    second = short_name(second, &b);
    return a + b > MAX_NAME ? "vkd.chain"
                            : vkd_arena_printf(arena, "vkd.%.*s+%.*s", a, first, b, second);
}

static vkd_status join(vkd_rewriter *r, vkd_call *call, uint32_t id, const chain_args *chain)
{
    const vkd_call *part = vkd_rw_producer(r, id, vkd_rw_index(r, call));
    const char *name = vkd_chain_name(r->net->arena, part->name, call->name);
    if (!name)
        return vkd_fail_memory(r->net->arena->context, "the rewriter");
    VKD_TRY(vkd_rw_become(r, call, VKD_OP_CHAIN, chain));
    call->name = name;
    vkd_rw_drop_unread(r, id);
    return VKD_OK;
}

vkd_status vkd_chain_join(vkd_rewriter *r, size_t index)
{
    vkd_call *call = &r->net->calls[index];
    chain_args chain, part, joined;
    if (!vkd_chain_of(r, call, &chain))
        return VKD_OK;
    for (uint32_t i = 0; i < CHAIN_INPUTS && chain.x[i] != VKD_NO_VALUE;) {
        if (!part_of(r, index, &chain, i, &part) || !append(&part, &chain, i, &joined)) {
            i++;
            continue;
        }
        VKD_TRY(join(r, call, chain.x[i], &joined));
        chain = joined;
        i = 0; /* others may have become its alone */
    }
    return VKD_OK;
}

bool vkd_chain_is_table(const vkd_rewriter *r, const chain_args *chain)
{
    return chain->x[1] == VKD_NO_VALUE && vkd_rw_tensor(r, chain->x[0])->dtype == VKD_DTYPE_INT8 &&
           has_dims_of(vkd_rw_tensor(r, chain->x[0]), vkd_rw_tensor(r, chain->y));
}
