/* Operators that read at places named by an index tensor. */
#include "ops/gather.h"
#include "graph/operators.h"
#include "ops/tables.h"
#include "shaders/gather_params.h"
#include "shaders/places_params.h"

#include <string.h>

vkd_status vkd_op_check_index(vkd_lowering *lowering, uint32_t index, uint32_t x, uint32_t size)
{
    const vkd_dtype dtype = vkd_value_tensor(lowering, index)->dtype;
    if (dtype != VKD_DTYPE_INT32)
        return vkd_op_fail_value(lowering, VKD_UNSUPPORTED, index, "has dtype %s, expected i32",
                                 vkd_dtype_name(dtype));
    if (!size)
        return vkd_op_fail_value(lowering, VKD_INVALID_MODEL, x,
                                 "has no elements to index, expected one at least");
    return VKD_OK;
}

vkd_status vkd_op_gather(vkd_lowering *lowering, const vkd_gathering *g, uint32_t value)
{
    vkd_tensor_id y;
    VKD_TRY(vkd_op_output_in(lowering, value, lowering->graph->tensors[g->x.tensor].dtype, VKD_ROWS,
                             &y));
    return vkd_op_gather_to(lowering, g, y);
}

vkd_status vkd_op_gather_to(vkd_lowering *lowering, const vkd_gathering *g, vkd_tensor_id y)
{
    vkd_graph *graph = lowering->graph;
    const vkd_dtype dtype = graph->tensors[g->x.tensor].dtype;
    vkd_walk walk;
    vkd_walk_make(graph, y, (const vkd_view[]){g->x, g->index}, 2, &walk);
    gather_params params = {
        .groups = walk.groups,
        .slots = walk.slots,
        .inner = walk.inner,
        .x_offset = walk.offsets[0],
        .index_offset = walk.offsets[1],
        .size = (int32_t)g->size,
        .x_stride = g->x_stride,
    };
    memcpy(params.dims, walk.dims, sizeof params.dims);
    memcpy(params.x_strides, walk.strides[0], sizeof params.x_strides);
    memcpy(params.index_strides, walk.strides[1], sizeof params.index_strides);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_GATHER, vkd_loop(8 * VKD_VIEW_DIMS, 0),
                                &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, walk.groups);
    vkd_node_read(&node, g->x.tensor);
    vkd_node_read(&node, g->index.tensor);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, dtype);
    vkd_node_spec(&node, graph->tensors[g->index.tensor].dtype);
    vkd_node_spec(&node, walk.dim_count);
    vkd_node_spec(&node, walk.whole);
    return vkd_op_add_node(lowering, &node, g->x.tensor, y);
}

/* --------------------------------------------------------------------------------------- gather */

static const vkd_param gather_parameters[] = {
    VKD_TENSOR(gather_args, x, self), VKD_INT(gather_args, dim),
    VKD_TENSOR(gather_args, index),   VKD_IGNORED("sparse_grad"),
    VKD_OUTPUT(gather_args, y, out),  VKD_PARAMS_END};

static vkd_status shape_gather(vkd_shaping *shaping, const void *arguments)
{
    const gather_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *index = vkd_shape_of(shaping, args->index);
    uint32_t dim;
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x->rank, &dim));
    bool fits = x->rank == index->rank;
    for (uint32_t i = 0; fits && i < x->rank; i++)
        fits = i == dim || index->dims[i] <= x->dims[i];
    if (!fits) {
        char is[VKD_DIMS_TEXT], indices[VKD_DIMS_TEXT];
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->index,
                                 "is %s, expected what is within %s but for dim %u",
                                 vkd_dims_format(index->rank, index->dims, indices),
                                 vkd_dims_format(x->rank, x->dims, is), dim);
    }
    return vkd_shape_set_as(shaping, args->y, args->index);
}

