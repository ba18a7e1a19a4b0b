/* Cases of ops/compare.c. */
#include "table_families.h"

#include <math.h>

typedef enum function_id {
    EQ,
    NE,
    LT,
    LE,
    GT,
    GE,
    AND,
    OR,
    XOR,
    BIT_AND,
    BIT_OR,
    BIT_XOR,
    SHIFT_LEFT,
    SHIFT_RIGHT
} function_id;

/* By what is no place of a bit nothing is left, but the sign. */
static double shift(bool left, vkd_dtype dtype, int64_t x, int64_t by)
{
    const int64_t bits = 8 * (int64_t)vkd_dtype_size(dtype);
    const bool within = by >= 0 && by < bits;
    if (left)
        return within ? table_wrapped_to(dtype, (int64_t)((uint64_t)x << by)) : 0;
    return (double)(within ? x >> by : x < 0 ? -1 : 0);
}

static double compute(function_id id, double a, double b)
{
    const bool truths[] = {[EQ] = a == b,
                           [NE] = a != b,
                           [LT] = a<b, [LE] = a <= b, [GT] = a> b,
                           [GE] = a >= b,
                           [AND] = a != 0 && b != 0,
                           [OR] = a != 0 || b != 0,
                           [XOR] = (a != 0) != (b != 0)};
    if (id < BIT_AND)
        return truths[id];
    int64_t u = (int64_t)a, v = (int64_t)b;
    return (double)(id == BIT_AND ? u & v : id == BIT_OR ? u | v : u ^ v);
}

/* Many are equal. */
static void draw_values(table *t, table_tensor *x)
{
    for (size_t i = 0; i < x->count; i++)
        x->values[i] = table_stored(x->dtype, (double)random_range(t->random, -3, 3));
    table_extremes(t, x);
}

static vkd_dtype draw_type(table *t, function_id id)
{
    if (id >= BIT_AND)
        return table_dtype(t, id < SHIFT_LEFT ? TABLE_INTS | TABLE_BOOL : TABLE_INTS);
    return table_dtype(t, table_chance(t, 2) ? TABLE_FLOATS | TABLE_I32 : TABLE_ALL);
}

static vkd_dtype result_type(function_id id, vkd_dtype dtype)
{
    return id >= BIT_AND ? dtype : VKD_DTYPE_BOOL;
}

static void draw_tensors(table *t)
{
    function_id id = (function_id)t->row->code;
    vkd_shape full = table_shape(t, 0, 8);
    vkd_dtype dtype = draw_type(t, id);
    bool swap = table_chance(t, 2);
    table_tensor *a = table_input(t, dtype, swap ? table_narrowed(t, full) : full);
    table_tensor *b = table_input(t, dtype, swap ? full : table_narrowed(t, full));
    draw_values(t, a);
    draw_values(t, b);
    table_tensor *y = table_output(t, result_type(id, dtype), full);
    for (size_t i = 0; id >= SHIFT_LEFT && i < b->count; i++)
        if (table_chance(t, 2))
            b->values[i] = random_range(t->random, 0, 33);
    for (size_t i = 0; i < y->count; i++) {
        const double u = a->values[table_broadcast_index(&a->shape, &y->shape, i)],
                     v = b->values[table_broadcast_index(&b->shape, &y->shape, i)];
        y->values[i] = id < SHIFT_LEFT ? compute(id, u, v)
                                       : shift(id == SHIFT_LEFT, dtype, (int64_t)u, (int64_t)v);
    }
}

static double draw_int(table *t, function_id id)
{
    static const int64_t large[] = {
        INT32_MAX,        INT32_MIN, (int64_t)INT32_MAX + 1, (int64_t)INT32_MIN - 1,
        (int64_t)1 << 40, 16777217};
    int64_t number = random_range(t->random, -3, id >= SHIFT_LEFT ? 34 : 3);
    if ((id < BIT_AND || id >= SHIFT_LEFT) && table_chance(t, 3))
        table_int(t, number = large[table_below(t, sizeof large / sizeof *large)]);
    else
        table_size(t, number);
    return (double)number;
}

