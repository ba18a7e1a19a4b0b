#version 450
// build: DOT = none signed mixed
// Sliding-window convolution. One invocation computes four output channels of TILE_W neighbouring
// pixels of a row. Needs whole words of channels in every group (ic_group % 4 == 0 or one group;
// oc_group % 4 == 0 or one group). Weights are packed [oc / 4][tap][ic / 4] ivec4, one word of four
// input channels for each of four output channels.
#extension GL_EXT_control_flow_attributes : require
#include "conv_params.h"
#include "dot.glsl"
#include "requantize.glsl"

#define TILE_W 4

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;

layout(push_constant) uniform push_block { conv_params p; };
layout(binding = 0) readonly buffer x_block { int x[]; };
layout(binding = 1) readonly buffer w_block { ivec4 w[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) readonly buffer residual_block
{
    int residual[];
}; // bound, but not read, where there is none
#include "epilogue.glsl"
layout(binding = 4) writeonly buffer y_block { int y[]; };

void store_pixel(uint out_x, uint at, ivec4 sum, channel_block block)
{
    if (out_x >= p.shape.out_w)
        return;
    int q = requantize(sum - DOT_SHIFT * block.sum, block, p.requantize);
    y[at] = p.requantize.q_scale == 0.0 ? q : finish(q, at, p.requantize);
}

void main()
{
    uint oc4 = gl_GlobalInvocationID.x;
    uint out_x = gl_GlobalInvocationID.y * TILE_W;
    uint row = gl_GlobalInvocationID.z; // image * out_h + y
    if (oc4 >= p.out_c4 || out_x >= p.shape.out_w || row >= p.shape.n * p.shape.out_h)
        return;
    uint image = row / p.shape.out_h;
    uint out_y = row - image * p.shape.out_h;

    uint ic4_count = (p.ic_group + 3) / 4;
    uint ic4_first = p.groups > 1 ? oc4 * 4 / p.oc_group * ic4_count : 0;
    int outside = (p.x_zero & 0xff) * 0x01010101;

    ivec4 acc[TILE_W];
    [[unroll]] for (int i = 0; i < TILE_W; i++) acc[i] = ivec4(0);

    uint w_at = oc4 * p.kernel_h * p.kernel_w * ic4_count;
    int y0 = int(out_y * p.stride_h) - int(p.padding_h);
    int x0 = int(out_x * p.stride_w) - int(p.padding_w);
    for (uint ky = 0; ky < p.kernel_h; ky++) {
        int in_y = y0 + int(ky * p.dilation_h);
        bool row_inside = in_y >= 0 && in_y < int(p.shape.in_h);
        uint in_row = (image * p.shape.in_h + uint(row_inside ? in_y : 0)) * p.shape.in_w;
        for (uint kx = 0; kx < p.kernel_w; kx++) {
            bool inside[TILE_W];
            uint x_at[TILE_W];
            [[unroll]] for (int i = 0; i < TILE_W; i++)
            {
                int in_x = x0 + i * int(p.stride_w) + int(kx * p.dilation_w);
                inside[i] = row_inside && in_x >= 0 && in_x < int(p.shape.in_w);
                x_at[i] = (in_row + uint(inside[i] ? in_x : 0)) * p.in_c4 + ic4_first;
            }
            for (uint ic4 = 0; ic4 < ic4_count; ic4++) {
                ivec4 weights = w[w_at++];
                [[unroll]] for (int i = 0; i < TILE_W; i++)
                {
                    int word =
                        x[x_at[i] +
                          ic4]; // of the first pixel of a row where it is not used: no branch
                    word = dot_operand(inside[i] ? word : outside);
                    acc[i] += ivec4(dot_int8(word, weights.x), dot_int8(word, weights.y),
                                    dot_int8(word, weights.z), dot_int8(word, weights.w));
                }
            }
        }
    }

    channel_block block = channels[oc4];
    uint y_at = (row * p.shape.out_w + out_x) * p.out_c4 + oc4;
    store_pixel(out_x, y_at, acc[0], block);
    store_pixel(out_x + 1, y_at + p.out_c4, acc[1], block);
    store_pixel(out_x + 2, y_at + 2 * p.out_c4, acc[2], block);
    store_pixel(out_x + 3, y_at + 3 * p.out_c4, acc[3], block);
}
