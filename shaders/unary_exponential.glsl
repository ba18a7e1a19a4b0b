// Functions of one operand made of exponentials, UNARY_* of unary_params.h: unary_exp.comp,
// chain.comp.
#include "math_exp.glsl"

float elu(float x, float low, float high, float third)
{
    return x > 0.0 ? x * high : expm1_of(x * third) * low;
}

float exponential_of(int function, float x, float low, float high, float third)
{
    switch (function) {
    case UNARY_EXP:
        return exp_of(x);
    case UNARY_EXPM1:
        return expm1_of(x);
    case UNARY_SINH:
        return sinh_of(x);
    case UNARY_COSH:
        return cosh_of(x);
    case UNARY_TANH:
        return tanh_of(x);
    case UNARY_SIGMOID:
        return sigmoid_of(x);
    case UNARY_ERF:
        return erf_of(x);
    case UNARY_GELU:
        return gelu_of(x);
    case UNARY_GELU_TANH:
        return gelu_tanh_of(x);
    case UNARY_ELU:
        return elu(x, low, high, third);
    default:
        return x;
    }
}
