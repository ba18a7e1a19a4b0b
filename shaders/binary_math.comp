// Functions that take more than a step: binary.glsl.
// glslc -O0: its optimiser's unroller forgets what is precise
#version 450
#extension GL_GOOGLE_include_directive : require
#include "math_angle.glsl"
#include "math_divide.glsl"
#include "math_log.glsl"
#include "binary.glsl"

uint magnitude_of(int x) { return x < 0 ? 0u - uint(x) : uint(x); }

// Towards zero; by 0: 0.
int divide(int a, int b)
{
    if (b == 0)
        return 0;
    int quotient = int(magnitude_of(a) / magnitude_of(b));
    return (a < 0) != (b < 0) ? -quotient : quotient;
}
int modulo(int a, int b) { return b == 0 ? 0 : a - divide(a, b) * b; }
// Whether the quotient of a and b that is rounded towards zero is too large by 1 for a floor.
bool is_rounded_up(int a, int b) { return modulo(a, b) != 0 && (a < 0) != (b < 0); }

int power(int base, int exponent)
{
    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? 1 - 2 * (exponent & 1) : 0;
    int result = 1;
    for (; exponent != 0; exponent >>= 1) {
        result *= (exponent & 1) == 1 ? base : 1;
        base *= base;
    }
    return result;
}

float of_floats(float a, float b)
{
    switch (FUNCTION) {
    case BINARY_DIV_FLOOR:
        return divide_floor(a, b);
    case BINARY_DIV_TRUNC:
        return divide_trunc(a, b);
    case BINARY_FMOD:
        return fmod_of(a, b);
    case BINARY_REMAINDER:
        return remainder_of(a, b);
    case BINARY_POW:
        return pow_of(a, b);
    case BINARY_ATAN2:
        return atan2_of(a, b);
    case BINARY_GLU:
        return a * sigmoid_of(b);
    default:
        return 0.0;
    }
}

int of_ints(int a, int b)
{
    switch (FUNCTION) {
    case BINARY_DIV_FLOOR:
        return divide(a, b) - int(is_rounded_up(a, b));
    case BINARY_DIV_TRUNC:
        return divide(a, b);
    case BINARY_FMOD:
        return modulo(a, b);
    case BINARY_REMAINDER:
        return modulo(a, b) + (is_rounded_up(a, b) ? b : 0);
    case BINARY_POW:
        return power(a, b);
    default:
        return 0;
    }
}
