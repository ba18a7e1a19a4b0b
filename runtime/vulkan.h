/* What the files of runtime/ share: the insides of a device. Nothing outside runtime/ includes this
 * but its tests. */
#ifndef VKD_RUNTIME_VULKAN_H
#define VKD_RUNTIME_VULKAN_H

#define VK_NO_PROTOTYPES /* libvulkan is opened at run time, its functions are members below */
#include <sys/types.h>
#include <vulkan/vulkan.h>
#include <vulkan/vulkan_android.h> /* declares what it needs, so that it compiles anywhere */
#include <pthread.h>
#include <stdatomic.h>

#include "runtime/base/arena.h"
#include "runtime/commands.h"
#include "runtime/transfer.h"

/* device.h names Vulkan's handles as the pointers that they are on 64-bit platforms. */
_Static_assert(sizeof(VkBuffer) == sizeof(struct VkBuffer_T *) && VK_USE_64_BIT_PTR_DEFINES,
               "a 64-bit platform is needed");

#define VKD_DEFAULT_TIMEOUT_NS UINT64_C(10000000000)
#define VKD_CPU_TIMEOUT_NS UINT64_C(120000000000)

/* ---------------------------------------------------------------------------- results: result.c */

/* VKD_OK for VK_SUCCESS; else logs "what: VK_ERROR_..." and returns the status that fits. what:
 * "vkCreateBuffer for x". */
VKD_MUST_USE vkd_status vkd_vk_status(vkd_context *context, VkResult result, const char *what, ...)
    VKD_PRINTF(3, 4);
const char *vkd_vk_result_name(VkResult result);

/* --------------------------------------------------------------------------- lists: enumerate.c */

/* A function of Vulkan's that is called twice: `out` null asks for the count. */
typedef VkResult (*vkd_list_fn)(const void *of, uint32_t *count, void *out);
/* The items of a list, `size` bytes each, for vkd_free. Nothing that the driver says is trusted:
 * there are never more than there is room for, and what it has not written is zero. what: the
 * Vulkan function, for messages. */
VKD_MUST_USE vkd_status vkd_enumerate(vkd_context *context, vkd_list_fn list, const void *of,
                                      size_t size, const char *what, void **out,
                                      uint32_t *out_count);

/* --------------------------------------------------- library and instance: loader.c, instance.c */

/* The functions of Vulkan that we use: those that need no instance, an instance's, a device's. Each
 * is a member of a struct: a name of Vulkan's own would be another function in a program that links
 * with libvulkan. */
#define VKD_LIBRARY_FUNCTIONS(X)                                                                   \
    X(vkCreateInstance)                                                                            \
    X(vkEnumerateInstanceLayerProperties)                                                          \
    X(vkEnumerateInstanceExtensionProperties)
#define VKD_INSTANCE_FUNCTIONS(X)                                                                  \
    X(vkDestroyInstance)                                                                           \
    X(vkEnumeratePhysicalDevices)                                                                  \
    X(vkEnumerateDeviceExtensionProperties)                                                        \
    X(vkGetPhysicalDeviceProperties)                                                               \
    X(vkGetPhysicalDeviceProperties2)                                                              \
    X(vkGetPhysicalDeviceFeatures2)                                                                \
    X(vkGetPhysicalDeviceExternalBufferProperties)                                                 \
    X(vkGetPhysicalDeviceMemoryProperties)                                                         \
    X(vkGetPhysicalDeviceQueueFamilyProperties)                                                    \
    X(vkCreateDevice)                                                                              \
    X(vkGetDeviceProcAddr)
#define VKD_DEVICE_FUNCTIONS(X)                                                                    \
    X(vkAllocateCommandBuffers)                                                                    \
    X(vkAllocateDescriptorSets)                                                                    \
    X(vkAllocateMemory)                                                                            \
    X(vkBeginCommandBuffer)                                                                        \
    X(vkBindBufferMemory)                                                                          \
    X(vkCmdBindDescriptorSets)                                                                     \
    X(vkCmdBindPipeline)                                                                           \
    X(vkCmdCopyBuffer)                                                                             \
    X(vkCmdDispatch)                                                                               \
    X(vkCmdPipelineBarrier)                                                                        \
    X(vkCmdPushConstants)                                                                          \
    X(vkCmdResetQueryPool)                                                                         \
    X(vkCmdWriteTimestamp)                                                                         \
    X(vkCreateBuffer)                                                                              \
    X(vkCreateBufferView)                                                                          \
    X(vkCreateCommandPool)                                                                         \
    X(vkCreateComputePipelines)                                                                    \
    X(vkCreateDescriptorPool)                                                                      \
    X(vkCreateDescriptorSetLayout)                                                                 \
    X(vkCreateFence)                                                                               \
    X(vkCreatePipelineCache)                                                                       \
    X(vkCreatePipelineLayout)                                                                      \
    X(vkCreateQueryPool)                                                                           \
    X(vkCreateShaderModule)                                                                        \
    X(vkDestroyBuffer)                                                                             \
    X(vkDestroyBufferView)                                                                         \
    X(vkDestroyCommandPool)                                                                        \
    X(vkDestroyDescriptorPool)                                                                     \
    X(vkDestroyDescriptorSetLayout)                                                                \
    X(vkDestroyDevice)                                                                             \
    X(vkDestroyFence)                                                                              \
    X(vkDestroyPipeline)                                                                           \
    X(vkDestroyPipelineCache)                                                                      \
    X(vkDestroyPipelineLayout)                                                                     \
    X(vkDestroyQueryPool)                                                                          \
    X(vkDestroyShaderModule)                                                                       \
    X(vkDeviceWaitIdle)                                                                            \
    X(vkEndCommandBuffer)                                                                          \
    X(vkFreeMemory)                                                                                \
    X(vkGetBufferMemoryRequirements)                                                               \
    X(vkGetDeviceQueue)                                                                            \
    X(vkGetFenceStatus)                                                                            \
    X(vkGetPipelineCacheData)                                                                      \
    X(vkGetQueryPoolResults)                                                                       \
    X(vkInvalidateMappedMemoryRanges)                                                              \
    X(vkMapMemory)                                                                                 \
    X(vkQueueSubmit)                                                                               \
    X(vkResetFences)                                                                               \
    X(vkUpdateDescriptorSets)                                                                      \
    X(vkWaitForFences)
