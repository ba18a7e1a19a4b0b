/* Tensors of which a part is replaced. Entries that go to places which an index tensor names are
 * put in the order of their places first: an element finds its own by bisection. */
#include "ops/elementwise.h"
#include "ops/gather.h"
#include "ops/sort.h"
#include "ops/tables.h"
#include "shaders/put_params.h"

#include <string.h>

/* ------------------------------------------------------------------------------------- dispatch */

typedef struct putting {
    uint32_t mode; /* VKD_PUT_* */
    uint32_t count;
    int32_t start, step; /* VKD_PUT_SLICE */
    /* of y's dims: the numbers of places that entries go to, and the source, which begins at entry
     * 0 and lies in VKD_ROWS */
    vkd_view place, source;
    int32_t source_step;
    vkd_tensor_id places; /* i32, of the entries; -1 for nowhere. Others */
} putting;

/* The entries [first, first + count) in their order. */
static vkd_status add_put(vkd_lowering *lowering, vkd_tensor_id x, const putting *p,
                          vkd_tensor_id order, uint32_t first, uint32_t count, vkd_tensor_id y)
{
    vkd_walk walk;
    vkd_walk_make(lowering->graph, y, (const vkd_view[]){p->place, p->source}, 2, &walk);
    put_params params = {.groups = walk.groups,
                         .slots = walk.slots,
                         .inner = walk.inner,
                         .count = count,
                         .first = first,
                         .start = p->start,
                         .step = p->step,
                         .source_step = (uint32_t)p->source_step};
    memcpy(params.dims, walk.dims, sizeof params.dims);
    memcpy(params.place_strides, walk.strides[0], sizeof params.place_strides);
    memcpy(params.source_strides, walk.strides[1], sizeof params.source_strides);
    /* An entry is added to one element of the four: all together take no more than all entries. */
    const uint64_t search = p->mode == VKD_PUT_SLICE ? 0 : vkd_loop(32, 0),
                   sums = p->mode == VKD_PUT_ADD ? vkd_loop(count, 0) : 0;
    vkd_node node =
        vkd_op_node(lowering, VKD_SHADER_PUT,
                    2 * vkd_loop(4 * VKD_VIEW_DIMS, 0) + vkd_loop(4, 2 * search + 1) + sums,
                    &params, sizeof params);
    vkd_node_linear(&node, lowering->caps, walk.groups);
    vkd_node_read(&node, x);
    vkd_node_read(&node, p->source.tensor);
    vkd_node_read(&node, p->places);
    vkd_node_read(&node, order);
    vkd_node_write(&node, y);
    vkd_node_spec(&node, lowering->graph->tensors[y].dtype);
    vkd_node_spec(&node, walk.dim_count);
    vkd_node_spec(&node, walk.whole);
    vkd_node_spec(&node, p->mode);
    vkd_node_spec(&node, order != p->places);
    return vkd_op_add_node(lowering, &node, x, y);
}

/* All entries may go to one place: the loops of a CPU device are long enough for so many. */
static uint32_t most_sums(const vkd_lowering *lowering, const putting *p)
{
    const uint32_t most = lowering->caps->max_loops / 2;
    return p->mode == VKD_PUT_ADD && most && p->count > most ? most : p->count;
}

static vkd_status wrong_source(vkd_lowering *lowering, uint32_t value, vkd_dtype expected)
{
    return vkd_op_fail_value(
        lowering, VKD_UNSUPPORTED, value, "has dtype %s, expected that of self, %s",
        vkd_dtype_name(vkd_value_tensor(lowering, value)->dtype), vkd_dtype_name(expected));
}

static vkd_status emit(vkd_lowering *lowering, uint32_t x_value, uint32_t source_value,
                       const putting *p, uint32_t y_value)
{
    const vkd_dtype dtype = vkd_value_tensor(lowering, x_value)->dtype,
                    source = lowering->graph->tensors[p->source.tensor].dtype;
    vkd_tensor_id x, y, next, order = p->places;
    VKD_TRY(vkd_op_input(lowering, x_value, dtype, VKD_ROWS, &x));
    VKD_TRY(vkd_op_output_in(lowering, y_value, dtype, VKD_ROWS, &y));
    if (source != dtype)
        return wrong_source(lowering, source_value, dtype);
    if (p->mode != VKD_PUT_SLICE && p->count > 1) {
        const vkd_view entries = {
            .tensor = p->places, .rank = 1, .dims = {p->count}, .strides = {1}};
        VKD_TRY(vkd_op_order(lowering, &entries, 0, false, &order));
    }
    const uint32_t most = most_sums(lowering, p);
    for (uint32_t first = 0, count; first < p->count; first += count, x = next) {
        const vkd_tensor to = lowering->graph->tensors[y];
        count = p->count - first < most ? p->count - first : most;
        next = y;
        if (first + count < p->count)
            VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, dtype, VKD_ROWS,
                                         to.rank, to.dims, &next));
        VKD_TRY(add_put(lowering, x, p, order, first, count, next));
    }
    return VKD_OK;
}

