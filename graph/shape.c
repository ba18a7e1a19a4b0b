#include "graph/shape.h"
#include "graph/operators.h"

#include <stdio.h>
#include <string.h>

const char *vkd_dims_format(uint32_t rank, const uint32_t *dims, char out[VKD_DIMS_TEXT])
{
    size_t length = 0;
    snprintf(out, VKD_DIMS_TEXT, "scalar");
    for (uint32_t i = 0; i < rank; i++)
        length +=
            (size_t)snprintf(out + length, VKD_DIMS_TEXT - length, "%s%u", i ? "x" : "", dims[i]);
    return out;
}

/* -------------------------------------------------------------------------------------- outputs */

/* Whether the net has numbers that differ from one execution to the next: then the file's dims are
 * upper bounds. */
static bool is_dynamic(const vkd_shaping *shaping)
{
    return shaping->net->has_symbols || shaping->is_resized;
}

static vkd_status check_bound(vkd_shaping *shaping, uint32_t value, uint32_t rank,
                              const uint32_t *dims)
{
    const vkd_model_tensor *file = &shaping->net->values[value].tensor;
    bool equal = file->rank == rank, below = equal;
    for (uint32_t i = 0; below && i < rank; i++) {
        equal &= dims[i] == file->dims[i];
        below &= dims[i] <= file->dims[i];
    }
    if (equal || (below && is_dynamic(shaping)))
        return VKD_OK;
    char is[VKD_DIMS_TEXT], expected[VKD_DIMS_TEXT];
    return vkd_shape_fail_value(shaping, VKD_INVALID_MODEL, value, "is %s, expected %s",
                                vkd_dims_format(file->rank, file->dims, is),
                                vkd_dims_format(rank, dims, expected));
}

vkd_status vkd_shape_set(vkd_shaping *shaping, uint32_t value, uint32_t rank, const uint32_t *dims)
{
    if (value == VKD_NO_VALUE)
        return VKD_OK;
    if (rank > VKD_MAX_RANK)
        return vkd_shape_fail_value(shaping, VKD_UNSUPPORTED, value,
                                    "would have rank %u, expected %d at most", rank, VKD_MAX_RANK);
    VKD_TRY(check_bound(shaping, value, rank, dims));
    vkd_model_tensor *tensor = &shaping->values[value].tensor;
    tensor->rank = rank;
    for (uint32_t i = 0; i < rank; i++)
        tensor->dims[i] = dims[i];
    tensor->size = (size_t)vkd_dims_count(rank, dims) * vkd_dtype_size(tensor->dtype);
    return VKD_OK;
}

vkd_status vkd_shape_set_as(vkd_shaping *shaping, uint32_t value, uint32_t like)
{
    const vkd_model_tensor copy = *vkd_shape_of(shaping, like);
    return vkd_shape_set(shaping, value, copy.rank, copy.dims);
}

vkd_status vkd_shape_same(vkd_shaping *shaping, const void *args)
{
    const view_args *a = args;
    return vkd_shape_set_as(shaping, a->y, a->x);
}

/* ------------------------------------------------------------------------------------- operands */

vkd_status vkd_shape_dim(vkd_shaping *shaping, const int32_t *dim, uint32_t rank, uint32_t *out)
{
    const int32_t range = rank ? (int32_t)rank : 1;
    const int64_t resolved = *dim < 0 ? (int64_t)*dim + range : *dim;
    if (resolved < 0 || resolved >= range)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, dim,
                                 "is %d, expected %d to %d for a tensor of rank %u", *dim, -range,
                                 range - 1, rank);
    *out = (uint32_t)resolved;
    return VKD_OK;
}

vkd_status vkd_shape_listed(vkd_shaping *shaping, const vkd_int_list *list, uint32_t rank,
                            bool out[VKD_MAX_RANK])
{
    for (uint32_t i = 0; i < VKD_MAX_RANK; i++)
        out[i] = list->count == 0 && i < rank;
    for (size_t i = 0; i < list->count; i++) {
        uint32_t dim = 0;
        VKD_TRY(vkd_shape_dim(shaping, &list->items[i], rank, &dim));
        if (out[dim])
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, list,
                                     "names dim %u twice, expected different ones", dim);
        out[dim] = true;
    }
    return VKD_OK;
}

vkd_status vkd_shape_pair(vkd_shaping *shaping, const int32_t pair[2], int32_t least, int32_t most)
{
    for (int i = 0; i < 2; i++)
        if (pair[i] < least || pair[i] > most)
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, pair, "has %d, expected %d to %d",
                                     pair[i], least, most);
    return VKD_OK;
}

