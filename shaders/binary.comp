// Sums, products, comparisons, truths and bits: binary.glsl.
// glslc -O0: its optimiser's unroller forgets what is precise
#version 450
#extension GL_GOOGLE_include_directive : require
#include "binary.glsl"
#include "binary_arithmetic.glsl"

float of_floats(float a, float b)
{
    switch (FUNCTION) {
    case BINARY_EQ:
        return float(a == b);
    case BINARY_NE:
        return float(!(a == b));
    case BINARY_LT:
        return float(a < b);
    case BINARY_LE:
        return float(a <= b);
    case BINARY_GT:
        return float(a > b);
    case BINARY_GE:
        return float(a >= b);
    case BINARY_LOGICAL_AND:
        return float(!(a == 0.0) && !(b == 0.0));
    case BINARY_LOGICAL_OR:
        return float(!(a == 0.0) || !(b == 0.0));
    case BINARY_LOGICAL_XOR:
        return float((a == 0.0) != (b == 0.0));
    default:
        return arithmetic_of(FUNCTION, a, b, params.alpha);
    }
}

int of_ints(int a, int b)
{
    switch (FUNCTION) {
    case BINARY_ADD:
        return a + params.alpha_int * b;
    case BINARY_SUB:
        return a - params.alpha_int * b;
    case BINARY_MUL:
        return a * b;
    case BINARY_MIN:
        return min(a, b);
    case BINARY_MAX:
        return max(a, b);
    case BINARY_EQ:
        return int(a == b);
    case BINARY_NE:
        return int(a != b);
    case BINARY_LT:
        return int(a < b);
    case BINARY_LE:
        return int(a <= b);
    case BINARY_GT:
        return int(a > b);
    case BINARY_GE:
        return int(a >= b);
    case BINARY_LOGICAL_AND:
        return int(a != 0 && b != 0);
    case BINARY_LOGICAL_OR:
        return int(a != 0 || b != 0);
    case BINARY_LOGICAL_XOR:
        return int((a != 0) != (b != 0));
    case BINARY_BITWISE_AND:
        return a & b;
    case BINARY_BITWISE_OR:
        return a | b;
    case BINARY_BITWISE_XOR:
        return a ^ b;
    case BINARY_SHIFT_LEFT:
        return uint(b) < 32 ? a << b : 0;
    case BINARY_SHIFT_RIGHT:
        return a >> min(uint(b), 31);
    default:
        return 0;
    }
}
