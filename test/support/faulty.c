#include "support/faulty.h"
#include "runtime/vulkan.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---------------------------------------------------------------------------------- host memory */

static void *allocate(void *user, size_t size)
{
    faulty_memory *memory = user;
    if (memory->meanwhile)
        memory->meanwhile(memory->user, memory->calls);
    if (memory->calls++ == memory->fail_at) {
        memory->failed = true;
        return NULL;
    }
    memory->live++;
    return malloc(size);
}

static void release(void *user, void *block)
{
    ((faulty_memory *)user)->live--;
    free(block);
}

/* ------------------------------------------------------------------------------------------ log */

static void keep(void *user, vkd_log_level level, const char *message)
{
    watch *w = user;
    w->counts[level]++;
    w->validation_messages += !strncmp(message, "Vulkan validation", 17);
    size_t room = sizeof w->text - w->length;
    int length = snprintf(w->text + w->length, room, "%s\n", message);
    w->length += (size_t)length < room ? (size_t)length : room - 1;
}

vkd_options watch_begin(watch *w)
{
    const char *validate = getenv("VKD_TEST_VALIDATE");
    *w = (watch){.memory = {.fail_at = -1},
                 .allocator = {sizeof w->allocator, allocate, release, &w->memory}};
    return (vkd_options){
        .size = sizeof(vkd_options),
        .log = keep,
        .log_user = w,
        .log_level = VKD_LOG_DEBUG,
        .error = w->error,
        .error_size = sizeof w->error,
        .allocator = &w->allocator,
        .no_cache = true,
        .no_self_check = true,
        .validate = validate && !strcmp(validate, "1"),
    };
}

void watch_end(watch *w)
{
    if (w->validation_messages)
        fail_msg("validation complains:\n%s", w->text);
    assert_int_equal(w->memory.live, 0);
}

/* -------------------------------------------------------------------------------- Vulkan driver */

static struct {
    PFN_vkGetInstanceProcAddr get_instance;
    PFN_vkGetDeviceProcAddr get_device;
    const char *function;
    atomic_int_fast64_t countdown; /* calls until the one that fails; below 0: none does */
    VkResult result;
    const char *failed;
    const char *counting;
    atomic_uint counted;
} driver = {.countdown = -1};

static bool fails(const char *function)
{
    if (driver.counting && !strcmp(driver.counting, function))
        driver.counted++;
    if (driver.function && strcmp(driver.function, function))
        return false;
    if (atomic_load(&driver.countdown) < 0 || atomic_fetch_sub(&driver.countdown, 1) != 0)
        return false;
    driver.failed = function;
    return true;
}