/* y is x where there are no entries. */
static vkd_status put_nothing(vkd_lowering *lowering, uint32_t x, uint32_t y)
{
    vkd_view same;
    VKD_TRY(vkd_op_view(lowering, x, &same));
    return vkd_op_output_view(lowering, y, &same);
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
    VKD_TENSOR(part_args, x, self),   VKD_TENSOR(part_args, source, src),
    VKD_INT(part_args, dim),          VKD_OPTIONAL_SYM(part_args, start),
    VKD_OPTIONAL_SYM(part_args, end), VKD_SYM(part_args, step),
    VKD_OUTPUT(part_args, y, out),    VKD_PARAMS_END};
static const vkd_param select_params[] = {
    VKD_TENSOR(part_args, x, self),   VKD_TENSOR(part_args, source, src), VKD_INT(part_args, dim),
    VKD_SYM(part_args, start, index), VKD_OUTPUT(part_args, y, out),      VKD_PARAMS_END};
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
    part[1] = part[1] > size ? size : part[1]; /* one place alone */
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
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->source,
                                 "is %s, expected the part of %s along dim %d",
                                 vkd_dims_format(source->rank, source->dims, by),
                                 vkd_dims_format(x->rank, x->dims, is), args->dim);
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
        return vkd_op_fail_at(lowering, VKD_INVALID_MODEL, &args->dim,
                              "is %d, expected a dim that the part has", args->dim);
    VKD_TRY(vkd_op_rows(lowering, args->source, &source));
    if (!part[2])
        return put_nothing(lowering, args->x, args->y);
    putting p = {.mode = VKD_PUT_SLICE,
                 .places = source,
                 .count = (uint32_t)part[2],
                 .start = (int32_t)part[0],
                 .step = (int32_t)part[1],
                 .place = still(x, source),
                 .source = still(x, source)};
    along(&p, dim);
    return emit(lowering, args->x, args->source, &p, args->y);
}

/* ------------------------------------------------------------------------------------- by index */

typedef struct put_args {
    uint32_t x, source, y;
    vkd_tensor_list indices;
    bool accumulate;
} put_args;

static const vkd_param put_parameters[] = {
    VKD_TENSOR(put_args, x, self),        VKD_OPTIONAL_TENSOR_LIST(put_args, indices),
    VKD_TENSOR(put_args, source, values), VKD_BOOL(put_args, accumulate),
    VKD_OUTPUT(put_args, y, out),         VKD_PARAMS_END};

/* A mask among the indices stands for as many dims as it has: x[:, mask] = source. How many
 * elements it chooses only the device knows, so that one entry of the source is for all of them. */
typedef struct masking {
    uint32_t mask, at;      /* its value, and its first dim in x */
    uint32_t behind, count; /* dims of x behind it; its own */
} masking;

static bool find_mask(const vkd_model_value *values, const put_args *args, masking *out)
{
    size_t count = 0;
    for (uint32_t i = 0; i < args->indices.count; i++)
        if (vkd_is_indexed(&args->indices, i)) {
            *out = (masking){.mask = args->indices.values[i], .at = i};
            count++;
        }
    if (count != 1 || values[out->mask].tensor.dtype != VKD_DTYPE_BOOL)
        return false;
    out->count = values[out->mask].tensor.rank;
    out->behind = values[args->x].tensor.rank - out->at - out->count;
    return true;
}

/* Which dim of x is dim i of the source; VKD_NO_VALUE for that of what is chosen. */
static uint32_t masked_dim(const masking *m, uint32_t rank, uint32_t i)
{
    const uint32_t from_end = rank - 1 - i;
    return from_end == m->behind  ? VKD_NO_VALUE
           : from_end < m->behind ? m->at + m->count + m->behind - 1 - from_end
                                  : m->at - (from_end - m->behind);
}

