/* Cases of ops/reduction.c, and of means. */
#include "table_families.h"
#include "runtime/base/element.h"

#include <math.h>
#include <string.h>

typedef enum reduction {
    SUM,
    MEAN,
    PRODUCT,
    MAX,
    MIN,
    ARGMAX,
    ARGMIN,
    ANY,
    ALL,
    OPS = 16
} reduction;
/* How a row names its dims; added to a reduction, for a case's code. */
enum { LIST = 0, ONE = OPS, NONE = 2 * OPS };

static reduction op_of(const table *t) { return (reduction)(t->row->code % OPS); }

/* Many dims, which lie apart in a view. */
static vkd_shape draw_many(table *t)
{
    vkd_shape shape = {.rank = 5 + table_below(t, 4)};
    for (uint32_t d = 0; d < shape.rank; d++)
        shape.dims[d] = 2 + table_below(t, 2);
    return shape;
}

static vkd_shape draw_shape(table *t)
{
    reduction op = op_of(t);
    if (table_chance(t, 8))
        return draw_many(t);
    bool filled = op >= MAX && op <= ARGMIN; /* there is no extreme of nothing */
    return filled ? table_shape_filled(t, 0, 8) : table_shape(t, 0, 8);
}

/* An empty list, and none, are all dims. */
static void draw_list(table *t, uint32_t rank, bool all, bool reduced[VKD_MAX_RANK])
{
    uint32_t order[VKD_MAX_RANK], count = all || !rank ? 0 : 1 + table_below(t, rank);
    int64_t dims[VKD_MAX_RANK];
    table_order(t, rank, order);
    for (uint32_t i = 0; i < count; i++) {
        reduced[order[i]] = true;
        dims[i] = table_from_an_end(t, order[i], rank);
    }
    if (!count && table_chance(t, 2))
        table_null(t);
    else
        table_ints(t, count, dims);
    for (uint32_t d = 0; d < rank && !count; d++)
        reduced[d] = true;
}

/* Whether all dims are reduced, as one run whose elements an index counts. */
static bool draw_dims(table *t, uint32_t rank, bool all, bool reduced[VKD_MAX_RANK])
{
    int form = t->row->code / OPS * OPS;
    if (form == LIST)
        draw_list(t, rank, all, reduced);
    else if (form == ONE && !all)
        reduced[table_dim(t, rank)] = true;
    else if (form == ONE)
        table_null(t);
    for (uint32_t d = 0; d < rank && all; d++)
        reduced[d] = true;
    return all;
}

/* The element of the result that one of x goes to. */
static size_t kept_index(const vkd_shape *x, const bool *reduced, const uint32_t *at)
{
    size_t index = 0;
    for (uint32_t d = 0; d < x->rank; d++)
        index = reduced[d] ? index : index * x->dims[d] + at[d];
    return index;
}

/* An element as sums and products take it, which go by the result's type. */
static double taken_as(vkd_dtype x, vkd_dtype y, double value)
{
    if (y == VKD_DTYPE_FLOAT16)
        return (double)vkd_half_to_float(vkd_float_to_half((float)value));
    if (!table_is_float(x) || table_is_float(y))
        return value;
    return isnan(value)         ? 0
           : value >= INT32_MAX ? INT32_MAX
           : value <= INT32_MIN ? INT32_MIN
                                : trunc(value);
}

static bool is_more(double a, double b) { return isnan(b) ? false : isnan(a) || a > b; }

/* Element `index` of a run joins what came before it. `other`: the sum of magnitudes, the extreme
 * whose place is kept. */
