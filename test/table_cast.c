/* Cases of ops/cast.c and ops/view.c: casts and copies. */
#include "table_families.h"

#include <math.h>

/* As the device converts: floats to ints towards zero, what does not fit saturates; ints to ints by their low bits. */
static double converted(vkd_dtype from, vkd_dtype to, double value)
{
    if (to == VKD_DTYPE_BOOL)
        return value != 0;
    if (table_is_float(to))
        return table_stored(to, value);
    if (table_is_float(from))
        value = isnan(value) ? 0 : value >= 2147483648.0 ? INT32_MAX : value <= -2147483648.0 ? INT32_MIN : trunc(value);
    uint32_t bits = (uint32_t)(int64_t)value;
    return to == VKD_DTYPE_INT32 ? (double)(int32_t)bits : to == VKD_DTYPE_INT8 ? (double)(int8_t)bits : (double)(uint8_t)bits;
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

static const table_case cases[] = {
    {"et_vk.prepack.default", draw_copy, 0},
    {"aten._to_copy.default", draw_cast},
    {"dim_order_ops._to_dim_order_copy.default", draw_cast},
    {"dim_order_ops._clone_dim_order.default", draw_copy, 2},
    {"aten.alias_copy.default", draw_copy, 0},
    {"aten.clone.default", draw_copy, 1},
};
const table_family table_cast = TABLE_FAMILY(cases);
