/* Compute pipelines, created once a device. */
#ifndef VKD_RUNTIME_PIPELINE_H
#define VKD_RUNTIME_PIPELINE_H

#include "runtime/base/spirv.h"
#include "runtime/device.h"

enum { VKD_PIPELINE_MAX_BINDINGS = 16, VKD_PIPELINE_MAX_SPECS = 32 };

typedef struct vkd_pipeline_desc {
    const char *name; /* for messages */
    /* with the entry point "main"; must stay where it is while the device lives */
    const vkd_spirv *code;
    uint32_t binding_count; /* buffers 0 .. count-1 of set 0 */
    /* bit i: binding i is a uniform texel buffer (isamplerBuffer), not a storage buffer */
    uint32_t texel_mask;
    uint32_t push_size; /* bytes, a multiple of 4 */
    uint32_t spec_count;
    const uint32_t *specs; /* specialisation constants 0 .. count-1, 32 bits each */
} vkd_pipeline_desc;

typedef struct vkd_pipeline {
    struct VkPipeline_T *handle;
    struct VkPipelineLayout_T *layout;
    struct VkDescriptorSetLayout_T *set_layout;
    const char *name;
    uint32_t binding_count, texel_mask, push_size; /* as in the description */
} vkd_pipeline;

/* The pipeline for a description; equal ones (same code address, specs, bindings, push size) are
 * created once and live until the device closes. Uses and fills the on-disk cache. */
VKD_MUST_USE vkd_status vkd_pipeline_get(vkd_device *device, const vkd_pipeline_desc *desc,
                                         vkd_pipeline *out);
/* Creates those of the described pipelines that do not exist yet, several at a time: compiling is
 * most of a first init. */
VKD_MUST_USE vkd_status vkd_pipelines_prepare(vkd_device *device, const vkd_pipeline_desc *descs,
                                              uint32_t count);

#endif
