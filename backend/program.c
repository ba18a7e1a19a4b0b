/* The .pte container: opens a program and finds what its methods consist of. */
#include "backend/program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static vkd_status map_file(vkd_context *context, const char *path, int file, void **out, size_t *out_size)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return vkd_fail(context, VKD_IO_ERROR, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return vkd_fail(context, VKD_IO_ERROR, "%s: not a regular file", path);
    if (info.st_size <= 0 || (uint64_t)info.st_size > SIZE_MAX)
        return vkd_fail(context, VKD_INVALID_MODEL, "%s: %lld bytes are no program", path, (long long)info.st_size);
    void *mapped = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapped == MAP_FAILED)
        return vkd_fail(context, VKD_IO_ERROR, "%s: cannot be mapped: %s", path, strerror(errno));
    *out = mapped;
    *out_size = (size_t)info.st_size;
    return VKD_OK;
}

static vkd_status open_file(vkd_program *program, const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return vkd_fail(&program->context, VKD_IO_ERROR, "%s: %s", path, strerror(errno));
    vkd_status status = map_file(&program->context, path, file, &program->mapped, &program->size);
    close(file);
    program->bytes = program->mapped;
    return status;
}

static vkd_status open_program(const char *path, const void *bytes, size_t size, const vkd_options *options, vkd_program **out)
{
    vkd_context context;
    vkd_context_init(&context, options);
    vkd_program *program = NULL;
    vkd_status status = VKD_OK;
    if (out)
        *out = NULL;
    if (!out || (!path && !bytes))
        status =
            vkd_fail(&context, VKD_INVALID_ARGUMENT, "vkd_program_open: a null pointer for the %s", out ? "file" : "result");
    else if (!(program = vkd_alloc(&context, 1, sizeof *program)))
        status = vkd_fail_memory(&context, "the program");
    else {
        program->context = context;
        program->bytes = bytes;
        program->size = size;
        vkd_arena_init(&program->arena, &program->context);
        if (path)
            status = open_file(program, path);
        if (status == VKD_OK)
            status = vkd_container_read(program->bytes, program->size, &program->arena, &program->container);
        context = program->context;
    }
    vkd_context_report(&context, options, status);
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

vkd_status vkd_program_open_bytes(const void *bytes, size_t size, const vkd_options *options, vkd_program **out)
{
    return open_program(NULL, bytes, size, options, out);
}

void vkd_program_close(vkd_program *program)
{
    if (!program)
        return;
    if (program->mapped)
        munmap(program->mapped, program->size);
    vkd_arena_release(&program->arena);
    vkd_context context = program->context;
    vkd_free(&context, program);
}

const char *vkd_program_error(const vkd_program *program) { return program ? program->context.error : ""; }

size_t vkd_program_method_count(const vkd_program *program) { return program ? program->container.method_count : 0; }

const char *vkd_program_method_name(const vkd_program *program, size_t index)
{
    return index < vkd_program_method_count(program) ? program->container.methods[index].name : NULL;
}
