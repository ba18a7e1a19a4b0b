/* Cases of ops/unary.c. */
#include "table_families.h"

#include <float.h>
#include <math.h>

/* -------------------------------------------------------------------------- functions of floats */

static double of_sign(double x) { return (x > 0) - (x < 0); }
static double of_rsqrt(double x) { return 1 / sqrt(x); }
static double of_reciprocal(double x) { return 1 / x; }
static double of_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double of_hardswish(double x) { return x * (isnan(x) ? x : fmin(fmax(x + 3, 0), 6)) / 6; }
static double of_hardsigmoid(double x) { return isnan(x) ? x : fmin(fmax(x + 3, 0), 6) / 6; }
static double of_isnan(double x) { return isnan(x); }
static double of_isinf(double x) { return isinf(x); }
static double of_not(double x) { return x == 0; }
static double of_neg(double x) { return -x; }

/* Ties to even, whatever the mode of the host. */
static double of_round(double x)
{
    double whole = floor(x), rest = x - whole;
    if (!(fabs(x) < 0x1p52))
        return x;
    bool up = rest > 0.5 || (rest == 0.5 && fmod(whole, 2) != 0);
    return copysign(up ? whole + 1 : whole, x);
}

typedef enum function_id {
    ABS,
    NEG,
    SIGN,
    NOT,
    EXP,
    EXPM1,
    LOG,
    LOG2,
    LOG10,
    LOG1P,
    SIN,
    COS,
    TAN,
    ASIN,
    ACOS,
    ATAN,
    SINH,
    COSH,
    TANH,
    ASINH,
    ACOSH,
    ATANH,
    ERF,
    SQRT,
    RSQRT,
    RECIPROCAL,
    FLOOR,
    CEIL,
    TRUNC,
    ROUND,
    ISNAN,
    ISINF,
    SIGMOID,
    HARDSWISH,
    HARDSIGMOID
} function_id;

/* What the result is: as the operand; truths; a float, of ints too. */
typedef enum result_kind { AS_IT_IS, TRUTH, REAL } result_kind;

static const struct {
    double (*compute)(double x);
    result_kind result;
    double low, high, ulps; /* where most operands are drawn */
} functions[] = {
    [ABS] = {fabs, AS_IT_IS, -9, 9, 0},
    [NEG] = {of_neg, AS_IT_IS, -9, 9, 0},
    [SIGN] = {of_sign, AS_IT_IS, -2, 2, 0},
    [NOT] = {of_not, TRUTH, -1, 1, 0},
    [EXP] = {exp, REAL, -90, 90, 2},
    [EXPM1] = {expm1, REAL, -3, 3, 3},
    [LOG] = {log, REAL, 0, 9, 2},
    [LOG2] = {log2, REAL, 0, 9, 2},
    [LOG10] = {log10, REAL, 0, 2000, 2},
    [LOG1P] = {log1p, REAL, -1, 1, 3},
    [SIN] = {sin, REAL, -20, 20, 3},
    [COS] = {cos, REAL, -20, 20, 3},
    [TAN] = {tan, REAL, -20, 20, 6},
    [ASIN] = {asin, REAL, -1, 1, 5},
    [ACOS] = {acos, REAL, -1, 1, 5},
    [ATAN] = {atan, REAL, -5, 5, 5},
    [SINH] = {sinh, REAL, -9, 9, 5},
    [COSH] = {cosh, REAL, -9, 9, 5},
    [TANH] = {tanh, REAL, -4, 4, 4},
    [ASINH] = {asinh, REAL, -9, 9, 5},
    [ACOSH] = {acosh, REAL, 1, 9, 5},
    [ATANH] = {atanh, REAL, -1, 1, 6},
    [ERF] = {erf, REAL, -4, 4, 4},
    [SQRT] = {sqrt, REAL, 0, 9, 5},
    [RSQRT] = {of_rsqrt, REAL, 0, 9, 6},
    [RECIPROCAL] = {of_reciprocal, REAL, -9, 9, 3},
    [FLOOR] = {floor, AS_IT_IS, -5, 5, 0},
    [CEIL] = {ceil, AS_IT_IS, -5, 5, 0},
    [TRUNC] = {trunc, AS_IT_IS, -5, 5, 0},
    [ROUND] = {of_round, AS_IT_IS, -5, 5, 0},
    [ISNAN] = {of_isnan, TRUTH, -5, 5, 0},
    [ISINF] = {of_isinf, TRUTH, -5, 5, 0},
    [SIGMOID] = {of_sigmoid, REAL, -20, 20, 5},
    [HARDSWISH] = {of_hardswish, REAL, -4, 4, 5},
    [HARDSIGMOID] = {of_hardsigmoid, REAL, -4, 4, 4},
};

