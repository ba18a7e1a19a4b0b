#include "graph/epilogue.h"
#include "graph/chain.h"

#include <string.h>

/* Of those of a chain, which shaders/float_epilogue.glsl has. */
static bool is_known(const chain_step *step)
{
    switch (step->function) {
    case UNARY_CLAMP:
    case UNARY_HARDSWISH:
    case UNARY_HARDSIGMOID:
    case UNARY_LEAKY_RELU:
    case UNARY_TANH:
    case UNARY_SIGMOID:
    case UNARY_GELU:
    case UNARY_GELU_TANH:
    case CHAIN_BINARY + BINARY_ADD:
    case CHAIN_BINARY + BINARY_SUB:
    case CHAIN_BINARY + BINARY_MUL:
    case CHAIN_BINARY + BINARY_MIN:
    case CHAIN_BINARY + BINARY_MAX:
        return true;
    default:
        return step->function == CHAIN_BINARY + BINARY_DIV && step->b == CHAIN_NUMBER;
    }
}

/* A chain's slot as the epilogue of its input `sum` has it. */
static uint32_t slot_of(uint32_t slot, uint32_t sum)
{
    if (slot == CHAIN_NUMBER)
        return EPILOGUE_NUMBER;
    if (slot >= CHAIN_INPUTS)
        return slot - CHAIN_INPUTS + EPILOGUE_INPUTS;
    return slot == sum ? EPILOGUE_SUM : EPILOGUE_RESIDUAL;
}

/* The chain as an epilogue behind what makes its input `sum`: false where it is none. */
static bool make_epilogue(const vkd_rewriter *r, const chain_args *chain, uint32_t sum,
                          epilogue_args *out)
{
    const uint32_t other = chain->x[sum == 0];
    *out = (epilogue_args){.residual = other, .step_count = chain->step_count};
    if (!chain->step_count || chain->step_count > EPILOGUE_STEPS || chain->x[2] != VKD_NO_VALUE ||
        !vkd_rw_alike(r, chain->x[sum], chain->y) || vkd_rw_tensor(r, chain->y)->state ||
        (other != VKD_NO_VALUE &&
         (!vkd_rw_alike(r, other, chain->y) || vkd_rw_tensor(r, other)->state)))
        return false;
    for (uint32_t s = 0; s < chain->step_count; s++) {
        if (!is_known(&chain->steps[s]))
            return false;
        out->steps[s] = chain->steps[s];
        out->steps[s].a = slot_of(chain->steps[s].a, sum);
        out->steps[s].b = slot_of(chain->steps[s].b, sum);
    }
    return true;
}

typedef struct reading {
    const vkd_rewriter *r;
    bool state;
} reading;

static void see_state(void *user, uint32_t *id, bool write)
{
    reading *seen = user;
    seen->state |= !write && vkd_rw_tensor(seen->r, *id)->state;
}

static bool reads_state(const vkd_rewriter *r, const vkd_call *call)
{
    reading seen = {r, false};
    vkd_call_uses(call, see_state, &seen);
    return seen.state;
}

static const product_args *product_of(const vkd_call *call)
{
    static const vkd_op_kind kinds[] = {VKD_OP_PRODUCT, VKD_OP_CONV, VKD_OP_BMM};
    const product_args *args = NULL;
    for (size_t i = 0; !args && i < sizeof kinds / sizeof *kinds; i++)
        args = vkd_rw_args(call, kinds[i]);
    return args;
}

/* A product, and what is to become its epilogue. */
typedef struct fusing {
    vkd_call *product;
    vkd_call *view; /* of its result, which alone reads that; null: none */
    epilogue_args epilogue;
    bool moves; /* the residual is made behind it: it has to move there */
} fusing;

/* A view of rows as such is no obstacle: who multiplies them reads the residual's one by one. */
static vkd_call *find_view(vkd_rewriter *r, vkd_call *call)
{
    const view_args *view = vkd_rw_args(call, VKD_OP_VIEW);
    const vkd_call *product = view ? vkd_rw_only_producer(r, view->x, vkd_rw_index(r, call)) : NULL;
    if (!vkd_rw_args(product, VKD_OP_PRODUCT))
        return NULL;
    const vkd_model_tensor *x = vkd_rw_tensor(r, view->x), *y = vkd_rw_tensor(r, view->y);
    return x->rank && y->rank && x->dims[x->rank - 1] == y->dims[y->rank - 1] &&
                   x->dtype == y->dtype
               ? call
               : NULL;
}

/* The product whose result is that input of the chain, for the chain alone, if the chain can become
 * its epilogue. */
static bool find_product(vkd_rewriter *r, size_t index, const chain_args *chain, uint32_t sum,
                         fusing *out)
{
    const uint32_t id = chain->x[sum];
    vkd_call *call = vkd_rw_producer(r, id, index);
    out->view = find_view(r, call);
    if (out->view)
        call = vkd_rw_producer(r, ((const view_args *)call->args)->x, index);
    const product_args *args = product_of(call);
    if (!args || args->epilogue.step_count || !vkd_rw_reads_alone(r, &r->net->calls[index], id) ||
        !make_epilogue(r, chain, sum, &out->epilogue))
        return false;
    const uint32_t residual = out->epilogue.residual,
                   made = residual == VKD_NO_VALUE ? VKD_NO_VALUE : r->producer[residual];
    out->product = call;
    out->moves = made != VKD_NO_VALUE && made > vkd_rw_index(r, call);
    return !out->moves ||
           (!reads_state(r, call) && (!out->view || made < vkd_rw_index(r, out->view)));
}

static void swap_places(vkd_rewriter *r, vkd_call **a, vkd_call **b)
{
    vkd_call *place = *a;
    vkd_rw_swap(r, *a, *b);
    *a = *b;
    *b = place;
}

static vkd_status fuse(vkd_rewriter *r, fusing *f, vkd_call *call, uint32_t y)
{
    const char *name = vkd_chain_name(r->net->arena, f->product->name, call->name);
    if (!name)
        return vkd_fail_memory(r->net->arena->context, "the rewriter");
    if (f->moves && f->view)
        swap_places(r, &f->product, &f->view);
    if (f->moves)
        swap_places(r, f->view ? &f->view : &f->product, &call);
    vkd_rw_remove(r, call);
    product_args *args = f->product->args;
    args->epilogue = f->epilogue;
    args->epilogue.residual = VKD_NO_VALUE;
    if (f->epilogue.residual != VKD_NO_VALUE)
        vkd_rw_set_input(r, &args->epilogue.residual, f->epilogue.residual);
    vkd_rw_set_result(r, f->view ? f->view : f->product, y);
    f->product->name = name;
    return VKD_OK;
}

vkd_status vkd_fuse_epilogue(vkd_rewriter *r, size_t index)
{
    vkd_call *call = &r->net->calls[index];
    chain_args chain;
    fusing best = {.product = NULL}, found;
    if (!vkd_chain_of(r, call, &chain))
        return VKD_OK;
    /* Of two products the later one: the earlier one runs while nothing waits for it. */
    for (uint32_t i = 0; i < 2 && chain.x[i] != VKD_NO_VALUE; i++)
        if (find_product(r, index, &chain, i, &found) &&
            (!best.product || found.product > best.product))
            best = found;
    return best.product ? fuse(r, &best, call, chain.y) : VKD_OK;
}