static vkd_status shape_masked(vkd_shaping *shaping, const put_args *args, const masking *m)
{
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *mask = vkd_shape_of(shaping, m->mask),
                           *source = vkd_shape_of(shaping, args->source);
    char is[VKD_DIMS_TEXT], by[VKD_DIMS_TEXT];
    if (m->at + m->count > x->rank ||
        memcmp(mask->dims, x->dims + m->at, m->count * sizeof *mask->dims))
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->indices, "has a mask of %s, expected dims of %s",
            vkd_dims_format(mask->rank, mask->dims, by), vkd_dims_format(x->rank, x->dims, is));
    bool fits = source->rank <= m->at + 1 + m->behind;
    for (uint32_t i = 0; fits && i < source->rank; i++) {
        const uint32_t dim = masked_dim(m, source->rank, i);
        fits = source->dims[i] == 1 || (dim != VKD_NO_VALUE && source->dims[i] == x->dims[dim]);
    }
    if (!fits)
        return vkd_shape_fail_at(
            shaping, VKD_UNSUPPORTED, &args->source,
            "is %s, expected one entry for all elements that a mask chooses of %s",
            vkd_dims_format(source->rank, source->dims, by), vkd_dims_format(x->rank, x->dims, is));
    return vkd_shape_set_as(shaping, args->y, args->x);
}

static vkd_status shape_put(vkd_shaping *shaping, const void *arguments)
{
    const put_args *args = arguments;
    const vkd_model_tensor *source = vkd_shape_of(shaping, args->source);
    vkd_shape entries;
    masking mask;
    if (find_mask(shaping->values, args, &mask))
        return shape_masked(shaping, args, &mask);
    VKD_TRY(vkd_shape_indexed(shaping, args->x, &args->indices, &entries));
    bool fits = source->rank <= entries.rank;
    for (uint32_t i = 0; fits && i < source->rank; i++)
        fits = source->dims[i] == 1 ||
               source->dims[i] == entries.dims[entries.rank - source->rank + i];
    if (!fits) {
        char is[VKD_DIMS_TEXT], by[VKD_DIMS_TEXT];
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->source,
                                 "is %s, expected what broadcasts to %s",
                                 vkd_dims_format(source->rank, source->dims, by),
                                 vkd_dims_format(entries.rank, entries.dims, is));
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

/* The dims that the indices broadcast to: of the first one that has all of them. */
static vkd_shape entries_of(const vkd_lowering *lowering, const put_args *args)
{
    vkd_shape entries = {0};
    for (size_t i = 0; i < args->indices.count; i++) {
        if (!vkd_is_indexed(&args->indices, (uint32_t)i))
            continue;
        const vkd_model_tensor *index = vkd_value_tensor(lowering, args->indices.values[i]);
        for (uint32_t d = 0; d < index->rank; d++) {
            const uint32_t at = VKD_MAX_RANK - 1 - d, size = index->dims[index->rank - 1 - d];
            entries.dims[at] = d < entries.rank && entries.dims[at] != 1 ? entries.dims[at] : size;
        }
        entries.rank = index->rank > entries.rank ? index->rank : entries.rank;
    }
    memmove(entries.dims, entries.dims + VKD_MAX_RANK - entries.rank,
            entries.rank * sizeof *entries.dims);
    return entries;
}

/* Places are numbered by the indexed dims alone, in row-major order. */
static vkd_status put_places(vkd_lowering *lowering, const put_args *args, const vkd_shape *entries,
                             putting *p)
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    int32_t stride = 1;
    p->places = VKD_NO_TENSOR;
    for (uint32_t d = x->rank; d-- > 0;) {
        vkd_placing placing = {
            .base = {.rank = entries->rank}, .size = x->dims[d], .stride = stride, .drops = true};
        if (!vkd_is_indexed(&args->indices, d))
            continue;
        VKD_TRY(vkd_op_check_index(lowering, args->indices.values[d], args->x, placing.size));
        VKD_TRY(vkd_op_view(lowering, args->indices.values[d], &placing.index));
        vkd_view_broadcast(&placing.index, entries->rank, entries->dims);
        VKD_TRY(vkd_op_add_places(lowering, &placing, &p->places));
        p->place.strides[d] = stride;
        stride *= (int32_t)x->dims[d];
    }
    return VKD_OK;
}

