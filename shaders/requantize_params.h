/* The end of every convolution and linear layer: real = (acc + offset[c]) * scale[c] + bias[c],
 * then q = clamp(round_half_to_even(real * inv_scale) + zero, low, high). offset[c] = -x_zero *
 * weight_sum[c] scale[c]  = weight_scale[c] * x_scale low, high = -128 and 127, or narrower where
 * the activation is a clamp: for ReLU low = max(-128, zero), since max(real, 0) and this bound give
 * the same q A residual addition may follow, with the rounding of q8ta_add, so that the result is
 * that of two operators: q = clamp(round_half_to_even(((q - zero) * q_scale + (r - r_zero) *
 * r_scale) * sum_inv_scale) + sum_zero, -128, 127). Or a function of q, as a table in the
 * residual's place: r_scale is 0 then, q_scale is not. */
#ifndef VKD_SHADERS_REQUANTIZE_PARAMS_H
#define VKD_SHADERS_REQUANTIZE_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(requantize_params)
{
    f32 inv_scale;
    i32 zero;
    f32 low, high;
    f32 q_scale; /* 0: no residual */
    f32 r_scale;
    i32 r_zero;
    f32 sum_inv_scale;
    i32 sum_zero;
};

#endif
