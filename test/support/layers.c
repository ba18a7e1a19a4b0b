#include "support/layers.h"

#include "backend/delegate.h"
#include "runtime/base/math.h"

#include <stdio.h>
#include <stdlib.h>

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fprintf(stderr, "out of memory\n");
        abort();
    }
    return memory;
}

static bool is_state(const vkd_delegate *delegate, uint32_t value)
{
    const vkd_graph *graph = &delegate->plan->graph;
    const vkd_tensor_id id = delegate->plan->lowered.tensors[value];
    return id != VKD_NO_TENSOR &&
           graph->tensors[graph->tensors[id].storage].place == VKD_PLACE_STATE;
}

void layers_begin(layers *l, vkd_delegate *delegate, const vkd_model *model)
{
    *l = (layers){delegate, model, make(model->value_count, sizeof(double *)),
                  make(model->value_count, sizeof(bool))};
    for (uint32_t i = 0; i < model->value_count; i++)
        l->changes[i] = is_state(delegate, i);
}

void layers_end(layers *l)
{
    for (size_t i = 0; i < l->model->value_count; i++)
        free(l->moved[i]);
    free(l->moved);
    free(l->changes);
}

void *layers_read(const layers *l, uint32_t value)
{
    const vkd_model_tensor *tensor = &l->model->values[value].tensor;
    vkd_tensor_info info;
    void *bytes = make(tensor->size, 1);
    if (vkd_read_value(l->delegate, value, bytes, tensor->size, &info) == VKD_OK &&
        info.dtype == tensor->dtype && info.size == tensor->size)
        return bytes;
    free(bytes);
    return NULL;
}

/* False where a tensor that the operator reads is nowhere. */
static bool set_input(const layers *l, reference *r, uint32_t value)
{
    if (l->model->values[value].kind != VKD_VALUE_TENSOR || l->model->values[value].tensor.data)
        return true;
    void *bytes = layers_read(l, value);
    if (bytes)
        reference_set(r, value, bytes);
    else if (l->moved[value])
        reference_give(r, value, l->moved[value]);
    bool found = bytes || l->moved[value];
    free(bytes);
    return found;
}

static bool set_inputs(const layers *l, reference *r, const vkd_model_op *op)
{
    bool found = true;
    for (size_t a = 0; a + 1 < op->arg_count; a++) {
        const vkd_model_value *value = &l->model->values[op->args[a]];
        found &= set_input(l, r, op->args[a]);
        for (size_t i = 0; value->kind == VKD_VALUE_VALUE_LIST && i < value->list.count; i++)
            found &= set_input(l, r, value->list.values[i]);
    }
    return found;
}

static void compare(layers *l, reference *r, const vkd_model_op *op, layer_result *out)
{
    uint32_t result = reference_result(r);
    const vkd_model_tensor *tensor = &l->model->values[result].tensor;
    size_t elements = (size_t)vkd_dims_count(tensor->rank, tensor->dims);
    double *expected = make(elements, sizeof *expected);
    reference_compute(r, expected);
    void *got = layers_read(l, result);
    out->dtype = tensor->dtype;
    if (got) {
        out->difference = reference_compare(tensor->dtype, elements, got, expected);
        out->verdict = out->difference.accepted ? LAYER_RIGHT : LAYER_WRONG;
        free(expected);
    } else {
        out->verdict = reference_moves(op->name) ? LAYER_MOVED : LAYER_LOST;
        free(l->moved[result]);
        l->moved[result] = expected;
    }
    free(got);
}

/* Whether an operator has to do with state, whose contents are those after the execution; what is
 * prepacked of a state is one. */
static bool note_states(layers *l, const vkd_model_op *op)
{
    bool changes = false;
    for (size_t a = 0; a < op->arg_count; a++)
        changes |= l->changes[op->args[a]];
    if (changes && op->arg_count && reference_moves(op->name))
        l->changes[op->args[op->arg_count - 1]] = true;
    return changes;
}

layer_result layers_check(layers *l, const vkd_model_op *op)
{
    layer_result out = {.verdict = LAYER_UNKNOWN};
    reference r;
    bool changes = note_states(l, op);
    if (changes || !reference_knows(l->model, op))
        return out;
    reference_begin(&r, l->model, op);
    if (set_inputs(l, &r, op))
        compare(l, &r, op, &out);
    reference_end(&r);
    return out;
}
