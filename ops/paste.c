#include "ops/paste.h"
#include "shaders/paste_params.h"

#include <string.h>

vkd_status vkd_paste(vkd_lowering *lowering, const vkd_view *x, const vkd_pasting *pasting,
                     vkd_tensor_id y)
{
    vkd_graph *graph = lowering->graph;
    const vkd_dtype dtype = graph->tensors[y].dtype;
    /* shape: x's elements in order, which is how its rows are counted */
    vkd_tensor_id shape, symbols;
    uint32_t word;
    vkd_walk walk;
    VKD_TRY(
        vkd_graph_add_tensor(graph, VKD_PLACE_SCRATCH, dtype, VKD_ROWS, x->rank, x->dims, &shape));
    VKD_TRY(vkd_op_symbol(lowering, pasting->symbol, x->tensor, &symbols, &word));
    vkd_walk_make(graph, shape, x, 1, &walk);
    paste_params params = {.slots = walk.slots,
                           .inner = walk.inner,
                           .x_offset = walk.offsets[0],
                           /* of a row that begins anywhere in a group */
                           .chunks = (pasting->x_row + 2) / 4 + 1,
                           .rows = walk.slots / pasting->x_row,
                           .x_row = pasting->x_row,
                           .y_row = pasting->y_row,
                           .y_at = pasting->at,
                           .symbol = word,
                           .symbol_stride = pasting->symbol_stride,
                           .symbol_most = pasting->symbol_most};
    memcpy(params.dims, walk.dims, sizeof params.dims);
    memcpy(params.x_strides, walk.strides[0], sizeof params.x_strides);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_PASTE, vkd_loop(16, VKD_VIEW_DIMS), &params,
                                sizeof params);
    vkd_node_linear(&node, lowering->caps, (uint64_t)params.rows * params.chunks);
    vkd_node_read(&node, x->tensor);
    vkd_node_read(&node, symbols);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, dtype);
    vkd_node_spec(&node, walk.dim_count);
    return vkd_op_add_node(lowering, &node, x->tensor, y);
}
