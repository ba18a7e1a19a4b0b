// Depthwise convolution with a square kernel of compile-time size and stride, without dilation. One invocation computes four
// channels of TILE_W neighbouring pixels of a row: every input word of the rows under them is loaded and unpacked once, and a
// row of weights stays in registers. The including file defines KERNEL, STRIDE and TILE_W. Weights are packed [tap][c / 4].
//
// The products are summed as floats, in which they are exact (KERNEL * KERNEL * 128 * 128 < 2^24): many GPUs multiply 32-bit
// integers at a fraction of that rate.
#extension GL_EXT_control_flow_attributes : require
#include "conv_params.h"
#include "requantize.glsl"

#define COLUMNS ((TILE_W - 1) * STRIDE + KERNEL)

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;

layout(push_constant) uniform push_block { conv_params p; };
layout(binding = 0) readonly buffer x_block { int x[]; };
layout(binding = 1) readonly buffer w_block { int w[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) readonly buffer residual_block { int residual[]; }; // bound, but not read, where there is none
layout(binding = 4) writeonly buffer y_block { int y[]; };

void store_pixel(uint out_x, uint at, vec4 sum, channel_block block)
{
    if (out_x >= p.out_w)
        return;
    int q = requantize(ivec4(sum), block, p.requantize);
    y[at] = p.requantize.q_scale == 0.0 ? q : add_residual(q, residual[at], p.requantize);
}

void main()
{
    uint c4 = gl_GlobalInvocationID.x;
    uint out_x = gl_GlobalInvocationID.y * TILE_W;
    uint row = gl_GlobalInvocationID.z; // image * out_h + y
    if (c4 >= p.out_c4 || out_x >= p.out_w || row >= p.n * p.out_h)
        return;
    uint image = row / p.out_h;
    int y0 = int((row - image * p.out_h) * STRIDE) - int(p.padding_h);
    int x0 = int(out_x * STRIDE) - int(p.padding_w);
    int outside = (p.x_zero & 0xff) * 0x01010101;

    vec4 acc[TILE_W];
    [[unroll]] for (int i = 0; i < TILE_W; i++)
        acc[i] = vec4(0);

    for (int ky = 0; ky < KERNEL; ky++) {
        uint in_y = uint(y0 + ky); // wraps above the image
        uint x_at = (image * p.in_h + in_y) * p.in_w;
        vec4 weights[KERNEL];
        [[unroll]] for (int kx = 0; kx < KERNEL; kx++)
            weights[kx] = vec4(unpack_int8(w[(ky * KERNEL + kx) * p.out_c4 + c4]));
        [[unroll]] for (int column = 0; column < COLUMNS; column++) {
            uint in_x = uint(x0 + column);
            bool inside = in_y < p.in_h && in_x < p.in_w;
            int word = x[inside ? (x_at + in_x) * p.in_c4 + c4 : 0];
            vec4 values = vec4(unpack_int8(inside ? word : outside));
            [[unroll]] for (int i = 0; i < TILE_W; i++) {
                int kx = column - i * STRIDE;
                if (kx >= 0 && kx < KERNEL)
                    acc[i] += values * weights[kx];
            }
        }
    }

    channel_block block = channels[c4];
    uint y_at = (row * p.out_w + out_x) * p.out_c4 + c4;
    store_pixel(out_x, y_at, acc[0], block);
    store_pixel(out_x + 1, y_at + p.out_c4, acc[1], block);
#if TILE_W == 4
    store_pixel(out_x + 2, y_at + 2 * p.out_c4, acc[2], block);
    store_pixel(out_x + 3, y_at + 3 * p.out_c4, acc[3], block);
#endif
}
