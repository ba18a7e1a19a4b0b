/* Buffers of each kind of memory, and what the host reads and writes in them. */
#include <stddef.h>

#include "runtime/vulkan.h"

#define DEVICE_LOCAL VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT
#define VISIBLE VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT
#define COHERENT VK_MEMORY_PROPERTY_HOST_COHERENT_BIT
#define CACHED VK_MEMORY_PROPERTY_HOST_CACHED_BIT

enum { PREFERENCE_COUNT = 3, ANY_TYPE = 0 };

/* The property flags that a kind of memory should have, best first; types with the first
 * combination are tried before those with the second. Among types with the same flags the driver
 * lists the faster ones first. */
static const struct {
    VkMemoryPropertyFlags wanted[PREFERENCE_COUNT];
    uint32_t count;
} preferences[] = {
    [VKD_MEMORY_DEVICE] = {{DEVICE_LOCAL, ANY_TYPE}, 2},
    [VKD_MEMORY_UPLOAD] = {{DEVICE_LOCAL | VISIBLE | COHERENT, VISIBLE | COHERENT}, 2},
    [VKD_MEMORY_STAGING] = {{VISIBLE | COHERENT | CACHED, VISIBLE | COHERENT}, 2},
    [VKD_MEMORY_READBACK] = {{VISIBLE | CACHED | COHERENT, VISIBLE | CACHED, VISIBLE | COHERENT},
                             3},
};

/* Memory of these kinds needs features that are not enabled, or is not for buffers. */
static const VkMemoryPropertyFlags unusable =
    VK_MEMORY_PROPERTY_PROTECTED_BIT | VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT |
    VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD | VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD;

uint32_t vkd_memory_candidates(const VkPhysicalDeviceMemoryProperties *memory, vkd_memory_kind kind,
                               uint32_t type_bits, uint64_t size, uint32_t out[VK_MAX_MEMORY_TYPES])
{
    uint32_t count = 0, taken = 0;
    for (uint32_t p = 0; p < preferences[kind].count; p++)
        for (uint32_t i = 0; i < memory->memoryTypeCount && i < VK_MAX_MEMORY_TYPES; i++) {
            VkMemoryPropertyFlags wanted = preferences[kind].wanted[p],
                                  flags = memory->memoryTypes[i].propertyFlags;
            uint32_t heap = memory->memoryTypes[i].heapIndex;
            bool fits = type_bits >> i & 1 && heap < VK_MAX_MEMORY_HEAPS &&
                        size <= memory->memoryHeaps[heap].size;
            if (fits && (flags & wanted) == wanted && !(flags & unusable) && !(taken >> i & 1)) {
                taken |= 1u << i;
                out[count++] = i;
            }
        }
    return count;
}

/* Allocates and maps memory of one type. */
static VkResult allocate(vkd_device *device, uint32_t type, uint64_t size, bool map,
                         vkd_buffer *buffer)
{
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .allocationSize = size,
        .memoryTypeIndex = type,
    };
    VkDeviceMemory memory = VK_NULL_HANDLE;
    void *mapped = NULL;
    VkResult result = device->vk.vkAllocateMemory(device->handle, &info, NULL, &memory);
    if (result != VK_SUCCESS)
        return result;
    if (map)
        result = device->vk.vkMapMemory(device->handle, memory, 0, VK_WHOLE_SIZE, 0, &mapped);
    if (result == VK_SUCCESS && map && !mapped)
        result = VK_ERROR_MEMORY_MAP_FAILED;
    if (result != VK_SUCCESS) {
        device->vk.vkFreeMemory(device->handle, memory, NULL);
        return result;
    }
    buffer->memory = memory;
    buffer->mapped = mapped;
    buffer->coherent = device->memory.memoryTypes[type].propertyFlags & COHERENT;
    return VK_SUCCESS;
}

static vkd_status give_memory(vkd_device *device, vkd_memory_kind kind, uint64_t size,
                              const char *what, vkd_buffer *buffer)
{
    VkMemoryRequirements needs = {0};
    device->vk.vkGetBufferMemoryRequirements(device->handle, buffer->handle, &needs);
    needs.size = needs.size < size ? size : needs.size;
    uint32_t types[VK_MAX_MEMORY_TYPES];
    uint32_t count =
        vkd_memory_candidates(&device->memory, kind, needs.memoryTypeBits, needs.size, types);
    /* The best memory may be a small window (host-visible device memory often is) that is full:
     * then the next best will do. */
    VkResult result = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        result = allocate(device, types[i], needs.size, kind != VKD_MEMORY_DEVICE, buffer);
        if (result != VK_ERROR_OUT_OF_DEVICE_MEMORY && result != VK_ERROR_MEMORY_MAP_FAILED)
            break;
    }
    VKD_TRY(vkd_vk_status(device->context, result, "allocating %llu bytes for %s",
                          (unsigned long long)needs.size, what));
    result = device->vk.vkBindBufferMemory(device->handle, buffer->handle, buffer->memory, 0);
    return vkd_vk_status(device->context, result, "vkBindBufferMemory for %s", what);
}

vkd_status vkd_buffer_create(vkd_device *device, vkd_memory_kind kind, uint64_t size,
                             const char *what, vkd_buffer *out)
{
    *out = (vkd_buffer){.coherent = true};
    if (!size)
        return VKD_OK;
    if (size > device->caps.max_allocation)
        return vkd_fail(device->context, VKD_OUT_OF_MEMORY,
                        "%s needs %llu bytes, %s allocates at most %llu at once", what,
                        (unsigned long long)size, device->caps.name,
                        (unsigned long long)device->caps.max_allocation);
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .size = size,
        .usage = VKD_BUFFER_USAGE,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    VkBuffer handle = VK_NULL_HANDLE;
    VkResult result = device->vk.vkCreateBuffer(device->handle, &info, NULL, &handle);
    VKD_TRY(vkd_vk_status(device->context, result, "vkCreateBuffer of %llu bytes for %s",
                          (unsigned long long)size, what));
    out->handle = handle;
    vkd_status status = give_memory(device, kind, size, what, out);
    if (status != VKD_OK) {
        vkd_buffer_destroy(device, out);
        return status;
    }
    vkd_name_object(device, VK_OBJECT_TYPE_BUFFER, out->handle, what);
    out->size = size;
    return VKD_OK;
}

void vkd_buffer_destroy(vkd_device *device, vkd_buffer *buffer)
{
    if (buffer->handle && vkd_device_idle(device)) {
        device->vk.vkDestroyBuffer(device->handle, buffer->handle, NULL);
        device->vk.vkFreeMemory(device->handle, buffer->memory, NULL); /* unmaps too */
    }
    *buffer = (vkd_buffer){0};
}

vkd_status vkd_buffer_invalidate(vkd_device *device, const vkd_buffer *buffer)
{
    if (buffer->coherent || !buffer->mapped)
        return VKD_OK;
    const VkMappedMemoryRange range = {
        .sType = VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE,
        .memory = buffer->memory,
        .size = VK_WHOLE_SIZE,
    };
    VkResult result = device->vk.vkInvalidateMappedMemoryRanges(device->handle, 1, &range);
    return vkd_vk_status(device->context, result, "vkInvalidateMappedMemoryRanges");
}
