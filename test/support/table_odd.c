/* Cases of the table test with an odd argument, which must be refused or do no harm. */
#include "support/table_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t odd_value(table *t)
{
    static const int64_t ints[] = {-9, 0, 1, 100, (int64_t)1 << 40, INT64_MIN};
    const vkd_shape shape = table_shape(t, 0, 8);
    switch (table_below(t, 9)) {
    case 0:
        return hand_null(&t->model);
    case 1:
        return hand_string(&t->model, "odd");
    case 2:
        return hand_double(&t->model, table_chance(t, 2) ? NAN : 1e300);
    case 3:
        return hand_ints(&t->model, table_below(t, 4), ints);
    case 4:
        return hand_input(&t->model, table_dtype(t, TABLE_ALL), shape.rank, shape.dims);
    case 5:
        return hand_bool(&t->model, true);
    case 6:
        return hand_symint(&t->model, ints[table_below(t, 6)]);
    case 7:
        return hand_symfloat(&t->model, table_chance(t, 2) ? NAN : 2.5);
    default:
        return hand_int(&t->model, ints[table_below(t, 6)]);
    }
}

/* Of another type or of other dims; of a constant the bytes are others then. */
static void spoil_tensor(table *t)
{
    table_tensor *x;
    do
        x = &t->tensors[table_below(t, (uint32_t)t->tensor_count)];
    while (t->after && x->value == t->after); /* which is no argument */
    vkd_model_tensor *tensor = &t->model.values[x->value].tensor;
    const vkd_shape shape = table_shape(t, 0, 8);
    if (table_chance(t, 2)) {
        tensor->dtype = tensor->staging_dtype = table_dtype(t, TABLE_ALL);
    } else if (tensor->rank && table_chance(t, 2)) {
        tensor->dims[table_below(t, tensor->rank)] += 1 + table_below(t, 3);
    } else {
        tensor->rank = shape.rank;
        memcpy(tensor->dims, shape.dims, sizeof shape.dims);
    }
    tensor->size =
        (size_t)vkd_dims_count(tensor->rank, tensor->dims) * vkd_dtype_size(tensor->dtype);
    x->shape.rank = tensor->rank;
    memcpy(x->shape.dims, tensor->dims, sizeof x->shape.dims);
    x->dtype = tensor->dtype;
    if (tensor->data) {
        free(x->bytes);
        tensor->data = x->bytes = table_zeros(tensor->size, 1);
    }
    if (t->after && x->value == t->written) {
        t->model.values[t->after].tensor = *tensor;
        t->model.values[t->after].tensor.data = NULL;
        t->model.values[t->after].tensor.state = false;
    }
}

/* Returns what was done to which argument. */
static const char *spoil(table *t, uint32_t *which)
{
    uint32_t how = table_below(t, 8);
    *which = table_below(t, (uint32_t)t->arg_count);
    if (how == 0) {
        t->args[*which] = t->args[--t->arg_count];
        return "left out";
    }
    if (how == 1 && t->arg_count < HAND_ARGS) {
        table_add_argument(t, hand_null(&t->model));
        return "one more";
    }
    if (how < 5 || !t->tensor_count) {
        t->args[*which] = odd_value(t);
        return "another value";
    }
    spoil_tensor(t);
    return "another tensor";
}

vkd_status table_spoil(vkd_context *context, const vkd_caps *caps, vkd_random *random,
                       const table_case *row, char what[TABLE_SPOILT])
{
    table *t = table_draw(random, row);
    vkd_arena arena;
    vkd_graph graph;
    uint32_t which;
    table_outcome unused = {.right = true};
    for (size_t i = 0; i < t->tensor_count; i++)
        if (!t->tensors[i].is_output)
            table_arrive_whole(t, &t->tensors[i], t->tensors[i].arrival == TABLE_CONSTANT);
    t->symbol = 0;
    const char *how = spoil(t, &which);
    table_add_operators(t);
    context->error[0] = 0;
    vkd_arena_init(&arena, context);
    vkd_graph_init(&graph, &arena);
    vkd_status status = table_lower(context, caps, t, hand_finish(&t->model), &graph, &unused);
    vkd_arena_release(&arena);
    table_describe(t, what, TABLE_SPOILT);
    size_t length = strlen(what);
    snprintf(what + length, TABLE_SPOILT - length, "; argument %u: %s", which, how);
    table_release(t);
    return status;
}
