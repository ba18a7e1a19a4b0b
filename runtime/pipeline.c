#include <string.h>

#include "runtime/vulkan.h"

/* Set and pipeline layout, shared by the pipelines with the same bindings and as large push constants. */
struct vkd_layout_entry {
    vkd_layout_entry *next;
    uint32_t binding_count, texel_mask, push_size;
    VkDescriptorSetLayout set;
    VkPipelineLayout layout;
};

struct vkd_pipeline_entry {
    vkd_pipeline_entry *next;
    const uint32_t *code;
    uint32_t *specs;
    uint32_t spec_count;
    const vkd_layout_entry *layout;
    const char *name;
    VkPipeline handle;
};

static VkResult create_set_layout(vkd_device *device, uint32_t binding_count, uint32_t texel_mask, VkDescriptorSetLayout *out)
{
    VkDescriptorSetLayoutBinding bindings[VKD_PIPELINE_MAX_BINDINGS];
    for (uint32_t i = 0; i < binding_count; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = vkd_descriptor_type(texel_mask, i),
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    const VkDescriptorSetLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = binding_count,
        .pBindings = bindings,
    };
    return device->vk.vkCreateDescriptorSetLayout(device->handle, &info, NULL, out);
}

static vkd_status get_layout(vkd_device *device, const vkd_pipeline_desc *desc, const vkd_layout_entry **out)
{
    for (const vkd_layout_entry *entry = device->layouts; entry; entry = entry->next)
        if (entry->binding_count == desc->binding_count && entry->texel_mask == desc->texel_mask &&
            entry->push_size == desc->push_size) {
            *out = entry;
            return VKD_OK;
        }
    vkd_layout_entry *entry = vkd_arena_alloc(&device->arena, 1, sizeof *entry);
    if (!entry)
        return vkd_fail_memory(device->context, "a pipeline layout");
    entry->binding_count = desc->binding_count;
    entry->texel_mask = desc->texel_mask;
    entry->push_size = desc->push_size;
    VkResult result = create_set_layout(device, desc->binding_count, desc->texel_mask, &entry->set);
    VKD_TRY(vkd_vk_status(device->context, result, "vkCreateDescriptorSetLayout for %s", desc->name));
    const VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT, .size = desc->push_size};
    const VkPipelineLayoutCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &entry->set,
        .pushConstantRangeCount = desc->push_size ? 1 : 0,
        .pPushConstantRanges = &push,
    };
    result = device->vk.vkCreatePipelineLayout(device->handle, &info, NULL, &entry->layout);
    if (result != VK_SUCCESS) {
        device->vk.vkDestroyDescriptorSetLayout(device->handle, entry->set, NULL);
        return vkd_vk_status(device->context, result, "vkCreatePipelineLayout for %s", desc->name);
    }
    entry->next = device->layouts;
    device->layouts = entry;
    *out = entry;
    return VKD_OK;
}

static vkd_status check_desc(vkd_device *device, const vkd_pipeline_desc *desc)
{
    const vkd_caps *caps = &device->caps;
    if (!desc->code || !desc->code_size || desc->code_size % 4 || desc->push_size % 4 ||
        desc->spec_count > VKD_PIPELINE_MAX_SPECS || desc->binding_count > VKD_PIPELINE_MAX_BINDINGS)
        return vkd_fail(
            device->context, VKD_INVALID_ARGUMENT,
            "the pipeline %s has %zu bytes of code, %u of push constants, %u specialisation constants (at most %d) and "
            "%u bindings (at most %d)",
            desc->name, desc->code_size, desc->push_size, desc->spec_count, VKD_PIPELINE_MAX_SPECS, desc->binding_count,
            VKD_PIPELINE_MAX_BINDINGS);
    if (desc->binding_count > caps->max_storage_buffers || desc->push_size > caps->max_push_constants)
        return vkd_fail(device->context, VKD_UNSUPPORTED,
                        "the pipeline %s needs %u storage buffers and %u bytes of push constants, %s has at most %u and %u",
                        desc->name, desc->binding_count, desc->push_size, caps->name, caps->max_storage_buffers,
                        caps->max_push_constants);
    return VKD_OK;
}

