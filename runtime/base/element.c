#include "runtime/base/element.h"

#include <string.h>

float vkd_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31,
             fraction = half & 1023;
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
uint16_t vkd_float_to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) /* NaN */
        return (uint16_t)(sign | 0x7e00);
    if (magnitude >= 0x477ff000) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude <
        0x38800000) { /* below 2^-14: a multiple of 2^-24; adding 0.5 lets the FPU round it there */
        float shifted;
        memcpy(&shifted, &magnitude, sizeof shifted);
        shifted += 0.5f;
        memcpy(&bits, &shifted, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3f000000));
    }
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((rounded - 0x38000000) >> 13));
}

#define GET(type)                                                                                  \
    {                                                                                              \
        type value;                                                                                \
        memcpy(&value, (const type *)data + index, sizeof value);                                  \
        return (double)value;                                                                      \
    }

double vkd_element_get(vkd_dtype dtype, const void *data, size_t index)
{
    switch (dtype) {
    case VKD_DTYPE_BOOL:
    case VKD_DTYPE_UINT8:
        GET(uint8_t)
    case VKD_DTYPE_INT8:
        GET(int8_t)
    case VKD_DTYPE_INT32:
        GET(int32_t)
    case VKD_DTYPE_INT64:
        GET(int64_t)
    case VKD_DTYPE_FLOAT32:
        GET(float)
    case VKD_DTYPE_FLOAT64:
        GET(double)
    case VKD_DTYPE_FLOAT16: {
        uint16_t half;
        memcpy(&half, (const uint16_t *)data + index, sizeof half);
        return (double)vkd_half_to_float(half);
    }
    case VKD_DTYPE_COUNT:
        break;
    }
    return 0;
}

static int64_t to_integer(double value, int64_t low, int64_t high)
{
    if (value != value)
        return 0;
    return value <= (double)low ? low : value >= (double)high ? high : (int64_t)value;
}

#define SET(type, expression)                                                                      \
    {                                                                                              \
        type element = (type)(expression);                                                         \
        memcpy((type *)data + index, &element, sizeof element);                                    \
        return;                                                                                    \
    }

void vkd_element_set(vkd_dtype dtype, void *data, size_t index, double value)
{
    switch (dtype) {
    case VKD_DTYPE_BOOL:
        SET(uint8_t, value != 0)
    case VKD_DTYPE_UINT8:
        SET(uint8_t, to_integer(value, 0, UINT8_MAX))
    case VKD_DTYPE_INT8:
        SET(int8_t, to_integer(value, INT8_MIN, INT8_MAX))
    case VKD_DTYPE_INT32:
        SET(int32_t, to_integer(value, INT32_MIN, INT32_MAX))
    case VKD_DTYPE_INT64:
        SET(int64_t, to_integer(value, INT64_MIN, INT64_MAX))
    case VKD_DTYPE_FLOAT32:
        SET(float, value)
    case VKD_DTYPE_FLOAT64:
        SET(double, value)
    case VKD_DTYPE_FLOAT16:
        SET(uint16_t, vkd_float_to_half((float)value))
    case VKD_DTYPE_COUNT:
        break;
    }
}
