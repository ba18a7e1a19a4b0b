/* The .pte container: opens a program and finds what its methods consist of. */
#include "backend/program.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file is read, not mapped: what another process does to it meanwhile must be an error at most, and a mapped file that is cut
 * short ends the process. Its memory is mapped so that the pages can be given back while pointers into them stay. */
static vkd_status reserve(vkd_program *program, const char *path)
{
    vkd_context *context = &program->context;
    struct stat info;
    if (fstat(program->file, &info) != 0)
        return vkd_fail(context, VKD_IO_ERROR, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return vkd_fail(context, VKD_IO_ERROR, "%s: not a regular file", path);
    if (info.st_size <= 0 || (uint64_t)info.st_size > SIZE_MAX)
        return vkd_fail(context, VKD_INVALID_MODEL, "%s: %lld bytes are no program", path, (long long)info.st_size);
    const size_t size = (size_t)info.st_size;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return vkd_fail(context, VKD_OUT_OF_MEMORY, "%s: no memory for its %zu bytes", path, size);
#ifdef MADV_HUGEPAGE
    madvise(memory, size, MADV_HUGEPAGE); /* a third of the time, most of which is page faults */
#endif
    program->bytes = program->memory = memory;
    program->size = size;
    return VKD_OK;
}

vkd_status vkd_program_read(vkd_program *program)
{
    if (!program->path || program->is_read)
        return VKD_OK;
    for (size_t done = 0; done < program->size;) {
        ssize_t got = pread(program->file, (char *)program->memory + done, program->size - done, (off_t)done);
        if (got == 0)
            return vkd_fail(&program->context, VKD_IO_ERROR,
                            "%s: it ends after %zu of %zu bytes: it was cut short since it was opened", program->path, done,
                            program->size);
        if (got < 0 && errno != EINTR)
            return vkd_fail(&program->context, VKD_IO_ERROR, "%s: %s", program->path, strerror(errno));
        done += got > 0 ? (size_t)got : 0;
    }
    program->is_read = true;
    return VKD_OK;
}

void vkd_program_forget(vkd_program *program)
{
    if (program->path)
        program->is_read = madvise(program->memory, program->size, MADV_DONTNEED) != 0;
}

static vkd_status open_file(vkd_program *program, const char *path)
{
    program->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO in the file's place must not hang us */
    if (program->file < 0)
        return vkd_fail(&program->context, VKD_IO_ERROR, "%s: %s", path, strerror(errno));
    VKD_TRY(reserve(program, path));
    program->path = vkd_arena_printf(&program->arena, "%s", path);
    return program->path ? vkd_program_read(program) : vkd_fail_memory(&program->context, "the program's path");
}

static vkd_status open_program(const char *path, const void *bytes, size_t size, const vkd_options *given, vkd_program **out)
{
    vkd_context context;
    vkd_options options;
    vkd_program *program = NULL;
    vkd_status status = vkd_options_read(&options, given, &context);
    if (out)
        *out = NULL;
    if (status == VKD_OK && (!out || (!path && !bytes)))
        status =
            vkd_fail(&context, VKD_INVALID_ARGUMENT, "vkd_program_open: a null pointer for the %s", out ? "file" : "result");
    else if (status == VKD_OK && !(program = vkd_alloc(&context, 1, sizeof *program)))
        status = vkd_fail_memory(&context, "the program");
    else if (status == VKD_OK) {
        program->context = context;
        program->bytes = bytes;
        program->size = size;
        program->file = -1;
        vkd_arena_init(&program->arena, &program->context);
        if (path)
            status = open_file(program, path);
        program->context.file = path;
        if (status == VKD_OK)
            status = vkd_container_read(program->bytes, program->size, &program->arena, &program->container);
        program->context.file = NULL;
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

vkd_status vkd_program_open_bytes(const void *bytes, size_t size, const vkd_options *options, vkd_program **out)
{
    return open_program(NULL, bytes, size, options, out);
}

void vkd_program_close(vkd_program *program)
{
    if (!program)
        return;
    if (program->memory)
        munmap(program->memory, program->size);
    if (program->file >= 0)
        close(program->file);
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
