// The constants of every 2-D pooling: one invocation per group of four channels of y.
#include "dispatch.glsl"
#include "pool2d_params.h"

layout(constant_id = 3) const int KERNEL_H = 1;
layout(constant_id = 4) const int KERNEL_W = 1;
layout(constant_id = 5) const uint BLOCKS = 1; // groups in a pixel
layout(constant_id = 6) const uint Y_H = 1;
layout(constant_id = 7) const uint Y_W = 1;

layout(push_constant) uniform params_block { pool2d_params params; };
