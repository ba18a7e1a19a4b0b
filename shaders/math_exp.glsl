// Exponentials, and what is made of them: math.glsl. What is between a convolution and its result is
// precise, so that a function has the same bits in every kernel. It selects, and returns at its end
// alone: of returns in between glslc -O makes switches of one case, one in another, of which Mesa
// 22's llvmpipe makes code that leaves results unset.
#ifndef VKD_MATH_EXP
#define VKD_MATH_EXP
#include "math.glsl"

// x - n ln 2 for the whole number n that is nearest to x / ln 2. |x| < 200.
float reduce_exp(float x, float n)
{
    precise float r = (x - n * 0.693359375f) + n * 2.12194440e-4f; // the first has 9 bits
    return r;
}

// e^(high + low).
float exp_pair(float high, float low)
{
    precise float x = max(min(high, 90.0f), -105.0f); // behind which scale makes infinity or 0
    precise float n = floor(x * 1.44269502f + 0.5f),
                  r = reduce_exp(x, n) + (x == high ? low : 0.0f);
    precise float p = 0.000197402696f * r + 0.00139350828f;
    p = ((p * r + 0.00833357032f) * r + 0.041666463f) * r + 0.166666657f;
    p = (p * r + 0.5f) * (r * r) + r + 1.0f;
    return is_nan(high) ? high : scale(p, int(n));
}

float exp_of(float x) { return exp_pair(x, 0.0f); }

// e^x - 1
float expm1_of(float x)
{
    if (!(x < 89.0f))
        return is_nan(x) ? x : infinity();
    if (x < -17.5f)
        return -1.0f;
    float n = floor(x * 1.44269502f + 0.5f), r = reduce_exp(x, n);
    float p = 0.000199442627f * r + 0.00139326695f;
    p = ((p * r + 0.00833320804f) * r + 0.0416664891f) * r + 0.166666672f;
    p = (p * r + 0.5f) * (r * r) + r;
    if (n == 0.0f)
        return p;
    if (n > 126.0f)
        return scale(1.0f + p, int(n)); // 2^n alone is too large
    float two_n = power_of_two(int(n));
    return n < 25.0f ? p * two_n + (two_n - 1.0f) : (p + 1.0f) * two_n;
}

// ------------------------------------------------------------------- sigmoid, hyperbolic functions

float sigmoid_of(float x)
{
    float e = exp_of(-abs(x));
    precise float y = (x < 0.0f ? e : 1.0f) / (1.0f + e);
    return y;
}

float tanh_of(float x)
{
    precise float a = abs(x), z = x * x,
                  p = ((0.00215763575f * z - 0.00819508638f) * z + 0.0217087492f) * z -
                      0.053948462f,
                  near = ((p * z + 0.133332223f) * z - 0.333333313f) * (z * a) + a,
                  far = 1.0f - 2.0f / (exp_of(2.0f * a) + 1.0f);
    return is_nan(x) ? x : copy_sign(a < 0.625f ? near : far, x);
}

// e^x / 2: e^x alone may be too large.
float half_exp(float x)
{
    pair less = two_sum(x, -LN2);
    return is_infinite(x) ? x : exp_pair(less.high, less.low);
}

float sinh_of(float x)
{
    float a = abs(x), t = expm1_of(a);
    float y = a < 44.0f ? 0.5f * (t + t / (t + 1.0f)) : half_exp(a);
    return is_nan(x) ? x : copy_sign(y, x);
}

float cosh_of(float x)
{
    float half_e = half_exp(abs(x));
    return half_e + 0.25f / half_e;
}

// ---------------------------------------------------------------------------------- error function

// erf x for |x| < 0.6
float erf_near(float x)
{
    precise float z = x * x, p = ((-0.000679941499f * z + 0.00512577128f) * z - 0.0268408153f) * z +
                                 0.112834945f;
    p = (((p * z - 0.37612626f) * z) + 0.128379166f) * x + x;
    return p;
}

// 1 - erf x for 0.55 <= x <= 10.2, behind which it is 0: e^(-x^2) P((x - 2) / (x + 2)) / (1 + 2x).
// The square comes in full.
float erfc_far(float x, pair square)
{
    precise float t = (x - 2.0f) / (x + 2.0f);
    precise float p =
        ((-0.00136819517f * t + 0.000979907461f) * t + 0.0087234946f) * t - 0.00796466228f;
    p = ((((p * t - 0.0542237349f) * t + 0.16404511f) * t - 0.166030034f) * t - 0.0927636921f) * t +
        1.27697837f;
    p = exp_pair(-square.high, -square.low) * p / (1.0f + 2.0f * x);
    return p;
}

float erf_of(float x)
{
    float a = abs(x);
    return is_nan(x) || a < 0.575f
               ? erf_near(x)
               : copy_sign(a > 10.2f ? 1.0f : 1.0f - erfc_far(a, two_product(a, a)), x);
}

// x (1 + erf(x / sqrt 2)) / 2: for negative x as the complement, which keeps its digits.
float gelu_of(float x)
{
    precise float a = abs(x), u = a * 0.707106769f;
    pair square = two_product(a, a);
    square.high *= 0.5f;
    square.low *= 0.5f;
    precise float tail = u < 0.575f ? 1.0f - erf_near(u) : erfc_far(u, square);
    precise float y = 0.5f * x * (x < 0.0f ? tail : 2.0f - tail);
    return is_nan(x) ? x : a > 14.0f ? max(x, -0.0f) : y;
}

// The approximation x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3), which is x / (1 +
// e^(-2u)).
float gelu_tanh_of(float x)
{
    precise float u = 1.59576917f * (x + 0.044715f * x * x * x), y = x * sigmoid_of(u);
    return abs(x) > 14.0f ? max(x, -0.0f) : y;
}

#endif
