/* A chain of one int8 tensor, computed on the host: the byte that becomes of each byte. */
#include "graph/chain.h"
#include "runtime/base/element.h"

#include <math.h>

static double ramp(double x) { return x <= -3 ? 0 : x >= 3 ? 6 : (double)(float)(x + 3); }

/* NaN stays, and a bound that is NaN wins. */
static double bounded(double x, double low, double high)
{
    x = isnan(x) || !(isnan(low) || low > x) ? x : low;
    return isnan(x) || !(isnan(high) || high < x) ? x : high;
}

static double gelu_tanh(double x)
{
    return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

static double plain(uint32_t function, double x, const float *numbers)
{
    const double low = (double)numbers[0], high = (double)numbers[1];
    switch (function) {
    case UNARY_ABS:
        return fabs(x);
    case UNARY_NEG:
        return -x;
    case UNARY_SIGN:
        return (x > 0) - (x < 0);
    case UNARY_CLAMP:
        return bounded(x, low, high);
    case UNARY_LOGICAL_NOT:
        return x == 0;
    case UNARY_SQUARE:
        return x * x;
    case UNARY_CUBE:
        return (double)(float)(x * x) * x;
    case UNARY_FLOOR:
        return floor(x);
    case UNARY_CEIL:
        return ceil(x);
    case UNARY_TRUNC:
        return trunc(x);
    case UNARY_ROUND:
        return rint(x);
    case UNARY_SQRT:
        return sqrt(x);
    case UNARY_RSQRT:
        return 1 / sqrt(x);
    case UNARY_RECIPROCAL:
        return 1 / x;
    case UNARY_RECIPROCAL_SQUARE:
        return 1 / (x * x);
    case UNARY_ISNAN:
        return isnan(x) != 0;
    case UNARY_ISINF:
        return isinf(x) != 0;
    case UNARY_HARDSWISH:
        return (double)(float)(x * ramp(x)) / 6;
    case UNARY_HARDSIGMOID:
        return ramp(x) / 6;
    case UNARY_HARDSHRINK:
        return x >= low && x <= high ? 0 : x;
    case UNARY_LEAKY_RELU:
        return x > 0 ? x : x * low;
    default:
        return x;
    }
}

static double exponential(uint32_t function, double x, const float *numbers)
{
    switch (function) {
    case UNARY_EXP:
        return exp(x);
    case UNARY_EXPM1:
        return expm1(x);
    case UNARY_SINH:
        return sinh(x);
    case UNARY_COSH:
        return cosh(x);
    case UNARY_TANH:
        return tanh(x);
    case UNARY_SIGMOID:
        return 1 / (1 + exp(-x));
    case UNARY_ERF:
        return erf(x);
    case UNARY_GELU:
        return 0.5 * x * erfc(-x * 0.7071067811865476);
    case UNARY_GELU_TANH:
        return gelu_tanh(x);
    default: /* UNARY_ELU */
        return x > 0 ? x * (double)numbers[1] : expm1(x * (double)numbers[2]) * (double)numbers[0];
    }
}

static double arithmetic(uint32_t function, double a, double b, double alpha)
{
    switch (function) {
    case BINARY_ADD:
        return a + (double)(float)(alpha * b);
    case BINARY_SUB:
        return a - (double)(float)(alpha * b);
    case BINARY_MUL:
        return a * b;
    case BINARY_DIV:
        return a / b;
    case BINARY_MIN:
        return isnan(a) || !(isnan(b) || b < a) ? a : b;
    default: /* BINARY_MAX */
        return isnan(a) || !(isnan(b) || b > a) ? a : b;
    }
}

static double half(double x)
{
    uint16_t bits;
    vkd_element_set(VKD_DTYPE_FLOAT16, &bits, 0, x);
    return vkd_element_get(VKD_DTYPE_FLOAT16, &bits, 0);
}

double vkd_chain_step(const chain_step *step, double a, double b)
{
    if (step->function >= CHAIN_BINARY)
        return arithmetic(step->function - CHAIN_BINARY, a, b, (double)step->numbers[1]);
    if (step->function == CHAIN_HALF)
        return half(a);
    return step->function >= UNARY_BY_EXP ? exponential(step->function, a, step->numbers)
                                          : plain(step->function, a, step->numbers);
}

float vkd_chain_value(const chain_args *chain, int8_t x)
{
    float slots[CHAIN_SLOTS] = {0};
    slots[0] = (float)(x - chain->x_scales[0].zero) * chain->x_scales[0].scale;
    uint32_t result = 0;
    for (uint32_t s = 0; s < chain->step_count; s++) {
        const chain_step *step = &chain->steps[s];
        slots[CHAIN_NUMBER] = step->numbers[0];
        result = CHAIN_INPUTS + s;
        slots[result] = (float)vkd_chain_step(step, (double)slots[step->a], (double)slots[step->b]);
    }
    return slots[result];
}

int8_t vkd_chain_byte(const chain_args *chain, int8_t x)
{
    const float inverse = (float)(1 / (double)chain->y_scale.scale);
    float steps = vkd_chain_value(chain, x) * inverse + 0.0f;
    if (isnan(steps))
        return (int8_t)chain->y_scale.zero;
    const float low = (float)(-128 - chain->y_scale.zero),
                high = (float)(127 - chain->y_scale.zero);
    return (int8_t)(rintf(fminf(fmaxf(steps, low), high)) + (float)chain->y_scale.zero);
}
