#ifndef VKD_SHADERS_POOL2D_PARAMS_H
#define VKD_SHADERS_POOL2D_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(pool2d_params)
{
    u32 groups; /* of four channels of y */
    i32 x_h, x_w;
    i32 y_h, y_w;
    i32 kernel_h, kernel_w;
    i32 stride_h, stride_w;
    i32 padding_h, padding_w;
    i32 dilation_h, dilation_w; /* maxima; averages have none */
    /* averages; 1: the padding counts as zeros, as far as it reaches; 0: only the image counts */
    u32 count_padding;
    f32 divisor;         /* averages; instead of the count; 0: none */
    f32 x_scale, x_zero; /* averages of int8 */
};

#endif
