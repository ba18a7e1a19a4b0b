/* Tensors of which a part is replaced. */
#include "ops/tables.h"
#include "shaders/put_params.h"

#include <string.h>

/* ------------------------------------------------------------------------------------- dispatch */

typedef struct putting {
    uint32_t mode; /* VKD_PUT_* */
    uint32_t size; /* places of the dims that entries go along, which `place` numbers */
    uint32_t count;
    int32_t start, step; /* VKD_PUT_SLICE */
    /* of y's dims; the source's and the index's begin at entry 0 and lie in VKD_ROWS */
    vkd_view place, source, index;
    int32_t source_step, index_step;
} putting;

static vkd_status emit(vkd_lowering *lowering, uint32_t x_value, const putting *p, uint32_t y_value)
{
    const vkd_tensor *tensors;
    vkd_dtype dtype = vkd_value_tensor(lowering, x_value)->dtype;
    vkd_tensor_id x, y;
    vkd_walk walk;
    VKD_TRY(vkd_op_input(lowering, x_value, dtype, VKD_ROWS, &x));
    VKD_TRY(vkd_op_output_in(lowering, y_value, dtype, VKD_ROWS, &y));
    tensors = lowering->graph->tensors;
    if (tensors[p->source.tensor].dtype != dtype)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "elements of dtype %s replace those of %s",
                           vkd_dtype_name(tensors[p->source.tensor].dtype), vkd_dtype_name(dtype));
    vkd_walk_make(lowering->graph, y, (const vkd_view[]){p->place, p->source, p->index}, 3, &walk);
    if (walk.dim_count > VKD_PUT_DIMS)
        return vkd_op_fail(lowering, VKD_UNSUPPORTED, "tensors of %u dims apart: %d are supported",
                           walk.dim_count, VKD_PUT_DIMS);
    put_params params = {.groups = walk.groups,
                         .slots = walk.slots,
                         .inner = walk.inner,
                         .count = p->count,
                         .size = (int32_t)p->size,
                         .start = p->start,
                         .step = p->step,
                         .source_step = (uint32_t)p->source_step,
                         .index_step = (uint32_t)p->index_step,
                         .index_offset = walk.offsets[2]};
    const uint32_t first = VKD_VIEW_DIMS - VKD_PUT_DIMS;
    memcpy(params.dims, walk.dims + first, sizeof params.dims);
    memcpy(params.place_strides, walk.strides[0] + first, sizeof params.place_strides);
    memcpy(params.source_strides, walk.strides[1] + first, sizeof params.source_strides);
    memcpy(params.index_strides, walk.strides[2] + first, sizeof params.index_strides);
    const uint64_t entries = p->mode == VKD_PUT_SLICE ? 0 : vkd_loop(p->count, 0);
    vkd_node node = vkd_op_node(lowering, VKD_SHADER_PUT,
                                3 * vkd_loop(4 * VKD_PUT_DIMS, 0) + vkd_loop(4, entries), &params,
                                sizeof params);
    vkd_node_linear(&node, lowering->caps, walk.groups);
    vkd_node_read(&node, x);
    vkd_node_read(&node, p->source.tensor);
    vkd_node_read(&node, p->index.tensor);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, dtype);
    vkd_node_spec(&node, tensors[p->index.tensor].dtype);
    vkd_node_spec(&node, walk.dim_count);
    vkd_node_spec(&node, walk.whole);
    vkd_node_spec(&node, p->mode);
    return vkd_op_add_node(lowering, &node, x, y);
}

/* A view of x's dims that does not move. */
static vkd_view still(const vkd_model_tensor *x, vkd_tensor_id tensor)
{
    vkd_view view = {.tensor = tensor, .rank = x->rank};
    memcpy(view.dims, x->dims, sizeof view.dims);
    return view;
}

/* The source has x's dims, but as many places along this one as there are entries. */
static void along(putting *p, uint32_t dim)
{
    int32_t step = 1;
    for (uint32_t d = p->source.rank; d-- > 0;) {
        p->source.strides[d] = d == dim ? 0 : step;
        p->source_step = d == dim ? step : p->source_step;
        step *= (int32_t)(d == dim ? p->count : p->source.dims[d]);
    }
    p->place.strides[dim] = 1;
}

/* ------------------------------------------------------------------------ slices and selections */

