/* Copies between host memory and buffers that are not mapped. */
#ifndef VKD_RUNTIME_TRANSFER_H
#define VKD_RUNTIME_TRANSFER_H

#include "runtime/buffer.h"

/* Copies into device buffers through a bounded staging ring: begin, then any number of reserve,
 * then finish. The destinations of one uploader must not overlap. */
typedef struct vkd_uploader vkd_uploader;
enum { VKD_UPLOAD_ALIGNMENT = 64 };
/* chunk: the largest size that will be reserved. total: all sizes, each rounded up to the
 * alignment; with less than that the ring is waited for more often. The ring takes max(chunk,
 * min(total, 8 MiB)). */
VKD_MUST_USE vkd_status vkd_uploader_begin(vkd_device *device, uint64_t chunk, uint64_t total,
                                           vkd_uploader **out);
uint64_t vkd_uploader_bytes(const vkd_uploader *uploader); /* of the ring */
/* Mapped memory for `size` bytes that will be copied to dst at offset; valid until the next reserve
 * or finish. Waits for earlier copies when the ring is full. */
VKD_MUST_USE vkd_status vkd_uploader_reserve(vkd_uploader *uploader, const vkd_buffer *dst,
                                             uint64_t offset, uint64_t size, void **out);
/* Submits what is left, waits and frees the uploader; null is accepted. After a failed reserve it
 * only frees, and returns that failure's status again. */
VKD_MUST_USE vkd_status vkd_uploader_finish(vkd_uploader *uploader);

/* Copies size bytes of a buffer to host memory and waits. */
VKD_MUST_USE vkd_status vkd_buffer_read(vkd_device *device, const vkd_buffer *src, uint64_t offset,
                                        uint64_t size, void *dst);

#endif
