/* One method of a program, ready to run: a delegate for all of it, and memory for its outputs. */
#include "backend/delegate.h"
#include "backend/program.h"
#include "schema/inline.h"

#include <stdio.h>
#include <string.h>

typedef struct method_tensor {
    vkd_tensor_info info;
    void *data;  /* outputs: the last result */
    bool is_set; /* inputs */
} method_tensor;

struct vkd_method {
    vkd_context context;
    vkd_arena arena;
    vkd_delegate *delegate;
    size_t input_count, output_count;
    method_tensor *tensors; /* inputs, then outputs: the order of the delegate's arguments */
    bool has_run;
};

static const vkd_container_method *find_method(const vkd_container *container, const char *name)
{
    for (size_t i = 0; i < container->method_count; i++)
        if (!strcmp(container->methods[i].name, name))
            return &container->methods[i];
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------------- load */

typedef struct method_source {
    const vkd_container *container;
    const vkd_container_method *method;
} method_source;

static vkd_status read_method(const void *user, vkd_arena *arena, vkd_model *out, bool *out_warm_up)
{
    const method_source *source = user;
    for (size_t i = 0; i < source->method->delegate_count; i++) {
        const vkd_container_delegate *delegate = &source->method->delegates[i];
        bool warm_up;
        VKD_TRY(vkd_read_specs(arena->context, delegate->specs, delegate->spec_count, &warm_up));
        *out_warm_up |= warm_up;
    }
    return vkd_inline_method(source->container, source->method, vkd_backend.id, arena, out);
}

/* An int is an int64 without dims. */
static void describe(const vkd_container_method *from, uint32_t value, vkd_tensor_info *out)
{
    static const vkd_model_tensor integer = {.dtype = VKD_DTYPE_INT64, .size = sizeof(int64_t)};
    const vkd_container_value *v = &from->values[value];
    const vkd_model_tensor *tensor = v->value.kind == VKD_VALUE_TENSOR ? &v->value.tensor : &integer;
    *out = (vkd_tensor_info){.dtype = tensor->dtype, .rank = tensor->rank, .size = tensor->size};
    memcpy(out->dim_order, v->dim_order, sizeof out->dim_order);
    for (uint32_t i = 0; i < tensor->rank; i++)
        out->dims[i] = tensor->dims[i];
}

static vkd_status make_tensors(vkd_method *method, const vkd_container_method *from)
{
    method->input_count = from->input_count;
    method->output_count = from->output_count;
    method->tensors = vkd_arena_alloc(&method->arena, from->input_count + from->output_count, sizeof *method->tensors);
    if (!method->tensors)
        return vkd_fail_memory(&method->context, "the method's tensors");
    for (size_t i = 0; i < from->input_count; i++) /* goes straight to the device's memory */
        describe(from, from->inputs[i], &method->tensors[i].info);
    for (size_t i = 0; i < from->output_count; i++) {
        method_tensor *tensor = &method->tensors[from->input_count + i];
        describe(from, from->outputs[i], &tensor->info);
        tensor->data = vkd_arena_alloc(&method->arena, tensor->info.size, 1);
        if (!tensor->data)
            return vkd_fail_memory(&method->context, "the method's outputs");
    }
    return VKD_OK;
}

/* Inputs and outputs have the program's shapes in the model, and elements of that kind; whether the host can convert them would
 * only show at the first execution. The order of the bytes is the program's alone. */
static vkd_status adapt_delegate(vkd_method *method, const char *name)
{
    for (size_t i = 0; i < method->input_count + method->output_count; i++) {
        bool is_input = i < method->input_count;
        size_t index = is_input ? i : i - method->input_count;
        vkd_dtype declared = method->tensors[i].info.dtype;
        vkd_tensor_info info;
        VKD_TRY(is_input ? vkd_input_info(method->delegate, index, &info) : vkd_output_info(method->delegate, index, &info));
        if (!vkd_convertible(declared, info.dtype))
            return vkd_fail(&method->context, VKD_UNSUPPORTED, "method '%s': %s %zu is %s, and %s on the device", name,
                            is_input ? "input" : "output", index, vkd_dtype_name(declared), vkd_dtype_name(info.dtype));
        vkd_delegate_set_order(method->delegate, i, method->tensors[i].info.dim_order);
    }
    return VKD_OK;
}

static vkd_status init_delegate(vkd_method *method, vkd_program *program, const method_source *source,
                                const vkd_options *options)
{
    vkd_status status = vkd_program_read(program);
    if (status != VKD_OK)
        memcpy(method->context.error, program->context.error, sizeof method->context.error);
    else
        status = vkd_delegate_create(&(vkd_source){read_method, source}, options, &method->delegate);
    if (status == VKD_OK)
        method->delegate->host_peak += vkd_program_held(program);
    vkd_program_forget(program);
    return status;
}

static vkd_status load(vkd_method *method, vkd_program *program, const char *name, const vkd_options *options)
{
    vkd_context *context = &method->context;
    const method_source source = {&program->container, find_method(&program->container, name)};
    if (!source.method)
        return vkd_fail(context, VKD_NOT_FOUND, "the program has no method '%s'", name);
    vkd_options inner = options ? *options : (vkd_options){0};
    inner.error = context->error;
    inner.error_size = sizeof context->error;
    VKD_TRY(init_delegate(method, program, &source, &inner));
    VKD_TRY(vkd_delegate_add_method_slot(method->delegate));
    VKD_TRY(make_tensors(method, source.method));
    return adapt_delegate(method, name);
}

vkd_status vkd_method_load(vkd_program *program, const char *name, const vkd_options *options, vkd_method **out)
{
    vkd_context context;
    vkd_context_init(&context, options);
    vkd_method *method = NULL;
    vkd_status status;
    if (out)
        *out = NULL;
    if (!program || !out)
        status =
            vkd_fail(&context, VKD_INVALID_ARGUMENT, "vkd_method_load: a null pointer for the %s", out ? "program" : "result");
    else if (!(method = vkd_alloc(&context, 1, sizeof *method)))
        status = vkd_fail_memory(&context, "the method");
    else {
        method->context = context;
        vkd_arena_init(&method->arena, &method->context);
        status = load(method, program, name ? name : "forward", options);
        context = method->context;
    }
    vkd_context_report(&context, options, status);
    if (program && status != VKD_OK)
        memcpy(program->context.error, context.error, sizeof context.error);
    if (status == VKD_OK)
        *out = method;
    else
        vkd_method_unload(method);
    return status;
}

void vkd_method_unload(vkd_method *method)
{
    if (!method)
        return;
    vkd_destroy(method->delegate);
    vkd_arena_release(&method->arena);
    vkd_context context = method->context;
    vkd_free(&context, method);
}

const char *vkd_method_error(const vkd_method *method) { return method ? method->context.error : ""; }

vkd_delegate *vkd_method_delegate(vkd_method *method) { return method ? method->delegate : NULL; }

/* -------------------------------------------------------------------------------------------------------------- use */

size_t vkd_method_input_count(const vkd_method *method) { return method ? method->input_count : 0; }

size_t vkd_method_output_count(const vkd_method *method) { return method ? method->output_count : 0; }

vkd_status vkd_method_input_info(const vkd_method *method, size_t index, vkd_tensor_info *out)
{
    if (!method || !out)
        return VKD_INVALID_ARGUMENT;
    if (index >= method->input_count)
        return VKD_NOT_FOUND;
    *out = method->tensors[index].info;
    return VKD_OK;
}

vkd_status vkd_method_output_info(const vkd_method *method, size_t index, vkd_tensor_info *out)
{
    if (!method || !out)
        return VKD_INVALID_ARGUMENT;
    if (index >= method->output_count)
        return VKD_NOT_FOUND;
    *out = method->tensors[method->input_count + index].info;
    return VKD_OK;
}

/* A failure of the delegate becomes one of the method. */
static vkd_status pass_on(vkd_method *method, vkd_status status)
{
    if (status != VKD_OK)
        snprintf(method->context.error, sizeof method->context.error, "%s", vkd_last_error(method->delegate));
    return status;
}

/* Before the inputs' memory is used. */
static vkd_status take_slot(vkd_method *method)
{
    bool replaced;
    vkd_status status = vkd_delegate_take_method_slot(method->delegate, &replaced);
    for (size_t i = 0; replaced && i < method->input_count; i++)
        method->tensors[i].is_set = false;
    return pass_on(method, status);
}

vkd_status vkd_method_set_input(vkd_method *method, size_t index, const void *data, size_t size)
{
    if (!method)
        return VKD_INVALID_ARGUMENT;
    if (index >= method->input_count)
        return vkd_fail(&method->context, VKD_NOT_FOUND, "input %zu of %zu", index, method->input_count);
    method_tensor *tensor = &method->tensors[index];
    if (!data || size != tensor->info.size)
        return vkd_fail(&method->context, VKD_INVALID_ARGUMENT, "input %zu is given as %zu bytes: it has %zu", index,
                        data ? size : 0, tensor->info.size);
    VKD_TRY(take_slot(method));
    vkd_delegate_set_input(method->delegate, method->delegate->method_slot, index, tensor->info.dtype, data);
    tensor->is_set = true;
    return VKD_OK;
}

vkd_status vkd_method_execute(vkd_method *method)
{
    if (!method)
        return VKD_INVALID_ARGUMENT;
    vkd_delegate *delegate = method->delegate;
    const uint32_t slot = delegate->method_slot;
    VKD_TRY(take_slot(method));
    for (size_t i = 0; i < method->input_count; i++)
        if (!method->tensors[i].is_set)
            return vkd_fail(&method->context, VKD_INVALID_ARGUMENT,
                            "input %zu was not set, or its memory was used by an execution of the delegate since", i);
    vkd_status status = vkd_executor_submit(delegate->executor, slot);
    if (status == VKD_OK)
        status = vkd_executor_wait(delegate->executor, slot);
    method->has_run = status == VKD_OK;
    for (size_t i = 0; method->has_run && i < method->output_count; i++) {
        const method_tensor *output = &method->tensors[method->input_count + i];
        vkd_delegate_get_output(delegate, slot, i, output->info.dtype, output->data);
    }
    return pass_on(method, status);
}

const void *vkd_method_output(const vkd_method *method, size_t index, size_t *out_size)
{
    if (!method || index >= method->output_count || !method->has_run)
        return NULL;
    const method_tensor *tensor = &method->tensors[method->input_count + index];
    if (out_size)
        *out_size = tensor->info.size;
    return tensor->data;
}
