/* A physical device as one can be chosen: whether it fits, what it can do and what has to be enabled for that. */
#ifndef VKD_RUNTIME_ADAPTER_H
#define VKD_RUNTIME_ADAPTER_H

#include "runtime/vulkan.h"

/* Optional device extensions and features that are used where present. */
typedef struct vkd_features {
    bool integer_dot_product;
    bool cooperative_matrix, memory_model, shader_int8; /* cooperative matrices of int8 need all three */
    bool portability_subset;                            /* must be enabled where it is present */
} vkd_features;

typedef struct vkd_adapter {
    VkPhysicalDevice handle;
    uint32_t queue_family, queue_count; /* the count: of the family, VKD_MAX_IN_FLIGHT at most */
    vkd_features features;
    const char *extensions[5]; /* to enable; constant strings */
    uint32_t extension_count;
    vkd_caps caps; /* with caps.dot = vkd_caps_best_dot */
} vkd_adapter;

#define VKD_ANY_FAMILY UINT32_MAX

/* Fills in an adapter. queue_family: the one to be used, or VKD_ANY_FAMILY to choose: the first family with compute that has
 * graphics too (the general one, present on every GPU), else the first with compute. *out_fits is false when the device is
 * older than Vulkan 1.1 or no such family has compute. */
VKD_MUST_USE vkd_status vkd_adapter_query(const vkd_instance *instance, VkPhysicalDevice physical, uint32_t queue_family,
                                          vkd_adapter *out, bool *out_fits);

/* The adapters that fit, in the driver's order. *out is the caller's to vkd_free; null when there are none. */
VKD_MUST_USE vkd_status vkd_adapter_list(const vkd_instance *instance, vkd_adapter **out, uint32_t *out_count);

/* The index of the adapter that `request` names, UINT32_MAX if there is none. A request of digits only is an index; another one
 * a part of the name, in any case; null or "" is every adapter. Among several, discrete ones come before integrated before
 * virtual before CPU implementations before others, and the first listed among equals. */
uint32_t vkd_adapter_choose(const vkd_adapter *adapters, uint32_t count, const char *request);

#endif
