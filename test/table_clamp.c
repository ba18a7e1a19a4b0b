/* Cases of ops/clamp.c, without what is int8. */
#include "table_families.h"

#include <math.h>

typedef struct bound {
    bool given;
    double value;
} bound;

static bound draw_bound(table *t, vkd_dtype dtype)
{
    static const double reals[] = {-0.5,      0.75, 1.797e308, -1.797e308, INFINITY,
                                   -INFINITY, 2.5,  -2.5,      1e9,        NAN};
    static const int64_t ints[] = {
        0, -3, 7, 16777217, -16777219, INT32_MAX, INT32_MIN, (int64_t)1 << 40, -((int64_t)1 << 40)};
    bound b = {true, 0};
    if (table_chance(t, 4)) {
        table_null(t);
        return (bound){false, 0};
    }
    if (table_chance(t, 2)) {
        int64_t number = ints[table_below(t, sizeof ints / sizeof *ints)];
        if (number == (int32_t)number)
            table_size(t, number);
        else
            table_int(t, number);
        b.value = (double)number;
    } else {
        b.value = reals[table_below(t, sizeof reals / sizeof *reals)];
        table_double(t, b.value);
    }
    if (table_is_float(dtype))
        b.value = (double)(float)b.value;
    else
        b = (bound){!isnan(b.value), trunc(b.value)};
    return b;
}

static double clamped(double x, bound low, bound high)
{
    if (low.given && high.given && (isnan(low.value) || isnan(high.value)))
        return NAN; /* one alone is no bound */
    x = low.given && x < low.value ? low.value : x;
    return high.given && x > high.value ? high.value : x;
}

static void finish(table *t, const table_tensor *x, vkd_dtype to, bound low, bound high)
{
    table_tensor *y = table_output(t, to, x->shape);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = clamped(table_stored(to, x->values[i]), low, high);
}

static table_tensor *draw_x(table *t, vkd_dtype dtype)
{
    table_tensor *x = table_input(t, dtype, table_shape(t, 0, 8));
    table_uniform(t, x, -9, 9);
    table_extremes(t, x);
    return x;
}

/* The result's type decides: floats of ints, too. NaN is no bound of ints. */
static void draw_clamp(table *t)
{
    vkd_dtype from = table_dtype(t, TABLE_FLOATS | TABLE_I32);
    vkd_dtype to = from == VKD_DTYPE_INT32 && table_chance(t, 2) ? VKD_DTYPE_FLOAT32 : from;
    table_tensor *x = draw_x(t, from);
    bound low = draw_bound(t, to), high = draw_bound(t, to);
    finish(t, x, to, low, high);
}

/* code: the upper bound; 0: none. */
static void draw_relu(table *t)
{
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS | TABLE_INTS);
    table_tensor *x = draw_x(t, dtype);
    finish(t, x, dtype, (bound){true, 0}, (bound){t->row->code != 0, t->row->code});
}

static const table_case cases[] = {
    {"aten.hardtanh.default", draw_clamp}, {"aten.clamp.default", draw_clamp},
    {"aten.relu.default", draw_relu, 0},   {"aten.relu6.default", draw_relu, 6},
    {"aten::hardtanh.out", draw_clamp},    {"aten::clamp.out", draw_clamp},
    {"aten::relu.out", draw_relu, 0},
};
const table_family table_clamp = TABLE_FAMILY(cases);
