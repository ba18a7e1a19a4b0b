/* Cases of ops/cat.c. */
#include "table_families.h"

static table_tensor *draw_part(table *t, vkd_dtype dtype, vkd_shape shape, uint32_t dim,
                               bool may_be_nothing)
{
    static const vkd_shape nothing = {1, {0}};
    shape.dims[dim] = table_chance(t, 8) ? 0 : 1 + table_below(t, 7);
    bool is_nothing = may_be_nothing && table_chance(t, 8);
    table_tensor *x = table_drawn(t, dtype, is_nothing ? nothing : shape, -300, 300);
    table_extremes(t, x);
    return x;
}

/* A tensor of rank 1 without elements is left out, whatever the others' rank. */
static void draw_cat(table *t)
{
    vkd_shape shape = table_shape_filled(t, 1, 8);
    vkd_dtype dtype = table_dtype(t, TABLE_ALL);
    uint32_t count = 1 + table_below(t, 5), dim = table_below(t, shape.rank), at = 0;
    table_tensor *parts[5];
    shape.dims[dim] = 0;
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = draw_part(t, dtype, shape, dim, i + 1 < count);
        at += parts[i]->count ? parts[i]->shape.dims[dim] : 0;
    }
    table_gather(t, count);
    table_int(t, table_from_an_end(t, dim, shape.rank));
    shape.dims[dim] = at;
    table_tensor *y = table_output(t, dtype, shape);
    at = 0;
    for (uint32_t p = 0; p < count; p++) {
        const table_tensor *x = parts[p];
        for (size_t i = 0; i < x->count; i++) {
            uint32_t to[VKD_MAX_RANK];
            table_places(&x->shape, i, to);
            to[dim] += at;
            y->values[table_place(&y->shape, to)] = x->values[i];
        }
        at += x->count ? x->shape.dims[dim] : 0;
    }
}

static void draw_stack(table *t)
{
    vkd_shape shape = table_shape(t, 0, 7), whole = {.rank = shape.rank + 1};
    vkd_dtype dtype = table_dtype(t, TABLE_ALL);
    uint32_t count = 1 + table_below(t, 5), dim = table_below(t, whole.rank);
    table_tensor *parts[5];
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = table_drawn(t, dtype, shape, -300, 300);
        table_extremes(t, parts[i]);
    }
    table_gather(t, count);
    table_int(t, table_from_an_end(t, dim, whole.rank));
    for (uint32_t d = 0; d < whole.rank; d++)
        whole.dims[d] = d == dim ? count : shape.dims[d - (d > dim)];
    table_tensor *y = table_output(t, dtype, whole);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK], from[VKD_MAX_RANK] = {0};
        table_places(&whole, i, at);
        for (uint32_t d = 0; d < shape.rank; d++)
            from[d] = at[d + (d >= dim)];
        y->values[i] = parts[at[dim]]->values[table_place(&shape, from)];
    }
}

static const table_case cases[] = {
    {"aten.cat.default", draw_cat},
    {"aten::cat.out", draw_cat},
    {"aten::stack.out", draw_stack},
};
const table_family table_cat = TABLE_FAMILY(cases);
