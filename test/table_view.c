/* Cases of ops/view.c: the elements in their order, under other dims. */
#include "table_families.h"

#include <string.h>

static void expect_same(table *t, const table_tensor *x, vkd_shape shape)
{
    table_tensor *y = table_output(t, x->dtype, shape);
    memcpy(y->values, x->values, y->count * sizeof *y->values);
}

/* Prime factors, each given to a dim. */
static vkd_shape draw_other_dims(table *t, size_t count)
{
    vkd_shape shape = {.rank = count == 1 ? table_below(t, 9) : 1 + table_below(t, 8)};
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = 1;
    for (uint32_t factor = 2; count > 1; factor++)
        for (; count % factor == 0; count /= factor)
            shape.dims[table_below(t, shape.rank)] *= factor;
    if (!count)
        shape.dims[table_below(t, shape.rank)] = 0;
    return shape;
}

static void draw_view(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 8));
    vkd_shape shape = draw_other_dims(t, x->count);
    int64_t sizes[VKD_MAX_RANK];
    for (uint32_t d = 0; d < shape.rank; d++)
        sizes[d] = shape.dims[d];
    if (x->count && shape.rank && table_chance(t, 2))
        sizes[table_below(t, shape.rank)] = -1;
    table_sizes(t, shape.rank, sizes);
    expect_same(t, x, shape);
}

enum { ONE, LIST };

static void draw_squeeze(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 8));
    bool listed[VKD_MAX_RANK] = {false};
    if (t->row->code == LIST)
        table_listed(t, x->shape.rank, listed);
    else
        listed[table_dim(t, x->shape.rank)] = true;
    vkd_shape shape = {0};
    for (uint32_t d = 0; d < x->shape.rank; d++)
        if (!listed[d] || x->shape.dims[d] != 1)
            shape.dims[shape.rank++] = x->shape.dims[d];
    expect_same(t, x, shape);
}

static void draw_unsqueeze(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 7));
    uint32_t dim = table_dim(t, x->shape.rank + 1);
    vkd_shape shape = {.rank = x->shape.rank + 1};
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = d == dim ? 1 : x->shape.dims[d - (d > dim)];
    expect_same(t, x, shape);
}

static void draw_clone(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 8));
    table_null(t); /* memory_format */
    expect_same(t, x, x->shape);
}

static const table_case cases[] = {
    {"aten.view_copy.default", draw_view},
    {"aten::view_copy.out", draw_view},
    {"executorch_prim::et_view.default", draw_view},
    {"aten.squeeze_copy.dim", draw_squeeze, ONE},
    {"aten::squeeze_copy.dim_out", draw_squeeze, ONE},
    {"aten.squeeze_copy.dims", draw_squeeze, LIST},
    {"aten::squeeze_copy.dims_out", draw_squeeze, LIST},
    {"aten.unsqueeze_copy.default", draw_unsqueeze},
    {"aten::unsqueeze_copy.out", draw_unsqueeze},
    {"aten.clone.default", draw_clone},
};
const table_family table_view = TABLE_FAMILY(cases);
