/* Operators that only say where elements come from: their results are views, which cost nothing
 * until somebody wants them in one piece. */
#include "graph/operators.h"
#include "ops/tables.h"

#include <string.h>

/* -------------------------------------------------------------------------------------- permute */

static const vkd_param permute_params[] = {VKD_TENSOR(permute_args, x, self),
                                           VKD_INT_LIST(permute_args, dims),
                                           VKD_OUTPUT(permute_args, y, out), VKD_PARAMS_END};
static const vkd_param transpose_params[] = {VKD_TENSOR(permute_args, x, self),
                                             VKD_OUTPUT(permute_args, y, out), VKD_PARAMS_END};

/* Which dim of x is dim i of y. A matrix without a list is transposed. */
static uint32_t source_dim(const permute_args *args, bool transposes, uint32_t i, uint32_t rank)
{
    return transposes ? rank - 1 - i : vkd_from_end(args->dims.items[i], rank);
}

static vkd_status shape_permute(vkd_shaping *shaping, const void *arguments)
{
    const permute_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    bool transposes = shaping->call->row->code, seen[VKD_MAX_RANK] = {false};
    uint32_t dims[VKD_MAX_RANK];
    if (transposes && x->rank > 2)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->x,
                                 "has rank %u, expected 2 at most", x->rank);
    if (!transposes && args->dims.count != x->rank)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->dims,
                                 "has %zu dims, expected %u", args->dims.count, x->rank);
    for (uint32_t i = 0; i < x->rank; i++) {
        uint32_t dim = transposes ? x->rank - 1 - i : 0;
        if (!transposes)
            VKD_TRY(vkd_shape_dim(shaping, &args->dims.items[i], x->rank, &dim));
        if (seen[dim])
            return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->dims,
                                     "names dim %u twice, expected each once", dim);
        seen[dim] = true;
        dims[i] = x->dims[dim];
    }
    return vkd_shape_set(shaping, args->y, x->rank, dims);
}

static vkd_status lower_permute(vkd_lowering *lowering, const void *arguments)
{
    const permute_args *args = arguments;
    vkd_view x;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    vkd_view y = x;
    for (uint32_t i = 0; i < x.rank; i++) {
        uint32_t dim = source_dim(args, lowering->call->row->code, i, x.rank);
        y.dims[i] = x.dims[dim];
        y.strides[i] = x.strides[dim];
    }
    return vkd_op_output_view(lowering, args->y, &y);
}

/* -------------------------------------------------------------------------- two dims, diagonals */

typedef struct swap_args {
    uint32_t x, y;
    int32_t offset; /* of a diagonal */
    int32_t dims[2];
} swap_args;

static const vkd_param swap_params[] = {
    VKD_TENSOR(swap_args, x, self), VKD_INT(swap_args, dims[0], dim0),
    VKD_INT(swap_args, dims[1], dim1), VKD_OUTPUT(swap_args, y, out), VKD_PARAMS_END};
static const vkd_param diagonal_params[] = {
    VKD_TENSOR(swap_args, x, self),    VKD_INT(swap_args, offset),
    VKD_INT(swap_args, dims[0], dim1), VKD_INT(swap_args, dims[1], dim2),
    VKD_OUTPUT(swap_args, y, out),     VKD_PARAMS_END};

static vkd_status find_dims(vkd_shaping *shaping, const swap_args *args, uint32_t dims[2])
{
    const uint32_t rank = vkd_shape_of(shaping, args->x)->rank;
    VKD_TRY(vkd_shape_dim(shaping, &args->dims[0], rank, &dims[0]));
    return vkd_shape_dim(shaping, &args->dims[1], rank, &dims[1]);
}

static vkd_status shape_swap(vkd_shaping *shaping, const void *arguments)
{
    const swap_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t at[2] = {0}, dims[VKD_MAX_RANK];
    VKD_TRY(find_dims(shaping, args, at));
    memcpy(dims, x->dims, sizeof dims);
    dims[at[0]] = x->dims[at[1]];
    dims[at[1]] = x->dims[at[0]];
    return vkd_shape_set(shaping, args->y, x->rank, dims);
}

