/* The errors of shaders/math*.glsl, which the host computes as a device does: bits of all kinds,
 * and what is special. */
#include "support/random.h"
#include "support/shader_math.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* How far a result is from the right one, in units of its last place. Below the normal numbers all
 * are 0. */
static double error_of(double expected, float got)
{
    if (isnan(expected) || isnan(got))
        return isnan(expected) && isnan(got) ? 0 : INFINITY;
    float rounded = (float)expected;
    if (rounded == got || (fabs(expected) < DBL_MIN + (double)FLT_MIN && fabsf(got) <= FLT_MIN))
        return 0;
    if (isinf(rounded) || isinf(got)) /* by one rounding only */
        return fabs(expected) > 3.4028e38 && (isinf(got) || fabsf(got) > 3.4028e38f) ? 1 : INFINITY;
    int exponent;
    frexp(expected, &exponent);
    return fabs((double)got - expected) / ldexp(1, (exponent < -125 ? -125 : exponent) - 24);
}

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double gelu(double x) { return isinf(x) ? fmax(x, 0) : 0.5 * x * erfc(-x * M_SQRT1_2); }
static double gelu_tanh(double x)
{
    double u = sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
    return isinf(x) ? fmax(x, 0) : x / (1 + exp(-2 * u));
}

/* ---------------------------------------------------------------------------------- one operand */

/* As shaders/math.glsl has them. absolute: of x, besides. */
static const struct {
    const char *name;
    double (*compute)(double x);
    double ulps, absolute;
} errors[] = {
    {"exp", exp, 1},     {"expm1", expm1, 2},
    {"log", log, 1},     {"log2", log2, 1},
    {"log10", log10, 1}, {"log1p", log1p, 1},
    {"sin", sin, 3},     {"cos", cos, 3},
    {"tan", tan, 5},     {"asin", asin, 3},
    {"acos", acos, 2},   {"atan", atan, 2},
    {"sinh", sinh, 3},   {"cosh", cosh, 3},
    {"tanh", tanh, 2},   {"asinh", asinh, 2},
    {"acosh", acosh, 2}, {"atanh", atanh, 2},
    {"erf", erf, 2},     {"sigmoid", sigmoid, 3},
    {"gelu", gelu, 5},   {"gelu_tanh", gelu_tanh, 5, 1e-6},
    {"round", rint, 0},
};

static void check(const shader_function *function, size_t e, float x)
{
    float got = function->compute(x);
    double expected = errors[e].compute((double)x), error = error_of(expected, got);
    if (error > errors[e].ulps &&
        !(fabs((double)got - expected) <= errors[e].absolute * fabs((double)x)))
        fail_msg("%s(%a) is %a, expected %a: %.3g ulp", function->name, (double)x, (double)got,
                 expected, error);
}

/* Every 65536th float or so, and near the ends of ranges. */
static void one_operand(void **state)
{
    (void)state;
    vkd_random random = random_begin("one_operand");
    static const float special[] = {0.0f,   -0.0f,   1.0f,     -1.0f,     INFINITY, -INFINITY,
                                    NAN,    FLT_MAX, -FLT_MAX, FLT_MIN,   -FLT_MIN, 88.72f,
                                    88.73f, -87.33f, -103.9f,  89.4f,     -89.4f,   0.5f,
                                    -0.5f,  1.5f,    2.5f,     8388607.5f};
    assert_int_equal(sizeof errors / sizeof *errors, shader_function_count);
    for (size_t f = 0; f < shader_function_count; f++) {
        assert_string_equal(errors[f].name, shader_functions[f].name);
        for (size_t i = 0; i < sizeof special / sizeof *special; i++)
            check(&shader_functions[f], f, special[i]);
        for (uint32_t i = 0; i < 1 << 16; i++) {
            check(&shader_functions[f], f, from_bits(i << 16 | random_bits(&random) >> 16));
            check(&shader_functions[f], f, random_float(&random, -10, 10));
        }
    }
}

/* --------------------------------------------------------------------------------- two operands */

/* As PyTorch defines it, in floats. */
static double floor_quotient(float a, float b)
{
    if (b == 0)
        return (double)(a / b);
    float rest = fmodf(a, b), quotient = (a - rest) / b;
    if (rest != 0 && (b < 0) != (rest < 0))
        quotient -= 1;
    float whole = floorf(quotient);
    return (double)(quotient - whole > 0.5f ? whole + 1 : whole);
}

static double two_expected(size_t f, float a, float b)
{
    float rest = fmodf(a, b);
    switch (f) {
    case 0:
        return pow((double)a, (double)b);
    case 1:
        return atan2((double)a, (double)b);
    case 2:
        return (double)rest;
    case 3:
        return (double)(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
    case 4:
        return floor_quotient(a, b);
    default:
        return (double)truncf(a / b);
    }
}

/* From 2^22 on a unit is two in the last place, or less. */
static double two_ulps(size_t f, double expected)
{
    static const double ulps[] = {4, 2, 0, 0, 0, 0};
    return f == 5 && fabs(expected) >= 4194304 ? 2 : ulps[f];
}

static void draw_pair(vkd_random *random, float *a, float *b)
{
    *a = from_bits(random_bits(random));
    *b = from_bits(random_bits(random));
    switch (random_range(random, 0, 4)) {
    case 0: /* quotients that are whole, or an ulp away */
        *b = (float)random_range(random, -30, 30) * 0.1f;
        *a = *b * (float)random_range(random, -100, 100);
        *a = nextafterf(*a, (float)random_range(random, -1, 1) * FLT_MAX);
        break;
    case 1: /* powers that are finite */
        *a = random_float(random, 0, 3);
        *b = random_float(random, -80, 80);
        break;
    case 2:
        *a = (float)random_range(random, -9, 9);
        *b = (float)random_range(random, -9, 9) / (random_bits(random) & 1 ? 1 : 2);
        break;
    default:
        break;
    }
}

static void two_operands(void **state)
{
    (void)state;
    vkd_random random = random_begin("two_operands");
    static const float special[] = {0.0f, -0.0f,   1.0f, -1.0f, INFINITY, -INFINITY,
                                    NAN,  FLT_MAX, 2.0f, -3.0f, 0.5f,     -2.5f};
    enum { SPECIAL = sizeof special / sizeof *special };
    static const char *const names[] = {"pow", "atan2", "fmod", "remainder", "floor", "trunc"};
    assert_int_equal(sizeof names / sizeof *names, shader_function2_count);
    for (size_t f = 0; f < shader_function2_count; f++)
        for (uint32_t i = 0; i < 300000; i++) {
            float a, b;
            draw_pair(&random, &a, &b);
            if (i < SPECIAL * SPECIAL)
                a = special[i / SPECIAL], b = special[i % SPECIAL];
            float got = shader_functions2[f].compute(a, b);
            double expected = two_expected(f, a, b), error = error_of(expected, got);
            if (error > two_ulps(f, expected))
                fail_msg("%s(%a, %a) is %a, expected %a: %.3g ulp", names[f], (double)a, (double)b,
                         (double)got, expected, error);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_operand),
                                       cmocka_unit_test(two_operands)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
