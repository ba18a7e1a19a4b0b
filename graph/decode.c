/* Decodes arguments: one decoder checks arity, types, coercions and list lengths, and names
 * operator, node and parameter in its errors. */
#include "graph/decode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct decoder {
    vkd_arena *arena;
    const vkd_model *model;
    const vkd_model_op *op;
    const vkd_param *param; /* the one being decoded */
    size_t index;
    unsigned char *field; /* where its result goes */
} decoder;

static const char *kind_name(vkd_value_kind kind)
{
    static const char *const names[] = {
        [VKD_VALUE_NULL] = "null",
        [VKD_VALUE_INT] = "an int",
        [VKD_VALUE_DOUBLE] = "a double",
        [VKD_VALUE_BOOL] = "a bool",
        [VKD_VALUE_TENSOR] = "a tensor",
        [VKD_VALUE_INT_LIST] = "a list of ints",
        [VKD_VALUE_DOUBLE_LIST] = "a list of doubles",
        [VKD_VALUE_BOOL_LIST] = "a list of bools",
        [VKD_VALUE_VALUE_LIST] = "a list of values",
        [VKD_VALUE_STRING] = "a string",
        [VKD_VALUE_SYMINT] = "a symbolic int",
        [VKD_VALUE_SYMFLOAT] = "a symbolic real number",
    };
    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : "an unknown kind";
}

static vkd_status fail(const decoder *d, const char *is, const char *expected)
{
    return vkd_fail(d->arena->context, VKD_INVALID_MODEL,
                    "operator '%s' (node %u): argument %zu (%s) is %s, expected %s", d->op->name,
                    d->op->node_id, d->index, d->param->name, is, expected);
}

static vkd_status fail_kind(const decoder *d, const vkd_model_value *value, const char *expected)
{
    return fail(d, kind_name(value->kind), expected);
}

static bool is_list(vkd_value_kind kind)
{
    return kind == VKD_VALUE_INT_LIST || kind == VKD_VALUE_DOUBLE_LIST ||
           kind == VKD_VALUE_BOOL_LIST || kind == VKD_VALUE_VALUE_LIST;
}

/* -------------------------------------------------------------------------------------- scalars */

static vkd_status decode_float(const decoder *d, const vkd_model_value *value)
{
    double number;
    if (value->kind == VKD_VALUE_DOUBLE)
        number = value->d;
    else if (value->kind == VKD_VALUE_INT)
        number = (double)value->i;
    else if (value->kind == VKD_VALUE_NULL && d->param->kind == VKD_PARAM_OPTIONAL_FLOAT)
        number = NAN;
    else
        return fail_kind(
            d, value, d->param->kind == VKD_PARAM_OPTIONAL_FLOAT ? "a number or null" : "a number");
    float rounded = (float)number;
    memcpy(d->field, &rounded, sizeof rounded);
    return VKD_OK;
}

static vkd_status fail_range(const decoder *d, double number)
{
    char text[64];
    snprintf(text, sizeof text, "%.17g", number);
    return fail(d, text, "an int of 32 bits");
}

static vkd_status to_int(const decoder *d, int64_t number, int32_t *out)
{
    if (number < INT32_MIN || number > INT32_MAX)
        return fail_range(d, (double)number);
    *out = (int32_t)number;
    return VKD_OK;
}

static vkd_status decode_int(const decoder *d, const vkd_model_value *value)
{
    int32_t number = 0;
    if (value->kind == VKD_VALUE_DOUBLE) {
        /* The negated form also catches NaN. */
        if (!(value->d >= INT32_MIN && value->d <= INT32_MAX) || value->d != floor(value->d))
            return fail_range(d, value->d);
        number = (int32_t)value->d;
    } else if (value->kind == VKD_VALUE_INT) {
        VKD_TRY(to_int(d, value->i, &number));
    } else if (value->kind == VKD_VALUE_NULL && d->param->kind == VKD_PARAM_OPTIONAL_INT) {
        return VKD_OK; /* the default stays */
    } else {
        return fail_kind(d, value, "an int");
    }
    memcpy(d->field, &number, sizeof number);
    return VKD_OK;
}

