#include "schema/survey.h"
#include "schema/named.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of memory to bytes in the file, as in the readers (schema/flatbuffer.h). */
enum { BUDGET_FACTOR = 64, BUDGET_LEAST = 65536 };

vkd_status vkd_survey_fail(const vkd_survey *s, vkd_status status, const char *format, ...)
{
    char reason[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return vkd_fail(s->context, status, "program: method \"%.100s\": %s", s->method->name, reason);
}

vkd_status vkd_survey_charge(vkd_survey *s, uint64_t bytes)
{
    if (bytes > s->budget)
        return vkd_survey_fail(s, VKD_INVALID_MODEL,
                               "its steps need more memory than the file can account for: they "
                               "refer to the same data again and again");
    s->budget -= bytes;
    return VKD_OK;
}

vkd_status vkd_survey_take(vkd_survey *s, size_t count, size_t size, void *out)
{
    /* counts are of things in memory: no overflow */
    VKD_TRY(vkd_survey_charge(s, (uint64_t)count * size));
    void *memory = vkd_arena_alloc(s->arena, count, size);
    if (!memory)
        return vkd_fail_memory(s->context, "a method");
    memcpy(out, &memory, sizeof memory);
    return VKD_OK;
}

/* ----------------------------------------------------------------------------------- references */

/* Bytes that something refers to, as the elements of a tensor or as a blob. */
typedef struct reference {
    vkd_bytes bytes;
    const vkd_model_tensor *tensor; /* null: a blob */
    uint32_t index;
} reference;

static int compare_numbers(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

/* 0: they refer to the same. */
static int compare_bytes(const reference *a, const reference *b)
{
    int order = compare_numbers((uintptr_t)a->bytes.data, (uintptr_t)b->bytes.data);
    if (!order)
        order = compare_numbers(a->bytes.size, b->bytes.size);
    if (!order && a->tensor)
        order = compare_numbers(a->tensor->dtype, b->tensor->dtype);
    if (!order && a->tensor)
        order = compare_numbers(a->tensor->rank, b->tensor->rank);
    return order || !a->tensor ? order
                               : memcmp(a->tensor->dims, b->tensor->dims,
                                        a->tensor->rank * sizeof *a->tensor->dims);
}

static int compare_references(const void *left, const void *right)
{
    const reference *a = left, *b = right;
    int order = compare_bytes(a, b);
    return order ? order : compare_numbers(a->index, b->index);
}

/* Those to the same become neighbours, the least index first. */
static void sort_references(reference *references, size_t count)
{
    if (count)
        qsort(references, count, sizeof *references, compare_references);
}

/* ------------------------------------------------------------------------------------ delegates */

static vkd_status check_delegate(const vkd_survey *s, const bool *is_called,
                                 const vkd_container_step *step)
{
    const vkd_container_delegate *delegate = &s->method->delegates[step->index];
    if (strcmp(delegate->id, s->delegate_id))
        return vkd_survey_fail(s, VKD_UNSUPPORTED, "it is delegated to '%.100s', not to '%s'",
                               delegate->id, s->delegate_id);
    if (is_called[step->index])
        return vkd_survey_fail(s, VKD_UNSUPPORTED,
                               "delegate %u is called twice, which is not supported", step->index);
    return VKD_OK;
}

static vkd_status list_delegates(vkd_survey *s, reference **out, size_t *out_count)
{
    const vkd_container_method *method = s->method;
    bool *is_called;
    size_t count = 0;
    VKD_TRY(vkd_survey_take(s, method->delegate_count, sizeof *is_called, &is_called));
    VKD_TRY(vkd_survey_take(s, method->delegate_count, sizeof **out, out));
    for (size_t i = 0; i < method->step_count; i++) {
        const vkd_container_step *step = &method->steps[i];
        if (step->kind == VKD_STEP_JUMP_FALSE)
            return vkd_survey_fail(s, VKD_UNSUPPORTED,
                                   "step %zu is a JumpFalseCall: control flow is not supported", i);
        if (step->kind != VKD_STEP_DELEGATE)
            continue;
        VKD_TRY(check_delegate(s, is_called, step));
        is_called[step->index] = true;
        (*out)[count++] = (reference){method->delegates[step->index].blob, NULL, step->index};
    }
    *out_count = count;
    return VKD_OK;
}

/* Each blob once, whichever delegates have it: their constants are then the same pointers, too. */
static vkd_status read_blobs(vkd_survey *s)
{
    reference *delegates;
    size_t count = 0;
    uint64_t bytes = 0;
    VKD_TRY(list_delegates(s, &delegates, &count));
    VKD_TRY(vkd_survey_take(s, s->method->delegate_count, sizeof *s->blobs, &s->blobs));
    sort_references(delegates, count);
    for (size_t i = 0; i < count; i++) {
        const vkd_bytes *blob = &delegates[i].bytes;
        vkd_model *model = &s->blobs[delegates[i].index];
        if (i > 0 && !compare_bytes(&delegates[i], &delegates[i - 1])) {
            *model = s->blobs[delegates[i - 1].index];
            continue;
        }
        bytes += blob->size;
        if (bytes > s->container->size)
            return vkd_survey_fail(s, VKD_INVALID_MODEL,
                                   "the blobs of its delegates lie over each other");
        VKD_TRY(vkd_model_read(blob->data, blob->size, &s->container->named_data, s->arena, model));
    }
    return VKD_OK;
}

/* A delegate without room for its results: the exporter writes such a call where a functional
 * change of a buffer was not made the buffer's own. */
static vkd_status check_calls(const vkd_survey *s)
{
    for (size_t i = 0; i < s->method->step_count; i++) {
        const vkd_container_step *step = &s->method->steps[i];
        const vkd_model *blob = step->kind == VKD_STEP_DELEGATE ? &s->blobs[step->index] : NULL;
        if (blob && step->arg_count != blob->input_count + blob->output_count)
            return vkd_survey_fail(
                s, VKD_INVALID_MODEL,
                "delegate %u has %zu inputs and %zu outputs, but is called with %zu values: the "
                "new contents "
                "of a buffer may be among the outputs, of which the call knows nothing",
                step->index, blob->input_count, blob->output_count, step->arg_count);
    }
    return VKD_OK;
}

/* ----------------------------------------------------------------------------- reads and writes */

static const vkd_model_value *value_at(const vkd_survey *s, uint32_t value)
{
    return &s->method->values[value].value;
}

/* "aten::copy_", "aten::add_.Tensor": the schema has no argument for the result. */
static bool is_in_place(const char *name)
{
    const char *space = strrchr(name, ':');
    const char *base = space ? space + 1 : name;
    size_t length = strcspn(base, ".");
    return length > 0 && base[length - 1] == '_';
}

/* Whether the last of the arguments in front of the returned value are the returned tensors. */
static bool are_supplied(const vkd_survey *s, const vkd_container_step *step,
                         const vkd_step_values *v)
{
    if (v->write_count > v->read_count || is_in_place(s->method->operators[step->index]))
        return false;
    for (size_t i = 0; i < v->write_count; i++)
        if (v->writes[i] != v->reads[v->read_count - v->write_count + i] ||
            value_at(s, v->writes[i])->kind != VKD_VALUE_TENSOR)
            return false;
    return true;
}

static vkd_step_values kernel_values(const vkd_survey *s, const vkd_container_step *step)
{
    if (!step->arg_count)
        return (vkd_step_values){0};
    vkd_step_values v = {.read_count = step->arg_count - 1,
                         .write_count = 1,
                         .reads = step->args,
                         .writes = step->args + step->arg_count - 1};
    const vkd_model_value *returned = value_at(s, *v.writes);
    if (returned->kind == VKD_VALUE_VALUE_LIST) {
        v.write_count = returned->list.count;
        v.writes = returned->list.values;
    }
    if (are_supplied(s, step, &v))
        v.read_count -= v.write_count;
    return v;
}

vkd_step_values vkd_survey_step(const vkd_survey *s, const vkd_container_step *step)
{
    if (step->kind == VKD_STEP_KERNEL)
        return kernel_values(s, step);
    if (step->kind != VKD_STEP_DELEGATE && step->kind != VKD_STEP_MOVE)
        return (vkd_step_values){0};
    const size_t reads = step->kind == VKD_STEP_MOVE ? 1 : s->blobs[step->index].input_count;
    return (vkd_step_values){reads, step->arg_count - reads, step->args, step->args + reads};
}

/* dtype: what the reader takes; anything for what is no tensor. */
static void note_read(vkd_survey *s, uint32_t value, vkd_dtype dtype)
{
    vkd_use *use = &s->uses[value];
    use->is_mixed |= use->is_read && use->wanted != dtype;
    use->wanted = use->is_read ? use->wanted : dtype;
    use->is_read_first |= !use->is_written;
    use->is_read = true;
}

/* A value that is read as the method has it. */
static void note_plain_read(vkd_survey *s, uint32_t value)
{
    const vkd_model_value *v = value_at(s, value);
    note_read(s, value,
              v->kind == VKD_VALUE_TENSOR ? vkd_device_dtype(v->tensor.dtype) : VKD_DTYPE_COUNT);
}

/* A list's items are looked at for the first of its readers: a later one tells nothing new of them.
 */
static void note_argument(vkd_survey *s, uint32_t value)
{
    const vkd_model_value *v = value_at(s, value);
    if (v->kind == VKD_VALUE_VALUE_LIST && !s->uses[value].is_read)
        for (size_t i = 0; i < v->list.count; i++)
            if (v->list.values[i] != VKD_CONTAINER_NONE)
                note_plain_read(s, v->list.values[i]);
    note_plain_read(s, value);
}

static void note_writes(vkd_survey *s, const vkd_container_step *step, const vkd_step_values *v)
{
    uint32_t last = step->args[step->arg_count - 1];
    if (value_at(s, last)->kind == VKD_VALUE_VALUE_LIST && s->uses[last].is_written)
        return;
    for (size_t i = 0; i < v->write_count; i++)
        if (v->writes[i] != VKD_CONTAINER_NONE)
            s->uses[v->writes[i]].is_written = true;
    s->uses[last].is_written = true;
}

static void note_step(vkd_survey *s, const vkd_container_step *step)
{
    vkd_step_values v = vkd_survey_step(s, step);
    const vkd_model *blob = step->kind == VKD_STEP_DELEGATE ? &s->blobs[step->index] : NULL;
    for (size_t i = 0; i < v.read_count; i++) {
        const vkd_model_value *local = blob ? &blob->values[blob->inputs[i]] : NULL;
        if (local && local->kind == VKD_VALUE_TENSOR)
            note_read(s, v.reads[i], local->tensor.dtype);
        else
            note_argument(s, v.reads[i]);
    }
    if (v.write_count)
        note_writes(s, step, &v);
}

static void note_all(vkd_survey *s)
{
    const vkd_container_method *method = s->method;
    for (size_t i = 0; i < method->input_count; i++)
        s->uses[method->inputs[i]].is_input = true;
    for (size_t i = 0; i < method->step_count; i++)
        note_step(s, &method->steps[i]);
    for (size_t i = 0; i < method->output_count; i++)
        note_plain_read(s, method->outputs[i]);
}

/* ----------------------------------------------------------------------------------------- data */

/* Whether data is such a tensor, as far as is known. */
static bool has_layout(const vkd_container_named *named, const vkd_container_value *value)
{
    const vkd_data_layout *layout = named->layout;
    const vkd_model_tensor *tensor = &value->value.tensor;
    return !layout || (layout->dtype == tensor->dtype && layout->rank == tensor->rank &&
                       !memcmp(layout->dims, tensor->dims, tensor->rank * sizeof *tensor->dims) &&
                       !memcmp(layout->dim_order, value->dim_order, tensor->rank));
}

static vkd_status find_external(vkd_survey *s, uint32_t value)
{
    const vkd_container_value *v = &s->method->values[value];
    const vkd_container_named *found = vkd_container_entry(s->container, v->external);
    if (!found)
        return vkd_survey_fail(s, VKD_INVALID_MODEL,
                               "value %u is the external constant '%.200s', which is not there: a "
                               ".ptd file has it, to be added to the program",
                               value, v->external);
    if (!has_layout(found, v) || found->data.size < v->value.tensor.size)
        return vkd_survey_fail(s, VKD_INVALID_MODEL,
                               "value %u: the external constant '%.200s', of %zu bytes, has "
                               "another dtype or shape than in the "
                               "program, where it needs %zu",
                               value, v->external, found->data.size, v->value.tensor.size);
    s->uses[value].data = found->data.data;
    return VKD_OK;
}

/* What the values that matter begin with, and which of them are state. */
static vkd_status find_data(vkd_survey *s)
{
    for (uint32_t i = 0; i < s->method->value_count; i++) {
        const vkd_container_value *v = &s->method->values[i];
        vkd_use *use = &s->uses[i];
        use->twin = i;
        if (v->value.kind != VKD_VALUE_TENSOR || v->problem || use->is_input ||
            !(use->is_read || use->is_written))
            continue;
        use->data = v->value.tensor.data;
        if (v->external)
            VKD_TRY(find_external(s, i));
        use->is_state = use->is_written && (use->data || (use->is_read_first && v->is_planned));
    }
    return VKD_OK;
}

static vkd_status find_twins(vkd_survey *s)
{
    reference *constants;
    size_t count = 0;
    VKD_TRY(vkd_survey_take(s, s->method->value_count, sizeof *constants, &constants));
    for (uint32_t i = 0; i < s->method->value_count; i++)
        if (s->uses[i].data && !s->uses[i].is_state)
            constants[count++] = (reference){
                {s->uses[i].data, value_at(s, i)->tensor.size}, &value_at(s, i)->tensor, i};
    sort_references(constants, count);
    for (size_t i = 1; i < count; i++)
        if (!compare_bytes(&constants[i], &constants[i - 1]))
            s->uses[constants[i].index].twin = s->uses[constants[i - 1].index].twin;
    return VKD_OK;
}

/* --------------------------------------------------------------------------------------- places */

typedef struct place {
    uint64_t offset;
    uint32_t memory, index;
} place;

static int compare_places(const void *left, const void *right)
{
    const place *a = left, *b = right;
    int order = compare_numbers(a->memory, b->memory);
    if (!order)
        order = compare_numbers(a->offset, b->offset);
    return order ? order : compare_numbers(a->index, b->index);
}

static vkd_status find_places(vkd_survey *s)
{
    place *places;
    size_t count = 0;
    VKD_TRY(vkd_survey_take(s, s->method->value_count, sizeof *places, &places));
    for (uint32_t i = 0; i < s->method->value_count; i++) {
        const vkd_container_value *v = &s->method->values[i];
        s->uses[i].place = i;
        if (v->is_planned)
            places[count++] = (place){v->memory_offset, v->memory_id, i};
    }
    if (count)
        qsort(places, count, sizeof *places, compare_places);
    for (size_t i = 1; i < count; i++)
        if (places[i].memory == places[i - 1].memory && places[i].offset == places[i - 1].offset)
            s->uses[places[i].index].place = s->uses[places[i - 1].index].place;
    return VKD_OK;
}

vkd_status vkd_survey_method(vkd_survey *s)
{
    s->budget = (uint64_t)s->container->size * BUDGET_FACTOR + BUDGET_LEAST;
    VKD_TRY(read_blobs(s));
    VKD_TRY(check_calls(s));
    VKD_TRY(vkd_survey_take(s, s->method->value_count, sizeof *s->uses, &s->uses));
    note_all(s);
    VKD_TRY(find_data(s));
    VKD_TRY(find_places(s));
    return find_twins(s);
}
