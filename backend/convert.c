#include "backend/convert.h"
#include "runtime/element.h"

#include <string.h>

bool vkd_convertible(vkd_dtype host, vkd_dtype device)
{
    return host == device || (device == VKD_DTYPE_INT32 && host == VKD_DTYPE_INT64) ||
           (device == VKD_DTYPE_FLOAT32 && (host == VKD_DTYPE_FLOAT64 || host == VKD_DTYPE_FLOAT16)) ||
           (device == VKD_DTYPE_FLOAT16 && (host == VKD_DTYPE_FLOAT32 || host == VKD_DTYPE_FLOAT64));
}

/* memcpy for each element: the caller's memory may have any alignment. */
#define CONVERT(from, to, expression)                                                                                          \
    for (size_t i = 0; i < count; i++) {                                                                                       \
        from value;                                                                                                            \
        memcpy(&value, (const from *)src + i, sizeof value);                                                                   \
        to result = (expression);                                                                                              \
        memcpy((to *)dst + i, &result, sizeof result);                                                                         \
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
