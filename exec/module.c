/* Decoding SPIR-V for exec/interpreter.c. The first pass gives every value its place and computes
 * the constants, the second makes the steps. */
#include "exec/module.h"

#include <string.h>

typedef struct type {
    uint16_t op;
    uint32_t storage, words, count, element;
    uint32_t first, first_offset; /* of a struct: its members' types and places, in `lists` */
    uint32_t stride;              /* of an array, words */
} type;

/* What is known of an id. */
typedef struct id_info {
    uint32_t type, place;
    uint32_t label; /* of a function: its first step; its first parameter's id in `first` */
    uint32_t first, parameters;
    uint32_t built_in, spec, stride, binding; /* decorations; built_in and spec: one more */
    bool is_variable;
} id_info;

typedef struct member {
    uint32_t of, index, offset;
} member;

typedef struct decoder {
    vkd_arena *arena;
    const uint32_t *code, *specs;
    size_t count;
    uint32_t spec_count, bound;
    type *types;  /* by id */
    id_info *ids; /* by id */
    member *members;
    size_t member_count, member_capacity, step_capacity, more_count, more_capacity;
    uint32_t *lists; /* of structs */
    size_t list_count, list_capacity;
    uint32_t function, label; /* that are being decoded */
    vkd_module *module;
} decoder;

typedef struct instruction {
    uint32_t op, count, type, id;
    const uint32_t *w;
} instruction;

static vkd_status unknown(const decoder *d, const char *what, uint32_t number)
{
    return vkd_fail(d->arena->context, VKD_UNSUPPORTED,
                    "a kernel has %s %u, which is not interpreted", what, number);
}

static vkd_status no_memory(const decoder *d)
{
    return vkd_fail_memory(d->arena->context, "a kernel to interpret");
}

static bool has_result(uint32_t op)
{
    return op == VKD_SPV_UNDEF || op == VKD_SPV_EXT_INST ||
           (op >= VKD_SPV_TRUE && op <= VKD_SPV_PARAMETER) || op == VKD_SPV_CALL ||
           op == VKD_SPV_VARIABLE || op == VKD_SPV_LOAD || op == VKD_SPV_ACCESS_CHAIN ||
           (op > VKD_SPV_MEMBER_DECORATE && op < VKD_SPV_BARRIER) ||
           (op > VKD_SPV_MEMORY_BARRIER && op <= VKD_SPV_PHI) || op == VKD_SPV_SDOT ||
           op == VKD_SPV_SUDOT;
}

static bool next(const decoder *d, size_t *at, instruction *out)
{
    if (*at >= d->count)
        return false;
    const uint32_t *w = d->code + *at;
    *out = (instruction){.op = *w & 0xffff, .count = *w >> 16, .w = w};
    if (!out->count || out->count > d->count - *at)
        return false;
    *at += out->count;
    if (has_result(out->op) && out->count > 2) {
        out->type = w[1];
        out->id = w[2];
    }
    return true;
}

static uint32_t words_of(const decoder *d, uint32_t type_id) { return d->types[type_id].words; }
static uint32_t place_of(const decoder *d, uint32_t id) { return d->ids[id].place; }

/* ---------------------------------------------------------------------------------------- types */

static bool list(decoder *d, uint32_t value)
{
    uint32_t *grown =
        vkd_arena_grow(d->arena, d->lists, d->list_count, &d->list_capacity, sizeof *grown);
    if (!grown)
        return false;
    d->lists = grown;
    grown[d->list_count++] = value;
    return true;
}

static uint32_t offset_of(const decoder *d, uint32_t structure, uint32_t index, uint32_t packed)
{
    for (size_t i = 0; i < d->member_count; i++)
        if (d->members[i].of == structure && d->members[i].index == index)
            return d->members[i].offset / 4;
    return packed;
}

