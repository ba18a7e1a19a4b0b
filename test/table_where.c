/* Cases of ops/where.c. */
#include "table_families.h"

static table_tensor *draw_condition(table *t, vkd_shape shape)
{
    table_tensor *condition = table_input(t, VKD_DTYPE_BOOL, shape);
    table_uniform(t, condition, 0, 1);
    return condition;
}

static table_tensor *draw_operand(table *t, vkd_dtype dtype, vkd_shape shape)
{
    table_tensor *x = table_input(t, dtype, shape);
    table_uniform(t, x, -300, 300);
    table_extremes(t, x);
    return x;
}

static double at(const table_tensor *x, const table_tensor *y, size_t i)
{
    return x->values[table_broadcast_index(&x->shape, &y->shape, i)];
}

/* One of the three, at least, has all dims. */
static void draw_where(table *t)
{
    vkd_shape full = table_shape(t, 0, 8);
    uint32_t whole = table_below(t, 3);
    vkd_dtype dtype = table_dtype(t, TABLE_ALL);
    table_tensor *c = draw_condition(t, whole == 0 ? full : table_narrowed(t, full));
    table_tensor *a = draw_operand(t, dtype, whole == 1 ? full : table_narrowed(t, full));
    table_tensor *b = draw_operand(t, dtype, whole == 2 ? full : table_narrowed(t, full));
    table_tensor *y = table_output(t, dtype, full);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = at(c, y, i) != 0 ? at(a, y, i) : at(b, y, i);
}

static void draw_fill(table *t)
{
    vkd_shape full = table_shape(t, 0, 8);
    vkd_dtype dtype = table_dtype(t, TABLE_ALL);
    bool swap = table_chance(t, 2);
    table_tensor *x = draw_operand(t, dtype, swap ? table_narrowed(t, full) : full);
    table_tensor *c = draw_condition(t, swap ? full : table_narrowed(t, full));
    double number =
        dtype == VKD_DTYPE_BOOL ? (int32_t)table_below(t, 2) : random_range(t->random, 0, 100);
    if (table_is_float(dtype))
        table_double(t, number -= 50.25);
    else
        table_size(t, (int64_t)number);
    table_tensor *y = table_output(t, dtype, full);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = at(c, y, i) != 0 ? number : at(x, y, i);
}

static void draw_fill_tensor(table *t)
{
    vkd_shape full = table_shape(t, 0, 8);
    vkd_dtype dtype = table_dtype(t, TABLE_ALL);
    bool swap = table_chance(t, 2);
    table_tensor *x = draw_operand(t, dtype, swap ? table_narrowed(t, full) : full);
    table_tensor *c = draw_condition(t, swap ? full : table_narrowed(t, full));
    table_tensor *value = draw_operand(t, dtype, (vkd_shape){0});
    table_tensor *y = table_output(t, dtype, full);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = at(c, y, i) != 0 ? *value->values : at(x, y, i);
}

static void draw_triangle(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 2, 8));
    const uint32_t rank = x->shape.rank;
    int64_t diagonal = table_chance(t, 3) ? 0 : random_range(t->random, -6, 6);
    table_size(t, diagonal);
    table_tensor *y = table_output(t, x->dtype, x->shape);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t place[VKD_MAX_RANK];
        table_places(&x->shape, i, place);
        int64_t right = (int64_t)place[rank - 1] - place[rank - 2];
        bool stays = t->row->code ? right >= diagonal : right <= diagonal;
        y->values[i] = stays ? x->values[i] : 0;
    }
}

static const table_case cases[] = {
    {"aten::tril.out", draw_triangle, false},
    {"aten::triu.out", draw_triangle, true},
    {"aten::masked_fill.Tensor_out", draw_fill_tensor},
    {"aten.where.self", draw_where},
    {"aten::where.self_out", draw_where},
    {"aten::masked_fill.Scalar_out", draw_fill},
};
const table_family table_where = TABLE_FAMILY(cases);
