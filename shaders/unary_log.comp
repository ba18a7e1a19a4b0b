// Functions made of logarithms: unary.glsl.
// base: binary_math
// glslc -O0: its optimiser's unroller forgets what is precise
#version 450
#extension GL_GOOGLE_include_directive : require
#include "math_log.glsl"
#include "unary.glsl"

float logit(float x)
{
    float z = is_nan(params.low) ? x : bounded(x, params.low, params.high);
    return log_of(quotient_of(z, 1.0 - z));
}

float of_float(float x)
{
    switch (FUNCTION) {
    case UNARY_LOG:
        return log_of(x);
    case UNARY_LOG2:
        return log2_of(x);
    case UNARY_LOG10:
        return log10_of(x);
    case UNARY_LOG1P:
        return log1p_of(x);
    case UNARY_ASINH:
        return asinh_of(x);
    case UNARY_ACOSH:
        return acosh_of(x);
    case UNARY_ATANH:
        return atanh_of(x);
    case UNARY_LOGIT:
        return logit(x);
    default:
        return x;
    }
}

int of_int(int x) { return x; }
