// Arithmetic of two floats, BINARY_* of binary_params.h: binary.comp, chain.comp. Every step
// rounds.
#include "math.glsl"

float arithmetic_of(int function, float a, float b, float alpha)
{
    precise float scaled = alpha * b, sum = a + scaled, difference = a - scaled, product = a * b;
    switch (function) {
    case BINARY_ADD:
        return sum;
    case BINARY_SUB:
        return difference;
    case BINARY_MUL:
        return product;
    case BINARY_DIV:
        return quotient_of(a, b);
    case BINARY_MIN:
        return smaller(a, b);
    case BINARY_MAX:
        return larger(a, b);
    default:
        return 0.0;
    }
}
