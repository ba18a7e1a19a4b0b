/* Nodes put together and checked against what the device can do: declared in ops/lower.h. */
#include "ops/lower.h"

#include <stdio.h>
#include <string.h>

vkd_node vkd_op_node(const vkd_lowering *lowering, vkd_shader shader, uint64_t loops,
                     const void *push, uint32_t push_size)
{
    vkd_node node = {
        .shader = shader,
        .spec_count = 3,
        .specs = {1, 1, 1},
        .push_size = push_size,
        .groups = {1, 1, 1},
        .loops = loops,
        .op = lowering->call->name,
        .op_id = lowering->call->node_id,
        .variant = "",
        .shape = "",
    };
    if (push_size)
        memcpy(node.push, push, push_size);
    return node;
}

static void bind(vkd_node *node, vkd_tensor_id tensor, bool write)
{
    node->bindings[node->binding_count++] = (vkd_binding){tensor, write};
}

void vkd_node_read(vkd_node *node, vkd_tensor_id tensor) { bind(node, tensor, false); }

void vkd_node_write(vkd_node *node, vkd_tensor_id tensor) { bind(node, tensor, true); }

void vkd_node_spec(vkd_node *node, uint32_t value) { node->specs[node->spec_count++] = value; }

static uint32_t smaller(uint64_t a, uint32_t b) { return a < b ? (uint32_t)a : b; }

void vkd_node_groups(vkd_node *node, const vkd_caps *caps, uint64_t count)
{
    uint64_t rows = vkd_divide_up(count, caps->max_workgroup_count[0]);
    /* even rows: the fewest idle groups in the last one */
    node->groups[0] = rows ? (uint32_t)vkd_divide_up(count, rows) : 0;
    node->groups[1] = (uint32_t)rows;
    node->groups[2] = 1;
}

void vkd_node_linear(vkd_node *node, const vkd_caps *caps, uint64_t count)
{
    uint32_t size =
        smaller(64, smaller(caps->max_workgroup_invocations, caps->max_workgroup_size[0]));
    node->specs[0] = size;
    node->specs[1] = node->specs[2] = 1;
    vkd_node_groups(node, caps, vkd_divide_up(count, size));
}

const char *vkd_dims_text(vkd_arena *arena, uint32_t rank, const uint32_t *dims)
{
    /* a dim is 10 digits at most; unsqueeze may ask for one more */
    char text[(VKD_MAX_RANK + 1) * 11 + 1];
    size_t length = 0;
    for (uint32_t i = 0; i < rank; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%s%u", i ? "x" : "", dims[i]);
    return vkd_arena_printf(arena, "%s", rank ? text : "scalar");
}

/* Before anything is packed for it. */
static vkd_status check_ranges(vkd_lowering *lowering, const vkd_node *node)
{
    for (uint32_t b = 0; b < node->binding_count; b++) {
        const vkd_tensor *tensor = &lowering->graph->tensors[node->bindings[b].tensor];
        if (tensor->bytes > lowering->caps->max_storage_range)
            return vkd_op_fail(
                lowering, VKD_UNSUPPORTED,
                "a tensor of %llu bytes is needed, and %s binds at most %llu: export "
                "with smaller types (f16, 8 or 4 bits) or use another device",
                (unsigned long long)tensor->bytes, lowering->caps->name,
                (unsigned long long)lowering->caps->max_storage_range);
    }
    return VKD_OK;
}

vkd_status vkd_op_add_node(vkd_lowering *lowering, vkd_node *node, vkd_tensor_id x, vkd_tensor_id y)
{
    vkd_arena *arena = lowering->graph->arena;
    if (!node->groups[0] || !node->groups[1] || !node->groups[2])
        return VKD_OK;
    if (lowering->caps->refuses_wrong && vkd_kernel_is_wrong(lowering->caps, node->shader))
        return vkd_op_fail(
            lowering, VKD_UNSUPPORTED,
            "kernel '%s' computes wrong results on %s (driver 0x%x), and there is no "
            "other: use another device or driver, or another vkd_options.self_check than "
            "VKD_SELF_CHECK_ALL to run it all the same",
            vkd_shaders[node->shader].name, lowering->caps->name, lowering->caps->driver_version);
    if (vkd_kernel_is_left_out(lowering->caps, node->shader))
        return vkd_op_fail(lowering, VKD_UNSUPPORTED,
                           "kernel '%s' is left out of this build (its option VKD_KERNELS)",
                           vkd_shaders[node->shader].name);
    if (vkd_loops_refuse(lowering->caps, node->loops))
        return vkd_op_fail(lowering, VKD_UNSUPPORTED,
                           "kernel '%s' needs %llu iterations of loops for a value, and this CPU "
                           "device ends them after %u",
                           vkd_shaders[node->shader].name, (unsigned long long)node->loops,
                           lowering->caps->max_loops);
    VKD_TRY(check_ranges(lowering, node));
    const vkd_tensor *from = &lowering->graph->tensors[x], *to = &lowering->graph->tensors[y];
    if (!node->shape[0]) {
        const char *a = vkd_dims_text(arena, from->rank, from->dims),
                   *b = vkd_dims_text(arena, to->rank, to->dims);
        node->shape = a && b ? vkd_arena_printf(arena, "%s -> %s", a, b) : NULL;
        if (!node->shape)
            return vkd_fail_memory(lowering->context, "a node's description");
    }
    return vkd_graph_add_node(lowering->graph, node);
}
