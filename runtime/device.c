/* A device opened, shared and closed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/adapter.h"

static vkd_status no_such_device(vkd_context *context, const char *request,
                                 const vkd_adapter *adapters, uint32_t count)
{
    if (!count)
        return vkd_fail(context, VKD_NO_DEVICE,
                        "no Vulkan device with a compute queue was found: vkd-run --list-devices "
                        "shows what there is");
    char names[384] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < count && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%snumber %u, %s",
                                 i ? "; " : "", i, adapters[i].caps.name);
    return vkd_fail(context, VKD_NO_DEVICE, "no device \"%.64s\": there is %s", request, names);
}

static vkd_status choose_adapter(vkd_device *device, const vkd_options *options, vkd_adapter *out)
{
    const char *request =
        options->device && *options->device ? options->device : getenv("VKD_DEVICE");
    vkd_adapter *adapters;
    uint32_t count, family = options->in_flight > 1 ? VKD_COMPUTE_FAMILY : VKD_ANY_FAMILY;
    VKD_TRY(vkd_adapter_list(&device->instance, family, &adapters, &count));
    uint32_t index = vkd_adapter_choose(adapters, count, request);
    vkd_status status = VKD_OK;
    if (index == UINT32_MAX)
        status = no_such_device(device->context, request, adapters, count);
    else
        *out = adapters[index];
    vkd_free(device->context, adapters);
    return status;
}

static void adopt_adapter(vkd_device *device, const vkd_adapter *adapter)
{
    device->caps = adapter->caps;
    device->queue_family = adapter->queue_family;
    device->physical = adapter->handle;
    device->instance.vkGetPhysicalDeviceMemoryProperties(adapter->handle, &device->memory);
}

static vkd_status check_priority(vkd_context *context, const vkd_options *options)
{
    if ((unsigned)options->priority <= VKD_PRIORITY_REALTIME)
        return VKD_OK;
    return vkd_fail(context, VKD_INVALID_ARGUMENT, "vkd_options.priority is %d, no such priority",
                    (int)options->priority);
}

/* Asks for a priority of the queues; false where there is none to be had. */
static bool ask_for_priority(vkd_device *device, vkd_priority priority, const vkd_features *has,
                             VkDeviceQueueGlobalPriorityCreateInfoKHR *out)
{
    static const VkQueueGlobalPriorityKHR of[] = {
        [VKD_PRIORITY_LOW] = VK_QUEUE_GLOBAL_PRIORITY_LOW_KHR,
        [VKD_PRIORITY_HIGH] = VK_QUEUE_GLOBAL_PRIORITY_HIGH_KHR,
        [VKD_PRIORITY_REALTIME] = VK_QUEUE_GLOBAL_PRIORITY_REALTIME_KHR,
    };
    if (priority == VKD_PRIORITY_DEFAULT)
        return false;
    if (!has->global_priority_khr && !has->global_priority_ext) {
        vkd_log(device->context, VKD_LOG_WARNING,
                "%s has no priorities of queues: vkd_options.priority has no effect",
                device->caps.name);
        return false;
    }
    *out = (VkDeviceQueueGlobalPriorityCreateInfoKHR){
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_GLOBAL_PRIORITY_CREATE_INFO_KHR,
        .globalPriority = of[priority],
    };
    return true;
}

/* What a driver says where a priority is not to be had. */
static bool is_refusal(VkResult result)
{
    return result == VK_ERROR_NOT_PERMITTED_KHR || result == VK_ERROR_INITIALIZATION_FAILED;
}

static VkResult create_handle(const vkd_instance *instance, VkPhysicalDevice physical,
                              const VkDeviceCreateInfo *info, VkDevice *out)
{
    vkd_library_lock();
    VkResult result = instance->vkCreateDevice(physical, info, NULL, out);
    vkd_library_unlock();
    return result;
}

/* What vkCreateDevice turns on, in a chain. */
typedef struct feature_chain {
    VkPhysicalDeviceShaderIntegerDotProductFeatures dot;
    VkPhysicalDeviceCooperativeMatrixFeaturesNV matrix;
    VkPhysicalDeviceVulkanMemoryModelFeatures model;
    VkPhysicalDeviceShaderFloat16Int8Features types;
} feature_chain;

