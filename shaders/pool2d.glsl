// The constants of every 2-D pooling: one invocation per group of four channels of y.
#include "dispatch.glsl"
#include "pool2d_params.h"

// Where shapes can change, Y_H and Y_W are pushed instead, and the kernel where it depends on them.
layout(constant_id = 3) const int BAKED_KERNEL_H = 1;
layout(constant_id = 4) const int BAKED_KERNEL_W = 1;
layout(constant_id = 5) const uint BLOCKS = 1; // groups in a pixel
layout(constant_id = 6) const uint BAKED_Y_H = 1;
layout(constant_id = 7) const uint BAKED_Y_W = 1;
layout(constant_id = 8) const uint ADAPTIVE =
    0; // 1: windows part the image evenly; KERNEL_H and KERNEL_W are the most of one

layout(push_constant) uniform params_block { pool2d_params params; };

const bool BAKED = BAKED_Y_H != 0, BAKED_KERNEL = BAKED_KERNEL_H != 0;
#define KERNEL_H (BAKED_KERNEL ? BAKED_KERNEL_H : params.kernel_h)
#define KERNEL_W (BAKED_KERNEL ? BAKED_KERNEL_W : params.kernel_w)
#define Y_H (BAKED ? BAKED_Y_H : uint(params.y_h))
#define Y_W (BAKED ? BAKED_Y_W : uint(params.y_w))

ivec2 image_size() { return ivec2(params.x_h, params.x_w); }

// Where the window of a pixel of y begins, h and w, and where the image ends for it.
ivec2 window_start(ivec2 at)
{
    if (ADAPTIVE == 1)
        return at * image_size() / ivec2(Y_H, Y_W);
    return at * ivec2(params.stride_h, params.stride_w) - ivec2(params.padding_h, params.padding_w);
}

ivec2 window_limit(ivec2 at)
{
    ivec2 parts = ivec2(Y_H, Y_W);
    return ADAPTIVE == 1 ? ((at + 1) * image_size() + parts - 1) / parts : image_size();
}
