/* Cases of ops/creation.c. */
#include "table_families.h"

#include <float.h>
#include <math.h>

/* How a row says what the dims are, and the value of all elements; and how many arguments nobody
 * reads come behind. */
typedef enum creation_form {
    SIZE = 0,
    LIKE = 16,   /* a tensor that has them */
    SCALAR = 32, /* there are none */
    VALUE = 64,  /* else the value is the row's */
    ONES = 128,
    IGNORED = 15
} creation_form;

static vkd_shape draw_dims(table *t, int form)
{
    vkd_shape shape = table_shape(t, 0, 8);
    if (form & SCALAR)
        shape.rank = 0;
    else if (form & LIKE) {
        table_tensor *x = table_input(t, table_dtype(t, TABLE_ALL), shape);
        table_extremes(t, x);
    } else {
        int64_t sizes[VKD_MAX_RANK];
        for (uint32_t i = 0; i < shape.rank; i++)
            sizes[i] = shape.dims[i];
        table_sizes(t, shape.rank, sizes);
    }
    return shape;
}

static double draw_int(table *t, vkd_dtype dtype)
{
    static const int64_t large[] = {16777217, INT32_MAX, INT32_MIN, ((int64_t)1 << 40) + 5};
    int64_t number = random_range(t->random, -9, 9);
    if (table_chance(t, 3)) {
        number = large[table_below(t, sizeof large / sizeof *large)];
        table_int(t, number);
    } else if (table_chance(t, 3)) {
        number = table_below(t, 2);
        table_bool(t, number);
    } else {
        table_size(t, number);
    }
    return table_is_float(dtype) ? table_stored(dtype, (double)number)
                                 : table_wrapped_to(dtype, number);
}

/* As the type can hold it: a double becomes an int towards zero. */
static double draw_value(table *t, vkd_dtype dtype)
{
    static const double special[] = {1.25, -0.5, INFINITY, -INFINITY, -DBL_MAX, NAN, -3.75};
    if (table_chance(t, 2))
        return draw_int(t, dtype);
    double number = special[table_below(t, sizeof special / sizeof *special)];
    table_double(t, number);
    return table_stored(dtype, number);
}

static void draw_full(table *t)
{
    int form = t->row->code;
    vkd_dtype dtype = table_dtype(t, TABLE_ALL);
    vkd_shape shape = draw_dims(t, form);
    double value = form & VALUE ? draw_value(t, dtype) : form & ONES ? 1 : 0;
    for (int i = 0; i < (form & IGNORED); i++)
        table_null(t);
    table_tensor *y = table_output(t, dtype, shape);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = value;
}

/* --------------------------------------------------------------------------------------- ranges */

typedef struct range {
    double start, step;
    uint32_t count;
} range;

static void finish(table *t, vkd_dtype dtype, range r, int ignored)
{
    for (int i = 0; i < ignored; i++)
        table_null(t);
    table_tensor *y = table_output(t, dtype, (vkd_shape){1, {r.count}});
    y->ulps = table_is_float(dtype) ? 2 : 0;
    for (uint32_t i = 0; i < r.count; i++)
        y->values[i] = r.start + i * r.step;
}

static range draw_int_range(table *t)
{
    static const int32_t starts[] = {0, 3, -7, 16777215};
    int32_t step = random_range(t->random, 1, 4) * (table_chance(t, 3) ? -1 : 1),
            count = random_range(t->random, 0, 40);
    int32_t start = starts[table_below(t, 4)],
            end = start + count * step - (count && step > 1 ? 1 : 0);
    table_size(t, start);
    table_size(t, end);
    table_size(t, step);
    return (range){start, step, (uint32_t)count};
}

static range draw_real_range(table *t)
{
    double step = (double)random_float(t->random, 0.1f, 2) * (table_chance(t, 3) ? -1 : 1),
           start = (double)random_float(t->random, -3, 3);
    uint32_t count = table_below(t, 40);
    table_double(t, start);
    table_double(t, start + (count ? count - 0.5 : 0) * step);
    table_double(t, step);
    return (range){start, step, count};
}

/* code: how many arguments nobody reads come behind. */
static void draw_arange(table *t)
{
    vkd_dtype dtype = table_dtype(t, TABLE_FLOATS | TABLE_I32);
    range r = table_is_float(dtype) && table_chance(t, 2) ? draw_real_range(t) : draw_int_range(t);
    finish(t, dtype, r, t->row->code);
}

static void draw_arange_end(table *t)
{
    uint32_t count = table_below(t, 50);
    if (table_chance(t, 2))
        table_size(t, count);
    else
        table_double(t, count ? count - 0.25 : 0);
    finish(t, table_dtype(t, TABLE_FLOATS | TABLE_I32), (range){0, 1, count}, 0);
}

static const table_case cases[] = {
    {"aten.full.default", draw_full, SIZE | VALUE | 4},
    {"aten.full_like.default", draw_full, LIKE | VALUE | 5},
    {"aten.zeros.default", draw_full, SIZE | 4},
    {"aten.ones.default", draw_full, SIZE | ONES | 4},
    {"aten.zeros_like.default", draw_full, LIKE | 5},
    {"aten.ones_like.default", draw_full, LIKE | ONES | 5},
    {"aten.scalar_tensor.default", draw_full, SCALAR | VALUE | 4},
    {"aten.arange.start_step", draw_arange, 4},
    {"aten::full.out", draw_full, SIZE | VALUE},
    {"aten::full_like.out", draw_full, LIKE | VALUE | 1},
    {"aten::fill.Scalar_out", draw_full, LIKE | VALUE},
    {"aten::zeros.out", draw_full, SIZE},
    {"aten::ones.out", draw_full, SIZE | ONES},
    {"aten::empty.out", draw_full, SIZE | 1},
    {"dim_order_ops::_empty_dim_order.out", draw_full, SIZE | 1},
    {"aten::scalar_tensor.out", draw_full, SCALAR | VALUE},
    {"aten::arange.out", draw_arange_end},
    {"aten::arange.start_out", draw_arange, 0},
};
const table_family table_creation = TABLE_FAMILY(cases);
