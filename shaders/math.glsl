// Functions of floats to a few units in the last place, everywhere: GLSL's own may be off by hundreds (pow), by thousands (atan) or
// by an absolute error (sin, log), and some return anything for NaN, infinities and negative numbers. Needed of a device are sums,
// differences and products rounded to the nearest, and quotients and roots within 2.5 ulp, as Vulkan has them; nothing is computed
// with subnormal numbers, so that they may be flushed. Polynomials are minimax fits of the relative error of the whole function,
// their coefficients rounded to floats one after the other. test/test_math.c includes this file as C and holds the errors.
//
//     exp, log, log2, log10, log1p 1 ulp; expm1, tanh, asinh, acosh, atanh, erf, atan, atan2, acos 2; sin, cos, sinh, cosh, sigmoid,
//     asin 3; tan, pow 4; gelu 5; gelu_tanh 5, and for negative x, where little is left of it, 1e-6 of x
//
// `precise` keeps a compiler from contracting or reordering what cancels.

// An unevaluated sum: low is less than an ulp of high.
struct pair {
    float high, low;
};

const float LN2 = 0.693147182f, PI = 3.14159274f, HALF_PI = 1.57079637f;

bool is_nan(float x) { return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u; }
bool is_infinite(float x) { return (floatBitsToUint(x) & 0x7fffffffu) == 0x7f800000u; }
bool is_negative(float x) { return floatBitsToUint(x) >> 31 == 1u; } // -0 too
float infinity() { return uintBitsToFloat(0x7f800000u); }
float nan() { return uintBitsToFloat(0x7fc00000u); }
float copy_sign(float magnitude, float sign)
{
    return uintBitsToFloat((floatBitsToUint(magnitude) & 0x7fffffffu) | (floatBitsToUint(sign) & 0x80000000u));
}

// For whole numbers -126 .. 127.
float power_of_two(int n) { return uintBitsToFloat(uint(n + 127) << 23); }
// For -252 .. 254, in two steps.
float scale(float x, int n) { return x * power_of_two(n >> 1) * power_of_two(n - (n >> 1)); }

// To the nearest whole number, ties to even: GLSL leaves it to the device whether roundEven keeps the sign of zero.
float round_even(float x)
{
    precise float at = copy_sign(8388608.0f, x), shifted = x + at, rounded = shifted - at;
    return is_nan(x) || abs(x) >= 8388608.0f ? x : copy_sign(rounded, x);
}

pair two_sum(float a, float b)
{
    precise float high = a + b, of_b = high - a, of_a = high - of_b, rest_b = b - of_b, rest_a = a - of_a, low = rest_a + rest_b;
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

// ---------------------------------------------------------------------------------------------------------- exponentials

// x - n ln 2 for the whole number n that is nearest to x / ln 2. |x| < 200.
float reduce_exp(float x, float n)
{
    precise float r = (x - n * 0.693359375f) + n * 2.12194440e-4f; // the first has 9 bits
    return r;
}

// e^(high + low).
float exp_pair(float high, float low)
{
    if (high > 90.0f)
        return infinity();
    if (high < -104.0f)
        return 0.0f;
    float n = floor(high * 1.44269502f + 0.5f), r = reduce_exp(high, n) + low;
    float p = 0.000197402696f * r + 0.00139350828f;
    p = ((p * r + 0.00833357032f) * r + 0.041666463f) * r + 0.166666657f;
    p = (p * r + 0.5f) * (r * r) + r;
    return is_nan(high) ? high : scale(1.0f + p, int(n));
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

// ----------------------------------------------------------------------------------------------------------- logarithms

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
        float bounded = min(max(y, -8589934592.0f), 8589934592.0f); // beyond it all is 0, 1 or infinite, and products fit
        pair l = log_pair(magnitude), p = two_product(l.high, bounded);
        magnitude = exp_pair(p.high, p.low + l.low * bounded);
    }
    return negative ? -magnitude : magnitude;
}

// --------------------------------------------------------------------------------------------- sigmoid, hyperbolic functions

