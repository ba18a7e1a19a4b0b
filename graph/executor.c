#include "graph/executor.h"

#include <string.h>

struct vkd_executor {
    vkd_device *device;
    const vkd_graph *graph;
    vkd_buffer constants, scratch;
    vkd_buffer *inputs, *outputs; /* graph->input_count, graph->output_count */
    vkd_commands *commands;
    uint64_t staging_bytes;
};

/* The buffer and range behind a tensor. */
static vkd_slice slice_of(const vkd_executor *executor, vkd_tensor_id id)
{
    const vkd_graph *graph = executor->graph;
    const vkd_tensor *tensor = &graph->tensors[id];
    vkd_slice slice = {.offset = tensor->offset, .size = tensor->bytes};
    switch (tensor->place) {
    case VKD_PLACE_SCRATCH:
        slice.buffer = &executor->scratch;
        break;
    case VKD_PLACE_CONSTANT:
        slice.buffer = &executor->constants;
        break;
    case VKD_PLACE_INPUT:
        for (size_t i = 0; i < graph->input_count; i++)
            if (graph->inputs[i] == tensor->storage)
                slice.buffer = &executor->inputs[i];
        break;
    case VKD_PLACE_OUTPUT:
        for (size_t i = 0; i < graph->output_count; i++)
            if (graph->outputs[i] == tensor->storage)
                slice.buffer = &executor->outputs[i];
        break;
    }
    return slice;
}

/* ------------------------------------------------------------------------------------------------------- creation */

static vkd_status create_io(vkd_executor *executor, vkd_memory_kind kind, const char *what, const vkd_tensor_id *ids,
                            size_t count, vkd_buffer **out)
{
    vkd_context *context = vkd_device_context(executor->device);
    *out = vkd_alloc(context, count, sizeof **out);
    if (!*out)
        return vkd_fail_memory(context, what);
    for (size_t i = 0; i < count; i++)
        VKD_TRY(vkd_buffer_create(executor->device, kind, executor->graph->tensors[ids[i]].bytes, what, &(*out)[i]));
    return VKD_OK;
}

static vkd_status create_buffers(vkd_executor *executor)
{
    const vkd_graph *graph = executor->graph;
    VKD_TRY(vkd_buffer_create(executor->device, VKD_MEMORY_DEVICE, graph->constant_bytes, "constants", &executor->constants));
    VKD_TRY(
        vkd_buffer_create(executor->device, VKD_MEMORY_DEVICE, graph->scratch_bytes, "scratch tensors", &executor->scratch));
    VKD_TRY(create_io(executor, VKD_MEMORY_UPLOAD, "inputs", graph->inputs, graph->input_count, &executor->inputs));
    return create_io(executor, VKD_MEMORY_READBACK, "outputs", graph->outputs, graph->output_count, &executor->outputs);
}

static bool is_placed_constant(const vkd_graph *graph, size_t i)
{
    const vkd_tensor *tensor = &graph->tensors[i];
    return tensor->place == VKD_PLACE_CONSTANT && tensor->storage == i && tensor->first_node != UINT32_MAX;
}

static vkd_status pack_constants(vkd_executor *executor, vkd_uploader *uploader)
{
    const vkd_graph *graph = executor->graph;
    for (size_t i = 0; i < graph->tensor_count; i++) {
        const vkd_tensor *tensor = &graph->tensors[i];
        if (!is_placed_constant(graph, i))
            continue;
        void *mapped;
        VKD_TRY(vkd_uploader_reserve(uploader, &executor->constants, tensor->offset, tensor->bytes, &mapped));
        tensor->pack(tensor->source, mapped, tensor->bytes);
    }
    return VKD_OK;
}

static vkd_status upload_constants(vkd_executor *executor)
{
    uint64_t largest = 0;
    for (size_t i = 0; i < executor->graph->tensor_count; i++)
        if (is_placed_constant(executor->graph, i) && executor->graph->tensors[i].bytes > largest)
            largest = executor->graph->tensors[i].bytes;
    if (!largest)
        return VKD_OK;
    vkd_uploader *uploader;
    VKD_TRY(vkd_uploader_begin(executor->device, largest, &uploader));
    executor->staging_bytes = vkd_uploader_bytes(uploader);
    vkd_status packed = pack_constants(executor, uploader);
    vkd_status finished = vkd_uploader_finish(uploader);
    return packed != VKD_OK ? packed : finished;
}

static vkd_pipeline_desc pipeline_of(const vkd_device *device, const vkd_node *node)
{
    const vkd_shader_entry *shader = &vkd_shaders[node->shader];
    const vkd_shader_code *code = &shader->flavours[vkd_device_caps(device)->dot - VKD_DOT_NONE];
    return (vkd_pipeline_desc){
        .name = shader->name,
        .code = code->code,
        .code_size = code->size,
        .binding_count = node->binding_count,
        .texel_mask = node->texel_mask,
        .push_size = node->push_size,
        .spec_count = node->spec_count,
        .specs = node->specs,
    };
}

vkd_status vkd_executor_prepare(vkd_device *device, const vkd_graph *graph)
{
    vkd_context *context = vkd_device_context(device);
    vkd_pipeline_desc *descs = vkd_alloc(context, graph->node_count, sizeof *descs);
    if (!descs)
        return vkd_fail_memory(context, "pipelines");
    for (size_t i = 0; i < graph->node_count; i++)
        descs[i] = pipeline_of(device, &graph->nodes[i]);
    vkd_status status = vkd_pipelines_prepare(device, descs, (uint32_t)graph->node_count);
    vkd_free(context, descs);
    return status;
}

