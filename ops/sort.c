/* Sorted elements along a dim, all or the first ones, and where they were. */
#include "ops/sort.h"
#include "ops/gather.h"
#include "ops/tables.h"
#include "shaders/sort_params.h"

#include <string.h>

/* --------------------------------------------------------------------------------------- orders */

static vkd_status add_pass(vkd_lowering *lowering, const vkd_view *x, const vkd_walk *lines,
                           sort_params *params, bool falls, vkd_tensor_id *order)
{
    vkd_graph *graph = lowering->graph;
    const vkd_tensor_id before = *order;
    const uint32_t dims[] = {params->slots, params->count};
    VKD_TRY(
        vkd_graph_add_tensor(graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT32, VKD_ROWS, 2, dims, order));
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_SORT, vkd_loop(VKD_VIEW_DIMS, 0) + vkd_loop(32, 0), params,
                    sizeof *params);
    vkd_node_linear(&node, lowering->caps, (uint64_t)params->slots * params->count);
    vkd_node_read(&node, x->tensor);
    vkd_node_read(&node, before == VKD_NO_TENSOR ? x->tensor : before);
    vkd_node_write(&node, *order);
    vkd_node_spec(&node, graph->tensors[x->tensor].dtype);
    vkd_node_spec(&node, lines->dim_count);
    vkd_node_spec(&node, before == VKD_NO_TENSOR);
    vkd_node_spec(&node, falls);
    return vkd_op_add_node(lowering, &node, x->tensor, *order);
}

vkd_status vkd_op_order(vkd_lowering *lowering, const vkd_view *x, uint32_t dim, bool falls,
                        vkd_tensor_id *out)
{
    const vkd_view lines = vkd_view_without(x, dim);
    vkd_tensor_id shape; /* only for its dims */
    vkd_walk walk;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT32, VKD_ROWS,
                                 lines.rank, lines.dims, &shape));
    vkd_walk_make(lowering->graph, shape, &lines, 1, &walk);
    sort_params params = {.slots = walk.slots,
                          .inner = walk.inner,
                          .x_offset = walk.offsets[0],
                          .count = x->rank ? x->dims[dim] : 1,
                          .x_step = x->rank ? (uint32_t)x->strides[dim] : 0,
                          .run = 1};
    memcpy(params.dims, walk.dims, sizeof params.dims);
    memcpy(params.x_strides, walk.strides[0], sizeof params.x_strides);
    if ((uint64_t)params.slots * params.count > INT32_MAX)
        return vkd_op_fail_at(lowering, VKD_UNSUPPORTED, lowering->call->args,
                              "has %u lines of %u elements to sort, expected 2^31-1 in all",
                              params.slots, params.count);
    *out = VKD_NO_TENSOR;
    do {
        VKD_TRY(add_pass(lowering, x, &walk, &params, falls, out));
        params.run *= 2;
    } while (params.run < params.count);
    return VKD_OK;
}

/* ------------------------------------------------------------------------------------ operators */

typedef struct sort_args {
    uint32_t x, y[2]; /* elements, and where they were: one of a dim each may be missing */
    vkd_sym count;    /* topk; null: all */
    int32_t dim;
    bool falls;
} sort_args;
static const sort_args all_elements = {
    .y = {VKD_NO_VALUE, VKD_NO_VALUE}, .count = {VKD_SYM_NULL, VKD_NO_VALUE}, .dim = -1};

static const vkd_param sort_parameters[] = {VKD_TENSOR(sort_args, x, self), VKD_INT(sort_args, dim),
                                            VKD_BOOL(sort_args, falls, descending),
                                            VKD_OUTPUTS(sort_args, y, 2, out), VKD_PARAMS_END};
static const vkd_param stable_parameters[] = {
    VKD_TENSOR(sort_args, x, self),    VKD_IGNORED("stable"),
    VKD_INT(sort_args, dim),           VKD_BOOL(sort_args, falls, descending),
    VKD_OUTPUTS(sort_args, y, 2, out), VKD_PARAMS_END};