float sigmoid_of(float x)
{
    float e = exp_of(-abs(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

float tanh_of(float x)
{
    float a = abs(x), z = x * x;
    if (a < 0.625f) {
        float p = ((0.00215763575f * z - 0.00819508638f) * z + 0.0217087492f) * z - 0.053948462f;
        return ((p * z + 0.133332223f) * z - 0.333333313f) * (z * x) + x;
    }
    float y = 1.0f - 2.0f / (exp_of(2.0f * a) + 1.0f);
    return is_nan(x) ? x : copy_sign(y, x);
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

// ------------------------------------------------------------------------------------------------------- error function

// erf x for |x| < 0.6
float erf_near(float x)
{
    float z = x * x, p = ((-0.000679941499f * z + 0.00512577128f) * z - 0.0268408153f) * z + 0.112834945f;
    return (((p * z - 0.37612626f) * z) + 0.128379166f) * x + x;
}

// 1 - erf x for 0.55 <= x <= 10.2, behind which it is 0: e^(-x^2) P((x - 2) / (x + 2)) / (1 + 2x). The square comes in full.
float erfc_far(float x, pair square)
{
    float t = (x - 2.0f) / (x + 2.0f);
    float p = ((-0.00136819517f * t + 0.000979907461f) * t + 0.0087234946f) * t - 0.00796466228f;
    p = ((((p * t - 0.0542237349f) * t + 0.16404511f) * t - 0.166030034f) * t - 0.0927636921f) * t + 1.27697837f;
    return exp_pair(-square.high, -square.low) * p / (1.0f + 2.0f * x);
}

float erf_of(float x)
{
    float a = abs(x);
    return is_nan(x) || a < 0.575f ? erf_near(x) : copy_sign(a > 10.2f ? 1.0f : 1.0f - erfc_far(a, two_product(a, a)), x);
}

// x (1 + erf(x / sqrt 2)) / 2: for negative x as the complement, which keeps its digits.
float gelu_of(float x)
{
    float a = abs(x), u = a * 0.707106769f;
    if (is_nan(x) || a > 14.0f)
        return is_nan(x) ? x : max(x, -0.0f);
    pair square = two_product(a, a);
    square.high *= 0.5f;
    square.low *= 0.5f;
    float tail = u < 0.575f ? 1.0f - erf_near(u) : erfc_far(u, square);
    return 0.5f * x * (x < 0.0f ? tail : 2.0f - tail);
}

// The approximation x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3), which is x / (1 + e^(-2u)).
float gelu_tanh_of(float x)
{
    float u = 1.59576917f * (x + 0.044715f * x * x * x);
    return abs(x) > 14.0f ? max(x, -0.0f) : x * sigmoid_of(u);
}

// ---------------------------------------------------------------------------------------------------------- trigonometry

// x - q pi/2 in -pi/4 .. pi/4, and what q is modulo 4, for any finite x: x times 2/pi as integers, of which only those digits of
// 2/pi are needed that end up between 4 and 2^-94.
struct angle {
    float rest;
    uint quadrant;
};

angle reduce_angle(float x)
{
    const uint two_over_pi[10] = {0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u,
                                          0xfe5163abu, 0xdebbc561u, 0u};
    angle result;
    result.rest = x;
    result.quadrant = 0u;
    uint bits = floatBitsToUint(x) & 0x7fffffffu;
    if (bits < 0x3f490fdbu) // pi/4
        return result;
    uint m = (bits & 0x7fffffu) | 0x800000u;
    uint first = (bits >> 23) - 120u; // the digit of weight 2^(1 - exponent), of those behind 32 zeros
    uint word = first >> 5, shift = first & 31u;
    uint w[4];
    for (uint i = 0u; i < 3u; i++) {
        uint low = shift == 0u ? 0u : two_over_pi[word + i + 1u] >> (32u - shift);
        w[i] = two_over_pi[word + i] << shift | low;
    }
    uint high1, low1, high2, low2;
    umulExtended(m, w[2], high2, low2);
    umulExtended(m, w[1], high1, low1);
    uint middle = low1 + high2, top = m * w[0] + high1 + uint(middle < low1);
    // Fixed point: two digits before it, the quadrant.
    uint quadrant = top >> 30, fraction = top << 2 | middle >> 30, below = middle << 2 | low2 >> 30;
    bool up = fraction >> 31 == 1u; // nearer to the next one
    if (up) {
        below = ~below + 1u;
        fraction = ~fraction + uint(below == 0u);
    }
    int zeros = fraction == 0u ? 31 : 31 - findMSB(fraction);
    uint digits = zeros == 0 ? fraction : fraction << zeros | below >> (32 - zeros);
    float part = float(digits) * power_of_two(-32 - zeros), r = part * HALF_PI - part * 4.37113883e-8f;
    bool negative = is_negative(x);
    result.rest = up != negative ? -r : r;
    quadrant = quadrant + uint(up);
    result.quadrant = (negative ? 4u - quadrant : quadrant) & 3u;
    return result;
}

float sin_near(float r)
{
    float z = r * r, p = ((2.83751206e-06f * z - 0.000198535112f) * z + 0.00833338033f) * z - 0.166666672f;
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
    float z = x * x, p = ((-0.00182311598f * z + 0.011046255f) * z - 0.0314221419f) * z + 0.0582012571f;
    p = (((p * z - 0.0841754302f) * z + 0.109569333f) * z - 0.14265126f) * z + 0.199986279f;
    return (p * z - 0.333333015f) * (z * x) + x;
}

float atan2_of(float y, float x)
{
    if (is_nan(x) || is_nan(y))
        return nan();
    float ax = abs(x), ay = abs(y), large = max(ax, ay), small = min(ax, ay);
    float ratio = large == 0.0f ? 0.0f : is_infinite(large) ? float(is_infinite(small)) : small / large;
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
    float z = x * x, p = ((0.0376175605f * z + 0.0143624758f) * z + 0.0318291299f) * z + 0.044514209f;
    return ((p * z + 0.075005196f) * z + 0.166666597f) * (z * x) + x;
}

float asin_of(float x)
{
    float a = abs(x);
    if (!(a <= 1.0f))
        return nan();
    return a <= 0.5f ? asin_near(x) : copy_sign(HALF_PI - (2.0f * asin_near(sqrt(0.5f * (1.0f - a))) + 4.37113883e-8f), x);
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

// -------------------------------------------------------------------------------------------------------------- division

// What is left of |a| after |b| has been subtracted as often as it can be: exact. Digits of the quotient, eight at a time, of
// the numbers as integers times 2^exponent.
float fmod_of(float a, float b)
{
    uint x = floatBitsToUint(a) & 0x7fffffffu, y = floatBitsToUint(b) & 0x7fffffffu;
    if (x >= 0x7f800000u || y > 0x7f800000u || y == 0u)
        return nan();
    if (x < y)
        return a;
    int ex = max(int(x >> 23), 1), ey = max(int(y >> 23), 1);
    uint mx = x < 0x800000u ? x : (x & 0x7fffffu) | 0x800000u, my = y < 0x800000u ? y : (y & 0x7fffffu) | 0x800000u;
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

// What PyTorch's floor_divide computes: a whole number, which a rounded quotient cannot be trusted to become.
float divide_floor(float a, float b)
{
    if (b == 0.0f)
        return a / b;
    precise float rest = fmod_of(a, b), quotient = (a - rest) / b;
    if (rest != 0.0f && (b < 0.0f) != (rest < 0.0f))
        quotient -= 1.0f;
    if (quotient == 0.0f)
        return copy_sign(0.0f, is_negative(a) == is_negative(b) ? 1.0f : -1.0f);
    float whole = floor(quotient);
    return quotient - whole > 0.5f ? whole + 1.0f : whole;
}

// The quotient towards zero. Where the rounded quotient is the next whole number, that is it: as if a / b were correctly rounded.
float divide_trunc(float a, float b)
{
    float rest = abs(fmod_of(a, b)), divisor = abs(b);
    if (is_nan(rest) || is_infinite(b))
        return trunc(a / b);
    precise float near = (abs(a) - rest) / divisor;
    float quotient = round_even(near);
    if (quotient < 8388608.0f) {
        int exponent = int(floatBitsToUint(quotient + 1.0f) - 1u >> 23) - 127; // of the numbers just below quotient + 1
        if ((divisor - rest) * power_of_two(24 - exponent) <= divisor)
            quotient += 1.0f;
    }
    return copy_sign(quotient, is_negative(a) == is_negative(b) ? 1.0f : -1.0f);
}
