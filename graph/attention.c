/* Attention as exporters write it out: a product of queries and keys, a factor, a mask, a softmax,
 * a product with the values, and views between them. Newer ones make queries that see no key zeros
 * afterwards ("safe softmax"). */
#include "graph/chain.h"
#include "graph/fuse.h"

#include <math.h>
#include <string.h>

/* What is looked at, from the last product up. */
typedef struct matching {
    vkd_rewriter *r;
    size_t before;            /* calls from here on are not looked at */
    uint32_t weights, scores; /* what softmax writes and reads */
    uint32_t dropped[32];     /* values that are not needed any more, those made last first */
    size_t drop_count;
    uint32_t masks[2]; /* what is added to the scores, the last one first */
    size_t mask_count;
    vkd_call *masked; /* the call that adds the first of these */
    matmul_args *first;
    fused_attention_args out;
} matching;

static const vkd_model_tensor *tensor(const matching *m, uint32_t id)
{
    return vkd_rw_tensor(m->r, id);
}

static uint32_t last_dim(const vkd_model_tensor *t) { return t->rank ? t->dims[t->rank - 1] : 1; }

/* The call that makes a value, if nothing but what is matched reads it: a safe softmax is read by
 * the tensor of zeros that is made like it, its scores by the comparison. */
static const vkd_call *producer(const matching *m, uint32_t id)
{
    const bool twice = m->out.safe && (id == m->weights || id == m->scores);
    return m->r->readers[id] <= (twice ? 2u : 1u) ? vkd_rw_producer(m->r, id, m->before) : NULL;
}

static void pass(matching *m, uint32_t id, const vkd_call *call)
{
    if (m->drop_count < sizeof m->dropped / sizeof *m->dropped)
        m->dropped[m->drop_count++] = id;
    m->before = vkd_rw_index(m->r, call);
}

/* The arguments of the call of this kind that makes a value, which is passed; null for others. */
static const void *pass_kind(matching *m, uint32_t id, vkd_op_kind kind)
{
    const vkd_call *call = producer(m, id);
    const void *args = vkd_rw_args(call, kind);
    if (args)
        pass(m, id, call);
    return args;
}

/* What a call that makes a value shows under other dims; null for others. */
static view_args *view_of(const matching *m, uint32_t id, const vkd_call *call)
{
    view_args *view = vkd_rw_args(call, VKD_OP_VIEW);
    if (!view)
        view = vkd_rw_args(call, VKD_OP_CLONE);
    return view && tensor(m, view->x)->dtype == tensor(m, id)->dtype ? view : NULL;
}

/* Through views that leave rows as they are. */
static uint32_t through_views(matching *m, uint32_t id)
{
    for (int i = 0; i < 4; i++) {
        const vkd_call *call = producer(m, id);
        const view_args *view = view_of(m, id, call);
        if (!view || last_dim(tensor(m, view->x)) != last_dim(tensor(m, id)))
            break;
        pass(m, id, call);
        id = view->x;
    }
    return id;
}

/* ---------------------------------------------------------------------------------- the softmax */

static bool is_last(const vkd_int_list *dims, uint32_t rank)
{
    return dims->count == 1 &&
           (dims->items[0] == -1 || (rank && dims->items[0] == (int32_t)rank - 1));
}

static bool is_zero(matching *m, uint32_t id)
{
    const creation_args *full = pass_kind(m, id, VKD_OP_FULL);
    return full && full->start.kind != VKD_NUMBER_SYM && full->start.real == 0;
}

/* not any(not(scores == -inf)) of each row. */
static bool sees_nothing(matching *m, uint32_t id, uint32_t *scores)
{
    const view_args *outer = pass_kind(m, id, VKD_OP_NOT);
    const reduce_args *any = outer ? pass_kind(m, outer->x, VKD_OP_ANY) : NULL;
    const view_args *inner = any && any->keepdim ? pass_kind(m, any->x, VKD_OP_NOT) : NULL;
    const compare_args *equal = inner ? pass_kind(m, inner->x, VKD_OP_EQUAL) : NULL;
    if (!equal || !is_last(&any->dims, tensor(m, any->x)->rank) ||
        equal->number.kind != VKD_NUMBER_DOUBLE || equal->number.real != -INFINITY)
        return false;
    *scores = equal->a;
    return true;
}