/* The functions that the library calls and that can fail: name, parameters, arguments. */
#define FALLIBLE(X)                                                                                \
    X(vkEnumerateInstanceLayerProperties, (uint32_t * a, VkLayerProperties * b), (a, b))           \
    X(vkEnumerateInstanceExtensionProperties,                                                      \
      (const char *a, uint32_t *b, VkExtensionProperties *c), (a, b, c))                           \
    X(vkCreateInstance,                                                                            \
      (const VkInstanceCreateInfo *a, const VkAllocationCallbacks *b, VkInstance *c), (a, b, c))   \
    X(vkEnumeratePhysicalDevices, (VkInstance a, uint32_t * b, VkPhysicalDevice * c), (a, b, c))   \
    X(vkEnumerateDeviceExtensionProperties,                                                        \
      (VkPhysicalDevice a, const char *b, uint32_t *c, VkExtensionProperties *d), (a, b, c, d))    \
    X(vkCreateDevice,                                                                              \
      (VkPhysicalDevice a, const VkDeviceCreateInfo *b, const VkAllocationCallbacks *c,            \
       VkDevice *d),                                                                               \
      (a, b, c, d))                                                                                \
    X(vkCreatePipelineCache,                                                                       \
      (VkDevice a, const VkPipelineCacheCreateInfo *b, const VkAllocationCallbacks *c,             \
       VkPipelineCache *d),                                                                        \
      (a, b, c, d))                                                                                \
    X(vkGetPipelineCacheData, (VkDevice a, VkPipelineCache b, size_t * c, void *d), (a, b, c, d))  \
    X(vkCreateBuffer,                                                                              \
      (VkDevice a, const VkBufferCreateInfo *b, const VkAllocationCallbacks *c, VkBuffer *d),      \
      (a, b, c, d))                                                                                \
    X(vkCreateBufferView,                                                                          \
      (VkDevice a, const VkBufferViewCreateInfo *b, const VkAllocationCallbacks *c,                \
       VkBufferView *d),                                                                           \
      (a, b, c, d))                                                                                \
    X(vkAllocateMemory,                                                                            \
      (VkDevice a, const VkMemoryAllocateInfo *b, const VkAllocationCallbacks *c,                  \
       VkDeviceMemory *d),                                                                         \
      (a, b, c, d))                                                                                \
    X(vkBindBufferMemory, (VkDevice a, VkBuffer b, VkDeviceMemory c, VkDeviceSize d),              \
      (a, b, c, d))                                                                                \
    X(vkMapMemory,                                                                                 \
      (VkDevice a, VkDeviceMemory b, VkDeviceSize c, VkDeviceSize d, VkMemoryMapFlags e,           \
       void **f),                                                                                  \
      (a, b, c, d, e, f))                                                                          \
    X(vkInvalidateMappedMemoryRanges, (VkDevice a, uint32_t b, const VkMappedMemoryRange *c),      \
      (a, b, c))                                                                                   \
    X(vkCreateCommandPool,                                                                         \
      (VkDevice a, const VkCommandPoolCreateInfo *b, const VkAllocationCallbacks *c,               \
       VkCommandPool *d),                                                                          \
      (a, b, c, d))                                                                                \
    X(vkAllocateCommandBuffers,                                                                    \
      (VkDevice a, const VkCommandBufferAllocateInfo *b, VkCommandBuffer *c), (a, b, c))           \
    X(vkCreateFence,                                                                               \
      (VkDevice a, const VkFenceCreateInfo *b, const VkAllocationCallbacks *c, VkFence *d),        \
      (a, b, c, d))                                                                                \
    X(vkBeginCommandBuffer, (VkCommandBuffer a, const VkCommandBufferBeginInfo *b), (a, b))        \
    X(vkEndCommandBuffer, (VkCommandBuffer a), (a))                                                \
    X(vkResetFences, (VkDevice a, uint32_t b, const VkFence *c), (a, b, c))                        \
    X(vkQueueSubmit, (VkQueue a, uint32_t b, const VkSubmitInfo *c, VkFence d), (a, b, c, d))      \
    X(vkWaitForFences, (VkDevice a, uint32_t b, const VkFence *c, VkBool32 d, uint64_t e),         \
      (a, b, c, d, e))                                                                             \
    X(vkCreateDescriptorSetLayout,                                                                 \
      (VkDevice a, const VkDescriptorSetLayoutCreateInfo *b, const VkAllocationCallbacks *c,       \
       VkDescriptorSetLayout *d),                                                                  \
      (a, b, c, d))                                                                                \
    X(vkCreatePipelineLayout,                                                                      \
      (VkDevice a, const VkPipelineLayoutCreateInfo *b, const VkAllocationCallbacks *c,            \
       VkPipelineLayout *d),                                                                       \
      (a, b, c, d))                                                                                \
    X(vkCreateShaderModule,                                                                        \
      (VkDevice a, const VkShaderModuleCreateInfo *b, const VkAllocationCallbacks *c,              \
       VkShaderModule *d),                                                                         \
      (a, b, c, d))                                                                                \
    X(vkCreateComputePipelines,                                                                    \
      (VkDevice a, VkPipelineCache b, uint32_t c, const VkComputePipelineCreateInfo *d,            \
       const VkAllocationCallbacks *e, VkPipeline *f),                                             \
      (a, b, c, d, e, f))                                                                          \
    X(vkCreateDescriptorPool,                                                                      \
      (VkDevice a, const VkDescriptorPoolCreateInfo *b, const VkAllocationCallbacks *c,            \
       VkDescriptorPool *d),                                                                       \
      (a, b, c, d))                                                                                \
    X(vkAllocateDescriptorSets,                                                                    \
      (VkDevice a, const VkDescriptorSetAllocateInfo *b, VkDescriptorSet *c), (a, b, c))           \
    X(vkCreateQueryPool,                                                                           \
      (VkDevice a, const VkQueryPoolCreateInfo *b, const VkAllocationCallbacks *c,                 \
       VkQueryPool *d),                                                                            \
      (a, b, c, d))                                                                                \
    X(vkGetQueryPoolResults,                                                                       \
      (VkDevice a, VkQueryPool b, uint32_t c, uint32_t d, size_t e, void *f, VkDeviceSize g,       \
       VkQueryResultFlags h),                                                                      \
      (a, b, c, d, e, f, g, h))

