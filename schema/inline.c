#include "schema/inline.h"
#include "schema/survey.h"

#include <stdio.h>
#include <string.h>

#define NO_VALUE UINT32_MAX

/* What one of the method's values is in the model; NO_VALUE: nothing yet. */
typedef struct binding {
    uint32_t first;   /* as the method begins */
    uint32_t current; /* at the step that is being inlined */
    uint32_t viewed;  /* of which current is a view that an operator makes */
    uint32_t holder;  /* of a place: the method's value that was written there last */
} binding;

typedef struct inliner {
    vkd_survey survey;
    const vkd_container_value *table; /* the method's values, */
    const vkd_use *uses;
    binding *bindings;
    size_t step; /* being inlined */
    /* the model */
    vkd_model_value *values;
    size_t value_count, value_capacity;
    vkd_model_op *ops;
    size_t op_count, op_capacity;
    uint32_t null;           /* a NULL among the values, or NO_VALUE */
    const char *unsupported; /* the model's */
    uint32_t unsupported_value;
} inliner;

/* ---------------------------------------------------------------------------- values, operators */

/* Room for what the blobs have and for the method's own, which is most of what will be; both arrays
 * grow all the same. */
static vkd_status reserve(inliner *in)
{
    const vkd_container_method *method = in->survey.method;
    in->value_capacity = method->value_count + 1;
    in->op_capacity = method->step_count + 1;
    for (size_t i = 0; i < method->step_count; i++) {
        if (method->steps[i].kind != VKD_STEP_DELEGATE)
            continue;
        const vkd_model *blob = &in->survey.blobs[method->steps[i].index];
        in->value_capacity += blob->value_count;
        in->op_capacity += blob->op_count;
    }
    VKD_TRY(vkd_survey_take(&in->survey, in->value_capacity, sizeof *in->values, &in->values));
    return vkd_survey_take(&in->survey, in->op_capacity, sizeof *in->ops, &in->ops);
}

static vkd_status add_value(inliner *in, const vkd_model_value *value, uint32_t *out)
{
    if (in->value_count == in->value_capacity)
        VKD_TRY(vkd_survey_charge(&in->survey, 2 * (uint64_t)in->value_capacity * sizeof *value));
    vkd_model_value *values = vkd_arena_grow(in->survey.arena, in->values, in->value_count,
                                             &in->value_capacity, sizeof *in->values);
    if (!values)
        return vkd_fail_memory(in->survey.context, "a method's values");
    in->values = values;
    *out = (uint32_t)in->value_count;
    values[in->value_count++] = *value;
    return VKD_OK;
}

static vkd_status add_null(inliner *in, uint32_t *out)
{
    const vkd_model_value null = {.kind = VKD_VALUE_NULL};
    if (in->null == NO_VALUE)
        VKD_TRY(add_value(in, &null, &in->null));
    *out = in->null;
    return VKD_OK;
}

/* args: in the arena. */
static vkd_status add_op(inliner *in, const char *name, uint32_t node_id, const uint32_t *args,
                         size_t arg_count)
{
    if (in->op_count == in->op_capacity)
        VKD_TRY(vkd_survey_charge(&in->survey, 2 * (uint64_t)in->op_capacity * sizeof *in->ops));
    vkd_model_op *ops =
        vkd_arena_grow(in->survey.arena, in->ops, in->op_count, &in->op_capacity, sizeof *in->ops);
    if (!ops)
        return vkd_fail_memory(in->survey.context, "a method's operators");
    in->ops = ops;
    ops[in->op_count++] =
        (vkd_model_op){.name = name, .node_id = node_id, .arg_count = arg_count, .args = args};
    return VKD_OK;
}

