/* A physical device as one can be chosen: whether it fits, what it can do and what has to be
 * enabled for that. */
#ifndef VKD_RUNTIME_ADAPTER_H
#define VKD_RUNTIME_ADAPTER_H

#include "runtime/vulkan.h"

/* Optional device extensions and features that are used where present. */
typedef struct vkd_features {
    bool integer_dot_product;
    /* cooperative matrices need all three; small_types: int8 and f16 in shaders */
    bool cooperative_matrix, memory_model, small_types;
    /* tells how many multiprocessors there are */
    bool sm_builtins;
    bool global_priority_khr, global_priority_ext; /* either */
    /* memory of others: import.c */
    bool external_fd, external_dma_buf, external_host, foreign_queues, hardware_buffer;
    bool portability_subset; /* must be enabled where it is present */
} vkd_features;

enum { VKD_OPTIONAL_EXTENSIONS = 13 };

typedef struct vkd_adapter {
    VkPhysicalDevice handle;
    uint32_t queue_family, queue_count; /* the count: of the family, VKD_MAX_IN_FLIGHT at most */
    vkd_features features;
    const char *extensions[VKD_OPTIONAL_EXTENSIONS]; /* to enable; constant strings */
    uint32_t extension_count;
    vkd_caps caps; /* with caps.dot = vkd_caps_best_dot */
} vkd_adapter;

/* Which queue family: one by its number, or one of these. */
#define VKD_ANY_FAMILY UINT32_MAX            /* for one execution at a time */
#define VKD_COMPUTE_FAMILY (UINT32_MAX - 1u) /* for several in flight */

/* The family that fits the wish, VKD_ANY_FAMILY if none has compute. In general it is the first
 * with compute that has graphics too (present on every GPU), else the first with compute. For
 * several executions in flight one without graphics comes first, if it has several queues: on
 * NVIDIA's GPUs what is submitted to those runs side by side, whereas queues with graphics take
 * turns. */
uint32_t vkd_family_choose(const VkQueueFamilyProperties *families, uint32_t count,
                           uint32_t wanted);

/* Fills in an adapter. *out_fits is false when the device is older than Vulkan 1.1 or no such
 * family has compute. */
VKD_MUST_USE vkd_status vkd_adapter_query(const vkd_instance *instance, VkPhysicalDevice physical,
                                          uint32_t queue_family, vkd_adapter *out, bool *out_fits);

/* The adapters that fit, in the driver's order, with the family that was wished for. *out is the
 * caller's to vkd_free; null when there are none. */
VKD_MUST_USE vkd_status vkd_adapter_list(const vkd_instance *instance, uint32_t queue_family,
                                         vkd_adapter **out, uint32_t *out_count);

/* The index of the adapter that `request` names, UINT32_MAX if there is none. A request of digits
 * only is an index; another one a part of the name, in any case; null or "" is every adapter. Among
 * several, discrete ones come before integrated before virtual before CPU implementations before
 * others, and the first listed among equals. */
uint32_t vkd_adapter_choose(const vkd_adapter *adapters, uint32_t count, const char *request);

#endif