static vkd_status lower_gather(vkd_lowering *lowering, const void *arguments)
{
    const gather_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *index = vkd_value_tensor(lowering, args->index);
    vkd_gathering g;
    VKD_TRY(vkd_op_view(lowering, args->x, &g.x));
    VKD_TRY(vkd_op_view(lowering, args->index, &g.index));
    uint32_t dim = vkd_from_end(args->dim, x->rank);
    g.size = x->rank ? x->dims[dim] : 1;
    g.x_stride = x->rank ? g.x.strides[dim] : 0;
    if (x->rank)
        g.x.strides[dim] = 0;
    memcpy(g.x.dims, index->dims, sizeof g.x.dims);
    VKD_TRY(vkd_op_check_index(lowering, args->index, args->x, g.size));
    return vkd_op_gather(lowering, &g, args->y);
}

/* -------------------------------------------------------- whole slices: index_select, embedding */

static const vkd_param select_parameters[] = {
    VKD_TENSOR(gather_args, x, self), VKD_INT(gather_args, dim), VKD_TENSOR(gather_args, index),
    VKD_OUTPUT(gather_args, y, out), VKD_PARAMS_END};

static const vkd_param embedding_parameters[] = {VKD_TENSOR(gather_args, x, weight),
                                                 VKD_TENSOR(gather_args, index, indices),
                                                 VKD_IGNORED("padding_idx"),
                                                 VKD_IGNORED("scale_grad_by_freq"),
                                                 VKD_IGNORED("sparse"),
                                                 VKD_OUTPUT(gather_args, y, out),
                                                 VKD_PARAMS_END};

/* x's dims with those of the index in place of dim. */
static vkd_status shape_slices(vkd_shaping *shaping, const gather_args *args)
{
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *index = vkd_shape_of(shaping, args->index);
    uint32_t dims[2 * VKD_MAX_RANK], dim = 0, rank = 0;
    if (!x->rank)
        return vkd_shape_fail_value(shaping, VKD_INVALID_MODEL, args->x,
                                    "has rank 0, expected 1 at least");
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x->rank, &dim));
    for (uint32_t i = 0; i < dim; i++)
        dims[rank++] = x->dims[i];
    for (uint32_t i = 0; i < index->rank; i++)
        dims[rank++] = index->dims[i];
    for (uint32_t i = dim + 1; i < x->rank; i++)
        dims[rank++] = x->dims[i];
    return vkd_shape_set(shaping, args->y, rank, dims);
}

static vkd_status shape_select(vkd_shaping *shaping, const void *arguments)
{
    const gather_args *args = arguments;
    const vkd_model_tensor *index = vkd_shape_of(shaping, args->index);
    if (index->rank > 1)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->index,
                                 "has rank %u, expected 0 or 1", index->rank);
    /* An index of rank 0 keeps its dim. */
    if (index->rank == 1)
        return shape_slices(shaping, args);
    const vkd_model_tensor x = *vkd_shape_of(shaping, args->x);
    uint32_t dim = 0, dims[VKD_MAX_RANK];
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x.rank, &dim));
    memcpy(dims, x.dims, sizeof dims);
    dims[dim] = 1;
    return vkd_shape_set(shaping, args->y, x.rank, dims);
}

static vkd_status shape_embedding(vkd_shaping *shaping, const void *arguments)
{
    return shape_slices(shaping, arguments);
}

/* Views of y's dims: x does not move along those of the index, and the index along no others. */
static vkd_status gather_slices(vkd_lowering *lowering, const gather_args *args,
                                uint32_t index_dims)
{
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    vkd_gathering g;
    vkd_view x, index;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    VKD_TRY(vkd_op_view(lowering, args->index, &index));
    uint32_t dim = vkd_from_end(args->dim, x.rank);
    g.size = x.dims[dim];
    g.x_stride = x.strides[dim];
    g.x = (vkd_view){.tensor = x.tensor, .rank = y->rank, .offset = x.offset};
    g.index = (vkd_view){.tensor = index.tensor, .rank = y->rank, .offset = index.offset};
    for (uint32_t i = 0; i < y->rank; i++) {
        g.x.dims[i] = g.index.dims[i] = y->dims[i];
        if (i < dim)
            g.x.strides[i] = x.strides[i];
        else if (i >= dim + index_dims)
            g.x.strides[i] = x.strides[i - index_dims + 1];
        else if (index.rank)
            g.index.strides[i] = index.strides[i - dim];
    }
    VKD_TRY(vkd_op_check_index(lowering, args->index, args->x, g.size));
    return vkd_op_gather(lowering, &g, args->y);
}