static bool takes_ints(function_id id)
{
    return id == ABS || id == NEG || id == SIGN || id == FLOOR || id == CEIL || id == TRUNC ||
           id == ROUND;
}

/* Roots of half steps are met, where rounding has ties. */
static void halve(table *t, table_tensor *x)
{
    for (size_t i = 0; i < x->count && table_is_float(x->dtype); i += 3)
        x->values[i] = (double)random_range(t->random, -9, 9) / 2;
}

static vkd_dtype draw_type(table *t, function_id id)
{
    if (functions[id].result == TRUTH && table_chance(t, 3))
        return table_dtype(t, TABLE_ALL);
    if (takes_ints(id) && table_chance(t, 3))
        return table_dtype(t, TABLE_INTS);
    if (functions[id].result == REAL && table_chance(t, 6))
        return table_dtype(t, TABLE_I32 | TABLE_BOOL);
    return table_dtype(t, TABLE_FLOATS);
}

static void draw_function(table *t)
{
    function_id id = (function_id)t->row->code;
    table_tensor *x = table_input(t, draw_type(t, id), table_shape(t, 0, 8));
    table_uniform(t, x, functions[id].low, functions[id].high);
    halve(t, x);
    table_extremes(t, x);
    vkd_dtype to = functions[id].result == TRUTH                               ? VKD_DTYPE_BOOL
                   : functions[id].result == REAL && !table_is_float(x->dtype) ? VKD_DTYPE_FLOAT32
                                                                               : x->dtype;
    table_tensor *y = table_output(t, to, x->shape);
    y->ulps = functions[id].ulps;
    for (size_t i = 0; i < y->count; i++) {
        /* Functions compute with floats of 32 bits, and so do ints that become floats. */
        double v =
            table_is_float(to) ? table_stored(VKD_DTYPE_FLOAT32, x->values[i]) : x->values[i];
        y->values[i] = functions[id].compute(v);
        if (!table_is_float(to))
            y->values[i] = table_wrapped_to(to, (int64_t)y->values[i]);
    }
}

/* --------------------------------------------------------------------------------- with numbers */

static table_tensor *draw_x(table *t, double low, double high)
{
    table_tensor *x = table_input(t, table_dtype(t, TABLE_FLOATS), table_shape(t, 0, 8));
    table_uniform(t, x, low, high);
    table_extremes(t, x);
    return x;
}

/* As a float, which is what the kernel is given. */
static double draw_number(table *t, float low, float high)
{
    double number = (double)random_float(t->random, low, high);
    table_double(t, number);
    return number;
}

static void draw_leaky_relu(table *t)
{
    table_tensor *x = draw_x(t, -5, 5);
    double slope = draw_number(t, -0.5f, 0.5f);
    table_tensor *y = table_output(t, x->dtype, x->shape);
    y->ulps = 1;
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = x->values[i] > 0 ? x->values[i] : x->values[i] * slope;
}

static void draw_hardshrink(table *t)
{
    table_tensor *x = draw_x(t, -3, 3);
    double bound = draw_number(t, 0, 2);
    table_tensor *y = table_output(t, x->dtype, x->shape);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = x->values[i] >= -bound && x->values[i] <= bound ? 0 : x->values[i];
}

