/* What a device can do, as plain data. The planner, the selection and the op factories see a device
 * only through this struct, so a test fabricates any device it likes. */
#ifndef VKD_RUNTIME_BASE_CAPS_H
#define VKD_RUNTIME_BASE_CAPS_H

#include "include/vkdelegate.h"

typedef enum vkd_device_type {
    VKD_TYPE_OTHER,
    VKD_TYPE_DISCRETE,
    VKD_TYPE_INTEGRATED,
    VKD_TYPE_VIRTUAL,
    VKD_TYPE_CPU
} vkd_device_type;

/* llvmpipe ends every loop of an invocation once they have gone round so often in all, whatever
 * their conditions say. No CPU implementation tells of such a limit, so that all of them are taken
 * to have it. */
enum { VKD_CPU_MAX_LOOPS = 65535 };

#define VKD_VENDOR_ARM 0x13b5u
#define VKD_VENDOR_NVIDIA 0x10deu
#define VKD_VENDOR_QUALCOMM 0x5143u

enum { VKD_KERNEL_WORDS = 4 }; /* 64 kernels each */

typedef struct vkd_caps {
    char name[256];
    vkd_device_type type;
    uint32_t vendor_id, device_id, driver_version, api_version;
    uint8_t pipeline_cache_uuid[16];

    uint32_t multiprocessors; /* 0: the device does not say */
    uint32_t subgroup_size;
    bool subgroup_shuffle; /* in compute shaders */
    uint32_t max_workgroup_invocations, max_workgroup_size[3], max_workgroup_count[3];
    uint32_t shared_memory;      /* bytes a workgroup may share */
    uint32_t max_push_constants; /* bytes, at least 128 */
    uint64_t max_storage_range;  /* bytes one binding may cover */
    uint64_t max_allocation;     /* bytes one allocation may have */
    uint32_t storage_alignment;  /* of a binding's offset */
    uint32_t max_texels;         /* of 16 bytes one texel buffer binding may have */
    /* bindings one pipeline may have: Vulkan promises 4, convolutions need 5 */
    uint32_t max_storage_buffers;
    /* of CPU devices: how fast gemm_lanes' large tiles are for their estimates; 0: not probed */
    float large_tiles;
    /* iterations of all loops of an invocation, as vkd_node.loops; 0: any number */
    uint32_t max_loops;
    float timestamp_ns; /* nanoseconds a tick, 0: the queue has no time stamps */
    uint32_t timestamp_bits;

    /* Integer dot products of packed 8-bit vectors: whether they can be used, and whether the
     * hardware has them. A feature that is present but not accelerated is emulated by the driver.
     */
    bool dot_supported;
    bool dot_signed_accelerated, dot_mixed_accelerated;
    /* cooperative matrices (VK_NV_cooperative_matrix), and what they need, are enabled: 16x16x32 of
     * int8, 16x16x16 of f16 with sums of 32 bits */
    bool matrix_int8, matrix_f16;
    vkd_int8_dot dot;  /* the flavour in use, never VKD_DOT_AUTO */
    uint32_t left_out; /* families of kernels (shaders/families.h) that the build leaves out */
    uint64_t wrong[VKD_KERNEL_WORDS]; /* a bit for each kernel that computes something else here */
    bool refuses_wrong;               /* also where there is no other kernel for the same */
} vkd_caps;

/* The flavour for caps: signed where accelerated, else mixed where accelerated, else none. */
vkd_int8_dot vkd_caps_best_dot(const vkd_caps *caps);

const char *vkd_int8_dot_name(vkd_int8_dot dot); /* "signed" ... */

/* "discrete" ... as in vkd_device_info.type */
const char *vkd_device_type_name(vkd_device_type type);

void vkd_caps_info(const vkd_caps *caps, vkd_device_info *out);

#endif