/* An operator between the method's own: it has the number of the step for which it is. */
static vkd_status insert_op(inliner *in, const char *name, const uint32_t *args, size_t arg_count)
{
    uint32_t *copy;
    VKD_TRY(vkd_survey_take(&in->survey, arg_count, sizeof *copy, &copy));
    memcpy(copy, args, arg_count * sizeof *copy);
    return add_op(in, name, (uint32_t)in->step, copy, arg_count);
}

/* --------------------------------------------------------------------------------------- dtypes */

static bool is_float(vkd_dtype dtype)
{
    return dtype == VKD_DTYPE_FLOAT16 || dtype == VKD_DTYPE_FLOAT32 || dtype == VKD_DTYPE_FLOAT64;
}

/* Whether the elements are numbers of one kind, in as many bits or in others. */
static bool are_akin(vkd_dtype a, vkd_dtype b)
{
    return vkd_device_dtype(a) == vkd_device_dtype(b) || (is_float(a) && is_float(b));
}

static void set_dtype(vkd_model_tensor *tensor, vkd_dtype dtype)
{
    tensor->dtype = dtype;
    tensor->size = (size_t)vkd_dims_count(tensor->rank, tensor->dims) * vkd_dtype_size(dtype);
}

/* The same elements as another dtype, which is akin. */
static vkd_status add_cast(inliner *in, uint32_t source, vkd_dtype dtype, uint32_t *out)
{
    vkd_model_value cast = in->values[source];
    cast.tensor.data = NULL;
    cast.tensor.state = false;
    cast.tensor.staging_dtype = dtype;
    set_dtype(&cast.tensor, dtype);
    uint32_t result, null;
    VKD_TRY(add_null(in, &null));
    VKD_TRY(add_value(in, &cast, &result));
    *out = result;
    /* x, dtype, layout, device, pin_memory, non_blocking, dim_order, y: the dtype is y's */
    const uint32_t args[] = {source, null, null, null, null, null, null, result};
    return insert_op(in, "dim_order_ops._to_dim_order_copy.default", args,
                     sizeof args / sizeof *args);
}

/* The data of a constant whose elements have 64 bits, in 32. */
static vkd_status narrow(inliner *in, uint32_t value, vkd_dtype from, vkd_model_tensor *tensor)
{
    const unsigned char *source = tensor->data;
    const size_t count = (size_t)vkd_dims_count(tensor->rank, tensor->dims);
    unsigned char *narrowed;
    VKD_TRY(vkd_survey_take(&in->survey, count, 4, &narrowed));
    for (size_t i = 0; i < count; i++) {
        int64_t wide;
        double real;
        memcpy(&wide, source + i * 8, 8);
        memcpy(&real, source + i * 8, 8);
        bool is_whole = from == VKD_DTYPE_INT64;
        if (is_whole && (wide < INT32_MIN || wide > INT32_MAX))
            return vkd_survey_fail(
                &in->survey, VKD_UNSUPPORTED,
                "value %u: element %zu of the constant is %lld: at most 32 bits are supported",
                value, i, (long long)wide);
        const int32_t whole = is_whole ? (int32_t)wide : 0;
        const float rounded = is_whole ? 0 : (float)real;
        memcpy(narrowed + i * 4, is_whole ? (const void *)&whole : &rounded, 4);
    }
    tensor->data = narrowed;
    return VKD_OK;
}

/* ------------------------------------------------------------------ what the method begins with */

static bool is_row_major(const vkd_container_value *value)
{
    for (uint32_t i = 0; i < value->value.tensor.rank; i++)
        if (value->dim_order[i] != i)
            return false;
    return true;
}

