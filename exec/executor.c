#include "exec/executor.h"
#include "exec/residents.h"
#include "exec/split.h"
#include "runtime/base/math.h"
#include "runtime/transfer.h"

#include <string.h>

/* Memory of others for an argument; import 0: none. */
typedef struct vkd_bound {
    vkd_buffer memory;
    uint64_t offset;
} vkd_bound;

/* What one execution needs for itself. */
typedef struct vkd_slot {
    const vkd_buffer *scratch; /* the residents', or: */
    vkd_buffer own_scratch;
    vkd_buffer *inputs, *outputs; /* graph->input_count, graph->output_count; empty for SymInts */
    vkd_buffer symbols;
    vkd_bound *bound; /* by argument */
    bool bound_anew;  /* since the recording */
    vkd_commands *commands;
    uint32_t revision; /* of the split that it was recorded with */
    bool in_flight;
} vkd_slot;

struct vkd_executor {
    vkd_device *device;
    const vkd_graph *graph;
    bool profile;
    vkd_residents *residents;
    bool owns_residents;
    vkd_split *split;    /* null: an execution is one submission */
    double *times;       /* of the split's submissions, then its nodes; room for as many of each */
    vkd_slice *resident; /* by tensor: constants and states */
    uint32_t *boundary;  /* by tensor: its place among the inputs or the outputs */
    vkd_slot *slots;
    uint32_t slot_count, last; /* last: waited for */
};

/* The buffer and range behind a tensor. */
static vkd_slice slice_of(const vkd_executor *executor, const vkd_slot *slot, vkd_tensor_id id)
{
    const vkd_tensor *tensor = &executor->graph->tensors[id];
    vkd_slice slice = {.offset = tensor->offset, .size = tensor->bytes};
    const vkd_bound *bound = NULL;
    switch (tensor->place) {
    case VKD_PLACE_SCRATCH:
        slice.buffer = slot->scratch ? slot->scratch : &slot->own_scratch;
        break;
    case VKD_PLACE_CONSTANT:
    case VKD_PLACE_STATE:
        slice = executor->resident[tensor->storage];
        break;
    case VKD_PLACE_SYMBOLS:
        slice.buffer = &slot->symbols;
        break;
    case VKD_PLACE_INPUT:
        slice.buffer = &slot->inputs[executor->boundary[tensor->storage]];
        bound = &slot->bound[executor->boundary[tensor->storage]];
        break;
    case VKD_PLACE_OUTPUT:
        slice.buffer = &slot->outputs[executor->boundary[tensor->storage]];
        bound = &slot->bound[executor->graph->input_count + executor->boundary[tensor->storage]];
        break;
    }
    if (bound && bound->memory.import) {
        slice.buffer = &bound->memory;
        slice.offset += bound->offset;
    }
    return slice;
}

/* ------------------------------------------------------------------------------------- creation */

static vkd_status create_io(vkd_executor *executor, vkd_memory_kind kind, const char *what,
                            const vkd_tensor_id *ids, size_t count, vkd_buffer **out)
{
    vkd_context *context = vkd_device_context(executor->device);
    *out = vkd_alloc(context, count, sizeof **out);
    if (!*out)
        return vkd_fail_memory(context, what);
    for (size_t i = 0; i < count; i++)
        if (ids[i] != VKD_NO_TENSOR)
            VKD_TRY(vkd_buffer_create(executor->device, kind,
                                      executor->graph->tensors[ids[i]].bytes, what, &(*out)[i]));
    return VKD_OK;
}

static vkd_status find_scratch(vkd_executor *executor, vkd_slot *slot)
{
    const uint64_t bytes = executor->graph->scratch_bytes;
    VKD_TRY(
        vkd_residents_scratch(executor->residents, executor->slot_count, bytes, &slot->scratch));
    return slot->scratch ? VKD_OK
                         : vkd_buffer_create(executor->device, VKD_MEMORY_DEVICE, bytes,
                                             "scratch tensors", &slot->own_scratch);
}

static vkd_status create_buffers(vkd_executor *executor, vkd_slot *slot)
{
    const vkd_graph *graph = executor->graph;
    vkd_context *context = vkd_device_context(executor->device);
    slot->bound = vkd_alloc(context, graph->input_count + graph->output_count, sizeof *slot->bound);
    if (!slot->bound)
        return vkd_fail_memory(context, "arguments");
    VKD_TRY(find_scratch(executor, slot));
    if (graph->symbol_bytes)
        VKD_TRY(vkd_buffer_create(executor->device, VKD_MEMORY_UPLOAD, graph->symbol_bytes,
                                  "symbols", &slot->symbols));
    VKD_TRY(create_io(executor, VKD_MEMORY_UPLOAD, "inputs", graph->inputs, graph->input_count,
                      &slot->inputs));
    return create_io(executor, VKD_MEMORY_READBACK, "outputs", graph->outputs, graph->output_count,
                     &slot->outputs);
}