static vkd_status record_node(vkd_executor *executor, const vkd_node *node)
{
    const vkd_caps *caps = vkd_device_caps(executor->device);
    vkd_context *context = vkd_device_context(executor->device);
    vkd_pipeline_desc desc = pipeline_of(executor->device, node);
    vkd_pipeline pipeline;
    VKD_TRY(vkd_pipeline_get(executor->device, &desc, &pipeline));

    vkd_slice slices[VKD_MAX_BINDINGS];
    for (uint32_t b = 0; b < node->binding_count; b++) {
        slices[b] = slice_of(executor, node->bindings[b].tensor);
        slices[b].write = node->bindings[b].write;
        slices[b].texel_bytes = node->word_mask >> b & 1 ? 4 : 16;
        if (slices[b].size > caps->max_storage_range)
            return vkd_fail(context, VKD_UNSUPPORTED,
                            "operator '%s' (node %u) needs a tensor of %llu bytes; %s binds at most %llu", node->op,
                            node->op_id, (unsigned long long)slices[b].size, caps->name,
                            (unsigned long long)caps->max_storage_range);
    }
    for (int axis = 0; axis < 3; axis++)
        if (node->groups[axis] > caps->max_workgroup_count[axis])
            return vkd_fail(context, VKD_UNSUPPORTED, "operator '%s' (node %u) needs %u workgroups on axis %d; %s has %u",
                            node->op, node->op_id, node->groups[axis], axis, caps->name, caps->max_workgroup_count[axis]);
    return vkd_commands_dispatch(executor->commands, &pipeline, slices, node->binding_count, node->push, node->push_size,
                                 node->groups);
}

static vkd_status record(vkd_executor *executor, uint32_t times, bool profile)
{
    const vkd_graph *graph = executor->graph;
    uint32_t bindings = 0;
    for (size_t i = 0; i < graph->node_count; i++)
        bindings += graph->nodes[i].binding_count;
    VKD_TRY(vkd_commands_begin(executor->device, (uint32_t)graph->node_count * times, bindings * times, profile,
                               &executor->commands));
    for (uint32_t time = 0; time < times; time++)
        for (size_t i = 0; i < graph->node_count; i++)
            VKD_TRY(record_node(executor, &graph->nodes[i]));
    return vkd_commands_end(executor->commands);
}

vkd_status vkd_executor_repeat(vkd_executor *executor, uint32_t times)
{
    vkd_commands_destroy(executor->commands);
    executor->commands = NULL;
    return record(executor, times, false);
}

vkd_status vkd_executor_create(vkd_device *device, const vkd_graph *graph, bool profile, vkd_executor **out)
{
    vkd_context *context = vkd_device_context(device);
    vkd_executor *executor = vkd_alloc(context, 1, sizeof *executor);
    *out = NULL;
    if (!executor)
        return vkd_fail_memory(context, "the executor");
    executor->device = device;
    executor->graph = graph;
    vkd_status status = create_buffers(executor);
    if (status == VKD_OK)
        status = vkd_executor_prepare(device, graph);
    if (status == VKD_OK)
        status = upload_constants(executor);
    if (status == VKD_OK)
        status = record(executor, 1, profile);
    if (status != VKD_OK) {
        vkd_executor_destroy(executor);
        return status;
    }
    *out = executor;
    return VKD_OK;
}

void vkd_executor_destroy(vkd_executor *executor)
{
    if (!executor)
        return;
    vkd_device *device = executor->device;
    vkd_context *context = vkd_device_context(device);
    vkd_commands_destroy(executor->commands);
    for (size_t i = 0; executor->inputs && i < executor->graph->input_count; i++)
        vkd_buffer_destroy(device, &executor->inputs[i]);
    for (size_t i = 0; executor->outputs && i < executor->graph->output_count; i++)
        vkd_buffer_destroy(device, &executor->outputs[i]);
    vkd_buffer_destroy(device, &executor->constants);
    vkd_buffer_destroy(device, &executor->scratch);
    vkd_free(context, executor->inputs);
    vkd_free(context, executor->outputs);
    vkd_free(context, executor);
}

/* ------------------------------------------------------------------------------------------------------ execution */

void *vkd_executor_input(vkd_executor *executor, size_t index) { return executor->inputs[index].mapped; }

const void *vkd_executor_output(vkd_executor *executor, size_t index) { return executor->outputs[index].mapped; }

vkd_status vkd_executor_run(vkd_executor *executor)
{
    VKD_TRY(vkd_commands_run(executor->commands));
    for (size_t i = 0; i < executor->graph->output_count; i++)
        VKD_TRY(vkd_buffer_invalidate(executor->device, &executor->outputs[i]));
    return VKD_OK;
}

uint64_t vkd_executor_gpu_ns(const vkd_executor *executor) { return vkd_commands_gpu_ns(executor->commands); }

uint64_t vkd_executor_node_ns(const vkd_executor *executor, size_t node)
{
    return vkd_commands_dispatch_ns(executor->commands, (uint32_t)node);
}

uint64_t vkd_executor_io_bytes(const vkd_executor *executor)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < executor->graph->input_count; i++)
        bytes += executor->inputs[i].size;
    for (size_t i = 0; i < executor->graph->output_count; i++)
        bytes += executor->outputs[i].size;
    return bytes;
}

uint64_t vkd_executor_staging_bytes(const vkd_executor *executor) { return executor->staging_bytes; }

vkd_status vkd_executor_read(vkd_executor *executor, vkd_tensor_id tensor, void *dst)
{
    vkd_slice slice = slice_of(executor, tensor);
    return vkd_buffer_read(executor->device, slice.buffer, slice.offset, slice.size, dst);
}
