// Trigonometry: math.glsl.
#ifndef VKD_MATH_ANGLE
#define VKD_MATH_ANGLE
#include "math.glsl"

const float PI = 3.14159274f, HALF_PI = 1.57079637f;

// x - q pi/2 in -pi/4 .. pi/4, and what q is modulo 4, for any finite x: x times 2/pi as integers,
// of which only those digits of 2/pi are needed that end up between 4 and 2^-94.
struct angle {
    float rest;
    uint quadrant;
};

// 32 digits, the first `shift` of 64 left out.
uint digits_from(uint high, uint low, uint shift)
{
    return shift == 0u ? high : high << shift | low >> (32u - shift);
}

angle reduce_angle(float x)
{
    angle result;
    result.rest = x;
    result.quadrant = 0u;
    uint bits = floatBitsToUint(x) & 0x7fffffffu;
    if (bits < 0x3f490fdbu) // pi/4
        return result;
    uint m = (bits & 0x7fffffu) | 0x800000u;
    uint first =
        (bits >> 23) - 120u; // the digit of weight 2^(1 - exponent), of those behind 32 zeros
    uint word = first >> 5, shift = first & 31u;
    // 2/pi behind 32 zeros, from that word on. Not an array: indices that differ would send it to
    // memory.
    uint a = 0u, b = 0xa2f9836eu, c = 0x4e441529u, d = 0xfc2757d1u, e = 0xf534ddc0u,
         f = 0xdb629599u, g = 0x3c439041u;
    if (word >= 4u)
        a = e, b = f, c = g, d = 0xfe5163abu;
    if ((word & 2u) != 0u)
        a = c, b = d, c = e, d = f, e = g;
    if ((word & 1u) != 0u)
        a = b, b = c, c = d, d = e;
    uint w0 = digits_from(a, b, shift), w1 = digits_from(b, c, shift),
         w2 = digits_from(c, d, shift);
    uint high1, low1, high2, low2;
    umulExtended(m, w2, high2, low2);
    umulExtended(m, w1, high1, low1);
    uint middle = low1 + high2, top = m * w0 + high1 + uint(middle < low1);
    // Fixed point: two digits before it, the quadrant.
    uint quadrant = top >> 30, fraction = top << 2 | middle >> 30, below = middle << 2 | low2 >> 30;
    bool up = fraction >> 31 == 1u; // nearer to the next one
    if (up) {
        below = ~below + 1u;
        fraction = ~fraction + uint(below == 0u);
    }
    int zeros = fraction == 0u ? 31 : 31 - findMSB(fraction);
    uint digits = zeros == 0 ? fraction : fraction << zeros | below >> (32 - zeros);
    float part = float(digits) * power_of_two(-32 - zeros),
          r = part * HALF_PI - part * 4.37113883e-8f;
    bool negative = is_negative(x);
    result.rest = up != negative ? -r : r;
    quadrant = quadrant + uint(up);
    result.quadrant = (negative ? 4u - quadrant : quadrant) & 3u;
    return result;
}

float sin_near(float r)
{
    float z = r * r,
          p = ((2.83751206e-06f * z - 0.000198535112f) * z + 0.00833338033f) * z - 0.166666672f;
    return p * (z * r) + r;
}
float cos_near(float r)
{
    float z = r * r, p = (2.44306684e-05f * z - 0.00138873013f) * z + 0.0416666456f;
    precise float half_z = 0.5f * z, w = 1.0f - half_z, lost = (1.0f - w) - half_z;
    return w + (lost + p * z * z);
}

float sin_from(float x, uint quarters)
{
    if (is_nan(x) || is_infinite(x))
        return nan();
    angle a = reduce_angle(x);
    uint quadrant = a.quadrant + quarters & 3u;
    float y = (quadrant & 1u) == 1u ? cos_near(a.rest) : sin_near(a.rest);
    return quadrant >= 2u ? -y : y;
}
float sin_of(float x) { return sin_from(x, 0u); }
float cos_of(float x) { return sin_from(x, 1u); }
float tan_of(float x)
{
    if (is_nan(x) || is_infinite(x))
        return nan();
    angle a = reduce_angle(x);
    float s = sin_near(a.rest), c = cos_near(a.rest);
    return (a.quadrant & 1u) == 1u ? -c / s : s / c;
}

// atan x for 0 <= x <= 1
float atan_near(float x)
{
    float z = x * x,
          p = ((-0.00182311598f * z + 0.011046255f) * z - 0.0314221419f) * z + 0.0582012571f;
    p = (((p * z - 0.0841754302f) * z + 0.109569333f) * z - 0.14265126f) * z + 0.199986279f;
    return (p * z - 0.333333015f) * (z * x) + x;
}

float atan2_of(float y, float x)
{
    if (is_nan(x) || is_nan(y))
        return nan();
    float ax = abs(x), ay = abs(y), large = max(ax, ay), small = min(ax, ay);
    float ratio = large == 0.0f        ? 0.0f
                  : is_infinite(large) ? float(is_infinite(small))
                                       : quotient_of(small, large);
    float a = atan_near(ratio);
    if (ay > ax)
        a = HALF_PI - (a + 4.37113883e-8f); // less what HALF_PI is too large by
    if (is_negative(x))
        a = PI - (a + 8.74227766e-8f);
    return copy_sign(a, y);
}
float atan_of(float x) { return atan2_of(x, 1.0f); }

// asin x for |x| <= 1/2
float asin_near(float x)
{
    float z = x * x,
          p = ((0.0376175605f * z + 0.0143624758f) * z + 0.0318291299f) * z + 0.044514209f;
    return ((p * z + 0.075005196f) * z + 0.166666597f) * (z * x) + x;
}

float asin_of(float x)
{
    float a = abs(x);
    if (!(a <= 1.0f))
        return nan();
    return a <= 0.5f
               ? asin_near(x)
               : copy_sign(HALF_PI - (2.0f * asin_near(sqrt(0.5f * (1.0f - a))) + 4.37113883e-8f),
                           x);
}

float acos_of(float x)
{
    float a = abs(x);
    if (!(a <= 1.0f))
        return nan();
    if (a <= 0.5f)
        return HALF_PI - (asin_near(x) + 4.37113883e-8f);
    float half_angle = asin_near(sqrt(0.5f * (1.0f - a)));
    return x > 0.0f ? 2.0f * half_angle : PI - (2.0f * half_angle + 8.74227766e-8f);
}

#endif
