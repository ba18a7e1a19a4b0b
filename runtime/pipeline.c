/* Pipelines and their layouts, each once a device, several compiled at a time. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "runtime/vulkan.h"

/* Set and pipeline layout, shared by the pipelines with the same bindings and as large push
 * constants. */
struct vkd_layout_entry {
    vkd_layout_entry *next;
    uint32_t binding_count, texel_mask, push_size;
    VkDescriptorSetLayout set;
    VkPipelineLayout layout;
};

struct vkd_pipeline_entry {
    vkd_pipeline_entry *next;
    const vkd_spirv *code;
    uint32_t *specs;
    uint32_t spec_count;
    const vkd_layout_entry *layout;
    const char *name;
    VkPipeline handle;
};

static VkResult create_set_layout(vkd_device *device, uint32_t binding_count, uint32_t texel_mask,
                                  VkDescriptorSetLayout *out)
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

static vkd_status get_layout(vkd_device *device, const vkd_pipeline_desc *desc,
                             const vkd_layout_entry **out)
{
    for (const vkd_layout_entry *entry = device->owner->layouts; entry; entry = entry->next)
        if (entry->binding_count == desc->binding_count && entry->texel_mask == desc->texel_mask &&
            entry->push_size == desc->push_size) {
            *out = entry;
            return VKD_OK;
        }
    vkd_layout_entry *entry = vkd_arena_alloc(&device->owner->arena, 1, sizeof *entry);
    if (!entry)
        return vkd_fail_memory(device->context, "a pipeline layout");
    entry->binding_count = desc->binding_count;
    entry->texel_mask = desc->texel_mask;
    entry->push_size = desc->push_size;
    VkResult result = create_set_layout(device, desc->binding_count, desc->texel_mask, &entry->set);
    VKD_TRY(
        vkd_vk_status(device->context, result, "vkCreateDescriptorSetLayout for %s", desc->name));
    const VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                                      .size = desc->push_size};
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
    entry->next = device->owner->layouts;
    device->owner->layouts = entry;
    *out = entry;
    return VKD_OK;
}

static vkd_status check_desc(vkd_device *device, const vkd_pipeline_desc *desc)
{
    const vkd_caps *caps = &device->caps;
    if (!desc->code || desc->push_size % 4 || desc->spec_count > VKD_PIPELINE_MAX_SPECS ||
        desc->binding_count > VKD_PIPELINE_MAX_BINDINGS)
        return vkd_fail(device->context, VKD_INVALID_ARGUMENT,
                        "the pipeline %s has %s code, %u bytes of push constants, %u "
                        "specialisation constants (at most %d) and "
                        "%u bindings (at most %d)",
                        desc->name, desc->code ? "its" : "no", desc->push_size, desc->spec_count,
                        VKD_PIPELINE_MAX_SPECS, desc->binding_count, VKD_PIPELINE_MAX_BINDINGS);
    if (desc->binding_count > caps->max_storage_buffers ||
        desc->push_size > caps->max_push_constants)
        return vkd_fail(device->context, VKD_UNSUPPORTED,
                        "the pipeline %s needs %u storage buffers and %u bytes of push constants, "
                        "%s has at most %u and %u",
                        desc->name, desc->binding_count, desc->push_size, caps->name,
                        caps->max_storage_buffers, caps->max_push_constants);
    return VKD_OK;
}

/* Where create_pipeline() unpacks the code; for vkd_free. */
static vkd_status make_room(vkd_device *device, const vkd_pipeline_desc *desc, uint32_t **out)
{
    *out = vkd_alloc(device->context, vkd_spirv_room(desc->code), sizeof **out);
    return *out ? VKD_OK : vkd_fail_memory(device->context, "the code of a pipeline");
}

