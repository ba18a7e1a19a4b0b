/* Elements of tensors on the host: halves, and any type as a double. */
#ifndef VKD_RUNTIME_BASE_ELEMENT_H
#define VKD_RUNTIME_BASE_ELEMENT_H

#include "include/vkdelegate.h"

float vkd_half_to_float(uint16_t half);
uint16_t vkd_float_to_half(float value); /* to nearest, ties to even */

/* Element `index` of memory at any alignment. Every type but INT64 is exact as a double. */
double vkd_element_get(vkd_dtype dtype, const void *data, size_t index);
/* As a cast in PyTorch: to an integer towards zero, what does not fit saturates and NaN is 0; BOOL
 * is whether it is not 0. */
void vkd_element_set(vkd_dtype dtype, void *data, size_t index, double value);

static inline bool vkd_is_float(vkd_dtype dtype)
{
    return dtype == VKD_DTYPE_FLOAT32 || dtype == VKD_DTYPE_FLOAT16;
}

#endif
