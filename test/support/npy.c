#include "support/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *descr;
    vkd_dtype dtype;
} descriptions[] = {
    {"|b1", VKD_DTYPE_BOOL},    {"|u1", VKD_DTYPE_UINT8},   {"|i1", VKD_DTYPE_INT8},
    {"<i4", VKD_DTYPE_INT32},   {"<f2", VKD_DTYPE_FLOAT16}, {"<f4", VKD_DTYPE_FLOAT32},
    {"<f8", VKD_DTYPE_FLOAT64}, {"<i8", VKD_DTYPE_INT64},
};

/* What follows 'key': in the header's dictionary, null if the key is not there. */
static const char *find_key(const char *header, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "'%s':", key);
    const char *at = strstr(header, quoted);
    return at ? at + strlen(quoted) + strspn(at + strlen(quoted), " ") : NULL;
}

static const char *parse_dtype(const char *header, npy_array *out)
{
    const char *descr = find_key(header, "descr");
    for (size_t i = 0; descr && i < sizeof descriptions / sizeof descriptions[0]; i++)
        if (!strncmp(descr + 1, descriptions[i].descr, 3)) {
            out->dtype = descriptions[i].dtype;
            return NULL;
        }
    return "another element type";
}

/* "(1, 3, 8, 8)", "(5,)", "()" */
static const char *parse_shape(const char *header, npy_array *out)
{
    const char *text = find_key(header, "shape");
    size_t count = 1;
    if (!text || *text++ != '(')
        return "no shape";
    for (;;) {
        text += strspn(text, ", ");
        if (*text == ')')
            break;
        char *end;
        unsigned long dim = strtoul(text, &end, 10);
        if (end == text || out->rank == VKD_MAX_RANK || dim > UINT32_MAX ||
            (dim && count > SIZE_MAX / 8 / dim))
            return "a shape that is not understood";
        out->dims[out->rank++] = (uint32_t)dim;
        count *= dim;
        text = end;
    }
    out->size = count * vkd_dtype_size(out->dtype);
    return NULL;
}

static const char *read_array(FILE *file, npy_array *out)
{
    unsigned char start[10];
    char header[1024];
    if (fread(start, 1, sizeof start, file) != sizeof start || memcmp(start, "\x93NUMPY\x01", 7))
        return "not a .npy file of version 1";
    size_t length = start[8] | (size_t)start[9] << 8;
    if (length >= sizeof header || fread(header, 1, length, file) != length)
        return "a header that is cut off";
    header[length] = 0;
    const char *order = find_key(header, "fortran_order");
    const char *fault = parse_dtype(header, out);
    if (!fault)
        fault = parse_shape(header, out);
    if (!fault && (!order || strncmp(order, "False", 5)))
        fault = "not in row-major order";
    if (fault)
        return fault;
    out->data = malloc(out->size ? out->size : 1);
    if (!out->data)
        return "larger than memory";
    return fread(out->data, 1, out->size, file) == out->size ? NULL : "data that is cut off";
}

const char *npy_read(const char *path, npy_array *out)
{
    *out = (npy_array){0};
    FILE *file = fopen(path, "rb");
    if (!file)
        return "cannot be opened";
    const char *fault = read_array(file, out);
    fclose(file);
    if (fault)
        npy_free(out);
    return fault;
}

void npy_free(npy_array *array)
{
    free(array->data);
    *array = (npy_array){0};
}