/* Allocates nothing and logs nothing: may run side by side. */
static VkResult create_pipeline(vkd_device *device, const vkd_pipeline_desc *desc, uint32_t *room,
                                VkPipelineLayout layout, VkPipeline *out)
{
    const VkShaderModuleCreateInfo module_info = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = vkd_spirv_unpack(desc->code, room) * sizeof *room,
        .pCode = room,
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
    result = device->vk.vkCreateComputePipelines(device->handle, device->owner->cache.handle, 1,
                                                 &info, NULL, out);
    if (result != VK_SUCCESS)
        *out = VK_NULL_HANDLE;
    device->vk.vkDestroyShaderModule(device->handle, module, NULL);
    return result;
}

/* An entry without a pipeline yet, in front of the list. */
static vkd_status add_entry(vkd_device *device, const vkd_pipeline_desc *desc,
                            const vkd_layout_entry *layout, vkd_pipeline_entry **out)
{
    vkd_pipeline_entry *entry = vkd_arena_alloc(&device->owner->arena, 1, sizeof *entry);
    uint32_t *specs = vkd_arena_alloc(&device->owner->arena, desc->spec_count, sizeof *specs);
    char *name = vkd_arena_printf(&device->owner->arena, "%s", desc->name);
    if (!entry || !specs || !name)
        return vkd_fail_memory(device->context, "a pipeline");
    if (desc->spec_count)
        memcpy(specs, desc->specs, desc->spec_count * sizeof *specs);
    entry->code = desc->code;
    entry->specs = specs;
    entry->spec_count = desc->spec_count;
    entry->layout = layout;
    entry->name = name;
    entry->next = device->owner->pipelines;
    device->owner->pipelines = entry;
    *out = entry;
    return VKD_OK;
}

static vkd_pipeline_entry *find_entry(vkd_device *device, const vkd_pipeline_desc *desc,
                                      const vkd_layout_entry *layout)
{
    for (vkd_pipeline_entry *entry = device->owner->pipelines; entry; entry = entry->next)
        if (entry->code == desc->code && entry->layout == layout &&
            entry->spec_count == desc->spec_count &&
            (!desc->spec_count ||
             memcmp(entry->specs, desc->specs, desc->spec_count * sizeof *desc->specs) == 0))
            return entry;
    return NULL;
}

/* The entry for a description, with or without a pipeline. */
static vkd_status get_entry(vkd_device *device, const vkd_pipeline_desc *desc,
                            vkd_pipeline_entry **out)
{
    const vkd_layout_entry *layout = NULL;
    VKD_TRY(check_desc(device, desc));
    VKD_TRY(get_layout(device, desc, &layout));
    *out = find_entry(device, desc, layout);
    return *out ? VKD_OK : add_entry(device, desc, layout, out);
}

/* Notes the outcome of a creation. */
static vkd_status finish_entry(vkd_device *device, vkd_pipeline_entry *entry, VkResult result)
{
    VKD_TRY(vkd_vk_status(device->context, result, "creating the pipeline %s", entry->name));
    vkd_name_object(device, VK_OBJECT_TYPE_PIPELINE, entry->handle, entry->name);
    device->owner->cache.grown = true;
    return VKD_OK;
}

static vkd_status get_pipeline(vkd_device *device, const vkd_pipeline_desc *desc, vkd_pipeline *out)
{
    vkd_pipeline_entry *entry = NULL;
    VKD_TRY(get_entry(device, desc, &entry));
    if (!entry->handle) {
        uint32_t *room = NULL;
        VKD_TRY(make_room(device, desc, &room));
        VkResult result =
            create_pipeline(device, desc, room, entry->layout->layout, &entry->handle);
        vkd_free(device->context, room);
        VKD_TRY(finish_entry(device, entry, result));
    }
    *out = (vkd_pipeline){
        .handle = entry->handle,
        .layout = entry->layout->layout,
        .set_layout = entry->layout->set,
        .name = entry->name,
        .binding_count = entry->layout->binding_count,
        .texel_mask = entry->layout->texel_mask,
        .push_size = entry->layout->push_size,
    };
    return VKD_OK;
}