/* where(sees nothing, zeros, softmax): what softmax wrote; the value itself for other ones. */
static bool match_safe(matching *m, uint32_t id, uint32_t *weights, uint32_t *scores)
{
    const where_args *where = pass_kind(m, id, VKD_OP_WHERE);
    const size_t before = m->before;
    *weights = id;
    if (!where)
        return true;
    *weights = where->b;
    if (!is_zero(m, where->a))
        return false;
    m->before = before;
    m->out.safe = sees_nothing(m, where->condition, scores);
    m->before = before;
    return m->out.safe;
}

/* Weights of keys by softmax over the last dim. */
static bool match_softmax(matching *m, uint32_t id)
{
    uint32_t checked = VKD_NO_VALUE;
    if (!match_safe(m, id, &m->weights, &checked))
        return false;
    const softmax_args *softmax = pass_kind(m, m->weights, VKD_OP_SOFTMAX);
    if (!softmax)
        return false;
    const int32_t rank = (int32_t)tensor(m, softmax->x)->rank;
    m->scores = softmax->x;
    return rank && (softmax->dim == -1 || softmax->dim == rank - 1) &&
           (!m->out.safe || checked == m->scores);
}

/* ----------------------------------------------------------------------------------- the scores */

/* A call as one step of two operands; false for others. */
static bool binary(const matching *m, uint32_t id, chain_args *out)
{
    const vkd_call *call = producer(m, id);
    return call && call->row->chain && call->row->chain(m->r->net, call, out) &&
           out->step_count == 1 && out->steps[0].function >= CHAIN_BINARY;
}

static bool is_real(const vkd_model_tensor *t)
{
    return t->dtype == VKD_DTYPE_FLOAT32 || t->dtype == VKD_DTYPE_FLOAT16;
}

static bool broadcasts(const vkd_model_tensor *mask, const vkd_model_tensor *x)
{
    bool fits = mask->rank <= x->rank && mask->rank <= 5;
    for (uint32_t d = 0; fits && d < mask->rank; d++)
        fits = mask->dims[d] == 1 || mask->dims[d] == x->dims[x->rank - mask->rank + d];
    return fits;
}

/* Whether two masks have a sum: images and windows are different dims. */
static bool go_together(const vkd_model_tensor *a, const vkd_model_tensor *b)
{
    const vkd_model_tensor *less = a->rank < b->rank ? a : b, *more = less == a ? b : a;
    bool fit = !(less->rank == 4 && more->rank == 5 && less->dims[0] > 1);
    for (uint32_t d = 1; d <= less->rank; d++) {
        const uint32_t one = less->dims[less->rank - d], other = more->dims[more->rank - d];
        fit &= one == other || one == 1 || other == 1;
    }
    return fit;
}

/* scores + mask: the scores; itself where there is no mask. Places and windows may have one each.
 */
static uint32_t match_mask(matching *m, uint32_t id)
{
    chain_args chain;
    const vkd_model_tensor *y = tensor(m, id);
    if (!binary(m, id, &chain) || chain.steps[0].function != CHAIN_BINARY + BINARY_ADD ||
        chain.steps[0].numbers[1] != 1 || chain.x[1] == VKD_NO_VALUE || y->rank < 3 ||
        y->rank > 5 || (m->mask_count && m->out.heads != (int32_t)y->dims[y->rank - 3]))
        return id;
    for (int i = 0; i < 2; i++) {
        const uint32_t x = chain.x[i], mask = chain.x[1 - i];
        const vkd_model_tensor *t = tensor(m, x);
        if (t->rank != y->rank || memcmp(t->dims, y->dims, t->rank * sizeof *t->dims) ||
            !broadcasts(tensor(m, mask), y) || !is_real(tensor(m, mask)) ||
            tensor(m, mask)->state || !producer(m, x) ||
            (m->mask_count && !go_together(tensor(m, mask), tensor(m, m->masks[0]))))
            continue;
        if (!m->mask_count)
            m->masked = vkd_rw_producer(m->r, id, m->before);
        pass(m, id, producer(m, id));
        m->masks[m->mask_count++] = mask;
        m->out.heads = (int32_t)y->dims[y->rank - 3];
        return x;
    }
    return id;
}