static vkd_status decode_bool(const decoder *d, const vkd_model_value *value)
{
    bool flag;
    if (value->kind == VKD_VALUE_BOOL)
        flag = value->b;
    else if (value->kind == VKD_VALUE_INT && (value->i == 0 || value->i == 1))
        flag = value->i == 1;
    else
        return fail_kind(d, value, "a bool");
    memcpy(d->field, &flag, sizeof flag);
    return VKD_OK;
}

static vkd_status decode_string(const decoder *d, const vkd_model_value *value)
{
    if (value->kind == VKD_VALUE_NULL && d->param->kind == VKD_PARAM_OPTIONAL_STRING)
        return VKD_OK;
    if (value->kind != VKD_VALUE_STRING)
        return fail_kind(d, value, "a string");
    memcpy(d->field, &value->string, sizeof value->string);
    return VKD_OK;
}

static vkd_status decode_number(const decoder *d, const vkd_model_value *value, uint32_t id)
{
    vkd_number number = {.kind = VKD_NUMBER_NULL};
    if (value->kind == VKD_VALUE_DOUBLE)
        number = (vkd_number){.kind = VKD_NUMBER_DOUBLE, .real = value->d};
    else if (value->kind == VKD_VALUE_INT)
        number = (vkd_number){.kind = VKD_NUMBER_INT, .number = value->i, .real = (double)value->i};
    else if (value->kind == VKD_VALUE_BOOL)
        number = (vkd_number){.kind = VKD_NUMBER_INT, .number = value->b, .real = value->b};
    else if (value->kind == VKD_VALUE_SYMINT ||
             (value->kind == VKD_VALUE_SYMFLOAT && d->param->kind == VKD_PARAM_SYMBOL))
        number = (vkd_number){.kind = VKD_NUMBER_SYM, .value = id};
    else if (value->kind != VKD_VALUE_NULL || d->param->kind != VKD_PARAM_OPTIONAL_NUMBER)
        return fail_kind(d, value,
                         d->param->kind == VKD_PARAM_OPTIONAL_NUMBER ? "a number or null"
                                                                     : "a number");
    memcpy(d->field, &number, sizeof number);
    return VKD_OK;
}

static vkd_status to_sym(const decoder *d, const vkd_model_value *value, uint32_t id, vkd_sym *out)
{
    *out = (vkd_sym){.value = VKD_NO_VALUE};
    if (value->kind == VKD_VALUE_SYMINT)
        out->value = id;
    else if (value->kind == VKD_VALUE_INT && value->i != VKD_SYM_NULL)
        out->number = value->i;
    else
        return fail_kind(d, value, "an int");
    return VKD_OK;
}

static vkd_status decode_sym(const decoder *d, const vkd_model_value *value, uint32_t id)
{
    vkd_sym sym = {VKD_SYM_NULL, VKD_NO_VALUE};
    if (value->kind != VKD_VALUE_NULL || d->param->kind != VKD_PARAM_OPTIONAL_SYM)
        VKD_TRY(to_sym(d, value, id, &sym));
    memcpy(d->field, &sym, sizeof sym);
    return VKD_OK;
}

/* ---------------------------------------------------------------------------------------- lists */

/* An empty list has lost its type in the file: any kind of list may stand for it. */
static vkd_status decode_ints(const decoder *d, const vkd_model_value *value, int32_t *items,
                              size_t least, size_t most, size_t *out_count)
{
    bool empty = is_list(value->kind) && value->list.count == 0;
    if (!empty && value->kind != VKD_VALUE_INT_LIST)
        return fail_kind(d, value, "a list of ints");
    if (value->list.count < least || value->list.count > most) {
        char is[32], expected[48];
        snprintf(is, sizeof is, "a list of %zu", value->list.count);
        snprintf(expected, sizeof expected, least == most ? "%zu ints" : "at most %zu ints", most);
        return fail(d, is, expected);
    }
    for (size_t i = 0; i < value->list.count; i++)
        VKD_TRY(to_int(d, value->list.ints[i], &items[i]));
    *out_count = value->list.count;
    return VKD_OK;
}