vkd_status vkd_shape_broadcast(vkd_shaping *shaping, const uint32_t *values, size_t count,
                               vkd_shape *out)
{
    *out = (vkd_shape){0};
    for (size_t i = 0; i < count; i++)
        if (vkd_shape_of(shaping, values[i])->rank > out->rank)
            out->rank = vkd_shape_of(shaping, values[i])->rank;
    for (uint32_t d = 0; d < out->rank; d++)
        out->dims[d] = 1;
    for (size_t i = 0; i < count; i++) {
        const vkd_model_tensor *x = vkd_shape_of(shaping, values[i]);
        for (uint32_t d = 0; d < x->rank; d++) {
            uint32_t *dim = &out->dims[out->rank - x->rank + d];
            if (*dim == 1)
                *dim = x->dims[d];
            else if (x->dims[d] != 1 && x->dims[d] != *dim) {
                char left[VKD_DIMS_TEXT], right[VKD_DIMS_TEXT];
                return vkd_shape_fail_value(shaping, VKD_INVALID_MODEL, values[i],
                                            "is %s, expected what broadcasts to %s",
                                            vkd_dims_format(x->rank, x->dims, right),
                                            vkd_dims_format(out->rank, out->dims, left));
            }
        }
    }
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------------ net */

void vkd_shape_set_number(vkd_shaping *shaping, uint32_t value, int64_t number)
{
    vkd_model_value *out = &shaping->values[value];
    if (out->kind == VKD_VALUE_SYMFLOAT)
        out->d = (double)number;
    else
        out->i = number;
}

const vkd_input *vkd_shape_input(const vkd_shaping *shaping, uint32_t value)
{
    for (size_t i = 0; shaping->inputs && i < shaping->net->input_count; i++)
        if (shaping->net->inputs[i] == value)
            return &shaping->inputs[i];
    return NULL;
}

static vkd_status set_input(vkd_shaping *shaping, size_t index, const vkd_shape *shape)
{
    uint32_t value = shaping->net->inputs[index];
    const vkd_model_tensor *bound = &shaping->net->values[value].tensor;
    bool fits = shape->rank == bound->rank;
    for (uint32_t i = 0; fits && i < shape->rank; i++)
        fits = shape->dims[i] <= bound->dims[i];
    if (!fits) {
        char is[VKD_DIMS_TEXT], most[VKD_DIMS_TEXT];
        return vkd_fail(shaping->context, VKD_INVALID_ARGUMENT,
                        "input %zu is %s: the model takes at most %s", index,
                        vkd_dims_format(shape->rank, shape->dims, is),
                        vkd_dims_format(bound->rank, bound->dims, most));
    }
    vkd_model_tensor *tensor = &shaping->values[value].tensor;
    for (uint32_t i = 0; i < shape->rank; i++) {
        shaping->is_resized |= shape->dims[i] != bound->dims[i];
        tensor->dims[i] = shape->dims[i];
    }
    tensor->size =
        (size_t)vkd_dims_count(tensor->rank, tensor->dims) * vkd_dtype_size(tensor->dtype);
    return VKD_OK;
}

/* At the file's bounds SymInts that are inputs, which the file leaves 0, are what the call's sizes
 * come to in its result. Those that are computed will be. */
static void guess_numbers(vkd_shaping *shaping, const vkd_call *call)
{
    const uint32_t result = vkd_call_result(call);
    if (result == VKD_NO_VALUE || shaping->values[result].kind != VKD_VALUE_TENSOR)
        return;
    const vkd_model_tensor *bound = &shaping->net->values[result].tensor;
    for (const vkd_param *param = call->row->params; param->kind != VKD_PARAM_END; param++) {
        if (param->kind != VKD_PARAM_SIZES)
            continue;
        const vkd_sym_list *sizes = (const void *)((const char *)call->args + param->offset);
        for (size_t i = 0; sizes->count == bound->rank && i < sizes->count; i++) {
            const uint32_t value = sizes->items[i].value;
            if (value != VKD_NO_VALUE && !shaping->values[value].i)
                shaping->values[value].i = bound->dims[i];
        }
    }
}

vkd_status vkd_shape_net(vkd_context *context, const vkd_net *net, const vkd_input *inputs,
                         vkd_model_value *values)
{
    vkd_shaping shaping = {.context = context, .net = net, .values = values, .inputs = inputs};
    if (net->value_count)
        memcpy(values, net->values, net->value_count * sizeof *values);
    for (size_t i = 0; i < net->input_count; i++) {
        vkd_model_value *value = &values[net->inputs[i]];
        if (value->kind == VKD_VALUE_TENSOR && inputs)
            VKD_TRY(set_input(&shaping, i, &inputs[i].shape));
        else if (value->kind == VKD_VALUE_SYMINT && inputs)
            value->i = inputs[i].number;
    }
    for (size_t i = 0; !inputs && i < net->call_count; i++)
        guess_numbers(&shaping, &net->calls[i]);
    for (size_t i = 0; i < net->call_count; i++) {
        shaping.call = &net->calls[i];
        VKD_TRY(shaping.call->row->shape(&shaping, shaping.call->args));
    }
    return VKD_OK;
}
