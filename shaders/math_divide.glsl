// Division with whole quotients: math.glsl.
#ifndef VKD_MATH_DIVIDE
#define VKD_MATH_DIVIDE
#include "math.glsl"

// What is left of |a| after |b| has been subtracted as often as it can be: exact. Digits of the
// quotient, eight at a time, of the numbers as integers times 2^exponent.
float fmod_of(float a, float b)
{
    uint x = floatBitsToUint(a) & 0x7fffffffu, y = floatBitsToUint(b) & 0x7fffffffu;
    if (x >= 0x7f800000u || y > 0x7f800000u || y == 0u)
        return nan();
    if (x < y)
        return a;
    int ex = max(int(x >> 23), 1), ey = max(int(y >> 23), 1);
    uint mx = x < 0x800000u ? x : (x & 0x7fffffu) | 0x800000u,
         my = y < 0x800000u ? y : (y & 0x7fffffu) | 0x800000u;
    mx %= my;
    for (int left = ex - ey; left > 0; left -= 8)
        mx = (mx << min(left, 8)) % my;
    if (mx == 0u)
        return copy_sign(0.0f, a);
    int shift = min(23 - findMSB(mx), ey - 1); // to a normal number again, where there is room
    mx <<= shift;
    uint bits = mx < 0x800000u ? mx : (mx & 0x7fffffu) | uint(ey - shift) << 23;
    return copy_sign(uintBitsToFloat(bits), a);
}

// As Python has it: the sign is the divisor's.
float remainder_of(float a, float b)
{
    float r = fmod_of(a, b);
    return r != 0.0f && (r < 0.0f) != (b < 0.0f) ? r + b : r;
}

// What PyTorch's floor_divide computes: a whole number, which a rounded quotient cannot be trusted
// to become.
float divide_floor(float a, float b)
{
    if (b == 0.0f)
        return a / b;
    precise float rest = fmod_of(a, b), quotient = quotient_of(a - rest, b);
    if (rest != 0.0f && (b < 0.0f) != (rest < 0.0f))
        quotient -= 1.0f;
    if (quotient == 0.0f)
        return copy_sign(0.0f, is_negative(a) == is_negative(b) ? 1.0f : -1.0f);
    float whole = floor(quotient);
    return quotient - whole > 0.5f ? whole + 1.0f : whole;
}

// The quotient towards zero. Where the rounded quotient is the next whole number, that is it: as if
// a / b were correctly rounded; from 2^22 on, where floats are half a unit apart, to a unit.
float divide_trunc(float a, float b)
{
    float rest = abs(fmod_of(a, b)), divisor = abs(b);
    if (is_nan(rest) || is_infinite(b))
        return trunc(a / b);
    precise float near = quotient_of(abs(a) - rest, divisor);
    float quotient = round_even(near);
    if (quotient < 8388608.0f) {
        int exponent = int(floatBitsToUint(quotient + 1.0f) - 1u >> 23) -
                       127; // of the numbers just below quotient + 1
        if ((divisor - rest) * power_of_two(24 - exponent) <= divisor)
            quotient += 1.0f;
    }
    return copy_sign(quotient, is_negative(a) == is_negative(b) ? 1.0f : -1.0f);
}

#endif