static vkd_status enter_tensor(inliner *in, uint32_t value, uint32_t *out)
{
    const vkd_container_value *source = &in->table[value];
    const vkd_use *use = &in->uses[value];
    vkd_model_value entered = source->value;
    vkd_model_tensor *tensor = &entered.tensor;
    vkd_dtype dtype = tensor->dtype;
    if (!use->data && !use->is_input && !use->is_state)
        return vkd_survey_fail(&in->survey, VKD_INVALID_MODEL,
                               "step %zu reads value %u, which nothing has written before",
                               in->step, value);
    if (use->data && !is_row_major(source))
        return vkd_survey_fail(
            &in->survey, VKD_UNSUPPORTED,
            "value %u, a constant, has a dim_order other than row-major, which is not supported",
            value);
    tensor->data = use->data;
    tensor->state = use->is_state;
    set_dtype(tensor, vkd_device_dtype(dtype));
    if (use->data && tensor->dtype != dtype)
        VKD_TRY(narrow(in, value, dtype, tensor));
    return add_value(in, &entered, out);
}

/* A number is a constant, but as an input it may be another one each time. */
static vkd_status enter_number(inliner *in, uint32_t value, uint32_t *out)
{
    vkd_model_value number = in->table[value].value;
    if (in->uses[value].is_input && number.kind != VKD_VALUE_INT)
        return vkd_survey_fail(&in->survey, VKD_UNSUPPORTED,
                               "value %u, an input, is neither a tensor nor an int", value);
    if (in->uses[value].is_input)
        number.kind = VKD_VALUE_SYMINT;
    return add_value(in, &number, out);
}

static vkd_status enter(inliner *in, uint32_t value)
{
    const vkd_container_value *source = &in->table[value];
    binding *b = &in->bindings[value], *twin = &in->bindings[in->uses[value].twin];
    if (source->problem)
        return vkd_survey_fail(&in->survey, VKD_UNSUPPORTED, "value %u: %s", value,
                               source->problem);
    if (twin->first == NO_VALUE) {
        if (source->value.kind == VKD_VALUE_TENSOR)
            VKD_TRY(enter_tensor(in, value, &twin->first));
        else if (source->value.kind == VKD_VALUE_NULL && !in->uses[value].is_input)
            VKD_TRY(add_null(in, &twin->first));
        else
            VKD_TRY(enter_number(in, value, &twin->first));
    }
    b->first = b->current = twin->first;
    return VKD_OK;
}

/* -------------------------------------------------------------------------------------- reading */

/* The exporter drops views whose shape is known: nothing writes their value, it is in the place of
 * another. NO_VALUE if this is no such value, or nothing that it could be a view of is there. */
static uint32_t find_viewed(const inliner *in, uint32_t value)
{
    const vkd_use *use = &in->uses[value];
    const vkd_container_value *view = &in->table[value];
    const uint32_t holder = in->bindings[use->place].holder;
    if (!view->is_planned || use->is_written || use->is_input || use->data || holder == NO_VALUE)
        return NO_VALUE;
    const vkd_model_tensor *a = &view->value.tensor, *b = &in->table[holder].value.tensor;
    return a->dtype == b->dtype && a->size == b->size ? holder : NO_VALUE;
}

/* Makes a view of what a value is now. */
static vkd_status add_view(inliner *in, uint32_t value, uint32_t viewed)
{
    binding *b = &in->bindings[value];
    if (in->bindings[viewed].current == NO_VALUE)
        VKD_TRY(enter(in, viewed));
    const uint32_t source = in->bindings[viewed].current;
    if (b->viewed == source && !in->uses[viewed].is_state) /* state may have been written since */
        return VKD_OK;
    vkd_model_value view = in->table[value].value,
                    shape = {.kind = VKD_VALUE_INT_LIST, .list.count = view.tensor.rank};
    int64_t *sizes;
    uint32_t list, result;
    VKD_TRY(vkd_survey_take(&in->survey, view.tensor.rank, sizeof *sizes, &sizes));
    for (uint32_t i = 0; i < view.tensor.rank; i++)
        sizes[i] = view.tensor.dims[i];
    shape.list.ints = sizes;
    set_dtype(&view.tensor, in->values[source].tensor.dtype);
    VKD_TRY(add_value(in, &shape, &list));
    VKD_TRY(add_value(in, &view, &result));
    b->current = result;
    b->viewed = source;
    const uint32_t args[] = {source, list, result};
    return insert_op(in, "aten.view_copy.default", args, sizeof args / sizeof *args);
}

