#include "graph/graph.h"
#include "runtime/base/math.h"

#include <string.h>

void vkd_graph_init(vkd_graph *graph, vkd_arena *arena)
{
    *graph = (vkd_graph){.arena = arena, .symbols = VKD_NO_TENSOR};
}

static vkd_status append_tensor(vkd_graph *graph, const vkd_tensor *tensor, vkd_tensor_id *out)
{
    vkd_tensor *grown = vkd_arena_grow(graph->arena, graph->tensors, graph->tensor_count,
                                       &graph->tensor_capacity, sizeof *grown);
    if (!grown)
        return vkd_fail_memory(graph->arena->context, "graph tensors");
    graph->tensors = grown;
    *out = (vkd_tensor_id)graph->tensor_count++;
    grown[*out] = *tensor;
    return VKD_OK;
}

void vkd_dims_nchw(uint32_t rank, const uint32_t *dims, vkd_tensor *out)
{
    /* where each dim goes */
    static const uint8_t axes[5][4] = {{0}, {1}, {0, 1}, {1, 2, 3}, {0, 1, 2, 3}};
    uint32_t nchw[4] = {1, 1, 1, 1};
    for (uint32_t i = 0; i < rank; i++)
        nchw[axes[rank][i]] = dims[i];
    out->n = nchw[0], out->c = nchw[1], out->h = nchw[2], out->w = nchw[3];
}

/* Below 2^31 each, and together; false otherwise. */
static bool multiply(uint32_t count, const uint32_t *factors, uint64_t *out)
{
    *out = 1;
    bool empty = false;
    for (uint32_t i = 0; i < count; i++)
        empty |= factors[i] == 0;
    for (uint32_t i = 0; i < count && !empty; i++) {
        if (factors[i] > INT32_MAX / *out)
            return false;
        *out *= factors[i];
    }
    *out = empty ? 0 : *out;
    return true;
}

/* Sets dims and what follows from them. */
static vkd_status set_dims(vkd_graph *graph, vkd_tensor *tensor, uint32_t rank,
                           const uint32_t *dims)
{
    vkd_context *context = graph->arena->context;
    uint64_t count;
    if (rank > VKD_MAX_RANK || (rank > 4 && tensor->layout == VKD_4C))
        return vkd_fail(context, VKD_UNSUPPORTED,
                        "a tensor of rank %u: at most %d dims are supported%s", rank,
                        tensor->layout == VKD_4C ? 4 : VKD_MAX_RANK,
                        tensor->layout == VKD_4C ? " by this operator" : "");
    tensor->rank = rank;
    for (uint32_t i = 0; i < rank; i++)
        tensor->dims[i] = dims[i];
    if (!multiply(rank, dims, &count))
        return vkd_fail(context, VKD_UNSUPPORTED, "a tensor of more than 2^31-1 elements");
    if (rank <= 4)
        vkd_dims_nchw(rank, dims, tensor);
    else
        tensor->n = tensor->c = tensor->h = 1, tensor->w = (uint32_t)count;
    const uint32_t padded[] = {tensor->n, tensor->h, tensor->w,
                               (uint32_t)vkd_align_up(tensor->c, 4)};
    if (tensor->layout == VKD_4C && !multiply(4, padded, &count))
        return vkd_fail(context, VKD_UNSUPPORTED,
                        "a tensor of more than 2^31-1 elements with its channels padded");
    uint64_t bytes = vkd_align_up(count * vkd_dtype_size(tensor->dtype), 16);
    tensor->bytes = bytes ? bytes : 16; /* an empty tensor is bound like any other */
    return VKD_OK;
}

vkd_status vkd_graph_add_tensor(vkd_graph *graph, vkd_place place, vkd_dtype dtype,
                                vkd_layout layout, uint32_t rank, const uint32_t *dims,
                                vkd_tensor_id *out)
{
    vkd_tensor tensor = {.place = place,
                         .dtype = dtype,
                         .layout = layout,
                         .storage = (vkd_tensor_id)graph->tensor_count};
    VKD_TRY(set_dims(graph, &tensor, rank, dims));
    return append_tensor(graph, &tensor, out);
}

vkd_status vkd_graph_add_buffer(vkd_graph *graph, uint64_t bytes, vkd_pack_fn pack,
                                const void *source, vkd_tensor_id *out)
{
    vkd_tensor tensor = {.place = pack ? VKD_PLACE_CONSTANT : VKD_PLACE_SCRATCH,
                         .dtype = VKD_DTYPE_UINT8,
                         .storage = (vkd_tensor_id)graph->tensor_count,
                         .bytes = vkd_align_up(bytes, 16),
                         .pack = pack,
                         .source = source};
    return append_tensor(graph, &tensor, out);
}

vkd_status vkd_graph_add_symbol(vkd_graph *graph, uint32_t value, uint32_t *out_word)
{
    enum { MAX_SYMBOLS = 64 };
    for (*out_word = 0; *out_word < graph->symbol_count; (*out_word)++)
        if (graph->symbol_values[*out_word] == value)
            return VKD_OK;
    if (graph->symbol_count == MAX_SYMBOLS)
        return vkd_fail(graph->arena->context, VKD_UNSUPPORTED,
                        "more than %d numbers change between executions", MAX_SYMBOLS);
    if (graph->symbols == VKD_NO_TENSOR) {
        const uint32_t words = MAX_SYMBOLS;
        VKD_TRY(vkd_graph_add_tensor(graph, VKD_PLACE_SYMBOLS, VKD_DTYPE_INT32, VKD_ROWS, 1, &words,
                                     &graph->symbols));
        graph->symbol_values =
            vkd_arena_alloc(graph->arena, MAX_SYMBOLS, sizeof *graph->symbol_values);
        if (!graph->symbol_values)
            return vkd_fail_memory(graph->arena->context, "symbols");
        graph->symbol_bytes = graph->tensors[graph->symbols].bytes;
    }
    graph->symbol_values[graph->symbol_count++] = value;
    return VKD_OK;
}

vkd_status vkd_graph_add_node(vkd_graph *graph, const vkd_node *node)
{
    vkd_node *grown = vkd_arena_grow(graph->arena, graph->nodes, graph->node_count,
                                     &graph->node_capacity, sizeof *grown);
    if (!grown)
        return vkd_fail_memory(graph->arena->context, "graph nodes");
    graph->nodes = grown;
    grown[graph->node_count++] = *node;
    return VKD_OK;
}
