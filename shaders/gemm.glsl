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

layout(push_constant) uniform push_block { gemm_params p; };
layout(binding = 0) readonly buffer a_block { STEP a[]; };
layout(binding = 1) readonly buffer b_block { STEP b[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) writeonly buffer y_block { int y[]; };

// Partial sums of the slices 1 .. z-1.
shared ivec4 partial[gl_WorkGroupSize.z > 1
                         ? (gl_WorkGroupSize.z - 1) * gl_WorkGroupSize.x * gl_WorkGroupSize.y * TILE_M * TILE_N4 : 1];

uint row_start(uint m)
{
    uint row = m / p.out_w;
    uint image = row / p.out_h;
    uint pixel = (image * p.in_h + (row - image * p.out_h) * p.stride_h) * p.in_w + (m - row * p.out_w) * p.stride_w;
    return pixel * p.a_row + gl_WorkGroupID.z * p.a_group;
}

void main()
{
    uint m0 = gl_GlobalInvocationID.y * TILE_M;
    uint n4 = gl_GlobalInvocationID.x * TILE_N4;

    // Rows beyond the end read the last one, their results are not stored.
    uint a_at[TILE_M];
    [[unroll]] for (int i = 0; i < TILE_M; i++)
        a_at[i] = row_start(min(m0 + i, p.m - 1));
    uint b_at[TILE_N4];
    [[unroll]] for (int j = 0; j < TILE_N4; j++)
        b_at[j] = (gl_WorkGroupID.z * p.b_n4_group + min(n4 + j, p.b_n4_group - 1)) * p.k_steps * 4;

    ivec4 acc[TILE_M][TILE_N4];
    [[unroll]] for (int i = 0; i < TILE_M; i++)
        [[unroll]] for (int j = 0; j < TILE_N4; j++)
            acc[i][j] = ivec4(0);

    for (uint k = gl_LocalInvocationID.z; k < p.k_steps; k += gl_WorkGroupSize.z) {
        STEP row[TILE_M];
        [[unroll]] for (int i = 0; i < TILE_M; i++)
            row[i] = dot_operand(a[a_at[i] + k]);
        [[unroll]] for (int j = 0; j < TILE_N4; j++)
            [[unroll]] for (int c = 0; c < 4; c++) {
                STEP column = b[b_at[j] + k * 4 + c];
                [[unroll]] for (int i = 0; i < TILE_M; i++)
                    acc[i][j][c] += dot_int8(row[i], column);
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
            [[unroll]] for (int i = 0; i < TILE_M; i++)
                if (m0 + i < p.m)
                    y[(m0 + i) * p.y_row + word] = requantize(acc[i][j], block, p.requantize);
        }
}
