#include "runner/tensor.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/file.h"

static bool is_row_major(const vkd_tensor_info *info)
{
    for (uint32_t i = 0; i < info->rank; i++)
        if (info->dim_order[i] != i)
            return false;
    return true;
}

char *run_tensor_shape(const vkd_tensor_info *info, char *text, size_t size)
{
    size_t used = 0;
    snprintf(text, size, "scalar");
    for (uint32_t i = 0; i < info->rank && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%" PRId64, i ? "x" : "", info->dims[i]);
    for (uint32_t i = 0; !is_row_major(info) && i < info->rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%d", i ? "," : " in the order ",
                                 info->dim_order[i]);
    return text;
}

static bool is_float(vkd_dtype dtype)
{
    return dtype == VKD_DTYPE_FLOAT16 || dtype == VKD_DTYPE_FLOAT32 || dtype == VKD_DTYPE_FLOAT64;
}

static bool is_wide_int(vkd_dtype dtype)
{
    return dtype == VKD_DTYPE_INT32 || dtype == VKD_DTYPE_INT64;
}

vkd_dtype run_tensor_dtype(const char *path, vkd_dtype declared)
{
    static const struct {
        const char *end;
        vkd_dtype dtype;
    } types[] = {{".f32", VKD_DTYPE_FLOAT32},
                 {".f16", VKD_DTYPE_FLOAT16},
                 {".i64", VKD_DTYPE_INT64},
                 {".i32", VKD_DTYPE_INT32}};
    const char *end = strrchr(path, '.');
    for (size_t i = 0; end && i < sizeof types / sizeof *types; i++)
        if (!strcmp(end, types[i].end) &&
            (is_float(declared) ? is_float(types[i].dtype)
                                : is_wide_int(declared) && is_wide_int(types[i].dtype)))
            return types[i].dtype;
    return declared;
}

run_exit run_tensor_parse_shape(const char *text, int64_t dims[VKD_MAX_RANK], uint32_t *out_rank)
{
    const char *at = text;
    uint32_t rank = 0;
    while (*at && rank < VKD_MAX_RANK) {
        char *end;
        errno = 0;
        dims[rank] = strtoll(at, &end, 10);
        if (end == at || errno || dims[rank] < 0 || (*end && (*end != 'x' || !end[1])))
            break;
        rank++;
        at = *end ? end + 1 : end;
    }
    *out_rank = rank;
    return *at ? run_fail(RUN_USAGE, "--shape: '%s' is not up to %d sizes with an x between them",
                          text, VKD_MAX_RANK)
               : RUN_OK;
}

run_exit run_tensor_resize(vkd_tensor_info *info, uint32_t rank, const int64_t *dims,
                           size_t element_size)
{
    if (rank > VKD_MAX_RANK)
        return run_fail(RUN_USAGE, "a tensor of %u dims, there can be %d", rank, VKD_MAX_RANK);
    info->rank = rank;
    info->size = element_size;
    for (uint32_t i = 0; i < rank; i++) {
        info->dims[i] = dims[i];
        if (__builtin_mul_overflow(info->size, (size_t)dims[i], &info->size))
            return run_fail(RUN_USAGE, "a tensor with more elements than fit into memory");
    }
    return RUN_OK;
}

run_exit run_tensor_arrange(const vkd_tensor_info *info, size_t element_size, void *data,
                            bool to_rows)
{
    size_t strides[VKD_MAX_RANK], count = 1;
    if (is_row_major(info))
        return RUN_OK;
    for (uint32_t i = info->rank; i-- > 0; count *= (size_t)info->dims[info->dim_order[i]])
        strides[info->dim_order[i]] = count;
    char *arranged = malloc(count * element_size + 1);
    if (!arranged)
        return run_fail_memory();
    for (size_t k = 0; k < count; k++) {
        size_t rest = k, place = 0;
        for (uint32_t i = info->rank; i-- > 0; rest /= (size_t)info->dims[i])
            place += rest % (size_t)info->dims[i] * strides[i];
        const size_t from = to_rows ? place : k, to = to_rows ? k : place;
        memcpy(arranged + to * element_size, (const char *)data + from * element_size,
               element_size);
    }
    memcpy(data, arranged, count * element_size);
    free(arranged);
    return RUN_OK;
}

static run_exit fail_size(const char *path, FILE *file, size_t got, const vkd_tensor_info *info,
                          const char *name, const char *dtype_name)
{
    char shape[RUN_SHAPE_SIZE];
    struct stat status;
    bool regular = !fstat(fileno(file), &status) && S_ISREG(status.st_mode);
    uintmax_t size = regular ? (uintmax_t)status.st_size : got;
    return run_fail(RUN_USAGE,
                    "%s: has %s%" PRIuMAX " bytes, but %s is %s %s and needs exactly %zu",
                    run_file_name(path), !regular && got > info->size ? "at least " : "", size,
                    name, dtype_name, run_tensor_shape(info, shape, sizeof shape), info->size);
}

run_exit run_tensor_read(const char *path, const vkd_tensor_info *info, const char *name,
                         const char *dtype_name, void **out)
{
    run_exit result = RUN_OK;
    FILE *file = run_file_open(path);
    if (!file)
        return run_fail(RUN_IO, "%s: %s", path, strerror(errno));
    char *data = malloc(info->size + 1); /* one more, to see whether the file goes on */
    if (!data) {
        fclose(file);
        return run_fail_memory();
    }
    size_t got = fread(data, 1, info->size + 1, file);
    if (ferror(file))
        result = run_fail(RUN_IO, "%s: %s", run_file_name(path), strerror(errno));
    else if (got != info->size)
        result = fail_size(path, file, got, info, name, dtype_name);
    fclose(file);
    if (result)
        free(data);
    else
        *out = data;
    return result;
}

static bool write_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        size -= (size_t)written;
    }
    return true;
}

