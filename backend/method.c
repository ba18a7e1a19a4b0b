/* One method of a program, ready to run: a delegate for all of it. */
#include "backend/delegate.h"
#include "backend/program.h"
#include "schema/inline.h"

#include <stdio.h>
#include <string.h>

struct vkd_method {
    vkd_context context;
    vkd_arena arena;
    vkd_delegate *delegate;
    size_t input_count, output_count;
    vkd_tensor_info *infos; /* inputs, then outputs: the order of the delegate's arguments */
};

static const vkd_container_method *find_method(const vkd_container *container, const char *name)
{
    for (size_t i = 0; i < container->method_count; i++)
        if (!strcmp(container->methods[i].name, name))
            return &container->methods[i];
    return NULL;
}

/* ----------------------------------------------------------------------------------------- load */

typedef struct method_source {
    const vkd_container *container;
    const vkd_container_method *method;
} method_source;

static vkd_status read_method(const void *user, const vkd_named_data *named_data, vkd_arena *arena,
                              vkd_model *out, vkd_wishes *wishes)
{
    const method_source *source = user;
    (void)named_data; /* the container has it */
    for (size_t i = 0; i < source->method->delegate_count; i++) {
        const vkd_container_delegate *delegate = &source->method->delegates[i];
        VKD_TRY(vkd_read_specs(arena->context, delegate->specs, delegate->spec_count, wishes));
    }
    return vkd_inline_method(source->container, source->method, vkd_backend.id, arena, out);
}

/* An int is an int64 without dims. */
static void describe(const vkd_container_method *from, uint32_t value, vkd_tensor_info *out)
{
    static const vkd_model_tensor integer = {.dtype = VKD_DTYPE_INT64, .size = sizeof(int64_t)};
    const vkd_container_value *v = &from->values[value];
    const vkd_model_tensor *tensor =
        v->value.kind == VKD_VALUE_TENSOR ? &v->value.tensor : &integer;
    *out = (vkd_tensor_info){.dtype = tensor->dtype, .rank = tensor->rank, .size = tensor->size};
    memcpy(out->dim_order, v->dim_order, sizeof out->dim_order);
    for (uint32_t i = 0; i < tensor->rank; i++)
        out->dims[i] = tensor->dims[i];
}

static vkd_status describe_all(vkd_method *method, const vkd_container_method *from)
{
    method->input_count = from->input_count;
    method->output_count = from->output_count;
    method->infos = vkd_arena_alloc(&method->arena, from->input_count + from->output_count,
                                    sizeof *method->infos);
    if (!method->infos)
        return vkd_fail_memory(&method->context, "the method's inputs and outputs");
    for (size_t i = 0; i < from->input_count; i++)
        describe(from, from->inputs[i], &method->infos[i]);
    for (size_t i = 0; i < from->output_count; i++)
        describe(from, from->outputs[i], &method->infos[from->input_count + i]);
    return VKD_OK;
}

/* What comes as bytes is what the delegate says of it. */
static vkd_status describe_pixels(vkd_method *method, const vkd_options *options)
{
    for (size_t i = 0; i < options->pixel_count; i++) {
        vkd_pixels pixels;
        vkd_struct_read(&pixels, sizeof pixels, options->pixels, i); /* vkd_init has checked it */
        VKD_TRY(vkd_input_info(method->delegate, pixels.input, &method->infos[pixels.input]));
    }
    return VKD_OK;
}

/* Inputs and outputs have the program's shapes in the model, and elements of that kind; whether the
 * host can convert them would only show at the first execution. The order of the bytes is the
 * program's alone. */
static vkd_status adapt_delegate(vkd_method *method, const char *name)
{
    for (size_t i = 0; i < method->input_count + method->output_count; i++) {
        bool is_input = i < method->input_count;
        size_t index = is_input ? i : i - method->input_count;
        vkd_dtype declared = method->infos[i].dtype;
        vkd_tensor_info info;
        VKD_TRY(is_input ? vkd_input_info(method->delegate, index, &info)
                         : vkd_output_info(method->delegate, index, &info));
        if (!vkd_convertible(declared, info.dtype))
            return vkd_fail(&method->context, VKD_UNSUPPORTED,
                            "method '%s': %s %zu is %s, and %s on the device", name,
                            is_input ? "input" : "output", index, vkd_dtype_name(declared),
                            vkd_dtype_name(info.dtype));
        vkd_delegate_set_order(method->delegate, i, method->infos[i].dim_order);
    }
    return VKD_OK;
}

static vkd_status hold_file(void *user) { return vkd_program_read(user); }

static void release_file(void *user) { vkd_program_forget(user); }

