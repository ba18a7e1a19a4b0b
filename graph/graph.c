#include "graph/graph.h"
#include "runtime/math.h"

#include <string.h>

void vkd_graph_init(vkd_graph *graph, vkd_arena *arena) { *graph = (vkd_graph){.arena = arena}; }

static vkd_status append_tensor(vkd_graph *graph, const vkd_tensor *tensor, vkd_tensor_id *out)
{
    vkd_tensor *grown =
        vkd_arena_grow(graph->arena, graph->tensors, graph->tensor_count, &graph->tensor_capacity, sizeof *grown);
    if (!grown)
        return vkd_fail_memory(graph->arena->context, "graph tensors");
    graph->tensors = grown;
    *out = (vkd_tensor_id)graph->tensor_count++;
    grown[*out] = *tensor;
    return VKD_OK;
}

/* Sets dims and what follows from them. */
static vkd_status set_dims(vkd_graph *graph, vkd_tensor *tensor, uint32_t rank, const uint32_t *dims)
{
    if (rank > 4)
        return vkd_fail(graph->arena->context, VKD_UNSUPPORTED, "a tensor of rank %u: at most 4 dims are supported", rank);
    tensor->rank = rank;
    for (uint32_t i = 0; i < rank; i++)
        tensor->dims[i] = dims[i];

    /* Where each dim goes: rank 2 [M, K] is M rows of K channels. */
    static const uint8_t axes[5][4] = {{0}, {1}, {0, 1}, {1, 2, 3}, {0, 1, 2, 3}};
    uint32_t nchw[4] = {1, 1, 1, 1};
    for (uint32_t i = 0; i < rank; i++)
        nchw[axes[rank][i]] = dims[i];
    tensor->n = nchw[0], tensor->c = nchw[1], tensor->h = nchw[2], tensor->w = nchw[3];

    uint64_t channels = tensor->layout == VKD_4C ? vkd_align_up(tensor->c, 4) : tensor->c;
    uint64_t pixels = (uint64_t)tensor->n * tensor->h, row = channels * tensor->w; /* each below 2^62 */
    if (!pixels || !row || pixels > INT32_MAX / row)
        return vkd_fail(graph->arena->context, VKD_UNSUPPORTED,
                        "a tensor of %ux%ux%ux%u elements: their number must be 1 to 2^31-1", tensor->n, tensor->c, tensor->h,
                        tensor->w);
    tensor->bytes = vkd_align_up(pixels * row * vkd_dtype_size(tensor->dtype), 16);
    return VKD_OK;
}

vkd_status vkd_graph_add_tensor(vkd_graph *graph, vkd_place place, vkd_dtype dtype, vkd_layout layout, uint32_t rank,
                                const uint32_t *dims, vkd_tensor_id *out)
{
    vkd_tensor tensor = {.place = place, .dtype = dtype, .layout = layout, .storage = (vkd_tensor_id)graph->tensor_count};
    VKD_TRY(set_dims(graph, &tensor, rank, dims));
    return append_tensor(graph, &tensor, out);
}

vkd_status vkd_graph_add_buffer(vkd_graph *graph, uint64_t bytes, vkd_pack_fn pack, const void *source, vkd_tensor_id *out)
{
    vkd_tensor tensor = {.place = pack ? VKD_PLACE_CONSTANT : VKD_PLACE_SCRATCH,
                         .dtype = VKD_DTYPE_UINT8,
                         .storage = (vkd_tensor_id)graph->tensor_count,
                         .bytes = vkd_align_up(bytes, 16),
                         .pack = pack,
                         .source = source};
    return append_tensor(graph, &tensor, out);
}

vkd_status vkd_graph_add_node(vkd_graph *graph, const vkd_node *node)
{
    vkd_node *grown = vkd_arena_grow(graph->arena, graph->nodes, graph->node_count, &graph->node_capacity, sizeof *grown);
    if (!grown)
        return vkd_fail_memory(graph->arena->context, "graph nodes");
    graph->nodes = grown;
    grown[graph->node_count++] = *node;
    return VKD_OK;
}