static vkd_status lower_swap(vkd_lowering *lowering, const void *arguments)
{
    const swap_args *args = arguments;
    vkd_view x;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    const uint32_t a = vkd_from_end(args->dims[0], x.rank), b = vkd_from_end(args->dims[1], x.rank);
    vkd_view y = x;
    y.dims[a] = x.dims[b];
    y.strides[a] = x.strides[b];
    y.dims[b] = x.dims[a];
    y.strides[b] = x.strides[a];
    return vkd_op_output_view(lowering, args->y, &y);
}

/* Where the diagonal begins along both dims; how long it is. */
static uint32_t find_diagonal(int64_t offset, int64_t rows, int64_t columns, int64_t at[2])
{
    at[0] = offset < 0 ? -offset : 0;
    at[1] = offset > 0 ? offset : 0;
    const int64_t below = rows - at[0], right = columns - at[1],
                  length = below < right ? below : right;
    return length > 0 ? (uint32_t)length : 0;
}

static vkd_status shape_diagonal(vkd_shaping *shaping, const void *arguments)
{
    const swap_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t along[2] = {0}, dims[VKD_MAX_RANK], rank = 0;
    int64_t at[2];
    VKD_TRY(find_dims(shaping, args, along));
    if (along[0] == along[1])
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->dims[1],
                                 "is dim %u, expected another than dim1, %u", along[1], along[0]);
    for (uint32_t d = 0; d < x->rank; d++)
        if (d != along[0] && d != along[1])
            dims[rank++] = x->dims[d];
    dims[rank++] = find_diagonal(args->offset, x->dims[along[0]], x->dims[along[1]], at);
    return vkd_shape_set(shaping, args->y, rank, dims);
}

static vkd_status lower_diagonal(vkd_lowering *lowering, const void *arguments)
{
    const swap_args *args = arguments;
    vkd_view x;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    const uint32_t a = vkd_from_end(args->dims[0], x.rank), b = vkd_from_end(args->dims[1], x.rank);
    vkd_view y = {.tensor = x.tensor, .offset = x.offset};
    int64_t at[2];
    for (uint32_t d = 0; d < x.rank; d++)
        if (d != a && d != b) {
            y.dims[y.rank] = x.dims[d];
            y.strides[y.rank++] = x.strides[d];
        }
    y.dims[y.rank] = find_diagonal(args->offset, x.dims[a], x.dims[b], at);
    y.strides[y.rank++] = x.strides[a] + x.strides[b];
    y.offset += (int32_t)at[0] * x.strides[a] + (int32_t)at[1] * x.strides[b];
    return vkd_op_output_view(lowering, args->y, &y);
}

/* --------------------------------------------------------------------------------------- expand */

typedef struct expand_args {
    uint32_t x, y;
    vkd_sym_list size;
    bool implicit;
} expand_args;

static const vkd_param expand_params[] = {
    VKD_TENSOR(expand_args, x, self), VKD_SIZES(expand_args, size), VKD_BOOL(expand_args, implicit),
    VKD_OUTPUT(expand_args, y, out), VKD_PARAMS_END};

static vkd_status shape_expand(vkd_shaping *shaping, const void *arguments)
{
    const expand_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t dims[VKD_MAX_RANK], rank = (uint32_t)args->size.count;
    if (rank < x->rank)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->size,
                                 "has %u sizes, expected %u at least", rank, x->rank);
    for (uint32_t i = 0; i < rank; i++) {
        int64_t size = vkd_shape_number(shaping, args->size.items[i]), own = 1;
        if (i + x->rank >= rank)
            own = x->dims[i + x->rank - rank];
        size = size == -1 && i + x->rank >= rank ? own : size;
        if (size < 0 || size > INT32_MAX || (own != 1 && own != size))
            return vkd_shape_fail_at(
                shaping, VKD_INVALID_MODEL, &args->size,
                "makes dim %u of size %lld %lld, expected -1 or the same, or a dim of 1", i,
                (long long)own, (long long)size);
        dims[i] = (uint32_t)size;
    }
    return vkd_shape_set(shaping, args->y, rank, dims);
}