_Static_assert((int)VKD_MAX_SPECS <= (int)VKD_PIPELINE_MAX_SPECS,
               "the pipelines take what nodes have");

static vkd_pipeline_desc pipeline_of(const vkd_device *device, const vkd_node *node)
{
    const vkd_shader_entry *shader = &vkd_shaders[node->shader];
    return (vkd_pipeline_desc){
        .name = shader->name,
        .code = shader->flavours[vkd_device_caps(device)->dot - VKD_DOT_NONE],
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

static vkd_status record_node(vkd_executor *executor, vkd_slot *slot, const vkd_node *node)
{
    const vkd_caps *caps = vkd_device_caps(executor->device);
    vkd_context *context = vkd_device_context(executor->device);
    vkd_pipeline_desc desc = pipeline_of(executor->device, node);
    vkd_pipeline pipeline;
    VKD_TRY(vkd_pipeline_get(executor->device, &desc, &pipeline));

    vkd_slice slices[VKD_MAX_BINDINGS];
    for (uint32_t b = 0; b < node->binding_count; b++) {
        slices[b] = slice_of(executor, slot, node->bindings[b].tensor);
        slices[b].write = node->bindings[b].write;
        slices[b].texel_bytes = node->word_mask >> b & 1 ? 4 : 16;
        if (slices[b].size > caps->max_storage_range)
            return vkd_fail(
                context, VKD_UNSUPPORTED,
                "operator '%s' (node %u) needs a tensor of %llu bytes; %s binds at most %llu",
                node->op, node->op_id, (unsigned long long)slices[b].size, caps->name,
                (unsigned long long)caps->max_storage_range);
    }
    for (int axis = 0; axis < 3; axis++)
        if (node->groups[axis] > caps->max_workgroup_count[axis])
            return vkd_fail(context, VKD_UNSUPPORTED,
                            "operator '%s' (node %u) needs %u workgroups on axis %d; %s has %u",
                            node->op, node->op_id, node->groups[axis], axis, caps->name,
                            caps->max_workgroup_count[axis]);
    return vkd_commands_dispatch(slot->commands, &pipeline, slices, node->binding_count, node->push,
                                 node->push_size, node->groups);
}

static vkd_status record_nodes(vkd_executor *executor, vkd_slot *slot)
{
    const vkd_graph *graph = executor->graph;
    for (size_t i = 0; i < graph->node_count; i++) {
        if (i && vkd_executor_submission(executor, i) != vkd_executor_submission(executor, i - 1))
            VKD_TRY(vkd_commands_cut(slot->commands));
        VKD_TRY(record_node(executor, slot, &graph->nodes[i]));
    }
    return VKD_OK;
}

/* What was recorded before is gone. */
static vkd_status record(vkd_executor *executor, vkd_slot *slot, uint32_t times)
{
    const vkd_graph *graph = executor->graph;
    const vkd_split *split = executor->split;
    uint32_t bindings = 0;
    for (size_t i = 0; i < graph->node_count; i++)
        bindings += graph->nodes[i].binding_count;
    vkd_commands_destroy(slot->commands);
    slot->commands = NULL;
    VKD_TRY(vkd_commands_begin(executor->device, (uint32_t)graph->node_count * times,
                               bindings * times, split ? split->count : 1, executor->profile,
                               &slot->commands));
    for (uint32_t time = 0; time < times; time++)
        VKD_TRY(record_nodes(executor, slot));
    VKD_TRY(vkd_commands_end(slot->commands));
    slot->revision = split ? split->revision : 0;
    slot->bound_anew = false;
    return VKD_OK;
}

vkd_status vkd_executor_repeat(vkd_executor *executor, uint32_t times)
{
    return record(executor, &executor->slots[0], times);
}

vkd_status vkd_executor_limit(vkd_executor *executor, double submission_us)
{
    vkd_context *context = vkd_device_context(executor->device);
    executor->times = vkd_arena_alloc(executor->graph->arena, 2 * executor->graph->node_count + 1,
                                      sizeof(double));
    if (!executor->times)
        return vkd_fail_memory(context, "submissions");
    return vkd_split_create(executor->graph, vkd_device_caps(executor->device)->type, submission_us,
                            &executor->split);
}

uint32_t vkd_executor_submission(const vkd_executor *executor, size_t node)
{
    return executor->split ? executor->split->submission[node] : 0;
}

static void destroy_slot(vkd_executor *executor, vkd_slot *slot)
{
    vkd_device *device = executor->device;
    vkd_context *context = vkd_device_context(device);
    vkd_commands_destroy(slot->commands);
    for (size_t i = 0; slot->inputs && i < executor->graph->input_count; i++)
        vkd_buffer_destroy(device, &slot->inputs[i]);
    for (size_t i = 0; slot->outputs && i < executor->graph->output_count; i++)
        vkd_buffer_destroy(device, &slot->outputs[i]);
    vkd_buffer_destroy(device, &slot->symbols);
    vkd_buffer_destroy(device, &slot->own_scratch);
    vkd_free(context, slot->bound);
    vkd_free(context, slot->inputs);
    vkd_free(context, slot->outputs);
}

vkd_status vkd_executor_add_slot(vkd_executor *executor)
{
    vkd_context *context = vkd_device_context(executor->device);
    vkd_slot *slots = vkd_alloc(context, executor->slot_count + 1, sizeof *slots);
    if (!slots)
        return vkd_fail_memory(context, "the slots of executions");
    if (executor->slots)
        memcpy(slots, executor->slots, executor->slot_count * sizeof *slots);
    vkd_free(context, executor->slots);
    executor->slots = slots;
    vkd_slot *slot = &slots[executor->slot_count];
    vkd_status status = create_buffers(executor, slot);
    if (status == VKD_OK)
        status = record(executor, slot, 1);
    if (status == VKD_OK)
        executor->slot_count++;
    else
        destroy_slot(executor, slot);
    return status;
}

uint32_t vkd_executor_slot_count(const vkd_executor *executor) { return executor->slot_count; }

static void find_places(vkd_executor *executor, const vkd_tensor_id *ids, size_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] != VKD_NO_TENSOR)
            executor->boundary[ids[i]] = i;
}

