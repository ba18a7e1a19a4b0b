/* Buffers with memory of their own. */
#ifndef VKD_RUNTIME_BUFFER_H
#define VKD_RUNTIME_BUFFER_H

#include "runtime/device.h"

typedef enum vkd_memory_kind {
    VKD_MEMORY_DEVICE, /* device-local, not mapped */
    /* mapped, coherent, device-local where the device offers that: the host writes, the device
       reads */
    VKD_MEMORY_UPLOAD,
    /* mapped, coherent, in host memory: the host writes, the device copies it away */
    VKD_MEMORY_STAGING,
    VKD_MEMORY_READBACK /* mapped, host-cached where possible: the device writes, the host reads */
} vkd_memory_kind;

typedef struct vkd_buffer {
    struct VkBuffer_T *handle; /* VkBuffer; null when not created */
    struct VkDeviceMemory_T *memory;
    uint64_t size;
    void *mapped; /* all of it, while the buffer lives; null for VKD_MEMORY_DEVICE */
    bool coherent;
    /* Of memory of others (vkd_buffer_import): a number that no other has, and the queue family
     * that it comes from and goes back to around its use, VK_QUEUE_FAMILY_IGNORED for none. */
    uint64_t import;
    uint32_t family;
} vkd_buffer;

/* A part of a buffer, as a dispatch binds it. */
typedef struct vkd_slice {
    const vkd_buffer *buffer;
    uint64_t offset, size;
    bool write;
    uint32_t texel_bytes; /* of a texel buffer: 16 for ivec4, 4 for int */
} vkd_slice;

/* Size 0 makes an empty buffer: no handle, valid to destroy. what: for the error message,
 * "constants". VKD_OUT_OF_MEMORY when no suitable memory has room. */
VKD_MUST_USE vkd_status vkd_buffer_create(vkd_device *device, vkd_memory_kind kind, uint64_t size,
                                          const char *what, vkd_buffer *out);
void vkd_buffer_destroy(vkd_device *device, vkd_buffer *buffer); /* accepts an all-zero buffer */
/* Makes the device's writes visible to the host's reads; nothing to do for coherent memory. */
VKD_MUST_USE vkd_status vkd_buffer_invalidate(vkd_device *device, const vkd_buffer *buffer);

#endif
