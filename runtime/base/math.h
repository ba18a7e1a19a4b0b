/* Rounding up to whole units. */
#ifndef VKD_RUNTIME_BASE_MATH_H
#define VKD_RUNTIME_BASE_MATH_H

#include <stdint.h>

static inline uint64_t vkd_divide_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit;
}

static inline uint64_t vkd_align_up(uint64_t value, uint64_t unit)
{
    return vkd_divide_up(value, unit) * unit;
}

#endif
