/* Command buffers: dispatches with their descriptors, barriers and time stamps. */
#include <string.h>

#include "runtime/hazard.h"
#include "runtime/vulkan.h"

/* Every time stamp is of the moment when all earlier commands are finished. */
static const VkPipelineStageFlagBits stamp_stage = VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT;

/* The queries: start and end of each submission, then start and end of each dispatch. */
static uint32_t start_of(uint32_t submission) { return 2 * submission; }
static uint32_t end_of(uint32_t submission) { return 2 * submission + 1; }

struct vkd_commands {
    vkd_device *device;
    vkd_recording *recordings; /* one for each submission */
    uint32_t submission_count, submission_capacity;
    VkDescriptorPool descriptors; /* null: no dispatch is expected */
    VkQueryPool queries;          /* null: the queue has no time stamps */
    bool stamps;                  /* around every dispatch */
    bool ended;
    uint32_t dispatch_count, dispatch_capacity;
    uint32_t binding_count, binding_capacity;
    uint32_t view_count;
    VkBufferView *views; /* of texel buffers */
    uint32_t barrier_count;
    uint32_t stamp_count;
    uint64_t *ticks;
    bool timed; /* ticks are of the last run */
    vkd_hazards hazards;
    VkPipeline bound;
    const vkd_buffer **taken; /* memory of others, to be given back at the end */
    uint32_t taken_count;
};

static uint32_t dispatch_stamp(const vkd_commands *commands, uint32_t dispatch)
{
    return 2 * (commands->submission_capacity + dispatch);
}

/* What is being recorded. */
static VkCommandBuffer buffer_of(const vkd_commands *commands)
{
    return commands->recordings[commands->submission_count - 1].commands;
}

static vkd_status create_descriptors(vkd_commands *commands)
{
    if (!commands->dispatch_capacity)
        return VKD_OK;
    vkd_device *device = commands->device;
    uint32_t count = commands->binding_capacity ? commands->binding_capacity : 1;
    const VkDescriptorPoolSize sizes[] = {
        {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, count},
        {VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER, count},
    };
    const VkDescriptorPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
        .maxSets = commands->dispatch_capacity,
        .poolSizeCount = sizeof sizes / sizeof sizes[0],
        .pPoolSizes = sizes,
    };
    VkDescriptorPool pool;
    VkResult result = device->vk.vkCreateDescriptorPool(device->handle, &info, NULL, &pool);
    VKD_TRY(vkd_vk_status(device->context, result, "vkCreateDescriptorPool for %u dispatches",
                          commands->dispatch_capacity));
    commands->descriptors = pool;
    return VKD_OK;
}

static vkd_status create_queries(vkd_commands *commands)
{
    vkd_device *device = commands->device;
    if (!device->caps.timestamp_bits)
        return VKD_OK;
    commands->stamp_count =
        dispatch_stamp(commands, commands->stamps ? commands->dispatch_capacity : 0);
    commands->ticks = vkd_alloc(device->context, commands->stamp_count, sizeof *commands->ticks);
    if (!commands->ticks)
        return vkd_fail_memory(device->context, "time stamps");
    const VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = commands->stamp_count,
    };
    VkQueryPool pool;
    VkResult result = device->vk.vkCreateQueryPool(device->handle, &info, NULL, &pool);
    VKD_TRY(vkd_vk_status(device->context, result, "vkCreateQueryPool of %u time stamps",
                          commands->stamp_count));
    commands->queries = pool;
    return VKD_OK;
}

static void write_stamp(vkd_commands *commands, uint32_t query)
{
    if (commands->queries)
        commands->device->vk.vkCmdWriteTimestamp(buffer_of(commands), stamp_stage,
                                                 commands->queries, query);
}