#define WRAPPER(name, parameters, arguments)                                                       \
    static PFN_##name real_##name;                                                                 \
    static VKAPI_ATTR VkResult VKAPI_CALL wrap_##name parameters                                   \
    {                                                                                              \
        return fails(#name) ? driver.result : real_##name arguments;                               \
    }
FALLIBLE(WRAPPER)
#undef WRAPPER

/* Queues that are not there: their handles point into `uses`. */
enum { MAX_QUEUES = 8 };
static struct {
    uint32_t count, uses[MAX_QUEUES];
    VkQueue real;
    PFN_vkGetPhysicalDeviceQueueFamilyProperties families;
    PFN_vkCreateDevice create;
    PFN_vkGetDeviceQueue get;
    PFN_vkQueueSubmit submit;
} queues;

static VKAPI_ATTR void VKAPI_CALL pretend_families(VkPhysicalDevice device, uint32_t *count,
                                                   VkQueueFamilyProperties *out)
{
    queues.families(device, count, out);
    for (uint32_t i = 0; out && queues.count && i < *count; i++)
        out[i].queueCount = queues.count;
}

/* Priorities of queues that are not there. */
static struct {
    bool on;
    VkResult result;      /* of a vkCreateDevice that asks for one */
    uint32_t asked, last; /* how often, for which */
} priorities;

static VkResult pretend_priority(VkDeviceQueueCreateInfo *queue)
{
    const VkDeviceQueueGlobalPriorityCreateInfoKHR *asked = queue->pNext;
    if (!asked)
        return VK_SUCCESS;
    assert_int_equal(asked->sType, VK_STRUCTURE_TYPE_DEVICE_QUEUE_GLOBAL_PRIORITY_CREATE_INFO_KHR);
    priorities.asked++;
    priorities.last = (uint32_t)asked->globalPriority;
    queue->pNext = asked->pNext;
    return priorities.result;
}

/* The names without that of the extension that is not there. */
static void without_priorities(VkDeviceCreateInfo *info, const char *names[])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < info->enabledExtensionCount; i++)
        if (strcmp(info->ppEnabledExtensionNames[i], VK_KHR_GLOBAL_PRIORITY_EXTENSION_NAME))
            names[count++] = info->ppEnabledExtensionNames[i];
    assert_int_equal(count + 1, info->enabledExtensionCount);
    info->enabledExtensionCount = count;
    info->ppEnabledExtensionNames = names;
}

static VKAPI_ATTR VkResult VKAPI_CALL pretend_create(VkPhysicalDevice device,
                                                     const VkDeviceCreateInfo *info,
                                                     const VkAllocationCallbacks *callbacks,
                                                     VkDevice *out)
{
    VkDeviceCreateInfo changed = *info;
    VkDeviceQueueCreateInfo first = info->pQueueCreateInfos[0];
    const char *names[64];
    if (queues.count)
        first.queueCount = 1;
    changed.pQueueCreateInfos = &first;
    if (priorities.on) {
        without_priorities(&changed, names);
        VkResult refused = pretend_priority(&first);
        if (refused != VK_SUCCESS)
            return refused;
    }
    return queues.create(device, &changed, callbacks, out);
}

static VKAPI_ATTR void VKAPI_CALL pretend_get(VkDevice device, uint32_t family, uint32_t index,
                                              VkQueue *out)
{
    queues.get(device, family, queues.count ? 0 : index, out);
    queues.real = *out;
    if (queues.count)
        *out = (VkQueue)(void *)&queues.uses[index];
}

