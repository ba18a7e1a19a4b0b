/* Buffers in memory of others: pages of the process, file descriptors, Android's buffers. */
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

#include "runtime/import.h"
#include "runtime/vulkan.h"

/* What is being imported. */
typedef struct import {
    vkd_device *device;
    const vkd_external_memory *external;
    VkExternalMemoryHandleTypeFlagBits handle_type;
    const char *extension, *what;
    uint64_t size;      /* of the memory */
    uint32_t type_bits; /* of memory types that can have it */
    bool dedicated;     /* the memory is for one buffer alone */
} import;

static const struct {
    VkExternalMemoryHandleTypeFlagBits handle_type;
    const char *extension, *what;
} kinds[] = {
    [VKD_EXTERNAL_HOST] = {VK_EXTERNAL_MEMORY_HANDLE_TYPE_HOST_ALLOCATION_BIT_EXT,
                           VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME, "host memory"},
    [VKD_EXTERNAL_FD] = {VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT,
                         VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, "a file descriptor"},
    [VKD_EXTERNAL_DMA_BUF] = {VK_EXTERNAL_MEMORY_HANDLE_TYPE_DMA_BUF_BIT_EXT,
                              VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME, "a dma-buf"},
    [VKD_EXTERNAL_HARDWARE_BUFFER] =
        {VK_EXTERNAL_MEMORY_HANDLE_TYPE_ANDROID_HARDWARE_BUFFER_BIT_ANDROID,
         VK_ANDROID_EXTERNAL_MEMORY_ANDROID_HARDWARE_BUFFER_EXTENSION_NAME, "an AHardwareBuffer"},
};

static vkd_status refuse(const import *i, const char *why)
{
    return vkd_fail(i->device->context, VKD_INVALID_ARGUMENT, "vkd_external_memory, %s: %s",
                    i->what, why);
}

/* Whether the extension of a kind is enabled. */
static bool is_enabled(const vkd_device *device, vkd_external_kind kind)
{
    switch (kind) {
    case VKD_EXTERNAL_HOST:
        return device->vk.vkGetMemoryHostPointerPropertiesEXT;
    case VKD_EXTERNAL_FD:
        return device->vk.vkGetMemoryFdPropertiesKHR;
    case VKD_EXTERNAL_DMA_BUF:
        return device->dma_bufs && device->vk.vkGetMemoryFdPropertiesKHR;
    case VKD_EXTERNAL_HARDWARE_BUFFER:
        return device->vk.vkGetAndroidHardwareBufferPropertiesANDROID;
    }
    return false;
}

static vkd_status check_device(import *i)
{
    vkd_device *device = i->device;
    const VkPhysicalDeviceExternalBufferInfo info = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_BUFFER_INFO,
        .usage = VKD_BUFFER_USAGE,
        .handleType = i->handle_type,
    };
    VkExternalBufferProperties properties = {.sType = VK_STRUCTURE_TYPE_EXTERNAL_BUFFER_PROPERTIES};
    if (is_enabled(device, i->external->kind))
        device->owner->instance.vkGetPhysicalDeviceExternalBufferProperties(device->physical, &info,
                                                                            &properties);
    const VkExternalMemoryFeatureFlags features =
        properties.externalMemoryProperties.externalMemoryFeatures;
    i->dedicated = features & VK_EXTERNAL_MEMORY_FEATURE_DEDICATED_ONLY_BIT;
    return features & VK_EXTERNAL_MEMORY_FEATURE_IMPORTABLE_BIT
               ? VKD_OK
               : vkd_fail(device->context, VKD_UNSUPPORTED, "%s does not import %s (%s)",
                          device->caps.name, i->what, i->extension);
}

/* ------------------------------------------------------------------------- what memory there is */

static vkd_status find_pages(import *i)
{
    vkd_device *device = i->device;
    VkPhysicalDeviceExternalMemoryHostPropertiesEXT host = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_EXTERNAL_MEMORY_HOST_PROPERTIES_EXT};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &host};
    device->owner->instance.vkGetPhysicalDeviceProperties2(device->physical, &properties);
    const uint64_t grain = host.minImportedHostPointerAlignment;
    if (!i->external->pointer || !grain || (uintptr_t)i->external->pointer % grain ||
        i->size % grain)
        return vkd_fail(device->context, VKD_INVALID_ARGUMENT,
                        "vkd_external_memory, %s: pointer and bytes must be multiples of %llu on "
                        "%s",
                        i->what, (unsigned long long)grain, device->caps.name);
    VkMemoryHostPointerPropertiesEXT pages = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_HOST_POINTER_PROPERTIES_EXT};
    VkResult result = device->vk.vkGetMemoryHostPointerPropertiesEXT(device->handle, i->handle_type,
                                                                     i->external->pointer, &pages);
    /* The host's writes and the device's are seen without more. */
    for (uint32_t type = 0; type < device->memory.memoryTypeCount; type++)
        if (device->memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_COHERENT_BIT)
            i->type_bits |= pages.memoryTypeBits & 1u << type;
    return vkd_vk_status(device->context, result, "vkGetMemoryHostPointerPropertiesEXT");
}

