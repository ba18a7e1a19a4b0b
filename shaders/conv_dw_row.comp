#version 450
// build: KERNEL = 3x3(KERNEL=3) 5x5(KERNEL=5)
// build: STRIDE = s1(STRIDE=1) s2(STRIDE=2)
// build: TILE = w2(TILE_W=2) w4(TILE_W=4)
// module: conv_dw_{KERNEL}_{STRIDE}_{TILE}
// Depthwise convolution with a square kernel of compile-time size and stride, without dilation. One
// invocation computes four channels of TILE_W neighbouring pixels of a row: every input word of the
// rows under them is loaded and unpacked once, and a row of weights stays in registers. Sizes are
// specialisation constants, a tenth of a kernel that takes 4 us; where shapes can change those of
// the shape are 0, and it is pushed. Weights are packed [tap][c / 4].
//
// The products are summed as floats, in which they are exact (KERNEL * KERNEL * 128 * 128 < 2^24):
// many GPUs multiply 32-bit integers at a fraction of that rate.
#extension GL_EXT_control_flow_attributes : require
#include "conv_params.h"
#include "requantize.glsl"

#define COLUMNS ((TILE_W - 1) * STRIDE + KERNEL)

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;

layout(constant_id = 3) const bool RESIDUAL = false;
// As in conv_params, in its order; the others are of no use here.
layout(constant_id = 4) const uint BAKED_N = 1;
layout(constant_id = 5) const uint BAKED_IN_H = 1;
layout(constant_id = 6) const uint BAKED_IN_W = 1;
layout(constant_id = 7) const uint BAKED_OUT_H = 1;
layout(constant_id = 8) const uint BAKED_OUT_W = 1;
layout(constant_id = 9) const uint IN_C4 = 1;
layout(constant_id = 10) const uint OUT_C4 = 1;
layout(constant_id = 18) const uint PADDING_H = 0;
layout(constant_id = 19) const uint PADDING_W = 0;
layout(constant_id = 22) const int X_ZERO = 0;

layout(push_constant) uniform push_block
{
    conv_shape shape;
    requantize_params p;
};

const bool BAKED = BAKED_N != 0;
#define N (BAKED ? BAKED_N : shape.n)
#define IN_H (BAKED ? BAKED_IN_H : shape.in_h)
#define IN_W (BAKED ? BAKED_IN_W : shape.in_w)
#define OUT_H (BAKED ? BAKED_OUT_H : shape.out_h)
#define OUT_W (BAKED ? BAKED_OUT_W : shape.out_w)

layout(binding = 0) readonly buffer x_block { int x[]; };
layout(binding = 1) readonly buffer w_block { int w[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) readonly buffer residual_block
{
    int residual[];
}; // bound, but not read, where there is none
#include "epilogue.glsl"
layout(binding = 4) writeonly buffer y_block { int y[]; };

void store_pixel(uint out_x, uint at, vec4 sum, channel_block block)
{
    if (out_x >= OUT_W)
        return;
    int q = requantize(ivec4(sum), block, p);
    y[at] = RESIDUAL ? finish(q, at, p) : q;
}

void main()
{
    uint c4 = gl_GlobalInvocationID.x;
    uint out_x = gl_GlobalInvocationID.y * TILE_W;
    uint row = gl_GlobalInvocationID.z; // image * out_h + y
    if (c4 >= OUT_C4 || out_x >= OUT_W || row >= N * OUT_H)
        return;
    uint image = row / OUT_H;
    int y0 = int((row - image * OUT_H) * STRIDE) - int(PADDING_H);
    int x0 = int(out_x * STRIDE) - int(PADDING_W);
    const int outside = (X_ZERO & 0xff) * 0x01010101;

    vec4 acc[TILE_W];
    [[unroll]] for (int i = 0; i < TILE_W; i++) acc[i] = vec4(0);

    for (int ky = 0; ky < KERNEL; ky++) {
        uint in_y = uint(y0 + ky); // wraps above the image
        uint x_at = (image * IN_H + in_y) * IN_W;
        vec4 weights[KERNEL];
        [[unroll]] for (int kx = 0; kx < KERNEL; kx++) weights[kx] =
            vec4(unpack_int8(w[(ky * KERNEL + kx) * OUT_C4 + c4]));
        [[unroll]] for (int column = 0; column < COLUMNS; column++)
        {
            uint in_x = uint(x0 + column);
            bool inside = in_y < IN_H && in_x < IN_W;
            int word = x[inside ? (x_at + in_x) * IN_C4 + c4 : 0];
            vec4 values = vec4(unpack_int8(inside ? word : outside));
            [[unroll]] for (int i = 0; i < TILE_W; i++)
            {
                int kx = column - i * STRIDE;
                if (kx >= 0 && kx < KERNEL)
                    acc[i] += values * weights[kx];
            }
        }
    }

    channel_block block = channels[c4];
    uint y_at = (row * OUT_W + out_x) * OUT_C4 + c4;
    store_pixel(out_x, y_at, acc[0], block);
    store_pixel(out_x + 1, y_at + OUT_C4, acc[1], block);
#if TILE_W == 4
    store_pixel(out_x + 2, y_at + 2 * OUT_C4, acc[2], block);
    store_pixel(out_x + 3, y_at + 3 * OUT_C4, acc[3], block);
#endif
}
