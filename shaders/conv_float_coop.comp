#version 450
// build: TILE = 16x16(ROWS=16 CHANNELS=16 SUBGROUPS_M=1 SUBGROUPS_N=1 STEPS=4u)
// build: TILE = 16x32(ROWS=16 CHANNELS=32 SUBGROUPS_M=1 SUBGROUPS_N=1 STEPS=4u)
// build: TILE = 32x32(ROWS=32 CHANNELS=32 SUBGROUPS_M=1 SUBGROUPS_N=1 STEPS=4u)
// build: TILE = 64x64(ROWS=64 CHANNELS=64 SUBGROUPS_M=2 SUBGROUPS_N=2 STEPS=8u)
// build: TILE = 128x128(ROWS=128 CHANNELS=128 SUBGROUPS_M=2 SUBGROUPS_N=4 STEPS=4u)
// family: matrix
// Convolution of halves as a matrix product over the window's taps on matrix units: 16x16x16
// cooperative matrices, whose sums are 32 bits wide, by SUBGROUPS_M x SUBGROUPS_N subgroups of 32
// for each slice of k. See gemm_coop.comp for why it is written so.
#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_control_flow_attributes : require
#define SUBGROUPS (SUBGROUPS_M * SUBGROUPS_N) // of a slice: along y of the workgroup
#define THREADS (32u * SUBGROUPS)
#define PASSES SUBGROUPS_M
#include "conv_float_block.glsl"

#define SUB_ROWS (ROWS / SUBGROUPS_M)
#define SUB_CHANNELS (CHANNELS / SUBGROUPS_N)
#define sums_t fcoopmatNV<32, gl_ScopeSubgroup, 16, 16>
#define factor_t fcoopmatNV<16, gl_ScopeSubgroup, 16, 16>

sums_t sums[SUB_ROWS / 16][SUB_CHANNELS / 16]; // of 16 rows and 16 channels each

void multiply_chunk(uint part, uint sub_m, uint sub_n)
{
    uint rows = part + sub_m * SUB_ROWS * STRIDE,
         columns = part + (ROWS + sub_n * SUB_CHANNELS) * STRIDE;
    [[unroll]] for (uint k = 0; k < STEPS / 2; k++)
    { // 16 each
        factor_t left[SUB_ROWS / 16];
        [[unroll]] for (uint i = 0; i < SUB_ROWS / 16; i++)
            coopMatLoadNV(left[i], parts, rows + i * 16 * STRIDE + k * 2, STRIDE, false);
        [[unroll]] for (uint u = 0; u < SUB_CHANNELS / 16; u++)
        {
            factor_t right;
            coopMatLoadNV(right, parts, columns + u * 16 * STRIDE + k * 2, STRIDE, true);
            [[unroll]] for (uint i = 0; i < SUB_ROWS / 16; i++) sums[i][u] =
                coopMatMulAddNV(left[i], right, sums[i][u]);
        }
    }
}

// Between the invocations that share a chunk. The usual barriers would also wait for the loads that
// are on their way.
void chunk_barrier()
{
#if SUBGROUPS == 1
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared,
                   gl_SemanticsAcquireRelease);
#else
    controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsShared,
                   gl_SemanticsAcquireRelease);
#endif
}

void store_sums(uint tile)
{
    [[unroll]] for (uint i = 0; i < SUB_ROWS / 16; i++)
        [[unroll]] for (uint u = 0; u < SUB_CHANNELS / 16; u++) coopMatStoreNV(
            sums[i][u], parts, tile + i * 16 * (CHANNELS / 4) + u * 4, CHANNELS / 4, false);
}

void main()
{
    uint sub = gl_LocalInvocationID.y, thread = sub * 32 + gl_LocalInvocationID.x;
    uint slice = gl_LocalInvocationID.z, part = slice * SHARED_WORDS;
    block of = find_block();
    find_operands(of, thread);

    // Each slice has its stretch of k, which is never empty: there are no more slices than chunks.
    // `next` is its first chunk, then the one after that which is multiplied.
    uint k = slice * CHUNKS / SLICES, k_end = (slice + 1) * CHUNKS / SLICES;
    chunk next;
    load_chunk(k, thread, next);
    [[unroll]] for (uint i = 0; i < SUB_ROWS / 16; i++)
        [[unroll]] for (uint u = 0; u < SUB_CHANNELS / 16; u++) sums[i][u] = sums_t(0);
    uint sub_m = sub / SUBGROUPS_N, sub_n = sub % SUBGROUPS_N;
    stage_chunk(part, thread, next);
    [[dont_unroll]] for (uint step = 1; step < LONGEST; step++, k++)
    {
        if (EVEN || k + 1 < k_end)
            load_chunk(k + 1, thread, next);
        chunk_barrier();
        multiply_chunk(part, sub_m, sub_n);
        chunk_barrier();
        stage_chunk(part, thread, next);
    }
    chunk_barrier();
    if (EVEN || k < k_end)
        multiply_chunk(part, sub_m, sub_n);

    [[unroll]] for (uint pass = 0; pass < PASSES; pass++)
    {
        memoryBarrierShared();
        barrier();
        if (sub_m == pass)
            store_sums(part + sub_n * (SUB_CHANNELS / 4));
        memoryBarrierShared();
        barrier();
        finish_pass(of, pass, slice * THREADS + thread);
    }
}
