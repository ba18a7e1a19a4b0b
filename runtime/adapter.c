#include "runtime/adapter.h"
#include "shaders/families.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* One row per optional extension. Where the device's version has it in its core nothing needs to be
 * enabled by name. */
static const struct {
    const char *name;
    uint32_t core_version; /* 0: never */
    size_t present;        /* the flag in vkd_features */
} optional_extensions[] = {
    {VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME, VK_API_VERSION_1_3,
     offsetof(vkd_features, integer_dot_product)},
    {VK_KHR_VULKAN_MEMORY_MODEL_EXTENSION_NAME, VK_API_VERSION_1_2,
     offsetof(vkd_features, memory_model)},
    {VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME, VK_API_VERSION_1_2,
     offsetof(vkd_features, small_types)},
    {VK_NV_COOPERATIVE_MATRIX_EXTENSION_NAME, 0, offsetof(vkd_features, cooperative_matrix)},
    {VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME, 0, offsetof(vkd_features, sm_builtins)},
    {VK_KHR_GLOBAL_PRIORITY_EXTENSION_NAME, 0, offsetof(vkd_features, global_priority_khr)},
    {VK_EXT_GLOBAL_PRIORITY_EXTENSION_NAME, 0, offsetof(vkd_features, global_priority_ext)},
    {VK_KHR_EXTERNAL_MEMORY_FD_EXTENSION_NAME, 0, offsetof(vkd_features, external_fd)},
    {VK_EXT_EXTERNAL_MEMORY_DMA_BUF_EXTENSION_NAME, 0, offsetof(vkd_features, external_dma_buf)},
    {VK_EXT_EXTERNAL_MEMORY_HOST_EXTENSION_NAME, 0, offsetof(vkd_features, external_host)},
    {VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME, 0, offsetof(vkd_features, foreign_queues)},
    {VK_ANDROID_EXTERNAL_MEMORY_ANDROID_HARDWARE_BUFFER_EXTENSION_NAME, 0,
     offsetof(vkd_features, hardware_buffer)},
    {"VK_KHR_portability_subset", 0, offsetof(vkd_features, portability_subset)},
};
enum { OPTIONAL_COUNT = sizeof optional_extensions / sizeof optional_extensions[0] };
_Static_assert((int)OPTIONAL_COUNT == (int)VKD_OPTIONAL_EXTENSIONS,
               "an adapter can have all of them");

static bool has(const VkQueueFamilyProperties *family, VkQueueFlags flags)
{
    return (family->queueFlags & flags) == flags;
}

uint32_t vkd_family_choose(const VkQueueFamilyProperties *families, uint32_t count, uint32_t wanted)
{
    uint32_t general = VKD_ANY_FAMILY, compute = VKD_ANY_FAMILY;
    for (uint32_t i = count; i-- > 0;)
        if (has(&families[i], VK_QUEUE_COMPUTE_BIT))
            *(has(&families[i], VK_QUEUE_GRAPHICS_BIT) ? &general : &compute) = i;
    if (wanted < VKD_COMPUTE_FAMILY)
        return wanted < count && has(&families[wanted], VK_QUEUE_COMPUTE_BIT) ? wanted
                                                                              : VKD_ANY_FAMILY;
    bool apart = wanted == VKD_COMPUTE_FAMILY && compute != VKD_ANY_FAMILY &&
                 families[compute].queueCount > 1;
    return apart || general == VKD_ANY_FAMILY ? compute : general;
}

/* Whose lists the functions below give. */
typedef struct owner {
    const vkd_instance *instance;
    VkPhysicalDevice device;
} owner;

static VkResult list_extensions(const void *of, uint32_t *count, void *out)
{
    const owner *o = of;
    return o->instance->vkEnumerateDeviceExtensionProperties(o->device, NULL, count, out);
}

static VkResult list_families(const void *of, uint32_t *count, void *out)
{
    const owner *o = of;
    o->instance->vkGetPhysicalDeviceQueueFamilyProperties(o->device, count, out);
    return VK_SUCCESS;
}

static VkResult list_devices(const void *of, uint32_t *count, void *out)
{
    const owner *o = of;
    VkResult result = o->instance->vkEnumeratePhysicalDevices(o->instance->handle, count, out);
    if (result != VK_ERROR_INITIALIZATION_FAILED)
        return result;
    *count = 0; /* it is what the loader says when every driver has failed */
    return VK_SUCCESS;
}

