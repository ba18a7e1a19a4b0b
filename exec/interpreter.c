/* A decoded kernel, run: an instruction at a time, for all invocations of a workgroup. */
#include "exec/module.h"

#include <string.h>

enum { DEPTH = 16, PHIS = 256 };

typedef struct frame {
    uint32_t next, to, width;
} frame;

typedef enum state { RUNNING, AT_BARRIER, ENDED, STOPPED } state;

typedef struct invocation {
    uint32_t *r;
    uint32_t at, depth;
    bool ended;
    frame frames[DEPTH];
} invocation;

typedef struct run {
    vkd_interpretation *in;
    uint32_t *shared;
    vkd_outcome outcome;
} run;

/* --------------------------------------------------------------------------------------- memory */

/* So many words of a space; null outside of it. */
static uint32_t *words_at(run *run_, const invocation *v, const vkd_step *s, uint32_t address)
{
    vkd_interpretation *in = run_->in;
    uint32_t *first = v->r;
    size_t count = in->module->words;
    if (s->space == VKD_SPACE_SHARED) {
        first = run_->shared;
        count = in->module->shared_words;
    } else if (s->space == VKD_SPACE_PUSH) {
        first = in->push;
        count = sizeof in->push / sizeof *in->push;
    } else if (s->space == VKD_SPACE_BUFFER) {
        first = s->binding < VKD_MAX_BINDINGS ? in->bindings[s->binding].at : NULL;
        count = s->binding < VKD_MAX_BINDINGS ? in->bindings[s->binding].count : 0;
    }
    return address <= count && s->width <= count - address ? first + address : NULL;
}

static void note_written(run *run_, const vkd_step *s, uint32_t address, uint32_t bits)
{
    uint32_t *written = run_->in->bindings[s->binding].written;
    for (uint32_t i = 0; s->space == VKD_SPACE_BUFFER && written && i < s->width; i++)
        written[address + i] |= bits;
}

static state access(run *run_, invocation *v, const vkd_step *s)
{
    const uint32_t address = v->r[s->a];
    uint32_t *words = words_at(run_, v, s, address);
    if (!words) {
        run_->outcome = VKD_OUTCOME_OUTSIDE;
        return STOPPED;
    }
    switch (s->op) {
    case VKD_SPV_LOAD:
        memmove(v->r + s->to, words, s->width * sizeof *words);
        break;
    case VKD_SPV_STORE:
        memmove(words, v->r + s->b, s->width * sizeof *words);
        note_written(run_, s, address, UINT32_MAX);
        break;
    case VKD_SPV_ATOMIC_AND:
        v->r[s->to] = *words;
        *words &= v->r[s->c];
        note_written(run_, s, address, ~v->r[s->c]);
        break;
    default:
        v->r[s->to] = *words;
        *words |= v->r[s->c];
        note_written(run_, s, address, v->r[s->c]);
        break;
    }
    return RUNNING;
}

/* ----------------------------------------------------------------------------------------- flow */

/* What a block begins with is chosen by where one comes from, all at once. */
static state enter(const vkd_module *m, invocation *v, uint32_t label, uint32_t from)
{
    uint32_t values[PHIS], used = 0, at = m->starts[label];
    for (; m->steps[at].op == VKD_SPV_PHI; at++) {
        const vkd_step *s = &m->steps[at];
        const uint32_t *pair = m->more + s->more;
        for (uint32_t k = 0; k < s->count && pair[1] != from; k++)
            pair += 2;
        if (used + s->width > PHIS)
            return STOPPED;
        memcpy(values + used, v->r + pair[0], s->width * sizeof *values);
        used += s->width;
    }
    used = 0;
    for (uint32_t k = m->starts[label]; k < at; k++) {
        memcpy(v->r + m->steps[k].to, values + used, m->steps[k].width * sizeof *values);
        used += m->steps[k].width;
    }
    v->at = at;
    return RUNNING;
}

static uint32_t switched(const vkd_module *m, const invocation *v, const vkd_step *s)
{
    for (uint32_t k = 0; k < s->count; k++)
        if (m->more[s->more + 2 * k] == v->r[s->a])
            return m->more[s->more + 2 * k + 1];
    return s->b;
}

static state call(const vkd_module *m, invocation *v, const vkd_step *s)
{
    const uint32_t *argument = m->more + s->more;
    if (v->depth == DEPTH)
        return STOPPED;
    for (uint32_t k = 0; k < s->count; k++, argument += 3)
        memcpy(v->r + argument[1], v->r + argument[0], argument[2] * sizeof *v->r);
    v->frames[v->depth++] = (frame){v->at, s->to, s->width};
    v->at = s->a;
    return RUNNING;
}

static state leave(invocation *v, const vkd_step *s)
{
    if (!v->depth)
        return ENDED;
    const frame *f = &v->frames[--v->depth];
    memmove(v->r + f->to, v->r + s->a, s->width * sizeof *v->r);
    v->at = f->next;
    return RUNNING;
}