static vkd_status lower_expand(vkd_lowering *lowering, const void *arguments)
{
    const expand_args *args = arguments;
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    vkd_view view;
    VKD_TRY(vkd_op_view(lowering, args->x, &view));
    vkd_view_broadcast(&view, y->rank, y->dims);
    return vkd_op_output_view(lowering, args->y, &view);
}

/* -------------------------------------------------------------------------------- slice, select */

static const vkd_param slice_params[] = {VKD_TENSOR(slice_args, x, self),
                                         VKD_INT(slice_args, dim),
                                         VKD_OPTIONAL_SYM(slice_args, start),
                                         VKD_OPTIONAL_SYM(slice_args, end),
                                         VKD_SYM(slice_args, step),
                                         VKD_OUTPUT(slice_args, y, out),
                                         VKD_PARAMS_END};
static const vkd_param select_params[] = {VKD_TENSOR(slice_args, x, self), VKD_INT(slice_args, dim),
                                          VKD_SYM(slice_args, start, index),
                                          VKD_OUTPUT(slice_args, y, out), VKD_PARAMS_END};

static bool is_null(vkd_sym sym) { return sym.value == VKD_NO_VALUE && sym.number == VKD_SYM_NULL; }

/* Counts from the end when negative, and stays within the dim. */
static int64_t clamped(int64_t at, int64_t size)
{
    at = at < 0 ? at + size : at;
    return at < 0 ? 0 : at > size ? size : at;
}

static vkd_status shape_slice(vkd_shaping *shaping, const void *arguments)
{
    const slice_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t dim = 0, dims[VKD_MAX_RANK];
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x->rank, &dim));
    int64_t step = vkd_shape_number(shaping, args->step), size = x->rank ? x->dims[dim] : 0;
    if (!x->rank || step < 1)
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->step,
            "is %lld along dim %u of a tensor of rank %u, expected 1 at least, and a dim",
            (long long)step, dim, x->rank);
    int64_t start =
        is_null(args->start) ? 0 : clamped(vkd_shape_number(shaping, args->start), size);
    int64_t end = is_null(args->end) ? size : clamped(vkd_shape_number(shaping, args->end), size);
    memcpy(dims, x->dims, sizeof dims);
    dims[dim] = end > start ? (uint32_t)((end - start - 1) / step + 1) : 0;
    return vkd_shape_set(shaping, args->y, x->rank, dims);
}

static vkd_status shape_select(vkd_shaping *shaping, const void *arguments)
{
    const slice_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t dim = 0, dims[VKD_MAX_RANK], rank = 0;
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x->rank, &dim));
    int64_t index = vkd_shape_number(shaping, args->start), size = x->rank ? x->dims[dim] : 0;
    if (index < -size || index >= size)
        return vkd_shape_fail_at(shaping, VKD_INVALID_ARGUMENT, &args->start,
                                 "is %lld for dim %u of %lld elements, expected one of these",
                                 (long long)index, dim, (long long)size);
    for (uint32_t i = 0; i < x->rank; i++)
        if (i != dim)
            dims[rank++] = x->dims[i];
    return vkd_shape_set(shaping, args->y, rank, dims);
}

/* As many elements as the result has, from a start on. */
typedef struct narrow_args {
    uint32_t x, y;
    int32_t dim;
    vkd_sym start, length;
} narrow_args;

static const vkd_param narrow_params[] = {
    VKD_TENSOR(narrow_args, x, self), VKD_INT(narrow_args, dim),       VKD_SYM(narrow_args, start),
    VKD_SYM(narrow_args, length),     VKD_OUTPUT(narrow_args, y, out), VKD_PARAMS_END};