static void join(reduction op, bool is_float, bool is_first, double x, uint32_t index, double *y,
                 double *other)
{
    bool more = is_first || (op == MIN || op == ARGMIN ? is_more(-x, -*other) : is_more(x, *other));
    switch (op) {
    case SUM:
    case MEAN:
        *y = is_float || op == MEAN ? *y + x : table_wrapped((int64_t)*y + (int64_t)x);
        *other += fabs(x);
        break;
    case PRODUCT:
        *y = is_float ? *y * x : table_wrapped((int64_t)*y * (int64_t)x);
        *other = fabs(*y);
        break;
    case ANY:
        *y = *y != 0 || x != 0;
        break;
    case ALL:
        *y = *y != 0 && x != 0;
        break;
    default:
        *y = !more ? *y : op == ARGMAX || op == ARGMIN ? index : x;
        *other = more ? x : *other;
        break;
    }
}

static void expect(table *t, const table_tensor *x, table_tensor *y, const bool *reduced, bool all)
{
    reduction op = op_of(t);
    if (y->dtype == VKD_DTYPE_BOOL) /* of truths */
        op = op == SUM ? ANY : op == PRODUCT ? ALL : op;
    double *other = table_scales(t, y);
    uint32_t at[VKD_MAX_RANK];
    size_t run = 1;
    for (uint32_t d = 0; d < x->shape.rank; d++)
        run *= reduced[d] ? x->shape.dims[d] : 1;
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = op == PRODUCT || op == ALL;
    for (size_t i = 0; i < x->count; i++) {
        table_places(&x->shape, i, at);
        size_t to = kept_index(&x->shape, reduced, at);
        uint32_t index = (uint32_t)i;
        bool is_first = true;
        for (uint32_t d = 0; d < x->shape.rank; d++) {
            index = reduced[d] && !all ? at[d] : index;
            is_first &= !reduced[d] || !at[d];
        }
        const bool by_result = op == SUM || op == PRODUCT;
        join(op, table_is_float(by_result ? y->dtype : x->dtype), is_first,
             by_result ? taken_as(x->dtype, y->dtype, x->values[i]) : x->values[i], index,
             &y->values[to], &other[to]);
    }
    for (size_t i = 0; i < y->count && op == MEAN; i++) {
        y->values[i] /= (double)run;
        other[i] /= (double)run;
    }
}

static vkd_dtype draw_result_type(table *t, vkd_dtype x)
{
    static const vkd_dtype asked[] = {VKD_DTYPE_INT32, VKD_DTYPE_FLOAT32, VKD_DTYPE_FLOAT16,
                                      VKD_DTYPE_BOOL};
    switch (op_of(t)) {
    case SUM:
    case PRODUCT:
        if (table_chance(t, 4)) /* a dtype of its own is asked for */
            return asked[table_below(t, sizeof asked / sizeof *asked)];
        return table_is_float(x) ? x : VKD_DTYPE_INT32;
    case MEAN:
        return table_is_float(x) ? x : VKD_DTYPE_FLOAT32;
    case ARGMAX:
    case ARGMIN:
        return VKD_DTYPE_INT32;
    case ANY:
    case ALL:
        return VKD_DTYPE_BOOL;
    default:
        return x;
    }
}

static table_tensor *draw_operand(table *t, vkd_shape shape)
{
    reduction op = op_of(t);
    uint32_t types = op >= MAX && op <= ARGMIN ? TABLE_FLOATS | TABLE_I32 : TABLE_ALL;
    table_tensor *x = table_input(t, table_dtype(t, types), shape);
    bool is_float = table_is_float(x->dtype), truths = op == ANY || op == ALL;
    if (op == PRODUCT)
        table_uniform(t, x, is_float ? 0.5 : 1, is_float ? 1.6 : 3);
    else
        table_uniform(t, x, truths ? 0 : -300, truths ? table_below(t, 2) : 300);
    if (op == SUM || op == MEAN || op == PRODUCT)
        table_not_finite(t, x);
    for (size_t i = 0, ties = table_chance(t, 2);
         ties && (op == ARGMAX || op == ARGMIN) && i < x->count; i++)
        x->values[i] = (int32_t)table_below(t, 4) - 1;
    if (op >= MAX && op <= ARGMIN && table_chance(t, 2))
        table_extremes(t, x);
    return x;
}

