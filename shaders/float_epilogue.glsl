// What follows a sum of products in the same dispatch: a few steps on the sum and on a tensor of
// the result's form. A kernel defines EPILOGUE_ID, the first of the constants, and
// EPILOGUE_NUMBERS, two floats a step among its push constants.
#include "float_steps.glsl"

layout(constant_id = EPILOGUE_ID) const uint RESIDUAL_TYPE = 0; // 0: there is none
layout(constant_id = EPILOGUE_ID + 1) const uint STEP_COUNT = 0;
// function | a << 8 | b << 16
layout(constant_id = EPILOGUE_ID + 2) const uint STEP_0 = 0;
layout(constant_id = EPILOGUE_ID + 3) const uint STEP_1 = 0;
layout(constant_id = EPILOGUE_ID + 4) const uint STEP_2 = 0;
layout(constant_id = EPILOGUE_ID + 5) const uint STEP_3 = 0;

FLOATS_IN(4, residual, RESIDUAL_TYPE)

FLOAT_STEPS(element, STEP_COUNT, STEP_0, STEP_1, STEP_2, STEP_3, EPILOGUE_NUMBERS)

vec4 epilogue(vec4 sum, vec4 residual)
{
    if (STEP_COUNT > 0)
        for (int i = 0; i < 4; i++)
            sum[i] = element(sum[i], residual[i]);
    return sum;
}