static vkd_status lower_select(vkd_lowering *lowering, const void *arguments)
{
    return gather_slices(lowering, arguments, 1);
}

static vkd_status lower_embedding(vkd_lowering *lowering, const void *arguments)
{
    const gather_args *args = arguments;
    return gather_slices(lowering, args, vkd_value_tensor(lowering, args->index)->rank);
}

/* --------------------------------------------------------------------------------- x[.., i, ..] */

static const vkd_param index_parameters[] = {VKD_TENSOR(index_args, gather.x, self),
                                             VKD_OPTIONAL_TENSOR_LIST(index_args, indices),
                                             VKD_OUTPUT(index_args, gather.y, out), VKD_PARAMS_END};

/* The one index of the list, as an index of its dim. */
static bool single_index(const index_args *args, gather_args *out)
{
    size_t found = 0;
    *out = args->gather;
    for (size_t i = 0; i < args->indices.count; i++)
        if (args->indices.values[i] != VKD_NO_VALUE) {
            out->index = args->indices.values[i];
            out->dim = (int32_t)i;
            found++;
        }
    return found == 1;
}

/* What all indices broadcast to. */
static vkd_status broadcast_indices(vkd_shaping *shaping, const vkd_tensor_list *indices,
                                    vkd_shape *out)
{
    uint32_t found[VKD_MAX_RANK];
    size_t count = 0;
    for (size_t i = 0; i < indices->count && count < VKD_MAX_RANK; i++)
        if (indices->values[i] != VKD_NO_VALUE)
            found[count++] = indices->values[i];
    if (!count)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, indices,
                                 "has null for every dim, expected one index at least");
    return vkd_shape_broadcast(shaping, found, count, out);
}

/* In place of the indexed dims, or in front of all where those are apart. */
uint32_t vkd_indices_at(const vkd_tensor_list *indices)
{
    size_t first = indices->count, last = 0, count = 0;
    for (size_t i = 0; i < indices->count; i++)
        if (indices->values[i] != VKD_NO_VALUE) {
            first = i < first ? i : first;
            last = i;
            count++;
        }
    return last - first + 1 == count ? (uint32_t)first : 0;
}

vkd_status vkd_shape_indexed(vkd_shaping *shaping, uint32_t x_value, const vkd_tensor_list *indices,
                             vkd_shape *out)
{
    const vkd_model_tensor *x = vkd_shape_of(shaping, x_value);
    vkd_shape by;
    if (indices->count > x->rank)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, indices,
                                 "has %zu entries, expected 1 to %u, the rank of what is indexed",
                                 indices->count, x->rank);
    for (uint32_t i = 0; i < indices->count; i++)
        if (vkd_is_indexed(indices, i) &&
            vkd_shape_of(shaping, indices->values[i])->dtype == VKD_DTYPE_BOOL)
            return vkd_shape_fail_value(
                shaping, VKD_UNSUPPORTED, indices->values[i],
                "is a mask, expected numbers (i32): how many elements it chooses only the device "
                "knows, so that the result has no shape");
    VKD_TRY(broadcast_indices(shaping, indices, &by));
    uint32_t dims[2 * VKD_MAX_RANK], rank = 0, at = vkd_indices_at(indices), d = 0;
    for (; d < x->rank && rank < at; d++)
        if (!vkd_is_indexed(indices, d))
            dims[rank++] = x->dims[d];
    for (uint32_t i = 0; i < by.rank; i++)
        dims[rank++] = by.dims[i];
    for (; d < x->rank; d++)
        if (!vkd_is_indexed(indices, d))
            dims[rank++] = x->dims[d];
    if (rank > VKD_MAX_RANK)
        return vkd_shape_fail_at(shaping, VKD_UNSUPPORTED, indices,
                                 "makes a result of rank %u, expected %d at most", rank,
                                 VKD_MAX_RANK);
    out->rank = rank;
    memcpy(out->dims, dims, sizeof out->dims);
    return VKD_OK;
}

