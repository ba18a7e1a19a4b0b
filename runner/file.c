#include "runner/file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool run_file_is_standard(const char *path) { return path && !strcmp(path, "-"); }

const char *run_file_name(const char *path)
{
    return run_file_is_standard(path) ? "standard input" : path;
}

FILE *run_file_open(const char *path)
{
    return run_file_is_standard(path) ? stdin : fopen(path, "rb");
}

/* What a regular file will take, so that reading need not copy again and again; else a start. */
static size_t first_capacity(FILE *file)
{
    enum { START = 4096 };
    struct stat status;
    bool known = !fstat(fileno(file), &status) && S_ISREG(status.st_mode) &&
                 (uintmax_t)status.st_size < SIZE_MAX / 2;
    return known ? (size_t)status.st_size + 2 : START;
}

/* One that may never end: /dev/zero. A terminal does. */
static bool is_device(FILE *file)
{
    struct stat status;
    return !fstat(fileno(file), &status) && (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) &&
           !isatty(fileno(file));
}

/* One byte of the capacity is left for the zero. Null without memory. */
static char *read_all(FILE *file, size_t *out_size)
{
    size_t capacity = first_capacity(file), used = 0;
    char *bytes = malloc(capacity);
    for (size_t got; bytes && (got = fread(bytes + used, 1, capacity - used - 1, file)) > 0;) {
        used += got;
        if (used + 1 < capacity)
            continue;
        char *larger = capacity <= SIZE_MAX / 2 ? realloc(bytes, capacity *= 2) : NULL;
        if (!larger)
            free(bytes);
        bytes = larger;
    }
    if (bytes)
        bytes[used] = 0;
    *out_size = used;
    return bytes;
}

run_exit run_file_read(const char *path, char **out, size_t *out_size)
{
    size_t size;
    FILE *file = run_file_open(path);
    if (!file)
        return run_fail(RUN_IO, "%s: %s", path, strerror(errno));
    if (is_device(file)) {
        fclose(file);
        return run_fail(RUN_IO, "%s: a device, not a file", run_file_name(path));
    }
    char *bytes = read_all(file, &size);
    int error = ferror(file) ? errno : 0;
    fclose(file);
    if (bytes && !error) {
        *out = bytes;
        if (out_size)
            *out_size = size;
        return RUN_OK;
    }
    free(bytes);
    return error ? run_fail(RUN_IO, "%s: %s", run_file_name(path), strerror(error))
                 : run_fail_memory();
}

static FILE *reserved;

bool run_result_reserve(void)
{
    fflush(stdout);
    int result = dup(STDOUT_FILENO);
    reserved = result >= 0 ? fdopen(result, "wb") : NULL;
    return reserved && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0;
}

FILE *run_result_stream(void) { return reserved ? reserved : stdout; }