/* Null where an extension is missing: the first where no device has it, the others where
 * VK_EXT_debug_utils is not enabled. */
#define VKD_OPTIONAL_FUNCTIONS(X)                                                                  \
    X(vkGetPhysicalDeviceCooperativeMatrixPropertiesNV)                                            \
    X(vkCreateDebugUtilsMessengerEXT)                                                              \
    X(vkDestroyDebugUtilsMessengerEXT)                                                             \
    X(vkSetDebugUtilsObjectNameEXT)

/* Of a device; null where its extension is not enabled. */
#define VKD_OPTIONAL_DEVICE_FUNCTIONS(X)                                                           \
    X(vkGetMemoryFdPropertiesKHR)                                                                  \
    X(vkGetMemoryHostPointerPropertiesEXT)                                                         \
    X(vkGetAndroidHardwareBufferPropertiesANDROID)

#define VKD_MEMBER(name) PFN_##name name;
typedef struct vkd_library {
    uint32_t version; /* of the instances that it creates; 0 while it is not open */
    PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr;
    VKD_LIBRARY_FUNCTIONS(VKD_MEMBER)
} vkd_library;

typedef struct vkd_device_functions {
    VKD_DEVICE_FUNCTIONS(VKD_MEMBER)
    VKD_OPTIONAL_DEVICE_FUNCTIONS(VKD_MEMBER)
} vkd_device_functions;

typedef struct vkd_instance {
    VkInstance handle;
    uint32_t version; /* the highest Vulkan version that may be used */
    bool borrowed;
    vkd_context *context;
    VkDebugUtilsMessengerEXT messenger;
    atomic_uint validation_messages;
    VKD_INSTANCE_FUNCTIONS(VKD_MEMBER)
    VKD_OPTIONAL_FUNCTIONS(VKD_MEMBER)
} vkd_instance;
#undef VKD_MEMBER

/* Opens libvulkan, once per process. */
VKD_MUST_USE vkd_status vkd_library_open(vkd_context *context, const vkd_library **out);
/* Takes all functions from this entry point from now on, if it has them. For tests: before any
 * thread works. */
bool vkd_library_use(PFN_vkGetInstanceProcAddr entry);
/* Around every creation and destruction of an instance or a device; loader.c says why. */
void vkd_library_lock(void);
bool vkd_library_try_lock(void);
void vkd_library_unlock(void);
/* Fills in the functions of instance->handle. */
VKD_MUST_USE vkd_status vkd_instance_load(const vkd_library *library, vkd_instance *instance);
/* Keeps the library that a function of a driver is in, for the life of the process. */
void vkd_library_pin(PFN_vkVoidFunction function);
/* Fills in the functions of a device. */
VKD_MUST_USE vkd_status vkd_device_load(const vkd_instance *instance, VkDevice device,
                                        vkd_device_functions *out);

/* instance stays at its address until vkd_instance_destroy, which also releases one that failed
 * half-way. */
VKD_MUST_USE vkd_status vkd_instance_create(vkd_context *context, bool validate,
                                            vkd_instance *instance);
VKD_MUST_USE vkd_status vkd_instance_borrow(vkd_context *context, VkInstance handle,
                                            vkd_instance *instance);
/* One to ask what devices there are: the one that an earlier use has left, or a new one. */
VKD_MUST_USE vkd_status vkd_instance_find(vkd_context *context, vkd_instance *instance);
void vkd_instance_destroy(vkd_instance *instance);

/* ----------------------------------------------------------------------------- device: device.c */