/* Which optional extensions the device has, and which of them have to be enabled by name. */
static vkd_status find_extensions(const vkd_instance *instance, uint32_t version,
                                  vkd_adapter *adapter)
{
    vkd_context *context = instance->context;
    void *list;
    uint32_t count;
    VKD_TRY(vkd_enumerate(context, list_extensions, &(owner){instance, adapter->handle},
                          sizeof(VkExtensionProperties), "vkEnumerateDeviceExtensionProperties",
                          &list, &count));
    const VkExtensionProperties *extensions = list;
    for (size_t row = 0; row < OPTIONAL_COUNT; row++) {
        const char *name = optional_extensions[row].name;
        bool *present = (bool *)((char *)&adapter->features + optional_extensions[row].present);
        uint32_t core = optional_extensions[row].core_version;
        *present = core && version >= core;
        for (uint32_t i = 0; i < count && !*present; i++)
            if (strncmp(extensions[i].extensionName, name, sizeof extensions[i].extensionName) ==
                0) {
                adapter->extensions[adapter->extension_count++] = name;
                *present = true;
            }
    }
    vkd_free(context, list);
    return VKD_OK;
}

static vkd_device_type type_of(VkPhysicalDeviceType type)
{
    switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
        return VKD_TYPE_DISCRETE;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
        return VKD_TYPE_INTEGRATED;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
        return VKD_TYPE_VIRTUAL;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
        return VKD_TYPE_CPU;
    default:
        return VKD_TYPE_OTHER;
    }
}

static uint32_t min32(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* A limit that the driver has not written is the least that Vulkan promises. */
static uint32_t promised(uint32_t limit, uint32_t least) { return limit ? limit : least; }

static void fill_limits(const VkPhysicalDeviceProperties *properties,
                        const VkQueueFamilyProperties *family, vkd_caps *caps)
{
    const VkPhysicalDeviceLimits *limits = &properties->limits;
    _Static_assert(sizeof caps->name == sizeof properties->deviceName, "names have one size");
    _Static_assert(sizeof caps->pipeline_cache_uuid == sizeof properties->pipelineCacheUUID,
                   "UUIDs have one size");
    memcpy(caps->name, properties->deviceName, sizeof caps->name);
    memcpy(caps->pipeline_cache_uuid, properties->pipelineCacheUUID,
           sizeof caps->pipeline_cache_uuid);
    caps->type = type_of(properties->deviceType);
    caps->vendor_id = properties->vendorID;
    caps->device_id = properties->deviceID;
    caps->driver_version = properties->driverVersion;
    caps->api_version = properties->apiVersion;
    caps->max_workgroup_invocations = promised(limits->maxComputeWorkGroupInvocations, 128);
    for (int axis = 0; axis < 3; axis++) {
        caps->max_workgroup_size[axis] =
            promised(limits->maxComputeWorkGroupSize[axis], axis < 2 ? 128 : 64);
        caps->max_workgroup_count[axis] = promised(limits->maxComputeWorkGroupCount[axis], 65535);
    }
    caps->shared_memory = promised(limits->maxComputeSharedMemorySize, 16384);
    caps->max_push_constants = promised(limits->maxPushConstantsSize, 128);
    caps->max_storage_range = promised(limits->maxStorageBufferRange, 1u << 27);
    /* One alignment serves both ways of binding a range. */
    uint64_t storage = limits->minStorageBufferOffsetAlignment,
             texel = limits->minTexelBufferOffsetAlignment;
    caps->storage_alignment = promised((uint32_t)(storage > texel ? storage : texel), 256);
    caps->max_texels = promised(limits->maxTexelBufferElements, 65536);
    caps->max_storage_buffers = min32(promised(limits->maxPerStageDescriptorStorageBuffers, 4),
                                      min32(promised(limits->maxDescriptorSetStorageBuffers, 24),
                                            promised(limits->maxPerStageResources, 128)));
    caps->max_loops = caps->type == VKD_TYPE_CPU ? VKD_CPU_MAX_LOOPS : 0;
    caps->timestamp_bits = family->timestampValidBits;
    caps->timestamp_ns = family->timestampValidBits ? limits->timestampPeriod : 0;
    caps->left_out = VKD_FAMILIES_LEFT_OUT;
}

/* What has to be asked for in structs of its own. */
static void fill_properties(const vkd_instance *instance, vkd_adapter *adapter)
{
    vkd_caps *caps = &adapter->caps;
    bool dot = adapter->features.integer_dot_product;
    void *chain = NULL; /* without the extension its struct must not be in it */
    VkPhysicalDeviceShaderIntegerDotProductProperties dot_properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES};
    if (dot)
        chain = &dot_properties;
    VkPhysicalDeviceShaderSMBuiltinsPropertiesNV multiprocessors = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV,
        .pNext = chain};
    if (adapter->features.sm_builtins)
        chain = &multiprocessors;
    VkPhysicalDeviceMaintenance3Properties maintenance = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, .pNext = chain};
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, .pNext = &maintenance};
    VkPhysicalDeviceProperties2 properties = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, .pNext = &subgroup};
    instance->vkGetPhysicalDeviceProperties2(adapter->handle, &properties);
    caps->subgroup_size = promised(subgroup.subgroupSize, 1);
    caps->subgroup_shuffle = (subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT) &&
                             (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT);
    caps->max_allocation =
        maintenance.maxMemoryAllocationSize ? maintenance.maxMemoryAllocationSize : 1u << 30;
    caps->multiprocessors = multiprocessors.shaderSMCount;
    if (dot) {
        VkPhysicalDeviceShaderIntegerDotProductFeatures feature = {
            .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
        VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                              .pNext = &feature};
        instance->vkGetPhysicalDeviceFeatures2(adapter->handle, &features);
        caps->dot_supported = feature.shaderIntegerDotProduct;
        caps->dot_signed_accelerated =
            dot_properties.integerDotProduct4x8BitPackedSignedAccelerated;
        caps->dot_mixed_accelerated =
            dot_properties.integerDotProduct4x8BitPackedMixedSignednessAccelerated;
    }
    caps->dot = vkd_caps_best_dot(caps);
}

