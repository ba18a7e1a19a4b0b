#ifndef VKD_SHADERS_MAX_POOL2D_PARAMS_H
#define VKD_SHADERS_MAX_POOL2D_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(max_pool2d_params)
{
    u32 groups; /* of four channels of y */
    i32 x_h, x_w;
    i32 stride_h, stride_w;
    i32 padding_h, padding_w;
    i32 dilation_h, dilation_w;
};

#endif
