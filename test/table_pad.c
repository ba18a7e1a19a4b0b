/* Cases of ops/pad.c. */
#include "table_families.h"

/* Each dim is padded or cropped at either end, from the last on. */
static size_t draw_pads(table *t, vkd_shape *shape, int64_t *before)
{
    uint32_t padded = table_below(t, (shape->rank < 4 ? shape->rank : 4) + 1);
    for (uint32_t i = 0; i < padded; i++) {
        uint32_t d = shape->rank - 1 - i;
        int32_t size = (int32_t)shape->dims[d];
        int32_t first = random_range(t->random, table_chance(t, 3) ? -size : 0, 3);
        int32_t last = random_range(t->random,
                                    table_chance(t, 3) ? -(size + first)
                                    : first < 0        ? -(size + first)
                                                       : 0,
                                    3);
        before[d] = first;
        shape->dims[d] = (uint32_t)(size + first + last);
        table_size(t, first);
        table_size(t, last);
    }
    return 2 * (size_t)padded;
}

static double draw_number(table *t, vkd_dtype dtype)
{
    static const int64_t ints[] = {0, 1, -1, 127, 16777217, -16777219};
    static const double reals[] = {0, -1.5, 1.0 / 0.0, -1.0 / 0.0, 3.140625};
    bool small = dtype == VKD_DTYPE_BOOL || dtype == VKD_DTYPE_UINT8;
    if (table_is_float(dtype) && table_chance(t, 2)) {
        double real = reals[table_below(t, 5)];
        table_double(t, real);
        return real;
    }
    int64_t number = ints[table_below(t, small ? 2 : dtype == VKD_DTYPE_INT32 ? 6 : 4)];
    table_int(t, number);
    return (double)number;
}

static void draw_pad(table *t)
{
    int64_t before[VKD_MAX_RANK] = {0};
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 6));
    vkd_shape shape = x->shape;
    table_gather(t, draw_pads(t, &shape, before));
    double number = draw_number(t, x->dtype);
    table_tensor *y = table_output(t, x->dtype, shape);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK];
        bool inside = true;
        table_places(&shape, i, at);
        for (uint32_t d = 0; d < shape.rank; d++) {
            inside &= at[d] >= before[d] && at[d] - before[d] < x->shape.dims[d];
            at[d] -= (uint32_t)before[d];
        }
        y->values[i] = inside ? x->values[table_place(&x->shape, at)] : number;
    }
}

static void draw_repeat(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 4));
    /* of the dims that are repeated and have repeats, at most 8: more are not supported */
    uint32_t more = table_below(t, x->shape.rank < 4 ? 3 : 1);
    vkd_shape shape = {.rank = x->shape.rank + more};
    int64_t repeats[VKD_MAX_RANK];
    for (uint32_t d = 0; d < shape.rank; d++) {
        repeats[d] = table_chance(t, 12) ? 0 : 1 + table_below(t, 3) * table_below(t, 2);
        shape.dims[d] = (uint32_t)repeats[d] * (d < more ? 1 : x->shape.dims[d - more]);
    }
    table_sizes(t, shape.rank, repeats);
    table_tensor *y = table_output(t, x->dtype, shape);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK];
        table_places(&shape, i, at);
        for (uint32_t d = 0; d < x->shape.rank; d++)
            at[more + d] %= x->shape.dims[d];
        y->values[i] = x->values[table_place(&x->shape, at + more)];
    }
}

static const table_case cases[] = {
    {"aten.constant_pad_nd.default", draw_pad},
    {"aten::constant_pad_nd.out", draw_pad},
    {"aten.repeat.default", draw_repeat},
    {"aten::repeat.out", draw_repeat},
};
const table_family table_pad = TABLE_FAMILY(cases);