static vkd_status begin_submission(vkd_commands *commands)
{
    vkd_device *device = commands->device;
    const uint32_t index = commands->submission_count;
    VKD_TRY(vkd_recording_create(device, &commands->recordings[index]));
    commands->submission_count++;
    commands->bound = VK_NULL_HANDLE;
    const VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    VkResult result = device->vk.vkBeginCommandBuffer(buffer_of(commands), &info);
    VKD_TRY(vkd_vk_status(device->context, result, "vkBeginCommandBuffer"));
    if (commands->queries && !index)
        device->vk.vkCmdResetQueryPool(buffer_of(commands), commands->queries, 0,
                                       commands->stamp_count);
    /* Earlier submissions' writes, the last run's among them, become visible. Those of one
     * execution at a time are over, so this costs no waiting; what else is in flight on the same
     * queue is waited for, as at any barrier. */
    vkd_barrier(device, buffer_of(commands), VK_PIPELINE_STAGE_ALL_COMMANDS_BIT,
                VK_ACCESS_MEMORY_WRITE_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
    vkd_hazards_clear(&commands->hazards);
    write_stamp(commands, start_of(index));
    return VKD_OK;
}

/* Takes memory of others over from their queue family, or gives it back. */
static void transfer(vkd_commands *commands, const vkd_buffer *buffer, bool take)
{
    const uint32_t ours = commands->device->queue_family;
    const VkAccessFlags access = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
    const VkBufferMemoryBarrier barrier = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER,
        .srcAccessMask = take ? 0 : access,
        .dstAccessMask = take ? access : 0,
        .srcQueueFamilyIndex = take ? buffer->family : ours,
        .dstQueueFamilyIndex = take ? ours : buffer->family,
        .buffer = buffer->handle,
        .size = VK_WHOLE_SIZE,
    };
    const VkPipelineStageFlags shaders = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT;
    commands->device->vk.vkCmdPipelineBarrier(
        buffer_of(commands), take ? VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT : shaders,
        take ? shaders : VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, 0, 0, NULL, 1, &barrier, 0, NULL);
}

/* Before its first use. */
static void take_over(vkd_commands *commands, const vkd_buffer *buffer)
{
    if (!buffer->import || buffer->family == VK_QUEUE_FAMILY_IGNORED)
        return;
    for (uint32_t i = 0; i < commands->taken_count; i++)
        if (commands->taken[i]->handle == buffer->handle)
            return;
    transfer(commands, buffer, true);
    commands->taken[commands->taken_count++] = buffer;
}

static vkd_status end_submission(vkd_commands *commands)
{
    vkd_device *device = commands->device;
    for (uint32_t i = 0; commands->ended && i < commands->taken_count; i++)
        transfer(commands, commands->taken[i], false);
    write_stamp(commands, end_of(commands->submission_count - 1));
    if (commands->ended)
        vkd_barrier(device, buffer_of(commands), VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                    VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_HOST_BIT,
                    VK_ACCESS_HOST_READ_BIT);
    VkResult result = device->vk.vkEndCommandBuffer(buffer_of(commands));
    return vkd_vk_status(device->context, result, "vkEndCommandBuffer");
}

static vkd_status begin(vkd_commands *commands)
{
    vkd_device *device = commands->device;
    commands->hazards.capacity = commands->binding_capacity;
    commands->hazards.ranges =
        vkd_alloc(device->context, commands->binding_capacity, sizeof *commands->hazards.ranges);
    commands->views =
        vkd_alloc(device->context, commands->binding_capacity, sizeof *commands->views);
    commands->recordings =
        vkd_alloc(device->context, commands->submission_capacity, sizeof *commands->recordings);
    commands->taken =
        vkd_alloc(device->context, commands->binding_capacity, sizeof *commands->taken);
    if (!commands->hazards.ranges || !commands->views || !commands->recordings || !commands->taken)
        return vkd_fail_memory(device->context, "a command recording");
    VKD_TRY(create_descriptors(commands));
    VKD_TRY(create_queries(commands));
    return begin_submission(commands);
}

