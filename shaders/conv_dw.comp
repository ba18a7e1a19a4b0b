#version 450
// Depthwise convolution with any window. One invocation computes a word, four channels of a pixel.
// Weights are packed [tap][c / 4].
#include "conv_params.h"
#include "dispatch.glsl"
#include "requantize.glsl"

layout(push_constant) uniform push_block { conv_params p; };
layout(binding = 0) readonly buffer x_block { int x[]; };
layout(binding = 1) readonly buffer w_block { int w[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) readonly buffer residual_block
{
    int residual[];
}; // bound, but not read, where there is none
#include "epilogue.glsl"
layout(binding = 4) writeonly buffer y_block { int y[]; };

void main()
{
    uint index = linear_index();
    if (index >= p.shape.n * p.shape.out_h * p.shape.out_w * p.out_c4)
        return;
    uint c4 = index % p.out_c4, pixel = index / p.out_c4;
    uint row = pixel / p.shape.out_w;
    uint image = row / p.shape.out_h;
    int y0 = int(row % p.shape.out_h * p.stride_h) - int(p.padding_h);
    int x0 = int(pixel % p.shape.out_w * p.stride_w) - int(p.padding_w);

    ivec4 acc = ivec4(0);
    uint w_at = c4;
    for (uint ky = 0; ky < p.kernel_h; ky++) {
        uint in_y = uint(y0 + int(ky * p.dilation_h)); // wraps above the image
        for (uint kx = 0; kx < p.kernel_w; kx++) {
            uint in_x = uint(x0 + int(kx * p.dilation_w));
            bool inside = in_y < p.shape.in_h && in_x < p.shape.in_w;
            uint at =
                inside ? ((image * p.shape.in_h + in_y) * p.shape.in_w + in_x) * p.in_c4 + c4 : 0;
            ivec4 values = unpack_int8(x[at]);
            acc += (inside ? values : ivec4(p.x_zero)) * unpack_int8(w[w_at]);
            w_at += p.out_c4;
        }
    }

    int q = requantize(acc, channels[c4], p.requantize);
    y[index] = p.requantize.q_scale == 0.0 ? q : finish(q, index, p.requantize);
}
