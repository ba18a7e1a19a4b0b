#include "graph/net.h"
#include "graph/decode.h"
#include "graph/finite.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------------------------- rows */

/* A file may leave the namespace away: "sym_size.int", "update_cache.default". */
static bool is_named(const vkd_op *row, const char *name)
{
    if (!strcmp(row->name, name))
        return true;
    const char *bare = strchr(row->name, '.');
    return bare && strchr(bare + 1, '.') && !strcmp(bare + 1, name);
}

const vkd_op *vkd_op_find(const vkd_op_tables *tables, const char *name, size_t arg_count)
{
    const vkd_op *found = NULL;
    for (size_t t = 0; t < tables->count; t++)
        for (size_t i = 0; i < tables->tables[t]->count; i++) {
            const vkd_op *row = &tables->tables[t]->rows[i];
            if (row->internal || !is_named(row, name))
                continue;
            if (vkd_params_count(row->params) == arg_count)
                return row;
            found = found ? found : row; /* says what is expected */
        }
    return found;
}

const char *vkd_op_refused(const vkd_op_tables *tables, const char *name)
{
    for (size_t i = 0; i < tables->refusal_count; i++)
        if (!strcmp(tables->refusals[i].name, name))
            return tables->refusals[i].reason;
    return NULL;
}

const vkd_op *vkd_op_internal(const vkd_op_tables *tables, vkd_op_kind kind)
{
    for (size_t t = 0; t < tables->count; t++)
        for (size_t i = 0; i < tables->tables[t]->count; i++)
            if (tables->tables[t]->rows[i].internal && tables->tables[t]->rows[i].kind == kind)
                return &tables->tables[t]->rows[i];
    return NULL;
}

/* ------------------------------------------------------------------------ unsupported operators */

