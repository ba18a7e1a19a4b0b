#version 450
// build: KERNEL = 3x3(KERNEL=3) 5x5(KERNEL=5)
// build: STRIDE = s1(STRIDE=1) s2(STRIDE=2)
// family: lanes
// glslc -O0
// The depthwise convolution of conv_dw_row.comp for llvmpipe; see gemm_lanes.comp for what makes
// code fast there. One invocation computes 16 channels, a texel, of TILE_W neighbouring pixels of a
// row. Needs channels in whole texels.
#extension GL_EXT_control_flow_attributes : require
#include "conv_params.h"
#include "requantize.glsl"

#define TILE_W 4
#define COLUMNS ((TILE_W - 1) * STRIDE + KERNEL)

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;

layout(constant_id = 3) const bool TABLE = false; // the residual is one, see epilogue.glsl

layout(push_constant) uniform push_block { conv_params p; };
layout(binding = 0) uniform isamplerBuffer x;
layout(binding = 1) uniform isamplerBuffer w;
layout(binding = 2) uniform isamplerBuffer channels; // channel_block: four texels for four channels
layout(binding = 3) uniform isamplerBuffer residual; // bound, but not read, where there is none
layout(binding = 4) writeonly buffer y_block { ivec4 y[]; };

int residual_word(uint word)
{
    ivec4 quad = texelFetch(residual, int(word >> 2));
    int pair_low = (word & 1) == 0 ? quad.x : quad.y, pair_high = (word & 1) == 0 ? quad.z : quad.w;
    return (word & 2) == 0 ? pair_low : pair_high;
}
#define RESIDUAL_WORD(at) residual_word(at)
#include "epilogue.glsl"

channel_block block_at(int c4)
{
    return channel_block(
        texelFetch(channels, c4 * 4), intBitsToFloat(texelFetch(channels, c4 * 4 + 1)),
        intBitsToFloat(texelFetch(channels, c4 * 4 + 2)), texelFetch(channels, c4 * 4 + 3));
}

void main()
{
    int c16_count = int(p.out_c4 / 4), in_w = int(p.shape.in_w), out_w = int(p.shape.out_w);
    // x: texels of channels, then tiles of pixels; y: rows. What is beyond the end repeats the
    // last, and is not stored.
    int tile = int(gl_GlobalInvocationID.x) / c16_count;
    int c16 = int(gl_GlobalInvocationID.x) - tile * c16_count;
    int out_x = min(tile * TILE_W, out_w - 1);
    int row =
        min(int(gl_GlobalInvocationID.y), int(p.shape.n * p.shape.out_h) - 1); // image * out_h + y
    int image = row / int(p.shape.out_h);
    int y0 = (row - image * int(p.shape.out_h)) * STRIDE - int(p.padding_h);
    int x0 = out_x * STRIDE - int(p.padding_w);
    int outside = (p.x_zero & 0xff) * 0x01010101;

    int acc[TILE_W][16];
    [[unroll]] for (int i = 0; i < TILE_W; i++) [[unroll]] for (int c = 0; c < 16; c++) acc[i][c] =
        0;

    int ky = 0;
    do {
        int in_y = y0 + ky;
        int x_at = (image * int(p.shape.in_h) + in_y) * in_w + x0;
        bool row_inside = uint(in_y) < p.shape.in_h;
        ivec4 weights[KERNEL];
        [[unroll]] for (int kx = 0; kx < KERNEL; kx++) weights[kx] =
            texelFetch(w, (ky * KERNEL + kx) * c16_count + c16);
        [[unroll]] for (int column = 0; column < COLUMNS; column++)
        {
            bool inside = row_inside && uint(x0 + column) < p.shape.in_w;
            ivec4 texel = texelFetch(x, inside ? (x_at + column) * c16_count + c16 : 0);
            texel = (inside ? texel : ivec4(outside)) ^ int(0x80808080u);
            [[unroll]] for (int c = 0; c < 16; c++)
            {
                int value = int((uint(texel[c / 4]) >> (c % 4 * 8)) & 255u);
                [[unroll]] for (int i = 0; i < TILE_W; i++)
                {
                    int kx = column - i * STRIDE;
                    if (kx >= 0 && kx < KERNEL)
                        acc[i][c] += value * (weights[kx][c / 4] << (24 - c % 4 * 8) >> 24);
                }
            }
        }
    } while (++ky < KERNEL);

    bool stored = gl_GlobalInvocationID.y < p.shape.n * p.shape.out_h;
    int y_at = (row * out_w + out_x) * c16_count + c16;
    ivec4 words[TILE_W];
    [[unroll]] for (int j = 0; j < 4; j++)
    {
        channel_block block = block_at(c16 * 4 + j);
        [[unroll]] for (int i = 0; i < TILE_W; i++)
        {
            ivec4 sum =
                ivec4(acc[i][j * 4], acc[i][j * 4 + 1], acc[i][j * 4 + 2], acc[i][j * 4 + 3]);
            words[i][j] = requantize(sum - 128 * block.sum, block, p.requantize);
        }
    }
    [[unroll]] for (int i = 0; i < TILE_W; i++)
    {
        int at = y_at + min(i, out_w - 1 - out_x) * c16_count;
        if (TABLE) {
            [[unroll]] for (int j = 0; j < 4; j++) words[i][j] = look_up_word(words[i][j]);
        } else if (p.requantize.q_scale != 0.0) {
            ivec4 other = texelFetch(residual, at);
            [[unroll]] for (int j = 0; j < 4; j++) words[i][j] =
                add_residual(words[i][j], other[j], p.requantize);
        }
        if (stored && tile * TILE_W + i < out_w)
            y[at] = words[i];
    }
}