static vkd_status shape_narrow(vkd_shaping *shaping, const void *arguments)
{
    const narrow_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t dim = 0, dims[VKD_MAX_RANK];
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x->rank, &dim));
    const int64_t size = x->rank ? (int64_t)x->dims[dim] : -1,
                  start = vkd_shape_number(shaping, args->start),
                  from = start < 0 ? start + size : start,
                  length = vkd_shape_number(shaping, args->length);
    if (from < 0 || from > size || length < 0 || length > size - from)
        return vkd_shape_fail_at(shaping, VKD_INVALID_ARGUMENT, &args->length,
                                 "is %lld from %lld on for dim %u of %lld elements, expected some "
                                 "of these",
                                 (long long)length, (long long)start, dim, (long long)size);
    memcpy(dims, x->dims, sizeof dims);
    dims[dim] = (uint32_t)length;
    return vkd_shape_set(shaping, args->y, x->rank, dims);
}

/* Moves a view along a dim to where `at` is. A SymInt's number is read when the graph runs: then it
 * is a copy. */
static vkd_status output_from(vkd_lowering *lowering, uint32_t value, vkd_view *view,
                              int32_t stride, vkd_sym at, int64_t size, int64_t length)
{
    if (at.value != VKD_NO_VALUE)
        return vkd_op_output_moved(
            lowering, value, view,
            &(vkd_symbol_offset){at, stride, (int32_t)size, (int32_t)(size - length)});
    view->offset += stride * (int32_t)clamped(is_null(at) ? 0 : at.number, size);
    return vkd_op_output_view(lowering, value, view);
}

static vkd_status lower_slice(vkd_lowering *lowering, const void *arguments)
{
    const slice_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x),
                           *y = vkd_value_tensor(lowering, args->y);
    uint32_t dim = vkd_from_end(args->dim, x->rank);
    vkd_view view;
    VKD_TRY(vkd_op_view(lowering, args->x, &view));
    const int64_t asked = vkd_op_number(lowering, args->step);
    /* A longer step than the dim has one element. */
    int32_t stride = view.strides[dim],
            step = (int32_t)(asked < x->dims[dim] ? asked : x->dims[dim]);
    view.strides[dim] = stride * step;
    view.dims[dim] = y->dims[dim];
    return output_from(lowering, args->y, &view, stride, args->start, x->dims[dim],
                       ((int64_t)y->dims[dim] - 1) * step + 1);
}

static vkd_status lower_narrow(vkd_lowering *lowering, const void *arguments)
{
    const narrow_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    const uint32_t dim = vkd_from_end(args->dim, x->rank),
                   length = vkd_value_tensor(lowering, args->y)->dims[dim];
    vkd_view view;
    VKD_TRY(vkd_op_view(lowering, args->x, &view));
    view.dims[dim] = length;
    return output_from(lowering, args->y, &view, view.strides[dim], args->start, x->dims[dim],
                       length);
}

static vkd_status lower_select(vkd_lowering *lowering, const void *arguments)
{
    const slice_args *args = arguments;
    const vkd_model_tensor *x = vkd_value_tensor(lowering, args->x);
    uint32_t dim = vkd_from_end(args->dim, x->rank);
    vkd_view view;
    VKD_TRY(vkd_op_view(lowering, args->x, &view));
    int32_t stride = view.strides[dim];
    for (uint32_t i = dim; i + 1 < view.rank; i++) {
        view.dims[i] = view.dims[i + 1];
        view.strides[i] = view.strides[i + 1];
    }
    view.rank--;
    return output_from(lowering, args->y, &view, stride, args->start, x->dims[dim], 1);
}

/* --------------------------------------------------------------------------------- flip, unfold */

static vkd_status shape_flip(vkd_shaping *shaping, const void *arguments)
{
    const permute_args *args = arguments;
    bool listed[VKD_MAX_RANK];
    VKD_TRY(vkd_shape_listed(shaping, &args->dims, vkd_shape_of(shaping, args->x)->rank, listed));
    return vkd_shape_set_as(shaping, args->y, args->x);
}

static vkd_status lower_flip(vkd_lowering *lowering, const void *arguments)
{
    const permute_args *args = arguments;
    vkd_view view;
    VKD_TRY(vkd_op_view(lowering, args->x, &view));
    for (size_t i = 0; i < args->dims.count && view.rank; i++) {
        uint32_t dim = vkd_from_end(args->dims.items[i], view.rank);
        view.offset += view.strides[dim] * ((int32_t)view.dims[dim] - 1);
        view.strides[dim] = -view.strides[dim];
    }
    return vkd_op_output_view(lowering, args->y, &view);
}