static vkd_status decode_sizes(const decoder *d, const vkd_model_value *value)
{
    vkd_sym_list *list = (vkd_sym_list *)d->field;
    list->count = 0;
    if (value->kind == VKD_VALUE_NULL || (is_list(value->kind) && value->list.count == 0))
        return VKD_OK;
    if (value->kind != VKD_VALUE_INT_LIST && value->kind != VKD_VALUE_VALUE_LIST)
        return fail_kind(d, value, "a list of ints");
    if (value->list.count > VKD_MAX_RANK) {
        char is[32];
        snprintf(is, sizeof is, "a list of %zu", value->list.count);
        return fail(d, is, "at most 8 ints");
    }
    for (size_t i = 0; i < value->list.count; i++) {
        if (value->kind == VKD_VALUE_INT_LIST)
            list->items[i] = (vkd_sym){value->list.ints[i], VKD_NO_VALUE};
        else
            VKD_TRY(to_sym(d, &d->model->values[value->list.values[i]], value->list.values[i],
                           &list->items[i]));
    }
    list->count = value->list.count;
    return VKD_OK;
}

static vkd_status decode_size_list(const decoder *d, const vkd_model_value *value)
{
    vkd_size_list list = {.count = value->list.count};
    if (value->kind != VKD_VALUE_INT_LIST && value->kind != VKD_VALUE_VALUE_LIST)
        return fail_kind(d, value, "a list of ints");
    list.items = vkd_arena_alloc(d->arena, list.count, sizeof *list.items);
    if (!list.items)
        return vkd_fail_memory(d->arena->context, "an operator's arguments");
    for (size_t i = 0; i < list.count; i++)
        if (value->kind == VKD_VALUE_INT_LIST)
            list.items[i] = (vkd_sym){value->list.ints[i], VKD_NO_VALUE};
        else
            VKD_TRY(to_sym(d, &d->model->values[value->list.values[i]], value->list.values[i],
                           &list.items[i]));
    memcpy(d->field, &list, sizeof list);
    return VKD_OK;
}

static vkd_status decode_int_array(const decoder *d, const vkd_model_value *value)
{
    int32_t *items = (int32_t *)d->field;
    size_t count = d->param->count;
    bool may_be_empty = d->param->kind == VKD_PARAM_INTS_OR_EMPTY;
    memset(items, 0, count * sizeof *items);
    if (may_be_empty && is_list(value->kind) && value->list.count == 0)
        return VKD_OK;
    if (value->kind == VKD_VALUE_INT_LIST && value->list.count == 1)
        for (size_t i = 1; i < count; i++)
            VKD_TRY(to_int(d, value->list.ints[0], &items[i]));
    size_t least = value->kind == VKD_VALUE_INT_LIST && value->list.count == 1 ? 1 : count;
    return decode_ints(d, value, items, least, count, &count);
}

static vkd_status decode_int_list(const decoder *d, const vkd_model_value *value)
{
    vkd_int_list *list = (vkd_int_list *)d->field;
    list->count = 0;
    if (value->kind == VKD_VALUE_NULL)
        return VKD_OK;
    if (value->kind == VKD_VALUE_INT) {
        list->count = 1;
        return to_int(d, value->i, &list->items[0]);
    }
    return decode_ints(d, value, list->items, 0, VKD_MAX_RANK, &list->count);
}

static vkd_status decode_doubles(const decoder *d, const vkd_model_value *value)
{
    double *items = (double *)d->field;
    size_t count = d->param->count;
    memset(items, 0, count * sizeof *items);
    if (value->kind == VKD_VALUE_NULL || (is_list(value->kind) && value->list.count == 0))
        return VKD_OK;
    if (value->kind != VKD_VALUE_DOUBLE_LIST && value->kind != VKD_VALUE_INT_LIST)
        return fail_kind(d, value, "a list of numbers or null");
    if (value->list.count != count) {
        char is[32], expected[32];
        snprintf(is, sizeof is, "a list of %zu", value->list.count);
        snprintf(expected, sizeof expected, "%zu numbers", count);
        return fail(d, is, expected);
    }
    for (size_t i = 0; i < count; i++)
        items[i] = value->kind == VKD_VALUE_DOUBLE_LIST ? value->list.doubles[i]
                                                        : (double)value->list.ints[i];
    return VKD_OK;
}

