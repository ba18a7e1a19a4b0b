/* Cases of ops/pad.c. */
#include "table_families.h"

/* Each dim is padded or cropped at either end, from the last on. */
static size_t draw_pads(table *t, vkd_shape *shape, int64_t *before)
{
    uint32_t padded = table_chance(t, 3) ? shape->rank : table_below(t, shape->rank + 1);
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
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, table_chance(t, 6) ? 7 : 0, 8));
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
    bool many = table_chance(t, 6);
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, many ? 5 : 0, many ? 7 : 4));
    uint32_t more = table_below(t, many ? 2 : 3);
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

/* ----------------------------------------------------------------------------- more of x itself */

enum { MIRROR = 10, NEAREST = 20 }; /* and how many dims */

/* Where one beside x is taken from. */
static int64_t inside(int kind, int64_t at, int64_t size)
{
    if (kind == NEAREST)
        return at < 0 ? 0 : at >= size ? size - 1 : at;
    return at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at;
}

static void draw_border(table *t)
{
    const uint32_t padded = (uint32_t)t->row->code % 10, rank = padded + 1 + table_below(t, 2);
    const int kind = t->row->code / 10 * 10;
    int64_t before[VKD_MAX_RANK] = {0};
    table_tensor *x = table_any(t, TABLE_ALL, table_shape_filled(t, rank, rank));
    vkd_shape shape = x->shape;
    for (uint32_t d = rank; d-- > rank - padded;) {
        const int32_t size = (int32_t)shape.dims[d], most = kind == MIRROR ? size - 1 : 4;
        int32_t first = random_range(t->random, table_chance(t, 6) && size > 1 ? -1 : 0, most),
                last = random_range(t->random, 0, most);
        before[d] = first;
        shape.dims[d] = (uint32_t)(size + first + last);
        table_size(t, first);
        table_size(t, last);
    }
    table_gather(t, 2 * padded);
    table_tensor *y = table_output(t, x->dtype, shape);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK];
        table_places(&shape, i, at);
        for (uint32_t d = rank - padded; d < rank; d++)
            at[d] = (uint32_t)inside(kind, at[d] - before[d], x->shape.dims[d]);
        y->values[i] = x->values[table_place(&x->shape, at)];
    }
}

/* ------------------------------------------------------------------------- shifts, slow repeats */

static int64_t draw_shift(table *t, uint32_t size)
{
    return random_range(t->random, -2 * (int32_t)size - 1, 2 * (int32_t)size + 1);
}

static uint32_t shifted(uint32_t at, int64_t shift, uint32_t size)
{
    return (uint32_t)(((at - shift) % size + size) % size);
}

static void draw_roll(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 0, 8));
    uint32_t order[VKD_MAX_RANK], rank = x->shape.rank, count = table_below(t, rank + 1);
    int64_t shifts[VKD_MAX_RANK] = {0}, dims[VKD_MAX_RANK], of[VKD_MAX_RANK] = {0};
    table_order(t, rank, order);
    shifts[0] = draw_shift(t, (uint32_t)x->count);
    for (uint32_t i = 0; i < count; i++) {
        of[order[i]] = shifts[i] = draw_shift(t, x->shape.dims[order[i]]);
        dims[i] = table_from_an_end(t, order[i], rank);
    }
    table_sizes(t, count ? count : 1, shifts);
    table_ints(t, count, dims);
    table_tensor *y = table_output(t, x->dtype, x->shape);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK];
        table_places(&x->shape, i, at);
        for (uint32_t d = 0; d < rank; d++)
            at[d] = shifted(at[d], of[d], x->shape.dims[d]);
        y->values[i] = x->values[count ? table_place(&x->shape, at)
                                       : shifted((uint32_t)i, shifts[0], (uint32_t)x->count)];
    }
}

static void draw_interleave(table *t)
{
    table_tensor *x = table_any(t, TABLE_ALL, table_shape(t, 1, 8));
    const bool flat = table_chance(t, 3);
    uint32_t repeats = table_below(t, 5), dim = 0;
    vkd_shape shape = x->shape;
    table_size(t, repeats);
    if (flat) {
        table_null(t);
        shape = (vkd_shape){1, {(uint32_t)x->count}};
    } else {
        dim = table_dim(t, shape.rank);
    }
    table_null(t); /* output_size */
    shape.dims[dim] *= repeats;
    table_tensor *y = table_output(t, x->dtype, shape);
    for (size_t i = 0; i < y->count; i++) {
        uint32_t at[VKD_MAX_RANK];
        table_places(&shape, i, at);
        at[dim] /= repeats;
        y->values[i] = x->values[flat ? at[0] : table_place(&x->shape, at)];
    }
}

static const table_case cases[] = {
    {"aten::reflection_pad1d.out", draw_border, MIRROR + 1},
    {"aten::reflection_pad2d.out", draw_border, MIRROR + 2},
    {"aten::reflection_pad3d.out", draw_border, MIRROR + 3},
    {"aten::replication_pad1d.out", draw_border, NEAREST + 1},
    {"aten::replication_pad2d.out", draw_border, NEAREST + 2},
    {"aten::replication_pad3d.out", draw_border, NEAREST + 3},
    {"aten::roll.out", draw_roll},
    {"aten.repeat_interleave.self_int", draw_interleave},
    {"aten.constant_pad_nd.default", draw_pad},
    {"aten::constant_pad_nd.out", draw_pad},
    {"aten.repeat.default", draw_repeat},
    {"aten::repeat.out", draw_repeat},
};
const table_family table_pad = TABLE_FAMILY(cases);