/* What a value is now. */
static vkd_status settle(inliner *in, uint32_t value)
{
    const uint32_t viewed = find_viewed(in, value);
    if (viewed != NO_VALUE)
        return add_view(in, value, viewed);
    return in->bindings[value].current == NO_VALUE ? enter(in, value) : VKD_OK;
}

/* A tensor's elements as a dtype. */
static vkd_status read_tensor(inliner *in, uint32_t value, vkd_dtype dtype, uint32_t *out)
{
    VKD_TRY(settle(in, value));
    const uint32_t current = in->bindings[value].current;
    const vkd_model_value *v = &in->values[current];
    if (v->kind != VKD_VALUE_TENSOR || !are_akin(v->tensor.dtype, dtype))
        return vkd_survey_fail(
            &in->survey, VKD_INVALID_MODEL, "step %zu reads value %u as %s, but it is %s", in->step,
            value, vkd_dtype_name(dtype),
            v->kind == VKD_VALUE_TENSOR ? vkd_dtype_name(v->tensor.dtype) : "no tensor");
    *out = current;
    return v->tensor.dtype == dtype ? VKD_OK : add_cast(in, current, dtype, out);
}

/* Whether the items are ints that have the values of the table. */
static bool are_ints(const inliner *in, const vkd_model_value *list)
{
    for (size_t i = 0; i < list->list.count; i++) {
        uint32_t item = list->list.values[i];
        if (item == VKD_CONTAINER_NONE || in->table[item].value.kind != VKD_VALUE_INT ||
            in->uses[item].is_input || in->uses[item].is_written)
            return false;
    }
    return true;
}

static vkd_status read_ints(inliner *in, const vkd_model_value *source, uint32_t *out)
{
    vkd_model_value list = {.kind = VKD_VALUE_INT_LIST, .list.count = source->list.count};
    int64_t *ints;
    VKD_TRY(vkd_survey_take(&in->survey, list.list.count, sizeof *ints, &ints));
    for (size_t i = 0; i < list.list.count; i++)
        ints[i] = in->table[source->list.values[i]].value.i;
    list.list.ints = ints;
    return add_value(in, &list, out);
}

/* A value that is no list. */
static vkd_status read_item(inliner *in, uint32_t value, uint32_t *out)
{
    if (in->table[value].value.kind == VKD_VALUE_TENSOR && !in->table[value].problem)
        return read_tensor(in, value, vkd_device_dtype(in->table[value].value.tensor.dtype), out);
    if (in->bindings[value].current == NO_VALUE)
        VKD_TRY(enter(in, value));
    *out = in->bindings[value].current;
    return VKD_OK;
}

static vkd_status read_list(inliner *in, const vkd_model_value *source, uint32_t *out)
{
    vkd_model_value list = {.kind = VKD_VALUE_VALUE_LIST, .list.count = source->list.count};
    uint32_t *ids;
    VKD_TRY(vkd_survey_take(&in->survey, list.list.count, sizeof *ids, &ids));
    for (size_t i = 0; i < list.list.count; i++)
        if (source->list.values[i] == VKD_CONTAINER_NONE)
            VKD_TRY(add_null(in, &ids[i]));
        else
            VKD_TRY(read_item(in, source->list.values[i], &ids[i]));
    list.list.values = ids;
    return add_value(in, &list, out);
}

/* An argument of a portable operator. */
static vkd_status read_argument(inliner *in, uint32_t value, uint32_t *out)
{
    const vkd_model_value *v = &in->table[value].value;
    if (v->kind != VKD_VALUE_VALUE_LIST || in->bindings[value].current != NO_VALUE)
        return read_item(in, value, out);
    return are_ints(in, v) ? read_ints(in, v, out) : read_list(in, v, out);
}

