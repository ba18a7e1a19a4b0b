/* One method of a program, ready to run: its single delegate, and memory for its inputs and outputs. */
#include "backend/delegate.h"
#include "backend/program.h"

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

/* ------------------------------------------------------------------------------------------------- what is runnable */

static const vkd_container_method *find_method(const vkd_container *container, const char *name)
{
    for (size_t i = 0; i < container->method_count; i++)
        if (!strcmp(container->methods[i].name, name))
            return &container->methods[i];
    return NULL;
}

/* "aten::mean.out, aten::add.out": the operators outside delegates, which this library does not have. */
static void list_operators(const vkd_container_method *method, char *out, size_t size)
{
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < method->operator_count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", method->operators[i]);
}

/* The one delegate call that a method consists of, null with a message otherwise. */
static vkd_status find_call(vkd_context *context, const vkd_container_method *method, const vkd_container_step **out)
{
    size_t calls = 0, others = 0;
    for (size_t i = 0; i < method->step_count; i++) {
        if (method->steps[i].kind == VKD_STEP_DELEGATE) {
            *out = &method->steps[i];
            calls++;
        } else if (method->steps[i].kind != VKD_STEP_FREE) {
            others++;
        }
    }
    if (calls == 1 && !others)
        return VKD_OK;
    char operators[256];
    list_operators(method, operators, sizeof operators);
    return vkd_fail(
        context, VKD_UNSUPPORTED,
        "method '%s' is not one delegate call: it has %zu of them and %zu other instructions, with the operators %s",
        method->name, calls, others, operators[0] ? operators : "(none)");
}

/* The call's arguments must be the method's inputs, then its outputs: then the method's tensors are the delegate's. */
static vkd_status check_wiring(vkd_context *context, const vkd_container_method *method, const vkd_container_step *call)
{
    size_t in = method->input_count, out = method->output_count;
    bool same = call->arg_count == in + out;
    for (size_t i = 0; same && i < in; i++)
        same = call->args[i] == method->inputs[i];
    for (size_t i = 0; same && i < out; i++)
        same = call->args[in + i] == method->outputs[i];
    if (!same)
        return vkd_fail(context, VKD_UNSUPPORTED,
                        "method '%s': its delegate call does not take its inputs and outputs in order", method->name);
    for (size_t i = 0; i < call->arg_count; i++)
        if (!method->is_tensor[call->args[i]])
            return vkd_fail(context, VKD_UNSUPPORTED, "method '%s': argument %zu of its delegate call is no tensor",
                            method->name, i);
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------------------------------- load */

static vkd_status make_tensors(vkd_method *method, const vkd_container_method *from, const vkd_container_step *call)
{
    method->input_count = from->input_count;
    method->output_count = from->output_count;
    method->tensors = vkd_arena_alloc(&method->arena, call->arg_count, sizeof *method->tensors);
    if (!method->tensors)
        return vkd_fail_memory(&method->context, "the method's tensors");
    for (size_t i = 0; i < call->arg_count; i++) {
        method_tensor *tensor = &method->tensors[i];
        tensor->info = from->tensors[call->args[i]];
        if (i < method->input_count)
            continue; /* an input goes straight to the device's memory */
        tensor->data = vkd_arena_alloc(&method->arena, tensor->info.size, 1);
        if (!tensor->data)
            return vkd_fail_memory(&method->context, "the method's outputs");
    }
    return VKD_OK;
}

/* What the program declares must be what the delegate takes; a difference would only show at the first execution. The order of
 * the bytes is the program's alone. */
static vkd_status adapt_delegate(vkd_method *method, const char *name)
{
    vkd_delegate *delegate = method->delegate;
    if (vkd_input_count(delegate) != method->input_count || vkd_output_count(delegate) != method->output_count)
        return vkd_fail(&method->context, VKD_INVALID_MODEL,
                        "method '%s' has %zu inputs and %zu outputs, its delegate %zu and %zu", name, method->input_count,
                        method->output_count, vkd_input_count(delegate), vkd_output_count(delegate));
    for (size_t i = 0; i < method->input_count + method->output_count; i++) {
        bool is_input = i < method->input_count;
        const vkd_tensor_info *declared = &method->tensors[i].info;
        vkd_tensor_info info;
        VKD_TRY(is_input ? vkd_input_info(delegate, i, &info) : vkd_output_info(delegate, i - method->input_count, &info));
        if (!vkd_convertible(declared->dtype, info.dtype) || info.rank != declared->rank ||
            memcmp(info.dims, declared->dims, info.rank * sizeof info.dims[0]))
            return vkd_fail(&method->context, VKD_INVALID_MODEL,
                            "method '%s': %s %zu has another shape or dtype than in its delegate", name,
                            is_input ? "input" : "output", is_input ? i : i - method->input_count);
        vkd_delegate_set_order(delegate, i, declared->dim_order);
    }
    return VKD_OK;
}

static vkd_status hold_file(void *user)
{
    return vkd_program_read(user);
}

static void release_file(void *user) { vkd_program_forget(user); }

static vkd_status init_delegate(vkd_method *method, vkd_program *program, const vkd_container_delegate *delegate,
                                const vkd_options *options)
{
    vkd_status status = vkd_program_read(program);
    if (status != VKD_OK)
        memcpy(method->context.error, program->context.error, sizeof method->context.error);
    else
        status = vkd_init(delegate->blob.data, delegate->blob.size, delegate->specs, delegate->spec_count, vkd_container_find,
                          &program->container, options, &method->delegate);
    /* Other shapes may need constants packed in other ways. */
    if (status == VKD_OK)
        vkd_residents_bytes_come_from(method->delegate->residents, &(vkd_constant_bytes){hold_file, release_file, program});
    if (status == VKD_OK && program->path)
        method->delegate->host_peak += program->size;
    vkd_program_forget(program);
    return status;
}

static vkd_status load(vkd_method *method, vkd_program *program, const char *name, const vkd_options *options)
{
    vkd_context *context = &method->context;
    const vkd_container_method *from = find_method(&program->container, name);
    const vkd_container_step *call = NULL;
    if (!from)
        return vkd_fail(context, VKD_NOT_FOUND, "the program has no method '%s'", name);
    VKD_TRY(find_call(context, from, &call));
    const vkd_container_delegate *delegate = &from->delegates[call->index];
    if (strcmp(delegate->id, vkd_backend.id))
        return vkd_fail(context, VKD_UNSUPPORTED, "method '%s' is delegated to '%s', not to '%s'", name, delegate->id,
                        vkd_backend.id);
    VKD_TRY(check_wiring(context, from, call));

    vkd_options inner = options ? *options : (vkd_options){0};
    inner.error = context->error;
    inner.error_size = sizeof context->error;
    VKD_TRY(init_delegate(method, program, delegate, &inner));
    VKD_TRY(vkd_delegate_add_method_slot(method->delegate));
    VKD_TRY(make_tensors(method, from, call));
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
    vkd_status status = vkd_executor_submit(delegate->plan->executor, slot);
    if (status == VKD_OK)
        status = vkd_executor_wait(delegate->plan->executor, slot);
    method->has_run = status == VKD_OK;
    for (size_t i = 0; method->has_run && i < method->output_count; i++) {
        const method_tensor *output = &method->tensors[method->input_count + i];
        vkd_delegate_get_output(delegate, delegate->plan, slot, i, output->info.dtype, output->data);
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
