/* What a delegate tells about itself. */
#include "backend/delegate.h"
#include "exec/self_check.h"
#include "runtime/base/math.h"

#include <string.h>

void vkd_tensor_info_of(const vkd_model_tensor *tensor, vkd_tensor_info *out)
{
    *out = (vkd_tensor_info){.dtype = tensor->dtype, .rank = tensor->rank};
    for (uint32_t i = 0; i < tensor->rank && i < VKD_MAX_RANK;
         i++) { /* gcc for arm64 sees the second alone */
        out->dims[i] = tensor->dims[i];
        out->dim_order[i] = (uint8_t)i;
    }
    out->size = (size_t)vkd_dims_count(tensor->rank, tensor->dims) * vkd_dtype_size(tensor->dtype);
}

/* What the file declares: upper bounds of what changes. A SymInt is an int of rank 0. */
static vkd_status io_info(const vkd_net *net, const uint32_t *ids, uint8_t (*orders)[VKD_MAX_RANK],
                          size_t count, size_t index, vkd_tensor_info *out)
{
    if (!out)
        return VKD_INVALID_ARGUMENT;
    if (index >= count)
        return VKD_NOT_FOUND;
    const vkd_model_value *value = &net->values[ids[index]];
    const vkd_model_tensor number = {.dtype = VKD_DTYPE_INT32};
    vkd_tensor_info_of(value->kind == VKD_VALUE_TENSOR ? &value->tensor : &number, out);
    memcpy(out->dim_order, orders[index], sizeof out->dim_order);
    return VKD_OK;
}

size_t vkd_input_count(const vkd_delegate *delegate)
{
    return delegate ? delegate->net.input_count : 0;
}

size_t vkd_output_count(const vkd_delegate *delegate)
{
    return delegate ? delegate->net.output_count : 0;
}

vkd_status vkd_input_info(const vkd_delegate *delegate, size_t index, vkd_tensor_info *out)
{
    return delegate ? io_info(&delegate->net, delegate->net.inputs, delegate->orders,
                              delegate->net.input_count, index, out)
                    : VKD_INVALID_ARGUMENT;
}

vkd_status vkd_output_info(const vkd_delegate *delegate, size_t index, vkd_tensor_info *out)
{
    return delegate ? io_info(&delegate->net, delegate->net.outputs,
                              delegate->orders + delegate->net.input_count,
                              delegate->net.output_count, index, out)
                    : VKD_INVALID_ARGUMENT;
}

const vkd_device_info *vkd_delegate_device(const vkd_delegate *delegate)
{
    return delegate ? &delegate->device_info : NULL;
}

void vkd_describe_memory(const vkd_delegate *delegate, vkd_memory_info *out)
{
    if (!delegate || !out)
        return;
    uint64_t scratch = vkd_residents_scratch_bytes(delegate->residents), io = 0;
    for (size_t i = 0; i < delegate->plan_count; i++) {
        scratch += vkd_executor_scratch_bytes(delegate->plans[i]->executor);
        io += vkd_executor_io_bytes(delegate->plans[i]->executor);
    }
    uint64_t constants, shared;
    vkd_residents_count(delegate->residents, &constants, &shared);
    *out = (vkd_memory_info){
        .constants = constants,
        .constants_shared = shared,
        .scratch = scratch,
        .scratch_unaliased =
            delegate->plan->graph.scratch_unaliased_bytes * delegate->planner.slots,
        .io = io,
        .host = delegate->context.host_bytes,
        .host_peak = delegate->host_peak,
    };
}

size_t vkd_node_count(const vkd_delegate *delegate)
{
    return delegate ? delegate->plan->graph.node_count : 0;
}

vkd_status vkd_describe_node(const vkd_delegate *delegate, size_t index, vkd_node_info *out)
{
    if (!delegate || !out)
        return VKD_INVALID_ARGUMENT;
    if (index >= delegate->plan->graph.node_count)
        return VKD_NOT_FOUND;
    const vkd_node *node = &delegate->plan->graph.nodes[index];
    *out = (vkd_node_info){
        .op = node->op,
        .op_id = node->op_id,
        .kernel = vkd_shaders[node->shader].name,
        .variant = node->variant ? node->variant : "",
        .shape = node->shape ? node->shape : "",
        .macs = node->macs,
        .groups = {node->groups[0], node->groups[1], node->groups[2]},
        .start_ns = vkd_executor_node_start_ns(delegate->plan->executor, index),
        .gpu_ns = vkd_executor_node_ns(delegate->plan->executor, index),
    };
    return VKD_OK;
}

uint32_t vkd_node_submission(const vkd_delegate *delegate, size_t index)
{
    return delegate && index < delegate->plan->graph.node_count
               ? vkd_executor_submission(delegate->plan->executor, index)
               : 0;
}

