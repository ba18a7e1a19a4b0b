// The members of gemm_params before requantize, in their order, as specialisation constants: up to
// half of the instructions of a small layer compute places, and a compiler that knows the sizes
// needs few. The push constants are requantize alone.
#include "gemm_params.h"

layout(constant_id = 5) const bool RESIDUAL = false;
layout(constant_id = 6) const uint M = 1;
layout(constant_id = 7) const uint K_STEPS = 1;
layout(constant_id = 8) const uint TAP_STEPS = 1;
layout(constant_id = 9) const uint A_PIXEL = 1;
layout(constant_id = 10) const uint N4_GROUP = 1;
layout(constant_id = 11) const uint B_N4_GROUP = 1;
layout(constant_id = 12) const uint Y_PIXEL = 1;
layout(constant_id = 13) const uint OUT_W = 1;
layout(constant_id = 14) const uint OUT_H = 1;
layout(constant_id = 15) const uint IN_W = 1;
layout(constant_id = 16) const uint IN_H = 1;
layout(constant_id = 17) const uint KERNEL_W = 1;
layout(constant_id = 18) const uint STRIDE_W = 1;
layout(constant_id = 19) const uint STRIDE_H = 1;
layout(constant_id = 20) const uint PADDING_W = 0;
layout(constant_id = 21) const uint PADDING_H = 0;
layout(constant_id = 22) const uint DILATION_W = 1;
layout(constant_id = 23) const uint DILATION_H = 1;
layout(constant_id = 24) const int X_ZERO = 0;

layout(push_constant) uniform push_block { requantize_params p; };
