#include "graph/rewriter.h"

#include <string.h>

/* -------------------------------------------------------------------------------------- queries */

void *vkd_rw_args(const vkd_call *call, vkd_op_kind kind)
{
    return call && call->row && call->row->kind == kind ? call->args : NULL;
}

bool vkd_rw_alike(const vkd_rewriter *r, uint32_t a, uint32_t b)
{
    const vkd_model_tensor *x = vkd_rw_tensor(r, a), *y = vkd_rw_tensor(r, b);
    return x->dtype == y->dtype && x->rank == y->rank &&
           !memcmp(x->dims, y->dims, x->rank * sizeof x->dims[0]);
}

vkd_call *vkd_rw_producer(vkd_rewriter *r, uint32_t id, size_t before)
{
    uint32_t index = id == VKD_NO_VALUE ? VKD_NO_VALUE : r->producer[id];
    if (index == VKD_NO_VALUE || index >= before || r->net->values[id].tensor.state)
        return NULL; /* what is made of a state depends on when */
    vkd_call *call = &r->net->calls[index];
    return call->row && vkd_call_result(call) == id ? call : NULL;
}

vkd_call *vkd_rw_only_producer(vkd_rewriter *r, uint32_t id, size_t before)
{
    return id != VKD_NO_VALUE && r->readers[id] == 1 ? vkd_rw_producer(r, id, before) : NULL;
}

typedef struct counted {
    uint32_t id, count;
} counted;

static void count_read(void *user, uint32_t *id, bool write)
{
    counted *c = user;
    c->count += !write && *id == c->id;
}

bool vkd_rw_reads_alone(const vkd_rewriter *r, const vkd_call *call, uint32_t id)
{
    counted c = {id, 0};
    vkd_call_uses(call, count_read, &c);
    return c.count == r->readers[id];
}

/* ---------------------------------------------------------------------------------- bookkeeping */

/* What a call's coming and going changes. */
typedef struct counting {
    vkd_rewriter *r;
    uint32_t index, readers; /* what becomes the producer; what is added */
    bool writes;
} counting;

static void count_use(void *user, uint32_t *id, bool write)
{
    const counting *c = user;
    if (!write)
        c->r->readers[*id] += c->readers;
    else if (c->writes)
        c->r->producer[*id] = c->index;
}

static void enter(vkd_rewriter *r, const vkd_call *call)
{
    vkd_call_uses(call, count_use, &(counting){r, (uint32_t)vkd_rw_index(r, call), 1, true});
}

/* Another call may have become the producer of its results. */
static void forget_use(void *user, uint32_t *id, bool write)
{
    const counting *c = user;
    if (!write)
        c->r->readers[*id]--;
    else if (c->r->producer[*id] == c->index)
        c->r->producer[*id] = VKD_NO_VALUE;
}

static void leave(vkd_rewriter *r, const vkd_call *call)
{
    vkd_call_uses(call, forget_use, &(counting){.r = r, .index = (uint32_t)vkd_rw_index(r, call)});
}

/* -------------------------------------------------------------------------------------- changes */

static vkd_status grow(vkd_rewriter *r, size_t capacity)
{
    vkd_arena *arena = r->net->arena;
    uint32_t *producer = vkd_arena_alloc(arena, capacity, sizeof *producer);
    uint32_t *readers = vkd_arena_alloc(arena, capacity, sizeof *readers);
    if (!producer || !readers)
        return vkd_fail_memory(arena->context, "the rewriter");
    memset(producer, 0xff, capacity * sizeof *producer);
    if (r->capacity) {
        memcpy(producer, r->producer, r->capacity * sizeof *producer);
        memcpy(readers, r->readers, r->capacity * sizeof *readers);
    }
    r->producer = producer;
    r->readers = readers;
    r->capacity = capacity;
    return VKD_OK;
}

vkd_status vkd_rw_add_value(vkd_rewriter *r, const vkd_model_value *value, uint32_t *out)
{
    VKD_TRY(vkd_net_add_value(r->net, value, out));
    return r->net->value_count > r->capacity ? grow(r, 2 * r->net->value_count) : VKD_OK;
}

void vkd_rw_set_input(vkd_rewriter *r, uint32_t *field, uint32_t id)
{
    if (*field != VKD_NO_VALUE)
        r->readers[*field]--;
    *field = id;
    r->readers[id]++;
}

void vkd_rw_set_result(vkd_rewriter *r, vkd_call *call, uint32_t id)
{
    uint32_t index = (uint32_t)vkd_rw_index(r, call), old = vkd_call_result(call);
    if (r->producer[old] == index)
        r->producer[old] = VKD_NO_VALUE;
    vkd_call_set_result(call, id);
    r->producer[id] = index;
}

void vkd_rw_remove(vkd_rewriter *r, vkd_call *call)
{
    leave(r, call);
    call->row = NULL;
}

void vkd_rw_drop_unread(vkd_rewriter *r, uint32_t id)
{
    vkd_call *call = r->readers[id] ? NULL : vkd_rw_producer(r, id, r->net->call_count);
    if (call && !call->row->effect)
        vkd_rw_remove(r, call);
}

void vkd_rw_swap(vkd_rewriter *r, vkd_call *a, vkd_call *b)
{
    leave(r, a);
    leave(r, b);
    vkd_call moved = *a;
    *a = *b;
    *b = moved;
    enter(r, a);
    enter(r, b);
}

vkd_status vkd_rw_become(vkd_rewriter *r, vkd_call *call, vkd_op_kind kind, const void *args)
{
    const vkd_op *row = vkd_op_internal(r->net->tables, kind);
    void *copy = vkd_arena_alloc(r->net->arena, 1, row->args_size);
    if (!copy)
        return vkd_fail_memory(r->net->arena->context, "the rewriter");
    memcpy(copy, args, row->args_size);
    leave(r, call);
    *call = (vkd_call){.row = row, .name = row->name, .node_id = call->node_id, .args = copy};
    enter(r, call);
    return VKD_OK;
}

/* ----------------------------------------------------------------------------- start and finish */

vkd_status vkd_rewriter_init(vkd_rewriter *r, vkd_net *net)
{
    *r = (vkd_rewriter){.net = net};
    VKD_TRY(grow(r, net->value_count + 64));
    for (size_t i = 0; i < net->call_count; i++)
        enter(r, &net->calls[i]);
    for (size_t i = 0; i < net->output_count; i++)
        r->readers[net->outputs[i]]++;
    return VKD_OK;
}

typedef struct liveness {
    const vkd_rewriter *r;
    bool writes, live;
} liveness;

static void see_use(void *user, uint32_t *id, bool write)
{
    liveness *l = user;
    l->writes |= write;
    l->live |= write && (l->r->readers[*id] || l->r->net->values[*id].tensor.state);
}

/* Of a call without results nothing is known: it stays. */
static bool is_dead(const vkd_rewriter *r, const vkd_call *call)
{
    liveness l = {.r = r};
    if (call->row->effect)
        return false;
    vkd_call_uses(call, see_use, &l);
    return l.writes && !l.live;
}

void vkd_rewriter_finish(vkd_rewriter *r)
{
    vkd_net *net = r->net;
    for (size_t i = net->call_count; i-- > 0;) /* backwards, so that whole chains go at once */
        if (net->calls[i].row && is_dead(r, &net->calls[i]))
            vkd_rw_remove(r, &net->calls[i]);
    size_t kept = 0;
    for (size_t i = 0; i < net->call_count; i++)
        if (net->calls[i].row)
            net->calls[kept++] = net->calls[i];
    net->call_count = kept;
}