/* Operands and sums of 16x16 products of k values. */
typedef struct matrix_shape {
    uint32_t k;
    VkComponentTypeNV factors, sums;
} matrix_shape;

static bool is_shape(const VkCooperativeMatrixPropertiesNV *has, const matrix_shape *wanted)
{
    return has->MSize == 16 && has->NSize == 16 && has->KSize == wanted->k &&
           has->scope == VK_SCOPE_SUBGROUP_NV && has->AType == wanted->factors &&
           has->BType == wanted->factors && has->CType == wanted->sums &&
           has->DType == wanted->sums;
}

/* Whether the matrix units multiply so, a subgroup at a time. */
static bool multiplies(const vkd_instance *instance, VkPhysicalDevice handle,
                       const matrix_shape *wanted)
{
    VkCooperativeMatrixPropertiesNV shapes[64];
    uint32_t count = sizeof shapes / sizeof shapes[0];
    for (uint32_t i = 0; i < count; i++)
        shapes[i] = (VkCooperativeMatrixPropertiesNV){
            .sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_NV};
    if (!instance->vkGetPhysicalDeviceCooperativeMatrixPropertiesNV)
        return false;
    const uint32_t room = count;
    VkResult result =
        instance->vkGetPhysicalDeviceCooperativeMatrixPropertiesNV(handle, &count, shapes);
    if (result != VK_SUCCESS && result != VK_INCOMPLETE)
        return false;
    for (uint32_t i = 0; i < count && i < room; i++)
        if (is_shape(&shapes[i], wanted))
            return true;
    return false;
}

static void fill_matrix(const vkd_instance *instance, vkd_adapter *adapter)
{
    const vkd_features *has = &adapter->features;
    if (!has->cooperative_matrix || !has->memory_model || !has->small_types)
        return;
    VkPhysicalDeviceCooperativeMatrixFeaturesNV matrix = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_NV};
    VkPhysicalDeviceVulkanMemoryModelFeatures model = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES, .pNext = &matrix};
    VkPhysicalDeviceShaderFloat16Int8Features types = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, .pNext = &model};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &types};
    instance->vkGetPhysicalDeviceFeatures2(adapter->handle, &features);
    static const matrix_shape int8 = {32, VK_COMPONENT_TYPE_SINT8_NV, VK_COMPONENT_TYPE_SINT32_NV},
                              halves = {16, VK_COMPONENT_TYPE_FLOAT16_NV,
                                        VK_COMPONENT_TYPE_FLOAT32_NV};
    const bool usable = matrix.cooperativeMatrix && model.vulkanMemoryModel;
    adapter->caps.matrix_int8 =
        usable && types.shaderInt8 && multiplies(instance, adapter->handle, &int8);
    adapter->caps.matrix_f16 =
        usable && types.shaderFloat16 && multiplies(instance, adapter->handle, &halves);
}

