// Functions that need no series: unary.glsl.
// glslc -O0: its optimiser's unroller forgets what is precise
#version 450
#extension GL_GOOGLE_include_directive : require
#include "unary.glsl"
#include "unary_plain.glsl"

float of_float(float x) { return plain_of(FUNCTION, x, params.low, params.high); }

int of_int(int x)
{
    switch (FUNCTION) {
    case UNARY_ABS:
        return abs(x);
    case UNARY_NEG:
        return -x;
    case UNARY_SIGN:
        return sign(x);
    case UNARY_CLAMP:
        return min(max(x, params.low_int), params.high_int);
    case UNARY_LOGICAL_NOT:
        return int(x == 0);
    case UNARY_BITWISE_NOT:
        return X_TYPE == VKD_ELEMENT_BOOL ? 1 - x : ~x;
    case UNARY_SQUARE:
        return x * x;
    case UNARY_CUBE:
        return x * x * x;
    default:
        return x;
    }
}