typedef struct unfold_args {
    uint32_t x, y;
    int32_t dim, size, step;
} unfold_args;

static const vkd_param unfold_params[] = {
    VKD_TENSOR(unfold_args, x, self), VKD_INT(unfold_args, dim, dimension),
    VKD_INT(unfold_args, size),       VKD_INT(unfold_args, step),
    VKD_OUTPUT(unfold_args, y, out),  VKD_PARAMS_END};

static vkd_status shape_unfold(vkd_shaping *shaping, const void *arguments)
{
    const unfold_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t dim = 0, dims[VKD_MAX_RANK + 1];
    VKD_TRY(vkd_shape_dim(shaping, &args->dim, x->rank, &dim));
    const uint32_t most = x->rank ? x->dims[dim] : 1; /* a number has one place, and no windows */
    if (args->step < 1 || args->size < 0 || (uint32_t)args->size > most)
        return vkd_shape_fail_at(shaping, VKD_INVALID_MODEL, &args->size,
                                 "is %d with a step of %d along dim %u of rank %u, expected 0 to "
                                 "the dim's size, and steps of 1 at least",
                                 args->size, args->step, dim, x->rank);
    memcpy(dims, x->dims, sizeof x->dims);
    dims[dim] = (most - (uint32_t)args->size) / (uint32_t)args->step + 1;
    dims[x->rank] = (uint32_t)args->size;
    return vkd_shape_set(shaping, args->y, x->rank + 1, dims);
}

static vkd_status lower_unfold(vkd_lowering *lowering, const void *arguments)
{
    const unfold_args *args = arguments;
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    vkd_view view;
    VKD_TRY(vkd_op_view(lowering, args->x, &view));
    const uint32_t dim = vkd_from_end(args->dim, view.rank);
    /* a step beyond the dim leads to no second window */
    const int32_t most = (int32_t)view.dims[dim], step = args->step < most ? args->step : most;
    view.strides[view.rank] = view.rank ? view.strides[dim] : 0;
    if (view.rank)
        view.strides[dim] *= step;
    view.rank++;
    memcpy(view.dims, y->dims, sizeof view.dims);
    return vkd_op_output_view(lowering, args->y, &view);
}

/* -------------------------------------------------------------------------------- pixel shuffle */

typedef struct shuffle_args {
    uint32_t x, y;
    int32_t factor;
} shuffle_args;

static const vkd_param shuffle_params[] = {VKD_TENSOR(shuffle_args, x, self),
                                           VKD_INT(shuffle_args, factor, upscale_factor),
                                           VKD_OUTPUT(shuffle_args, y, out), VKD_PARAMS_END};

/* Channels in [.., c, factor, factor] become pixels, or back where the row's code says so. */
static vkd_status shape_shuffle(vkd_shaping *shaping, const void *arguments)
{
    const shuffle_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    const bool back = shaping->call->row->code;
    const uint64_t factor = (uint64_t)args->factor;
    bool fits =
        x->rank >= 3 && x->rank <= VKD_MAX_RANK - 2 && args->factor >= 1 && args->factor <= 1 << 15;
    uint32_t dims[VKD_MAX_RANK];
    memcpy(dims, x->dims, sizeof dims);
    uint32_t *c = fits ? &dims[x->rank - 3] : dims;
    if (fits)
        fits = back
                   ? c[1] % factor == 0 && c[2] % factor == 0 && c[0] * factor * factor <= INT32_MAX
                   : c[0] % (factor * factor) == 0 && c[1] * factor <= INT32_MAX &&
                         c[2] * factor <= INT32_MAX;
    char is[VKD_DIMS_TEXT];
    if (!fits)
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->factor,
            "is %d for an input of %s, expected what divides its channels or pixels", args->factor,
            vkd_dims_format(x->rank, x->dims, is));
    uint32_t f = args->factor ? (uint32_t)args->factor : 1;
    c[0] = back ? c[0] * f * f : c[0] / (f * f);
    c[1] = back ? c[1] / f : c[1] * f;
    c[2] = back ? c[2] / f : c[2] * f;
    return vkd_shape_set(shaping, args->y, x->rank, dims);
}

