/* Sums along a dim of all that comes before: shaders/scan.comp. */
#include "ops/tables.h"
#include "runtime/base/element.h"
#include "shaders/scan_params.h"

#include <string.h>

typedef struct scan_args {
    uint32_t x, y;
    int32_t dim;
} scan_args;

static const vkd_param cumsum_params[] = {VKD_TENSOR(scan_args, x, self), VKD_INT(scan_args, dim),
                                          VKD_IGNORED("dtype"), VKD_OUTPUT(scan_args, y, out),
                                          VKD_PARAMS_END};

static vkd_status shape_scan(vkd_shaping *shaping, const void *arguments)
{
    const scan_args *args = arguments;
    uint32_t dim;
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, vkd_shape_of(shaping, args->x)->rank, &dim));
    return vkd_shape_set_as(shaping, args->y, args->x);
}

/* Elements of a line that one dispatch sums up: as many as the loops of a CPU device allow. */
static uint32_t most_of(const vkd_caps *caps, uint32_t count)
{
    const uint32_t most = caps->max_loops / 2;
    return most && count > most ? most : count;
}

static vkd_status emit_scan(vkd_lowering *lowering, const vkd_view *x, uint32_t dim,
                            vkd_tensor_id y)
{
    vkd_graph *graph = lowering->graph;
    const vkd_view all = vkd_view_of(graph, y), from = vkd_view_without(x, dim),
                   to = vkd_view_without(&all, dim);
    const vkd_dtype x_dtype = graph->tensors[x->tensor].dtype, y_dtype = graph->tensors[y].dtype;
    const uint32_t count = x->rank ? x->dims[dim] : 1, most = most_of(lowering->caps, count);
    vkd_tensor_id lines; /* only for its dims */
    vkd_walk walk;
    VKD_TRY(vkd_graph_add_tensor(graph, VKD_PLACE_SCRATCH, y_dtype, VKD_ROWS, to.rank, to.dims,
                                 &lines));
    vkd_walk_make(graph, lines, (const vkd_view[]){from, to}, 2, &walk);
    scan_params params = {.groups = walk.groups,
                          .slots = walk.slots,
                          .inner = walk.inner,
                          .x_offset = walk.offsets[0],
                          .x_step = x->rank ? (uint32_t)x->strides[dim] : 0,
                          .y_step = x->rank ? (uint32_t)all.strides[dim] : 0};
    memcpy(params.dims, walk.dims, sizeof params.dims);
    memcpy(params.x_strides, walk.strides[0], sizeof params.x_strides);
    memcpy(params.y_strides, walk.strides[1], sizeof params.y_strides);
    for (; params.first < count; params.first += params.count) {
        params.count = count - params.first < most ? count - params.first : most;
        vkd_node node = vkd_op_node(lowering, VKD_SHADER_SCAN,
                                    2 * vkd_loop(VKD_VIEW_DIMS, 0) + vkd_loop(params.count, 0),
                                    &params, sizeof params);
        vkd_node_linear(&node, lowering->caps, walk.slots);
        vkd_node_read(&node, x->tensor);
        vkd_node_write(&node, y);
        vkd_node_spec(&node, x_dtype);
        vkd_node_spec(&node, y_dtype);
        vkd_node_spec(&node, walk.dim_count);
        VKD_TRY(vkd_op_add_node(lowering, &node, x->tensor, y));
    }
    return VKD_OK;
}

/* Sums have 32 bits; they become the result's type. */
static vkd_status lower_cumsum(vkd_lowering *lowering, const void *arguments)
{
    const scan_args *args = arguments;
    const vkd_model_tensor *y_tensor = vkd_value_tensor(lowering, args->y);
    const vkd_dtype wide = vkd_is_float(y_tensor->dtype) ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT32;
    vkd_view x;
    vkd_tensor_id y, sums;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    VKD_TRY(vkd_op_output_in(lowering, args->y, y_tensor->dtype, VKD_ROWS, &y));
    sums = y;
    if (wide != y_tensor->dtype)
        VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, wide, VKD_ROWS,
                                     y_tensor->rank, y_tensor->dims, &sums));
    VKD_TRY(emit_scan(lowering, &x, x.rank ? vkd_from_end(args->dim, x.rank) : 0, sums));
    if (sums == y)
        return VKD_OK;
    const vkd_view all = vkd_view_of(lowering->graph, sums);
    return vkd_op_move(lowering, &all, y);
}

static const vkd_op rows[] = {
    {"aten::cumsum.out", cumsum_params, sizeof(scan_args), shape_scan, lower_cumsum},
};

const vkd_op_table vkd_scan_ops = VKD_OP_TABLE(rows);
