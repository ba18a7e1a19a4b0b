#include "backend/convert.h"
#include "runtime/base/element.h"

#include <string.h>

bool vkd_convertible(vkd_dtype host, vkd_dtype device)
{
    return host == device || (device == VKD_DTYPE_INT32 && host == VKD_DTYPE_INT64) ||
           (device == VKD_DTYPE_FLOAT32 &&
            (host == VKD_DTYPE_FLOAT64 || host == VKD_DTYPE_FLOAT16)) ||
           (device == VKD_DTYPE_FLOAT16 &&
            (host == VKD_DTYPE_FLOAT32 || host == VKD_DTYPE_FLOAT64));
}

/* memcpy for each element: the caller's memory may have any alignment. */
#define CONVERT(from, to, expression)                                                              \
    for (size_t i = 0; i < count; i++) {                                                           \
        from value;                                                                                \
        memcpy(&value, (const from *)src + i, sizeof value);                                       \
        to result = (expression);                                                                  \
        memcpy((to *)dst + i, &result, sizeof result);                                             \
    }

void vkd_convert_in(vkd_dtype host, const void *src, vkd_dtype device, void *dst, size_t count)
{
    if (host == device)
        memcpy(dst, src, count * vkd_dtype_size(host));
    else if (host == VKD_DTYPE_INT64)
        CONVERT(int64_t, int32_t, (int32_t)(uint32_t)(uint64_t)value)
    else if (device == VKD_DTYPE_FLOAT16 && host == VKD_DTYPE_FLOAT64)
        CONVERT(double, uint16_t, vkd_float_to_half((float)value))
    else if (device == VKD_DTYPE_FLOAT16)
        CONVERT(float, uint16_t, vkd_float_to_half(value))
    else if (host == VKD_DTYPE_FLOAT64)
        CONVERT(double, float, (float)value)
    else
        CONVERT(uint16_t, float, vkd_half_to_float(value))
}

void vkd_convert_out(vkd_dtype device, const void *src, vkd_dtype host, void *dst, size_t count)
{
    if (host == device)
        memcpy(dst, src, count * vkd_dtype_size(host));
    else if (host == VKD_DTYPE_INT64)
        CONVERT(int32_t, int64_t, value)
    else if (device == VKD_DTYPE_FLOAT16 && host == VKD_DTYPE_FLOAT64)
        CONVERT(uint16_t, double, (double)vkd_half_to_float(value))
    else if (device == VKD_DTYPE_FLOAT16)
        CONVERT(uint16_t, float, vkd_half_to_float(value))
    else if (host == VKD_DTYPE_FLOAT64)
        CONVERT(float, double, (double)value)
    else
        CONVERT(float, uint16_t, vkd_float_to_half(value))
}

/* ---------------------------------------------------------------------------------------- order */

void vkd_border_init(vkd_border *border, uint32_t rank, const uint32_t *dims, const uint8_t *order)
{
    size_t stride = 1, plain = 1;
    *border = (vkd_border){.rank = rank, .row_major = true};
    for (uint32_t i = rank; i-- > 0;) {
        const uint32_t dim = order ? order[i] : i;
        border->dims[i] = dims[i];
        border->order[i] = (uint8_t)dim;
        border->strides[dim] = stride;
        stride *= dims[dim];
    }
    for (uint32_t i = rank; i-- > 0; plain *= dims[i])
        border->row_major &= dims[i] == 1 || border->strides[i] == plain;
    border->count = plain;
}

/* Where a row of the last dim begins in the caller's memory, by its number in row-major order. */
static size_t row_offset(const vkd_border *border, size_t row)
{
    size_t offset = 0;
    for (uint32_t i = border->rank - 1; i-- > 0; row /= border->dims[i])
        offset += row % border->dims[i] * border->strides[i];
    return offset;
}

/* Elements of so many bytes; each step is 1 or the border's stride. */
static void copy_elements(size_t size, const unsigned char *src, size_t src_step,
                          unsigned char *dst, size_t dst_step, size_t count)
{
#define COPY(bytes)                                                                                \
    case bytes:                                                                                    \
        for (size_t i = 0; i < count; i++)                                                         \
            memcpy(dst + i * dst_step * bytes, src + i * src_step * bytes, bytes);                 \
        break;
    switch (size) {
        COPY(1)
        COPY(2)
        COPY(4)
        COPY(8)
    }
#undef COPY
}

/* Elements of one row: their number with us, their place in the caller's memory, how many. */
typedef struct row_part {
    size_t at, place, count;
} row_part;

enum { PART_ELEMENTS = 64, PART_BYTES = PART_ELEMENTS * 8 };

/* The part that begins at part->at; false at the end. */
static bool find_part(const vkd_border *border, row_part *part)
{
    if (part->at >= border->count)
        return false;
    const size_t length = border->dims[border->rank - 1], in_row = part->at % length,
                 rest = length - in_row;
    part->place =
        row_offset(border, part->at / length) + in_row * border->strides[border->rank - 1];
    part->count = rest < PART_ELEMENTS ? rest : PART_ELEMENTS;
    return true;
}

void vkd_border_in(const vkd_border *border, vkd_dtype host, const void *src, vkd_dtype device,
                   void *dst)
{
    const size_t size = vkd_dtype_size(host),
                 step = border->rank ? border->strides[border->rank - 1] : 1;
    unsigned char row[PART_BYTES];
    if (border->row_major) {
        vkd_convert_in(host, src, device, dst, border->count);
        return;
    }
    for (row_part p = {0}; find_part(border, &p); p.at += p.count) {
        copy_elements(size, (const unsigned char *)src + p.place * size, step, row, 1, p.count);
        vkd_convert_in(host, row, device, (unsigned char *)dst + p.at * vkd_dtype_size(device),
                       p.count);
    }
}

void vkd_border_out(const vkd_border *border, vkd_dtype device, const void *src, vkd_dtype host,
                    void *dst)
{
    const size_t size = vkd_dtype_size(host),
                 step = border->rank ? border->strides[border->rank - 1] : 1;
    unsigned char row[PART_BYTES];
    if (border->row_major) {
        vkd_convert_out(device, src, host, dst, border->count);
        return;
    }
    for (row_part p = {0}; find_part(border, &p); p.at += p.count) {
        vkd_convert_out(device, (const unsigned char *)src + p.at * vkd_dtype_size(device), host,
                        row, p.count);
        copy_elements(size, row, 1, (unsigned char *)dst + p.place * size, step, p.count);
    }
}
