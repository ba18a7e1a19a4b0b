/* The end of every convolution and linear layer: real = (acc + offset[c]) * scale[c] + bias[c], then
 * q = clamp(round_half_to_even(real * inv_scale) + zero, low, 127).
 *   offset[c] = -x_zero * weight_sum[c], less 128 * weight_sum[c] where activations are shifted to unsigned (dot.glsl, MIXED)
 *   scale[c]  = weight_scale[c] * x_scale
 *   low       = -128, or max(-128, zero) for ReLU: max(real, 0) and this bound give the same q */
#ifndef VKD_SHADERS_REQUANTIZE_PARAMS_H
#define VKD_SHADERS_REQUANTIZE_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(requantize_params)
{
    f32 inv_scale;
    i32 zero;
    f32 low;
};

#endif
