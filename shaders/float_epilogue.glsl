// What follows a sum of products in the same dispatch: a few steps on the sum and on a tensor of
// the result's form. They are those of chain.comp and round as they do; what they are is compiled
// in. A kernel defines EPILOGUE_ID, the first of the constants, and EPILOGUE_NUMBERS, two floats a
// step among its push constants.
#include "float_epilogue_params.h"
#include "binary_arithmetic.glsl"
#include "math_exp.glsl"

layout(constant_id = EPILOGUE_ID) const uint RESIDUAL_TYPE = 0; // 0: there is none
layout(constant_id = EPILOGUE_ID + 1) const uint STEP_COUNT = 0;
// function | a << 8 | b << 16
layout(constant_id = EPILOGUE_ID + 2) const uint STEP_0 = 0;
layout(constant_id = EPILOGUE_ID + 3) const uint STEP_1 = 0;
layout(constant_id = EPILOGUE_ID + 4) const uint STEP_2 = 0;
layout(constant_id = EPILOGUE_ID + 5) const uint STEP_3 = 0;

FLOATS_IN(4, residual, RESIDUAL_TYPE)

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

float element(float sum, float residual)
{
    const uint steps[EPILOGUE_STEPS] = uint[](STEP_0, STEP_1, STEP_2, STEP_3);
    precise float slots[EPILOGUE_NUMBER + 1];
    slots[EPILOGUE_SUM] = sum;
    slots[EPILOGUE_RESIDUAL] = residual;
    // Unrolled by drivers alone: glslc, whose unroller forgets what is precise, has no count.
    [[unroll]] for (uint s = 0; s < STEP_COUNT; s++)
    {
        float low = EPILOGUE_NUMBERS[2 * s];
        slots[EPILOGUE_NUMBER] = low;
        slots[EPILOGUE_INPUTS + s] =
            step_of(int(steps[s] & 255u), slots[steps[s] >> 8 & 255u], slots[steps[s] >> 16], low,
                    EPILOGUE_NUMBERS[2 * s + 1]);
    }
    return slots[EPILOGUE_INPUTS - 1 + STEP_COUNT];
}

vec4 epilogue(vec4 sum, vec4 residual)
{
    if (STEP_COUNT > 0)
        for (int i = 0; i < 4; i++)
            sum[i] = element(sum[i], residual[i]);
    return sum;
}
