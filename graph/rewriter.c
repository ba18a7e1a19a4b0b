#include "graph/rewriter.h"

#include <string.h>

/* -------------------------------------------------------------------------------------------------------- queries */

static const vkd_model_value *value(const vkd_rewriter *r, uint32_t id) { return &r->values[id]; }

bool vkd_rw_is_tensor(const vkd_rewriter *r, uint32_t id) { return value(r, id)->kind == VKD_VALUE_TENSOR; }

bool vkd_rw_named(const vkd_model_op *op, const char *name, size_t arg_count)
{
    return op->name && op->arg_count == arg_count && !strcmp(op->name, name);
}

bool vkd_rw_number(const vkd_rewriter *r, uint32_t id, double *out)
{
    const vkd_model_value *v = value(r, id);
    if (v->kind == VKD_VALUE_INT)
        *out = (double)v->i;
    else if (v->kind == VKD_VALUE_DOUBLE)
        *out = v->d;
    return v->kind == VKD_VALUE_INT || v->kind == VKD_VALUE_DOUBLE;
}

uint32_t vkd_rw_result(const vkd_rewriter *r, const vkd_model_op *op)
{
    if (!op->name || !op->arg_count)
        return VKD_NO_ID;
    uint32_t id = op->args[op->arg_count - 1];
    if (value(r, id)->kind == VKD_VALUE_VALUE_LIST) {
        if (!value(r, id)->list.count)
            return VKD_NO_ID;
        id = value(r, id)->list.values[0];
    }
    return vkd_rw_is_tensor(r, id) ? id : VKD_NO_ID;
}

vkd_model_op *vkd_rw_producer(vkd_rewriter *r, uint32_t id, size_t before)
{
    uint32_t op = r->producer[id];
    return vkd_rw_is_tensor(r, id) && op != VKD_NO_ID && op < before && r->ops[op].name ? &r->ops[op] : NULL;
}

vkd_model_op *vkd_rw_only_producer(vkd_rewriter *r, uint32_t id, size_t before)
{
    return r->readers[id] == 1 ? vkd_rw_producer(r, id, before) : NULL;
}

bool vkd_rw_is_quantize(const vkd_model_op *op)
{
    return vkd_rw_named(op, "quantized_decomposed.quantize_per_tensor.default", 7);
}

bool vkd_rw_is_dequantize(const vkd_model_op *op)
{
    return vkd_rw_named(op, "quantized_decomposed.dequantize_per_tensor.default", 8);
}

bool vkd_rw_qparams(const vkd_rewriter *r, const vkd_model_op *op, double *scale, double *zero)
{
    double low, high;
    return vkd_rw_number(r, op->args[1], scale) && vkd_rw_number(r, op->args[2], zero) && vkd_rw_number(r, op->args[3], &low) &&
           vkd_rw_number(r, op->args[4], &high) && low == -128 && high == 127;
}

/* ----------------------------------------------------------------------------------------------------- bookkeeping */

/* The arguments of an op are vkd_rewriter_init's or vkd_rw_replace's, so they may be written. */
static uint32_t *args_of(vkd_model_op *op) { return (uint32_t *)op->args; }

static void count_reads(vkd_rewriter *r, uint32_t id, uint32_t change)
{
    const vkd_model_value *v = value(r, id);
    r->readers[id] += change;
    if (v->kind == VKD_VALUE_VALUE_LIST)
        for (size_t i = 0; i < v->list.count; i++)
            r->readers[v->list.values[i]] += change;
}

static void count_args(vkd_rewriter *r, const vkd_model_op *op, uint32_t change)
{
    for (size_t a = 0; a + 1 < op->arg_count; a++)
        count_reads(r, op->args[a], change);
}

static void set_producer(vkd_rewriter *r, const vkd_model_op *op, uint32_t index)
{
    if (!op->name || !op->arg_count)
        return;
    uint32_t id = op->args[op->arg_count - 1];
    const vkd_model_value *v = value(r, id);
    r->producer[id] = index;
    if (v->kind == VKD_VALUE_VALUE_LIST)
        for (size_t i = 0; i < v->list.count; i++)
            r->producer[v->list.values[i]] = index;
}

static bool is_read(const vkd_rewriter *r, const vkd_model_op *op)
{
    if (!op->arg_count)
        return true; /* nothing is known of it: for the lowering to judge */
    uint32_t id = op->args[op->arg_count - 1];
    const vkd_model_value *v = value(r, id);
    if (v->kind != VKD_VALUE_VALUE_LIST)
        return r->readers[id] > 0;
    for (size_t i = 0; i < v->list.count; i++)
        if (r->readers[v->list.values[i]])
            return true;
    return false;
}

/* --------------------------------------------------------------------------------------------------------- changes */

static vkd_status grow_values(vkd_rewriter *r, size_t capacity)
{
    vkd_model_value *values = vkd_arena_alloc(r->arena, capacity, sizeof *values);
    uint32_t *producer = vkd_arena_alloc(r->arena, capacity, sizeof *producer);
    uint32_t *readers = vkd_arena_alloc(r->arena, capacity, sizeof *readers);
    if (!values || !producer || !readers)
        return vkd_fail_memory(r->arena->context, "the rewriter");
    memset(producer, 0xff, capacity * sizeof *producer);
    if (r->value_capacity) {
        memcpy(values, r->values, r->value_count * sizeof *values);
        memcpy(producer, r->producer, r->value_count * sizeof *producer);
        memcpy(readers, r->readers, r->value_count * sizeof *readers);
    }
    r->values = values;
    r->producer = producer;
    r->readers = readers;
    r->value_capacity = capacity;
    return VKD_OK;
}

