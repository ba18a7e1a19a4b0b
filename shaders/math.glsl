// Functions of floats to a few units in the last place, everywhere: GLSL's own may be off by
// hundreds (pow), by thousands (atan) or by an absolute error (sin, log), and some return anything
// for NaN, infinities and negative numbers. Needed of a device are sums, differences and products
// rounded to the nearest, and quotients and roots, whose own errors (Vulkan allows 2.5 ulp) come on
// top. Nothing is computed with subnormal numbers, so that they may be flushed. Polynomials are
// minimax fits of the relative error of the whole function, their coefficients rounded to floats
// one after the other. test/test_math.c includes these files as C++ and holds the errors:
//
//     math_exp.glsl    exp 1 ulp; expm1, tanh, erf 2; sinh, cosh, sigmoid 3; gelu 5; gelu_tanh 5, and for negative x, where little
//                      is left of it, 1e-6 of x
//     math_log.glsl    log, log2, log10, log1p 1; asinh, acosh, atanh 2; pow 4
//     math_angle.glsl  atan, atan2, acos 2; sin, cos, asin 3; tan 5
//     math_divide.glsl fmod exact; remainder, quotients that are rounded to whole numbers
//
// Here is what they share. `precise` keeps a compiler from contracting or reordering what cancels.
#ifndef VKD_MATH
#define VKD_MATH
#include "nan.glsl"

// An unevaluated sum: low is less than an ulp of high.
struct pair {
    float high, low;
};

const float LN2 = 0.693147182f;

bool is_infinite(float x) { return (floatBitsToUint(x) & 0x7fffffffu) == 0x7f800000u; }
bool is_negative(float x) { return floatBitsToUint(x) >> 31 == 1u; } // -0 too
float infinity() { return uintBitsToFloat(0x7f800000u); }
// a / b. A device may take a quotient for a * (1 / b), which is 0 where b is above 2^126.
float quotient_of(float a, float b)
{
    precise float scale = abs(b) > 4.25352959e37f ? 0.25f : 1.0f, // 2^125
        quotient = a * scale / (b * scale);
    return quotient;
}
float copy_sign(float magnitude, float sign)
{
    return uintBitsToFloat((floatBitsToUint(magnitude) & 0x7fffffffu) |
                           (floatBitsToUint(sign) & 0x80000000u));
}

// 6 * hardsigmoid(x): a sum of its own, which cancels.
float ramp(float x)
{
    precise float sum = x + 3.0;
    return x <= -3.0 ? 0.0 : x >= 3.0 ? 6.0 : sum;
}

// For whole numbers -126 .. 127.
float power_of_two(int n) { return uintBitsToFloat(uint(n + 127) << 23); }
// For -252 .. 254, in two steps.
float scale(float x, int n) { return x * power_of_two(n >> 1) * power_of_two(n - (n >> 1)); }

// To the nearest whole number, ties to even: GLSL leaves it to the device whether roundEven keeps
// the sign of zero.
float round_even(float x)
{
    precise float at = copy_sign(8388608.0f, x), shifted = x + at, rounded = shifted - at;
    return is_nan(x) || abs(x) >= 8388608.0f ? x : copy_sign(rounded, x);
}

pair two_sum(float a, float b)
{
    precise float high = a + b, of_b = high - a, of_a = high - of_b, rest_b = b - of_b,
                  rest_a = a - of_a, low = rest_a + rest_b;
    pair sum;
    sum.high = high;
    sum.low = low;
    return sum;
}

// The product in full: halves of 12 bits multiply without error.
pair two_product(float a, float b)
{
    precise float a1 = uintBitsToFloat(floatBitsToUint(a) & 0xfffff000u), a2 = a - a1;
    precise float b1 = uintBitsToFloat(floatBitsToUint(b) & 0xfffff000u), b2 = b - b1;
    precise float high = a * b, low = ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2;
    pair product;
    product.high = high;
    product.low = low;
    return product;
}

// The root of -0 is -0, of other negative numbers NaN: a device may return anything for them.
float root_of(float x) { return x == 0.0f || is_nan(x) ? x : x < 0.0f ? nan() : sqrt(x); }

#endif
