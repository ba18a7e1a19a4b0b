/* What the sliding-window kernels and im2col know of a convolution. Tensors are 4C. conv_dw_row has
 * all but requantize as specialisation constants, in this order; where shapes can change, those of
 * the shape are 0, and it is pushed. */
#ifndef VKD_SHADERS_CONV_PARAMS_H
#define VKD_SHADERS_CONV_PARAMS_H

#include "requantize_params.h"

/* What another shape changes. */
VKD_PARAMS_STRUCT(conv_shape)
{
    u32 n;
    u32 in_h, in_w, out_h, out_w;
};

VKD_PARAMS_STRUCT(conv_params)
{
    conv_shape shape;
    u32 in_c4, out_c4;      /* words of a pixel */
    u32 ic_group, oc_group; /* channels of a group */
    u32 groups;
    u32 kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
    i32 x_zero;
    /* conv_bytes: bytes of a weight row; im2col: bytes of a group in a row of the matrix */
    u32 k_row;
    requantize_params requantize;
};

#endif