/* The result's dims taken apart, so that it is a permutation of x's. */
static vkd_status lower_shuffle(vkd_lowering *lowering, const void *arguments)
{
    const shuffle_args *args = arguments;
    const bool back = lowering->call->row->code;
    const int32_t f = args->factor;
    vkd_view x;
    vkd_tensor_id y, apart;
    VKD_TRY(vkd_op_view(lowering, args->x, &x));
    const uint32_t at = x.rank - 3;
    const int32_t c = x.strides[at], h = x.strides[at + 1], w = x.strides[at + 2];
    VKD_TRY(vkd_op_output_in(lowering, args->y, vkd_value_tensor(lowering, args->y)->dtype,
                             VKD_ROWS, &y));
    const vkd_tensor *result = &lowering->graph->tensors[y];
    const uint32_t *d = &result->dims[at], factor = (uint32_t)f;
    const uint32_t pixels[] = {d[0], d[1] / factor, factor, d[2] / factor, factor};
    const uint32_t channels[] = {d[0] / (factor * factor), factor, factor, d[1], d[2]};
    const int32_t from_channels[] = {c * f * f, h, c * f, w, c},
                  from_pixels[] = {c, h, w, h * f, w * f};
    vkd_view view = x;
    view.rank += 2;
    memcpy(view.dims + at, back ? channels : pixels, sizeof pixels);
    memcpy(view.strides + at, back ? from_pixels : from_channels, sizeof from_pixels);
    VKD_TRY(vkd_graph_add_tensor(lowering->graph, result->place, result->dtype, VKD_ROWS, view.rank,
                                 view.dims, &apart));
    lowering->graph->tensors[apart].storage = y;
    return vkd_op_move(lowering, &view, apart);
}

/* ------------------------------------------------------------------------------ strides by hand */

typedef struct strided_args {
    uint32_t x, y;
    vkd_sym_list size, strides;
    vkd_sym offset; /* null: 0 */
} strided_args;

static const vkd_param strided_params[] = {VKD_TENSOR(strided_args, x, self),
                                           VKD_SIZES(strided_args, size),
                                           VKD_SIZES(strided_args, strides, stride),
                                           VKD_OPTIONAL_SYM(strided_args, offset, storage_offset),
                                           VKD_OUTPUT(strided_args, y, out),
                                           VKD_PARAMS_END};

static vkd_status shape_strided(vkd_shaping *shaping, const void *arguments)
{
    const strided_args *args = arguments;
    const vkd_model_tensor *x = vkd_shape_of(shaping, args->x);
    uint32_t dims[VKD_MAX_RANK], rank = (uint32_t)args->size.count;
    int64_t last = is_null(args->offset) ? 0 : vkd_shape_number(shaping, args->offset);
    bool fits = args->strides.count == rank && last >= 0, empty = false;
    for (uint32_t i = 0; fits && i < rank; i++) {
        int64_t size = vkd_shape_number(shaping, args->size.items[i]),
                stride = vkd_shape_number(shaping, args->strides.items[i]);
        fits = size >= 0 && size <= INT32_MAX && stride >= 0 && stride <= INT32_MAX &&
               last <= INT32_MAX;
        last += fits && size ? (size - 1) * stride : 0;
        empty |= !size;
        dims[i] = (uint32_t)size;
    }
    if (!fits || (!empty && last >= (int64_t)vkd_dims_count(x->rank, x->dims)))
        return vkd_shape_fail_at(
            shaping, VKD_INVALID_MODEL, &args->strides,
            "reaches beyond the elements of self with these sizes, expected places among its %llu",
            (unsigned long long)vkd_dims_count(x->rank, x->dims));
    return vkd_shape_set(shaping, args->y, rank, dims);
}