static VKAPI_ATTR VkResult VKAPI_CALL pretend_submit(VkQueue queue, uint32_t count,
                                                     const VkSubmitInfo *infos, VkFence fence)
{
    for (uint32_t i = 0; i < queues.count; i++)
        if (queue == (VkQueue)(void *)&queues.uses[i]) {
            queues.uses[i]++;
            queue = queues.real;
        }
    return queues.submit(queue, count, infos, fence);
}

/* --------------------------------------------------------------------------------------- memory */

enum { MAX_MEMORIES = 4096 };
static struct {
    pthread_mutex_t mutex;
    PFN_vkAllocateMemory allocate;
    PFN_vkFreeMemory release;
    struct {
        VkDeviceMemory handle;
        uint64_t size;
    } live[MAX_MEMORIES];
} memories = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Puts a size in the place of a memory that has `from`. */
static void note_memory(VkDeviceMemory from, VkDeviceMemory to, uint64_t size)
{
    pthread_mutex_lock(&memories.mutex);
    int i = 0;
    while (i < MAX_MEMORIES && memories.live[i].handle != from)
        i++;
    if (i < MAX_MEMORIES) {
        memories.live[i].handle = to;
        memories.live[i].size = size;
    }
    pthread_mutex_unlock(&memories.mutex);
}

static VKAPI_ATTR VkResult VKAPI_CALL count_allocate(VkDevice device,
                                                     const VkMemoryAllocateInfo *info,
                                                     const VkAllocationCallbacks *callbacks,
                                                     VkDeviceMemory *out)
{
    VkResult result = memories.allocate(device, info, callbacks, out);
    if (result == VK_SUCCESS)
        note_memory(VK_NULL_HANDLE, *out, info->allocationSize);
    return result;
}

static VKAPI_ATTR void VKAPI_CALL count_free(VkDevice device, VkDeviceMemory memory,
                                             const VkAllocationCallbacks *callbacks)
{
    if (memory)
        note_memory(memory, VK_NULL_HANDLE, 0);
    memories.release(device, memory, callbacks);
}

uint64_t faulty_driver_memory(void)
{
    uint64_t bytes = 0;
    for (int i = 0; i < MAX_MEMORIES; i++)
        bytes += memories.live[i].size;
    return bytes;
}

void faulty_driver_count(const char *function)
{
    driver.counting = function;
    driver.counted = 0;
}

uint32_t faulty_driver_counted(void) { return driver.counted; }

/* ---------------------------------------------------------------------------------- odd drivers */

static struct {
    const char *function;
    faulty_oddity kind;
    uint32_t calls;
    size_t given; /* bytes of `initial`, what a pipeline cache was made from */
    unsigned char initial[1 << 16];
} odd;

static faulty_oddity oddity_of(const char *function)
{
    if (!odd.function || strcmp(odd.function, function))
        return FAULTY_NO_ODDITY;
    odd.calls++;
    return odd.kind;
}

enum { CLAIMED = 1000000 };

/* What a list of `written` items of so many bytes becomes where there was room for `room`. */
static VkResult spoil_list(faulty_oddity oddity, uint32_t room, uint32_t written, size_t size,
                           uint32_t *count, void *items)
{
    unsigned char *bytes = items;
    *count = written;
    switch (oddity) {
    case FAULTY_LIST_LONG:
        *count = CLAIMED;
        return VK_SUCCESS;
    case FAULTY_LIST_SHORT:
        *count = written ? written - 1 : 0;
        return VK_INCOMPLETE;
    case FAULTY_LIST_REPEATED:
        for (uint32_t i = written; written && i < room; i++)
            memcpy(bytes + i * size, bytes + (written - 1) * size, size);
        *count = room;
        return VK_SUCCESS;
    default:
        return VK_SUCCESS;
    }
}

/* An extension that every driver has gets another one's name. */
static void disguise(const char *function, uint32_t count, void *items)
{
    if (!priorities.on || strcmp(function, "vkEnumerateDeviceExtensionProperties"))
        return;
    VkExtensionProperties *extensions = items;
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(extensions[i].extensionName, VK_KHR_MAINTENANCE_1_EXTENSION_NAME))
            strcpy(extensions[i].extensionName, VK_KHR_GLOBAL_PRIORITY_EXTENSION_NAME);
}