static vkd_status init_delegate(vkd_method *method, vkd_program *program,
                                const method_source *source, const vkd_options *options)
{
    vkd_status status = vkd_program_read(program);
    if (status != VKD_OK)
        memcpy(method->context.error, program->context.error, sizeof method->context.error);
    else
        status =
            vkd_delegate_create(&(vkd_source){read_method, source}, options, &method->delegate);
    /* Other shapes may need constants packed in other ways. */
    if (status == VKD_OK)
        vkd_residents_bytes_come_from(method->delegate->residents,
                                      &(vkd_constant_bytes){hold_file, release_file, program});
    if (status == VKD_OK)
        method->delegate->host_peak += vkd_program_held(program);
    vkd_program_forget(program);
    return status;
}

static vkd_status no_such_method(vkd_context *context, const vkd_container *container,
                                 const char *name)
{
    char names[256] = "none";
    for (size_t i = 0, used = 0; i < container->method_count && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s'%s'", i ? ", " : "",
                                 container->methods[i].name);
    return vkd_fail(context, VKD_NOT_FOUND, "the program has no method '%.64s': there is %s", name,
                    names);
}

static vkd_status load(vkd_method *method, vkd_program *program, const char *name,
                       const vkd_options *options)
{
    vkd_context *context = &method->context;
    const method_source source = {&program->container, find_method(&program->container, name)};
    if (!source.method)
        return no_such_method(context, &program->container, name);
    vkd_options inner = *options;
    inner.error = context->error;
    inner.error_size = sizeof context->error;
    VKD_TRY(init_delegate(method, program, &source, &inner));
    VKD_TRY(describe_all(method, source.method));
    VKD_TRY(describe_pixels(method, options));
    return adapt_delegate(method, name);
}

vkd_status vkd_method_load(vkd_program *program, const char *name, const vkd_options *given,
                           vkd_method **out)
{
    vkd_context context;
    vkd_options options;
    vkd_method *method = NULL;
    vkd_status status = vkd_options_read(&options, given, &context);
    if (out)
        *out = NULL;
    if (status == VKD_OK && (!program || !out))
        status = vkd_fail(&context, VKD_INVALID_ARGUMENT,
                          "vkd_method_load: a null pointer for the %s", out ? "program" : "result");
    else if (status == VKD_OK && !(method = vkd_alloc(&context, 1, sizeof *method)))
        status = vkd_fail_memory(&context, "the method");
    else if (status == VKD_OK) {
        method->context = context;
        vkd_arena_init(&method->arena, &method->context);
        status = load(method, program, name ? name : "forward", &options);
        context = method->context;
    }
    vkd_context_report(&context, &options, status);
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

const char *vkd_method_error(const vkd_method *method)
{
    return method ? method->context.error : "";
}

vkd_delegate *vkd_method_delegate(vkd_method *method) { return method ? method->delegate : NULL; }

/* ------------------------------------------------------------------------------------------ use */

size_t vkd_method_input_count(const vkd_method *method) { return method ? method->input_count : 0; }

size_t vkd_method_output_count(const vkd_method *method)
{
    return method ? method->output_count : 0;
}

vkd_status vkd_method_input_info(const vkd_method *method, size_t index, vkd_tensor_info *out)
{
    if (!method || !out)
        return VKD_INVALID_ARGUMENT;
    if (index >= method->input_count)
        return VKD_NOT_FOUND;
    *out = method->infos[index];
    return VKD_OK;
}

vkd_status vkd_method_output_info(const vkd_method *method, size_t index, vkd_tensor_info *out)
{
    if (!method || !out)
        return VKD_INVALID_ARGUMENT;
    if (index >= method->output_count)
        return VKD_NOT_FOUND;
    *out = method->infos[method->input_count + index];
    return VKD_OK;
}

/* A failure of the delegate becomes one of the method. */
static vkd_status pass_on(vkd_method *method, vkd_status status)
{
    if (status != VKD_OK)
        snprintf(method->context.error, sizeof method->context.error, "%s",
                 vkd_last_error(method->delegate));
    return status;
}

vkd_status vkd_method_submit(vkd_method *method, vkd_tensor_arg *args, size_t count,
                             uint64_t *out_ticket)
{
    return method ? pass_on(method, vkd_submit(method->delegate, args, count, out_ticket))
                  : VKD_INVALID_ARGUMENT;
}

vkd_status vkd_method_wait(vkd_method *method, uint64_t ticket)
{
    return method ? pass_on(method, vkd_wait(method->delegate, ticket)) : VKD_INVALID_ARGUMENT;
}

vkd_status vkd_method_execute(vkd_method *method, vkd_tensor_arg *args, size_t count)
{
    return method ? pass_on(method, vkd_execute(method->delegate, args, count))
                  : VKD_INVALID_ARGUMENT;
}
