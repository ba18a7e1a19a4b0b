// Functions made of exponentials: unary.glsl.
// base: chain_exp_short
// glslc -O0: its optimiser's unroller forgets what is precise
#version 450
#extension GL_GOOGLE_include_directive : require
#include "unary.glsl"
#include "unary_exponential.glsl"

float of_float(float x)
{
    return exponential_of(FUNCTION, x, params.low, params.high, params.third);
}

int of_int(int x) { return x; }
