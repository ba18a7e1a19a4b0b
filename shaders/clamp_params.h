#ifndef VKD_SHADERS_CLAMP_PARAMS_H
#define VKD_SHADERS_CLAMP_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(clamp_params)
{
    u32 groups; /* of four elements */
    f32 low, high;
};

#endif
