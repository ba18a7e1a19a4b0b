// Functions of one operand that need no series, UNARY_* of unary_params.h: unary.comp, chain.comp.
#include "math.glsl"

float plain_of(int function, float x, float low, float high)
{
    switch (function) {
    case UNARY_ABS:
        return uintBitsToFloat(floatBitsToUint(x) & 0x7fffffffu);
    case UNARY_NEG:
        return uintBitsToFloat(floatBitsToUint(x) ^ 0x80000000u);
    case UNARY_SIGN:
        return float(x > 0.0) - float(x < 0.0);
    case UNARY_CLAMP:
        return bounded(x, low, high);
    case UNARY_LOGICAL_NOT:
        return float(x == 0.0);
    case UNARY_SQUARE:
        return x * x;
    case UNARY_CUBE:
        return x * x * x;
    case UNARY_FLOOR:
        return floor(x);
    case UNARY_CEIL:
        return ceil(x);
    case UNARY_TRUNC:
        return trunc(x);
    case UNARY_ROUND:
        return round_even(x);
    case UNARY_SQRT:
        return root_of(x);
    case UNARY_RSQRT:
        return 1.0 / root_of(x);
    case UNARY_RECIPROCAL:
        return 1.0 / x;
    case UNARY_RECIPROCAL_SQUARE:
        return 1.0 / (x * x);
    case UNARY_ISNAN:
        return float(is_nan(x));
    case UNARY_ISINF:
        return float(is_infinite(x));
    case UNARY_HARDSWISH:
        return x * ramp(x) / 6.0;
    case UNARY_HARDSIGMOID:
        return ramp(x) / 6.0;
    case UNARY_HARDSHRINK:
        return x >= low && x <= high ? 0.0 : x;
    case UNARY_LEAKY_RELU:
        return x > 0.0 ? x : x * low;
    default:
        return x;
    }
}
