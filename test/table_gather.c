/* Cases of ops/gather.c. */
#include "table_families.h"

#include <string.h>

/* What is beyond the last place, or before the first, is that place. */
static uint32_t place_of(double index, uint32_t size)
{
    double place = index < 0 ? index + size : index;
    return place < 0 ? 0 : place >= size ? size - 1 : (uint32_t)place;
}

static void draw_gather(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape_filled(t, 0, 8));
    vkd_shape shape = x->shape;
    uint32_t dim = table_dim(t, shape.rank), size = shape.rank ? shape.dims[dim] : 1;
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = d == dim ? table_below(t, 10) : 1 + table_below(t, shape.dims[d]);
    table_tensor *index = table_indices(t, shape, size);
    table_bool(t, false); /* sparse_grad */
    table_tensor *y = table_output(t, x->dtype, shape);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK];
        table_places(&shape, i, at);
        at[dim] = place_of(index->values[i], size);
        y->values[i] = x->values[table_place(&x->shape, at)];
    }
}

/* y is x with `kept` dims, those of the index, in place of dim. */
static void expect_slices(table *t, const table_tensor *x, uint32_t dim, const table_tensor *index,
                          uint32_t kept)
{
    vkd_shape shape = {.rank = x->shape.rank - 1 + kept};
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = d < dim          ? x->shape.dims[d]
                        : d < dim + kept ? index->shape.rank ? index->shape.dims[d - dim] : 1
                                         : x->shape.dims[d - kept + 1];
    table_tensor *y = table_output(t, x->dtype, shape);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK], from[VKD_MAX_RANK];
        table_places(&shape, i, at);
        double chosen = index->values[table_place(&index->shape, at + dim)];
        memcpy(from, at, dim * sizeof *at);
        for (uint32_t d = dim + 1; d < x->shape.rank; d++)
            from[d] = at[d + kept - 1];
        from[dim] = place_of(chosen, x->shape.dims[dim]);
        y->values[i] = x->values[table_place(&x->shape, from)];
    }
}

static void draw_select(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape_filled(t, 1, 8));
    uint32_t dim = table_dim(t, x->shape.rank);
    vkd_shape shape = {table_below(t, 2), {table_below(t, 20)}};
    expect_slices(t, x, dim, table_indices(t, shape, x->shape.dims[dim]), 1);
}

static void draw_embedding(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape_filled(t, 2, 2));
    table_tensor *index = table_indices(t, table_shape(t, 0, 5), x->shape.dims[0]);
    table_int(t, -1); /* padding_idx, scale_grad_by_freq, sparse */
    table_bool(t, false);
    table_bool(t, false);
    expect_slices(t, x, 0, index, index->shape.rank);
}

static void draw_index(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape_filled(t, 1, 8));
    table_indexing indexing;
    table_draw_indexing(t, x->shape, &indexing);
    table_tensor *y = table_output(t, x->dtype, indexing.result);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t from[VKD_MAX_RANK];
        (void)table_indexed(&indexing, i, from);
        y->values[i] = x->values[table_place(&x->shape, from)];
    }
}

static const table_case cases[] = {
    {"aten.gather.default", draw_gather},       {"aten::gather.out", draw_gather},
    {"aten.index_select.default", draw_select}, {"aten::index_select.out", draw_select},
    {"aten.embedding.default", draw_embedding}, {"aten::embedding.out", draw_embedding},
    {"aten.index.Tensor", draw_index},          {"aten::index.Tensor_out", draw_index},
};
const table_family table_gathers = TABLE_FAMILY(cases);
