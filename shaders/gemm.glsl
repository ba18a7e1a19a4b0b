// Tiled int8 GEMM, see gemm_params.h. The including file defines
//   TILE_M, TILE_N4   rows and words of channels that one invocation computes, in registers
//   STEP              ivec4 or int: the unit in which k is loaded
// The workgroup is x: tiles along n, y: tiles along m, z: slices of k, whose partial sums are added through shared memory; more
// slices give small maps with many channels enough invocations to fill a GPU.
#extension GL_EXT_control_flow_attributes : require
#include "gemm_params.h"
#include "dot.glsl"
#include "requantize.glsl"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 3) const bool WINDOW = true; // more than one tap, padding or a stride; else row m is pixel m

layout(push_constant) uniform push_block { gemm_params p; };
layout(binding = 0) readonly buffer a_block { STEP a[]; };
layout(binding = 1) readonly buffer b_block { STEP b[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) readonly buffer residual_block { int residual[]; }; // bound, but not read, where there is none
layout(binding = 4) writeonly buffer y_block { int y[]; };

// Partial sums of the slices 1 .. z-1.
shared ivec4 partial[gl_WorkGroupSize.z > 1
                         ? (gl_WorkGroupSize.z - 1) * gl_WorkGroupSize.x * gl_WorkGroupSize.y * TILE_M * TILE_N4 : 1];

ivec4 acc[TILE_M][TILE_N4];

// This slice's steps of one tap: every z-th one, so that the slices read neighbouring memory at the same time. Rows with inside[i] false
// see x_zero.
void accumulate(uint a_at[TILE_M], bool inside[TILE_M], uint b_at[TILE_N4])
{
    STEP outside = STEP((p.x_zero & 0xff) * 0x01010101);
    for (uint k = gl_LocalInvocationID.z; k < p.tap_steps; k += gl_WorkGroupSize.z) {
        STEP row[TILE_M];
        [[unroll]] for (int i = 0; i < TILE_M; i++)
            row[i] = dot_operand(!WINDOW || inside[i] ? a[a_at[i] + k] : outside);
        [[unroll]] for (int j = 0; j < TILE_N4; j++)
            [[unroll]] for (int c = 0; c < 4; c++) {
                STEP column = b[b_at[j] + k * 4 + c];
                [[unroll]] for (int i = 0; i < TILE_M; i++)
                    acc[i][j][c] += dot_int8(row[i], column);
            }
    }
}

void main()
{
    uint m0 = gl_GlobalInvocationID.y * TILE_M;
    uint n4 = gl_GlobalInvocationID.x * TILE_N4;

    // The first pixel of each row's window. Rows beyond the end read the last one, their results are not stored.
    uint image_row[TILE_M];
    int in_x[TILE_M], in_y[TILE_M];
    [[unroll]] for (int i = 0; i < TILE_M; i++) {
        if (WINDOW) {
            uint m = min(m0 + i, p.m - 1);
            uint line = m / p.out_w;
            uint image = line / p.out_h;
            image_row[i] = image * p.in_h;
            in_y[i] = int((line - image * p.out_h) * p.stride_h) - int(p.padding_h);
            in_x[i] = int((m - line * p.out_w) * p.stride_w) - int(p.padding_w);
        }
        [[unroll]] for (int j = 0; j < TILE_N4; j++)
            acc[i][j] = ivec4(0);
    }
    uint b_at[TILE_N4];
    [[unroll]] for (int j = 0; j < TILE_N4; j++)
        b_at[j] = (gl_WorkGroupID.z * p.b_n4_group + min(n4 + j, p.b_n4_group - 1)) * p.k_steps * 4;

    uint taps = WINDOW ? p.k_steps / p.tap_steps : 1;
    for (uint tap = 0, tap_x = 0, offset_x = 0, offset_y = 0; tap < taps; tap++) {
        uint a_at[TILE_M];
        bool inside[TILE_M];
        [[unroll]] for (int i = 0; i < TILE_M; i++) {
            uint pixel = min(m0 + i, p.m - 1);
            if (WINDOW) {
                int y_at = in_y[i] + int(offset_y), x_at = in_x[i] + int(offset_x);
                inside[i] = y_at >= 0 && y_at < int(p.in_h) && x_at >= 0 && x_at < int(p.in_w);
                pixel = inside[i] ? (image_row[i] + uint(y_at)) * p.in_w + uint(x_at) : 0;
            }
            a_at[i] = pixel * p.a_pixel + gl_WorkGroupID.z * p.tap_steps;
        }
        accumulate(a_at, inside, b_at);
        [[unroll]] for (int j = 0; j < TILE_N4; j++)
            b_at[j] += p.tap_steps * 4;
        tap_x++;
        offset_x += p.dilation_w;
        if (tap_x == p.kernel_w) {
            tap_x = 0;
            offset_x = 0;
            offset_y += p.dilation_h;
        }
    }

    if (gl_WorkGroupSize.z > 1) {
        uint tiles = gl_WorkGroupSize.x * gl_WorkGroupSize.y;
        uint tile = gl_LocalInvocationID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
        if (gl_LocalInvocationID.z > 0)
            [[unroll]] for (int i = 0; i < TILE_M; i++)
                [[unroll]] for (int j = 0; j < TILE_N4; j++)
                    partial[((gl_LocalInvocationID.z - 1) * TILE_M * TILE_N4 + i * TILE_N4 + j) * tiles + tile] = acc[i][j];
        barrier();
        if (gl_LocalInvocationID.z == 0)
            for (uint slice = 0; slice < gl_WorkGroupSize.z - 1; slice++)
                [[unroll]] for (int i = 0; i < TILE_M; i++)
                    [[unroll]] for (int j = 0; j < TILE_N4; j++)
                        acc[i][j] += partial[(slice * TILE_M * TILE_N4 + i * TILE_N4 + j) * tiles + tile];
    }

    if (gl_LocalInvocationID.z == 0)
        [[unroll]] for (int j = 0; j < TILE_N4; j++) {
            if (n4 + j >= p.n4_group)
                break;
            uint word = gl_WorkGroupID.z * p.n4_group + n4 + j;
            channel_block block = channels[word];
            [[unroll]] for (int i = 0; i < TILE_M; i++) {
                if (m0 + i >= p.m)
                    break;
                uint at = (m0 + i) * p.y_pixel + word;
                ivec4 sum = acc[i][j] - DOT_SHIFT * block.sum;
                int q = requantize(sum, block, p.requantize);
                y[at] = p.requantize.q_scale == 0.0 ? q : add_residual(q, residual[at], p.requantize);
            }
        }
}
