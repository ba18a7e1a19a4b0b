#include "graph/rewrite.h"

#include <string.h>

enum { NONE = UINT32_MAX };

typedef struct rewriter {
    vkd_arena *arena;
    vkd_model_value *values;
    size_t value_count, value_capacity;
    vkd_model_op *ops;
    size_t op_count;
    /* by value id, of the ops as they are now */
    uint32_t *producer; /* index of the op that writes it, or NONE */
    uint32_t *readers;  /* how many arguments read it, being an output of the graph included */
    const vkd_model *model;
} rewriter;

/* -------------------------------------------------------------------------------------------------------- queries */

static const vkd_model_value *value(const rewriter *r, uint32_t id) { return &r->values[id]; }

static bool is_tensor(const rewriter *r, uint32_t id) { return value(r, id)->kind == VKD_VALUE_TENSOR; }

/* The arguments of an op are copy_model's, so they may be written. */
static uint32_t *args_of(vkd_model_op *op) { return (uint32_t *)op->args; }

static uint32_t *last_arg(vkd_model_op *op) { return &args_of(op)[op->arg_count - 1]; }

/* An op's result: its last argument, or the first entry of the list there. NONE if that is no tensor. */
static uint32_t result(const rewriter *r, const vkd_model_op *op)
{
    if (!op->arg_count)
        return NONE;
    uint32_t id = op->args[op->arg_count - 1];
    if (value(r, id)->kind == VKD_VALUE_VALUE_LIST) {
        if (!value(r, id)->list.count)
            return NONE;
        id = value(r, id)->list.values[0];
    }
    return is_tensor(r, id) ? id : NONE;
}

static bool same_dims(const rewriter *r, uint32_t a, uint32_t b)
{
    const vkd_model_tensor *x = &value(r, a)->tensor, *y = &value(r, b)->tensor;
    return x->dtype == y->dtype && x->rank == y->rank && !memcmp(x->dims, y->dims, x->rank * sizeof x->dims[0]);
}

static bool named(const vkd_model_op *op, const char *name, size_t arg_count)
{
    return op->arg_count == arg_count && !strcmp(op->name, name);
}

static bool is_quantize(const vkd_model_op *op)
{
    return named(op, "quantized_decomposed.quantize_per_tensor.default", 7);
}

static bool is_dequantize(const vkd_model_op *op)
{
    return named(op, "quantized_decomposed.dequantize_per_tensor.default", 8);
}

static bool is_view(const vkd_model_op *op)
{
    return named(op, "aten.view_copy.default", 3) || named(op, "aten.squeeze_copy.dims", 3) ||
           named(op, "aten.squeeze_copy.dim", 3) || named(op, "aten.unsqueeze_copy.default", 3);
}

static bool is_max_pool(const vkd_model_op *op)
{
    return named(op, "aten.max_pool2d_with_indices.default", 7) || named(op, "aten.max_pool2d.default", 7);
}

static bool number(const rewriter *r, uint32_t id, double *out)
{
    const vkd_model_value *v = value(r, id);
    if (v->kind == VKD_VALUE_INT)
        *out = (double)v->i;
    else if (v->kind == VKD_VALUE_DOUBLE)
        *out = v->d;
    return v->kind == VKD_VALUE_INT || v->kind == VKD_VALUE_DOUBLE;
}

/* Scale and zero point of a quantize or dequantize of the full int8 range; others are left for the lowering to judge. */
static bool qparams(const rewriter *r, const vkd_model_op *op, double *scale, double *zero)
{
    double low, high;
    return number(r, op->args[1], scale) && number(r, op->args[2], zero) && number(r, op->args[3], &low) &&
           number(r, op->args[4], &high) && low == -128 && high == 127;
}

/* The op that makes a value that only one argument reads, if it comes before op `before`; null otherwise. */
static vkd_model_op *only_producer(rewriter *r, uint32_t id, size_t before)
{
    if (!is_tensor(r, id) || r->readers[id] != 1 || r->producer[id] == NONE || r->producer[id] >= before)
        return NULL;
    return &r->ops[r->producer[id]];
}