vkd_status vkd_pipeline_get(vkd_device *device, const vkd_pipeline_desc *desc, vkd_pipeline *out)
{
    pthread_mutex_lock(&device->owner->mutex);
    vkd_status status = get_pipeline(device, desc, out);
    pthread_mutex_unlock(&device->owner->mutex);
    return status;
}

/* ---------------------------------------------------------------------------- several at a time */

typedef struct pipeline_job {
    const vkd_pipeline_desc *desc;
    vkd_pipeline_entry *entry;
    uint32_t *room;
    VkResult result;
} pipeline_job;

typedef struct pipeline_jobs {
    vkd_device *device;
    pipeline_job *jobs;
    uint32_t count;
    atomic_uint next;
} pipeline_jobs;

/* A thread's work: whichever job is next. The context is the caller's alone. */
static void *create_pipelines(void *user)
{
    pipeline_jobs *all = user;
    for (uint32_t i; (i = atomic_fetch_add(&all->next, 1)) < all->count;) {
        pipeline_job *job = &all->jobs[i];
        job->result = create_pipeline(all->device, job->desc, job->room, job->entry->layout->layout,
                                      &job->entry->handle);
    }
    return NULL;
}

/* The caller works too, so that no thread at all is enough. */
static void run_jobs(pipeline_jobs *all)
{
    enum { MAX_THREADS = 16 };
    pthread_t threads[MAX_THREADS];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t wanted = processors < 1             ? 1
                      : processors > MAX_THREADS ? MAX_THREADS
                                                 : (uint32_t)processors,
             started = 0;
    if (wanted > all->count)
        wanted = all->count;
    while (started + 1 < wanted &&
           pthread_create(&threads[started], NULL, create_pipelines, all) == 0)
        started++;
    create_pipelines(all);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
}

static vkd_status collect_jobs(pipeline_jobs *all, const vkd_pipeline_desc *descs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        vkd_pipeline_entry *entry = NULL;
        VKD_TRY(get_entry(all->device, &descs[i], &entry));
        bool known = entry->handle != VK_NULL_HANDLE;
        for (uint32_t j = 0; j < all->count && !known; j++)
            known = all->jobs[j].entry == entry;
        if (known)
            continue;
        pipeline_job job = {.desc = &descs[i], .entry = entry, .result = VK_ERROR_UNKNOWN};
        VKD_TRY(make_room(all->device, job.desc, &job.room));
        all->jobs[all->count++] = job;
    }
    return VKD_OK;
}

static vkd_status prepare(vkd_device *device, const vkd_pipeline_desc *descs, uint32_t count)
{
    pipeline_jobs all = {.device = device,
                         .jobs = vkd_alloc(device->context, count, sizeof *all.jobs)};
    if (!all.jobs)
        return vkd_fail_memory(device->context, "pipelines");
    vkd_status status = collect_jobs(&all, descs, count);
    if (status == VKD_OK)
        run_jobs(&all);
    for (uint32_t i = 0; i < all.count; i++) {
        vkd_free(device->context, all.jobs[i].room);
        if (status == VKD_OK)
            status = finish_entry(device, all.jobs[i].entry, all.jobs[i].result);
    }
    vkd_free(device->context, all.jobs);
    return status;
}

vkd_status vkd_pipelines_prepare(vkd_device *device, const vkd_pipeline_desc *descs, uint32_t count)
{
    pthread_mutex_lock(&device->owner->mutex);
    vkd_status status = prepare(device, descs, count);
    pthread_mutex_unlock(&device->owner->mutex);
    return status;
}

void vkd_pipelines_destroy(vkd_device *device)
{
    for (vkd_pipeline_entry *entry = device->owner->pipelines; entry; entry = entry->next)
        device->vk.vkDestroyPipeline(device->handle, entry->handle, NULL);
    for (vkd_layout_entry *entry = device->owner->layouts; entry; entry = entry->next) {
        device->vk.vkDestroyPipelineLayout(device->handle, entry->layout, NULL);
        device->vk.vkDestroyDescriptorSetLayout(device->handle, entry->set, NULL);
    }
    device->owner->pipelines = NULL;
    device->owner->layouts = NULL;
}