/* Strides are of the elements in row-major order. */
static vkd_status lower_strided(vkd_lowering *lowering, const void *arguments)
{
    const strided_args *args = arguments;
    const vkd_model_tensor *y = vkd_value_tensor(lowering, args->y);
    vkd_tensor_id x;
    VKD_TRY(vkd_op_rows(lowering, args->x, &x));
    vkd_view view = {
        .tensor = x,
        .rank = y->rank,
        .offset = is_null(args->offset) ? 0 : (int32_t)vkd_op_number(lowering, args->offset)};
    memcpy(view.dims, y->dims, sizeof view.dims);
    for (uint32_t i = 0; i < y->rank; i++)
        view.strides[i] = (int32_t)vkd_op_number(lowering, args->strides.items[i]);
    return vkd_op_output_view(lowering, args->y, &view);
}

/* ----------------------------------------------------------------------------------------- rows */

static const vkd_op rows[] = {
    {"aten.permute.default", permute_params, sizeof(permute_args), shape_permute, lower_permute,
     .kind = VKD_OP_PERMUTE},
    {"aten.permute_copy.default", permute_params, sizeof(permute_args), shape_permute,
     lower_permute, .kind = VKD_OP_PERMUTE},
    {"aten.t_copy.default", transpose_params, sizeof(permute_args), shape_permute, lower_permute,
     .code = true},
    {"aten.expand_copy.default", expand_params, sizeof(expand_args), shape_expand, lower_expand},
    {"aten::narrow_copy.out", narrow_params, sizeof(narrow_args), shape_narrow, lower_narrow},
    {"aten.slice_copy.Tensor", slice_params, sizeof(slice_args), shape_slice, lower_slice,
     .kind = VKD_OP_SLICE},
    {"aten.slice.Tensor", slice_params, sizeof(slice_args), shape_slice, lower_slice,
     .kind = VKD_OP_SLICE},
    {"aten.select_copy.int", select_params, sizeof(slice_args), shape_select, lower_select},
    {"aten.select.int", select_params, sizeof(slice_args), shape_select, lower_select},
    {"aten.flip.default", permute_params, sizeof(permute_args), shape_flip, lower_flip},
    {"aten.pixel_shuffle.default", shuffle_params, sizeof(shuffle_args), shape_shuffle,
     lower_shuffle},
    {"aten::pixel_shuffle.out", shuffle_params, sizeof(shuffle_args), shape_shuffle, lower_shuffle},
    {"aten::pixel_unshuffle.out", shuffle_params, sizeof(shuffle_args), shape_shuffle,
     lower_shuffle, .code = true},
    {"aten::as_strided_copy.out", strided_params, sizeof(strided_args), shape_strided,
     lower_strided},
    {"aten::permute_copy.out", permute_params, sizeof(permute_args), shape_permute, lower_permute,
     .kind = VKD_OP_PERMUTE},
    {"aten::t_copy.out", transpose_params, sizeof(permute_args), shape_permute, lower_permute,
     .code = true},
    {"aten::transpose_copy.int_out", swap_params, sizeof(swap_args), shape_swap, lower_swap},
    {"aten::diagonal_copy.out", diagonal_params, sizeof(swap_args), shape_diagonal, lower_diagonal},
    {"aten::expand_copy.out", expand_params, sizeof(expand_args), shape_expand, lower_expand},
    {"aten::slice_copy.Tensor_out", slice_params, sizeof(slice_args), shape_slice, lower_slice,
     .kind = VKD_OP_SLICE},
    {"aten::select_copy.int_out", select_params, sizeof(slice_args), shape_select, lower_select},
    {"aten::flip.out", permute_params, sizeof(permute_args), shape_flip, lower_flip},
    {"aten::unfold_copy.out", unfold_params, sizeof(unfold_args), shape_unfold, lower_unfold},
    {"aten.unfold_copy.default", unfold_params, sizeof(unfold_args), shape_unfold, lower_unfold},
};

const vkd_op_table vkd_move_ops = VKD_OP_TABLE(rows);