vkd_status vkd_rw_add_value(vkd_rewriter *r, const vkd_model_value *v, uint32_t *out)
{
    vkd_model_value copy = *v; /* v may lie in the array that moves */
    if (r->value_count == r->value_capacity)
        VKD_TRY(grow_values(r, 2 * r->value_capacity));
    *out = (uint32_t)r->value_count++;
    r->values[*out] = copy;
    return VKD_OK;
}

vkd_status vkd_rw_add_int(vkd_rewriter *r, int64_t number, uint32_t *out)
{
    const vkd_model_value integer = {.kind = VKD_VALUE_INT, .i = number};
    return vkd_rw_add_value(r, &integer, out);
}

vkd_status vkd_rw_add_null(vkd_rewriter *r, uint32_t *out)
{
    const vkd_model_value null = {.kind = VKD_VALUE_NULL};
    return vkd_rw_add_value(r, &null, out);
}

void vkd_rw_set_arg(vkd_rewriter *r, vkd_model_op *op, size_t index, uint32_t id)
{
    count_reads(r, op->args[index], UINT32_MAX); /* minus one */
    args_of(op)[index] = id;
    count_reads(r, id, 1);
}

void vkd_rw_set_result(vkd_rewriter *r, vkd_model_op *op, uint32_t id)
{
    set_producer(r, op, VKD_NO_ID);
    args_of(op)[op->arg_count - 1] = id;
    set_producer(r, op, (uint32_t)(op - r->ops));
}

void vkd_rw_remove(vkd_rewriter *r, vkd_model_op *op)
{
    count_args(r, op, UINT32_MAX); /* minus one */
    if (op->arg_count && r->producer[op->args[op->arg_count - 1]] == (uint32_t)(op - r->ops))
        set_producer(r, op, VKD_NO_ID);
    op->name = NULL;
}

void vkd_rw_swap(vkd_rewriter *r, vkd_model_op *a, vkd_model_op *b)
{
    vkd_model_op moved = *a;
    *a = *b;
    *b = moved;
    set_producer(r, a, (uint32_t)(a - r->ops));
    set_producer(r, b, (uint32_t)(b - r->ops));
}

vkd_status vkd_rw_replace(vkd_rewriter *r, vkd_model_op *op, const char *name, size_t arg_count, const uint32_t *args)
{
    uint32_t *copy = vkd_arena_alloc(r->arena, arg_count, sizeof *copy);
    if (!copy)
        return vkd_fail_memory(r->arena->context, "the rewriter");
    memcpy(copy, args, arg_count * sizeof *copy);
    vkd_model_op old = *op;
    set_producer(r, &old, VKD_NO_ID);
    *op = (vkd_model_op){.name = name, .node_id = old.node_id, .arg_count = arg_count, .args = copy};
    count_args(r, op, 1);
    count_args(r, &old, UINT32_MAX); /* minus one */
    set_producer(r, op, (uint32_t)(op - r->ops));
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------------------- start and finish */

static vkd_status copy_ops(vkd_rewriter *r, const vkd_model *model)
{
    size_t args = 0;
    for (size_t i = 0; i < model->op_count; i++)
        args += model->ops[i].arg_count;
    uint32_t *copy = vkd_arena_alloc(r->arena, args, sizeof *copy);
    r->ops = vkd_arena_alloc(r->arena, model->op_count, sizeof *r->ops);
    if (!copy || !r->ops)
        return vkd_fail_memory(r->arena->context, "the rewriter");
    r->op_count = model->op_count;
    for (size_t i = 0; i < model->op_count; i++) {
        r->ops[i] = model->ops[i];
        if (r->ops[i].arg_count)
            memcpy(copy, r->ops[i].args, r->ops[i].arg_count * sizeof *copy);
        r->ops[i].args = copy;
        copy += r->ops[i].arg_count;
    }
    return VKD_OK;
}

vkd_status vkd_rewriter_init(vkd_rewriter *r, const vkd_model *model, vkd_arena *arena)
{
    *r = (vkd_rewriter){.arena = arena, .model = model};
    VKD_TRY(grow_values(r, model->value_count + 64));
    if (model->value_count)
        memcpy(r->values, model->values, model->value_count * sizeof *r->values);
    r->value_count = model->value_count;
    VKD_TRY(copy_ops(r, model));
    for (uint32_t i = 0; i < r->op_count; i++) {
        count_args(r, &r->ops[i], 1);
        set_producer(r, &r->ops[i], i);
    }
    for (size_t i = 0; i < model->output_count; i++)
        count_reads(r, model->outputs[i], 1);
    return VKD_OK;
}

void vkd_rewriter_finish(vkd_rewriter *r, vkd_model *out)
{
    for (size_t i = r->op_count; i-- > 0;) /* backwards, so that whole chains go at once */
        if (r->ops[i].name && !is_read(r, &r->ops[i]))
            vkd_rw_remove(r, &r->ops[i]);
    size_t kept = 0;
    for (size_t i = 0; i < r->op_count; i++)
        if (r->ops[i].name)
            r->ops[kept++] = r->ops[i];
    out->values = r->values;
    out->value_count = r->value_count;
    out->ops = r->ops;
    out->op_count = kept;
}
