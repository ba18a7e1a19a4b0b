// Logarithms, and what is made of them: math.glsl.
#ifndef VKD_MATH_LOG
#define VKD_MATH_LOG
#include "math_exp.glsl"

// The logarithm of a positive, finite number.
pair log_pair(float x)
{
    uint bits = floatBitsToUint(x);
    int exponent = 0;
    if (bits < 0x800000u) { // subnormal: bits times 2^-149
        bits = floatBitsToUint(float(bits));
        exponent = -149;
    }
    uint above = bits - 0x3f3504f3u; // sqrt(1/2)
    exponent += int(above) >> 23;
    float m = uintBitsToFloat((above & 0x7fffffu) + 0x3f3504f3u); // sqrt(1/2) .. sqrt(2)
    // log m = log (1 + s) - log (1 - s) = 2s + s^3 P(s^2), s = f / (2 + f)
    float f = m - 1.0f, n = float(exponent);
    pair below = two_sum(2.0f, f);
    float s = f / below.high;
    pair back = two_product(s, below.high);
    precise float rest = ((f - back.high) - back.low) - s * below.low;
    float z = s * s, s2 = rest / below.high;
    float p = ((0.242788315f * z + 0.284987926f) * z + 0.400009722f) * z + 0.666666627f;
    float tail = s * z * p + 2.0f * s2;
    // ln 2 in 16 bits and the rest: n times the first is exact.
    pair sum = two_sum(n * 0.693145752f, 2.0f * s);
    return two_sum(sum.high, sum.low + (n * 1.42860677e-6f + tail));
}

// What log returns for what has no finite logarithm.
bool is_log_special(float x) { return !(x > 0.0f) || is_infinite(x); }
float log_special(float x) { return is_nan(x) || x > 0.0f ? x : x == 0.0f ? -infinity() : nan(); }
// Flushed to zero or not, a positive subnormal number has a logarithm.
bool is_subnormal(float x) { return floatBitsToUint(x) - 1u < 0x7fffffu; }

float log_of(float x)
{
    if (is_log_special(x) && !is_subnormal(x))
        return log_special(x);
    pair l = log_pair(x);
    return l.high + l.low;
}

// Logarithms of another base, whose factor comes in two parts.
float log_based(float x, float factor, float factor_low)
{
    if (is_log_special(x) && !is_subnormal(x))
        return log_special(x);
    pair l = log_pair(x), p = two_product(l.high, factor);
    return p.high + (p.low + (l.high * factor_low + l.low * factor));
}
float log2_of(float x) { return log_based(x, 1.44269502f, 1.92596303e-8f); }
float log10_of(float x) { return log_based(x, 0.434294492f, -1.01014916e-8f); }

// log (1 + x)
float log1p_of(float x)
{
    pair u = two_sum(1.0f, x);
    if (is_log_special(u.high))
        return log_special(u.high);
    pair l = log_pair(u.high);
    return l.high + (l.low + u.low / u.high);
}

// -------------------------------------------------------------------- powers, hyperbolic functions

// x^y as C has it: for whole y also of negative x.
float pow_of(float x, float y)
{
    float magnitude = abs(x);
    if (y == 0.0f || x == 1.0f)
        return 1.0f;
    if (is_nan(x) || is_nan(y))
        return nan();
    bool whole = abs(y) >= 16777216.0f || y == floor(y);
    bool odd = whole && abs(y) < 16777216.0f && (int(y) & 1) == 1;
    bool negative = odd && is_negative(x);
    if (magnitude == 0.0f && !is_subnormal(magnitude))
        magnitude = y < 0.0f ? infinity() : 0.0f;
    else if (is_infinite(x))
        magnitude = y < 0.0f ? 0.0f : infinity();
    else if (x < 0.0f && !whole)
        return nan();
    else if (is_infinite(y))
        magnitude = magnitude == 1.0f ? 1.0f : (magnitude > 1.0f) == (y > 0.0f) ? infinity() : 0.0f;
    else {
        float bounded = min(max(y, -8589934592.0f),
                            8589934592.0f); // beyond it all is 0, 1 or infinite, and products fit
        pair l = log_pair(magnitude), p = two_product(l.high, bounded);
        magnitude = exp_pair(p.high, p.low + l.low * bounded);
    }
    return negative ? -magnitude : magnitude;
}

float asinh_of(float x)
{
    float a = abs(x), z = a * a, y = log1p_of(a + z / (1.0f + sqrt(z + 1.0f)));
    if (a > 1e9f)
        y = log_of(a) + LN2;
    return is_nan(x) ? x : copy_sign(y, x);
}

float acosh_of(float x)
{
    float t = x - 1.0f;
    if (!(t >= 0.0f))
        return nan();
    return x > 1e9f ? log_of(x) + LN2 : log1p_of(t + sqrt(t * (t + 2.0f)));
}

float atanh_of(float x)
{
    float a = abs(x), y = 0.5f * log1p_of(2.0f * a / (1.0f - a));
    return a > 1.0f || is_nan(x) ? nan() : a == 1.0f ? copy_sign(infinity(), x) : copy_sign(y, x);
}

#endif