vkd_status vkd_commands_begin(vkd_device *device, uint32_t dispatches, uint32_t bindings,
                              uint32_t submissions, bool stamps, vkd_commands **out)
{
    *out = NULL;
    if (dispatches > UINT32_MAX / 4 || !submissions || submissions > UINT32_MAX / 4)
        return vkd_fail(device->context, VKD_INVALID_ARGUMENT,
                        "%u dispatches in %u submissions cannot be recorded", dispatches,
                        submissions);
    vkd_commands *commands = vkd_alloc(device->context, 1, sizeof *commands);
    if (!commands)
        return vkd_fail_memory(device->context, "a command recording");
    commands->device = device;
    commands->dispatch_capacity = dispatches;
    commands->binding_capacity = bindings;
    commands->submission_capacity = submissions;
    commands->stamps = stamps;
    vkd_status status = begin(commands);
    if (status != VKD_OK) {
        vkd_commands_destroy(commands);
        return status;
    }
    *out = commands;
    return VKD_OK;
}

/* ----------------------------------------------------------------------------------- dispatches */

static vkd_status check_slice(vkd_commands *commands, const char *name, uint32_t binding,
                              const vkd_slice *slice)
{
    vkd_context *context = commands->device->context;
    const vkd_caps *caps = &commands->device->caps;
    const vkd_buffer *buffer = slice->buffer;
    if (!buffer->handle || !slice->size || slice->offset > buffer->size ||
        slice->size > buffer->size - slice->offset)
        return vkd_fail(context, VKD_INVALID_ARGUMENT,
                        "%s: binding %u covers %llu bytes at %llu of a buffer of %llu bytes", name,
                        binding, (unsigned long long)slice->size, (unsigned long long)slice->offset,
                        (unsigned long long)buffer->size);
    if (slice->offset % caps->storage_alignment)
        return vkd_fail(context, VKD_INVALID_ARGUMENT,
                        "%s: binding %u is at offset %llu, %s needs a multiple of %u", name,
                        binding, (unsigned long long)slice->offset, caps->name,
                        caps->storage_alignment);
    if (slice->size > caps->max_storage_range)
        return vkd_fail(context, VKD_UNSUPPORTED,
                        "%s: binding %u covers %llu bytes, %s allows at most %llu", name, binding,
                        (unsigned long long)slice->size, caps->name,
                        (unsigned long long)caps->max_storage_range);
    return VKD_OK;
}

static vkd_status check_texels(vkd_commands *commands, const char *name, uint32_t binding,
                               const vkd_slice *slice)
{
    const vkd_caps *caps = &commands->device->caps;
    if ((slice->texel_bytes != 4 && slice->texel_bytes != 16) || slice->size % slice->texel_bytes ||
        slice->size / slice->texel_bytes > caps->max_texels)
        return vkd_fail(commands->device->context, VKD_UNSUPPORTED,
                        "%s: binding %u covers %llu bytes as a buffer of texels of %u bytes, %s "
                        "allows at most %u texels",
                        name, binding, (unsigned long long)slice->size, slice->texel_bytes,
                        caps->name, caps->max_texels);
    return VKD_OK;
}

static vkd_status check_dispatch(vkd_commands *commands, const vkd_pipeline *pipeline,
                                 const vkd_slice *slices, uint32_t slice_count, uint32_t push_size,
                                 const uint32_t groups[3])
{
    vkd_context *context = commands->device->context;
    const vkd_caps *caps = &commands->device->caps;
    if (commands->ended || commands->dispatch_count == commands->dispatch_capacity ||
        slice_count > commands->binding_capacity - commands->binding_count)
        return vkd_fail(context, VKD_INVALID_ARGUMENT,
                        "%s: the recording has room for %u dispatches with %u bindings%s",
                        pipeline->name, commands->dispatch_capacity, commands->binding_capacity,
                        commands->ended ? ", and has ended" : "");
    if (slice_count != pipeline->binding_count || push_size != pipeline->push_size)
        return vkd_fail(
            context, VKD_INVALID_ARGUMENT,
            "%s: %u bindings and %u bytes of push constants were given, the pipeline has %u and %u",
            pipeline->name, slice_count, push_size, pipeline->binding_count, pipeline->push_size);
    for (uint32_t i = 0; i < 3; i++) {
        if (!groups[i])
            return vkd_fail(context, VKD_INVALID_ARGUMENT, "%s: a dispatch of no workgroups",
                            pipeline->name);
        if (groups[i] > caps->max_workgroup_count[i])
            return vkd_fail(context, VKD_UNSUPPORTED,
                            "%s: %u workgroups in dimension %u, %s allows at most %u",
                            pipeline->name, groups[i], i, caps->name, caps->max_workgroup_count[i]);
    }
    for (uint32_t i = 0; i < slice_count; i++) {
        VKD_TRY(check_slice(commands, pipeline->name, i, &slices[i]));
        if (pipeline->texel_mask >> i & 1)
            VKD_TRY(check_texels(commands, pipeline->name, i, &slices[i]));
    }
    return VKD_OK;
}