typedef struct part_args {
    uint32_t x, source, y;
    int32_t dim;
    vkd_sym start, end, step; /* a selection has only the start: its index */
} part_args;

static const vkd_param slice_params[] = {
    VKD_TENSOR(part_args, x),         VKD_TENSOR(part_args, source),
    VKD_INT(part_args, dim),          VKD_OPTIONAL_SYM(part_args, start),
    VKD_OPTIONAL_SYM(part_args, end), VKD_SYM(part_args, step),
    VKD_OUTPUT(part_args, y),         VKD_PARAMS_END};
static const vkd_param select_params[] = {VKD_TENSOR(part_args, x), VKD_TENSOR(part_args, source),
                                          VKD_INT(part_args, dim),  VKD_SYM(part_args, start),
                                          VKD_OUTPUT(part_args, y), VKD_PARAMS_END};
static const part_args selection = {.end = {VKD_SYM_NULL, VKD_NO_VALUE}, .step = {1, VKD_NO_VALUE}};

static int64_t bound(const vkd_model_value *values, vkd_sym at, int64_t otherwise, int64_t size)
{
    if (at.value == VKD_NO_VALUE && at.number == VKD_SYM_NULL)
        return otherwise;
    int64_t number = at.value == VKD_NO_VALUE ? at.number : values[at.value].i;
    number = number < 0 ? number + size : number;
    return number < 0 ? 0 : number > size ? size : number;
}

/* The first place, how far apart they are, and how many: of x's dim. False: nowhere. */
static bool find_part(const vkd_model_value *values, const part_args *args, bool selects,
                      uint32_t *dim, int64_t part[3])
{
    const vkd_model_tensor *x = &values[args->x].tensor;
    if (!x->rank || args->dim >= (int32_t)x->rank || args->dim < -(int32_t)x->rank)
        return false;
    *dim = vkd_from_end(args->dim, x->rank);
    const int64_t size = x->dims[*dim];
    part[0] = bound(values, args->start, 0, size);
    part[1] = args->step.value == VKD_NO_VALUE ? args->step.number : values[args->step.value].i;
    int64_t end = selects ? part[0] + 1 : bound(values, args->end, size, size);
    if (part[1] < 1 || (selects && part[0] >= size))
        return false;
    part[2] = end > part[0] ? (end - part[0] - 1) / part[1] + 1 : 0;
    return true;
}

static vkd_status shape_part(vkd_shaping *shaping, const void *arguments)
{
    const part_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *source = vkd_shape_of(shaping, args->source);
    const bool selects = shaping->call->row->code;
    uint32_t dim = 0, at = 0;
    int64_t part[3];
    bool fits =
        find_part(shaping->values, args, selects, &dim, part) && source->rank == x->rank - selects;
    for (uint32_t i = 0; fits && i < x->rank; i++)
        if (i != dim)
            fits = source->dims[at++] == x->dims[i];
        else if (!selects)
            fits = source->dims[at++] == part[2];
    if (!fits) {
        char is[VKD_DIMS_TEXT], by[VKD_DIMS_TEXT];
        return vkd_shape_fail(shaping, VKD_INVALID_MODEL,
                              "a part of %s along dim %d is replaced by %s",
                              vkd_dims_format(x->rank, x->dims, is), args->dim,
                              vkd_dims_format(source->rank, source->dims, by));
    }
    return vkd_shape_set_as(shaping, args->y, args->x);
}

static void bake(vkd_lowering *lowering, vkd_sym sym)
{
    if (sym.value != VKD_NO_VALUE)
        (void)vkd_op_number(lowering, sym);
}

static vkd_status lower_part(vkd_lowering *lowering, const void *arguments)
{
    const part_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    const bool selects = lowering->call->row->code;
    vkd_tensor_id source;
    uint32_t dim = 0;
    int64_t part[3] = {0};
    bake(lowering, args->start);
    bake(lowering, args->end);
    bake(lowering, args->step);
    if (!find_part(lowering->values, args, selects, &dim, part))
        return vkd_op_fail(lowering, VKD_INVALID_MODEL, "a part along dim %d", args->dim);
    VKD_TRY(vkd_op_input(lowering, args->source, vkd_value_tensor(lowering, args->source)->dtype,
                         VKD_ROWS, &source));
    putting p = {.mode = VKD_PUT_SLICE,
                 .size = x->dims[dim],
                 .count = (uint32_t)part[2],
                 .start = (int32_t)part[0],
                 .step = (int32_t)part[1],
                 .place = still(x, source),
                 .source = still(x, source),
                 .index = still(x, source)};
    along(&p, dim);
    return emit(lowering, args->x, &p, args->y);
}