/* x * factor, or / divisor: x; the value itself where there is no number. */
static uint32_t match_factor(matching *m, uint32_t id, float *factor)
{
    chain_args chain;
    if (!binary(m, id, &chain) || tensor(m, chain.x[0])->dtype != tensor(m, id)->dtype)
        return id;
    const chain_step *s = &chain.steps[0];
    const bool times = s->function == CHAIN_BINARY + BINARY_MUL,
               by = s->function == CHAIN_BINARY + BINARY_DIV;
    if (!(times && (s->a == CHAIN_NUMBER || s->b == CHAIN_NUMBER)) && !(by && s->b == CHAIN_NUMBER))
        return id;
    pass(m, id, producer(m, id));
    *factor = times ? s->numbers[0] : 1 / s->numbers[0];
    return chain.x[0];
}

/* What it was in the other float type. */
static uint32_t through_cast(matching *m, uint32_t id)
{
    const vkd_call *call = producer(m, id);
    const view_args *cast = vkd_rw_args(call, VKD_OP_CAST);
    if (!cast || !is_real(tensor(m, cast->x)))
        return id;
    pass(m, id, call);
    return cast->x;
}

/* The same for queries and keys before the product, behind views: these read x instead. */
static void take_factor(matching *m, uint32_t *field)
{
    m->before = m->r->net->call_count;
    for (int i = 0; i < 4; i++) {
        const uint32_t id = *field, real = through_cast(m, id);
        float factor;
        uint32_t x = match_factor(m, real, &factor);
        if (x != real && tensor(m, x)->dtype != tensor(m, id)->dtype)
            x = through_cast(m, x);
        if (x != real && tensor(m, x)->dtype == tensor(m, id)->dtype) {
            vkd_rw_set_input(m->r, field, x);
            m->out.scale *= factor;
            return;
        }
        m->before = m->r->net->call_count;
        view_args *view = view_of(m, id, producer(m, id));
        if (!view)
            return;
        field = &view->x;
    }
}

/* ------------------------------------------------------------------------------------- together */

/* Whether what the rule found is attention of these dims, of tensors that nothing changes before
 * the last product reads them. */
static bool fits(const matching *m)
{
    const vkd_model_tensor *q = tensor(m, m->out.q), *k = tensor(m, m->out.k),
                           *v = tensor(m, m->out.v), *scores = tensor(m, m->scores);
    return q->rank == 3 && k->rank == 3 && v->rank == 3 && q->dims[2] == v->dims[2] &&
           k->dims[2] == v->dims[1] && last_dim(scores) == k->dims[2] && is_real(q) && is_real(k) &&
           is_real(v) && !q->state && !k->state && !v->state &&
           (!m->mask_count || (scores->dims[scores->rank - 2] == q->dims[1] && m->out.heads &&
                               q->dims[0] % (uint32_t)m->out.heads == 0));
}

static bool match(matching *m, const matmul_args *last)
{
    m->out = (fused_attention_args){
        .v = last->b, .mask = VKD_NO_VALUE, .heads = 1, .scale = 1, .y = last->product.y};
    if (!match_softmax(m, through_views(m, last->a)))
        return false;
    uint32_t id = through_views(m, m->scores);
    for (int i = 0; i < 2; i++)
        id = through_views(m, match_mask(m, id));
    id = match_factor(m, id, &m->out.scale);
    id = through_views(m, id);
    const vkd_call *call = producer(m, id);
    m->first = vkd_rw_args(call, VKD_OP_BMM);
    if (!m->first)
        return false;
    pass(m, id, call);
    m->out.q = m->first->a;
    m->out.k = m->first->b;
    return fits(m);
}