static vkd_status create_view(vkd_commands *commands, const char *name, const vkd_slice *slice,
                              VkBufferView **out)
{
    vkd_device *device = commands->device;
    const VkBufferViewCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO,
        .buffer = slice->buffer->handle,
        .format = slice->texel_bytes == 4 ? VK_FORMAT_R32_SINT : VK_FORMAT_R32G32B32A32_SINT,
        .offset = slice->offset,
        .range = slice->size,
    };
    *out = &commands->views[commands->view_count];
    VkResult result = device->vk.vkCreateBufferView(device->handle, &info, NULL, *out);
    VKD_TRY(vkd_vk_status(device->context, result, "vkCreateBufferView for %s", name));
    commands->view_count++;
    return VKD_OK;
}

static vkd_status write_set(vkd_commands *commands, const vkd_pipeline *pipeline,
                            const vkd_slice *slices, VkDescriptorSet set)
{
    VkDescriptorBufferInfo buffers[VKD_PIPELINE_MAX_BINDINGS];
    VkWriteDescriptorSet writes[VKD_PIPELINE_MAX_BINDINGS];
    for (uint32_t i = 0; i < pipeline->binding_count; i++) {
        buffers[i] =
            (VkDescriptorBufferInfo){slices[i].buffer->handle, slices[i].offset, slices[i].size};
        writes[i] = (VkWriteDescriptorSet){
            .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
            .dstSet = set,
            .dstBinding = i,
            .descriptorCount = 1,
            .descriptorType = vkd_descriptor_type(pipeline->texel_mask, i),
            .pBufferInfo = &buffers[i],
        };
        if (pipeline->texel_mask >> i & 1) {
            VkBufferView *view;
            VKD_TRY(create_view(commands, pipeline->name, &slices[i], &view));
            writes[i].pTexelBufferView = view;
        }
    }
    commands->device->vk.vkUpdateDescriptorSets(commands->device->handle, pipeline->binding_count,
                                                writes, 0, NULL);
    return VKD_OK;
}

static vkd_status bind(vkd_commands *commands, const vkd_pipeline *pipeline,
                       const vkd_slice *slices)
{
    vkd_device *device = commands->device;
    if (commands->bound != pipeline->handle)
        device->vk.vkCmdBindPipeline(buffer_of(commands), VK_PIPELINE_BIND_POINT_COMPUTE,
                                     pipeline->handle);
    commands->bound = pipeline->handle;
    if (!pipeline->binding_count)
        return VKD_OK;
    const VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = commands->descriptors,
        .descriptorSetCount = 1,
        .pSetLayouts = &pipeline->set_layout,
    };
    VkDescriptorSet set;
    VkResult result = device->vk.vkAllocateDescriptorSets(device->handle, &info, &set);
    VKD_TRY(
        vkd_vk_status(device->context, result, "vkAllocateDescriptorSets for %s", pipeline->name));
    VKD_TRY(write_set(commands, pipeline, slices, set));
    device->vk.vkCmdBindDescriptorSets(buffer_of(commands), VK_PIPELINE_BIND_POINT_COMPUTE,
                                       pipeline->layout, 0, 1, &set, 0, NULL);
    return VKD_OK;
}

