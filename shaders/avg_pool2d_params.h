#ifndef VKD_SHADERS_AVG_POOL2D_PARAMS_H
#define VKD_SHADERS_AVG_POOL2D_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(avg_pool2d_params)
{
    u32 groups; /* of four channels of y */
    i32 x_h, x_w;
    i32 stride_h, stride_w;
    i32 padding_h, padding_w;
    u32 count_padding; /* 1: the padding counts as zeros, as far as it reaches; 0: only the image counts */
    f32 divisor;       /* instead of the count; 0: none */
};

#endif