/* The family that fits the wish, with its number in *out_index: VKD_ANY_FAMILY if there is none. */
static vkd_status find_family(const vkd_instance *instance, VkPhysicalDevice physical,
                              uint32_t wanted, uint32_t *out_index, VkQueueFamilyProperties *out)
{
    void *list;
    uint32_t count;
    VKD_TRY(vkd_enumerate(instance->context, list_families, &(owner){instance, physical},
                          sizeof *out, "vkGetPhysicalDeviceQueueFamilyProperties", &list, &count));
    const VkQueueFamilyProperties *families = list;
    *out_index = vkd_family_choose(families, count, wanted);
    if (*out_index != VKD_ANY_FAMILY)
        *out = families[*out_index];
    vkd_free(instance->context, list);
    return VKD_OK;
}

vkd_status vkd_adapter_query(const vkd_instance *instance, VkPhysicalDevice physical,
                             uint32_t queue_family, vkd_adapter *out, bool *out_fits)
{
    *out = (vkd_adapter){.handle = physical};
    *out_fits = false;
    VkPhysicalDeviceProperties properties = {0};
    VkQueueFamilyProperties family = {0};
    instance->vkGetPhysicalDeviceProperties(physical, &properties);
    VKD_TRY(find_family(instance, physical, queue_family, &out->queue_family, &family));
    if (properties.apiVersion < VK_API_VERSION_1_1 || out->queue_family == VKD_ANY_FAMILY)
        return VKD_OK;
    out->queue_count = min32(promised(family.queueCount, 1), VKD_MAX_IN_FLIGHT);
    fill_limits(&properties, &family, &out->caps);
    VKD_TRY(find_extensions(instance, min32(properties.apiVersion, instance->version), out));
    fill_properties(instance, out);
    fill_matrix(instance, out);
    *out_fits = true;
    return VKD_OK;
}

/* Queries so many devices into as many adapters; those that fit come first. */
static vkd_status query_all(const vkd_instance *instance, const VkPhysicalDevice *devices,
                            uint32_t count, uint32_t queue_family, vkd_adapter *adapters,
                            uint32_t *out_fitting)
{
    *out_fitting = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool fits = false;
        if (devices[i])
            VKD_TRY(vkd_adapter_query(instance, devices[i], queue_family, &adapters[*out_fitting],
                                      &fits));
        *out_fitting += fits;
    }
    return VKD_OK;
}

vkd_status vkd_adapter_list(const vkd_instance *instance, uint32_t queue_family, vkd_adapter **out,
                            uint32_t *out_count)
{
    vkd_context *context = instance->context;
    void *devices;
    uint32_t count, fitting = 0;
    *out = NULL;
    *out_count = 0;
    VKD_TRY(vkd_enumerate(context, list_devices, &(owner){instance, NULL}, sizeof(VkPhysicalDevice),
                          "vkEnumeratePhysicalDevices", &devices, &count));
    vkd_adapter *adapters = vkd_alloc(context, count, sizeof *adapters);
    vkd_status status = adapters
                            ? query_all(instance, devices, count, queue_family, adapters, &fitting)
                            : vkd_fail_memory(context, "the list of devices");
    vkd_free(context, devices);
    if (status != VKD_OK || !fitting) {
        vkd_free(context, adapters);
        return status;
    }
    *out = adapters;
    *out_count = fitting;
    return VKD_OK;
}

static bool contains_any_case(const char *text, const char *part)
{
    size_t length = strlen(part);
    for (; strlen(text) >= length; text++)
        if (strncasecmp(text, part, length) == 0)
            return true;
    return false;
}

uint32_t vkd_adapter_choose(const vkd_adapter *adapters, uint32_t count, const char *request)
{
    static const unsigned char rank[] = {[VKD_TYPE_DISCRETE] = 0,
                                         [VKD_TYPE_INTEGRATED] = 1,
                                         [VKD_TYPE_VIRTUAL] = 2,
                                         [VKD_TYPE_CPU] = 3,
                                         [VKD_TYPE_OTHER] = 4};
    if (!request)
        request = "";
    size_t digits = strspn(request, "0123456789");
    if (digits && !request[digits]) {
        uint64_t index = 0;
        for (size_t i = 0; i < digits && index < count; i++)
            index = 10 * index + (uint64_t)(request[i] - '0');
        return index < count ? (uint32_t)index : UINT32_MAX;
    }
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++)
        if (contains_any_case(adapters[i].caps.name, request) &&
            (best == UINT32_MAX || rank[adapters[i].caps.type] < rank[adapters[best].caps.type]))
            best = i;
    return best;
}