/* The dequantize that makes a value, whoever else reads it. */
static const vkd_model_op *dequantize_of(const rewriter *r, uint32_t id, size_t before)
{
    if (!is_tensor(r, id) || r->producer[id] == NONE || r->producer[id] >= before)
        return NULL;
    const vkd_model_op *op = &r->ops[r->producer[id]];
    return is_dequantize(op) && is_tensor(r, op->args[0]) ? op : NULL;
}

/* ----------------------------------------------------------------------------------------------------- bookkeeping */

static void count_reads(rewriter *r, uint32_t id)
{
    const vkd_model_value *v = value(r, id);
    r->readers[id]++;
    if (v->kind == VKD_VALUE_VALUE_LIST)
        for (size_t i = 0; i < v->list.count; i++)
            r->readers[v->list.values[i]]++;
}

static void note_results(rewriter *r, uint32_t op, uint32_t id)
{
    const vkd_model_value *v = value(r, id);
    r->producer[id] = op;
    if (v->kind == VKD_VALUE_VALUE_LIST)
        for (size_t i = 0; i < v->list.count; i++)
            r->producer[v->list.values[i]] = op;
}

static vkd_status analyze(rewriter *r)
{
    r->producer = vkd_arena_alloc(r->arena, r->value_count, sizeof *r->producer);
    r->readers = vkd_arena_alloc(r->arena, r->value_count, sizeof *r->readers);
    if (!r->producer || !r->readers)
        return vkd_fail_memory(r->arena->context, "the rewriter");
    memset(r->producer, 0xff, r->value_count * sizeof *r->producer);
    for (uint32_t i = 0; i < r->op_count; i++) {
        const vkd_model_op *op = &r->ops[i];
        for (size_t a = 0; a + 1 < op->arg_count; a++)
            count_reads(r, op->args[a]);
        if (op->arg_count)
            note_results(r, i, op->args[op->arg_count - 1]);
    }
    for (size_t i = 0; i < r->model->output_count; i++)
        count_reads(r, r->model->outputs[i]);
    return VKD_OK;
}

/* Drops the ops whose results nobody reads; backwards, so that whole chains go at once. */
static void drop_dead(rewriter *r)
{
    for (size_t i = r->op_count; i-- > 0;) {
        const vkd_model_op *op = &r->ops[i];
        bool live = false;
        if (op->arg_count) {
            const vkd_model_value *v = value(r, op->args[op->arg_count - 1]);
            live = r->readers[op->args[op->arg_count - 1]] > 0;
            if (v->kind == VKD_VALUE_VALUE_LIST)
                for (size_t k = 0; k < v->list.count; k++)
                    live |= r->readers[v->list.values[k]] > 0;
        }
        if (live)
            continue;
        for (size_t a = 0; a + 1 < op->arg_count; a++) {
            const vkd_model_value *v = value(r, op->args[a]);
            r->readers[op->args[a]]--;
            if (v->kind == VKD_VALUE_VALUE_LIST)
                for (size_t k = 0; k < v->list.count; k++)
                    r->readers[v->list.values[k]]--;
        }
        r->ops[i].name = NULL;
    }
    size_t kept = 0;
    for (size_t i = 0; i < r->op_count; i++)
        if (r->ops[i].name)
            r->ops[kept++] = r->ops[i];
    r->op_count = kept;
}

static vkd_status add_value(rewriter *r, const vkd_model_value *v, uint32_t *out)
{
    vkd_model_value *grown = vkd_arena_grow(r->arena, r->values, r->value_count, &r->value_capacity, sizeof *grown);
    if (!grown)
        return vkd_fail_memory(r->arena->context, "the rewriter");
    r->values = grown;
    *out = (uint32_t)r->value_count++;
    grown[*out] = *v;
    return VKD_OK;
}

/* ----------------------------------------------------------------------------------------------------------- rules */

