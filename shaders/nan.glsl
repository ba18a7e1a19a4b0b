// Numbers that are none. A compiler may take a comparison's outcome for granted where it would only
// differ for a NaN (x < a ? a : x becomes a maximum, which drops it), and a device's isnan() may
// say false, or its exp() 0: here the bits decide.
#ifndef VKD_NAN
#define VKD_NAN

bool is_nan(float x) { return (floatBitsToUint(x) & 0x7fffffffu) > 0x7f800000u; }
float nan() { return uintBitsToFloat(0x7fc00000u); }

// A NaN wins: the first.
float larger(float a, float b) { return is_nan(a) || !(is_nan(b) || b > a) ? a : b; }
float smaller(float a, float b) { return is_nan(a) || !(is_nan(b) || b < a) ? a : b; }

// NaN stays; a bound that is NaN wins; where the bounds are in disorder the high one does.
float bounded(float x, float low, float high) { return smaller(larger(x, low), high); }

// The built-in functions, which may forget a NaN.
float exponential(float x) { return is_nan(x) ? x : exp(x); }
float logarithm(float x) { return is_nan(x) ? x : log(x); }

#endif
