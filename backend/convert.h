/* Copies between the caller's tensors and the device's, with the dtype conversions that ExecuTorch
 * makes at the boundary. */
#ifndef VKD_BACKEND_CONVERT_H
#define VKD_BACKEND_CONVERT_H

#include "include/vkdelegate.h"

/* Whether a caller's tensor of dtype `host` can stand for a device tensor of dtype `device`: equal
 * ones, int64 for int32, float64 and float16 for float32. */
bool vkd_convertible(vkd_dtype host, vkd_dtype device);

/* How a caller's tensor lies in memory. Ours are row-major. */
typedef struct vkd_border {
    uint32_t rank;
    uint8_t order[VKD_MAX_RANK];                      /* vkd_tensor_info.dim_order */
    size_t dims[VKD_MAX_RANK], strides[VKD_MAX_RANK]; /* in elements */
    size_t count;
    bool row_major; /* the strides of dims with several elements are those of a row-major tensor */
} vkd_border;

/* order: a permutation of the dims; null: row-major. */
void vkd_border_init(vkd_border *border, uint32_t rank, const uint32_t *dims, const uint8_t *order);

/* From the caller's order to ours and back; the dtypes are convertible. int64 and float64 are cut
 * to 32 bits as a C conversion does. */
void vkd_border_in(const vkd_border *border, vkd_dtype host, const void *src, vkd_dtype device,
                   void *dst);
void vkd_border_out(const vkd_border *border, vkd_dtype device, const void *src, vkd_dtype host,
                    void *dst);

/* count elements that lie side by side. */
void vkd_convert_in(vkd_dtype host, const void *src, vkd_dtype device, void *dst, size_t count);
void vkd_convert_out(vkd_dtype device, const void *src, vkd_dtype host, void *dst, size_t count);

#endif
