/* The .pte container: opens a program and finds what its methods consist of, in data files beside
 * it too. */
#include "backend/program.h"
#include "schema/named.h"

/* Bytes of a file, or the caller's where path is null. */
static vkd_status read_program(vkd_program *program, const char *path, const void *bytes,
                               size_t size)
{
    if (path) {
        VKD_TRY(vkd_file_open(&program->file, path, "program", &program->arena));
        bytes = program->file.memory;
        size = program->file.size;
    }
    program->context.file = path;
    vkd_status status = vkd_container_read(bytes, size, &program->arena, &program->container);
    program->context.file = NULL;
    return status;
}

static vkd_status open_program(const char *path, const void *bytes, size_t size,
                               const vkd_options *given, vkd_program **out)
{
    vkd_context context;
    vkd_options options;
    vkd_program *program = NULL;
    vkd_status status = vkd_options_read(&options, given, &context);
    if (out)
        *out = NULL;
    if (status == VKD_OK && (!out || (!path && !bytes)))
        status = vkd_fail(&context, VKD_INVALID_ARGUMENT,
                          "vkd_program_open: a null pointer for the %s", out ? "file" : "result");
    else if (status == VKD_OK && !(program = vkd_alloc(&context, 1, sizeof *program)))
        status = vkd_fail_memory(&context, "the program");
    else if (status == VKD_OK) {
        program->context = context;
        vkd_arena_init(&program->arena, &program->context);
        status = read_program(program, path, bytes, size);
        context = program->context;
    }
    vkd_context_report(&context, &options, status);
    if (status == VKD_OK)
        *out = program;
    else
        vkd_program_close(program);
    return status;
}

vkd_status vkd_program_open(const char *path, const vkd_options *options, vkd_program **out)
{
    return open_program(path, NULL, 0, options, out);
}

vkd_status vkd_program_open_bytes(const void *bytes, size_t size, const vkd_options *options,
                                  vkd_program **out)
{
    return open_program(NULL, bytes, size, options, out);
}

/* ----------------------------------------------------------------------------------- data files */

static vkd_status read_data(vkd_program *program, vkd_program_data *data, const char *path,
                            const void *bytes, size_t size)
{
    if (path) {
        VKD_TRY(vkd_file_open(&data->file, path, "data file", &program->arena));
        bytes = data->file.memory;
        size = data->file.size;
    }
    program->context.file = path;
    vkd_status status = vkd_data_file_read(bytes, size, &program->arena, &data->content);
    if (status == VKD_OK)
        status = vkd_container_add(&program->container, &program->context, &data->content);
    program->context.file = NULL;
    return status;
}

static vkd_status add_data(vkd_program *program, const char *path, const void *bytes, size_t size)
{
    if (!program)
        return VKD_INVALID_ARGUMENT;
    if (!path && !bytes)
        return vkd_fail(&program->context, VKD_INVALID_ARGUMENT,
                        "vkd_program_add_data: a null pointer for the file");
    vkd_program_data *data = vkd_arena_alloc(&program->arena, 1, sizeof *data);
    if (!data)
        return vkd_fail_memory(&program->context, "a data file");
    vkd_status status = read_data(program, data, path, bytes, size);
    if (status != VKD_OK) {
        vkd_file_close(&data->file);
        return status;
    }
    data->next = program->data;
    program->data = data;
    return VKD_OK;
}

vkd_status vkd_program_add_data(vkd_program *program, const char *path)
{
    return add_data(program, path, NULL, 0);
}

vkd_status vkd_program_add_data_bytes(vkd_program *program, const void *bytes, size_t size)
{
    return add_data(program, NULL, bytes, size);
}

/* ---------------------------------------------------------------------------------------- bytes */

vkd_status vkd_program_read(vkd_program *program)
{
    VKD_TRY(vkd_file_read(&program->file, &program->context));
    for (vkd_program_data *data = program->data; data; data = data->next)
        VKD_TRY(vkd_file_read(&data->file, &program->context));
    return VKD_OK;
}

void vkd_program_forget(vkd_program *program)
{
    vkd_file_forget(&program->file);
    for (vkd_program_data *data = program->data; data; data = data->next)
        vkd_file_forget(&data->file);
}

size_t vkd_program_held(const vkd_program *program)
{
    size_t bytes = program->file.size;
    for (const vkd_program_data *data = program->data; data; data = data->next)
        bytes += data->file.size;
    return bytes;
}

/* ---------------------------------------------------------------------------------------- close */

void vkd_program_close(vkd_program *program)
{
    if (!program)
        return;
    for (vkd_program_data *data = program->data; data; data = data->next)
        vkd_file_close(&data->file);
    vkd_file_close(&program->file);
    vkd_arena_release(&program->arena);
    vkd_context context = program->context;
    vkd_free(&context, program);
}

const char *vkd_program_error(const vkd_program *program)
{
    return program ? program->context.error : "";
}

size_t vkd_program_method_count(const vkd_program *program)
{
    return program ? program->container.method_count : 0;
}

const char *vkd_program_method_name(const vkd_program *program, size_t index)
{
    return index < vkd_program_method_count(program) ? program->container.methods[index].name
                                                     : NULL;
}
