/* Compiles shaders/math*.glsl as C++: what GLSL has and C++ has not is here. */
#include "support/shader_math.h"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace glsl
{

typedef uint32_t uint;
#define precise

uint floatBitsToUint(float x)
{
    uint bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
float uintBitsToFloat(uint bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
int findMSB(uint x)
{
    int bit = -1;
    for (; x; x >>= 1)
        bit++;
    return bit;
}
void umulExtended(uint a, uint b, uint &high, uint &low)
{
    uint64_t product = uint64_t(a) * b;
    high = uint(product >> 32);
    low = uint(product);
}
template <typename T> T min(T a, T b) { return b < a ? b : a; }
template <typename T> T max(T a, T b) { return a < b ? b : a; }
float abs(float x) { return fabsf(x); }
float floor(float x) { return floorf(x); }
float trunc(float x) { return truncf(x); }
float sqrt(float x) { return sqrtf(x); }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wparentheses"
#include "shaders/math_angle.glsl"
#include "shaders/math_divide.glsl"
#include "shaders/math_log.glsl"
#pragma GCC diagnostic pop

} // namespace glsl

using namespace glsl;

const shader_function shader_functions[] = {
    {"exp", exp_of},       {"expm1", expm1_of},
    {"log", log_of},       {"log2", log2_of},
    {"log10", log10_of},   {"log1p", log1p_of},
    {"sin", sin_of},       {"cos", cos_of},
    {"tan", tan_of},       {"asin", asin_of},
    {"acos", acos_of},     {"atan", atan_of},
    {"sinh", sinh_of},     {"cosh", cosh_of},
    {"tanh", tanh_of},     {"asinh", asinh_of},
    {"acosh", acosh_of},   {"atanh", atanh_of},
    {"erf", erf_of},       {"sigmoid", sigmoid_of},
    {"gelu", gelu_of},     {"gelu_tanh", gelu_tanh_of},
    {"round", round_even},
};
const size_t shader_function_count = sizeof shader_functions / sizeof *shader_functions;

const shader_function2 shader_functions2[] = {
    {"pow", pow_of},         {"atan2", atan2_of},
    {"fmod", fmod_of},       {"remainder", remainder_of},
    {"floor", divide_floor}, {"trunc", divide_trunc},
};
const size_t shader_function2_count = sizeof shader_functions2 / sizeof *shader_functions2;