/* The source has the dims of x[indices]: those that are not indexed, and the entries among them. */
static vkd_status put_source(vkd_lowering *lowering, const put_args *args, const vkd_shape *entries,
                             putting *p)
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    const uint32_t at = vkd_indices_at(&args->indices);
    uint32_t dims[VKD_MAX_RANK], of[VKD_MAX_RANK], rank = 0;
    for (uint32_t d = 0; d < x->rank || rank == at; d++) {
        for (uint32_t i = 0; rank == at && i < entries->rank; i++) {
            of[at + i] = VKD_NO_VALUE;
            dims[at + i] = entries->dims[i];
        }
        rank += rank == at ? entries->rank : 0;
        if (d >= x->rank)
            break;
        if (vkd_is_indexed(&args->indices, d))
            continue;
        of[rank] = d;
        dims[rank++] = x->dims[d];
    }
    VKD_TRY(whole_source(lowering, args->source, rank, dims, &p->source.tensor));
    int32_t step = 1;
    p->source_step = 0;
    for (uint32_t i = rank; i-- > 0; step *= (int32_t)dims[i])
        if (of[i] != VKD_NO_VALUE)
            p->source.strides[of[i]] = step;
        else if (i + 1 == at + entries->rank)
            p->source_step = step;
    return VKD_OK;
}

/* A selection: of the source, or of its sum with x, and of x. */
static vkd_status put_masked(vkd_lowering *lowering, const put_args *args, const masking *m)
{
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    vkd_view source, mask, operands[3];
    vkd_tensor_id sum, y;
    if (vkd_value_tensor(lowering, args->source)->dtype != x->dtype)
        return wrong_source(lowering, args->source, x->dtype);
    VKD_TRY(vkd_op_view(lowering, args->source, &source));
    VKD_TRY(vkd_op_view(lowering, args->x, &operands[1]));
    VKD_TRY(vkd_op_view(lowering, m->mask, &mask));
    VKD_TRY(vkd_op_output_in(lowering, args->y, x->dtype, VKD_ROWS, &y));
    operands[0] = still(x, source.tensor);
    operands[2] = still(x, mask.tensor);
    operands[0].offset = source.offset;
    operands[2].offset = mask.offset;
    memcpy(operands[2].strides + m->at, mask.strides, m->count * sizeof *mask.strides);
    for (uint32_t i = 0; i < source.rank; i++)
        if (source.dims[i] != 1)
            operands[0].strides[masked_dim(m, source.rank, i)] = source.strides[i];
    if (args->accumulate) {
        VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH, x->dtype, VKD_ROWS,
                                     x->rank, x->dims, &sum));
        VKD_TRY(vkd_op_binary(lowering, BINARY_ADD, NULL, &operands[1], &operands[0], sum));
        operands[0] = vkd_view_of(lowering->graph, sum);
    }
    return vkd_op_where(lowering, operands, y);
}

static vkd_status lower_put(vkd_lowering *lowering, const void *arguments)
{
    const put_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    masking mask;
    if (find_mask(lowering->values, args, &mask))
        return put_masked(lowering, args, &mask);
    const vkd_shape entries = entries_of(lowering, args);
    putting p = {.mode = args->accumulate ? VKD_PUT_ADD : VKD_PUT_INDEX,
                 .count = (uint32_t)vkd_dims_count(entries.rank, entries.dims),
                 .place = still(x, VKD_NO_TENSOR),
                 .source = still(x, VKD_NO_TENSOR)};
    if (!p.count)
        return put_nothing(lowering, args->x, args->y);
    VKD_TRY(put_places(lowering, args, &entries, &p));
    VKD_TRY(put_source(lowering, args, &entries, &p));
    p.place.tensor = p.source.tensor;
    return emit(lowering, args->x, args->source, &p, args->y);
}

/* -------------------------------------------------------------------------------- along one dim */

typedef struct scatter_args {
    uint32_t x, index, source, y; /* source: VKD_NO_VALUE for a number */
    int32_t dim;
    vkd_number number;
} scatter_args;
static const scatter_args no_source = {.source = VKD_NO_VALUE};

static const vkd_param scatter_params[] = {
    VKD_TENSOR(scatter_args, x, self), VKD_INT(scatter_args, dim),
    VKD_TENSOR(scatter_args, index),   VKD_TENSOR(scatter_args, source, src),
    VKD_OUTPUT(scatter_args, y, out),  VKD_PARAMS_END};
static const vkd_param scatter_value_params[] = {
    VKD_TENSOR(scatter_args, x, self), VKD_INT(scatter_args, dim),
    VKD_TENSOR(scatter_args, index),   VKD_NUMBER(scatter_args, number, value),
    VKD_OUTPUT(scatter_args, y, out),  VKD_PARAMS_END};

