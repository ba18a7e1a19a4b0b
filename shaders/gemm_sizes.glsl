// The members of gemm_params before requantize, in their order, as specialisation constants: up to
// half of the instructions of a small layer compute places, and a compiler that knows the sizes
// needs few. Where shapes can change those of the shape are 0, and it is among the push constants.
#include "gemm_params.h"

layout(constant_id = 5) const bool RESIDUAL = false;
layout(constant_id = 6) const uint BAKED_M = 1;
layout(constant_id = 7) const uint BAKED_OUT_W = 1;
layout(constant_id = 8) const uint BAKED_OUT_H = 1;
layout(constant_id = 9) const uint BAKED_IN_W = 1;
layout(constant_id = 10) const uint BAKED_IN_H = 1;
layout(constant_id = 11) const uint K_STEPS = 1;
layout(constant_id = 12) const uint TAP_STEPS = 1;
layout(constant_id = 13) const uint A_PIXEL = 1;
layout(constant_id = 14) const uint N4_GROUP = 1;
layout(constant_id = 15) const uint B_N4_GROUP = 1;
layout(constant_id = 16) const uint Y_PIXEL = 1;
layout(constant_id = 17) const uint KERNEL_W = 1;
layout(constant_id = 18) const uint STRIDE_W = 1;
layout(constant_id = 19) const uint STRIDE_H = 1;
layout(constant_id = 20) const uint PADDING_W = 0;
layout(constant_id = 21) const uint PADDING_H = 0;
layout(constant_id = 22) const uint DILATION_W = 1;
layout(constant_id = 23) const uint DILATION_H = 1;
layout(constant_id = 24) const int X_ZERO = 0;

layout(push_constant) uniform push_block
{
    gemm_shape shape;
    requantize_params p;
};

const bool BAKED = BAKED_M != 0;
#define M (BAKED ? BAKED_M : shape.m)
#define OUT_W (BAKED ? BAKED_OUT_W : shape.out_w)
#define OUT_H (BAKED ? BAKED_OUT_H : shape.out_h)
#define IN_W (BAKED ? BAKED_IN_W : shape.in_w)
#define IN_H (BAKED ? BAKED_IN_H : shape.in_h)