/* -------------------------------------------------------------------------------------- writing */

/* The value is from now on what already is in the model; state takes it over. */
static vkd_status rename_value(inliner *in, uint32_t value, uint32_t id)
{
    in->bindings[in->uses[value].place].holder = value;
    if (!in->uses[value].is_state) {
        in->bindings[value].current = id;
        return VKD_OK;
    }
    if (in->bindings[value].current == NO_VALUE)
        VKD_TRY(enter(in, value));
    uint32_t state = in->bindings[value].current, null;
    VKD_TRY(add_null(in, &null));
    const uint32_t args[] = {state, id, null, state}; /* self, source, non_blocking, self */
    return insert_op(in, "aten::copy_", args, sizeof args / sizeof *args);
}

/* A value of the model for what an operator writes. */
static vkd_status write_item(inliner *in, uint32_t value, uint32_t *out)
{
    const vkd_container_value *source = &in->table[value];
    vkd_model_value written = source->value;
    if (source->problem)
        return vkd_survey_fail(&in->survey, VKD_UNSUPPORTED, "value %u: %s", value,
                               source->problem);
    in->bindings[in->uses[value].place].holder = value;
    if (in->uses[value].is_state)
        return read_item(in, value, out);
    if (written.kind == VKD_VALUE_TENSOR) {
        set_dtype(&written.tensor, vkd_device_dtype(written.tensor.dtype));
        written.tensor.data = NULL;
    } else if (written.kind == VKD_VALUE_INT || written.kind == VKD_VALUE_BOOL) {
        written.i = written.kind == VKD_VALUE_INT ? written.i : written.b;
        written.kind = VKD_VALUE_SYMINT;
    } else if (written.kind == VKD_VALUE_DOUBLE) {
        written.kind = VKD_VALUE_SYMFLOAT;
    }
    VKD_TRY(add_value(in, &written, out));
    in->bindings[value].current = *out;
    return VKD_OK;
}

static vkd_status write_list(inliner *in, const vkd_step_values *v, uint32_t *out)
{
    vkd_model_value list = {.kind = VKD_VALUE_VALUE_LIST, .list.count = v->write_count};
    uint32_t *ids;
    VKD_TRY(vkd_survey_take(&in->survey, v->write_count, sizeof *ids, &ids));
    for (size_t i = 0; i < v->write_count; i++)
        if (v->writes[i] == VKD_CONTAINER_NONE)
            VKD_TRY(add_null(in, &ids[i]));
        else
            VKD_TRY(write_item(in, v->writes[i], &ids[i]));
    list.list.values = ids;
    return add_value(in, &list, out);
}

/* ---------------------------------------------------------------------------- a delegate's ends */

/* Whether a tensor of the program can be one of the model. */
static vkd_status check_border(inliner *in, const char *what, uint32_t value,
                               const vkd_model_tensor *tensor)
{
    const vkd_container_value *source = &in->table[value];
    const vkd_model_tensor *declared = &source->value.tensor;
    if (source->problem)
        return vkd_survey_fail(&in->survey, VKD_UNSUPPORTED, "value %u: %s", value,
                               source->problem);
    if (source->value.kind == VKD_VALUE_TENSOR && are_akin(declared->dtype, tensor->dtype) &&
        declared->rank == tensor->rank &&
        !memcmp(declared->dims, tensor->dims, tensor->rank * sizeof *tensor->dims))
        return VKD_OK;
    return vkd_survey_fail(&in->survey, VKD_INVALID_MODEL,
                           "%s (value %u) has another shape or dtype than in its delegate", what,
                           value);
}

/* Symbolic integers: `local` of a delegate's input takes an int of the method, or the only element
 * of a tensor. */
