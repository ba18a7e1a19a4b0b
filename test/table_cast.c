/* Cases of ops/cast.c and ops/view.c: casts and copies. */
#include "table_families.h"

#include <math.h>

/* As the device converts: floats to ints towards zero, what does not fit saturates; ints to ints by
 * their low bits. */
static double converted(vkd_dtype from, vkd_dtype to, double value)
{
    if (to == VKD_DTYPE_BOOL)
        return value != 0;
    if (table_is_float(to))
        return table_stored(to, value);
    if (table_is_float(from))
        value = isnan(value)             ? 0
                : value >= 2147483648.0  ? INT32_MAX
                : value <= -2147483648.0 ? INT32_MIN
                                         : trunc(value);
    uint32_t bits = (uint32_t)(int64_t)value;
    return to == VKD_DTYPE_INT32  ? (double)(int32_t)bits
           : to == VKD_DTYPE_INT8 ? (double)(int8_t)bits
                                  : (double)(uint8_t)bits;
}

static table_tensor *draw_x(table *t, vkd_dtype dtype)
{
    table_tensor *x = table_input(t, dtype, table_shape(t, 0, 8));
    table_uniform(t, x, -300, 300);
    table_extremes(t, x);
    return x;
}

static void finish(table *t, const table_tensor *x, vkd_dtype to)
{
    table_tensor *y = table_output(t, to, x->shape);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = converted(x->dtype, to, x->values[i]);
}

static void draw_cast(table *t)
{
    table_tensor *x = draw_x(t, table_dtype(t, table_chance(t, 2) ? TABLE_FLOATS : TABLE_ALL));
    for (int i = 0; i < 6; i++)
        table_null(t);
    finish(t, x, table_dtype(t, table_chance(t, 2) ? TABLE_FLOATS : TABLE_ALL));
}

/* code: how many arguments there are between x and y. */
static void draw_copy(table *t)
{
    table_tensor *x = draw_x(t, table_dtype(t, TABLE_ALL));
    for (int i = 0; i < t->row->code; i++)
        table_null(t);
    finish(t, x, x->dtype);
}

/* src broadcasts to what it is copied to. code: how many arguments there are between src and y. */
static void draw_broadcast(table *t)
{
    vkd_shape full = table_shape(t, 0, 8);
    table_tensor *like = table_input(t, table_dtype(t, TABLE_ALL), full);
    table_tensor *x = table_input(t, table_dtype(t, TABLE_ALL),
                                  t->row->code ? table_narrowed(t, full) : (vkd_shape){0});
    table_uniform(t, x, -300, 300);
    table_extremes(t, x);
    for (int i = 0; i < t->row->code; i++)
        table_null(t);
    table_tensor *y = table_output(t, like->dtype, full);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] =
            converted(x->dtype, y->dtype, x->values[table_broadcast_index(&x->shape, &full, i)]);
}

static void draw_cast_out(table *t)
{
    table_tensor *x = draw_x(t, table_dtype(t, TABLE_ALL));
    table_null(t);
    table_null(t);
    finish(t, x, table_dtype(t, TABLE_ALL));
}

static const table_case cases[] = {
    {"et_vk.prepack.default", draw_copy, 0},
    {"aten._to_copy.default", draw_cast},
    {"dim_order_ops._to_dim_order_copy.default", draw_cast},
    {"dim_order_ops._clone_dim_order.default", draw_copy, 2},
    {"aten.alias_copy.default", draw_copy, 0},
    {"aten.clone.default", draw_copy, 1},
    {"aten.copy.default", draw_broadcast, 1},
    {"aten::copy.out", draw_broadcast, 1},
    {"aten::fill.Tensor_out", draw_broadcast, 0},
    {"aten::_to_copy.out", draw_cast_out},
    {"dim_order_ops::_to_dim_order_copy.out", draw_cast_out},
    {"dim_order_ops::_clone_dim_order.out", draw_copy, 2},
    {"aten::clone.out", draw_copy, 1},
    {"aten::alias_copy.out", draw_copy, 0},
    {"aten::detach_copy.out", draw_copy, 0},
    {"aten::lift_fresh_copy.out", draw_copy, 0},
    {"et_copy::_h2d_copy.out", draw_copy, 0},
    {"et_copy::_d2h_copy.out", draw_copy, 0},
    {"aten::_conj_physical.out", draw_copy, 0},
};
const table_family table_cast = TABLE_FAMILY(cases);