static run_exit write_special(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return run_fail(RUN_IO, "%s: %s", path, strerror(errno));
    bool written = fwrite(data, 1, size, file) == size;
    if (fclose(file) || !written)
        return run_fail(RUN_IO, "%s: %s", path, strerror(errno));
    return RUN_OK;
}

/* mkstemp makes private files; the result should have the mode of the file it replaces, or the one
 * any new file gets. */
static mode_t result_mode(bool exists, const struct stat *status)
{
    mode_t mask = umask(0);
    umask(mask);
    return exists ? status->st_mode & 0777 : 0666 & ~mask;
}

static run_exit write_regular(const char *path, mode_t mode, const void *data, size_t size)
{
    char temporary[PATH_MAX];
    if ((size_t)snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) >= sizeof temporary)
        return run_fail(RUN_IO, "%s: %s", path, strerror(ENAMETOOLONG));
    int fd = mkstemp(temporary);
    if (fd < 0)
        return run_fail(RUN_IO, "%s: cannot create a file beside it: %s", path, strerror(errno));
    bool good = write_all(fd, data, size) && !fchmod(fd, mode);
    int error = errno;
    if (close(fd) && good) {
        good = false;
        error = errno;
    }
    if (good && rename(temporary, path)) {
        good = false;
        error = errno;
    }
    if (good)
        return RUN_OK;
    unlink(temporary);
    return run_fail(RUN_IO, "%s: %s", path, strerror(error));
}

run_exit run_tensor_write(const char *path, const void *data, size_t size)
{
    struct stat status;
    if (run_file_is_standard(path)) /* what fails shows when the stream is closed */
        return fwrite(data, 1, size, run_result_stream()) == size
                   ? RUN_OK
                   : run_fail(RUN_IO, "standard output: %s", strerror(errno));
    bool exists = !stat(path, &status);
    if (exists && !S_ISREG(status.st_mode))
        return write_special(path, data, size);
    /* through links: they stay, the file behind them is replaced */
    char *target = exists ? realpath(path, NULL) : NULL;
    run_exit result =
        write_regular(target ? target : path, result_mode(exists, &status), data, size);
    free(target);
    return result;
}

char *run_tensor_output_path(const char *path, size_t index, size_t count, size_t step,
                             size_t steps)
{
    const char *name = strrchr(path, '/');
    const char *dot = strrchr(name ? name : path, '.');
    size_t stem = dot ? (size_t)(dot - path) : strlen(path);
    size_t size = strlen(path) + 48;
    char *result = malloc(size), which[24] = "", when[24] = "";
    if (count > 1)
        snprintf(which, sizeof which, ".%zu", index);
    if (steps > 1)
        snprintf(when, sizeof when, ".s%zu", step);
    if (result)
        snprintf(result, size, "%.*s%s%s%s", (int)stem, path, which, when, path + stem);
    return result;
}

static double half_value(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    double mantissa = bits & 1023;
    double value;
    if (exponent == 31)
        value = mantissa != 0 ? NAN : INFINITY;
    else
        value = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return bits & 0x8000 ? -value : value;
}

double run_tensor_value(vkd_dtype dtype, const void *data, size_t index)
{
    switch (dtype) {
    case VKD_DTYPE_BOOL:
    case VKD_DTYPE_UINT8:
        return ((const uint8_t *)data)[index];
    case VKD_DTYPE_INT8:
        return ((const int8_t *)data)[index];
    case VKD_DTYPE_INT32:
        return ((const int32_t *)data)[index];
    case VKD_DTYPE_FLOAT16:
        return half_value(((const uint16_t *)data)[index]);
    case VKD_DTYPE_FLOAT32:
        return (double)((const float *)data)[index];
    case VKD_DTYPE_FLOAT64:
        return ((const double *)data)[index];
    case VKD_DTYPE_INT64:
        return (double)((const int64_t *)data)[index];
    case VKD_DTYPE_COUNT:
        break;
    }
    return NAN;
}

void run_tensor_fill(vkd_dtype dtype, void *data, size_t count)
{
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        /* Numerical Recipes' linear congruential generator */
        state = state * 1664525u + 1013904223u;
        float value = (float)(state >> 8) / (float)(1 << 23) - 1;
        switch (dtype) {
        case VKD_DTYPE_FLOAT32:
            ((float *)data)[i] = value;
            break;
        case VKD_DTYPE_FLOAT64:
            ((double *)data)[i] = (double)value;
            break;
        case VKD_DTYPE_FLOAT16: /* 2^-1 to 1 with a sign: the exponent 14 and any mantissa */
            ((uint16_t *)data)[i] = (uint16_t)((state >> 16 & 0x83ff) | 14 << 10);
            break;
        case VKD_DTYPE_UINT8:
        case VKD_DTYPE_INT8:
            ((uint8_t *)data)[i] = (uint8_t)(state >> 24);
            break;
        case VKD_DTYPE_BOOL:
            ((uint8_t *)data)[i] = state >> 31;
            break;
        case VKD_DTYPE_INT32:
            ((int32_t *)data)[i] = 0;
            break;
        case VKD_DTYPE_INT64:
            ((int64_t *)data)[i] = 0;
            break;
        case VKD_DTYPE_COUNT:
            break;
        }
    }
}