static vkd_status connect_int(inliner *in, const char *what, uint32_t value, uint32_t *out)
{
    const vkd_model_value *source = &in->table[value].value;
    if (source->kind == VKD_VALUE_INT)
        return read_item(in, value, out);
    if (source->kind != VKD_VALUE_TENSOR || in->table[value].problem ||
        vkd_dims_count(source->tensor.rank, source->tensor.dims) != 1 ||
        vkd_device_dtype(source->tensor.dtype) != VKD_DTYPE_INT32)
        return vkd_survey_fail(&in->survey, VKD_INVALID_MODEL,
                               "%s (value %u) is no int, as it is in its delegate", what, value);
    const vkd_model_value number = {.kind = VKD_VALUE_SYMINT};
    uint32_t tensor;
    VKD_TRY(read_item(in, value, &tensor));
    VKD_TRY(add_value(in, &number, out));
    const uint32_t args[] = {tensor, *out};
    return insert_op(in, "aten::_local_scalar_dense", args, sizeof args / sizeof *args);
}

/* local: the delegate's value, already in the model. *out: what stands for it there, most often
 * itself. */
static vkd_status connect_input(inliner *in, const char *what, uint32_t value, uint32_t local,
                                uint32_t *out)
{
    const vkd_use *use = &in->uses[value];
    binding *b = &in->bindings[value];
    const vkd_dtype dtype = in->values[local].tensor.dtype;
    if (in->values[local].kind == VKD_VALUE_SYMINT)
        return connect_int(in, what, value, out);
    VKD_TRY(check_border(in, what, value, &in->values[local].tensor));
    if (!use->is_input || b->current != NO_VALUE || use->is_mixed || use->wanted != dtype)
        return read_tensor(in, value, dtype, out);
    const vkd_model_tensor *declared = &in->table[value].value.tensor;
    in->values[local].tensor.staging_dtype = declared->dtype;
    in->values[local].tensor.dynamic = declared->dynamic;
    b->first = b->current = *out = local;
    return VKD_OK;
}

static vkd_status connect_output(inliner *in, const char *what, uint32_t value, uint32_t id)
{
    const vkd_model_value *v = &in->values[id];
    if (v->kind == VKD_VALUE_TENSOR)
        VKD_TRY(check_border(in, what, value, &v->tensor));
    else if (in->table[value].value.kind != VKD_VALUE_INT)
        return vkd_survey_fail(&in->survey, VKD_INVALID_MODEL,
                               "%s (value %u) is no int, as it is in its delegate", what, value);
    return rename_value(in, value, id);
}

/* ---------------------------------------------------------------------------------------- steps */

/* The values of a blob, behind those of the model; base: the id of its value 0. */
static vkd_status add_blob_values(inliner *in, const vkd_model *blob, uint32_t *out_base)
{
    *out_base = (uint32_t)in->value_count;
    for (size_t i = 0; i < blob->value_count; i++) {
        uint32_t id;
        VKD_TRY(add_value(in, &blob->values[i], &id));
    }
    return VKD_OK;
}

static vkd_status connect_inputs(inliner *in, const vkd_container_step *step, uint32_t base,
                                 uint32_t *map)
{
    const vkd_model *blob = &in->survey.blobs[step->index];
    for (size_t i = 0; i < blob->value_count; i++)
        map[i] = NO_VALUE;
    for (size_t i = 0; i < blob->input_count; i++) {
        uint32_t local = blob->inputs[i];
        char what[64];
        snprintf(what, sizeof what, "input %zu of delegate %u", i, step->index);
        if (map[local] != NO_VALUE)
            return vkd_survey_fail(&in->survey, VKD_INVALID_MODEL, "%s is an earlier input too",
                                   what);
        VKD_TRY(connect_input(in, what, step->args[i], base + local, &map[local]));
        if (map[local] != base + local)
            in->values[base + local] = (vkd_model_value){.kind = VKD_VALUE_NULL};
    }
    for (uint32_t i = 0; i < blob->value_count; i++)
        if (map[i] == NO_VALUE)
            map[i] = base + i;
    return VKD_OK;
}