static vkd_status add_struct(decoder *d, const instruction *i, type *t)
{
    uint32_t end = 0;
    t->count = i->count - 2;
    t->first = (uint32_t)d->list_count;
    for (uint32_t m = 0; m < t->count; m++)
        if (!list(d, i->w[2 + m]))
            return no_memory(d);
    t->first_offset = (uint32_t)d->list_count;
    for (uint32_t m = 0; m < t->count; m++) {
        uint32_t offset = offset_of(d, i->w[1], m, end);
        if (!list(d, offset))
            return no_memory(d);
        end = offset + words_of(d, i->w[2 + m]);
    }
    t->words = end;
    return VKD_OK;
}

static vkd_status add_type(decoder *d, const instruction *i)
{
    type *t = &d->types[i->w[1]];
    t->op = (uint16_t)i->op;
    switch (i->op) {
    case VKD_SPV_TYPE_INT:
    case VKD_SPV_TYPE_FLOAT:
        if (i->w[2] != 32)
            return unknown(d, "numbers of bits", i->w[2]);
        /* fall through */
    case VKD_SPV_TYPE_BOOL:
        t->words = 1;
        return VKD_OK;
    case VKD_SPV_TYPE_POINTER:
        t->storage = i->w[2];
        t->element = i->w[3];
        t->words = 1;
        return VKD_OK;
    case VKD_SPV_TYPE_VECTOR:
    case VKD_SPV_TYPE_MATRIX:
    case VKD_SPV_TYPE_ARRAY:
    case VKD_SPV_TYPE_RUNTIME_ARRAY:
        t->element = i->w[2];
        t->count = i->op == VKD_SPV_TYPE_RUNTIME_ARRAY ? 0
                   : i->op == VKD_SPV_TYPE_ARRAY       ? d->module->initial[place_of(d, i->w[3])]
                                                       : i->w[3];
        t->stride = d->ids[i->w[1]].stride ? d->ids[i->w[1]].stride / 4 : words_of(d, t->element);
        t->words = t->count * t->stride;
        return VKD_OK;
    case VKD_SPV_TYPE_STRUCT:
        return add_struct(d, i, t);
    case VKD_SPV_TYPE_VOID:
    case VKD_SPV_TYPE_FUNCTION:
        return VKD_OK;
    default:
        return unknown(d, "type", i->op);
    }
}

/* Where a part of a value lies in it, and its type. */
static uint32_t part_of(const decoder *d, uint32_t *type_id, uint32_t index)
{
    const type *t = &d->types[*type_id];
    if (t->op == VKD_SPV_TYPE_STRUCT) {
        *type_id = d->lists[t->first + index];
        return d->lists[t->first_offset + index];
    }
    *type_id = t->element;
    return index * t->stride;
}

/* -------------------------------------------------------------------------------- decorations */