/* Returns where the chain begins; null if there is nothing to turn on. */
static const void *link_features(const vkd_caps *caps, feature_chain *chain)
{
    *chain = (feature_chain){
        .dot = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
                .shaderIntegerDotProduct = VK_TRUE},
        .matrix = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_NV,
                   .pNext = caps->dot_supported ? &chain->dot : NULL,
                   .cooperativeMatrix = VK_TRUE},
        .model = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES,
                  .pNext = &chain->matrix,
                  .vulkanMemoryModel = VK_TRUE},
        .types = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES,
                  .pNext = &chain->model,
                  .shaderInt8 = caps->matrix_int8,
                  .shaderFloat16 = caps->matrix_f16},
    };
    if (caps->matrix_int8 || caps->matrix_f16)
        return &chain->types;
    return caps->dot_supported ? &chain->dot : NULL;
}

static vkd_status get_queues(vkd_device *device, uint32_t count)
{
    device->queue_count = count;
    for (uint32_t i = 0; i < count; i++)
        device->vk.vkGetDeviceQueue(device->handle, device->queue_family, i, &device->queues[i]);
    for (uint32_t i = 0; i < count; i++)
        if (!device->queues[i])
            return vkd_fail(device->context, VKD_DEVICE_ERROR,
                            "%s does not give queue %u of family %u", device->caps.name, i,
                            device->queue_family);
    return VKD_OK;
}

static vkd_status create_device(vkd_device *device, const vkd_options *options)
{
    VKD_TRY(check_priority(device->context, options));
    VKD_TRY(vkd_instance_create(device->context, options->validate, &device->instance));
    vkd_adapter adapter;
    VKD_TRY(choose_adapter(device, options, &adapter));
    adopt_adapter(device, &adapter);
    const uint32_t wanted = options->in_flight ? options->in_flight : 1;
    float priorities[VKD_MAX_IN_FLIGHT];
    for (uint32_t i = 0; i < VKD_MAX_IN_FLIGHT; i++)
        priorities[i] = 1;
    VkDeviceQueueGlobalPriorityCreateInfoKHR priority;
    VkDeviceQueueCreateInfo queues = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
        .pNext = ask_for_priority(device, options->priority, &adapter.features, &priority)
                     ? &priority
                     : NULL,
        .queueFamilyIndex = device->queue_family,
        .queueCount = wanted < adapter.queue_count ? wanted : adapter.queue_count,
        .pQueuePriorities = priorities,
    };
    feature_chain features;
    const VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = link_features(&device->caps, &features),
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &queues,
        .enabledExtensionCount = adapter.extension_count,
        .ppEnabledExtensionNames = adapter.extensions,
    };
    VkDevice handle = VK_NULL_HANDLE;
    VkResult result = create_handle(&device->instance, adapter.handle, &info, &handle);
    if (queues.pNext && is_refusal(result)) {
        vkd_log(device->context, VKD_LOG_WARNING,
                "%s does not give its queues the priority of vkd_options.priority (%s): it has no "
                "effect",
                device->caps.name, vkd_vk_result_name(result));
        queues.pNext = NULL;
        result = create_handle(&device->instance, adapter.handle, &info, &handle);
    }
    VKD_TRY(vkd_vk_status(device->context, result, "vkCreateDevice for %s", device->caps.name));
    vkd_status loaded = vkd_device_load(&device->instance, handle, &device->vk);
    if (loaded != VKD_OK && device->vk.vkDestroyDevice)
        device->vk.vkDestroyDevice(handle, NULL);
    VKD_TRY(loaded);
    device->handle = handle;
    device->dma_bufs = adapter.features.external_fd && adapter.features.external_dma_buf;
    device->foreign_queues = adapter.features.foreign_queues;
    vkd_library_pin((PFN_vkVoidFunction)device->vk.vkQueueSubmit);
    return get_queues(device, queues.queueCount);
}