static vkd_status wait_for_hazards(vkd_commands *commands, const vkd_slice *slices,
                                   uint32_t slice_count)
{
    vkd_range uses[VKD_PIPELINE_MAX_BINDINGS];
    for (uint32_t i = 0; i < slice_count; i++)
        uses[i] = (vkd_range){slices[i].buffer->handle, slices[i].offset, slices[i].size,
                              slices[i].write};
    bool hazard = vkd_hazards_found(&commands->hazards, uses, slice_count);
    /* A barrier between all dispatches when each is timed: else one's time would contain a part of
     * its neighbours'. */
    if (hazard || (commands->stamps && commands->dispatch_count))
        vkd_barrier(commands->device, buffer_of(commands), VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                    VK_ACCESS_SHADER_WRITE_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT,
                    VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT);
    if (hazard) {
        vkd_hazards_clear(&commands->hazards);
        commands->barrier_count++;
    }
    if (!vkd_hazards_add(&commands->hazards, uses, slice_count))
        return vkd_fail(commands->device->context, VKD_INVALID_ARGUMENT,
                        "the recording has more bindings than were announced");
    return VKD_OK;
}

vkd_status vkd_commands_dispatch(vkd_commands *commands, const vkd_pipeline *pipeline,
                                 const vkd_slice *slices, uint32_t slice_count, const void *push,
                                 uint32_t push_size, const uint32_t groups[3])
{
    vkd_device *device = commands->device;
    VkCommandBuffer buffer = buffer_of(commands);
    VKD_TRY(check_dispatch(commands, pipeline, slices, slice_count, push_size, groups));
    for (uint32_t i = 0; i < slice_count; i++)
        take_over(commands, slices[i].buffer);
    VKD_TRY(wait_for_hazards(commands, slices, slice_count));
    VKD_TRY(bind(commands, pipeline, slices));
    if (push_size)
        device->vk.vkCmdPushConstants(buffer, pipeline->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                      push_size, push);
    uint32_t stamp = dispatch_stamp(commands, commands->dispatch_count);
    if (commands->stamps)
        write_stamp(commands, stamp);
    device->vk.vkCmdDispatch(buffer, groups[0], groups[1], groups[2]);
    if (commands->stamps)
        write_stamp(commands, stamp + 1);
    commands->dispatch_count++;
    commands->binding_count += slice_count;
    return VKD_OK;
}

vkd_status vkd_commands_cut(vkd_commands *commands)
{
    if (commands->ended || commands->submission_count == commands->submission_capacity)
        return vkd_fail(commands->device->context, VKD_INVALID_ARGUMENT,
                        "the recording has room for %u submissions%s",
                        commands->submission_capacity, commands->ended ? ", and has ended" : "");
    VKD_TRY(end_submission(commands));
    return begin_submission(commands);
}

vkd_status vkd_commands_end(vkd_commands *commands)
{
    commands->ended = true;
    return end_submission(commands);
}

/* -------------------------------------------------------------------------------------- running */

vkd_status vkd_commands_submit(vkd_commands *commands, uint32_t queue)
{
    vkd_device *device = commands->device;
    if (!commands->ended)
        return vkd_fail(device->context, VKD_INVALID_ARGUMENT, "the recording has not ended");
    for (uint32_t i = 0; i < commands->submission_count; i++) {
        vkd_status status = vkd_recording_submit(device, &commands->recordings[i], queue);
        for (uint32_t k = 0; status != VKD_OK && status != VKD_DEVICE_LOST && k < i; k++)
            (void)!vkd_recording_wait(device, &commands->recordings[k], device->timeout_ns);
        VKD_TRY(status);
    }
    return VKD_OK;
}