/* -------------------------------------------------------------------------------------- tensors */

static vkd_status decode_tensor(const decoder *d, const vkd_model_value *value, uint32_t id)
{
    vkd_param_kind kind = d->param->kind;
    bool optional = kind == VKD_PARAM_OPTIONAL_CONSTANT || kind == VKD_PARAM_OPTIONAL_FINITE ||
                    kind == VKD_PARAM_OPTIONAL_TENSOR;
    bool constant = kind == VKD_PARAM_OPTIONAL_CONSTANT || kind == VKD_PARAM_CONSTANT ||
                    kind == VKD_PARAM_OPTIONAL_FINITE || kind == VKD_PARAM_FINITE;
    if (optional && value->kind == VKD_VALUE_NULL)
        id = VKD_NO_VALUE;
    else if (value->kind != VKD_VALUE_TENSOR)
        return fail_kind(d, value, optional ? "a tensor or null" : "a tensor");
    else if (constant && !value->tensor.data)
        return fail(d, "a tensor without constant data", "a constant tensor");
    memcpy(d->field, &id, sizeof id);
    return VKD_OK;
}

/* The ids of a list of tensors, or of one tensor, as the call's own copy. */
static vkd_status copy_tensors(const decoder *d, const uint32_t *ids, size_t count, bool optional)
{
    vkd_tensor_list list = {.count = count,
                            .values = vkd_arena_alloc(d->arena, count, sizeof *list.values)};
    if (!list.values)
        return vkd_fail_memory(d->arena->context, "an operator's arguments");
    for (size_t i = 0; i < count; i++) {
        const vkd_model_value *item = &d->model->values[ids[i]];
        bool null = optional && item->kind == VKD_VALUE_NULL;
        if (item->kind != VKD_VALUE_TENSOR && !null)
            return fail_kind(d, item, "a tensor");
        list.values[i] = null ? VKD_NO_VALUE : ids[i];
    }
    memcpy(d->field, &list, sizeof list);
    return VKD_OK;
}

static vkd_status decode_tensor_list(const decoder *d, const vkd_model_value *value)
{
    if (value->kind != VKD_VALUE_VALUE_LIST)
        return fail_kind(d, value, "a list of tensors");
    if (!value->list.count)
        return fail(d, "an empty list", "a list of tensors");
    return copy_tensors(d, value->list.values, value->list.count,
                        d->param->kind == VKD_PARAM_OPTIONAL_TENSOR_LIST);
}

static vkd_status decode_output_list(const decoder *d, const vkd_model_value *value, uint32_t id)
{
    return value->kind == VKD_VALUE_VALUE_LIST
               ? copy_tensors(d, value->list.values, value->list.count, false)
               : copy_tensors(d, &id, 1, false);
}

static vkd_status decode_output_sym(const decoder *d, const vkd_model_value *value, uint32_t id)
{
    if (value->kind != VKD_VALUE_SYMINT && value->kind != VKD_VALUE_SYMFLOAT)
        return fail_kind(d, value, "a symbolic number");
    memcpy(d->field, &id, sizeof id);
    return VKD_OK;
}