static vkd_status shape_index(vkd_shaping *shaping, const void *arguments)
{
    const index_args *args = arguments;
    vkd_shape y;
    VKD_TRY(vkd_shape_indexed(shaping, args->gather.x, &args->indices, &y));
    return vkd_shape_set(shaping, args->gather.y, y.rank, y.dims);
}

vkd_status vkd_op_add_places(vkd_lowering *lowering, const vkd_placing *placing,
                             vkd_tensor_id *places)
{
    const vkd_view *index = &placing->index;
    vkd_view base = placing->base;
    vkd_tensor_id others = *places;
    vkd_walk walk;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT32, VKD_ROWS,
                                 index->rank, index->dims, places));
    base.tensor = index->tensor;
    vkd_walk_make(lowering->graph, *places, (const vkd_view[]){*index, base}, 2, &walk);
    places_params params = {.groups = walk.groups,
                            .slots = walk.slots,
                            .inner = walk.inner,
                            .index_offset = walk.offsets[0],
                            .size = (int32_t)placing->size,
                            .stride = placing->stride};
    memcpy(params.dims, walk.dims, sizeof params.dims);
    memcpy(params.index_strides, walk.strides[0], sizeof params.index_strides);
    memcpy(params.base_strides, walk.strides[1], sizeof params.base_strides);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_PLACES, vkd_loop(8 * VKD_VIEW_DIMS, 0),
                                &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, walk.groups);
    vkd_node_read(&node, index->tensor);
    vkd_node_read(&node, others == VKD_NO_TENSOR ? index->tensor : others);
    vkd_node_write(&node, *places);
    vkd_node_spec(&node, lowering->graph->tensors[index->tensor].dtype);
    vkd_node_spec(&node, walk.dim_count);
    vkd_node_spec(&node, walk.whole);
    vkd_node_spec(&node, others == VKD_NO_TENSOR);
    vkd_node_spec(&node, placing->drops);
    return vkd_op_add_node(lowering, &node, index->tensor, *places);
}

/* As one index, which numbers x's elements in row-major order. */
static vkd_status gather_places(vkd_lowering *lowering, const index_args *args)
{
    const vkd_model_tensor *x_tensor = vkd_value_tensor(lowering, args->gather.x),
                           *y = vkd_value_tensor(lowering, args->gather.y);
    vkd_tensor_id x, places = VKD_NO_TENSOR;
    VKD_TRY(vkd_op_input(lowering, args->gather.x, x_tensor->dtype, VKD_ROWS, &x));
    const vkd_view all = vkd_view_of(lowering->graph, x);
    const uint32_t at = vkd_indices_at(&args->indices);
    uint32_t kept = 0, rank, d = 0;
    for (uint32_t i = 0; i < x_tensor->rank; i++)
        kept += !vkd_is_indexed(&args->indices, i);
    rank = y->rank - kept;
    for (uint32_t i = 0; i < x_tensor->rank; i++) {
        vkd_placing placing = {
            .base = {.rank = rank}, .size = x_tensor->dims[i], .stride = all.strides[i]};
        if (!vkd_is_indexed(&args->indices, i))
            continue;
        VKD_TRY(
            vkd_op_check_index(lowering, args->indices.values[i], args->gather.x, placing.size));
        VKD_TRY(vkd_op_view(lowering, args->indices.values[i], &placing.index));
        vkd_view_broadcast(&placing.index, rank, y->dims + at);
        VKD_TRY(vkd_op_add_places(lowering, &placing, &places));
    }
    vkd_gathering g = {.x = {.tensor = x, .rank = y->rank}, .size = INT32_MAX, .x_stride = 1};
    const vkd_view numbers = vkd_view_of(lowering->graph, places);
    g.index = (vkd_view){.tensor = places, .rank = y->rank};
    for (uint32_t i = 0; i < y->rank; i++) {
        g.x.dims[i] = g.index.dims[i] = y->dims[i];
        if (i >= at && i < at + rank) {
            g.index.strides[i] = numbers.strides[i - at];
            continue;
        }
        while (vkd_is_indexed(&args->indices, d))
            d++;
        g.x.strides[i] = all.strides[d++];
    }
    return vkd_op_gather(lowering, &g, args->gather.y);
}