static void draw_logit(table *t)
{
    table_tensor *x = draw_x(t, -0.2, 1.2);
    bool bounded = table_chance(t, 2);
    double eps = bounded ? draw_number(t, 0.01f, 0.3f) : 0;
    if (!bounded)
        table_null(t);
    table_tensor *y = table_output(t, x->dtype, x->shape);
    y->ulps = 4;
    y->absolute = 1e-6; /* near one half little is left of the logarithm */
    for (size_t i = 0; i < y->count; i++) {
        double v = x->values[i], high = table_stored(VKD_DTYPE_FLOAT32, 1 - eps);
        v = bounded && v < eps ? eps : bounded && v > high ? high : v;
        y->values[i] = log(v / (1 - v));
    }
}

static void draw_elu(table *t)
{
    table_tensor *x = draw_x(t, -5, 5);
    double alpha = draw_number(t, -2, 2), scale = draw_number(t, -2, 2),
           within = draw_number(t, 0.1f, 2);
    table_tensor *y = table_output(t, x->dtype, x->shape);
    y->ulps = 8;
    for (size_t i = 0; i < y->count; i++) {
        double v = x->values[i];
        y->values[i] = v > 0 ? v * scale : alpha * scale * expm1(v * within);
    }
}

/* The error of the approximation's argument counts where the result is next to nothing. */
static void draw_gelu(table *t)
{
    table_tensor *x = draw_x(t, -8, 8);
    bool by_tanh = table_chance(t, 2);
    if (by_tanh)
        table_string(t, "tanh");
    else if (table_chance(t, 2))
        table_string(t, "none");
    else
        table_null(t);
    table_tensor *y = table_output(t, x->dtype, x->shape);
    y->ulps = 7;
    y->absolute = by_tanh ? 1e-6 : 0;
    for (size_t i = 0; i < y->count; i++) {
        double v = x->values[i], u = sqrt(2 / M_PI) * (v + 0.044715 * v * v * v);
        y->values[i] = by_tanh ? 0.5 * v * (1 + tanh(u)) : 0.5 * v * erfc(-v * M_SQRT1_2);
        if (isinf(v))
            y->values[i] = v > 0 ? v : 0;
    }
}

/* ------------------------------------------------------------------------------------ pow, bits */

static void pow_of_ints(table *t)
{
    table_tensor *x = table_input(t, table_dtype(t, TABLE_INTS), table_shape(t, 0, 8));
    table_uniform(t, x, -9, 9);
    int64_t exponent = table_below(t, 9);
    table_int(t, exponent);
    table_tensor *y = table_output(t, x->dtype, x->shape);
    for (size_t i = 0; i < y->count; i++) {
        uint64_t power = 1;
        for (int64_t n = 0; n < exponent; n++)
            power *= (uint64_t)(int64_t)x->values[i];
        y->values[i] = table_wrapped_to(y->dtype, (int64_t)power);
    }
}

static void draw_pow(table *t)
{
    static const double exponents[] = {1,  2, 3,    0.5, -0.5,  -1,       -2,        0,   4,
                                       -3, 5, 0.25, 1.5, -1.75, INFINITY, -INFINITY, NAN, 1e9};
    if (table_chance(t, 4)) {
        pow_of_ints(t);
        return;
    }
    double exponent = exponents[table_below(t, sizeof exponents / sizeof *exponents)];
    table_tensor *x = draw_x(t, -4, 4);
    if (exponent == floor(exponent) && fabs(exponent) < 100 && table_chance(t, 2))
        table_int(t, (int64_t)exponent);
    else
        table_double(t, exponent);
    table_tensor *y = table_output(t, x->dtype, x->shape);
    y->ulps = 7;
    for (size_t i = 0; i < y->count; i++) {
        double v = x->values[i];
        /* Roots are roots: PyTorch does not take them for powers, which differ for -inf and -0. */
        y->values[i] = exponent == 0.5    ? sqrt(v)
                       : exponent == -0.5 ? 1 / sqrt(v)
                                          : pow(v, exponent);
    }
}

