#include "support/hand.h"

#include "runtime/base/math.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_room(size_t count, size_t capacity)
{
    if (count >= capacity) {
        fprintf(stderr, "a hand-made model is too large\n");
        abort();
    }
}

static uint32_t add_value(hand_model *m, vkd_model_value value)
{
    check_room(m->model.value_count, HAND_VALUES);
    m->values[m->model.value_count] = value;
    return (uint32_t)m->model.value_count++;
}

uint32_t hand_tensor(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims)
{
    vkd_model_value value = {.kind = VKD_VALUE_TENSOR,
                             .tensor = {.dtype = dtype, .staging_dtype = dtype, .rank = rank}};
    for (uint32_t i = 0; i < rank; i++)
        value.tensor.dims[i] = dims[i];
    value.tensor.size = vkd_dims_count(rank, dims) * vkd_dtype_size(dtype);
    return add_value(m, value);
}

uint32_t hand_input(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims)
{
    check_room(m->model.input_count, HAND_LIST);
    return m->inputs[m->model.input_count++] = hand_tensor(m, dtype, rank, dims);
}

void hand_mark_output(hand_model *m, uint32_t value)
{
    check_room(m->model.output_count, HAND_LIST);
    m->outputs[m->model.output_count++] = value;
}

uint32_t hand_output(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims)
{
    uint32_t value = hand_tensor(m, dtype, rank, dims);
    hand_mark_output(m, value);
    return value;
}

uint32_t hand_constant(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims,
                       const void *data)
{
    uint32_t value = hand_tensor(m, dtype, rank, dims);
    m->values[value].tensor.data = data;
    return value;
}

uint32_t hand_null(hand_model *m)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_NULL});
}

uint32_t hand_int(hand_model *m, int64_t value)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_INT, .i = value});
}

uint32_t hand_symint(hand_model *m, int64_t value)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_SYMINT, .i = value});
}

uint32_t hand_symfloat(hand_model *m, double value)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_SYMFLOAT, .d = value});
}

uint32_t hand_double(hand_model *m, double value)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_DOUBLE, .d = value});
}

uint32_t hand_bool(hand_model *m, bool value)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_BOOL, .b = value});
}

uint32_t hand_string(hand_model *m, const char *value)
{
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_STRING, .string = value});
}

uint32_t hand_ints(hand_model *m, size_t count, const int64_t *items)
{
    check_room(m->list_count, HAND_LISTS);
    check_room(count, HAND_LIST + 1);
    int64_t *copy = m->ints[m->list_count++];
    if (count)
        memcpy(copy, items, count * sizeof *items);
    return add_value(
        m, (vkd_model_value){.kind = VKD_VALUE_INT_LIST, .list = {.count = count, .ints = copy}});
}

uint32_t hand_doubles(hand_model *m, size_t count, const double *items)
{
    check_room(m->list_count, HAND_LISTS);
    check_room(count, HAND_LIST + 1);
    double *copy = m->doubles[m->list_count++];
    memcpy(copy, items, count * sizeof *items);
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_DOUBLE_LIST,
                                          .list = {.count = count, .doubles = copy}});
}

uint32_t hand_pair(hand_model *m, int64_t a, int64_t b)
{
    return hand_ints(m, 2, (const int64_t[]){a, b});
}

uint32_t hand_list(hand_model *m, size_t count, const uint32_t *ids)
{
    check_room(m->list_count, HAND_LISTS);
    check_room(count, HAND_LIST + 1);
    uint32_t *copy = m->ids[m->list_count++];
    if (count)
        memcpy(copy, ids, count * sizeof *ids);
    return add_value(m, (vkd_model_value){.kind = VKD_VALUE_VALUE_LIST,
                                          .list = {.count = count, .values = copy}});
}

void hand_op(hand_model *m, const char *name, size_t count, const uint32_t *args)
{
    size_t index = m->model.op_count;
    check_room(index, HAND_OPS);
    check_room(count, HAND_ARGS + 1);
    memcpy(m->args[index], args, count * sizeof *args);
    m->ops[index] = (vkd_model_op){
        .name = name, .node_id = (uint32_t)index, .arg_count = count, .args = m->args[index]};
    m->model.op_count++;
}

const vkd_model *hand_finish(hand_model *m)
{
    m->model.values = m->values;
    m->model.ops = m->ops;
    m->model.inputs = m->inputs;
    m->model.outputs = m->outputs;
    return &m->model;
}
