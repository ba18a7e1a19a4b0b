/* Submissions to the queues, and waiting for them. */
#include <time.h>

#include "runtime/vulkan.h"

vkd_status vkd_recording_create(vkd_device *device, vkd_recording *out)
{
    *out = (vkd_recording){0};
    const VkCommandPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
        .flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
        .queueFamilyIndex = device->queue_family,
    };
    VkCommandBufferAllocateInfo buffer = {
        .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
        .commandBufferCount = 1,
    };
    const VkFenceCreateInfo fence = {.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    VkResult result =
        device->vk.vkCreateCommandPool(device->handle, &pool, NULL, &buffer.commandPool);
    VKD_TRY(vkd_vk_status(device->context, result, "vkCreateCommandPool"));
    vkd_recording recording = {.pool = buffer.commandPool};
    result = device->vk.vkAllocateCommandBuffers(device->handle, &buffer, &recording.commands);
    if (result == VK_SUCCESS)
        result = device->vk.vkCreateFence(device->handle, &fence, NULL, &recording.fence);
    if (result != VK_SUCCESS) {
        device->vk.vkDestroyCommandPool(device->handle, recording.pool, NULL);
        return vkd_vk_status(device->context, result, "creating a command buffer and its fence");
    }
    *out = recording;
    return VKD_OK;
}

void vkd_recording_destroy(vkd_device *device, vkd_recording *recording)
{
    if (recording->pool && vkd_device_idle(device)) {
        device->vk.vkDestroyFence(device->handle, recording->fence, NULL);
        device->vk.vkDestroyCommandPool(device->handle, recording->pool, NULL);
    }
    *recording = (vkd_recording){0};
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

vkd_status vkd_recording_submit(vkd_device *device, vkd_recording *recording, uint32_t queue)
{
    const VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .commandBufferCount = 1,
        .pCommandBuffers = &recording->commands,
    };
    VKD_TRY(vkd_device_check(device));
    VkResult result = device->vk.vkResetFences(device->handle, 1, &recording->fence);
    VKD_TRY(vkd_vk_status(device->context, result, "vkResetFences"));
    pthread_mutex_lock(&device->owner->mutex);
    if (device->lock)
        device->lock(device->lock_user);
    recording->queue = queue % device->queue_count;
    result = device->vk.vkQueueSubmit(device->queues[recording->queue], 1, &info, recording->fence);
    if (device->unlock)
        device->unlock(device->lock_user);
    pthread_mutex_unlock(&device->owner->mutex);
    if (result == VK_ERROR_DEVICE_LOST)
        device->owner->lost = true;
    VKD_TRY(vkd_vk_status(device->context, result, "vkQueueSubmit"));
    vkd_recording **last = &device->pending;
    while (*last)
        last = &(*last)->next;
    recording->next = NULL;
    *last = recording;
    return VKD_OK;
}

/* A thread that sleeps in vkWaitForFences is woken late: 50 us on an H100, an eighth of a ResNet50.
 * So on a discrete GPU the fence is asked for a while first; work that takes longer does not
 * notice, and devices that share their power with the CPU never do it. */
static VkResult wait(vkd_device *device, VkFence fence, uint64_t timeout_ns)
{
    const uint64_t poll_ns = device->caps.type == VKD_TYPE_DISCRETE ? 2000000 : 0;
    uint64_t start = now_ns();
    while (now_ns() - start < (poll_ns < timeout_ns ? poll_ns : timeout_ns)) {
        VkResult result = device->vk.vkGetFenceStatus(device->handle, fence);
        if (result != VK_NOT_READY)
            return result;
    }
    return device->vk.vkWaitForFences(device->handle, 1, &fence, VK_TRUE, timeout_ns);
}

static void forget_pending(vkd_device *device, const vkd_recording *recording)
{
    vkd_recording **at = &device->pending;
    while (*at && *at != recording)
        at = &(*at)->next;
    if (*at)
        *at = recording->next;
}

vkd_status vkd_recording_wait(vkd_device *device, vkd_recording *recording, uint64_t timeout_ns)
{
    VKD_TRY(vkd_device_check(device));
    VkResult result = VK_SUCCESS;
    /* What was submitted to the queue before ends before: each has the whole time. */
    for (vkd_recording *at = device->pending; at && at != recording && result == VK_SUCCESS;
         at = at->next)
        if (at->queue == recording->queue)
            result = wait(device, at->fence, timeout_ns);
    /* What other objects have submitted before ends before, too; as long as anything does, the
     * device works. */
    unsigned completed = device->owner->completed;
    while (result == VK_SUCCESS ||
           (result == VK_TIMEOUT && device->owner->completed != completed)) {
        completed = device->owner->completed;
        result = wait(device, recording->fence, timeout_ns);
        if (result == VK_SUCCESS)
            break;
    }
    if (result == VK_SUCCESS) {
        device->owner->completed++;
        forget_pending(device, recording);
        return VKD_OK;
    }
    device->owner->lost = true;
    if (result == VK_TIMEOUT)
        return vkd_fail(device->context, VKD_DEVICE_LOST,
                        "the device %s did not finish within %llu ms", device->caps.name,
                        (unsigned long long)(timeout_ns / 1000000));
    return vkd_vk_status(device->context, result, "vkWaitForFences");
}

bool vkd_device_idle(vkd_device *device)
{
    if (!vkd_device_is_ours(device))
        device->owner->lost = device->owner->stuck = true;
    const uint64_t start = now_ns();
    for (; device->pending && !device->owner->stuck; device->pending = device->pending->next) {
        const uint64_t gone = device->owner->lost ? now_ns() - start : 0;
        const uint64_t timeout_ns = gone < device->timeout_ns ? device->timeout_ns - gone : 0;
        VkResult result = device->vk.vkWaitForFences(device->handle, 1, &device->pending->fence,
                                                     VK_TRUE, timeout_ns);
        if (result != VK_SUCCESS)
            device->owner->lost = true;
        /* a lost device is idle */
        device->owner->stuck = result != VK_SUCCESS && result != VK_ERROR_DEVICE_LOST;
        if (device->owner->stuck)
            vkd_log(device->context, VKD_LOG_WARNING,
                    "the device %s still does not answer (%s): its memory and objects are leaked, "
                    "as it may be using them",
                    device->caps.name, vkd_vk_result_name(result));
    }
    return !device->owner->stuck;
}

void vkd_barrier(vkd_device *device, VkCommandBuffer commands, VkPipelineStageFlags src_stage,
                 VkAccessFlags src_access, VkPipelineStageFlags dst_stage, VkAccessFlags dst_access)
{
    const VkMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
        .srcAccessMask = src_access,
        .dstAccessMask = dst_access,
    };
    device->vk.vkCmdPipelineBarrier(commands, src_stage, dst_stage, 0, 1, &barrier, 0, NULL, 0,
                                    NULL);
}