/* ------------------------------------------------------------------------------------- by index */

typedef struct put_args {
    uint32_t x, source, y;
    vkd_tensor_list indices;
    bool accumulate;
} put_args;

static const vkd_param put_parameters[] = {
    VKD_TENSOR(put_args, x),      VKD_OPTIONAL_TENSOR_LIST(put_args, indices),
    VKD_TENSOR(put_args, source), VKD_BOOL(put_args, accumulate),
    VKD_OUTPUT(put_args, y),      VKD_PARAMS_END};

/* The one dim that is indexed; VKD_NO_VALUE where it is not one. */
static uint32_t indexed_dim(const put_args *args)
{
    uint32_t dim = VKD_NO_VALUE, found = 0;
    for (size_t i = 0; i < args->indices.count; i++)
        if (args->indices.values[i] != VKD_NO_VALUE) {
            dim = (uint32_t)i;
            found++;
        }
    return found == 1 ? dim : VKD_NO_VALUE;
}

/* x's dims with those of the index in place of its dim: what the source broadcasts to. */
static uint32_t entries_of(const vkd_model_tensor *x, const vkd_model_tensor *index, uint32_t dim,
                           uint32_t dims[2 * VKD_MAX_RANK])
{
    uint32_t rank = 0;
    for (uint32_t i = 0; i < x->rank; i++) {
        if (i != dim)
            dims[rank++] = x->dims[i];
        for (uint32_t k = 0; i == dim && k < index->rank; k++)
            dims[rank++] = index->dims[k];
    }
    return rank;
}

static vkd_status shape_put(vkd_shaping *shaping, const void *arguments)
{
    const put_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *source = vkd_shape_of(shaping, args->source);
    const uint32_t dim = indexed_dim(args);
    uint32_t dims[2 * VKD_MAX_RANK];
    if (dim == VKD_NO_VALUE || dim >= x->rank)
        return vkd_shape_fail(shaping, VKD_UNSUPPORTED,
                              "indices along several dims: one is supported");
    const vkd_model_tensor *index = vkd_shape_of(shaping, args->indices.values[dim]);
    uint32_t rank = entries_of(x, index, dim, dims);
    bool fits = rank <= VKD_MAX_RANK && source->rank <= rank && index->dtype == VKD_DTYPE_INT32;
    for (uint32_t i = 0; fits && i < source->rank; i++)
        fits = source->dims[i] == 1 || source->dims[i] == dims[rank - source->rank + i];
    if (!fits) {
        char is[VKD_DIMS_TEXT], by[VKD_DIMS_TEXT];
        return vkd_shape_fail(
            shaping, VKD_INVALID_MODEL, "%s at indices of dtype %s along dim %u of %s",
            vkd_dims_format(source->rank, source->dims, by), vkd_dtype_name(index->dtype), dim,
            vkd_dims_format(x->rank, x->dims, is));
    }
    return vkd_shape_set_as(shaping, args->y, args->x);
}

/* The source under the dims it broadcasts to, in one piece. */
static vkd_status whole_source(vkd_lowering *lowering, uint32_t value, uint32_t rank,
                               const uint32_t *dims, vkd_tensor_id *out)
{
    vkd_view view;
    VKD_TRY(vkd_op_view(lowering, value, &view));
    vkd_view_broadcast(&view, rank, dims);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH,
                                 vkd_value_tensor(lowering, value)->dtype, VKD_ROWS, rank, dims,
                                 out));
    return vkd_op_move(lowering, &view, *out);
}

