/* What a case of the table test draws: shapes, arguments, values. */
#include "runtime/base/element.h"
#include "support/table_parts.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *table_zeros(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    if (!p)
        abort();
    return p;
}

/* A case is wrong, not what it tests. */
static void refuse_case(const table *t, const char *why)
{
    fprintf(stderr, "%s: %s\n", t->row->name, why);
    abort();
}

uint32_t table_below(table *t, uint32_t count)
{
    return (uint32_t)random_range(t->random, 0, (int32_t)count - 1);
}
bool table_chance(table *t, uint32_t in) { return table_below(t, in) == 0; }

vkd_dtype table_dtype(table *t, uint32_t set)
{
    for (;;) {
        uint32_t dtype = table_below(t, VKD_DTYPE_COUNT);
        if (set >> dtype & 1)
            return (vkd_dtype)dtype;
    }
}

bool table_is_float(vkd_dtype dtype)
{
    return dtype == VKD_DTYPE_FLOAT32 || dtype == VKD_DTYPE_FLOAT16;
}

vkd_shape table_shape_filled(table *t, uint32_t least_rank, uint32_t most_rank)
{
    static const uint32_t most[VKD_MAX_RANK + 1] = {1, 400, 24, 13, 9, 4, 3, 3, 2};
    /* Kernels of many dims take a driver long to compile. */
    uint32_t usual = most_rank <= 4 || least_rank > 4 || table_chance(t, 4) ? most_rank : 4;
    vkd_shape shape = {.rank = least_rank + table_below(t, usual - least_rank + 1)};
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = table_chance(t, 6) ? 1 : 1 + table_below(t, most[shape.rank]);
    return shape;
}

vkd_shape table_shape(table *t, uint32_t least_rank, uint32_t most_rank)
{
    vkd_shape shape = table_shape_filled(t, least_rank, most_rank);
    if (shape.rank && table_chance(t, 12))
        shape.dims[table_below(t, shape.rank)] = 0;
    return shape;
}

vkd_shape table_narrowed(table *t, vkd_shape full)
{
    uint32_t missing = table_chance(t, 3) ? table_below(t, full.rank + 1) : 0;
    vkd_shape shape = {.rank = full.rank - missing};
    bool narrow = table_chance(t, 2);
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = narrow && table_chance(t, 2) ? 1 : full.dims[missing + d];
    return shape;
}

size_t table_broadcast_index(const vkd_shape *operand, const vkd_shape *result, size_t index)
{
    size_t at = 0, step = 1;
    for (uint32_t d = result->rank; d-- > 0; index /= result->dims[d]) {
        if (d + operand->rank < result->rank)
            continue;
        uint32_t dim = operand->dims[d + operand->rank - result->rank];
        at += dim == 1 ? 0 : index % result->dims[d] * step;
        step *= dim;
    }
    return at;
}

/* ------------------------------------------------------------------------------------ arguments */

void table_add_argument(table *t, uint32_t value)
{
    if (t->arg_count >= HAND_ARGS)
        refuse_case(t, "too many arguments");
    t->args[t->arg_count++] = value;
}

static table_tensor *add_tensor(table *t, bool is_output, vkd_dtype dtype, vkd_shape shape)
{
    if (t->tensor_count >= TABLE_TENSORS)
        refuse_case(t, "too many tensors");
    table_tensor *x = &t->tensors[t->tensor_count++];
    size_t count = (size_t)vkd_dims_count(shape.rank, shape.dims);
    *x = (table_tensor){.dtype = dtype, .shape = shape, .count = count, .is_output = is_output};
    x->values = table_zeros(count, sizeof *x->values);
    x->value = hand_tensor(&t->model, dtype, shape.rank, shape.dims);
    table_add_argument(t, x->value);
    return x;
}

table_tensor *table_input(table *t, vkd_dtype dtype, vkd_shape shape)
{
    return add_tensor(t, false, dtype, shape);
}

table_tensor *table_output(table *t, vkd_dtype dtype, vkd_shape shape)
{
    table_tensor *y = add_tensor(t, true, dtype, shape);
    hand_mark_output(&t->model, y->value);
    return y;
}

void table_unread(table *t, vkd_dtype dtype, vkd_shape shape)
{
    table_add_argument(t, hand_tensor(&t->model, dtype, shape.rank, shape.dims));
}

table_tensor *table_after(table *t, const table_tensor *x)
{
    table_tensor *y = table_output(t, x->dtype, x->shape);
    t->arg_count--;
    t->written = x->value;
    t->after = y->value;
    return y;
}

