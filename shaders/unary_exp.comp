// Functions made of exponentials: unary.glsl.
// glslc -O0: its optimiser's unroller forgets what is precise
#version 450
#extension GL_GOOGLE_include_directive : require
#include "math_exp.glsl"
#include "unary.glsl"

float elu(float x) { return x > 0.0 ? x * params.high : expm1_of(x * params.third) * params.low; }

float of_float(float x)
{
    switch (FUNCTION) {
    case UNARY_EXP: return exp_of(x);
    case UNARY_EXPM1: return expm1_of(x);
    case UNARY_SINH: return sinh_of(x);
    case UNARY_COSH: return cosh_of(x);
    case UNARY_TANH: return tanh_of(x);
    case UNARY_SIGMOID: return sigmoid_of(x);
    case UNARY_ERF: return erf_of(x);
    case UNARY_GELU: return gelu_of(x);
    case UNARY_GELU_TANH: return gelu_tanh_of(x);
    case UNARY_ELU: return elu(x);
    default: return x;
    }
}

int of_int(int x) { return x; }
