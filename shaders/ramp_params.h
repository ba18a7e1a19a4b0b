/* shaders/ramp.comp */
#ifndef VKD_SHADERS_RAMP_PARAMS_H
#define VKD_SHADERS_RAMP_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(ramp_params)
{
    u32 groups;                    /* of four elements */
    u32 start_symbol, step_symbol; /* words of the symbols, or ~0: the numbers below */
    i32 start, step;
    f32 start_real, step_real;
};

#endif