static vkd_status create(vkd_executor *executor, uint32_t slots)
{
    vkd_device *device = executor->device;
    vkd_context *context = vkd_device_context(device);
    executor->resident =
        vkd_alloc(context, executor->graph->tensor_count, sizeof *executor->resident);
    executor->boundary =
        vkd_alloc(context, executor->graph->tensor_count, sizeof *executor->boundary);
    if (!executor->resident || !executor->boundary)
        return vkd_fail_memory(context, "the executor");
    find_places(executor, executor->graph->inputs, executor->graph->input_count);
    find_places(executor, executor->graph->outputs, executor->graph->output_count);
    if (executor->owns_residents)
        VKD_TRY(vkd_residents_create(device, NULL, &executor->residents));
    VKD_TRY(vkd_executor_prepare(device, executor->graph));
    VKD_TRY(vkd_residents_place(executor->residents, executor->graph, executor->resident));
    while (executor->slot_count < slots)
        VKD_TRY(vkd_executor_add_slot(executor));
    return VKD_OK;
}

vkd_status vkd_executor_create(vkd_device *device, const vkd_graph *graph, vkd_residents *residents,
                               bool profile, uint32_t slots, vkd_executor **out)
{
    vkd_context *context = vkd_device_context(device);
    vkd_executor *executor = vkd_alloc(context, 1, sizeof *executor);
    *out = NULL;
    if (!executor)
        return vkd_fail_memory(context, "the executor");
    executor->device = device;
    executor->graph = graph;
    executor->residents = residents;
    executor->owns_residents = !residents;
    executor->profile = profile;
    vkd_status status = create(executor, slots);
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
    vkd_context *context = vkd_device_context(executor->device);
    for (uint32_t i = 0; i < executor->slot_count; i++)
        destroy_slot(executor, &executor->slots[i]);
    if (executor->owns_residents)
        vkd_residents_destroy(executor->residents);
    vkd_free(context, executor->resident);
    vkd_free(context, executor->boundary);
    vkd_free(context, executor->slots);
    vkd_free(context, executor);
}

/* ------------------------------------------------------------------------------------ execution */

void *vkd_executor_input(vkd_executor *executor, uint32_t slot, size_t index)
{
    return executor->slots[slot].inputs[index].mapped;
}

const void *vkd_executor_output(vkd_executor *executor, uint32_t slot, size_t index)
{
    return executor->slots[slot].outputs[index].mapped;
}

bool vkd_executor_binds(const vkd_executor *executor, uint32_t slot, size_t argument,
                        const vkd_buffer *memory, uint64_t offset)
{
    const vkd_bound *bound = &executor->slots[slot].bound[argument];
    return memory ? bound->memory.import == memory->import && bound->offset == offset
                  : !bound->memory.import;
}

void vkd_executor_bind(vkd_executor *executor, uint32_t slot, size_t argument,
                       const vkd_buffer *memory, uint64_t offset)
{
    static const vkd_buffer own;
    if (vkd_executor_binds(executor, slot, argument, memory, offset))
        return;
    executor->slots[slot].bound_anew = true;
    executor->slots[slot].bound[argument] = (vkd_bound){memory ? *memory : own, offset};
}