const char *vkd_node_check(const vkd_delegate *delegate, size_t index)
{
    if (!delegate || index >= delegate->plan->graph.node_count)
        return NULL;
    return vkd_self_check_says(delegate->commons.facts, vkd_device_caps(delegate->device),
                               &delegate->plan->graph.nodes[index]);
}

vkd_status vkd_describe_operand(const vkd_delegate *delegate, size_t node, size_t index,
                                vkd_operand_info *out)
{
    static const char *const places[] = {
        [VKD_PLACE_SCRATCH] = "scratch", [VKD_PLACE_CONSTANT] = "constant",
        [VKD_PLACE_INPUT] = "input",     [VKD_PLACE_OUTPUT] = "output",
        [VKD_PLACE_STATE] = "state",     [VKD_PLACE_SYMBOLS] = "symbols",
    };
    if (!delegate || !out)
        return VKD_INVALID_ARGUMENT;
    const vkd_graph *graph = &delegate->plan->graph;
    if (node >= graph->node_count || index >= graph->nodes[node].binding_count)
        return VKD_NOT_FOUND;
    const vkd_binding *binding = &graph->nodes[node].bindings[index];
    const vkd_tensor *tensor = &graph->tensors[binding->tensor],
                     *memory = &graph->tensors[tensor->storage];
    *out = (vkd_operand_info){
        .memory = tensor->storage,
        .place = places[memory->place],
        .dtype = tensor->dtype,
        .rank = tensor->rank,
        .bytes = memory->bytes,
        .offset = memory->place == VKD_PLACE_SCRATCH ? memory->offset : 0,
        .writes = binding->write,
    };
    for (uint32_t d = 0; d < tensor->rank && d < VKD_MAX_RANK; d++)
        out->dims[d] = tensor->dims[d];
    return VKD_OK;
}

uint64_t vkd_gpu_ns(const vkd_delegate *delegate)
{
    return delegate ? vkd_executor_gpu_ns(delegate->plan->executor) : 0;
}

size_t vkd_selection_count(const vkd_delegate *delegate)
{
    return delegate ? delegate->plan->lowered.selection_count : 0;
}

vkd_status vkd_describe_selection(const vkd_delegate *delegate, size_t index,
                                  vkd_selection_info *out)
{
    if (!delegate || !out)
        return VKD_INVALID_ARGUMENT;
    if (index >= delegate->plan->lowered.selection_count)
        return VKD_NOT_FOUND;
    *out = delegate->plan->lowered.selections[index];
    return VKD_OK;
}

/* Copies device bytes to row-major order. */
static void unpack(const vkd_tensor *tensor, const unsigned char *src, unsigned char *dst)
{
    size_t size = vkd_dtype_size(tensor->dtype), channels = (size_t)vkd_align_up(tensor->c, 4);
    if (tensor->layout == VKD_ROWS) {
        memcpy(dst, src, (size_t)vkd_dims_count(tensor->rank, tensor->dims) * size);
        return;
    }
    for (size_t n = 0; n < tensor->n; n++)
        for (size_t c = 0; c < tensor->c; c++)
            for (size_t pixel = 0; pixel < (size_t)tensor->h * tensor->w; pixel++, dst += size)
                memcpy(dst, src + ((n * tensor->h * tensor->w + pixel) * channels + c) * size,
                       size);
}

vkd_status vkd_read_value(vkd_delegate *delegate, uint32_t value, void *data, size_t size,
                          vkd_tensor_info *out_info)
{
    if (!delegate)
        return VKD_INVALID_ARGUMENT;
    vkd_context *context = &delegate->context;
    if (!data || !out_info || !delegate->keeps_intermediates)
        return vkd_fail(context, VKD_INVALID_ARGUMENT,
                        "vkd_read_value needs keep_intermediates and no null pointers");
    if (value >= delegate->net.value_count ||
        delegate->plan->lowered.tensors[value] == VKD_NO_TENSOR)
        return VKD_NOT_FOUND;
    const vkd_tensor *tensor =
        &delegate->plan->graph.tensors[delegate->plan->lowered.tensors[value]];
    vkd_model_tensor shape = {.dtype = tensor->dtype, .rank = tensor->rank};
    memcpy(shape.dims, tensor->dims, sizeof shape.dims);
    vkd_tensor_info_of(&shape, out_info);
    if (size < out_info->size)
        return vkd_fail(context, VKD_INVALID_ARGUMENT,
                        "value %u has %zu bytes, there is room for %zu", value, out_info->size,
                        size);
    unsigned char *bytes = vkd_alloc(context, 1, (size_t)tensor->bytes);
    if (!bytes)
        return vkd_fail_memory(context, "a value");
    vkd_status status =
        vkd_executor_read(delegate->plan->executor, delegate->plan->lowered.tensors[value], bytes);
    if (status == VKD_OK)
        unpack(tensor, bytes, data);
    vkd_free(context, bytes);
    return status;
}