static void draw_bitwise_not(table *t)
{
    table_tensor *x = table_input(t, table_dtype(t, TABLE_INTS | TABLE_BOOL), table_shape(t, 0, 8));
    table_uniform(t, x, -300, 300);
    table_extremes(t, x);
    table_tensor *y = table_output(t, x->dtype, x->shape);
    for (size_t i = 0; i < y->count; i++)
        y->values[i] = x->dtype == VKD_DTYPE_BOOL
                           ? x->values[i] == 0
                           : table_wrapped_to(x->dtype, ~(int64_t)x->values[i]);
}

static const table_case cases[] = {
    {"aten.abs.default", draw_function, ABS},
    {"aten.neg.default", draw_function, NEG},
    {"aten.exp.default", draw_function, EXP},
    {"aten.sin.default", draw_function, SIN},
    {"aten.cos.default", draw_function, COS},
    {"aten.tan.default", draw_function, TAN},
    {"aten.sqrt.default", draw_function, SQRT},
    {"aten.rsqrt.default", draw_function, RSQRT},
    {"aten.log10.default", draw_function, LOG10},
    {"aten.tanh.default", draw_function, TANH},
    {"aten.sigmoid.default", draw_function, SIGMOID},
    {"aten.round.default", draw_function, ROUND},
    {"aten.hardswish.default", draw_function, HARDSWISH},
    {"aten.hardsigmoid.default", draw_function, HARDSIGMOID},
    {"aten.bitwise_not.default", draw_bitwise_not},
    {"aten.logical_not.default", draw_function, NOT},
    {"aten.leaky_relu.default", draw_leaky_relu},
    {"aten.hardshrink.default", draw_hardshrink},
    {"aten.pow.Tensor_Scalar", draw_pow},
    {"aten.gelu.default", draw_gelu},
    {"aten::abs.out", draw_function, ABS},
    {"aten::neg.out", draw_function, NEG},
    {"aten::sign.out", draw_function, SIGN},
    {"aten::exp.out", draw_function, EXP},
    {"aten::expm1.out", draw_function, EXPM1},
    {"aten::log.out", draw_function, LOG},
    {"aten::log2.out", draw_function, LOG2},
    {"aten::log10.out", draw_function, LOG10},
    {"aten::log1p.out", draw_function, LOG1P},
    {"aten::sin.out", draw_function, SIN},
    {"aten::cos.out", draw_function, COS},
    {"aten::tan.out", draw_function, TAN},
    {"aten::asin.out", draw_function, ASIN},
    {"aten::acos.out", draw_function, ACOS},
    {"aten::atan.out", draw_function, ATAN},
    {"aten::sinh.out", draw_function, SINH},
    {"aten::cosh.out", draw_function, COSH},
    {"aten::tanh.out", draw_function, TANH},
    {"aten::asinh.out", draw_function, ASINH},
    {"aten::acosh.out", draw_function, ACOSH},
    {"aten::atanh.out", draw_function, ATANH},
    {"aten::erf.out", draw_function, ERF},
    {"aten::sqrt.out", draw_function, SQRT},
    {"aten::rsqrt.out", draw_function, RSQRT},
    {"aten::reciprocal.out", draw_function, RECIPROCAL},
    {"aten::floor.out", draw_function, FLOOR},
    {"aten::ceil.out", draw_function, CEIL},
    {"aten::trunc.out", draw_function, TRUNC},
    {"aten::round.out", draw_function, ROUND},
    {"aten::isnan.out", draw_function, ISNAN},
    {"aten::isinf.out", draw_function, ISINF},
    {"aten::sigmoid.out", draw_function, SIGMOID},
    {"aten::bitwise_not.out", draw_bitwise_not},
    {"aten::logical_not.out", draw_function, NOT},
    {"aten::leaky_relu.out", draw_leaky_relu},
    {"aten::logit.out", draw_logit},
    {"aten::elu.out", draw_elu},
    {"aten::pow.Tensor_Scalar_out", draw_pow},
    {"aten::gelu.out", draw_gelu},
};
const table_family table_unary = TABLE_FAMILY(cases);