static vkd_status find_opaque(import *i)
{
    if (i->external->memory_type >= i->device->memory.memoryTypeCount)
        return refuse(i, "memory_type is not one of the device's");
    i->type_bits = 1u << i->external->memory_type;
    return VKD_OK;
}

static vkd_status find_dma_buf(import *i)
{
    vkd_device *device = i->device;
    VkMemoryFdPropertiesKHR memory = {.sType = VK_STRUCTURE_TYPE_MEMORY_FD_PROPERTIES_KHR};
    VkResult result = device->vk.vkGetMemoryFdPropertiesKHR(device->handle, i->handle_type,
                                                            i->external->fd, &memory);
    if (result == VK_ERROR_INVALID_EXTERNAL_HANDLE)
        return refuse(i, "the file descriptor is none");
    i->type_bits = memory.memoryTypeBits;
    return vkd_vk_status(device->context, result, "vkGetMemoryFdPropertiesKHR");
}

static vkd_status find_hardware_buffer(import *i)
{
    vkd_device *device = i->device;
    VkAndroidHardwareBufferPropertiesANDROID memory = {
        .sType = VK_STRUCTURE_TYPE_ANDROID_HARDWARE_BUFFER_PROPERTIES_ANDROID};
    if (!i->external->pointer)
        return refuse(i, "a null pointer");
    VkResult result = device->vk.vkGetAndroidHardwareBufferPropertiesANDROID(
        device->handle, i->external->pointer, &memory);
    if (result == VK_ERROR_INVALID_EXTERNAL_HANDLE)
        return refuse(i, "the pointer is to none");
    i->type_bits = memory.memoryTypeBits;
    i->size = memory.allocationSize;
    return vkd_vk_status(device->context, result, "vkGetAndroidHardwareBufferPropertiesANDROID");
}

static vkd_status find_memory(import *i)
{
    static vkd_status (*const finders[])(import *) = {
        [VKD_EXTERNAL_HOST] = find_pages,
        [VKD_EXTERNAL_FD] = find_opaque,
        [VKD_EXTERNAL_DMA_BUF] = find_dma_buf,
        [VKD_EXTERNAL_HARDWARE_BUFFER] = find_hardware_buffer,
    };
    const bool is_fd =
        i->external->kind == VKD_EXTERNAL_FD || i->external->kind == VKD_EXTERNAL_DMA_BUF;
    if (!i->size)
        return refuse(i, "it has no bytes");
    if (is_fd && fcntl(i->external->fd, F_GETFD) < 0)
        return refuse(i, "the file descriptor is not open");
    return finders[i->external->kind](i);
}

/* -------------------------------------------------------------------------------------- buffers */

static vkd_status create_buffer(const import *i, vkd_buffer *out)
{
    vkd_device *device = i->device;
    const VkExternalMemoryBufferCreateInfo external = {
        .sType = VK_STRUCTURE_TYPE_EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
        .handleTypes = i->handle_type,
    };
    const VkBufferCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
        .pNext = &external,
        .size = i->size,
        .usage = VKD_BUFFER_USAGE,
        .sharingMode = VK_SHARING_MODE_EXCLUSIVE,
    };
    VkBuffer handle = VK_NULL_HANDLE;
    VkResult result = device->vk.vkCreateBuffer(device->handle, &info, NULL, &handle);
    out->handle = handle;
    return vkd_vk_status(device->context, result, "vkCreateBuffer of %llu bytes in %s",
                         (unsigned long long)i->size, i->what);
}

/* chain: what says where the memory is. */
static VkResult allocate(const import *i, uint32_t type, const void *chain, vkd_buffer *out)
{
    const VkMemoryDedicatedAllocateInfo dedicated = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_DEDICATED_ALLOCATE_INFO,
        .pNext = chain,
        .buffer = out->handle,
    };
    const VkMemoryAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
        .pNext = i->dedicated ? &dedicated : chain,
        .allocationSize = i->size,
        .memoryTypeIndex = type,
    };
    VkDeviceMemory memory = VK_NULL_HANDLE;
    VkResult result = i->device->vk.vkAllocateMemory(i->device->handle, &info, NULL, &memory);
    out->memory = memory;
    return result;
}

