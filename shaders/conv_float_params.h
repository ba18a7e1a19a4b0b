/* Convolutions of floats and halves, and how their weights are packed. Tensors are 4C: units of a
 * pixel are groups of four channels. */
#ifndef VKD_SHADERS_CONV_FLOAT_PARAMS_H
#define VKD_SHADERS_CONV_FLOAT_PARAMS_H

#include "float_epilogue_params.h"

VKD_PARAMS_STRUCT(conv_float_params)
{
    u32 n, in_h, in_w, out_h, out_w;
    u32 in_c4, out_c4;              /* groups of four of a pixel */
    u32 groups, ic_group, oc_group; /* of the convolution, and channels of one */
    /* weights of a tap and output channel: ic_group, or as much as fills groups of four */
    u32 w_tap;
    u32 kernel_h, kernel_w, stride_h, stride_w, padding_h, padding_w, dilation_h, dilation_w;
    f32 low, high;
    f32 numbers[2 * EPILOGUE_STEPS];
    f32 eps; /* of a norm before it */
};

/* From PyTorch's order, [out_c][ic_group][taps], transposed [in_c][oc_group][taps], to [out_c /
 * unit][taps][tap_steps][unit output channels][grain input channels], with zeros where there are
 * none. */
VKD_PARAMS_STRUCT(conv_weights_params)
{
    u32 out_c, ic_group, oc_group, taps;
    u32 tap_steps, unit, grain; /* unit * grain is a multiple of 4 */
    u32 transposed;
};

#endif
