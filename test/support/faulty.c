#include "support/faulty.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <volk.h>

#include <cmocka.h>

/* ------------------------------------------------------------------------------------------------------ host memory */

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

vkd_allocator faulty_allocator(faulty_memory *memory) { return (vkd_allocator){allocate, release, memory}; }

/* ------------------------------------------------------------------------------------------------------------- log */

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
    *w = (watch){.memory = {.fail_at = -1}};
    return (vkd_options){
        .log = keep,
        .log_user = w,
        .log_level = VKD_LOG_DEBUG,
        .error = w->error,
        .error_size = sizeof w->error,
        .allocator = faulty_allocator(&w->memory),
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

/* ---------------------------------------------------------------------------------------------------- Vulkan driver */

static struct {
    PFN_vkGetInstanceProcAddr get_instance;
    PFN_vkGetDeviceProcAddr get_device;
    const char *function;
    atomic_int_fast64_t countdown; /* calls until the one that fails; below 0: none does */
    VkResult result;
    const char *failed;
} driver = {.countdown = -1};

static bool fails(const char *function)
{
    if (driver.function && strcmp(driver.function, function))
        return false;
    if (atomic_load(&driver.countdown) < 0 || atomic_fetch_sub(&driver.countdown, 1) != 0)
        return false;
    driver.failed = function;
    return true;
}

/* The functions that the library calls and that can fail: name, parameters, arguments. */
#define FALLIBLE(X)                                                                                                            \
    X(vkEnumerateInstanceLayerProperties, (uint32_t * a, VkLayerProperties * b), (a, b))                                       \
    X(vkEnumerateInstanceExtensionProperties, (const char *a, uint32_t *b, VkExtensionProperties *c), (a, b, c))               \
    X(vkCreateInstance, (const VkInstanceCreateInfo *a, const VkAllocationCallbacks *b, VkInstance *c), (a, b, c))             \
    X(vkEnumeratePhysicalDevices, (VkInstance a, uint32_t * b, VkPhysicalDevice * c), (a, b, c))                               \
    X(vkEnumerateDeviceExtensionProperties, (VkPhysicalDevice a, const char *b, uint32_t *c, VkExtensionProperties *d),        \
      (a, b, c, d))                                                                                                            \
    X(vkCreateDevice, (VkPhysicalDevice a, const VkDeviceCreateInfo *b, const VkAllocationCallbacks *c, VkDevice *d),          \
      (a, b, c, d))                                                                                                            \
    X(vkCreatePipelineCache,                                                                                                   \
      (VkDevice a, const VkPipelineCacheCreateInfo *b, const VkAllocationCallbacks *c, VkPipelineCache *d), (a, b, c, d))      \
    X(vkGetPipelineCacheData, (VkDevice a, VkPipelineCache b, size_t * c, void *d), (a, b, c, d))                              \
    X(vkCreateBuffer, (VkDevice a, const VkBufferCreateInfo *b, const VkAllocationCallbacks *c, VkBuffer *d), (a, b, c, d))    \
    X(vkCreateBufferView, (VkDevice a, const VkBufferViewCreateInfo *b, const VkAllocationCallbacks *c, VkBufferView *d),      \
      (a, b, c, d))                                                                                                            \
    X(vkAllocateMemory, (VkDevice a, const VkMemoryAllocateInfo *b, const VkAllocationCallbacks *c, VkDeviceMemory *d),        \
      (a, b, c, d))                                                                                                            \
    X(vkBindBufferMemory, (VkDevice a, VkBuffer b, VkDeviceMemory c, VkDeviceSize d), (a, b, c, d))                            \
    X(vkMapMemory, (VkDevice a, VkDeviceMemory b, VkDeviceSize c, VkDeviceSize d, VkMemoryMapFlags e, void **f),               \
      (a, b, c, d, e, f))                                                                                                      \
    X(vkInvalidateMappedMemoryRanges, (VkDevice a, uint32_t b, const VkMappedMemoryRange *c), (a, b, c))                       \
    X(vkCreateCommandPool, (VkDevice a, const VkCommandPoolCreateInfo *b, const VkAllocationCallbacks *c, VkCommandPool *d),   \
      (a, b, c, d))                                                                                                            \
    X(vkAllocateCommandBuffers, (VkDevice a, const VkCommandBufferAllocateInfo *b, VkCommandBuffer *c), (a, b, c))             \
    X(vkCreateFence, (VkDevice a, const VkFenceCreateInfo *b, const VkAllocationCallbacks *c, VkFence *d), (a, b, c, d))       \
    X(vkBeginCommandBuffer, (VkCommandBuffer a, const VkCommandBufferBeginInfo *b), (a, b))                                    \
    X(vkEndCommandBuffer, (VkCommandBuffer a), (a))                                                                            \
    X(vkResetFences, (VkDevice a, uint32_t b, const VkFence *c), (a, b, c))                                                    \
    X(vkQueueSubmit, (VkQueue a, uint32_t b, const VkSubmitInfo *c, VkFence d), (a, b, c, d))                                  \
    X(vkWaitForFences, (VkDevice a, uint32_t b, const VkFence *c, VkBool32 d, uint64_t e), (a, b, c, d, e))                    \
    X(vkCreateDescriptorSetLayout,                                                                                             \
      (VkDevice a, const VkDescriptorSetLayoutCreateInfo *b, const VkAllocationCallbacks *c, VkDescriptorSetLayout *d),        \
      (a, b, c, d))                                                                                                            \
    X(vkCreatePipelineLayout,                                                                                                  \
      (VkDevice a, const VkPipelineLayoutCreateInfo *b, const VkAllocationCallbacks *c, VkPipelineLayout *d), (a, b, c, d))    \
    X(vkCreateShaderModule,                                                                                                    \
      (VkDevice a, const VkShaderModuleCreateInfo *b, const VkAllocationCallbacks *c, VkShaderModule *d), (a, b, c, d))        \
    X(vkCreateComputePipelines,                                                                                                \
      (VkDevice a, VkPipelineCache b, uint32_t c, const VkComputePipelineCreateInfo *d, const VkAllocationCallbacks *e,        \
       VkPipeline *f),                                                                                                         \
      (a, b, c, d, e, f))                                                                                                      \
    X(vkCreateDescriptorPool,                                                                                                  \
      (VkDevice a, const VkDescriptorPoolCreateInfo *b, const VkAllocationCallbacks *c, VkDescriptorPool *d), (a, b, c, d))    \
    X(vkAllocateDescriptorSets, (VkDevice a, const VkDescriptorSetAllocateInfo *b, VkDescriptorSet *c), (a, b, c))             \
    X(vkCreateQueryPool, (VkDevice a, const VkQueryPoolCreateInfo *b, const VkAllocationCallbacks *c, VkQueryPool *d),         \
      (a, b, c, d))                                                                                                            \
    X(vkGetQueryPoolResults,                                                                                                   \
      (VkDevice a, VkQueryPool b, uint32_t c, uint32_t d, size_t e, void *f, VkDeviceSize g, VkQueryResultFlags h),            \
      (a, b, c, d, e, f, g, h))

#define WRAPPER(name, parameters, arguments)                                                                                   \
    static PFN_##name real_##name;                                                                                             \
    static VKAPI_ATTR VkResult VKAPI_CALL wrap_##name parameters                                                               \
    {                                                                                                                          \
        return fails(#name) ? driver.result : real_##name arguments;                                                           \
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

static VKAPI_ATTR void VKAPI_CALL pretend_families(VkPhysicalDevice device, uint32_t *count, VkQueueFamilyProperties *out)
{
    queues.families(device, count, out);
    for (uint32_t i = 0; out && queues.count && i < *count; i++)
        out[i].queueCount = queues.count;
}

static VKAPI_ATTR VkResult VKAPI_CALL pretend_create(VkPhysicalDevice device, const VkDeviceCreateInfo *info,
                                                     const VkAllocationCallbacks *callbacks, VkDevice *out)
{
    VkDeviceCreateInfo changed = *info;
    VkDeviceQueueCreateInfo first = info->pQueueCreateInfos[0];
    if (queues.count)
        first.queueCount = 1;
    changed.pQueueCreateInfos = &first;
    return queues.create(device, &changed, callbacks, out);
}

static VKAPI_ATTR void VKAPI_CALL pretend_get(VkDevice device, uint32_t family, uint32_t index, VkQueue *out)
{
    queues.get(device, family, queues.count ? 0 : index, out);
    queues.real = *out;
    if (queues.count)
        *out = (VkQueue)(void *)&queues.uses[index];
}

static VKAPI_ATTR VkResult VKAPI_CALL pretend_submit(VkQueue queue, uint32_t count, const VkSubmitInfo *infos, VkFence fence)
{
    for (uint32_t i = 0; i < queues.count; i++)
        if (queue == (VkQueue)(void *)&queues.uses[i]) {
            queues.uses[i]++;
            queue = queues.real;
        }
    return queues.submit(queue, count, infos, fence);
}

/* What stands between the wrappers and the driver. */
static PFN_vkVoidFunction pretended(const char *name, PFN_vkVoidFunction real)
{
    const struct {
        const char *name;
        void *real;
        PFN_vkVoidFunction ours;
    } rows[] = {
        {"vkGetPhysicalDeviceQueueFamilyProperties", &queues.families, (PFN_vkVoidFunction)pretend_families},
        {"vkCreateDevice", &queues.create, (PFN_vkVoidFunction)pretend_create},
        {"vkGetDeviceQueue", &queues.get, (PFN_vkVoidFunction)pretend_get},
        {"vkQueueSubmit", &queues.submit, (PFN_vkVoidFunction)pretend_submit},
    };
    for (size_t i = 0; real && i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(name, rows[i].name)) {
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

uint32_t faulty_driver_queue_uses(uint32_t queue) { return queues.uses[queue]; }

/* The wrapper of a function, which is `real`, or `real` itself. */
static PFN_vkVoidFunction wrapped(const char *name, PFN_vkVoidFunction real)
{
    real = pretended(name, real);
#define CHOOSE(function, parameters, arguments)                                                                                \
    if (real && !strcmp(name, #function)) {                                                                                    \
        real_##function = (PFN_##function)real;                                                                                \
        return (PFN_vkVoidFunction)wrap_##function;                                                                            \
    }
    FALLIBLE(CHOOSE)
#undef CHOOSE
    return real;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_device_function(VkDevice device, const char *name)
{
    return wrapped(name, driver.get_device(device, name));
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_instance_function(VkInstance instance, const char *name)
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
    void *library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL); /* stays open: drivers do not like to be unloaded */
    void *entry = library ? dlsym(library, "vkGetInstanceProcAddr") : NULL;
    if (!entry)
        return false;
    driver.get_instance = (PFN_vkGetInstanceProcAddr)entry;
    volkInitializeCustom(get_instance_function);
    return true;
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
