/* A 3x3 depthwise convolution and the pointwise one behind it, in one dispatch (conv_pair.comp).
 * Tensors are 4C. What is before the two requantize_params are specialisation constants, in this
 * order. */
#ifndef VKD_SHADERS_PAIR_PARAMS_H
#define VKD_SHADERS_PAIR_PARAMS_H

#include "requantize_params.h"

VKD_PARAMS_STRUCT(pair_params)
{
    u32 m; /* output pixels of all images */
    u32 in_h, in_w, out_h, out_w;
    u32 c4, n4; /* words of a pixel between the two, and of the result */
    u32 stride, padding_h, padding_w;
    i32 x_zero;
    u32 k_steps; /* chunks of 64 channels between the two */
    requantize_params first, second;
};

#endif