static vkd_status map_ids(inliner *in, const uint32_t *ids, size_t count, const uint32_t *map,
                          const uint32_t **out)
{
    uint32_t *mapped;
    VKD_TRY(vkd_survey_take(&in->survey, count, sizeof *mapped, &mapped));
    for (size_t i = 0; i < count; i++)
        mapped[i] = map[ids[i]];
    *out = mapped;
    return VKD_OK;
}

static vkd_status inline_delegate(inliner *in, const vkd_container_step *step)
{
    const vkd_model *blob = &in->survey.blobs[step->index];
    uint32_t base, *map;
    VKD_TRY(vkd_survey_take(&in->survey, blob->value_count, sizeof *map, &map));
    VKD_TRY(add_blob_values(in, blob, &base));
    if (blob->unsupported && !in->unsupported) {
        in->unsupported = blob->unsupported;
        in->unsupported_value = base + blob->unsupported_value;
    }
    VKD_TRY(connect_inputs(in, step, base, map));
    for (size_t i = 0; i < blob->value_count; i++) {
        vkd_model_value *v = &in->values[base + i];
        if (v->kind == VKD_VALUE_VALUE_LIST)
            VKD_TRY(map_ids(in, v->list.values, v->list.count, map, &v->list.values));
    }
    for (size_t i = 0; i < blob->op_count; i++) {
        const vkd_model_op *op = &blob->ops[i];
        const uint32_t *args;
        VKD_TRY(map_ids(in, op->args, op->arg_count, map, &args));
        VKD_TRY(add_op(in, op->name, op->node_id, args, op->arg_count));
    }
    for (size_t i = 0; i < blob->output_count; i++) {
        char what[64];
        snprintf(what, sizeof what, "output %zu of delegate %u", i, step->index);
        VKD_TRY(connect_output(in, what, step->args[blob->input_count + i], map[blob->outputs[i]]));
    }
    return VKD_OK;
}

static vkd_status inline_kernel(inliner *in, const vkd_container_step *step)
{
    const vkd_step_values v = vkd_survey_step(&in->survey, step);
    const size_t count = step->arg_count ? v.read_count + 1 : 0;
    uint32_t *args;
    VKD_TRY(vkd_survey_take(&in->survey, count, sizeof *args, &args));
    for (size_t i = 0; i < v.read_count; i++)
        VKD_TRY(read_argument(in, v.reads[i], &args[i]));
    if (count && in->table[step->args[step->arg_count - 1]].value.kind == VKD_VALUE_VALUE_LIST)
        VKD_TRY(write_list(in, &v, &args[v.read_count]));
    else if (count)
        VKD_TRY(write_item(in, *v.writes, &args[v.read_count]));
    return add_op(in, in->survey.method->operators[step->index], (uint32_t)in->step, args, count);
}

static vkd_status inline_steps(inliner *in)
{
    const vkd_container_method *method = in->survey.method;
    for (in->step = 0; in->step < method->step_count; in->step++) {
        const vkd_container_step *step = &method->steps[in->step];
        uint32_t moved;
        if (step->kind == VKD_STEP_KERNEL) {
            VKD_TRY(inline_kernel(in, step));
        } else if (step->kind == VKD_STEP_DELEGATE) {
            VKD_TRY(inline_delegate(in, step));
        } else if (step->kind == VKD_STEP_MOVE) {
            VKD_TRY(read_argument(in, step->args[0], &moved));
            VKD_TRY(rename_value(in, step->args[1], moved));
        } /* a FreeCall: nothing reads the value any more */
    }
    return VKD_OK;
}

/* ---------------------------------------------------------------------------- the method's ends */

