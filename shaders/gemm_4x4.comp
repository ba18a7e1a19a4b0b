#version 450
// build: LOADS = -(STEP=ivec4 COLUMNS=columns UNROLL=1) words(STEP=int COLUMNS=ivec4 UNROLL=GEMM_WORDS_UNROLL)
// build: DOT = none signed mixed
// Tiled int8 GEMM, see gemm_params.h: an invocation computes four rows of a word of channels, in
// registers. By the unit of loads:
//   STEP              ivec4 or int: the unit in which k is loaded
//   COLUMNS           one step of a word of channels in B: ivec4 where a step is an int, else dot.glsl's struct columns
//   UNROLL            steps between two tests whether k has ended, where steps are short
// The workgroup is x: tiles along n, y: tiles along m, z: slices of k, whose partial sums are added
// through shared memory; more slices give small maps with many channels enough invocations to fill
// a GPU.
#extension GL_EXT_control_flow_attributes : require
#include "dot.glsl"
#include "requantize.glsl"

#define TILE_M 4

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 3) const
    bool WINDOW = true; // more than one tap, padding or a stride; else row m is pixel m
layout(constant_id = 4) const uint FOLDS =
    1; // of the rows, along z: where there are more workgroups than y may have
#include "gemm_sizes.glsl"

layout(binding = 0) readonly buffer a_block { STEP a[]; };
layout(binding = 1) readonly buffer b_block { COLUMNS b[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) readonly buffer residual_block
{
    int residual[];
}; // bound, but not read, where there is none
#include "epilogue.glsl"
layout(binding = 4) writeonly buffer y_block { int y[]; };

// Partial sums of the slices 1 .. z-1.
shared ivec4 partial[gl_WorkGroupSize.z > 1
                         ? (gl_WorkGroupSize.z - 1) * gl_WorkGroupSize.x *gl_WorkGroupSize.y *TILE_M
                         : 1];

ivec4 acc[TILE_M];

void add_products(STEP row[TILE_M], STEP column, int c)
{
    [[unroll]] for (int i = 0; i < TILE_M; i++) acc[i][c] = dot_int8(acc[i][c], row[i], column);
}

// One step, and on to the slice's next. Rows with inside[i] false see x_zero.
void one_step(inout uint a_at[TILE_M], bool inside[TILE_M], inout uint b_at)
{
    STEP outside = STEP((X_ZERO & 0xff) * 0x01010101);
    STEP row[TILE_M];
    [[unroll]] for (int i = 0; i < TILE_M; i++)
    {
        STEP values = a[a_at[i]]; // of the first pixel where they are not used: a branch costs more
        row[i] = dot_operand(!WINDOW || inside[i] ? values : outside);
        a_at[i] += gl_WorkGroupSize.z;
    }
    add_products(row, b[b_at].x, 0);
    add_products(row, b[b_at].y, 1);
    add_products(row, b[b_at].z, 2);
    add_products(row, b[b_at].w, 3);
    b_at += gl_WorkGroupSize.z;
}

// This slice's steps of one tap: every z-th one, so that the slices read neighbouring memory at the
// same time. b_at is left at the next tap.
void accumulate(uint a_at[TILE_M], bool inside[TILE_M], inout uint b_at)
{
    uint k = gl_LocalInvocationID.z;
    for (; k + (UNROLL - 1) * gl_WorkGroupSize.z < TAP_STEPS; k += UNROLL * gl_WorkGroupSize.z)
        [[unroll]] for (int u = 0; u < UNROLL; u++) one_step(a_at, inside, b_at);
    if (UNROLL > 1)
        for (; k < TAP_STEPS; k += gl_WorkGroupSize.z)
            one_step(a_at, inside, b_at);
    b_at += TAP_STEPS + gl_LocalInvocationID.z - k;
}

// The window of the output pixel after another's: x and y of its first tap (less than 0 wraps), and
// the image's first line.
uvec3 next_window(uvec3 at)
{
    bool line_ends = at.x == (OUT_W - 1) * STRIDE_W - PADDING_W;
    bool image_ends = line_ends && at.y == (OUT_H - 1) * STRIDE_H - PADDING_H;
    return uvec3(line_ends ? -PADDING_W : at.x + STRIDE_W,
                 image_ends  ? -PADDING_H
                 : line_ends ? at.y + STRIDE_H
                             : at.y,
                 image_ends ? at.z + IN_H : at.z);
}

void store_row(uint m, uint word, ivec4 sum, channel_block block)
{
    if (m >= M)
        return;
    uint at = m * Y_PIXEL + word;
    int q = requantize(sum - DOT_SHIFT * block.sum, block, p);
    y[at] = RESIDUAL ? finish(q, at, p) : q;
}

void main()
{
    uint group = gl_WorkGroupID.z / FOLDS, fold = gl_WorkGroupID.z % FOLDS;
    uint m0 = (fold * gl_NumWorkGroups.y * gl_WorkGroupSize.y + gl_GlobalInvocationID.y) * TILE_M;
    uint n4 = gl_GlobalInvocationID.x;

    [[unroll]] for (int i = 0; i < TILE_M; i++) acc[i] = ivec4(0);
    // The first row's window. The others count on from it, in every tap again, which costs less
    // than registers to keep them. Rows beyond the end read the last one, their results are not
    // stored.
    uvec3 first;
    if (WINDOW) {
        uint m = min(m0, M - 1);
        uint line = m / OUT_W;
        uint image = line / OUT_H;
        first = uvec3((m - line * OUT_W) * STRIDE_W - PADDING_W,
                      (line - image * OUT_H) * STRIDE_H - PADDING_H, image * IN_H);
    }
    uint b_at = (group * B_N4_GROUP + min(n4, B_N4_GROUP - 1)) * K_STEPS + gl_LocalInvocationID.z;

    uint taps = WINDOW ? K_STEPS / TAP_STEPS : 1;
    uint a_slice = group * TAP_STEPS + gl_LocalInvocationID.z;
    for (uint tap = 0, tap_x = 0, offset_x = 0, offset_y = 0; tap < taps; tap++) {
        uint a_at[TILE_M];
        bool inside[TILE_M];
        uvec3 at = first;
        [[unroll]] for (int i = 0; i < TILE_M; i++)
        {
            uint pixel = min(m0 + i, M - 1);
            if (WINDOW) {
                uint in_x = at.x + offset_x, in_y = at.y + offset_y;
                inside[i] = in_x < IN_W && in_y < IN_H;
                pixel = inside[i] ? (at.z + in_y) * IN_W + in_x : 0;
                at = m0 + i + 1 < M ? next_window(at) : at;
            }
            a_at[i] = pixel * A_PIXEL + a_slice;
        }
        accumulate(a_at, inside, b_at);
        tap_x++;
        offset_x += DILATION_W;
        if (tap_x == KERNEL_W) {
            tap_x = 0;
            offset_x = 0;
            offset_y += DILATION_H;
        }
    }

    if (gl_WorkGroupSize.z > 1) {
        uint tiles = gl_WorkGroupSize.x * gl_WorkGroupSize.y;
        uint tile = gl_LocalInvocationID.y * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
        if (gl_LocalInvocationID.z > 0) [[unroll]]
            for (int i = 0; i < TILE_M; i++)
                partial[((gl_LocalInvocationID.z - 1) * TILE_M + i) * tiles + tile] = acc[i];
        barrier();
        if (gl_LocalInvocationID.z == 0)
            for (uint slice = 0; slice < gl_WorkGroupSize.z - 1; slice++)
                [[unroll]] for (int i = 0; i < TILE_M; i++) acc[i] +=
                    partial[(slice * TILE_M + i) * tiles + tile];
    }

    if (gl_LocalInvocationID.z == 0 && n4 < N4_GROUP) {
        uint word = group * N4_GROUP + n4;
        channel_block block = channels[word];
        store_row(m0, word, acc[0], block);
        store_row(m0 + 1, word, acc[1], block);
        store_row(m0 + 2, word, acc[2], block);
        store_row(m0 + 3, word, acc[3], block);
    }
}