static vkd_status lower_put(vkd_lowering *lowering, const void *arguments)
{
    const put_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    const uint32_t dim = indexed_dim(args), index_value = args->indices.values[dim];
    const vkd_model_tensor *index = vkd_value_tensor(lowering, index_value);
    const uint32_t count = (uint32_t)vkd_dims_count(index->rank, index->dims);
    uint32_t dims[2 * VKD_MAX_RANK], rank = entries_of(x, index, dim, dims);
    vkd_tensor_id source, places;
    if (!count) {
        vkd_view same;
        VKD_TRY(vkd_op_view(lowering, args->x, &same));
        return vkd_op_output_view(lowering, args->y, &same);
    }
    VKD_TRY(whole_source(lowering, args->source, rank, dims, &source));
    VKD_TRY(vkd_op_input(lowering, index_value, VKD_DTYPE_INT32, VKD_ROWS, &places));
    putting p = {.mode = args->accumulate ? VKD_PUT_ADD : VKD_PUT_INDEX,
                 .size = x->dims[dim],
                 .count = count,
                 .place = still(x, source),
                 .source = still(x, source),
                 .index = still(x, places),
                 .index_step = 1};
    along(&p, dim);
    return emit(lowering, args->x, &p, args->y);
}

/* -------------------------------------------------------------------------------- along one dim */

typedef struct scatter_args {
    uint32_t x, index, source, y;
    int32_t dim;
} scatter_args;

static const vkd_param scatter_params[] = {
    VKD_TENSOR(scatter_args, x),      VKD_INT(scatter_args, dim),  VKD_TENSOR(scatter_args, index),
    VKD_TENSOR(scatter_args, source), VKD_OUTPUT(scatter_args, y), VKD_PARAMS_END};

static vkd_status shape_scatter(vkd_shaping *shaping, const void *arguments)
{
    const scatter_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *index = vkd_shape_of(shaping, args->index);
    const vkd_model_tensor *source = vkd_shape_of(shaping, args->source);
    uint32_t dim = 0;
    VKD_TRY(vkd_shape_dim(shaping, args->dim, x->rank, &dim));
    bool fits = x->rank && index->rank == x->rank && source->rank == x->rank &&
                index->dtype == VKD_DTYPE_INT32;
    for (uint32_t i = 0; fits && i < x->rank; i++)
        fits = index->dims[i] <= source->dims[i] && (i == dim || index->dims[i] == x->dims[i]);
    if (!fits)
        return vkd_shape_fail(shaping, VKD_UNSUPPORTED,
                              "indices that do not cover all dims but dim %u", dim);
    return vkd_shape_set_as(shaping, args->y, args->x);
}

static vkd_status lower_scatter(vkd_lowering *lowering, const void *arguments)
{
    const scatter_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *index = vkd_value_tensor(lowering, args->index);
    const uint32_t dim = vkd_from_end(args->dim, x->rank);
    vkd_tensor_id source, places;
    VKD_TRY(vkd_op_input(lowering, args->source, vkd_value_tensor(lowering, args->source)->dtype,
                         VKD_ROWS, &source));
    VKD_TRY(vkd_op_input(lowering, args->index, VKD_DTYPE_INT32, VKD_ROWS, &places));
    const vkd_view from = vkd_view_of(lowering->graph, source),
                   by = vkd_view_of(lowering->graph, places);
    putting p = {.mode = lowering->call->row->code ? VKD_PUT_ADD : VKD_PUT_INDEX,
                 .size = x->dims[dim],
                 .count = index->dims[dim],
                 .place = still(x, source),
                 .source = still(x, source),
                 .index = still(x, places),
                 .source_step = from.strides[dim],
                 .index_step = by.strides[dim]};
    for (uint32_t d = 0; d < x->rank; d++)
        if (d != dim) {
            p.source.strides[d] = from.strides[d];
            p.index.strides[d] = by.strides[d];
        }
    p.place.strides[dim] = 1;
    return emit(lowering, args->x, &p, args->y);
}

/* ----------------------------------------------------------------------------------------- rows */

static const vkd_op rows[] = {
    {"aten::slice_scatter.out", slice_params, sizeof(part_args), shape_part, lower_part,
     .defaults = &selection},
    {"aten::select_scatter.out", select_params, sizeof(part_args), shape_part, lower_part,
     .code = true, .defaults = &selection},
    {"aten::index_put.out", put_parameters, sizeof(put_args), shape_put, lower_put},
    {"aten::scatter.src_out", scatter_params, sizeof(scatter_args), shape_scatter, lower_scatter},
    {"aten::scatter_add.out", scatter_params, sizeof(scatter_args), shape_scatter, lower_scatter,
     .code = true},
};

const vkd_op_table vkd_put_ops = VKD_OP_TABLE(rows);