/* The sum of two masks, as floats, in place of the call that has added the last one. */
static vkd_status add_masks(matching *m)
{
    vkd_rewriter *r = m->r;
    chain_args sum = {.x = {m->masks[0], m->masks[1], VKD_NO_VALUE},
                      .step_count = 1,
                      .steps = {{CHAIN_BINARY + BINARY_ADD, 0, 1, {0, 1, 0}}}};
    const vkd_model_tensor *a = tensor(m, m->masks[0]), *b = tensor(m, m->masks[1]);
    vkd_model_value value = r->net->values[a->rank < b->rank ? m->masks[1] : m->masks[0]];
    vkd_model_tensor *y = &value.tensor;
    const vkd_model_tensor *other = a->rank < b->rank ? a : b;
    for (uint32_t d = 0; d < other->rank; d++)
        if (other->dims[d] != 1)
            y->dims[y->rank - other->rank + d] = other->dims[d];
    y->dtype = y->staging_dtype = VKD_DTYPE_FLOAT32;
    y->size = (size_t)vkd_dims_count(y->rank, y->dims) * sizeof(float);
    y->data = NULL;
    VKD_TRY(vkd_rw_add_value(r, &value, &sum.y));
    m->out.mask = sum.y;
    return vkd_rw_become(r, m->masked, VKD_OP_CHAIN, &sum);
}

/* What a value was with heads in a dim of their own; itself where it was not. */
static uint32_t with_heads(const matching *m, uint32_t id)
{
    const view_args *view = view_of(m, id, vkd_rw_producer(m->r, id, m->r->net->call_count));
    const vkd_model_tensor *t = tensor(m, id), *x = view ? tensor(m, view->x) : NULL;
    return x && x->rank == 4 && !x->state && x->dims[1] == (uint32_t)m->out.heads &&
                   x->dims[0] * x->dims[1] == t->dims[0] && x->dims[2] == t->dims[1] &&
                   x->dims[3] == t->dims[2]
               ? view->x
               : id;
}

/* Where nothing tells heads from images, the queries may. */
static void find_heads(matching *m)
{
    const view_args *view = view_of(m, m->out.q, vkd_rw_producer(m->r, m->out.q, m->before));
    const vkd_model_tensor *x = view ? tensor(m, view->x) : NULL;
    if (!m->mask_count && x && x->rank == 4 && x->dims[1] &&
        tensor(m, m->out.q)->dims[0] % x->dims[1] == 0)
        m->out.heads = (int32_t)x->dims[1];
    m->out.q = with_heads(m, m->out.q);
    m->out.k = with_heads(m, m->out.k);
    m->out.v = with_heads(m, m->out.v);
}

/* bmm, scale, masks, softmax, bmm -> vkd.attention */
vkd_status vkd_fuse_attention(vkd_rewriter *r, size_t index)
{
    const matmul_args *last = vkd_rw_args(&r->net->calls[index], VKD_OP_BMM);
    matching m = {.r = r, .before = index, .weights = VKD_NO_VALUE, .scores = VKD_NO_VALUE};
    if (!last || !match(&m, last))
        return VKD_OK;
    take_factor(&m, &m.first->a);
    take_factor(&m, &m.first->b);
    m.out.q = m.first->a;
    m.out.k = m.first->b;
    find_heads(&m);
    m.out.mask = m.mask_count ? m.masks[0] : VKD_NO_VALUE;
    if (m.mask_count == 2)
        VKD_TRY(add_masks(&m));
    VKD_TRY(vkd_rw_become(r, &r->net->calls[index], VKD_OP_ATTENTION, &m.out));
    for (size_t i = 0; i < m.drop_count; i++)
        vkd_rw_drop_unread(r, m.dropped[i]);
    return VKD_OK;
}

/* A view of attention's result with heads in a dim of their own is the result. */
vkd_status vkd_attention_heads(vkd_rewriter *r, size_t index)
{
    view_args *view = vkd_rw_args(&r->net->calls[index], VKD_OP_VIEW);
    vkd_call *call = view ? vkd_rw_only_producer(r, view->x, index) : NULL;
    const fused_attention_args *args = vkd_rw_args(call, VKD_OP_ATTENTION);
    const vkd_model_tensor *y = view ? vkd_rw_tensor(r, view->y) : NULL;
    const vkd_model_tensor *x = args ? vkd_rw_tensor(r, args->y) : NULL;
    if (!x || x->rank != 3 || y->rank != 4 || y->state || y->dtype != x->dtype ||
        y->dims[1] != (uint32_t)args->heads || y->dims[0] * y->dims[1] != x->dims[0] ||
        y->dims[2] != x->dims[1] || y->dims[3] != x->dims[2])
        return VKD_OK;
    const uint32_t result = view->y;
    vkd_rw_remove(r, &r->net->calls[index]);
    vkd_rw_set_result(r, call, result);
    return VKD_OK;
}
