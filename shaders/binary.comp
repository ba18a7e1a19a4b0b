// y = f(a, b), both seen through views of y's dims: an invocation makes a group of four elements. Computed with ints where INTS is
// 1, which wrap, else with floats.
// glslc -O0: its optimiser's unroller forgets what is precise
#version 450
#extension GL_GOOGLE_include_directive : require
#include "binary_params.h"
#include "dispatch.glsl"
#include "element.glsl"
#include "math.glsl"

layout(constant_id = 3) const uint A_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint B_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 6) const uint RANK = 1;
layout(constant_id = 7) const uint WHOLE = 0;
layout(constant_id = 8) const uint A_READ = VKD_READ_SAME;
layout(constant_id = 9) const uint B_READ = VKD_READ_SAME;
layout(constant_id = 10) const int FUNCTION = BINARY_ADD;
layout(constant_id = 11) const uint INTS = 0;

layout(push_constant) uniform params_block { binary_params params; };
#include "view.glsl"

ELEMENTS_IN(0, a, A_TYPE)
ELEMENTS_IN(1, b, B_TYPE)
ELEMENTS_OUT(2, y, Y_TYPE)
OPERAND(a, A_READ, params.a_strides, params.a_offset)
OPERAND(b, B_READ, params.b_strides, params.b_offset)

float of_floats(float a, float b)
{
    switch (FUNCTION) {
    case BINARY_ADD: return a + params.alpha * b;
    case BINARY_SUB: return a - params.alpha * b;
    case BINARY_MUL: return a * b;
    case BINARY_DIV: return a / b;
    case BINARY_DIV_FLOOR: return divide_floor(a, b);
    case BINARY_DIV_TRUNC: return divide_trunc(a, b);
    case BINARY_FMOD: return fmod_of(a, b);
    case BINARY_REMAINDER: return remainder_of(a, b);
    case BINARY_POW: return pow_of(a, b);
    case BINARY_MIN: return is_nan(a) ? a : is_nan(b) || b < a ? b : a;
    case BINARY_MAX: return is_nan(a) ? a : is_nan(b) || b > a ? b : a;
    case BINARY_GLU: return a * sigmoid_of(b);
    case BINARY_ATAN2: return atan2_of(a, b);
    case BINARY_EQ: return float(a == b);
    case BINARY_NE: return float(!(a == b));
    case BINARY_LT: return float(a < b);
    case BINARY_LE: return float(a <= b);
    case BINARY_GT: return float(a > b);
    case BINARY_GE: return float(a >= b);
    case BINARY_LOGICAL_AND: return float(!(a == 0.0) && !(b == 0.0));
    case BINARY_LOGICAL_OR: return float(!(a == 0.0) || !(b == 0.0));
    case BINARY_LOGICAL_XOR: return float((a == 0.0) != (b == 0.0));
    default: return 0.0;
    }
}

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

int of_ints(int a, int b)
{
    switch (FUNCTION) {
    case BINARY_ADD: return a + params.alpha_int * b;
    case BINARY_SUB: return a - params.alpha_int * b;
    case BINARY_MUL: return a * b;
    case BINARY_DIV_FLOOR: return divide(a, b) - int(is_rounded_up(a, b));
    case BINARY_DIV_TRUNC: return divide(a, b);
    case BINARY_FMOD: return modulo(a, b);
    case BINARY_REMAINDER: return modulo(a, b) + (is_rounded_up(a, b) ? b : 0);
    case BINARY_POW: return power(a, b);
    case BINARY_MIN: return min(a, b);
    case BINARY_MAX: return max(a, b);
    case BINARY_EQ: return int(a == b);
    case BINARY_NE: return int(a != b);
    case BINARY_LT: return int(a < b);
    case BINARY_LE: return int(a <= b);
    case BINARY_GT: return int(a > b);
    case BINARY_GE: return int(a >= b);
    case BINARY_LOGICAL_AND: return int(a != 0 && b != 0);
    case BINARY_LOGICAL_OR: return int(a != 0 || b != 0);
    case BINARY_LOGICAL_XOR: return int((a != 0) != (b != 0));
    case BINARY_BITWISE_AND: return a & b;
    case BINARY_BITWISE_OR: return a | b;
    case BINARY_BITWISE_XOR: return a ^ b;
    default: return 0;
    }
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    if (INTS == 1) {
        ivec4 a = a_get4i(group), b = b_get4i(group);
        for (int i = 0; i < 4; i++)
            a[i] = of_ints(a[i], b[i]);
        y_store4i(group, a);
        return;
    }
    vec4 a = a_get4(group), b = b_get4(group);
    for (int i = 0; i < 4; i++)
        a[i] = of_floats(a[i], b[i]);
    y_store4(group, a);
}