/* Readers of a layout transition's result read its source. Forward, so that chains of clones resolve. */
static vkd_status skip_clones(rewriter *r)
{
    uint32_t *source = vkd_arena_alloc(r->arena, r->value_count, sizeof *source);
    if (!source)
        return vkd_fail_memory(r->arena->context, "the rewriter");
    for (uint32_t i = 0; i < r->value_count; i++)
        source[i] = i;
    for (size_t i = 0; i < r->op_count; i++) {
        vkd_model_op *op = &r->ops[i];
        for (size_t a = 0; a + 1 < op->arg_count; a++)
            args_of(op)[a] = source[op->args[a]];
        if (named(op, "aten.clone.default", 3) && is_tensor(r, op->args[0]) && is_tensor(r, op->args[2]) &&
            same_dims(r, op->args[0], op->args[2]))
            source[op->args[2]] = op->args[0];
    }
    return VKD_OK;
}

/* quantize(view(x)) -> view(quantize(x)) */
static vkd_status quantize_over_view(rewriter *r, size_t index)
{
    vkd_model_op *quantize = &r->ops[index];
    vkd_model_op *view = is_quantize(quantize) ? only_producer(r, quantize->args[0], index) : NULL;
    if (!view || !is_view(view) || !is_tensor(r, view->args[0]) || result(r, quantize) == NONE)
        return VKD_OK;
    vkd_model_value quantized = *value(r, view->args[0]);
    quantized.tensor.dtype = quantized.tensor.staging_dtype = value(r, *last_arg(quantize))->tensor.dtype;
    quantized.tensor.size = vkd_dims_count(quantized.tensor.rank, quantized.tensor.dims);
    quantized.tensor.data = NULL;
    uint32_t id;
    VKD_TRY(add_value(r, &quantized, &id));

    uint32_t x = view->args[0], y = *last_arg(quantize);
    args_of(quantize)[0] = x;
    *last_arg(quantize) = id;
    args_of(view)[0] = id;
    *last_arg(view) = y;
    vkd_model_op moved = *view;
    *view = *quantize;
    *quantize = moved;
    return analyze(r);
}

/* dequantize -> max_pool2d -> quantize with equal parameters: the pool takes and gives int8. */
static vkd_status int8_max_pool(rewriter *r, size_t index)
{
    vkd_model_op *quantize = &r->ops[index];
    vkd_model_op *pool = is_quantize(quantize) ? only_producer(r, quantize->args[0], index) : NULL;
    if (!pool || !is_max_pool(pool) || result(r, pool) != quantize->args[0] || result(r, quantize) == NONE)
        return VKD_OK;
    const vkd_model_op *dequantize = dequantize_of(r, pool->args[0], r->producer[quantize->args[0]]);
    double x_scale, x_zero, y_scale, y_zero;
    if (!dequantize || !qparams(r, dequantize, &x_scale, &x_zero) || !qparams(r, quantize, &y_scale, &y_zero) ||
        x_scale != y_scale || x_zero != y_zero)
        return VKD_OK;
    const vkd_model_value *results = value(r, *last_arg(pool));
    if (results->kind == VKD_VALUE_VALUE_LIST) /* the positions of the maxima must not be wanted */
        for (size_t i = 1; i < results->list.count; i++)
            if (r->readers[results->list.values[i]])
                return VKD_OK;
    args_of(pool)[0] = dequantize->args[0];
    *last_arg(pool) = *last_arg(quantize);
    quantize->arg_count = 0; /* dead */
    VKD_TRY(analyze(r));
    drop_dead(r);
    return analyze(r);
}

/* Whether a list names exactly the two innermost dims of a tensor of rank 4. */
static bool over_pixels(const rewriter *r, uint32_t tensor, uint32_t list)
{
    const vkd_model_value *dims = value(r, list);
    if (value(r, tensor)->tensor.rank != 4 || dims->kind != VKD_VALUE_INT_LIST || dims->list.count != 2)
        return false;
    int64_t a = dims->list.ints[0], b = dims->list.ints[1];
    a += a < 0 ? 4 : 0, b += b < 0 ? 4 : 0;
    return (a == 2 && b == 3) || (a == 3 && b == 2);
}