static vkd_status decode_output(const decoder *d, const vkd_model_value *value, uint32_t id)
{
    uint32_t *ids = (uint32_t *)d->field;
    for (size_t i = 0; i < d->param->count; i++)
        ids[i] = VKD_NO_VALUE;
    size_t available = 1;
    const uint32_t *source = &id;
    if (value->kind == VKD_VALUE_VALUE_LIST) {
        available = value->list.count;
        source = value->list.values;
        if (!available)
            return fail(d, "an empty list", "an output tensor");
    }
    for (size_t i = 0; i < d->param->count && i < available; i++) {
        if (d->model->values[source[i]].kind != VKD_VALUE_TENSOR)
            return fail_kind(d, &d->model->values[source[i]], "an output tensor");
        ids[i] = source[i];
    }
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------ operators */

static vkd_status decode_argument(const decoder *d)
{
    uint32_t id = d->op->args[d->index];
    const vkd_model_value *value = &d->model->values[id];
    switch (d->param->kind) {
    case VKD_PARAM_TENSOR:
    case VKD_PARAM_CONSTANT:
    case VKD_PARAM_OPTIONAL_CONSTANT:
    case VKD_PARAM_FINITE:
    case VKD_PARAM_OPTIONAL_FINITE:
    case VKD_PARAM_OPTIONAL_TENSOR:
    case VKD_PARAM_MUTATED:
        return decode_tensor(d, value, id);
    case VKD_PARAM_OUTPUT:
        return decode_output(d, value, id);
    case VKD_PARAM_OUTPUT_LIST:
        return decode_output_list(d, value, id);
    case VKD_PARAM_OUTPUT_SYM:
        return decode_output_sym(d, value, id);
    case VKD_PARAM_NUMBER:
    case VKD_PARAM_OPTIONAL_NUMBER:
    case VKD_PARAM_SYMBOL:
        return decode_number(d, value, id);
    case VKD_PARAM_SYM:
    case VKD_PARAM_OPTIONAL_SYM:
        return decode_sym(d, value, id);
    case VKD_PARAM_SIZES:
        return decode_sizes(d, value);
    case VKD_PARAM_SIZE_LIST:
        return decode_size_list(d, value);
    case VKD_PARAM_FLOAT:
    case VKD_PARAM_OPTIONAL_FLOAT:
        return decode_float(d, value);
    case VKD_PARAM_DOUBLES_OR_NULL:
        return decode_doubles(d, value);
    case VKD_PARAM_TENSOR_LIST:
    case VKD_PARAM_OPTIONAL_TENSOR_LIST:
        return decode_tensor_list(d, value);
    case VKD_PARAM_INT:
    case VKD_PARAM_OPTIONAL_INT:
        return decode_int(d, value);
    case VKD_PARAM_BOOL:
        return decode_bool(d, value);
    case VKD_PARAM_STRING:
    case VKD_PARAM_OPTIONAL_STRING:
        return decode_string(d, value);
    case VKD_PARAM_INTS:
    case VKD_PARAM_INTS_OR_EMPTY:
        return decode_int_array(d, value);
    case VKD_PARAM_INT_LIST:
        return decode_int_list(d, value);
    case VKD_PARAM_IGNORED:
    case VKD_PARAM_FUSED:
    case VKD_PARAM_END:
        break;
    }
    return VKD_OK;
}

size_t vkd_params_count(const vkd_param *params)
{
    size_t count = 0;
    while (params[count].kind != VKD_PARAM_END && params[count].kind != VKD_PARAM_FUSED)
        count++;
    return count;
}

static vkd_status fail_count(vkd_context *context, const vkd_model_op *op, const vkd_param *params,
                             size_t count)
{
    char names[300] = "";
    for (size_t i = 0, length = 0; i < count && length < sizeof names; i++)
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", i ? ", " : "",
                                   params[i].name);
    return vkd_fail(context, VKD_INVALID_MODEL,
                    "operator '%s' (node %u) has %zu arguments, expected %zu: %s", op->name,
                    op->node_id, op->arg_count, count, names);
}

vkd_status vkd_args_decode(vkd_arena *arena, const vkd_model *model, const vkd_model_op *op,
                           const vkd_param *params, void *args)
{
    size_t count = vkd_params_count(params);
    if (op->arg_count != count)
        return fail_count(arena->context, op, params, count);
    for (size_t i = 0; i < count; i++) {
        decoder d = {.arena = arena,
                     .model = model,
                     .op = op,
                     .param = &params[i],
                     .index = i,
                     .field = (unsigned char *)args + params[i].offset};
        VKD_TRY(decode_argument(&d));
    }
    return VKD_OK;
}
