#include "backend/convert.h"

#include <string.h>

bool vkd_convertible(vkd_dtype host, vkd_dtype device)
{
    return host == device || (device == VKD_DTYPE_INT32 && host == VKD_DTYPE_INT64) ||
           (device == VKD_DTYPE_FLOAT32 && (host == VKD_DTYPE_FLOAT64 || host == VKD_DTYPE_FLOAT16));
}

static float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24 */
        float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    uint32_t bits = sign | (exponent == 31 ? 255u << 23 : (exponent + 112) << 23) | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Round to nearest, ties to even. */
static uint16_t float_to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) /* NaN */
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude < 0x38800000) { /* below 2^-14: a multiple of 2^-24; adding 0.5 lets the FPU round it there */
        float shifted;
        memcpy(&shifted, &magnitude, sizeof shifted);
        shifted += 0.5f;
        memcpy(&bits, &shifted, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3f000000));
    }
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((rounded - 0x38000000) >> 13));
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
    else if (host == VKD_DTYPE_FLOAT64)
        CONVERT(double, float, (float)value)
    else
        CONVERT(uint16_t, float, half_to_float(value))
}

void vkd_convert_out(vkd_dtype device, const void *src, vkd_dtype host, void *dst, size_t count)
{
    if (host == device)
        memcpy(dst, src, count * vkd_dtype_size(host));
    else if (host == VKD_DTYPE_INT64)
        CONVERT(int32_t, int64_t, value)
    else if (host == VKD_DTYPE_FLOAT64)
        CONVERT(float, double, (double)value)
    else
        CONVERT(float, uint16_t, float_to_half(value))
}
