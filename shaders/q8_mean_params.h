#ifndef VKD_SHADERS_Q8_MEAN_PARAMS_H
#define VKD_SHADERS_Q8_MEAN_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(q8_mean_params)
{
    u32 groups;  /* words of y: n * blocks */
    u32 blocks;  /* groups of four channels in a pixel */
    u32 pixels;  /* h * w */
    i32 x_zeros; /* pixels * x_zero */
    f32 factor;  /* x_scale / pixels */
    f32 y_inverse_scale;
    i32 y_zero;
};

#endif