/* The functions that list: name, type of an item, parameters, arguments. */
#define LISTING(X)                                                                                 \
    X(vkEnumerateInstanceLayerProperties, VkLayerProperties,                                       \
      (uint32_t * count, VkLayerProperties * items), (count, items))                               \
    X(vkEnumerateInstanceExtensionProperties, VkExtensionProperties,                               \
      (const char *a, uint32_t *count, VkExtensionProperties *items), (a, count, items))           \
    X(vkEnumeratePhysicalDevices, VkPhysicalDevice,                                                \
      (VkInstance a, uint32_t * count, VkPhysicalDevice * items), (a, count, items))               \
    X(vkEnumerateDeviceExtensionProperties, VkExtensionProperties,                                 \
      (VkPhysicalDevice a, const char *b, uint32_t *count, VkExtensionProperties *items),          \
      (a, b, count, items))

#define ODD_LIST(name, item, parameters, arguments)                                                \
    static PFN_##name listed_##name;                                                               \
    static VKAPI_ATTR VkResult VKAPI_CALL odd_##name parameters                                    \
    {                                                                                              \
        faulty_oddity oddity = items ? oddity_of(#name) : FAULTY_NO_ODDITY;                        \
        uint32_t room = *count;                                                                    \
        if (oddity == FAULTY_LIST_UNWRITTEN)                                                       \
            return VK_SUCCESS;                                                                     \
        VkResult result = listed_##name arguments;                                                 \
        if (items && result >= VK_SUCCESS)                                                         \
            disguise(#name, *count, items);                                                        \
        return oddity ? spoil_list(oddity, room, *count, sizeof(item), count, items) : result;     \
    }
LISTING(ODD_LIST)
#undef ODD_LIST

static VKAPI_ATTR void VKAPI_CALL odd_families(VkPhysicalDevice device, uint32_t *count,
                                               VkQueueFamilyProperties *items)
{
    faulty_oddity oddity =
        items ? oddity_of("vkGetPhysicalDeviceQueueFamilyProperties") : FAULTY_NO_ODDITY;
    uint32_t room = *count;
    if (oddity == FAULTY_LIST_UNWRITTEN)
        return;
    pretend_families(device, count, items);
    if (oddity)
        spoil_list(oddity, room, *count, sizeof *items, count, items);
}

/* Structs that are asked for one at a time. */
#define STRUCTS(X)                                                                                 \
    X(vkGetPhysicalDeviceProperties2, VkPhysicalDeviceProperties2)                                 \
    X(vkGetPhysicalDeviceFeatures2, VkPhysicalDeviceFeatures2)                                     \
    X(vkGetPhysicalDeviceMemoryProperties, VkPhysicalDeviceMemoryProperties)
#define ODD_STRUCT(name, type)                                                                     \
    static PFN_##name asked_##name;                                                                \
    static VKAPI_ATTR void VKAPI_CALL odd_##name(VkPhysicalDevice device, type *out)               \
    {                                                                                              \
        if (oddity_of(#name) != FAULTY_UNWRITTEN)                                                  \
            asked_##name(device, out);                                                             \
    }
STRUCTS(ODD_STRUCT)
#undef ODD_STRUCT

static PFN_vkGetPhysicalDeviceProperties asked_properties;
static VKAPI_ATTR void VKAPI_CALL odd_properties(VkPhysicalDevice device,
                                                 VkPhysicalDeviceProperties *out)
{
    const faulty_oddity oddity = oddity_of("vkGetPhysicalDeviceProperties");
    if (oddity != FAULTY_UNWRITTEN)
        asked_properties(device, out);
    if (oddity == FAULTY_NO_LIMITS)
        memset(&out->limits, 0, sizeof out->limits);
}

static PFN_vkGetBufferMemoryRequirements asked_needs;
static VKAPI_ATTR void VKAPI_CALL odd_needs(VkDevice device, VkBuffer buffer,
                                            VkMemoryRequirements *out)
{
    if (oddity_of("vkGetBufferMemoryRequirements") != FAULTY_UNWRITTEN)
        asked_needs(device, buffer, out);
}

static PFN_vkCreatePipelineCache make_cache;
static VKAPI_ATTR VkResult VKAPI_CALL odd_create_cache(VkDevice device,
                                                       const VkPipelineCacheCreateInfo *info,
                                                       const VkAllocationCallbacks *callbacks,
                                                       VkPipelineCache *out)
{
    odd.given =
        info->initialDataSize < sizeof odd.initial ? info->initialDataSize : sizeof odd.initial;
    if (odd.given)
        memcpy(odd.initial, info->pInitialData, odd.given);
    return make_cache(device, info, callbacks, out);
}

enum { CACHE_HEADER = 32 };

static PFN_vkGetPipelineCacheData get_cache;
static VKAPI_ATTR VkResult VKAPI_CALL odd_get_cache(VkDevice device, VkPipelineCache cache,
                                                    size_t *size, void *data)
{
    unsigned char whole[CACHE_HEADER + sizeof odd.initial];
    size_t header = sizeof whole, room = *size;
    VkResult result;
    switch (oddity_of("vkGetPipelineCacheData")) {
    case FAULTY_CACHE_HEADER:
        result = get_cache(device, cache, &header, whole); /* begins with one */
        memcpy(whole + CACHE_HEADER, odd.initial, odd.given);
        *size = CACHE_HEADER + odd.given;
        if (data)
            memcpy(data, whole, *size < room ? *size : room);
        return result < VK_SUCCESS ? result : VK_SUCCESS;
    case FAULTY_CACHE_LONG:
        result = get_cache(device, cache, size, data);
        *size += data ? CLAIMED : 0;
        return result;
    case FAULTY_CACHE_SHORT:
        result = get_cache(device, cache, size, data);
        *size /= data ? 2 : 1;
        return data ? VK_INCOMPLETE : result;
    case FAULTY_CACHE_UNWRITTEN:
        return data ? VK_SUCCESS : get_cache(device, cache, size, data);
    default:
        return get_cache(device, cache, size, data);
    }
}

static size_t odd_words;
void faulty_driver_odd_words(size_t words) { odd_words = words; }

/* A compiler that takes one instruction for another. */
static PFN_vkCreateShaderModule make_module;
static VKAPI_ATTR VkResult VKAPI_CALL odd_module(VkDevice device,
                                                 const VkShaderModuleCreateInfo *info,
                                                 const VkAllocationCallbacks *callbacks,
                                                 VkShaderModule *out)
{
    enum { HEADER = 5, F_ADD = 129, F_SUB = 131, I_ADD = 128, I_MUL = 132 };
    const size_t count = info->codeSize / 4;
    const faulty_oddity kind =
        odd_words && count != odd_words ? FAULTY_NO_ODDITY : oddity_of("vkCreateShaderModule");
    if (!kind)
        return make_module(device, info, callbacks, out);
    const uint32_t from = kind == FAULTY_SUMS ? F_ADD : I_MUL,
                   to = kind == FAULTY_SUMS ? F_SUB : I_ADD;
    uint32_t *code = malloc(info->codeSize);
    VkShaderModuleCreateInfo changed = *info;
    if (!code)
        return VK_ERROR_OUT_OF_HOST_MEMORY;
    memcpy(code, info->pCode, info->codeSize);
    for (size_t i = HEADER; i < count && code[i] >> 16; i += code[i] >> 16)
        if ((code[i] & 0xffff) == from)
            code[i] += to - from;
    changed.pCode = code;
    VkResult result = make_module(device, &changed, callbacks, out);
    free(code);
    return result;
}

void faulty_driver_be_odd(const char *function, faulty_oddity oddity)
{
    odd.function = function;
    odd.kind = oddity;
    odd.calls = 0;
}

uint32_t faulty_driver_odd_calls(void) { return odd.calls; }

/* What stands between the wrappers and the driver. */
static PFN_vkVoidFunction pretended(const char *name, PFN_vkVoidFunction real)
{
    const struct {
        const char *name;
        void *real;
        PFN_vkVoidFunction ours;
    } rows[] = {
#define LIST_ROW(function, item, parameters, arguments)                                            \
    {#function, &listed_##function, (PFN_vkVoidFunction)odd_##function},
#define STRUCT_ROW(function, type)                                                                 \
    {#function, &asked_##function, (PFN_vkVoidFunction)odd_##function},
        LISTING(LIST_ROW) STRUCTS(STRUCT_ROW)
#undef LIST_ROW
#undef STRUCT_ROW
            {"vkGetPhysicalDeviceQueueFamilyProperties", &queues.families,
             (PFN_vkVoidFunction)odd_families},
        {"vkGetPhysicalDeviceProperties", &asked_properties, (PFN_vkVoidFunction)odd_properties},
        {"vkGetBufferMemoryRequirements", &asked_needs, (PFN_vkVoidFunction)odd_needs},
        {"vkCreateShaderModule", &make_module, (PFN_vkVoidFunction)odd_module},
        {"vkCreatePipelineCache", &make_cache, (PFN_vkVoidFunction)odd_create_cache},
        {"vkGetPipelineCacheData", &get_cache, (PFN_vkVoidFunction)odd_get_cache},
        {"vkCreateDevice", &queues.create, (PFN_vkVoidFunction)pretend_create},
        {"vkGetDeviceQueue", &queues.get, (PFN_vkVoidFunction)pretend_get},
        {"vkQueueSubmit", &queues.submit, (PFN_vkVoidFunction)pretend_submit},
        {"vkAllocateMemory", &memories.allocate, (PFN_vkVoidFunction)count_allocate},
        {"vkFreeMemory", &memories.release, (PFN_vkVoidFunction)count_free},
    };
    for (size_t i = 0; real && i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(name, rows[i].name)) {
            if (memcmp(rows[i].real, &real, sizeof real)) /* else other threads may be at it */
                memcpy(rows[i].real, &real, sizeof real);
            return rows[i].ours;
        }
    return real;
}

void faulty_driver_pretend_queues(uint32_t count)
{
    queues.count = count;
    memset(queues.uses, 0, sizeof queues.uses);
}

void faulty_driver_pretend_priorities(bool on, int result)
{
    priorities.on = on;
    priorities.result = (VkResult)result;
    priorities.asked = priorities.last = 0;
}

uint32_t faulty_driver_priorities(uint32_t *out_last)
{
    *out_last = priorities.last;
    return priorities.asked;
}

uint32_t faulty_driver_queue_uses(uint32_t queue) { return queues.uses[queue]; }

/* The wrapper of a function, which is `real`, or `real` itself. */
static PFN_vkVoidFunction wrapped(const char *name, PFN_vkVoidFunction real)
{
    real = pretended(name, real);
#define CHOOSE(function, parameters, arguments)                                                    \
    if (real && !strcmp(name, #function)) {                                                        \
        if (real_##function != (PFN_##function)real)                                               \
            real_##function = (PFN_##function)real;                                                \
        return (PFN_vkVoidFunction)wrap_##function;                                                \
    }
    FALLIBLE(CHOOSE)
#undef CHOOSE
    return real;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_function(VkDevice device,
                                                                    const char *name)
{
    return wrapped(name, driver.get_device(device, name));
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_function(VkInstance instance,
                                                                      const char *name)
{
    PFN_vkVoidFunction real = driver.get_instance(instance, name);
    if (!strcmp(name, "vkGetDeviceProcAddr") && real) {
        driver.get_device = (PFN_vkGetDeviceProcAddr)real;
        return (PFN_vkVoidFunction)get_device_function;
    }
    return wrapped(name, real);
}

bool faulty_driver_install(void)
{
    /* stays open: drivers do not like to be unloaded */
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
    void *entry = library ? dlsym(library, "vkGetInstanceProcAddr") : NULL;
    if (!entry)
        return false;
    driver.get_instance = (PFN_vkGetInstanceProcAddr)entry;
    return vkd_library_use(get_instance_function);
}

void faulty_driver_arm(const char *function, int64_t at, int result)
{
    driver.function = function;
    driver.result = (VkResult)result;
    driver.failed = NULL;
    atomic_store(&driver.countdown, at);
}

const char *faulty_driver_disarm(void)
{
    atomic_store(&driver.countdown, -1);
    return driver.failed;
}
