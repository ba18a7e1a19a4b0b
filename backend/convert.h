/* Copies between the caller's tensors and the device's, with the dtype conversions that ExecuTorch makes at the boundary. */
#ifndef VKD_BACKEND_CONVERT_H
#define VKD_BACKEND_CONVERT_H

#include "backend/vkdelegate.h"

/* Whether a caller's tensor of dtype `host` can stand for a device tensor of dtype `device`: equal ones, int64 for int32,
 * float64 and float16 for float32. */
bool vkd_convertible(vkd_dtype host, vkd_dtype device);

/* count elements; the dtypes are convertible. int64 and float64 are cut to 32 bits as a C conversion does. */
void vkd_convert_in(vkd_dtype host, const void *src, vkd_dtype device, void *dst, size_t count);
void vkd_convert_out(vkd_dtype device, const void *src, vkd_dtype host, void *dst, size_t count);

#endif