static void say(table *t, const char *format, ...) VKD_PRINTF(2, 3);
static void say(table *t, const char *format, ...)
{
    size_t length = strlen(t->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(t->text + length, sizeof t->text - length, format, arguments);
    va_end(arguments);
}

void table_null(table *t)
{
    say(t, " null");
    table_add_argument(t, hand_null(&t->model));
}

void table_int(table *t, int64_t value)
{
    say(t, " %lld", (long long)value);
    table_add_argument(t, hand_int(&t->model, value));
}

void table_size(table *t, int64_t value)
{
    bool symbolic = table_chance(t, 2);
    say(t, symbolic ? " s%lld" : " %lld", (long long)value);
    table_add_argument(t, symbolic ? hand_symint(&t->model, value) : hand_int(&t->model, value));
}

void table_output_symint(table *t, int64_t expected)
{
    t->symbol = hand_symint(&t->model, -1);
    t->number = (double)expected;
    table_add_argument(t, t->symbol);
}

void table_real(table *t, double value)
{
    bool symbolic = table_chance(t, 2);
    say(t, symbolic ? " s%.17g" : " %.17g", value);
    table_add_argument(t,
                       symbolic ? hand_symfloat(&t->model, value) : hand_double(&t->model, value));
}

void table_output_symfloat(table *t, double expected)
{
    t->symbol = hand_symfloat(&t->model, -1);
    t->number = expected;
    table_add_argument(t, t->symbol);
}

void table_double(table *t, double value)
{
    say(t, " %.17g", value);
    table_add_argument(t, hand_double(&t->model, value));
}

void table_bool(table *t, bool value)
{
    say(t, value ? " true" : " false");
    table_add_argument(t, hand_bool(&t->model, value));
}

void table_string(table *t, const char *value)
{
    say(t, " '%s'", value);
    table_add_argument(t, hand_string(&t->model, value));
}

void table_ints(table *t, size_t count, const int64_t *items)
{
    say(t, " [");
    for (size_t i = 0; i < count; i++)
        say(t, "%s%lld", i ? ", " : "", (long long)items[i]);
    say(t, "]");
    table_add_argument(t, hand_ints(&t->model, count, items));
}

void table_pair(table *t, double a, double b)
{
    say(t, " [%.17g, %.17g]", a, b);
    table_add_argument(t, hand_doubles(&t->model, 2, (const double[]){a, b}));
}

void table_sizes(table *t, size_t count, const int64_t *items)
{
    if (!count || table_chance(t, 2)) {
        table_ints(t, count, items);
        return;
    }
    for (size_t i = 0; i < count; i++)
        table_size(t, items[i]);
    table_gather(t, count);
}

void table_gather(table *t, size_t count)
{
    t->arg_count -= count;
    table_add_argument(t, hand_list(&t->model, count, t->args + t->arg_count));
}

/* --------------------------------------------------------------------------------------- values */

double table_stored(vkd_dtype dtype, double value)
{
    unsigned char bytes[8];
    vkd_element_set(dtype, bytes, 0, value);
    return vkd_element_get(dtype, bytes, 0);
}

double table_wrapped(int64_t value) { return (double)(int32_t)(uint32_t)(uint64_t)value; }

double table_wrapped_to(vkd_dtype dtype, int64_t value)
{
    uint32_t bits = (uint32_t)(uint64_t)value;
    switch (dtype) {
    case VKD_DTYPE_BOOL:
        return value != 0;
    case VKD_DTYPE_UINT8:
        return (uint8_t)bits;
    case VKD_DTYPE_INT8:
        return (int8_t)bits;
    default:
        return (int32_t)bits;
    }
}

/* 53 bits, so that ints up to 32 bits are met evenly. */
static double unit(table *t)
{
    uint64_t bits = (uint64_t)random_bits(t->random) << 21 | random_bits(t->random) >> 11;
    return (double)bits / 9007199254740992.0;
}

void table_uniform(table *t, table_tensor *x, double low, double high)
{
    for (size_t i = 0; i < x->count; i++)
        x->values[i] = table_is_float(x->dtype)
                           ? table_stored(x->dtype, low + (high - low) * unit(t))
                           : table_stored(x->dtype, floor(low + (high - low + 1) * unit(t)));
}

void table_extremes(table *t, table_tensor *x)
{
    static const double singles[] = {NAN,      INFINITY, -INFINITY, 0.0,  -0.0,     FLT_MAX,
                                     -FLT_MAX, FLT_MIN,  -FLT_MIN,  0.5,  -0.5,     1.5,
                                     2.5,      -2.5,     1,         -1,   16777217, 88.8,
                                     -88.8,    1e-20,    2049,      2051, 65520,    65519};
    static const double halves[] = {NAN,     INFINITY, -INFINITY, 0.0,  -0.0, 65504, -65504,
                                    0x1p-14, -0x1p-14, 0x1p-24,   0.5,  -0.5, 1.5,   2.5,
                                    -2.5,    1,        -1,        2049, 11.1, -17};
    static const double ints[] = {
        0,        1,         -1,  2,    INT32_MAX, INT32_MIN, INT32_MAX - 1, INT32_MIN + 1,
        16777217, -16777217, 127, -128, 255,       65536};
    for (size_t i = 0; x->count && i < 4 + x->count / 4; i++) {
        double value;
        if (x->dtype == VKD_DTYPE_FLOAT32)
            value = singles[table_below(t, sizeof singles / sizeof *singles)];
        else if (x->dtype == VKD_DTYPE_FLOAT16)
            value = halves[table_below(t, sizeof halves / sizeof *halves)];
        else
            value = ints[table_below(t, sizeof ints / sizeof *ints)];
        x->values[random_bits(t->random) % x->count] = table_stored(x->dtype, value);
    }
}

void table_not_finite(table *t, table_tensor *x)
{
    static const double values[] = {INFINITY, -INFINITY, NAN};
    if (!x->count || !table_is_float(x->dtype) || !table_chance(t, 4))
        return;
    for (uint32_t i = 0, places = 1 + table_below(t, 2); i < places; i++)
        x->values[random_bits(t->random) % x->count] = values[table_below(t, 3)];
}

double *table_scales(table *t, table_tensor *y)
{
    (void)t;
    return y->scales = table_zeros(y->count, sizeof *y->scales);
}
