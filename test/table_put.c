/* Cases of ops/put.c. */
#include "table_families.h"

#include <math.h>
#include <string.h>

enum { RANKS = 8 };

/* y, which is x at first. */
static table_tensor *draw_result(table *t, const table_tensor *x)
{
    table_tensor *y = table_output(t, x->dtype, x->shape);
    memcpy(y->values, x->values, y->count * sizeof *y->values);
    return y;
}

/* ------------------------------------------------------------------------------- slices, places */

/* Arguments are in the row's order: the source, of a shape that later ones decide, comes before
 * them. */
static table_tensor *draw_source(table *t, const table_tensor *x, vkd_shape shape)
{
    table_tensor *source = table_drawn(t, x->dtype, shape, -300, 300);
    table_extremes(t, source);
    return source;
}

static void draw_slice(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 1, RANKS));
    uint32_t dim = table_below(t, x->shape.rank), size = x->shape.dims[dim],
             step = 1 + table_below(t, 3);
    uint32_t start = table_below(t, size + 1),
             count = table_below(t, (size - start + step - 1) / step + 1);
    vkd_shape shape = x->shape;
    shape.dims[dim] = count;
    table_tensor *source = draw_source(t, x, shape);
    table_int(t, table_from_an_end(t, dim, x->shape.rank));
    if (start == 0 && table_chance(t, 3))
        table_null(t);
    else
        table_size(t, start < size ? table_from_an_end(t, start, size) : start + table_below(t, 3));
    uint32_t end = count ? start + (count - 1) * step + 1 : start;
    if (end == size && table_chance(t, 2))
        table_int(t, INT64_MAX);
    else
        table_size(t, end);
    table_size(t, step);
    table_tensor *y = draw_result(t, x);
    for (size_t i = 0; i < source->count; i++) {
        uint32_t at[VKD_MAX_RANK];
        table_places(&shape, i, at);
        at[dim] = start + at[dim] * step;
        y->values[table_place(&y->shape, at)] = source->values[i];
    }
}

static void draw_select(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape_filled(t, 1, RANKS));
    uint32_t dim = table_below(t, x->shape.rank), size = x->shape.dims[dim],
             index = table_below(t, size);
    vkd_shape shape = {.rank = x->shape.rank - 1};
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = x->shape.dims[d + (d >= dim)];
    table_tensor *source = draw_source(t, x, shape);
    table_int(t, table_from_an_end(t, dim, x->shape.rank));
    table_size(t, table_from_an_end(t, index, size));
    table_tensor *y = draw_result(t, x);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK];
        table_places(&y->shape, i, at);
        if (at[dim] != index)
            continue;
        memmove(at + dim, at + dim + 1, (VKD_MAX_RANK - 1 - dim) * sizeof *at);
        y->values[i] = source->values[table_place(&shape, at)];
    }
}

/* ------------------------------------------------------------------------------------- by index */

/* Entry by entry: of several at one place the last one stays, and sums are stored, which rounds
 * them, at every one. */
static void put(table_tensor *y, size_t at, double value, bool adds)
{
    if (adds && table_is_float(y->dtype))
        value = table_stored(y->dtype, (float)(y->values[at] + value));
    else if (adds)
        value = table_wrapped_to(y->dtype, (int64_t)y->values[at] + (int64_t)value);
    y->values[at] = value;
}

static uint32_t draw_types(bool adds) { return adds ? TABLE_FLOATS | TABLE_INTS : TABLE_ALL; }

/* False where there is no such place: what is written there is dropped. */
static bool find_place(double index, uint32_t size, uint32_t *out)
{
    double place = index < 0 ? index + size : index;
    *out = (uint32_t)(place < 0 ? 0 : place);
    return place >= 0 && place < size;
}

/* x[i, :, j] = source, which broadcasts to the dims of that. */
static void draw_index_put(table *t)
{
    bool adds = table_chance(t, 2);
    vkd_shape full = table_shape_filled(t, 1, RANKS);
    table_indexing indexing;
    table_tensor *x = table_drawn(t, table_dtype(t, draw_types(adds)), full, -300, 300);
    table_draw_indexing(t, full, &indexing);
    const vkd_shape shape = indexing.result;
    table_tensor *source = table_drawn(t, x->dtype, table_narrowed(t, shape), -300, 300);
    table_bool(t, adds);
    table_tensor *y = draw_result(t, x);
    size_t count = (size_t)vkd_dims_count(shape.rank, shape.dims);
    for (size_t i = 0; i < count; i++) {
        uint32_t to[VKD_MAX_RANK];
        if (table_indexed(&indexing, i, to))
            put(y, table_place(&full, to),
                source->values[table_broadcast_index(&source->shape, &shape, i)], adds);
    }
}

/* x[:, mask] = source, of which one entry is for all that the mask chooses. */
static void draw_mask_put(table *t)
{
    bool adds = table_chance(t, 2);
    table_tensor *x = table_drawn(t, table_dtype(t, draw_types(adds)),
                                  table_shape_filled(t, 1, RANKS), -300, 300);
    const vkd_shape full = x->shape;
    const uint32_t at = table_below(t, full.rank), rank = 1 + table_below(t, full.rank - at),
                   end = at + rank;
    vkd_shape shape = {.rank = rank}, chosen = {.rank = full.rank - rank + 1};
    memcpy(shape.dims, full.dims + at, rank * sizeof *shape.dims);
    for (uint32_t d = 0; d < chosen.rank; d++)
        chosen.dims[d] = d < at ? full.dims[d] : d == at ? 1 : full.dims[d + rank - 1];
    for (uint32_t d = 0; d < at; d++)
        table_null(t);
    table_tensor *mask = table_any(t, TABLE_BOOL, shape);
    table_gather(t, at + 1);
    table_tensor *source = table_drawn(t, x->dtype, table_narrowed(t, chosen), -300, 300);
    table_bool(t, adds);
    table_tensor *y = draw_result(t, x);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t place[VKD_MAX_RANK], from[VKD_MAX_RANK];
        table_places(&full, i, place);
        if (mask->values[table_place(&shape, place + at)] == 0)
            continue;
        for (uint32_t d = 0; d < chosen.rank; d++)
            from[d] = d < at ? place[d] : d == at ? 0 : place[d - 1 + (end - at)];
        put(y, i,
            source->values[table_broadcast_index(&source->shape, &chosen,
                                                 table_place(&chosen, from))],
            adds);
    }
}

