#version 450
// base: conv_float_tile
// glslc -O0: what is inlined wherever it is called takes twice the space
// Convolution of floats as a matrix product over the window's taps: an invocation has TILE_M rows
// and TILE_N channels of the block, which lie apart, so that neighbours read neighbours in shared
// memory.
#extension GL_EXT_control_flow_attributes : require
layout(constant_id = 18) const uint ROWS = 32;
layout(constant_id = 19) const uint CHANNELS = 32;
const uint TILE_M = ROWS > 32 ? 8 : 4;
const uint TILE_N = CHANNELS > 32 ? 8 : 4;
const uint PASSES = ROWS > 32 ? 2 : 1;
const uint ACROSS = CHANNELS / TILE_N; // invocations
const uint DOWN = ROWS / TILE_M;
const uint THREADS = ACROSS * DOWN;
#define STEPS 4u
#include "conv_float_block.glsl"

float sums[TILE_M][TILE_N];

float product(uvec4 a, uvec4 b)
{
    if (TYPE == VKD_ELEMENT_F32)
        return dot(uintBitsToFloat(a), uintBitsToFloat(b));
    return dot(vec4(unpackHalf2x16(a.x), unpackHalf2x16(a.y)),
               vec4(unpackHalf2x16(b.x), unpackHalf2x16(b.y))) +
           dot(vec4(unpackHalf2x16(a.z), unpackHalf2x16(a.w)),
               vec4(unpackHalf2x16(b.z), unpackHalf2x16(b.w)));
}

void multiply_chunk(uint part, uint down, uint across)
{
    uint rows = part + down * STRIDE, columns = part + (ROWS + across) * STRIDE;
    [[dont_unroll]] for (uint k = 0; k < STEPS; k++)
    {
        uvec4 b[TILE_N];
        [[unroll]] for (uint j = 0; j < TILE_N; j++) b[j] =
            parts[columns + j * ACROSS * STRIDE + k];
        [[unroll]] for (uint i = 0; i < TILE_M; i++)
        {
            uvec4 a = parts[rows + i * DOWN * STRIDE + k];
            [[unroll]] for (uint j = 0; j < TILE_N; j++) sums[i][j] += product(a, b[j]);
        }
    }
}

// Those of the rows of a pass.
void store_sums(uint part, uint pass, uint down, uint across)
{
    [[unroll]] for (uint i = 0; i < TILE_M / PASSES; i++)
        [[unroll]] for (uint j = 0; j < TILE_N; j++)
    {
        uint at = (i * DOWN + down) * CHANNELS + j * ACROSS + across;
        parts[part + at / 4][at % 4] = floatBitsToUint(sums[pass * (TILE_M / PASSES) + i][j]);
    }
}

void main()
{
    uint thread = gl_LocalInvocationID.x, down = thread / ACROSS, across = thread % ACROSS;
    uint slice = gl_LocalInvocationID.z, part = slice * SHARED_WORDS;
    block of = find_block();
    find_operands(of, thread);

    // Each slice has its stretch of k, which is never empty: there are no more slices than chunks.
    // `next` is its first chunk, then the one after that which is multiplied.
    uint k = slice * CHUNKS / SLICES, k_end = (slice + 1) * CHUNKS / SLICES;
    chunk next;
    load_chunk(k, thread, next);
    [[unroll]] for (uint i = 0; i < TILE_M; i++) [[unroll]] for (uint j = 0; j < TILE_N; j++)
        sums[i][j] = 0.0;
    stage_chunk(part, thread, next);
    [[dont_unroll]] for (uint step = 1; step < LONGEST; step++, k++)
    {
        if (EVEN || k + 1 < k_end)
            load_chunk(k + 1, thread, next);
        barrier();
        multiply_chunk(part, down, across);
        barrier();
        stage_chunk(part, thread, next);
    }
    barrier();
    if (EVEN || k < k_end)
        multiply_chunk(part, down, across);

    [[unroll]] for (uint pass = 0; pass < PASSES; pass++)
    {
        barrier();
        store_sums(part, pass, down, across);
        barrier();
        finish_pass(of, pass, slice * THREADS + thread);
    }
}