/* A duplicate of the descriptor becomes the driver's, if it takes it. */
static VkResult allocate_fd(const import *i, uint32_t type, vkd_buffer *out)
{
    const VkImportMemoryFdInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR,
        .handleType = i->handle_type,
        .fd = fcntl(i->external->fd, F_DUPFD_CLOEXEC, 0),
    };
    if (info.fd < 0)
        return VK_ERROR_TOO_MANY_OBJECTS;
    VkResult result = allocate(i, type, &info, out);
    if (result != VK_SUCCESS)
        close(info.fd);
    return result;
}

static VkResult allocate_kind(const import *i, uint32_t type, vkd_buffer *out)
{
    const VkImportMemoryHostPointerInfoEXT pages = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_MEMORY_HOST_POINTER_INFO_EXT,
        .handleType = i->handle_type,
        .pHostPointer = i->external->pointer,
    };
    const VkImportAndroidHardwareBufferInfoANDROID hardware_buffer = {
        .sType = VK_STRUCTURE_TYPE_IMPORT_ANDROID_HARDWARE_BUFFER_INFO_ANDROID,
        .buffer = i->external->pointer,
    };
    switch (i->external->kind) {
    case VKD_EXTERNAL_HOST:
        return allocate(i, type, &pages, out);
    case VKD_EXTERNAL_HARDWARE_BUFFER:
        return allocate(i, type, &hardware_buffer, out);
    default:
        return allocate_fd(i, type, out);
    }
}

static vkd_status give_memory(const import *i, vkd_buffer *out)
{
    vkd_device *device = i->device;
    VkMemoryRequirements needs = {0};
    device->vk.vkGetBufferMemoryRequirements(device->handle, out->handle, &needs);
    const uint32_t types = i->type_bits & needs.memoryTypeBits;
    uint32_t type = 0;
    while (type < device->memory.memoryTypeCount && !(types >> type & 1))
        type++;
    if (type == device->memory.memoryTypeCount || needs.size > i->size)
        return vkd_fail(device->context, VKD_UNSUPPORTED,
                        "%s has no memory type for a buffer in %s of %llu bytes", device->caps.name,
                        i->what, (unsigned long long)i->size);
    VkResult result = allocate_kind(i, type, out);
    if (result == VK_ERROR_INVALID_EXTERNAL_HANDLE)
        return refuse(i, "the driver cannot import it");
    VKD_TRY(vkd_vk_status(device->context, result, "importing %s of %llu bytes", i->what,
                          (unsigned long long)i->size));
    result = device->vk.vkBindBufferMemory(device->handle, out->handle, out->memory, 0);
    return vkd_vk_status(device->context, result, "vkBindBufferMemory for %s", i->what);
}

static uint32_t family_of(const import *i)
{
    switch (i->external->kind) {
    case VKD_EXTERNAL_HOST:
        return VK_QUEUE_FAMILY_IGNORED;
    case VKD_EXTERNAL_FD:
        return VK_QUEUE_FAMILY_EXTERNAL;
    default: /* another driver's perhaps */
        return i->device->foreign_queues ? VK_QUEUE_FAMILY_FOREIGN_EXT : VK_QUEUE_FAMILY_EXTERNAL;
    }
}

vkd_status vkd_buffer_import(vkd_device *device, const vkd_external_memory *external,
                             vkd_buffer *out)
{
    static atomic_uint_fast64_t imports;
    *out = (vkd_buffer){.coherent = true};
    if ((unsigned)external->kind >= sizeof kinds / sizeof *kinds)
        return vkd_fail(device->context, VKD_INVALID_ARGUMENT,
                        "vkd_external_memory.kind is %d, no such kind", (int)external->kind);
import i = {.device = device, .external = external, .handle_type = kinds[external->kind].handle_type, .extension = kinds[external->kind].extension, .what = kinds[external->kind].what, .size = external->bytes, };
    if (external->kind == VKD_EXTERNAL_HARDWARE_BUFFER)
        i.size = 1; /* it knows its own */
    VKD_TRY(vkd_device_check(device));
    VKD_TRY(check_device(&i));
    VKD_TRY(find_memory(&i));
    vkd_status status = create_buffer(&i, out);
    if (status == VKD_OK)
        status = give_memory(&i, out);
    if (status != VKD_OK) {
        vkd_buffer_destroy(device, out);
        return status;
    }
    vkd_name_object(device, VK_OBJECT_TYPE_BUFFER, out->handle, i.what);
    out->size = i.size;
    out->import = ++imports;
    out->family = family_of(&i);
    return VKD_OK;
}