static const vkd_param argsort_parameters[] = {
    VKD_TENSOR(sort_args, x, self),   VKD_IGNORED("stable"),
    VKD_INT(sort_args, dim),          VKD_BOOL(sort_args, falls, descending),
    VKD_OUTPUT(sort_args, y[1], out), VKD_PARAMS_END};
static const vkd_param topk_parameters[] = {VKD_TENSOR(sort_args, x, self),
                                            VKD_SYM(sort_args, count, k),
                                            VKD_INT(sort_args, dim),
                                            VKD_BOOL(sort_args, falls, descending),
                                            VKD_IGNORED("sorted"),
                                            VKD_OUTPUTS(sort_args, y, 2, out),
                                            VKD_PARAMS_END};

static bool is_all(vkd_sym count)
{
    return count.value == VKD_NO_VALUE && count.number == VKD_SYM_NULL;
}

static vkd_status shape_sort(vkd_shaping *shaping, const void *arguments)
{
    const sort_args *args = arguments;
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->x);
    uint32_t dim = 0, dims[VKD_MAX_RANK];
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x.rank, &dim));
    const int64_t size = x.rank ? x.dims[dim] : 1,
                  count = is_all(args->count) ? size : vkd_shape_number(shaping, args->count);
    if (count < 0 || count > size)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->count,
                                 "is %lld, expected 0 to %lld, the elements of dim %u",
                                 (long long)count, (long long)size, dim);
    memcpy(dims, x.dims, sizeof dims);
    dims[dim] = (uint32_t)count;
    VKD_TRY(vkd_shape_set(shaping, args->y[1], x.rank, dims));
    return vkd_shape_set(shaping, args->y[0], x.rank, dims);
}

/* The first of an order, by y's dims. */
static vkd_view order_view(const vkd_model_tensor *y, const vkd_view *x, uint32_t dim,
                           vkd_tensor_id order)
{
    vkd_view view = {.tensor = order, .rank = y->rank};
    int32_t step = y->rank ? (int32_t)x->dims[dim] : 1;
    memcpy(view.dims, y->dims, sizeof view.dims);
    for (uint32_t d = y->rank; d-- > 0;)
        if (d == dim) {
            view.strides[d] = 1;
        } else {
            view.strides[d] = step;
            step *= (int32_t)x->dims[d];
        }
    return view;
}

static vkd_status lower_sort(vkd_lowering *lowering, const void *arguments)
{
    const sort_args *args = arguments;
    const vkd_model_tensor *y = vkd_value_tensor(
        lowering, args->y[args->y[0] == VKD_NO_VALUE]); /* the other has the same dims */
    vkd_gathering g;
    vkd_tensor_id order;
    VKD_TRY(vkd_op_view(lowering, args->x, &g.x));
    const uint32_t dim = vkd_from_end(args->dim, g.x.rank);
    VKD_TRY(vkd_op_order(lowering, &g.x, dim, args->falls, &order));
    g.index = order_view(y, &g.x, dim, order);
    if (args->y[1] != VKD_NO_VALUE)
        VKD_TRY(vkd_op_output_view(lowering, args->y[1], &g.index));
    if (args->y[0] == VKD_NO_VALUE)
        return VKD_OK;
    g.size = g.x.rank ? g.x.dims[dim] : 1;
    g.x_stride = g.x.rank ? g.x.strides[dim] : 0;
    if (g.x.rank)
        g.x.strides[dim] = 0;
    memcpy(g.x.dims, y->dims, sizeof g.x.dims);
    return vkd_op_gather(lowering, &g, args->y[0]);
}

/* clang-format off */
#define SORT(name_, params_) \
    {name_, params_, sizeof(sort_args), shape_sort, lower_sort, .defaults = &all_elements}
/* clang-format on */

static const vkd_op rows[] = {
    SORT("aten::sort.values", sort_parameters),
    SORT("aten::sort.values_stable", stable_parameters),
    SORT("aten::argsort.stable_out", argsort_parameters),
    SORT("aten::topk.values", topk_parameters),
};

const vkd_op_table vkd_sort_ops = VKD_OP_TABLE(rows);