static vkd_status shape_scatter(vkd_shaping *shaping, const void *arguments)
{
    const scatter_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x),
                           *index = vkd_shape_of(shaping, args->index);
    const vkd_model_tensor *source =
        args->source == VKD_NO_VALUE ? index : vkd_shape_of(shaping, args->source);
    uint32_t dim = 0;
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x->rank, &dim));
    bool fits = index->rank == x->rank && source->rank == x->rank;
    for (uint32_t i = 0; fits && i < x->rank; i++)
        fits = index->dims[i] <= source->dims[i] && (i == dim || index->dims[i] <= x->dims[i]);
    if (!fits) {
        char is[VKD_DIMS_TEXT], at[VKD_DIMS_TEXT], by[VKD_DIMS_TEXT];
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->index,
            "is %s, expected what is within a source of %s and, but for dim %u, %s",
            vkd_dims_format(index->rank, index->dims, at),
            vkd_dims_format(source->rank, source->dims, by), dim,
            vkd_dims_format(x->rank, x->dims, is));
    }
    return vkd_shape_set_as(shaping, args->y, args->x);
}

/* The source's elements that the indices have entries for, one after the other; or one for all. */
static vkd_status scatter_source(vkd_lowering *lowering, const scatter_args *args, putting *p)
{
    const vkd_model_tensor *index = vkd_value_tensor(lowering, args->index);
    vkd_view from;
    if (args->source == VKD_NO_VALUE) {
        const vkd_number number = vkd_op_plain(lowering, args->number);
        VKD_TRY(
            vkd_op_scalar(lowering, vkd_value_tensor(lowering, args->x)->dtype, &number, &from));
        p->source.tensor = from.tensor;
        return VKD_OK;
    }
    VKD_TRY(vkd_op_view(lowering, args->source, &from));
    memcpy(from.dims, index->dims, sizeof from.dims);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, VKD_PLACE_SCRATCH,
                                 vkd_value_tensor(lowering, args->source)->dtype, VKD_ROWS,
                                 index->rank, index->dims, &p->source.tensor));
    p->source_step = 1;
    return vkd_op_move(lowering, &from, p->source.tensor);
}

/* A place is an element of x: where the entry is along the other dims, and its index along this. */
static vkd_status lower_scatter(vkd_lowering *lowering, const void *arguments)
{
    const scatter_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *index = vkd_value_tensor(lowering, args->index);
    const uint32_t dim = vkd_from_end(args->dim, x->rank);
    putting p = {.mode = lowering->call->row->code ? VKD_PUT_ADD : VKD_PUT_INDEX,
                 .count = (uint32_t)vkd_dims_count(index->rank, index->dims),
                 .place = still(x, VKD_NO_TENSOR),
                 .source = still(x, VKD_NO_TENSOR),
                 .places = VKD_NO_TENSOR};
    if (!p.count)
        return put_nothing(lowering, args->x, args->y);
    int32_t stride = 1;
    for (uint32_t d = x->rank; d-- > 0; stride *= (int32_t)x->dims[d])
        p.place.strides[d] = stride;
    vkd_placing placing = {.base = p.place,
                           .size = x->rank ? x->dims[dim] : 1,
                           .stride = x->rank ? p.place.strides[dim] : 0,
                           .drops = true};
    memcpy(placing.base.dims, index->dims, sizeof placing.base.dims);
    placing.base.strides[dim] = 0;
    VKD_TRY(vkd_op_check_index(lowering, args->index, args->x, placing.size));
    VKD_TRY(vkd_op_view(lowering, args->index, &placing.index));
    VKD_TRY(vkd_op_add_places(lowering, &placing, &p.places));
    VKD_TRY(scatter_source(lowering, args, &p));
    p.place.tensor = p.source.tensor;
    return emit(lowering, args->x, args->source, &p, args->y);
}

/* ----------------------------------------------------------------------------------------- rows */

static const vkd_op rows[] = {
    {"aten::slice_scatter.out", slice_params, sizeof(part_args), shape_part, lower_part,
     .defaults = &selection},
    {"aten::select_scatter.out", select_params, sizeof(part_args), shape_part, lower_part,
     .code = true, .defaults = &selection},
    {"aten::index_put.out", put_parameters, sizeof(put_args), shape_put, lower_put},
    {"aten::index_put_", put_parameters, sizeof(put_args), shape_put, lower_put, .effect = true},
    {"aten::scatter.src_out", scatter_params, sizeof(scatter_args), shape_scatter, lower_scatter},
    {"aten::scatter.value_out", scatter_value_params, sizeof(scatter_args), shape_scatter,
     lower_scatter, .defaults = &no_source},
    {"aten::scatter_add.out", scatter_params, sizeof(scatter_args), shape_scatter, lower_scatter,
     .code = true},
};

const vkd_op_table vkd_put_ops = VKD_OP_TABLE(rows);