typedef struct vkd_pipeline_cache {
    VkPipelineCache handle;
    const char *directory, *path; /* null: nothing is kept on disk */
    bool grown;                   /* pipelines were created since the last save */
    /* of the driver's data, as the driver says, when the file was as it is */
    size_t size;
} vkd_pipeline_cache;

typedef struct vkd_pipeline_entry vkd_pipeline_entry;
typedef struct vkd_layout_entry vkd_layout_entry;
typedef struct vkd_recording vkd_recording;

/* Several objects may share a Vulkan device: each has a vkd_device of its own, with its context and
 * what it has in flight, on one that owns the rest. */
struct vkd_device {
    vkd_context *context;
    struct vkd_device *owner; /* itself where nothing is shared */
    vkd_caps caps;
    vkd_instance instance;
    VkDevice handle;
    VkPhysicalDevice physical;
    bool dma_bufs, foreign_queues; /* extensions without functions, enabled */
    bool borrowed;
    pid_t opener;                      /* the process that opened it */
    VkQueue queues[VKD_MAX_IN_FLIGHT]; /* of one family */
    uint32_t queue_count, queue_family;
    void (*lock)(void *user);
    void (*unlock)(void *user);
    void *lock_user;
    vkd_device_functions vk;
    VkPhysicalDeviceMemoryProperties memory;
    uint64_t timeout_ns;    /* of one execution */
    vkd_recording *pending; /* submitted, and not known to have ended, oldest first */
    /* Of the owner alone: */
    atomic_bool lost;      /* nothing is submitted or waited for any more */
    atomic_bool stuck;     /* the GPU may still use our objects: none of them is destroyed */
    atomic_uint completed; /* executions, of all that share the device */
    pthread_mutex_t mutex; /* around every use of the queues and of what follows */
    vkd_arena arena;       /* pipeline entries and paths */
    vkd_pipeline_cache cache;
    vkd_pipeline_entry *pipelines;
    vkd_layout_entry *layouts;
};

/* Gives an object a name in the validation layers' messages. */
void vkd_name_object(vkd_device *device, VkObjectType type, const void *handle, const char *name);

/* ------------------------------------------------------------------------- submission: submit.c */

/* A command buffer with its pool and fence. */
struct vkd_recording {
    VkCommandPool pool;
    VkCommandBuffer commands;
    VkFence fence;
    uint32_t queue;      /* that it was submitted to last */
    vkd_recording *next; /* in vkd_device.pending */
};

/* On failure nothing is left behind. */
VKD_MUST_USE vkd_status vkd_recording_create(vkd_device *device, vkd_recording *out);
/* accepts an all-zero one */
void vkd_recording_destroy(vkd_device *device, vkd_recording *recording);
/* queue: any number, taken modulo the device's queues. The recording must stay where it is until
 * its destroy. */
VKD_MUST_USE vkd_status vkd_recording_submit(vkd_device *device, vkd_recording *recording,
                                             uint32_t queue);
/* Waits for the end of a submission, so long from now on. After a failure the device counts as
 * lost. */
VKD_MUST_USE vkd_status vkd_recording_wait(vkd_device *device, vkd_recording *recording,
                                           uint64_t timeout_ns);

/* Records a global memory barrier. */
void vkd_barrier(vkd_device *device, VkCommandBuffer commands, VkPipelineStageFlags src_stage,
                 VkAccessFlags src_access, VkPipelineStageFlags dst_stage,
                 VkAccessFlags dst_access);

/* Whether objects may be destroyed. Waits for whatever is still in flight, the time-out for each;
 * after a time-out, as long again for all of it, which is the GPU's last chance to finish. If it
 * fails the answer is no for good, and the caller leaks its Vulkan objects on purpose, because
 * freeing memory in use is worse. No at once in a process that was forked: the driver's threads,
 * which it would wait for, are not in it. */
bool vkd_device_idle(vkd_device *device);

/* ----------------------------------------------------------------------------- memory: buffer.c */

#define VKD_BUFFER_USAGE                                                                           \
    (VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT |               \
     VK_BUFFER_USAGE_TRANSFER_SRC_BIT | VK_BUFFER_USAGE_TRANSFER_DST_BIT)

/* The memory types for a buffer, best first. type_bits: as in VkMemoryRequirements. Returns their
 * number. */
uint32_t vkd_memory_candidates(const VkPhysicalDeviceMemoryProperties *memory, vkd_memory_kind kind,
                               uint32_t type_bits, uint64_t size,
                               uint32_t out[VK_MAX_MEMORY_TYPES]);

/* ------------------------------------------------------ pipelines: pipeline.c, pipeline_cache.c */

static inline VkDescriptorType vkd_descriptor_type(uint32_t texel_mask, uint32_t binding)
{
    return texel_mask >> binding & 1 ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER
                                     : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
}

void vkd_pipelines_destroy(vkd_device *device);

VKD_MUST_USE vkd_status vkd_pipeline_cache_open(vkd_device *device, const vkd_options *options);
void vkd_pipeline_cache_close(vkd_device *device); /* saves */

#endif