static vkd_status read_stamps(vkd_commands *commands, uint32_t first, uint32_t count)
{
    vkd_device *device = commands->device;
    if (!count)
        return VKD_OK;
    VkResult result = device->vk.vkGetQueryPoolResults(
        device->handle, commands->queries, first, count, count * sizeof(uint64_t),
        commands->ticks + first, sizeof(uint64_t), VK_QUERY_RESULT_64_BIT);
    return vkd_vk_status(device->context, result, "vkGetQueryPoolResults");
}

vkd_status vkd_commands_wait(vkd_commands *commands)
{
    vkd_device *device = commands->device;
    commands->timed = false;
    for (uint32_t i = 0; i < commands->submission_count; i++)
        VKD_TRY(vkd_recording_wait(device, &commands->recordings[i], device->timeout_ns));
    if (!commands->queries)
        return VKD_OK;
    VKD_TRY(read_stamps(commands, 0, 2 * commands->submission_count));
    if (commands->stamps)
        VKD_TRY(read_stamps(commands, dispatch_stamp(commands, 0), 2 * commands->dispatch_count));
    commands->timed = true;
    return VKD_OK;
}

vkd_status vkd_commands_run(vkd_commands *commands)
{
    VKD_TRY(vkd_commands_submit(commands, 0));
    return vkd_commands_wait(commands);
}

static uint64_t interval_ns(const vkd_commands *commands, uint32_t first, uint32_t last)
{
    const vkd_caps *caps = &commands->device->caps;
    uint64_t mask =
        caps->timestamp_bits < 64 ? (UINT64_C(1) << caps->timestamp_bits) - 1 : UINT64_MAX;
    /* Masked after the subtraction, so that a counter that wrapped around in between does no harm.
     */
    uint64_t ticks = (commands->ticks[last] - commands->ticks[first]) & mask;
    return (uint64_t)((double)ticks * (double)caps->timestamp_ns + 0.5);
}

uint64_t vkd_commands_gpu_ns(const vkd_commands *commands)
{
    return commands->timed
               ? interval_ns(commands, start_of(0), end_of(commands->submission_count - 1))
               : 0;
}

uint64_t vkd_commands_submission_ns(const vkd_commands *commands, uint32_t submission)
{
    return commands->timed && submission < commands->submission_count
               ? interval_ns(commands, start_of(submission), end_of(submission))
               : 0;
}

uint64_t vkd_commands_dispatch_ns(const vkd_commands *commands, uint32_t dispatch)
{
    if (!commands->timed || !commands->stamps || dispatch >= commands->dispatch_count)
        return 0;
    const uint32_t start = dispatch_stamp(commands, dispatch);
    return interval_ns(commands, start, start + 1);
}

uint64_t vkd_commands_dispatch_start_ns(const vkd_commands *commands, uint32_t dispatch)
{
    if (!commands->timed || !commands->stamps || dispatch >= commands->dispatch_count)
        return 0;
    return interval_ns(commands, start_of(0), dispatch_stamp(commands, dispatch));
}

uint32_t vkd_commands_barrier_count(const vkd_commands *commands)
{
    return commands->barrier_count;
}

void vkd_commands_destroy(vkd_commands *commands)
{
    if (!commands)
        return;
    vkd_device *device = commands->device;
    if (vkd_device_idle(device)) {
        device->vk.vkDestroyQueryPool(device->handle, commands->queries, NULL);
        device->vk.vkDestroyDescriptorPool(device->handle, commands->descriptors, NULL);
        for (uint32_t i = 0; i < commands->view_count; i++)
            device->vk.vkDestroyBufferView(device->handle, commands->views[i], NULL);
    }
    for (uint32_t i = 0; i < commands->submission_count; i++)
        vkd_recording_destroy(device, &commands->recordings[i]);
    vkd_free(device->context, commands->recordings);
    vkd_free(device->context, commands->taken);
    vkd_free(device->context, commands->views);
    vkd_free(device->context, commands->hazards.ranges);
    vkd_free(device->context, commands->ticks);
    vkd_free(device->context, commands);
}