static int by_name(const void *a, const void *b)
{
    const vkd_model_op *x = *(const vkd_model_op *const *)a, *y = *(const vkd_model_op *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : x < y ? -1 : x > y;
}

static int by_place(const void *a, const void *b)
{
    const vkd_model_op *x = *(const vkd_model_op *const *)a, *y = *(const vkd_model_op *const *)b;
    return x < y ? -1 : x > y;
}

/* All of them in one message, so that a user learns at once what a model needs. */
static vkd_status fail_unknown(vkd_net *net, const vkd_model_op **unknown, size_t count)
{
    size_t distinct = 0, length = 0;
    char names[400];
    qsort(unknown, count, sizeof *unknown, by_name);
    for (size_t i = 0; i < count; i++)
        if (!i || strcmp(unknown[i]->name, unknown[i - 1]->name))
            unknown[distinct++] = unknown[i];
    qsort(unknown, distinct, sizeof *unknown, by_place);
    for (size_t i = 0; i < distinct && length < sizeof names; i++) {
        const char *reason = vkd_op_refused(net->tables, unknown[i]->name);
        length += (size_t)snprintf(names + length, sizeof names - length, "%s'%s' (node %u%s%s)",
                                   i ? ", " : "", unknown[i]->name, unknown[i]->node_id,
                                   reason ? ": " : "", reason ? reason : "");
    }
    return vkd_fail(net->arena->context, VKD_UNSUPPORTED,
                    distinct == 1 ? "operator %s%s is not supported"
                                  : "operators %s%s are not supported",
                    names, length < sizeof names ? "" : "...");
}

static vkd_status find_rows(vkd_net *net, const vkd_model *model)
{
    const vkd_model_op **unknown = vkd_arena_alloc(net->arena, model->op_count, sizeof *unknown);
    if (!unknown)
        return vkd_fail_memory(net->arena->context, "a model's operators");
    size_t count = 0;
    for (size_t i = 0; i < model->op_count; i++) {
        const vkd_model_op *op = &model->ops[i];
        net->calls[i].row = vkd_op_find(net->tables, op->name, op->arg_count);
        if (!net->calls[i].row)
            unknown[count++] = op;
    }
    if (count)
        return fail_unknown(net, unknown, count);
    if (model->unsupported)
        return vkd_fail(net->arena->context, VKD_UNSUPPORTED, "values[%u]: %s is not supported",
                        model->unsupported_value, model->unsupported);
    return VKD_OK;
}

/* ----------------------------------------------------------------------------------------- bind */

static vkd_status bind_call(vkd_net *net, const vkd_model *model, size_t index)
{
    const vkd_model_op *op = &model->ops[index];
    vkd_call *call = &net->calls[index];
    call->name = op->name;
    call->node_id = op->node_id;
    call->args = vkd_arena_alloc(net->arena, 1, call->row->args_size);
    if (!call->args)
        return vkd_fail_memory(net->arena->context, "an operator's arguments");
    if (call->row->defaults)
        memcpy(call->args, call->row->defaults, call->row->args_size);
    return vkd_args_decode(net->arena, model, op, call->row->params, call->args);
}

/* A list that many operators mention is copied for each of them: files of an exporter have a list
 * for each. */
static vkd_status check_mentions(const vkd_net *net, const vkd_model *model)
{
    uint64_t mentions = 0, room = 65536;
    for (size_t i = 0; i < model->op_count; i++) {
        room += 16 * model->ops[i].arg_count;
        for (size_t a = 0; a < model->ops[i].arg_count; a++) {
            const vkd_model_value *value = &model->values[model->ops[i].args[a]];
            mentions += value->kind == VKD_VALUE_VALUE_LIST ? value->list.count : 0;
        }
    }
    for (size_t i = 0; i < model->value_count; i++)
        room += model->values[i].kind == VKD_VALUE_VALUE_LIST ? model->values[i].list.count : 0;
    if (mentions > room)
        return vkd_fail(net->arena->context, VKD_UNSUPPORTED,
                        "operators share lists of values: their arguments have %llu entries, for "
                        "this model %llu are supported",
                        (unsigned long long)mentions, (unsigned long long)room);
    return VKD_OK;
}

static void count_write(void *user, uint32_t *id, bool write)
{
    uint32_t *writes = user;
    writes[*id] += write;
}

/* What several calls write, or a call that gets it as a constant, is kept between executions. */
static vkd_status find_states(vkd_net *net)
{
    uint32_t *writes = vkd_arena_alloc(net->arena, net->value_count, sizeof *writes);
    if (!writes)
        return vkd_fail_memory(net->arena->context, "a model's values");
    for (size_t i = 0; i < net->call_count; i++)
        vkd_call_uses(&net->calls[i], count_write, writes);
    for (size_t i = 0; i < net->value_count; i++) {
        vkd_model_value *value = &net->values[i];
        if (value->kind == VKD_VALUE_TENSOR && writes[i] >= (value->tensor.data ? 1 : 2))
            value->tensor.state = true;
    }
    return VKD_OK;
}

vkd_status vkd_net_bind(vkd_net *net, const vkd_model *model, const vkd_op_tables *tables,
                        vkd_arena *arena)
{
    *net = (vkd_net){
        .arena = arena,
        .tables = tables,
        .value_count = model->value_count,
        .value_capacity = model->value_count + 64,
        .call_count = model->op_count,
        .input_count = model->input_count,
        .output_count = model->output_count,
        .inputs = model->inputs,
        .outputs = model->outputs,
    };
    net->values = vkd_arena_alloc(arena, net->value_capacity, sizeof *net->values);
    net->calls = vkd_arena_alloc(arena, net->call_count, sizeof *net->calls);
    if (!net->values || !net->calls)
        return vkd_fail_memory(arena->context, "a model's operators");
    if (model->value_count)
        memcpy(net->values, model->values, model->value_count * sizeof *net->values);
    for (size_t i = 0; i < model->value_count; i++)
        net->has_symbols |= model->values[i].kind == VKD_VALUE_SYMINT;
    VKD_TRY(find_rows(net, model));
    VKD_TRY(check_mentions(net, model));
    for (size_t i = 0; i < model->op_count; i++)
        VKD_TRY(bind_call(net, model, i));
    VKD_TRY(vkd_net_check_finite(net));
    return find_states(net);
}

vkd_status vkd_net_add_value(vkd_net *net, const vkd_model_value *value, uint32_t *out)
{
    vkd_model_value copy = *value; /* it may lie in the array that moves */
    vkd_model_value *grown = vkd_arena_grow(net->arena, net->values, net->value_count,
                                            &net->value_capacity, sizeof *net->values);
    if (!grown)
        return vkd_fail_memory(net->arena->context, "a model's values");
    net->values = grown;
    *out = (uint32_t)net->value_count++;
    grown[*out] = copy;
    return VKD_OK;
}

/* ----------------------------------------------------------------------------------------- uses */

static void use(vkd_use_fn fn, void *user, uint32_t *id, bool write)
{
    if (*id != VKD_NO_VALUE)
        fn(user, id, write);
}

static void use_many(vkd_use_fn fn, void *user, uint32_t *ids, size_t count, bool write)
{
    for (size_t i = 0; i < count; i++)
        use(fn, user, &ids[i], write);
}

static void use_field(const vkd_param *param, void *field, vkd_use_fn fn, void *user)
{
    switch (param->kind) {
    case VKD_PARAM_TENSOR:
    case VKD_PARAM_OPTIONAL_TENSOR:
    case VKD_PARAM_CONSTANT:
    case VKD_PARAM_OPTIONAL_CONSTANT:
    case VKD_PARAM_FINITE:
    case VKD_PARAM_OPTIONAL_FINITE:
    case VKD_PARAM_FUSED:
        use(fn, user, field, false);
        break;
    case VKD_PARAM_MUTATED:
        use(fn, user, field, false);
        use(fn, user, field, true);
        break;
    case VKD_PARAM_TENSOR_LIST:
    case VKD_PARAM_OPTIONAL_TENSOR_LIST:
        use_many(fn, user, ((vkd_tensor_list *)field)->values, ((vkd_tensor_list *)field)->count,
                 false);
        break;
    case VKD_PARAM_OUTPUT_LIST:
        use_many(fn, user, ((vkd_tensor_list *)field)->values, ((vkd_tensor_list *)field)->count,
                 true);
        break;
    case VKD_PARAM_OUTPUT:
        use_many(fn, user, field, param->count, true);
        break;
    case VKD_PARAM_OUTPUT_SYM:
        use(fn, user, field, true);
        break;
    case VKD_PARAM_SYM:
    case VKD_PARAM_OPTIONAL_SYM:
        use(fn, user, &((vkd_sym *)field)->value, false);
        break;
    case VKD_PARAM_NUMBER:
    case VKD_PARAM_OPTIONAL_NUMBER:
    case VKD_PARAM_SYMBOL:
        if (((vkd_number *)field)->kind == VKD_NUMBER_SYM)
            use(fn, user, &((vkd_number *)field)->value, false);
        break;
    case VKD_PARAM_SIZES:
        for (size_t i = 0; i < ((vkd_sym_list *)field)->count; i++)
            use(fn, user, &((vkd_sym_list *)field)->items[i].value, false);
        break;
    case VKD_PARAM_SIZE_LIST:
        for (size_t i = 0; i < ((vkd_size_list *)field)->count; i++)
            use(fn, user, &((vkd_size_list *)field)->items[i].value, false);
        break;
    default:
        break;
    }
}

void vkd_call_uses(const vkd_call *call, vkd_use_fn fn, void *user)
{
    for (const vkd_param *param = call->row->params; param->kind != VKD_PARAM_END; param++)
        use_field(param, (unsigned char *)call->args + param->offset, fn, user);
}

/* Where the id of the first output is; null where there is none. */
static uint32_t *result_of(const vkd_call *call)
{
    for (const vkd_param *param = call->row->params; param->kind != VKD_PARAM_END; param++) {
        void *field = (unsigned char *)call->args + param->offset;
        if (param->kind == VKD_PARAM_OUTPUT || param->kind == VKD_PARAM_OUTPUT_SYM)
            return field;
        if (param->kind == VKD_PARAM_OUTPUT_LIST)
            return ((vkd_tensor_list *)field)->count ? ((vkd_tensor_list *)field)->values : NULL;
    }
    return NULL;
}

uint32_t vkd_call_result(const vkd_call *call)
{
    const uint32_t *result = result_of(call);
    return result ? *result : VKD_NO_VALUE;
}

void vkd_call_set_result(vkd_call *call, uint32_t id) { *result_of(call) = id; }

/* ------------------------------------------------------------------------------------- messages */

enum { SUBJECT = 80 };

/* How much of the struct a parameter fills. */
static size_t extent_of(const vkd_param *param)
{
    static const size_t sizes[VKD_PARAM_FUSED + 1] = {
        [VKD_PARAM_TENSOR_LIST] = sizeof(vkd_tensor_list),
        [VKD_PARAM_OPTIONAL_TENSOR_LIST] = sizeof(vkd_tensor_list),
        [VKD_PARAM_OUTPUT_LIST] = sizeof(vkd_tensor_list),
        [VKD_PARAM_BOOL] = sizeof(bool),
        [VKD_PARAM_DOUBLES_OR_NULL] = sizeof(double), /* of the first */
        [VKD_PARAM_STRING] = sizeof(const char *),
        [VKD_PARAM_OPTIONAL_STRING] = sizeof(const char *),
        [VKD_PARAM_NUMBER] = sizeof(vkd_number),
        [VKD_PARAM_OPTIONAL_NUMBER] = sizeof(vkd_number),
        [VKD_PARAM_SYMBOL] = sizeof(vkd_number),
        [VKD_PARAM_SYM] = sizeof(vkd_sym),
        [VKD_PARAM_OPTIONAL_SYM] = sizeof(vkd_sym),
        [VKD_PARAM_SIZES] = sizeof(vkd_sym_list),
        [VKD_PARAM_SIZE_LIST] = sizeof(vkd_size_list),
        [VKD_PARAM_INT_LIST] = sizeof(vkd_int_list),
    };
    return sizes[param->kind] ? sizes[param->kind] : param->count * sizeof(uint32_t);
}

static const vkd_param *param_at(const vkd_call *call, const void *field)
{
    const uintptr_t offset = (uintptr_t)field - (uintptr_t)call->args;
    for (const vkd_param *param = call->row ? call->row->params : NULL;
         param && param->kind != VKD_PARAM_END; param++)
        if (offset >= param->offset && offset - param->offset < extent_of(param))
            return param;
    return NULL;
}

typedef struct search {
    uint32_t value;
    bool found;
} search;

static void compare_use(void *user, uint32_t *id, bool write)
{
    search *s = user;
    (void)write;
    s->found |= *id == s->value;
}

static const vkd_param *param_of(const vkd_call *call, uint32_t value)
{
    search s = {.value = value};
    for (const vkd_param *param = call->row ? call->row->params : NULL;
         param && param->kind != VKD_PARAM_END; param++) {
        use_field(param, (unsigned char *)call->args + param->offset, compare_use, &s);
        if (s.found)
            return param;
    }
    return NULL;
}

static const char *name_param(const vkd_call *call, const vkd_param *param, char out[SUBJECT])
{
    *out = 0;
    if (param)
        snprintf(out, SUBJECT, "argument %zu (%s) ", (size_t)(param - call->row->params),
                 param->name);
    return out;
}

static vkd_status fail(vkd_context *context, vkd_status status, const vkd_call *call,
                       const char *subject, const char *format, va_list arguments)
{
    char reason[400];
    vsnprintf(reason, sizeof reason, format, arguments);
    return vkd_fail(context, status, "operator '%s' (node %u): %s%s", call->name, call->node_id,
                    subject, reason);
}

vkd_status vkd_call_fail(vkd_context *context, vkd_status status, const vkd_call *call,
                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    status = fail(context, status, call, "", format, arguments);
    va_end(arguments);
    return status;
}

vkd_status vkd_call_fail_at(vkd_context *context, vkd_status status, const vkd_call *call,
                            const void *field, const char *format, ...)
{
    char subject[SUBJECT];
    va_list arguments;
    va_start(arguments, format);
    status = fail(context, status, call, name_param(call, param_at(call, field), subject), format,
                  arguments);
    va_end(arguments);
    return status;
}

vkd_status vkd_call_fail_value(vkd_context *context, vkd_status status, const vkd_call *call,
                               uint32_t value, const char *format, ...)
{
    const vkd_param *param = param_of(call, value);
    char subject[SUBJECT];
    va_list arguments;
    snprintf(subject, sizeof subject, "value %u ", value);
    va_start(arguments, format);
    status = fail(context, status, call, param ? name_param(call, param, subject) : subject, format,
                  arguments);
    va_end(arguments);
    return status;
}