static vkd_status list_inputs(inliner *in, uint32_t **out)
{
    const vkd_container_method *method = in->survey.method;
    VKD_TRY(vkd_survey_take(&in->survey, method->input_count, sizeof **out, out));
    for (size_t i = 0; i < method->input_count; i++) {
        binding *b = &in->bindings[method->inputs[i]];
        if (b->first == NO_VALUE) { /* nobody reads it */
            const uint32_t current = b->current;
            VKD_TRY(enter(in, method->inputs[i]));
            b->current = current == NO_VALUE ? b->first : current;
        }
        (*out)[i] = b->first;
    }
    return VKD_OK;
}

/* What the steps have written, or what the method began with. */
static vkd_status enter_output(inliner *in, const char *what, uint32_t value)
{
    const vkd_use *use = &in->uses[value];
    if (in->bindings[value].current != NO_VALUE || find_viewed(in, value) != NO_VALUE)
        return settle(in, value);
    if (in->table[value].value.kind == VKD_VALUE_TENSOR && !use->data && !use->is_input &&
        !use->is_state)
        return vkd_survey_fail(&in->survey, VKD_INVALID_MODEL, "%s (value %u) is never written",
                               what, value);
    return enter(in, value);
}

static vkd_status list_outputs(inliner *in, uint32_t **out)
{
    const vkd_container_method *method = in->survey.method;
    VKD_TRY(vkd_survey_take(&in->survey, method->output_count, sizeof **out, out));
    for (size_t i = 0; i < method->output_count; i++) {
        uint32_t value = method->outputs[i];
        char what[64];
        snprintf(what, sizeof what, "output %zu", i);
        VKD_TRY(enter_output(in, what, value));
        (*out)[i] = in->bindings[value].current;
        vkd_model_value *v = &in->values[(*out)[i]];
        if (v->kind == VKD_VALUE_TENSOR) {
            VKD_TRY(check_border(in, what, value, &v->tensor));
            v->tensor.staging_dtype = in->table[value].value.tensor.dtype;
        } else if (v->kind != VKD_VALUE_SYMINT) {
            return vkd_survey_fail(&in->survey, VKD_UNSUPPORTED,
                                   "%s (value %u) is neither a tensor nor a computed int", what,
                                   value);
        }
    }
    return VKD_OK;
}

/* Inputs and state are in their places as the method begins. */
static void begin_bindings(inliner *in)
{
    const size_t count = in->survey.method->value_count;
    for (size_t i = 0; i < count; i++)
        in->bindings[i] = (binding){NO_VALUE, NO_VALUE, NO_VALUE, NO_VALUE};
    for (uint32_t i = 0; i < count; i++)
        if (in->uses[i].is_input || in->uses[i].is_state)
            in->bindings[in->uses[i].place].holder = i;
}

vkd_status vkd_inline_method(const vkd_container *container, const vkd_container_method *method,
                             const char *delegate_id, vkd_arena *arena, vkd_model *out)
{
    inliner in = {.survey = {.context = arena->context,
                             .arena = arena,
                             .container = container,
                             .method = method,
                             .delegate_id = delegate_id},
                  .table = method->values,
                  .null = NO_VALUE};
    uint32_t *inputs, *outputs;
    VKD_TRY(vkd_survey_method(&in.survey));
    in.uses = in.survey.uses;
    VKD_TRY(vkd_survey_take(&in.survey, method->value_count, sizeof *in.bindings, &in.bindings));
    begin_bindings(&in);
    VKD_TRY(reserve(&in));
    VKD_TRY(inline_steps(&in));
    VKD_TRY(list_inputs(&in, &inputs));
    VKD_TRY(list_outputs(&in, &outputs));
    *out = (vkd_model){.value_count = in.value_count,
                       .values = in.values,
                       .op_count = in.op_count,
                       .ops = in.ops,
                       .input_count = method->input_count,
                       .inputs = inputs,
                       .output_count = method->output_count,
                       .outputs = outputs,
                       .unsupported = in.unsupported,
                       .unsupported_value = in.unsupported_value};
    return VKD_OK;
}