static vkd_status borrow_device(vkd_device *device, const vkd_vulkan *given)
{
    vkd_vulkan copy;
    const vkd_vulkan *vulkan = &copy;
    device->borrowed = true;
    if (!vkd_struct_read(&copy, sizeof copy, given, 0))
        return vkd_fail(device->context, VKD_INVALID_ARGUMENT,
                        "vkd_options.vulkan: its size must be sizeof(vkd_vulkan)");
    if (!vulkan->instance || !vulkan->physical_device || !vulkan->device || !vulkan->queue ||
        !vulkan->lock != !vulkan->unlock)
        return vkd_fail(device->context, VKD_INVALID_ARGUMENT,
                        "vkd_options.vulkan needs an instance, physical device, device and queue, "
                        "and both of lock and unlock "
                        "or none");
    VKD_TRY(vkd_instance_borrow(device->context, vulkan->instance, &device->instance));
    vkd_adapter adapter;
    bool fits;
    VKD_TRY(vkd_adapter_query(&device->instance, vulkan->physical_device, vulkan->queue_family,
                              &adapter, &fits));
    if (!fits)
        return vkd_fail(device->context, VKD_INVALID_ARGUMENT,
                        "the device in vkd_options.vulkan is older than Vulkan 1.1 or has no "
                        "compute in queue family %u",
                        vulkan->queue_family);
    adopt_adapter(device, &adapter);
    device->caps.dot_supported = device->caps.dot_supported && vulkan->integer_dot_product;
    device->caps.dot = vkd_caps_best_dot(&device->caps);
    /* whether they are enabled there is not known */
    device->caps.matrix_int8 = device->caps.matrix_f16 = false;
    VKD_TRY(vkd_device_load(&device->instance, vulkan->device, &device->vk));
    device->handle = vulkan->device;
    device->queues[0] = vulkan->queue;
    device->queue_count = 1;
    device->lock = vulkan->lock;
    device->unlock = vulkan->unlock;
    device->lock_user = vulkan->user;
    return VKD_OK;
}

static vkd_status force_dot(vkd_device *device, vkd_int8_dot dot)
{
    if (dot == VKD_DOT_AUTO)
        return VKD_OK;
    if ((unsigned)dot > VKD_DOT_MIXED)
        return vkd_fail(device->context, VKD_INVALID_ARGUMENT,
                        "vkd_options.int8_dot is %d, no such flavour", (int)dot);
    if (dot != VKD_DOT_NONE && !device->caps.dot_supported)
        return vkd_fail(device->context, VKD_UNSUPPORTED,
                        "the int8 flavour \"%s\" was forced, but %s has no integer dot product",
                        vkd_int8_dot_name(dot), device->caps.name);
    device->caps.dot = dot;
    return VKD_OK;
}

static vkd_status open_device(vkd_device *device, const vkd_options *options)
{
    VKD_TRY(options->vulkan ? borrow_device(device, options->vulkan)
                            : create_device(device, options));
    VKD_TRY(force_dot(device, options->int8_dot));
    VKD_TRY(vkd_pipeline_cache_open(device, options));
    static const char *const dots[] = {[VKD_DOT_NONE] = "no int8 dot product",
                                       [VKD_DOT_SIGNED] = "signed int8 dot product",
                                       [VKD_DOT_MIXED] = "mixed int8 dot product"};
    vkd_log(device->context, VKD_LOG_INFO, "device %s (%s), %s", device->caps.name,
            vkd_device_type_name(device->caps.type), dots[device->caps.dot]);
    return VKD_OK;
}

static void set_timeout(vkd_device *device, const vkd_options *options)
{
    const uint64_t usual_ns =
        device->caps.type == VKD_TYPE_CPU ? VKD_CPU_TIMEOUT_NS : VKD_DEFAULT_TIMEOUT_NS;
    device->timeout_ns = options->timeout_ms ? options->timeout_ms * UINT64_C(1000000) : usual_ns;
}

vkd_status vkd_device_share(vkd_device *owner, vkd_context *context, const vkd_options *options,
                            vkd_device **out)
{
    *out = NULL;
    if (owner->lost)
        return vkd_fail(context, VKD_DEVICE_LOST,
                        "the engine's device %s was lost: a new engine may work", owner->caps.name);
    vkd_device *device = vkd_alloc(context, 1, sizeof *device);
    if (!device)
        return vkd_fail_memory(context, "the device");
    device->context = context;
    device->owner = owner;
    device->caps = owner->caps;
    device->instance.vkSetDebugUtilsObjectNameEXT = owner->instance.vkSetDebugUtilsObjectNameEXT;
    device->handle = owner->handle;
    device->physical = owner->physical;
    device->dma_bufs = owner->dma_bufs;
    device->foreign_queues = owner->foreign_queues;
    device->borrowed = owner->borrowed;
    device->opener = owner->opener;
    memcpy(device->queues, owner->queues, sizeof device->queues);
    device->queue_count = owner->queue_count;
    device->queue_family = owner->queue_family;
    device->lock = owner->lock;
    device->unlock = owner->unlock;
    device->lock_user = owner->lock_user;
    device->vk = owner->vk;
    device->memory = owner->memory;
    set_timeout(device, options);
    vkd_status status = force_dot(device, options->int8_dot);
    if (status != VKD_OK)
        vkd_device_close(device);
    else
        *out = device;
    return status;
}