/* dequantize -> mean over h, w -> quantize: "vkd.q8_mean". */
static vkd_status int8_mean(rewriter *r, size_t index)
{
    vkd_model_op *quantize = &r->ops[index];
    vkd_model_op *mean = is_quantize(quantize) ? only_producer(r, quantize->args[0], index) : NULL;
    if (!mean || !named(mean, "aten.mean.dim", 5) || result(r, quantize) == NONE)
        return VKD_OK;
    const vkd_model_op *dequantize = dequantize_of(r, mean->args[0], r->producer[quantize->args[0]]);
    double scale, zero;
    if (!dequantize || !over_pixels(r, dequantize->args[0], mean->args[1]) || !qparams(r, dequantize, &scale, &zero) ||
        !qparams(r, quantize, &scale, &zero))
        return VKD_OK;
    uint32_t *args = vkd_arena_alloc(r->arena, 6, sizeof *args);
    if (!args)
        return vkd_fail_memory(r->arena->context, "the rewriter");
    args[0] = dequantize->args[0], args[1] = dequantize->args[1], args[2] = dequantize->args[2];
    args[3] = quantize->args[1], args[4] = quantize->args[2], args[5] = *last_arg(quantize);
    *mean = (vkd_model_op){.name = "vkd.q8_mean", .node_id = mean->node_id, .arg_count = 6, .args = args};
    quantize->arg_count = 0; /* dead */
    VKD_TRY(analyze(r));
    drop_dead(r);
    return analyze(r);
}

typedef vkd_status (*rule)(rewriter *, size_t index);

/* Each rule looks at the op at `index` as the last of its sequence. A rule may shorten the list behind or before the index. */
static vkd_status apply(rewriter *r, rule rewrite)
{
    for (size_t i = 0; i < r->op_count; i++)
        VKD_TRY(rewrite(r, i));
    return VKD_OK;
}

/* The rules work on copies: the reader's arrays stay as the file has them. */
static vkd_status copy_model(rewriter *r, const vkd_model *model)
{
    r->value_capacity = model->value_count + 16;
    r->value_count = model->value_count;
    r->op_count = model->op_count;
    r->values = vkd_arena_alloc(r->arena, r->value_capacity, sizeof *r->values);
    r->ops = vkd_arena_alloc(r->arena, model->op_count, sizeof *r->ops);
    if (!r->values || !r->ops)
        return vkd_fail_memory(r->arena->context, "the rewriter");
    if (model->value_count)
        memcpy(r->values, model->values, model->value_count * sizeof *r->values);
    for (size_t i = 0; i < model->op_count; i++) {
        r->ops[i] = model->ops[i];
        uint32_t *args = vkd_arena_alloc(r->arena, r->ops[i].arg_count, sizeof *args);
        if (!args)
            return vkd_fail_memory(r->arena->context, "the rewriter");
        if (r->ops[i].arg_count)
            memcpy(args, r->ops[i].args, r->ops[i].arg_count * sizeof *args);
        r->ops[i].args = args;
    }
    return VKD_OK;
}

vkd_status vkd_rewrite(vkd_model *model, vkd_arena *arena)
{
    rewriter r = {.arena = arena, .model = model};
    VKD_TRY(copy_model(&r, model));
    VKD_TRY(skip_clones(&r));
    VKD_TRY(analyze(&r));
    drop_dead(&r);
    VKD_TRY(analyze(&r));
    VKD_TRY(apply(&r, quantize_over_view));
    VKD_TRY(apply(&r, int8_max_pool));
    VKD_TRY(apply(&r, int8_mean));
    model->values = r.values;
    model->value_count = r.value_count;
    model->ops = r.ops;
    model->op_count = r.op_count;
    return VKD_OK;
}