static vkd_status decorate(decoder *d, const instruction *i)
{
    enum { SPEC_ID = 1, ARRAY_STRIDE = 6, BUILT_IN = 11, BINDING = 33, OFFSET = 35 };
    if (i->op == VKD_SPV_MEMBER_DECORATE) {
        if (i->w[3] != OFFSET)
            return VKD_OK;
        member *grown = vkd_arena_grow(d->arena, d->members, d->member_count, &d->member_capacity,
                                       sizeof *grown);
        if (!grown)
            return no_memory(d);
        d->members = grown;
        grown[d->member_count++] = (member){i->w[1], i->w[2], i->w[4]};
        return VKD_OK;
    }
    id_info *id = &d->ids[i->w[1]];
    if (i->w[2] == SPEC_ID)
        id->spec = i->w[3] + 1;
    else if (i->w[2] == ARRAY_STRIDE)
        id->stride = i->w[3];
    else if (i->w[2] == BUILT_IN)
        id->built_in = i->w[3] + 1;
    else if (i->w[2] == BINDING)
        id->binding = i->w[3];
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------- steps */

static uint32_t *more(decoder *d, uint32_t count)
{
    uint32_t first = (uint32_t)d->more_count;
    for (uint32_t k = 0; k < count; k++) {
        uint32_t *grown = vkd_arena_grow(d->arena, d->module->more, d->more_count,
                                         &d->more_capacity, sizeof *grown);
        if (!grown)
            return NULL;
        d->module->more = grown;
        d->more_count++;
    }
    return d->module->more + first;
}

static vkd_status add(decoder *d, const vkd_step *step)
{
    vkd_module *m = d->module;
    vkd_step *grown =
        vkd_arena_grow(d->arena, m->steps, m->step_count, &d->step_capacity, sizeof *grown);
    if (!grown)
        return no_memory(d);
    m->steps = grown;
    grown[m->step_count++] = *step;
    return VKD_OK;
}

static vkd_status copy(decoder *d, uint32_t to, uint32_t from, uint32_t width)
{
    return add(d, &(vkd_step){.op = VKD_SPV_COPY, .width = (uint16_t)width, .to = to, .a = from});
}

static vkd_status construct(decoder *d, const instruction *i, const uint32_t *parts, uint32_t count)
{
    uint32_t to = place_of(d, i->id), of = i->type;
    for (uint32_t k = 0, at = 0; k < count; k++) {
        uint32_t width = words_of(d, d->ids[parts[k]].type), part = i->type;
        if (d->types[of].op != VKD_SPV_TYPE_VECTOR)
            at = part_of(d, &part, k);
        VKD_TRY(copy(d, to + at, place_of(d, parts[k]), width));
        at += width;
    }
    return VKD_OK;
}

static vkd_status take_part(decoder *d, const instruction *i, uint32_t whole, const uint32_t *path,
                            uint32_t depth, uint32_t from)
{
    uint32_t of = d->ids[whole].type, at = 0;
    for (uint32_t k = 0; k < depth; k++)
        at += part_of(d, &of, path[k]);
    uint32_t to = place_of(d, i->id), width = words_of(d, of);
    if (!from)
        return copy(d, to, place_of(d, whole) + at, width);
    VKD_TRY(copy(d, to, place_of(d, whole), words_of(d, i->type)));
    return copy(d, to + at, place_of(d, from), width);
}

/* Words of two vectors, by their numbers. */
static vkd_status shuffle(decoder *d, const instruction *i, const uint32_t *w, uint32_t count)
{
    const uint32_t of_first = words_of(d, d->ids[w[0]].type);
    for (uint32_t k = 2; k < count; k++)
        if (w[k] != UINT32_MAX) /* undefined */
            VKD_TRY(copy(d, place_of(d, i->id) + k - 2,
                         w[k] < of_first ? place_of(d, w[0]) + w[k]
                                         : place_of(d, w[1]) + w[k] - of_first,
                         1));
    return VKD_OK;
}

/* An operation on values: `w` are the ids of so many operands. */
static vkd_status operate(decoder *d, const instruction *i, uint32_t op, const uint32_t *w,
                          uint32_t count)
{
    switch (op) {
    case VKD_SPV_SHUFFLE:
        return shuffle(d, i, w, count);
    case VKD_SPV_CONSTRUCT:
        return construct(d, i, w, count);
    case VKD_SPV_EXTRACT:
        return take_part(d, i, w[0], w + 1, count - 1, 0);
    case VKD_SPV_INSERT:
        return take_part(d, i, w[1], w + 2, count - 2, w[0]);
    case VKD_SPV_SDOT:
    case VKD_SPV_SUDOT: /* the operands are words of four bytes: said by an operand that is none */
        count = 2;
        break;
    default:
        break;
    }
    vkd_step step = {.op = (uint16_t)op,
                     .width = (uint16_t)words_of(d, i->type),
                     .to = place_of(d, i->id),
                     .a = count ? place_of(d, w[0]) : 0,
                     .b = count > 1 ? place_of(d, w[1]) : 0,
                     .c = count > 2 ? place_of(d, w[2]) : 0};
    const type *first = count ? &d->types[d->ids[w[0]].type] : NULL;
    if (op == VKD_SPV_TRANSPOSE)
        step.c = first->count;
    if (op == VKD_SPV_ANY || op == VKD_SPV_ALL || op == VKD_SPV_DOT)
        step.c = first->words;
    return add(d, &step);
}

/* ------------------------------------------------------------------------------------ constants */

/* A constant expression is computed by the step that would compute it. */
static vkd_status fold(decoder *d, const instruction *i, uint32_t op, const uint32_t *w,
                       uint32_t count)
{
    vkd_module *m = d->module;
    bool unused;
    uint32_t first = m->step_count;
    VKD_TRY(operate(d, i, op, w, count));
    for (uint32_t s = first; s < m->step_count; s++)
        if (!vkd_step_compute(&m->steps[s], m->initial, &unused))
            return unknown(d, "opcode", m->steps[s].op);
    m->step_count = first;
    return VKD_OK;
}

static vkd_status add_constant(decoder *d, const instruction *i)
{
    uint32_t *value = d->module->initial + place_of(d, i->id), spec = d->ids[i->id].spec;
    switch (i->op) {
    case VKD_SPV_TRUE:
    case VKD_SPV_SPEC_TRUE:
        *value = 1;
        break;
    case VKD_SPV_CONSTANT:
    case VKD_SPV_SPEC_CONSTANT:
        *value = i->w[3];
        break;
    case VKD_SPV_COMPOSITE:
    case VKD_SPV_SPEC_COMPOSITE:
        return fold(d, i, VKD_SPV_CONSTRUCT, i->w + 3, i->count - 3);
    case VKD_SPV_SPEC_OP:
        return fold(d, i, i->w[3], i->w + 4, i->count - 4);
    default: /* zero */
        break;
    }
    if (spec && spec <= d->spec_count)
        *value = d->specs[spec - 1];
    return VKD_OK;
}

/* ---------------------------------------------------------------------------------- first pass */

/* In an invocation's words; constants and addresses come first, as they come first in a module. */
static vkd_status give_place(decoder *d, uint32_t id, uint32_t words, bool is_constant)
{
    vkd_module *m = d->module;
    d->ids[id].place = m->words;
    m->words += words;
    if (!is_constant)
        return VKD_OK;
    if (m->words > m->initial_count)
        return unknown(d, "constants of words", m->words);
    m->constants = m->words;
    return VKD_OK;
}

static void note_built_in(vkd_module *m, uint32_t built_in, uint32_t at)
{
    switch (built_in) {
    case 24:
        m->groups_at = at;
        break;
    case 26:
        m->group_at = at;
        break;
    case 27:
        m->local_at = at;
        break;
    case 28:
        m->global_at = at;
        break;
    case 29:
        m->index_at = at;
        break;
    default:
        break;
    }
}

/* The value of a variable is its address: in the invocation's words, or from the start of what it
 * is in. */
static vkd_status add_variable(decoder *d, const instruction *i)
{
    vkd_module *m = d->module;
    id_info *id = &d->ids[i->id];
    uint32_t space = i->w[3], words = words_of(d, d->types[i->type].element);
    id->is_variable = true;
    VKD_TRY(give_place(d, i->id, 1, !d->function));
    if (space == VKD_SPACE_SHARED) {
        m->initial[id->place] = m->shared_words;
        m->shared_words += words;
    } else if (space == VKD_SPACE_PUSH || space == VKD_SPACE_BUFFER) {
        m->initial[id->place] = 0;
    } else if (space == VKD_SPACE_INPUT || space == VKD_SPACE_PRIVATE ||
               space == VKD_SPACE_FUNCTION) {
        m->words += words;
        if (!d->function) {
            m->initial[id->place] = id->place + 1;
            m->constants = m->words;
            if (m->words > m->initial_count)
                return unknown(d, "constants of words", m->words);
        }
        if (space == VKD_SPACE_INPUT && id->built_in)
            note_built_in(m, id->built_in - 1, id->place + 1);
    } else {
        return unknown(d, "storage class", space);
    }
    return VKD_OK;
}

static vkd_status note(decoder *d, const instruction *i)
{
    if (i->id)
        d->ids[i->id].type = i->type;
    if (i->op == VKD_SPV_DECORATE || i->op == VKD_SPV_MEMBER_DECORATE)
        return decorate(d, i);
    if (i->op >= VKD_SPV_TYPE_VOID && i->op <= VKD_SPV_TYPE_FUNCTION)
        return add_type(d, i);
    if (i->op == VKD_SPV_FUNCTION) {
        d->function = i->id;
        return VKD_OK;
    }
    if (i->op == VKD_SPV_VARIABLE)
        return add_variable(d, i);
    if (i->op >= VKD_SPV_TRUE && i->op <= VKD_SPV_SPEC_OP) {
        VKD_TRY(give_place(d, i->id, words_of(d, i->type), true));
        return add_constant(d, i);
    }
    if (!i->id)
        return VKD_OK;
    if (i->op == VKD_SPV_PARAMETER) {
        id_info *function = &d->ids[d->function];
        if (!function->parameters++)
            function->first = i->id; /* the others' ids follow each other in the code alone */
    }
    return give_place(d, i->id, words_of(d, i->type), i->op == VKD_SPV_UNDEF && !d->function);
}

static vkd_status first_pass(decoder *d)
{
    instruction i;
    vkd_module *m = d->module;
    m->words = 4; /* so that 0 is no place */
    m->initial_count = 4 + 16 * d->bound;
    m->initial = vkd_arena_alloc(d->arena, m->initial_count, sizeof *m->initial);
    if (!m->initial)
        return no_memory(d);
    for (size_t at = 5; next(d, &at, &i);)
        VKD_TRY(note(d, &i));
    return VKD_OK;
}

/* --------------------------------------------------------------------------------- second pass */

/* Which binding a pointer is into: that of the variable at its root, which is a global one. */
static uint16_t binding_of(const decoder *d, uint32_t pointer)
{
    return (uint16_t)d->ids[pointer].binding;
}

static vkd_status access(decoder *d, const instruction *i, uint32_t op, uint32_t pointer,
                         uint32_t value, uint32_t to)
{
    const type *t = &d->types[d->ids[pointer].type];
    return add(d, &(vkd_step){.op = (uint16_t)op,
                              .width = (uint16_t)words_of(d, t->element),
                              .space = (uint16_t)t->storage,
                              .binding = binding_of(d, pointer),
                              .to = to,
                              .a = place_of(d, pointer),
                              .b = value,
                              .c = op == VKD_SPV_ATOMIC_AND || op == VKD_SPV_ATOMIC_OR
                                       ? place_of(d, i->w[6])
                                       : 0});
}

/* a: where the base's address is; b: what is added to it; more: places of indices, and the words
 * that each counts. */
static vkd_status access_chain(decoder *d, const instruction *i)
{
    uint32_t base = i->w[3], of = d->types[d->ids[base].type].element;
    vkd_step step = {.op = VKD_SPV_ACCESS_CHAIN,
                     .to = place_of(d, i->id),
                     .a = place_of(d, base),
                     .more = (uint32_t)d->more_count};
    d->ids[i->id].binding = d->ids[base].binding;
    for (uint32_t k = 4; k < i->count; k++) {
        uint32_t index = i->w[k], at = place_of(d, index);
        if (d->types[of].op == VKD_SPV_TYPE_STRUCT || at < d->module->constants) {
            step.b += part_of(d, &of, d->module->initial[at]);
            continue;
        }
        uint32_t *pair = more(d, 2);
        if (!pair)
            return no_memory(d);
        pair[0] = at;
        pair[1] = d->types[of].stride;
        of = d->types[of].element;
        step.count++;
    }
    return add(d, &step);
}

/* more: the arguments' places, the parameters', and their words. */
static vkd_status call(decoder *d, const instruction *i)
{
    const id_info *function = &d->ids[i->w[3]];
    vkd_step step = {.op = VKD_SPV_CALL,
                     .width = (uint16_t)words_of(d, i->type),
                     .to = place_of(d, i->id),
                     .a = i->w[3],
                     .more = (uint32_t)d->more_count,
                     .count = i->count - 4};
    uint32_t to = function->parameters ? place_of(d, function->first) : 0;
    for (uint32_t k = 4; k < i->count; k++) {
        uint32_t *argument = more(d, 3), width = words_of(d, d->ids[i->w[k]].type);
        if (!argument)
            return no_memory(d);
        argument[0] = place_of(d, i->w[k]);
        argument[1] = to; /* parameters lie side by side */
        argument[2] = width;
        to += width;
    }
    return add(d, &step);
}

/* more: places of values and the labels that they come from; or a switch's numbers and labels. */
static vkd_status pairs(decoder *d, const instruction *i, uint32_t first, bool are_places,
                        vkd_step *step)
{
    step->more = (uint32_t)d->more_count;
    step->count = (i->count - first) / 2;
    for (uint32_t k = first; k + 1 < i->count; k += 2) {
        uint32_t *pair = more(d, 2);
        if (!pair)
            return no_memory(d);
        pair[0] = are_places ? place_of(d, i->w[k]) : i->w[k];
        pair[1] = i->w[k + 1];
    }
    return add(d, step);
}

/* The steps of a block that is left know its label, for what its followers choose by that. */
static vkd_status flow(decoder *d, const instruction *i)
{
    vkd_step step = {.op = (uint16_t)i->op, .to = d->label};
    switch (i->op) {
    case VKD_SPV_BRANCH:
        step.b = i->w[1];
        return add(d, &step);
    case VKD_SPV_BRANCH_IF:
        step.a = place_of(d, i->w[1]);
        step.b = i->w[2];
        step.c = i->w[3];
        return add(d, &step);
    case VKD_SPV_SWITCH:
        step.a = place_of(d, i->w[1]);
        step.b = i->w[2];
        return pairs(d, i, 3, false, &step);
    case VKD_SPV_RETURN_VALUE:
        step.a = place_of(d, i->w[1]);
        step.width = (uint16_t)words_of(d, d->ids[i->w[1]].type);
        return add(d, &step);
    default:
        return add(d, &step);
    }
}

/* A variable of a function: its address is where its words are. */
static vkd_status local_variable(decoder *d, const instruction *i)
{
    uint32_t place = place_of(d, i->id), words = words_of(d, d->types[i->type].element);
    VKD_TRY(add(d, &(vkd_step){.op = VKD_SPV_VARIABLE, .to = place, .a = place + 1}));
    return i->count > 4 ? copy(d, place + 1, place_of(d, i->w[4]), words) : VKD_OK;
}

static vkd_status translate(decoder *d, const instruction *i)
{
    const uint32_t *w = i->w;
    switch (i->op) {
    case VKD_SPV_FUNCTION:
        d->ids[i->id].label = d->module->step_count;
        return VKD_OK;
    case VKD_SPV_PARAMETER:
    case VKD_SPV_FUNCTION_END:
    case VKD_SPV_LOOP_MERGE:
    case VKD_SPV_SELECTION_MERGE:
    case VKD_SPV_MEMORY_BARRIER:
    case VKD_SPV_UNDEF:
        return VKD_OK;
    case VKD_SPV_LABEL:
        d->label = w[1];
        d->module->starts[w[1]] = d->module->step_count;
        return VKD_OK;
    case VKD_SPV_VARIABLE:
        return local_variable(d, i);
    case VKD_SPV_LOAD:
        return access(d, i, VKD_SPV_LOAD, w[3], 0, place_of(d, i->id));
    case VKD_SPV_STORE:
        return access(d, i, VKD_SPV_STORE, w[1], place_of(d, w[2]), 0);
    case VKD_SPV_ATOMIC_AND:
    case VKD_SPV_ATOMIC_OR:
        return access(d, i, i->op, w[3], 0, place_of(d, i->id));
    case VKD_SPV_ACCESS_CHAIN:
        return access_chain(d, i);
    case VKD_SPV_CALL:
        return call(d, i);
    case VKD_SPV_PHI: {
        vkd_step step = {
            .op = VKD_SPV_PHI, .width = (uint16_t)words_of(d, i->type), .to = place_of(d, i->id)};
        return pairs(d, i, 3, true, &step);
    }
    case VKD_SPV_BARRIER:
        d->module->has_barriers = true;
        return add(d, &(vkd_step){.op = VKD_SPV_BARRIER});
    case VKD_SPV_EXT_INST:
        return operate(d, i, VKD_SPV_EXT + w[4], w + 5, i->count - 5);
    default:
        return i->op >= VKD_SPV_BRANCH && i->op <= VKD_SPV_UNREACHABLE
                   ? flow(d, i)
                   : operate(d, i, i->op, w + 3, i->count - 3);
    }
}

static bool changes_flow_or_memory(uint32_t op)
{
    return op == VKD_SPV_CALL || op == VKD_SPV_VARIABLE || op == VKD_SPV_LOAD ||
           op == VKD_SPV_STORE || op == VKD_SPV_ACCESS_CHAIN || op == VKD_SPV_BARRIER ||
           (op >= VKD_SPV_ATOMIC_AND && op <= VKD_SPV_ATOMIC_OR) ||
           (op >= VKD_SPV_PHI && op <= VKD_SPV_SWITCH) ||
           (op >= VKD_SPV_RETURN && op <= VKD_SPV_UNREACHABLE);
}

/* Whether all that computes is known: by computing each once. */
static vkd_status check_steps(decoder *d)
{
    const vkd_module *m = d->module;
    uint32_t *r = vkd_arena_alloc(d->arena, m->words, sizeof *r);
    bool unused;
    if (!r)
        return no_memory(d);
    for (const vkd_step *s = m->steps; s != m->steps + m->step_count; s++) {
        if (changes_flow_or_memory(s->op) || (s->width && vkd_step_compute(s, r, &unused)))
            continue;
        return s->op >= VKD_SPV_EXT && s->op < VKD_SPV_SDOT
                   ? unknown(d, "function of GLSL.std.450", s->op - VKD_SPV_EXT)
                   : unknown(d, "opcode", s->op);
    }
    return VKD_OK;
}

static vkd_status second_pass(decoder *d)
{
    instruction i;
    bool inside = false;
    uint32_t entry = 0;
    d->function = 0;
    for (size_t at = 5; next(d, &at, &i);) {
        if (i.op == 15) /* the entry point */
            entry = i.w[2];
        inside |= i.op == VKD_SPV_FUNCTION;
        if (inside)
            VKD_TRY(translate(d, &i));
    }
    vkd_module *m = d->module;
    m->entry = d->ids[entry].label;
    for (uint32_t s = 0; s < m->step_count; s++)
        if (m->steps[s].op == VKD_SPV_CALL)
            m->steps[s].a = d->ids[m->steps[s].a].label;
    return check_steps(d);
}

vkd_status vkd_module_decode(vkd_arena *arena, const uint32_t *code, size_t count,
                             const uint32_t *specs, uint32_t spec_count, vkd_module **out)
{
    decoder d = {.arena = arena,
                 .code = code,
                 .specs = specs,
                 .count = count,
                 .spec_count = spec_count,
                 .bound = count > 5 ? code[3] : 0,
                 .module = vkd_arena_alloc(arena, 1, sizeof *d.module)};
    d.types = vkd_arena_alloc(arena, d.bound, sizeof *d.types);
    d.ids = vkd_arena_alloc(arena, d.bound, sizeof *d.ids);
    *out = NULL;
    if (!d.module || !d.types || !d.ids)
        return no_memory(&d);
    d.module->starts = vkd_arena_alloc(arena, d.bound, sizeof *d.module->starts);
    if (!d.module->starts)
        return no_memory(&d);
    memcpy(d.module->size, specs, sizeof d.module->size);
    VKD_TRY(first_pass(&d));
    VKD_TRY(second_pass(&d));
    *out = d.module;
    return VKD_OK;
}
