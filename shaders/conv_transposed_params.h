/* conv_transposed.comp. Tensors are 4C. */
#ifndef VKD_SHADERS_CONV_TRANSPOSED_PARAMS_H
#define VKD_SHADERS_CONV_TRANSPOSED_PARAMS_H

#include "requantize_params.h"

VKD_PARAMS_STRUCT(conv_transposed_params)
{
    u32 n, in_h, in_w, out_h, out_w;
    u32 in_c4, out_c4;      /* words of a pixel */
    u32 ic_group, oc_group; /* channels of a group */
    /* words of input channels that a word of output channels is computed from */
    u32 span;
    u32 kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w;
    requantize_params requantize;
};

#endif
