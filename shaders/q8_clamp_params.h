#ifndef VKD_SHADERS_Q8_CLAMP_PARAMS_H
#define VKD_SHADERS_Q8_CLAMP_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(q8_clamp_params)
{
    u32 quads; /* of four words */
    i32 low, high;
};

#endif
