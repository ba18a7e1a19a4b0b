/* Copies between host memory and buffers, for set-up and inspection: everything here submits and
 * waits. */
#include <string.h>

#include "runtime/base/math.h"
#include "runtime/vulkan.h"

enum { RING_SIZE = 8 * 1024 * 1024 };

static vkd_status begin_copies(vkd_device *device, const vkd_recording *recording)
{
    const VkCommandBufferBeginInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
        .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT,
    };
    VkResult result = device->vk.vkBeginCommandBuffer(recording->commands, &info);
    VKD_TRY(vkd_vk_status(device->context, result, "vkBeginCommandBuffer"));
    /* Waiting for a fence makes the device's writes available, but not visible to later work of the
     * device. */
    vkd_barrier(device, recording->commands, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                VK_ACCESS_MEMORY_WRITE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT,
                VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT);
    return VKD_OK;
}

static vkd_status finish_copies(vkd_device *device, vkd_recording *recording)
{
    vkd_barrier(device, recording->commands, VK_PIPELINE_STAGE_TRANSFER_BIT,
                VK_ACCESS_TRANSFER_WRITE_BIT,
                VK_PIPELINE_STAGE_ALL_COMMANDS_BIT | VK_PIPELINE_STAGE_HOST_BIT,
                VK_ACCESS_MEMORY_READ_BIT | VK_ACCESS_MEMORY_WRITE_BIT);
    VkResult result = device->vk.vkEndCommandBuffer(recording->commands);
    VKD_TRY(vkd_vk_status(device->context, result, "vkEndCommandBuffer"));
    VKD_TRY(vkd_recording_submit(device, recording, 0));
    /* The time-out of the options is meant for executions, and may be shorter than this deserves.
     */
    return vkd_recording_wait(device, recording, VKD_DEFAULT_TIMEOUT_NS);
}

static void copy(vkd_device *device, const vkd_recording *recording, const vkd_buffer *src,
                 uint64_t src_offset, const vkd_buffer *dst, uint64_t dst_offset, uint64_t size)
{
    const VkBufferCopy region = {.srcOffset = src_offset, .dstOffset = dst_offset, .size = size};
    device->vk.vkCmdCopyBuffer(recording->commands, src->handle, dst->handle, 1, &region);
}

static vkd_status check_range(vkd_device *device, const vkd_buffer *buffer, uint64_t offset,
                              uint64_t size)
{
    if (offset > buffer->size || size > buffer->size - offset)
        return vkd_fail(device->context, VKD_INVALID_ARGUMENT,
                        "a copy of %llu bytes at %llu leaves a buffer of %llu bytes",
                        (unsigned long long)size, (unsigned long long)offset,
                        (unsigned long long)buffer->size);
    return VKD_OK;
}

struct vkd_uploader {
    vkd_device *device;
    vkd_buffer ring;
    vkd_recording recording;
    uint64_t used;     /* bytes of the ring, from its start */
    bool open;         /* copies are being recorded */
    vkd_status status; /* the first failure */
};

uint64_t vkd_uploader_bytes(const vkd_uploader *uploader) { return uploader->ring.size; }

vkd_status vkd_uploader_begin(vkd_device *device, uint64_t chunk, uint64_t total,
                              vkd_uploader **out)
{
    *out = NULL;
    vkd_uploader *uploader = vkd_alloc(device->context, 1, sizeof *uploader);
    if (!uploader)
        return vkd_fail_memory(device->context, "the uploader");
    uploader->device = device;
    uint64_t usual = total < RING_SIZE ? total : RING_SIZE, size = chunk > usual ? chunk : usual;
    uploader->status =
        vkd_buffer_create(device, VKD_MEMORY_STAGING, size, "the staging ring", &uploader->ring);
    if (uploader->status == VKD_OK)
        uploader->status = vkd_recording_create(device, &uploader->recording);
    if (uploader->status != VKD_OK)
        return vkd_uploader_finish(uploader);
    *out = uploader;
    return VKD_OK;
}

static vkd_status flush(vkd_uploader *uploader)
{
    if (!uploader->open)
        return VKD_OK;
    uploader->open = false;
    uploader->used = 0;
    return finish_copies(uploader->device, &uploader->recording);
}

static vkd_status reserve(vkd_uploader *uploader, const vkd_buffer *dst, uint64_t offset,
                          uint64_t size, void **out)
{
    vkd_device *device = uploader->device;
    VKD_TRY(check_range(device, dst, offset, size));
    if (size > uploader->ring.size)
        return vkd_fail(device->context, VKD_INVALID_ARGUMENT,
                        "an upload of %llu bytes exceeds the chunk size that was announced",
                        (unsigned long long)size);
    if (size > uploader->ring.size - uploader->used)
        VKD_TRY(flush(uploader));
    *out = (unsigned char *)uploader->ring.mapped + uploader->used;
    if (!size)
        return VKD_OK;
    if (!uploader->open)
        VKD_TRY(begin_copies(device, &uploader->recording));
    uploader->open = true;
    /* Recorded before the bytes are there; the device reads them only after the submission. */
    copy(device, &uploader->recording, &uploader->ring, uploader->used, dst, offset, size);
    uint64_t end = vkd_align_up(uploader->used + size, VKD_UPLOAD_ALIGNMENT);
    uploader->used = end < uploader->ring.size ? end : uploader->ring.size;
    return VKD_OK;
}

vkd_status vkd_uploader_reserve(vkd_uploader *uploader, const vkd_buffer *dst, uint64_t offset,
                                uint64_t size, void **out)
{
    if (uploader->status == VKD_OK)
        uploader->status = reserve(uploader, dst, offset, size, out);
    return uploader->status;
}

vkd_status vkd_uploader_finish(vkd_uploader *uploader)
{
    if (!uploader)
        return VKD_OK;
    vkd_status status = uploader->status == VKD_OK ? flush(uploader) : uploader->status;
    vkd_recording_destroy(uploader->device, &uploader->recording);
    vkd_buffer_destroy(uploader->device, &uploader->ring);
    vkd_free(uploader->device->context, uploader);
    return status;
}

static vkd_status read_in_chunks(vkd_device *device, vkd_recording *recording,
                                 const vkd_buffer *staging, const vkd_buffer *src, uint64_t offset,
                                 uint64_t size, unsigned char *dst)
{
    for (uint64_t done = 0; done < size; done += staging->size) {
        uint64_t chunk = size - done < staging->size ? size - done : staging->size;
        VKD_TRY(begin_copies(device, recording));
        copy(device, recording, src, offset + done, staging, 0, chunk);
        VKD_TRY(finish_copies(device, recording));
        VKD_TRY(vkd_buffer_invalidate(device, staging));
        memcpy(dst + done, staging->mapped, chunk);
    }
    return VKD_OK;
}

vkd_status vkd_buffer_read(vkd_device *device, const vkd_buffer *src, uint64_t offset,
                           uint64_t size, void *dst)
{
    VKD_TRY(check_range(device, src, offset, size));
    if (!size)
        return VKD_OK;
    vkd_buffer staging;
    vkd_recording recording;
    VKD_TRY(vkd_buffer_create(device, VKD_MEMORY_READBACK, size < RING_SIZE ? size : RING_SIZE,
                              "read-back", &staging));
    vkd_status status = vkd_recording_create(device, &recording);
    if (status == VKD_OK)
        status = read_in_chunks(device, &recording, &staging, src, offset, size, dst);
    vkd_recording_destroy(device, &recording);
    vkd_buffer_destroy(device, &staging);
    return status;
}
