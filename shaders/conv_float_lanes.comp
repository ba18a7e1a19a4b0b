#version 450
// build: TILE = 4x32(TILE_M=4 TILE_N=32) 2x16(TILE_M=2 TILE_N=16)
// family: lanes
// glslc -O0
// Convolution of floats as a matrix product for llvmpipe; see gemm_lanes.comp for what makes code
// fast there. Lanes are pixels: an invocation computes TILE_N channels, a multiple of 8, of TILE_M
// of them. One fetch of weights brings four input channels for eight output channels, one a lane,
// and a shuffle with a constant lane spreads each to all lanes.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_control_flow_attributes : require
#define TEXELS // of weights: [oc / 8][taps][ic / 4][8 channels][4]
#include "conv_float.glsl"
#include "conv_float_product.glsl"
#include "gemm_params.h"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in; // GEMM_LANES, 1, 1

// Where a step of k lies: the step within its tap's channels, the tap's column, its distance from
// the window's first pixel, and the step of the weights.
struct k_position {
    int step, column, x, y, w;
};

// Without divisions, and without branches.
k_position next_position(k_position k, conv_tile tile, int tap_steps)
{
    k.step++;
    k.w++;
    bool next_tap = k.step == tap_steps;
    k.step = next_tap ? 0 : k.step;
    k.column += next_tap ? 1 : 0;
    k.x += next_tap ? tile.h.dilation : 0;
    k.w += next_tap ? (tile.h.step - 1) * tap_steps : 0;
    bool next_row = k.column == tile.h.count;
    k.column = next_row ? 0 : k.column;
    k.x = next_row ? 0 : k.x;
    k.y += next_row ? tile.v.dilation : 0;
    k.w += next_row ? (int(p.kernel_w) * tile.v.step - tile.h.count * tile.h.step) * tap_steps : 0;
    return k;
}

// A pixel's values at a step; at: of the first pixel of its window. Zeros outside of the image and
// of the channels.
vec4 load(int at, ivec2 start, k_position k, uint ic_group)
{
    bool inside = uint(start.x + k.x) < p.in_w && uint(start.y + k.y) < p.in_h;
    int from = at + (k.y * int(p.in_w) + k.x) * int(p.in_c4) + k.step;
    vec4 values = x_load4(inside ? from : 0);
    return mix(vec4(0.0), values,
               lessThan(4 * k.step + uvec4(0, 1, 2, 3), uvec4(inside ? ic_group : 0)));
}

void main()
{
    const int lane = int(gl_SubgroupInvocationID), tap_steps = int(p.w_tap / 4);
    const int tiles = int(p.oc_group + TILE_N - 1) / TILE_N,
              group = int(gl_WorkGroupID.x) / tiles; // of a group of channels
    const int word =
        group * int(p.oc_group) / 4 + (int(gl_WorkGroupID.x) - group * tiles) * (TILE_N / 4);
    const conv_tile tile =
        tile_at(gl_WorkGroupID.z * gl_NumWorkGroups.y + gl_WorkGroupID.y, GEMM_LANES * TILE_M);

    ivec2 start[TILE_M]; // of the windows, in the input
    int x_at[TILE_M];
    [[unroll]] for (int i = 0; i < TILE_M; i++)
    {
        uvec3 at = position_at(tile.first + lane + GEMM_LANES * i);
        start[i] =
            ivec2(at.xy) * ivec2(tile.h.scale, tile.v.scale) + ivec2(tile.h.offset, tile.v.offset);
        x_at[i] = ((int(at.z * p.in_h) + start[i].y) * int(p.in_w) + start[i].x) * int(p.in_c4) +
                  group * tap_steps;
    }
    const int taps = int(p.kernel_h * p.kernel_w), last = int(p.out_c4 + 1) / 2 - 1;
    int w_at[TILE_N / 8];
    [[unroll]] for (int j = 0; j < TILE_N / 8; j++) w_at[j] =
        min(word / 2 + j, last) * taps * tap_steps * 8 + lane;

    float sum[TILE_M][TILE_N];
    [[unroll]] for (int i = 0; i < TILE_M; i++) [[unroll]] for (int n = 0; n < TILE_N; n++)
        sum[i][n] = 0.0;

    // A phase without taps goes round once, over zeros.
    const int steps = tile.v.count * tile.h.count * tap_steps;
    const uint ic_group = steps > 0 ? p.ic_group : 0;
    k_position k = k_position(
        0, 0, 0, 0, steps > 0 ? (tile.v.first * int(p.kernel_w) + tile.h.first) * tap_steps : 0);
    int step = 0;
    do {
        vec4 rows[TILE_M], columns[TILE_N / 8];
        [[unroll]] for (int i = 0; i < TILE_M; i++) rows[i] = load(x_at[i], start[i], k, ic_group);
        [[unroll]] for (int j = 0; j < TILE_N / 8; j++) columns[j] = w_load4(w_at[j] + k.w * 8);
        k = next_position(k, tile, tap_steps);
        [[unroll]] for (int n = 0; n < TILE_N; n++) [[unroll]] for (int c = 0; c < 4; c++)
        {
            float value = subgroupShuffle(columns[n / 8][c], n % 8);
            [[unroll]] for (int i = 0; i < TILE_M; i++) sum[i][n] += rows[i][c] * value;
        }
        step++;
    } while (step < steps);

    const int end = ((group + 1) * int(p.oc_group) + 3) / 4; // behind the group's last word
    [[unroll]] for (int i = 0; i < TILE_M; i++)
    {
        uint pixel = pixel_at(tile, tile.first + lane + GEMM_LANES * i);
        [[unroll]] for (int j = 0; j < TILE_N / 4; j++) if (pixel != ~0u && word + j < end)
            finish(pixel, word + j,
                   vec4(sum[i][4 * j], sum[i][4 * j + 1], sum[i][4 * j + 2], sum[i][4 * j + 3]));
    }
}
