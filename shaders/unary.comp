// y = f(x), x seen through a view: an invocation makes a group of four elements.
// glslc -O0: its optimiser's unroller forgets what is precise
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "math.glsl"
#include "unary_params.h"

layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint RANK = 1;
layout(constant_id = 6) const uint WHOLE = 0;
layout(constant_id = 7) const uint X_READ = VKD_READ_SAME;
layout(constant_id = 8) const int FUNCTION = UNARY_COPY;
layout(constant_id = 9) const uint INTS = 0;

layout(push_constant) uniform params_block { unary_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, X_TYPE)
ELEMENTS_OUT(1, y, Y_TYPE)
OPERAND(x, X_READ, params.x_strides, params.x_offset)

// NaN stays; a bound that is NaN wins.
float clamped(float x)
{
    float y = x < params.low ? params.low : x;
    y = y > params.high ? params.high : y;
    return is_nan(params.low) || is_nan(params.high) ? nan() : y;
}

float logit(float x)
{
    float z = is_nan(params.low) ? x : x < params.low ? params.low : x > params.high ? params.high : x;
    return log_of(z / (1.0 - z));
}

float elu(float x) { return x > 0.0 ? x * params.high : expm1_of(x * params.third) * params.low; }

float hardswish(float x) { return x * (x <= -3.0 ? 0.0 : x >= 3.0 ? 6.0 : x + 3.0) / 6.0; }

float of_float(float x)
{
    switch (FUNCTION) {
    case UNARY_ABS: return uintBitsToFloat(floatBitsToUint(x) & 0x7fffffffu);
    case UNARY_NEG: return uintBitsToFloat(floatBitsToUint(x) ^ 0x80000000u);
    case UNARY_SIGN: return float(x > 0.0) - float(x < 0.0);
    case UNARY_CLAMP: return clamped(x);
    case UNARY_LOGICAL_NOT: return float(x == 0.0);
    case UNARY_SQUARE: return x * x;
    case UNARY_CUBE: return x * x * x;
    case UNARY_EXP: return exp_of(x);
    case UNARY_EXPM1: return expm1_of(x);
    case UNARY_LOG: return log_of(x);
    case UNARY_LOG2: return log2_of(x);
    case UNARY_LOG10: return log10_of(x);
    case UNARY_LOG1P: return log1p_of(x);
    case UNARY_SIN: return sin_of(x);
    case UNARY_COS: return cos_of(x);
    case UNARY_TAN: return tan_of(x);
    case UNARY_ASIN: return asin_of(x);
    case UNARY_ACOS: return acos_of(x);
    case UNARY_ATAN: return atan_of(x);
    case UNARY_SINH: return sinh_of(x);
    case UNARY_COSH: return cosh_of(x);
    case UNARY_TANH: return tanh_of(x);
    case UNARY_ASINH: return asinh_of(x);
    case UNARY_ACOSH: return acosh_of(x);
    case UNARY_ATANH: return atanh_of(x);
    case UNARY_ERF: return erf_of(x);
    case UNARY_SQRT: return root_of(x);
    case UNARY_RSQRT: return 1.0 / root_of(x);
    case UNARY_RECIPROCAL: return 1.0 / x;
    case UNARY_RECIPROCAL_SQUARE: return 1.0 / (x * x);
    case UNARY_FLOOR: return floor(x);
    case UNARY_CEIL: return ceil(x);
    case UNARY_TRUNC: return trunc(x);
    case UNARY_ROUND: return round_even(x);
    case UNARY_ISNAN: return float(is_nan(x));
    case UNARY_ISINF: return float(is_infinite(x));
    case UNARY_SIGMOID: return sigmoid_of(x);
    case UNARY_GELU: return gelu_of(x);
    case UNARY_GELU_TANH: return gelu_tanh_of(x);
    case UNARY_HARDSWISH: return hardswish(x);
    case UNARY_HARDSIGMOID: return x <= -3.0 ? 0.0 : x >= 3.0 ? 1.0 : x / 6.0 + 0.5;
    case UNARY_HARDSHRINK: return x >= params.low && x <= params.high ? 0.0 : x;
    case UNARY_LEAKY_RELU: return x > 0.0 ? x : x * params.low;
    case UNARY_ELU: return elu(x);
    case UNARY_LOGIT: return logit(x);
    default: return x;
    }
}

int of_int(int x)
{
    switch (FUNCTION) {
    case UNARY_ABS: return abs(x);
    case UNARY_NEG: return -x;
    case UNARY_SIGN: return sign(x);
    case UNARY_CLAMP: return min(max(x, params.low_int), params.high_int);
    case UNARY_LOGICAL_NOT: return int(x == 0);
    case UNARY_BITWISE_NOT: return X_TYPE == VKD_ELEMENT_BOOL ? 1 - x : ~x;
    case UNARY_SQUARE: return x * x;
    case UNARY_CUBE: return x * x * x;
    default: return x;
    }
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    if (INTS == 1) {
        ivec4 v = x_get4i(group);
        y_store4i(group, ivec4(of_int(v.x), of_int(v.y), of_int(v.z), of_int(v.w)));
        return;
    }
    vec4 v = x_get4(group);
    for (int i = 0; i < 4; i++)
        v[i] = of_float(v[i]);
    y_store4(group, v);
}