enum { REPLACE, ADD, NUMBER };

/* The indices have entries for a part of x along the other dims. */
static void draw_scatter(table *t)
{
    const int code = t->row->code;
    vkd_shape full = table_shape_filled(t, 0, RANKS), shape = full;
    table_tensor *x = table_drawn(t, table_dtype(t, draw_types(code == ADD)), full, -300, 300);
    uint32_t dim = table_dim(t, full.rank);
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] -= table_chance(t, 4) ? table_below(t, shape.dims[d]) : 0;
    if (shape.rank)
        shape.dims[dim] = shape.rank == 1 && table_chance(t, 2) ? 40000 : table_below(t, 9);
    table_tensor *index = table_indices(t, shape, full.rank ? full.dims[dim] : 1);
    vkd_shape larger = shape;
    for (uint32_t d = 0; d < larger.rank; d++)
        larger.dims[d] += table_chance(t, 3);
    table_tensor *source = NULL;
    const int32_t number = (int32_t)table_below(t, x->dtype == VKD_DTYPE_BOOL ? 2 : 100);
    if (code == NUMBER)
        table_size(t, number);
    else
        source = table_drawn(t, x->dtype, larger, -300, 300);
    table_tensor *y = draw_result(t, x);
    for (size_t i = 0; i < index->count; i++) {
        uint32_t at[VKD_MAX_RANK] = {0};
        table_places(&shape, i, at);
        double value = source ? source->values[table_place(&larger, at)] : number;
        if (find_place(index->values[i], full.rank ? full.dims[dim] : 1, &at[dim]))
            put(y, table_place(&full, at), value, code == ADD);
    }
}

/* ---------------------------------------------------------------------- copies, sums, no values */

static void draw_copy(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 6));
    table_tensor *source =
        table_drawn(t, table_dtype(t, TABLE_ALL), table_narrowed(t, x->shape), 0, 120);
    table_bool(t, false); /* non_blocking */
    table_tensor *y = table_output(t, x->dtype, x->shape);
    for (size_t i = 0; i < y->count; i++) {
        double value = source->values[table_broadcast_index(&source->shape, &y->shape, i)];
        bool truth = y->dtype == VKD_DTYPE_BOOL;
        y->values[i] = truth                      ? value != 0
                       : table_is_float(y->dtype) ? table_stored(y->dtype, value)
                                                  : trunc(value);
    }
}

static void draw_cumsum(table *t)
{
    table_tensor *x = table_drawn(t, table_dtype(t, TABLE_ALL), table_shape(t, 0, 6), -300, 300);
    bool other = table_chance(t, 4), real = table_is_float(x->dtype) != other;
    uint32_t dim = table_dim(t, x->shape.rank), count = x->shape.rank ? x->shape.dims[dim] : 1;
    table_null(t); /* dtype */
    table_tensor *y = table_output(t,
                                   !real   ? VKD_DTYPE_INT32
                                   : other ? VKD_DTYPE_FLOAT32
                                           : x->dtype,
                                   x->shape);
    size_t step = 1;
    for (uint32_t d = dim + 1; d < x->shape.rank; d++)
        step *= x->shape.dims[d];
    table_scales(t, y);
    y->relative = real ? 1e-5 : 0;
    for (size_t i = 0; i < y->count; i++) {
        bool is_first = i / step % count == 0;
        const double term = real ? x->values[i] : trunc(x->values[i]);
        y->values[i] = term + (is_first ? 0 : y->values[i - step]);
        y->scales[i] = fabs(x->values[i]) + (is_first ? 0 : y->scales[i - step]);
    }
}

/* Nobody may count on values; here they are 0s, so that runs are alike. */
static void draw_empty(table *t)
{
    vkd_shape shape = table_shape(t, 0, 8);
    int64_t sizes[VKD_MAX_RANK];
    for (uint32_t d = 0; d < shape.rank; d++)
        sizes[d] = shape.dims[d];
    table_sizes(t, shape.rank, sizes);
    table_null(t); /* dim_order */
    table_output(t, table_dtype(t, TABLE_ALL), shape);
}

static const table_case cases[] = {
    {"aten::slice_scatter.out", draw_slice},
    {"aten::select_scatter.out", draw_select},
    {"aten::index_put.out", draw_index_put},
    {"aten::index_put.out", draw_mask_put},
    {"aten::index_put_", draw_index_put},
    {"aten::index_put_", draw_mask_put},
    {"aten::scatter.src_out", draw_scatter, REPLACE},
    {"aten::scatter.value_out", draw_scatter, NUMBER},
    {"aten::scatter_add.out", draw_scatter, ADD},
    {"aten::copy_", draw_copy},
    {"aten::cumsum.out", draw_cumsum},
    {"dim_order_ops::_empty_dim_order.out", draw_empty},
};
const table_family table_put = TABLE_FAMILY(cases);
