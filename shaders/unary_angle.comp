// Functions of angles: unary.glsl.
// glslc -O0: its optimiser's unroller forgets what is precise
#version 450
#extension GL_GOOGLE_include_directive : require
#include "math_angle.glsl"
#include "unary.glsl"

float of_float(float x)
{
    switch (FUNCTION) {
    case UNARY_SIN:
        return sin_of(x);
    case UNARY_COS:
        return cos_of(x);
    case UNARY_TAN:
        return tan_of(x);
    case UNARY_ASIN:
        return asin_of(x);
    case UNARY_ACOS:
        return acos_of(x);
    case UNARY_ATAN:
        return atan_of(x);
    default:
        return x;
    }
}

int of_int(int x) { return x; }