static double draw_real(table *t)
{
    static const double special[] = {2.5,          -0.5,          NAN,  INFINITY, -INFINITY,
                                     2147483647.5, -2147483648.5, 1e10, -1e10,    16777217.0,
                                     0.1};
    double number = random_range(t->random, -3, 3);
    if (table_chance(t, 2))
        number = special[table_below(t, sizeof special / sizeof *special)];
    table_double(t, number);
    return number;
}

/* An int meets the number as a real one; a float meets it in its own type. */
static void draw_scalar(table *t)
{
    function_id id = (function_id)t->row->code;
    vkd_dtype dtype = draw_type(t, id);
    table_tensor *x = table_input(t, dtype, table_shape(t, 0, 8));
    draw_values(t, x);
    double number = id >= BIT_AND || table_chance(t, 2) ? draw_int(t, id) : draw_real(t);
    if (table_is_float(dtype))
        number = table_stored(dtype, number);
    table_tensor *y = table_output(t, result_type(id, dtype), x->shape);
    for (size_t i = 0; i < y->count; i++) {
        y->values[i] = id < SHIFT_LEFT
                           ? compute(id, x->values[i], number)
                           : shift(id == SHIFT_LEFT, dtype, (int64_t)x->values[i], (int64_t)number);
        if (id >= BIT_AND && id < SHIFT_LEFT)
            y->values[i] = table_wrapped_to(dtype, (int64_t)y->values[i]);
    }
}

static const table_case cases[] = {
    {"aten.eq.Tensor", draw_tensors, EQ},
    {"aten.lt.Tensor", draw_tensors, LT},
    {"aten.le.Tensor", draw_tensors, LE},
    {"aten.gt.Tensor", draw_tensors, GT},
    {"aten.ge.Tensor", draw_tensors, GE},
    {"aten.eq.Scalar", draw_scalar, EQ},
    {"aten.ne.Scalar", draw_scalar, NE},
    {"aten.lt.Scalar", draw_scalar, LT},
    {"aten.le.Scalar", draw_scalar, LE},
    {"aten.gt.Scalar", draw_scalar, GT},
    {"aten.ge.Scalar", draw_scalar, GE},
    {"aten.logical_and.default", draw_tensors, AND},
    {"aten.logical_or.default", draw_tensors, OR},
    {"aten.bitwise_and.Tensor", draw_tensors, BIT_AND},
    {"aten.bitwise_or.Tensor", draw_tensors, BIT_OR},
    {"aten::eq.Tensor_out", draw_tensors, EQ},
    {"aten::ne.Tensor_out", draw_tensors, NE},
    {"aten::lt.Tensor_out", draw_tensors, LT},
    {"aten::le.Tensor_out", draw_tensors, LE},
    {"aten::gt.Tensor_out", draw_tensors, GT},
    {"aten::ge.Tensor_out", draw_tensors, GE},
    {"aten::eq.Scalar_out", draw_scalar, EQ},
    {"aten::ne.Scalar_out", draw_scalar, NE},
    {"aten::lt.Scalar_out", draw_scalar, LT},
    {"aten::le.Scalar_out", draw_scalar, LE},
    {"aten::gt.Scalar_out", draw_scalar, GT},
    {"aten::ge.Scalar_out", draw_scalar, GE},
    {"aten::logical_and.out", draw_tensors, AND},
    {"aten::logical_or.out", draw_tensors, OR},
    {"aten::logical_xor.out", draw_tensors, XOR},
    {"aten::bitwise_and.Tensor_out", draw_tensors, BIT_AND},
    {"aten::bitwise_or.Tensor_out", draw_tensors, BIT_OR},
    {"aten::bitwise_xor.Tensor_out", draw_tensors, BIT_XOR},
    {"aten::bitwise_and.Scalar_out", draw_scalar, BIT_AND},
    {"aten::bitwise_or.Scalar_out", draw_scalar, BIT_OR},
    {"aten::bitwise_xor.Scalar_out", draw_scalar, BIT_XOR},
    {"aten::bitwise_left_shift.Tensor_out", draw_tensors, SHIFT_LEFT},
    {"aten::bitwise_right_shift.Tensor_out", draw_tensors, SHIFT_RIGHT},
    {"aten::bitwise_left_shift.Tensor_Scalar_out", draw_scalar, SHIFT_LEFT},
    {"aten::bitwise_right_shift.Tensor_Scalar_out", draw_scalar, SHIFT_RIGHT},
};
const table_family table_compare = TABLE_FAMILY(cases);