static VkResult create_pipeline(vkd_device *device, const vkd_pipeline_desc *desc, VkPipelineLayout layout, VkPipeline *out)
{
    const VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = desc->code_size,
        .pCode = desc->code,
    };
    VkShaderModule module;
    VkResult result = device->vk.vkCreateShaderModule(device->handle, &module_info, NULL, &module);
    if (result != VK_SUCCESS)
        return result;
    VkSpecializationMapEntry entries[VKD_PIPELINE_MAX_SPECS];
    for (uint32_t i = 0; i < desc->spec_count; i++)
        entries[i] = (VkSpecializationMapEntry){.constantID = i, .offset = 4 * i, .size = 4};
    const VkSpecializationInfo specs = {
        .mapEntryCount = desc->spec_count,
        .pMapEntries = entries,
        .dataSize = 4 * desc->spec_count,
        .pData = desc->specs,
    };
    const VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = module,
                  .pName = "main",
                  .pSpecializationInfo = &specs},
        .layout = layout,
    };
    result = device->vk.vkCreateComputePipelines(device->handle, device->cache.handle, 1, &info, NULL, out);
    device->vk.vkDestroyShaderModule(device->handle, module, NULL);
    return result;
}

static vkd_status add_pipeline(vkd_device *device, const vkd_pipeline_desc *desc, const vkd_layout_entry *layout,
                               vkd_pipeline_entry **out)
{
    vkd_pipeline_entry *entry = vkd_arena_alloc(&device->arena, 1, sizeof *entry);
    uint32_t *specs = vkd_arena_alloc(&device->arena, desc->spec_count, sizeof *specs);
    char *name = vkd_arena_printf(&device->arena, "%s", desc->name);
    if (!entry || !specs || !name)
        return vkd_fail_memory(device->context, "a pipeline");
    VkResult result = create_pipeline(device, desc, layout->layout, &entry->handle);
    VKD_TRY(vkd_vk_status(device->context, result, "creating the pipeline %s", desc->name));
    vkd_name_object(device, VK_OBJECT_TYPE_PIPELINE, entry->handle, name);
    if (desc->spec_count)
        memcpy(specs, desc->specs, desc->spec_count * sizeof *specs);
    entry->code = desc->code;
    entry->specs = specs;
    entry->spec_count = desc->spec_count;
    entry->layout = layout;
    entry->name = name;
    entry->next = device->pipelines;
    device->pipelines = entry;
    device->cache.grown = true;
    *out = entry;
    return VKD_OK;
}

static vkd_pipeline_entry *find_pipeline(vkd_device *device, const vkd_pipeline_desc *desc, const vkd_layout_entry *layout)
{
    for (vkd_pipeline_entry *entry = device->pipelines; entry; entry = entry->next)
        if (entry->code == desc->code && entry->layout == layout && entry->spec_count == desc->spec_count &&
            (!desc->spec_count || memcmp(entry->specs, desc->specs, desc->spec_count * sizeof *desc->specs) == 0))
            return entry;
    return NULL;
}

vkd_status vkd_pipeline_get(vkd_device *device, const vkd_pipeline_desc *desc, vkd_pipeline *out)
{
    const vkd_layout_entry *layout = NULL;
    VKD_TRY(check_desc(device, desc));
    VKD_TRY(get_layout(device, desc, &layout));
    vkd_pipeline_entry *entry = find_pipeline(device, desc, layout);
    if (!entry)
        VKD_TRY(add_pipeline(device, desc, layout, &entry));
    *out = (vkd_pipeline){
        .handle = entry->handle,
        .layout = layout->layout,
        .set_layout = layout->set,
        .name = entry->name,
        .binding_count = layout->binding_count,
        .texel_mask = layout->texel_mask,
        .push_size = layout->push_size,
    };
    return VKD_OK;
}

void vkd_pipelines_destroy(vkd_device *device)
{
    for (vkd_pipeline_entry *entry = device->pipelines; entry; entry = entry->next)
        device->vk.vkDestroyPipeline(device->handle, entry->handle, NULL);
    for (vkd_layout_entry *entry = device->layouts; entry; entry = entry->next) {
        device->vk.vkDestroyPipelineLayout(device->handle, entry->layout, NULL);
        device->vk.vkDestroyDescriptorSetLayout(device->handle, entry->set, NULL);
    }
    device->pipelines = NULL;
    device->layouts = NULL;
}