static void draw_reduction(table *t)
{
    reduction op = op_of(t);
    bool reduced[VKD_MAX_RANK] = {false}, none = t->row->code >= NONE;
    bool all = none || ((t->row->code < ONE || op == ARGMAX || op == ARGMIN) && table_chance(t, 3));
    table_tensor *x = draw_operand(t, draw_shape(t));
    all = draw_dims(t, x->shape.rank, all, reduced);
    bool keepdim = !none && table_chance(t, 2);
    if (!none)
        table_bool(t, keepdim);
    if (op == SUM || op == MEAN || op == PRODUCT)
        table_null(t); /* dtype */
    vkd_shape shape = {0};
    for (uint32_t d = 0; d < x->shape.rank; d++)
        if (keepdim || !reduced[d])
            shape.dims[shape.rank++] = reduced[d] ? 1 : x->shape.dims[d];
    table_tensor *y = table_output(t, draw_result_type(t, x->dtype), shape);
    bool rounds = table_is_float(y->dtype) && (op == SUM || op == MEAN || op == PRODUCT);
    if (op == SUM && y->dtype == VKD_DTYPE_FLOAT32 && x->dtype == VKD_DTYPE_INT32)
        table_uniform(t, x, -2e9, 2e9); /* what the sum of ints has no room for */
    y->relative = !rounds ? 0 : op == PRODUCT ? 5e-5 : 2e-6;
    y->absolute = table_is_float(y->dtype) ? 1e-300 : 0; /* 0 of either sign */
    expect(t, x, y, reduced, all);
}

/* -------------------------------------------------------------------- extremes and their places */

static void draw_extreme(table *t)
{
    bool most = op_of(t) == MAX, reduced[VKD_MAX_RANK] = {false};
    table_tensor *x = draw_operand(t, draw_shape(t));
    if (table_chance(t, 2))
        for (size_t i = 0; i < x->count; i++)
            x->values[i] = (int32_t)table_below(t, 4) - 1;
    uint32_t dim = table_dim(t, x->shape.rank);
    bool keepdim = table_chance(t, 2);
    table_bool(t, keepdim);
    reduced[dim] = true;
    vkd_shape shape = {0};
    for (uint32_t d = 0; d < x->shape.rank; d++)
        if (keepdim || d != dim)
            shape.dims[shape.rank++] = d == dim ? 1 : x->shape.dims[d];
    table_tensor *y = table_output(t, x->dtype, shape),
                 *places = table_output(t, VKD_DTYPE_INT32, shape);
    double *extremes = table_scales(t, places);
    for (size_t i = 0; i < x->count; i++) {
        uint32_t at[VKD_MAX_RANK] = {0};
        table_places(&x->shape, i, at);
        size_t to = kept_index(&x->shape, reduced, at);
        join(most ? ARGMAX : ARGMIN, table_is_float(x->dtype), !at[dim], x->values[i], at[dim],
             &places->values[to], &extremes[to]);
        y->values[to] = extremes[to];
    }
    y->absolute = table_is_float(y->dtype) ? 1e-300 : 0; /* 0 of either sign */
    table_gather(t, 2);
}

/* -------------------------------------------------------------------------- spreads of elements */

enum { STD = 1, CORRECTION = 2, WITH_MEAN = 4 };

static double draw_correction(table *t)
{
    if (!(t->row->code & CORRECTION)) {
        bool unbiased = table_chance(t, 2);
        table_bool(t, unbiased);
        return unbiased;
    }
    if (table_chance(t, 3)) {
        table_null(t);
        return 1;
    }
    uint32_t correction = table_below(t, 3);
    if (table_chance(t, 2))
        table_int(t, correction);
    else
        table_double(t, correction);
    return correction;
}