int32_t *vkd_executor_symbols(vkd_executor *executor, uint32_t slot)
{
    return executor->slots[slot].symbols.mapped;
}

vkd_status vkd_executor_submit(vkd_executor *executor, uint32_t slot)
{
    vkd_slot *started = &executor->slots[slot];
    if (!started->commands || started->bound_anew ||
        (executor->split && started->revision != executor->split->revision))
        VKD_TRY(record(executor, started, 1));
    /* A queue for each, where there are enough; executions that share a state follow each other on
     * one. */
    VKD_TRY(vkd_commands_submit(started->commands, executor->graph->state_bytes ? 0 : slot));
    started->in_flight = true;
    return VKD_OK;
}

/* Lets the split know how long a slot's submissions took. */
static void learn_times(vkd_executor *executor, const vkd_slot *slot)
{
    vkd_split *split = executor->split;
    if (!split || slot->revision != split->revision || !vkd_commands_gpu_ns(slot->commands))
        return;
    double *submission_us = executor->times, *node_us = executor->times + split->count;
    for (uint32_t i = 0; i < split->count; i++)
        submission_us[i] = (double)vkd_commands_submission_ns(slot->commands, i) * 1e-3;
    for (uint32_t i = 0; executor->profile && i < split->node_count; i++)
        node_us[i] = (double)vkd_commands_dispatch_ns(slot->commands, i) * 1e-3;
    vkd_split_measured(split, submission_us, executor->profile ? node_us : NULL);
}

vkd_status vkd_executor_wait(vkd_executor *executor, uint32_t slot)
{
    vkd_slot *waited = &executor->slots[slot];
    waited->in_flight = false;
    executor->last = slot;
    VKD_TRY(vkd_commands_wait(waited->commands));
    learn_times(executor, waited);
    for (size_t i = 0; i < executor->graph->output_count; i++)
        if (executor->graph->outputs[i] != VKD_NO_TENSOR)
            VKD_TRY(vkd_buffer_invalidate(executor->device, &waited->outputs[i]));
    return VKD_OK;
}

vkd_status vkd_executor_run(vkd_executor *executor)
{
    VKD_TRY(vkd_executor_submit(executor, 0));
    return vkd_executor_wait(executor, 0);
}

/* Null before there is a slot. */
static const vkd_commands *last_commands(const vkd_executor *executor)
{
    return executor->slot_count ? executor->slots[executor->last].commands : NULL;
}

uint64_t vkd_executor_gpu_ns(const vkd_executor *executor)
{
    const vkd_commands *commands = last_commands(executor);
    return commands ? vkd_commands_gpu_ns(commands) : 0;
}

uint64_t vkd_executor_node_ns(const vkd_executor *executor, size_t node)
{
    const vkd_commands *commands = last_commands(executor);
    return commands ? vkd_commands_dispatch_ns(commands, (uint32_t)node) : 0;
}

uint64_t vkd_executor_node_start_ns(const vkd_executor *executor, size_t node)
{
    const vkd_commands *commands = last_commands(executor);
    return commands ? vkd_commands_dispatch_start_ns(commands, (uint32_t)node) : 0;
}

uint64_t vkd_executor_io_bytes(const vkd_executor *executor)
{
    uint64_t bytes = 0;
    for (uint32_t s = 0; s < executor->slot_count; s++) {
        const vkd_slot *slot = &executor->slots[s];
        for (size_t i = 0; i < executor->graph->input_count; i++)
            bytes += slot->inputs[i].size;
        for (size_t i = 0; i < executor->graph->output_count; i++)
            bytes += slot->outputs[i].size;
    }
    return bytes;
}

uint64_t vkd_executor_scratch_bytes(const vkd_executor *executor)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < executor->slot_count; i++)
        bytes += executor->slots[i].own_scratch.size;
    return bytes;
}

vkd_status vkd_executor_read(vkd_executor *executor, vkd_tensor_id tensor, void *dst)
{
    if (!executor->slot_count)
        return vkd_fail(vkd_device_context(executor->device), VKD_INVALID_ARGUMENT,
                        "nothing was executed yet: values can be read after an execution");
    const vkd_slot *slot = &executor->slots[executor->last];
    if (slot->in_flight)
        return vkd_fail(vkd_device_context(executor->device), VKD_INVALID_ARGUMENT,
                        "the memory of the execution that ended last is in use by another one");
    vkd_slice slice = slice_of(executor, slot, tensor);
    return vkd_buffer_read(executor->device, slice.buffer, slice.offset, slice.size, dst);
}
