// Steps on the elements of a result. They are those of chain.comp and round as they do; what they
// are is compiled in.
//
//     FLOAT_STEPS(NAME, COUNT, S0, S1, S2, S3, NUMBERS)    // float NAME(float sum, float residual)
//
// COUNT steps, each function | a << 8 | b << 16, specialisation constants; NUMBERS: two floats
// each.
#ifndef VKD_FLOAT_STEPS
#define VKD_FLOAT_STEPS
#include "float_epilogue_params.h"
#include "binary_arithmetic.glsl"
#include "math_exp.glsl"

// An optimiser may make a product of a quotient that is not precise.
float sixth(float x)
{
    precise float y = x / 6.0;
    return y;
}

float step_of(int function, float a, float b, float low, float high)
{
    switch (function) {
    case UNARY_CLAMP:
        return bounded(a, low, high);
    case UNARY_HARDSWISH:
        return sixth(a * ramp(a));
    case UNARY_HARDSIGMOID:
        return sixth(ramp(a));
    case UNARY_LEAKY_RELU:
        return a > 0.0 ? a : a * low;
    case UNARY_TANH:
        return tanh_of(a);
    case UNARY_SIGMOID:
        return sigmoid_of(a);
    case UNARY_GELU:
        return gelu_of(a);
    case UNARY_GELU_TANH:
        return gelu_tanh_of(a);
    default:
        return arithmetic_of(function - CHAIN_BINARY, a, b, high);
    }
}

// Unrolled by drivers alone: glslc, whose unroller forgets what is precise, has no count.
#define FLOAT_STEPS(NAME, COUNT, S0, S1, S2, S3, NUMBERS)                                          \
    float NAME(float sum, float residual)                                                          \
    {                                                                                              \
        const uint steps[EPILOGUE_STEPS] = uint[](S0, S1, S2, S3);                                 \
        precise float slots[EPILOGUE_NUMBER + 1];                                                  \
        slots[EPILOGUE_SUM] = sum;                                                                 \
        slots[EPILOGUE_RESIDUAL] = residual;                                                       \
        [[unroll]] for (uint s = 0; s < COUNT; s++)                                                \
        {                                                                                          \
            float low = NUMBERS[2 * s];                                                            \
            slots[EPILOGUE_NUMBER] = low;                                                          \
            slots[EPILOGUE_INPUTS + s] =                                                           \
                step_of(int(steps[s] & 255u), slots[steps[s] >> 8 & 255u], slots[steps[s] >> 16],  \
                        low, NUMBERS[2 * s + 1]);                                                  \
        }                                                                                          \
        return COUNT > 0 ? slots[EPILOGUE_INPUTS - 1 + COUNT] : sum;                               \
    }

#endif
