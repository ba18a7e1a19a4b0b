#include "support/fake_caps.h"

#include <string.h>

vkd_caps fake_caps(fake_device device)
{
    vkd_caps caps = {
        .name = "minimal",
        .type = VKD_TYPE_OTHER,
        .api_version = 1u << 22 | 1u << 12,
        .subgroup_size = 1,
        .max_workgroup_invocations = 128,
        .max_workgroup_size = {128, 128, 64},
        .max_workgroup_count = {65535, 65535, 65535},
        .shared_memory = 16384,
        .max_push_constants = 128,
        .max_storage_range = 1u << 27,
        .max_allocation = 1u << 30,
        .storage_alignment = 256,
        .dot = VKD_DOT_NONE,
    };
    static const struct {
        const char *name;
        vkd_device_type type;
        uint32_t vendor_id, subgroup_size, invocations, shared_memory;
        vkd_int8_dot dot;
    } known[FAKE_COUNT] = {
        [FAKE_LLVMPIPE] = {"llvmpipe (LLVM 15.0.6, 256 bits)", VKD_TYPE_CPU, 0x10005, 8, 1024,
                           32768, VKD_DOT_NONE},
        [FAKE_H100] = {"NVIDIA H100 80GB HBM3", VKD_TYPE_DISCRETE, VKD_VENDOR_NVIDIA, 32, 1024,
                       49152, VKD_DOT_SIGNED},
        [FAKE_H100_MATRIX] = {"NVIDIA H100 80GB HBM3", VKD_TYPE_DISCRETE, VKD_VENDOR_NVIDIA, 32,
                              1024, 49152, VKD_DOT_SIGNED},
        [FAKE_ADRENO_750] = {"Adreno (TM) 750", VKD_TYPE_INTEGRATED, VKD_VENDOR_QUALCOMM, 64, 1024,
                             32768, VKD_DOT_SIGNED},
        [FAKE_ADRENO_640] = {"Adreno (TM) 640", VKD_TYPE_INTEGRATED, VKD_VENDOR_QUALCOMM, 64, 1024,
                             32768, VKD_DOT_MIXED},
        [FAKE_MALI_G610] = {"Mali-G610", VKD_TYPE_INTEGRATED, VKD_VENDOR_ARM, 16, 512, 32768,
                            VKD_DOT_SIGNED},
        [FAKE_MINIMAL] = {"minimal", VKD_TYPE_OTHER, 0, 1, 128, 16384, VKD_DOT_NONE},
    };
    memcpy(caps.name, known[device].name, strlen(known[device].name) + 1);
    caps.type = known[device].type;
    caps.vendor_id = known[device].vendor_id;
    caps.subgroup_shuffle = device != FAKE_MINIMAL;
    caps.max_texels = device == FAKE_MINIMAL ? 65536 : 1u << 27;
    caps.max_storage_buffers = device == FAKE_MINIMAL ? 4 : 16;
    caps.max_loops = caps.type == VKD_TYPE_CPU ? VKD_CPU_MAX_LOOPS : 0;
    caps.subgroup_size = known[device].subgroup_size;
    caps.shared_memory = known[device].shared_memory;
    caps.dot = known[device].dot;
    caps.dot_supported = caps.dot != VKD_DOT_NONE;
    caps.dot_signed_accelerated = caps.dot == VKD_DOT_SIGNED;
    caps.dot_mixed_accelerated = caps.dot == VKD_DOT_MIXED;
    caps.matrix_int8 = caps.matrix_f16 = device == FAKE_H100_MATRIX;
    caps.multiprocessors = device == FAKE_H100_MATRIX ? 132 : 0;
    caps.max_workgroup_invocations = known[device].invocations;
    if (device != FAKE_MINIMAL)
        for (int axis = 0; axis < 2; axis++)
            caps.max_workgroup_size[axis] = known[device].invocations;
    return caps;
}