static void draw_spread(table *t)
{
    bool reduced[VKD_MAX_RANK] = {false};
    table_tensor *x =
        table_drawn(t, table_dtype(t, TABLE_FLOATS), table_shape_filled(t, 0, 7), -20, 20);
    draw_list(t, x->shape.rank, table_chance(t, 3), reduced);
    double correction = draw_correction(t), count = 1;
    bool keepdim = table_chance(t, 2);
    table_bool(t, keepdim);
    vkd_shape shape = {0};
    for (uint32_t d = 0; d < x->shape.rank; d++) {
        count *= reduced[d] ? x->shape.dims[d] : 1;
        if (keepdim || !reduced[d])
            shape.dims[shape.rank++] = reduced[d] ? 1 : x->shape.dims[d];
    }
    table_tensor *y = table_output(t, x->dtype, shape),
                 *mean = t->row->code & WITH_MEAN ? table_output(t, x->dtype, shape) : NULL;
    if (mean)
        table_gather(t, 2);
    double *means = table_scales(t, y);
    uint32_t at[VKD_MAX_RANK] = {0};
    for (size_t i = 0; i < x->count; i++) {
        table_places(&x->shape, i, at);
        means[kept_index(&x->shape, reduced, at)] += x->values[i] / count;
    }
    for (size_t i = 0; i < x->count; i++) {
        table_places(&x->shape, i, at);
        size_t to = kept_index(&x->shape, reduced, at);
        y->values[to] += (x->values[i] - means[to]) * (x->values[i] - means[to]);
    }
    for (size_t i = 0; mean && i < mean->count; i++) {
        mean->values[i] = means[i];
        mean->relative = 1e-5;
        mean->absolute = 1e-4; /* of terms up to 20 */
    }
    const double divisor = count > correction ? count - correction : 0;
    for (size_t i = 0; i < y->count; i++) {
        y->values[i] /= divisor;
        y->values[i] = t->row->code & STD ? sqrt(y->values[i]) : y->values[i];
        means[i] = fabs(y->values[i]) + 1e-3;
    }
    y->relative = 1e-5;
}

static const table_case cases[] = {
    {"aten.mean.dim", draw_reduction, MEAN},
    {"aten::mean.out", draw_reduction, MEAN},
    {"aten.sum.dim_IntList", draw_reduction, SUM},
    {"aten::sum.IntList_out", draw_reduction, SUM},
    {"aten.amax.default", draw_reduction, MAX},
    {"aten::amax.out", draw_reduction, MAX},
    {"aten.amin.default", draw_reduction, MIN},
    {"aten::amin.out", draw_reduction, MIN},
    {"aten.argmax.default", draw_reduction, ARGMAX + ONE},
    {"aten::argmax.out", draw_reduction, ARGMAX + ONE},
    {"aten.argmin.default", draw_reduction, ARGMIN + ONE},
    {"aten::argmin.out", draw_reduction, ARGMIN + ONE},
    {"aten::any.out", draw_reduction, ANY + ONE},
    {"aten::any.dims_out", draw_reduction, ANY},
    {"aten::any.all_out", draw_reduction, ANY + NONE},
    {"aten::all.out", draw_reduction, ALL + ONE},
    {"aten::all.dims_out", draw_reduction, ALL},
    {"aten::all.all_out", draw_reduction, ALL + NONE},
    {"aten::prod.int_out", draw_reduction, PRODUCT + ONE},
    {"aten::prod.out", draw_reduction, PRODUCT + NONE},
    {"aten::mean.dtype_out", draw_reduction, MEAN + NONE},
    {"aten::max.unary_out", draw_reduction, MAX + NONE},
    {"aten::min.unary_out", draw_reduction, MIN + NONE},
    {"aten::max.dim_max", draw_extreme, MAX},
    {"aten::min.dim_min", draw_extreme, MIN},
    {"aten.var.dim", draw_spread, 0},
    {"aten::var.out", draw_spread, 0},
    {"aten::var.correction_out", draw_spread, CORRECTION},
    {"aten::var_mean.correction_out", draw_spread, CORRECTION | WITH_MEAN},
    {"aten::std.out", draw_spread, STD},
    {"aten::std.correction_out", draw_spread, STD | CORRECTION},
};
const table_family table_reduction = TABLE_FAMILY(cases);