vkd_status vkd_device_open(vkd_context *context, const vkd_options *options, vkd_device **out)
{
    static const vkd_options defaults;
    if (!options)
        options = &defaults;
    *out = NULL;
    vkd_device *device = vkd_alloc(context, 1, sizeof *device);
    if (!device)
        return vkd_fail_memory(context, "the device");
    device->context = context;
    device->owner = device;
    device->opener = getpid();
    vkd_arena_init(&device->arena, context);
    if (pthread_mutex_init(&device->mutex, NULL) != 0) {
        vkd_free(context, device);
        return vkd_fail_memory(context, "the device's mutex");
    }
    vkd_status status = open_device(device, options);
    if (status != VKD_OK) {
        vkd_device_close(device);
        return status;
    }
    set_timeout(device, options);
    *out = device;
    return VKD_OK;
}

void vkd_device_close(vkd_device *device)
{
    if (!device)
        return;
    if (device->owner != device) {
        vkd_device_idle(device);
        vkd_free(device->context, device);
        return;
    }
    if (device->handle && vkd_device_idle(device)) {
        vkd_pipeline_cache_close(device);
        vkd_pipelines_destroy(device);
        if (!device->borrowed) {
            vkd_library_lock();
            device->vk.vkDestroyDevice(device->handle, NULL);
            vkd_library_unlock();
        }
    }
    if (!device->stuck)
        vkd_instance_destroy(&device->instance);
    else if (device->instance.messenger &&
             vkd_device_is_ours(device)) /* it points into what is freed here */
        device->instance.vkDestroyDebugUtilsMessengerEXT(device->instance.handle,
                                                         device->instance.messenger, NULL);
    vkd_context *context = device->context;
    pthread_mutex_destroy(&device->mutex);
    vkd_arena_release(&device->arena);
    vkd_free(context, device);
}

bool vkd_device_is_same(const vkd_device *a, const vkd_device *b) { return a->owner == b->owner; }

bool vkd_device_is_ours(const vkd_device *device) { return device->opener == getpid(); }

vkd_status vkd_device_check(vkd_device *device)
{
    if (!vkd_device_is_ours(device))
        return vkd_fail(device->context, VKD_DEVICE_LOST,
                        "the device %s was opened by another process: after fork() its objects can "
                        "only be destroyed",
                        device->caps.name);
    if (device->owner->lost)
        return vkd_fail(device->context, VKD_DEVICE_LOST, "the device %s was lost earlier",
                        device->caps.name);
    return VKD_OK;
}

const vkd_caps *vkd_device_caps(const vkd_device *device) { return &device->caps; }

vkd_context *vkd_device_context(const vkd_device *device) { return device->context; }

uint32_t vkd_device_validation_messages(const vkd_device *device)
{
    return device->owner->instance.validation_messages;
}

void vkd_name_object(vkd_device *device, VkObjectType type, const void *handle, const char *name)
{
    if (!device->instance.vkSetDebugUtilsObjectNameEXT)
        return;
    const VkDebugUtilsObjectNameInfoEXT info = {
        .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT,
        .objectType = type,
        .objectHandle = (uint64_t)(uintptr_t)handle,
        .pObjectName = name,
    };
    /* a name that is not set does no harm */
    device->instance.vkSetDebugUtilsObjectNameEXT(device->handle, &info);
}

vkd_status vkd_device_list(vkd_context *context, vkd_device_info *entries, uint32_t capacity,
                           uint32_t *out_count)
{
    *out_count = 0;
    vkd_instance instance;
    vkd_adapter *adapters = NULL;
    uint32_t count = 0;
    vkd_status status = vkd_instance_find(context, &instance);
    if (status == VKD_OK)
        status = vkd_adapter_list(&instance, VKD_ANY_FAMILY, &adapters, &count);
    for (uint32_t i = 0; i < count && i < capacity; i++)
        vkd_caps_info(&adapters[i].caps, &entries[i]);
    vkd_free(context, adapters);
    vkd_instance_destroy(&instance);
    *out_count = count;
    return status;
}