static vkd_status lower_index(vkd_lowering *lowering, const void *arguments)
{
    gather_args args;
    if (!single_index(arguments, &args))
        return gather_places(lowering, arguments);
    return gather_slices(lowering, &args, vkd_value_tensor(lowering, args.index)->rank);
}

/* ----------------------------------------------------------------------------------------- rows */

static const vkd_param rows_parameters[] = {VKD_TENSOR(rows_args, x), VKD_TENSOR(rows_args, index),
                                            VKD_INT(rows_args, width), VKD_OUTPUT(rows_args, y),
                                            VKD_PARAMS_END};

/* Only in nets whose shapes are the file's. */
static vkd_status shape_rows(vkd_shaping *shaping, const void *arguments)
{
    const rows_args *args = arguments;
    const vkd_model_tensor *y = &shaping->net->values[args->y].tensor;
    return vkd_shape_set(shaping, args->y, y->rank, y->dims);
}

static vkd_status lower_rows(vkd_lowering *lowering, const void *arguments)
{
    const rows_args *args = arguments;
    const vkd_model_tensor *from = vkd_value_tensor(lowering, args->x);
    const uint32_t width = (uint32_t)args->width,
                   dims[] = {vkd_value_tensor(lowering, args->index)->dims[0], width};
    vkd_gathering g = {.x = {.rank = 2, .dims = {dims[0], width}, .strides = {0, 1}},
                       .index = {.rank = 2, .dims = {dims[0], width}, .strides = {1, 0}},
                       .x_stride = args->width,
                       .size = (uint32_t)vkd_dims_count(from->rank, from->dims) / width};
    vkd_tensor_id y, apart;
    VKD_TRY(vkd_op_rows(lowering, args->x, &g.x.tensor));
    VKD_TRY(vkd_op_rows(lowering, args->index, &g.index.tensor));
    VKD_TRY(vkd_op_output_in(lowering, args->y, from->dtype, VKD_ROWS, &y));
    const vkd_place place = lowering->graph->tensors[y].place;
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, place, from->dtype, VKD_ROWS, 2, dims, &apart));
    lowering->graph->tensors[apart].storage = y;
    return vkd_op_gather_to(lowering, &g, apart);
}

static const vkd_op rows[] = {
    {"vkd.rows", rows_parameters, sizeof(rows_args), shape_rows, lower_rows, .kind = VKD_OP_ROWS,
     .internal = true},
    {"aten.gather.default", gather_parameters, sizeof(gather_args), shape_gather, lower_gather},
    {"aten.index_select.default", select_parameters, sizeof(gather_args), shape_select,
     lower_select, .kind = VKD_OP_INDEX_SELECT},
    {"aten.embedding.default", embedding_parameters, sizeof(gather_args), shape_embedding,
     lower_embedding},
    {"aten.index.Tensor", index_parameters, sizeof(index_args), shape_index, lower_index,
     .kind = VKD_OP_INDEX},
    {"aten::gather.out", gather_parameters, sizeof(gather_args), shape_gather, lower_gather},
    {"aten::index_select.out", select_parameters, sizeof(gather_args), shape_select, lower_select,
     .kind = VKD_OP_INDEX_SELECT},
    {"aten::embedding.out", embedding_parameters, sizeof(gather_args), shape_embedding,
     lower_embedding},
    {"aten::index.Tensor_out", index_parameters, sizeof(index_args), shape_index, lower_index,
     .kind = VKD_OP_INDEX},
};

const vkd_op_table vkd_gather_ops = VKD_OP_TABLE(rows);
