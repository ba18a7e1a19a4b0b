/* Compiled pipelines that outlive the process. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/cache_file.h"
#include "runtime/vulkan.h"

static vkd_status choose_path(vkd_device *device, const vkd_options *options)
{
    char directory[PATH_MAX];
    if (!vkd_cache_directory(options, directory, sizeof directory))
        return VKD_OK;
    const vkd_caps *caps = &device->caps;
    char uuid[2 * sizeof caps->pipeline_cache_uuid + 1];
    for (size_t i = 0; i < sizeof caps->pipeline_cache_uuid; i++)
        snprintf(uuid + 2 * i, 3, "%02x", caps->pipeline_cache_uuid[i]);
    vkd_pipeline_cache *cache = &device->cache;
    cache->directory = vkd_arena_printf(&device->arena, "%s", directory);
    cache->path = vkd_arena_printf(&device->arena, "%s/pipelines-%08x-%08x-%08x-%s.bin", directory,
                                   caps->vendor_id, caps->device_id, caps->driver_version, uuid);
    return cache->directory && cache->path ? VKD_OK
                                           : vkd_fail_memory(device->context, "the cache's path");
}

/* Whether the driver's data starts with a header of this device. Drivers check it too, but not all
 * of them did so always. */
static bool driver_data_fits(const vkd_caps *caps, const void *data, size_t size)
{
    VkPipelineCacheHeaderVersionOne header;
    if (size < sizeof header)
        return false;
    memcpy(&header, data, sizeof header);
    return header.headerSize >= sizeof header && header.headerSize <= size &&
           header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
           header.vendorID == caps->vendor_id && header.deviceID == caps->device_id &&
           memcmp(header.pipelineCacheUUID, caps->pipeline_cache_uuid,
                  sizeof header.pipelineCacheUUID) == 0;
}

static VkResult create_cache(vkd_device *device, const void *data, size_t size)
{
    const VkPipelineCacheCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
        .initialDataSize = size,
        .pInitialData = data,
    };
    VkPipelineCache handle;
    VkResult result = device->vk.vkCreatePipelineCache(device->handle, &info, NULL, &handle);
    if (result == VK_SUCCESS)
        device->cache.handle = handle;
    return result;
}

/* What the driver says that its data takes; 0, with a line in the log, if it says nothing. */
static size_t data_size(vkd_device *device)
{
    size_t size = 0;
    VkResult result =
        device->vk.vkGetPipelineCacheData(device->handle, device->cache.handle, &size, NULL);
    if (result == VK_SUCCESS)
        return size;
    vkd_log(device->context, VKD_LOG_WARNING, "the size of the pipeline cache: %s",
            vkd_vk_result_name(result));
    return 0;
}

vkd_status vkd_pipeline_cache_open(vkd_device *device, const vkd_options *options)
{
    vkd_pipeline_cache *cache = &device->cache;
    VKD_TRY(choose_path(device, options));
    size_t size = 0;
    void *data = cache->path
                     ? vkd_cache_file_read(device->context, cache->path, &device->caps, &size)
                     : NULL;
    if (data && !driver_data_fits(&device->caps, data, size)) {
        vkd_log(device->context, VKD_LOG_INFO,
                "cache file %s is ignored: its contents are no pipeline cache of this device",
                cache->path);
    } else if (data && create_cache(device, data, size) == VK_SUCCESS) {
        cache->size = data_size(device);
        vkd_log(device->context, VKD_LOG_DEBUG, "cache file %s: %zu bytes", cache->path, size);
    }
    vkd_free(device->context, data);
    if (cache->handle)
        return VKD_OK;
    return vkd_vk_status(device->context, create_cache(device, NULL, 0), "vkCreatePipelineCache");
}

/* The cache's data as the driver gives it, for vkd_free; null on failure. */
static void *get_data(vkd_device *device, size_t room, size_t *out_size)
{
    void *data = vkd_alloc(device->context, room, 1);
    VkResult result = VK_SUCCESS;
    *out_size = room;
    if (data)
        result =
            device->vk.vkGetPipelineCacheData(device->handle, device->cache.handle, out_size, data);
    *out_size = *out_size < room ? *out_size : room;
    const char *fault = !data                 ? "out of host memory"
                        : result < VK_SUCCESS ? vkd_vk_result_name(result)
                                              : NULL;
    if (!fault &&
        !driver_data_fits(&device->caps, data,
                          *out_size)) /* VK_INCOMPLETE: a part of the pipelines is of use too */
        fault = "the driver's data does not begin as it should";
    if (!fault)
        return data;
    vkd_log(device->context, VKD_LOG_WARNING, "the pipeline cache cannot be saved: %s", fault);
    vkd_free(device->context, data);
    return NULL;
}

/* Drivers exist whose data is longer than what they were given, at every start: so it is compared
 * with what they said after reading the file, not with the file. */
void vkd_device_save_cache(vkd_device *device)
{
    vkd_pipeline_cache *cache = &device->cache;
    if (!cache->path || !cache->grown || device->lost)
        return;
    cache->grown = false;
    size_t size, now = data_size(device);
    if (!now || now == cache->size)
        return;
    void *data = get_data(device, now, &size);
    if (data && vkd_cache_file_write(device->context, cache->directory, cache->path, &device->caps,
                                     data, size))
        cache->size = now;
    vkd_free(device->context, data);
}

void vkd_pipeline_cache_close(vkd_device *device)
{
    if (!device->cache.handle)
        return;
    vkd_device_save_cache(device);
    device->vk.vkDestroyPipelineCache(device->handle, device->cache.handle, NULL);
    device->cache = (vkd_pipeline_cache){0};
}
