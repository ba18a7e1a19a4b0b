#include "backend/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file is read, not mapped: what another process does to it meanwhile must be an error at most,
 * and a mapped file that is cut short ends the process. Its memory is mapped so that the pages can
 * be given back while pointers into them stay. */
static vkd_status reserve(vkd_file *file, const char *path, const char *what, vkd_context *context)
{
    struct stat info;
    if (fstat(file->descriptor, &info) != 0)
        return vkd_fail(context, VKD_IO_ERROR, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return vkd_fail(context, VKD_IO_ERROR, "%s: not a regular file", path);
    if (info.st_size <= 0 || (uint64_t)info.st_size > SIZE_MAX)
        return vkd_fail(context, VKD_INVALID_MODEL, "%s: %lld bytes are no %s", path,
                        (long long)info.st_size, what);
    const size_t size = (size_t)info.st_size;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return vkd_fail(context, VKD_OUT_OF_MEMORY, "%s: no memory for its %zu bytes", path, size);
#ifdef MADV_HUGEPAGE
    madvise(memory, size, MADV_HUGEPAGE); /* a third of the time, most of which is page faults */
#endif
    file->memory = memory;
    file->size = size;
    return VKD_OK;
}

vkd_status vkd_file_read(vkd_file *file, vkd_context *context)
{
    if (!file->path || file->is_read)
        return VKD_OK;
    for (size_t done = 0; done < file->size;) {
        ssize_t got =
            pread(file->descriptor, (char *)file->memory + done, file->size - done, (off_t)done);
        if (got == 0)
            return vkd_fail(
                context, VKD_IO_ERROR,
                "%s: it ends after %zu of %zu bytes: it was cut short since it was opened",
                file->path, done, file->size);
        if (got < 0 && errno != EINTR)
            return vkd_fail(context, VKD_IO_ERROR, "%s: %s", file->path, strerror(errno));
        done += got > 0 ? (size_t)got : 0;
    }
    file->is_read = true;
    return VKD_OK;
}

void vkd_file_forget(vkd_file *file)
{
    if (file->path)
        file->is_read = madvise(file->memory, file->size, MADV_DONTNEED) != 0;
}

vkd_status vkd_file_open(vkd_file *file, const char *path, const char *what, vkd_arena *arena)
{
    vkd_context *context = arena->context;
    *file = (vkd_file){0};
    const char *copy = vkd_arena_printf(arena, "%s", path);
    if (!copy)
        return vkd_fail_memory(context, "a file's path");
    /* a FIFO in the file's place must not hang us */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return vkd_fail(context, VKD_IO_ERROR, "%s: %s", path, strerror(errno));
    file->path = copy;
    file->descriptor = descriptor;
    VKD_TRY(reserve(file, path, what, context));
    return vkd_file_read(file, context);
}

void vkd_file_close(vkd_file *file)
{
    if (file->memory)
        munmap(file->memory, file->size);
    if (file->path)
        close(file->descriptor);
    *file = (vkd_file){0};
}