static void compute_address(const vkd_module *m, uint32_t *r, const vkd_step *s)
{
    uint32_t address = r[s->a] + s->b;
    const uint32_t *pair = m->more + s->more;
    for (uint32_t k = 0; k < s->count; k++, pair += 2)
        address += r[pair[0]] * pair[1];
    r[s->to] = address;
}

static state take_step(run *run_, invocation *v, const vkd_step *s)
{
    const vkd_module *m = run_->in->module;
    switch (s->op) {
    case VKD_SPV_LOAD:
    case VKD_SPV_STORE:
    case VKD_SPV_ATOMIC_AND:
    case VKD_SPV_ATOMIC_OR:
        return access(run_, v, s);
    case VKD_SPV_ACCESS_CHAIN:
        compute_address(m, v->r, s);
        return RUNNING;
    case VKD_SPV_VARIABLE:
        v->r[s->to] = s->a;
        return RUNNING;
    case VKD_SPV_BRANCH:
        return enter(m, v, s->b, s->to);
    case VKD_SPV_BRANCH_IF:
        return enter(m, v, v->r[s->a] ? s->b : s->c, s->to);
    case VKD_SPV_SWITCH:
        return enter(m, v, switched(m, v, s), s->to);
    case VKD_SPV_CALL:
        return call(m, v, s);
    case VKD_SPV_RETURN:
    case VKD_SPV_RETURN_VALUE:
        return leave(v, s);
    case VKD_SPV_BARRIER:
        return AT_BARRIER;
    default:
        return vkd_step_compute(s, v->r, &run_->in->rounds) ? RUNNING : STOPPED;
    }
}

/* Up to a barrier or its end. */
static state proceed(run *run_, invocation *v)
{
    vkd_interpretation *in = run_->in;
    state s = RUNNING;
    while (s == RUNNING) {
        if (!in->steps) {
            run_->outcome = VKD_OUTCOME_LONG;
            return STOPPED;
        }
        in->steps--;
        s = take_step(run_, v, &in->module->steps[v->at++]);
    }
    if (s == STOPPED && run_->outcome == VKD_OUTCOME_DONE)
        run_->outcome = VKD_OUTCOME_OUTSIDE;
    return s;
}

/* ------------------------------------------------------------------------------------ workgroup */

static void start(const vkd_interpretation *in, const uint32_t group[3], uint32_t index,
                  invocation *v)
{
    const vkd_module *m = in->module;
    const uint32_t local[] = {index % m->size[0], index / m->size[0] % m->size[1],
                              index / m->size[0] / m->size[1]};
    memcpy(v->r, m->initial, m->constants * sizeof *v->r);
    for (uint32_t axis = 0; axis < 3; axis++) {
        if (m->group_at)
            v->r[m->group_at + axis] = group[axis];
        if (m->local_at)
            v->r[m->local_at + axis] = local[axis];
        if (m->global_at)
            v->r[m->global_at + axis] = group[axis] * m->size[axis] + local[axis];
        if (m->groups_at)
            v->r[m->groups_at + axis] = in->groups[axis];
    }
    if (m->index_at)
        v->r[m->index_at] = index;
    v->at = m->entry;
    v->depth = 0;
}

/* One after the other, in one invocation's memory. */
static void run_apart(run *run_, const uint32_t group[3], uint32_t count, invocation *v)
{
    for (uint32_t i = 0; i < count; i++) {
        start(run_->in, group, i, v);
        if (proceed(run_, v) == STOPPED)
            return;
    }
}

/* Each up to the barrier, then on. */
static void run_together(run *run_, const uint32_t group[3], uint32_t count, invocation *all)
{
    uint32_t waiting = count;
    for (uint32_t i = 0; i < count; i++)
        start(run_->in, group, i, &all[i]);
    while (waiting) {
        waiting = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (all[i].ended)
                continue;
            state s = proceed(run_, &all[i]);
            if (s == STOPPED)
                return;
            all[i].ended = s == ENDED;
            waiting += s == AT_BARRIER;
        }
    }
}

vkd_status vkd_interpret(vkd_interpretation *in, vkd_arena *arena, const uint32_t group[3],
                         vkd_outcome *out)
{
    const vkd_module *m = in->module;
    const uint32_t count = m->size[0] * m->size[1] * m->size[2],
                   together = m->has_barriers ? count : 1;
    run run_ = {.in = in, .shared = vkd_arena_alloc(arena, m->shared_words + 1u, 4)};
    invocation *all = vkd_arena_alloc(arena, together, sizeof *all);
    uint32_t *words = vkd_arena_alloc(arena, (size_t)together * m->words, sizeof *words);
    if (!run_.shared || !all || !words)
        return vkd_fail_memory(arena->context, "a kernel to interpret");
    for (uint32_t i = 0; i < together; i++)
        all[i].r = words + (size_t)i * m->words;
    if (m->has_barriers)
        run_together(&run_, group, count, all);
    else
        run_apart(&run_, group, count, all);
    *out = run_.outcome;
    return VKD_OK;
}
