// The GEMM of gemm_params.h on matrix units: 16x16x32 int8 cooperative matrices. A subgroup of 32 invocations computes 32 rows and
// CHANNELS channels (16 or 32) over its slice of k. The including file defines WORDS: with 1, pixels of any number of words are read word by word (a first layer with 3 channels). A workgroup is 32 x tiles along m x slices of k;
// the slices are added at the end, in shared memory.
//   A: the subgroup gathers 64 bytes of each row into shared memory, four invocations a row, so that a row may start anywhere
//      (windows, strides, row ends of an image).
//   B: [n / 16][k / 64][16 channels][64], loaded straight from memory.
// Both are on their way for the next chunks while the current ones are multiplied, and the epilogue's parameters from the start.
#extension GL_NV_cooperative_matrix : require
#extension GL_NV_integer_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int32 : require
#extension GL_EXT_control_flow_attributes : require
#include "gemm_params.h"
#include "requantize.glsl"

#define ROWS 32
#define CHANNELS 16
#define STEPS 4      // ivec4s of a row in a chunk of k
#define ROW_STRIDE 5 // and in shared memory, where a fifth one keeps rows out of each other's banks
#define SUM_WORDS (ROWS * CHANNELS / 4) // ivec4s of a tile's sums
#define CHUNK_WORDS (ROWS * ROW_STRIDE)
#define SHARED_WORDS (SUM_WORDS > CHUNK_WORDS ? SUM_WORDS : CHUNK_WORDS)

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 3) const bool WINDOW = true; // more than one tap, padding or a stride; else row m is pixel m

layout(push_constant) uniform push_block { gemm_params p; };
#if WORDS
#define GRAIN int
#define GRAINS 4 // of a step of 16 bytes
#else
#define GRAIN ivec4
#define GRAINS 1
#endif
layout(binding = 0) readonly buffer a_block { GRAIN a[]; };
layout(binding = 1) readonly buffer b_block { ivec4 b[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) readonly buffer residual_block { int residual[]; }; // bound, but not read, where there is none
layout(binding = 4) writeonly buffer y_block { int y[]; };

// A part for each subgroup: first its rows of A, then its sums, [row][channel / 4].
shared ivec4 parts[gl_WorkGroupSize.y * gl_WorkGroupSize.z * SHARED_WORDS];

#define sums_t icoopmatNV<32, gl_ScopeSubgroup, 16, 16>
#define left_t icoopmatNV<8, gl_ScopeSubgroup, 16, 32>
#define right_t icoopmatNV<8, gl_ScopeSubgroup, 32, 16>

// Where this invocation's grain of k lies: the tap, by its column and its distance from the window's first pixel, and the grain within
// its channels.
int tap_x, offset_x, offset_y, tap_step;

void start_at(uint grain)
{
    uint tap = WINDOW ? grain / p.tap_steps : 0;
    uint tap_y = tap / p.kernel_w;
    tap_step = int(grain - tap * p.tap_steps);
    tap_x = int(tap - tap_y * p.kernel_w);
    offset_x = tap_x * int(p.dilation_w);
    offset_y = int(tap_y * p.dilation_h);
}

void advance(int grains)
{
    tap_step += grains;
    while (WINDOW && tap_step >= int(p.tap_steps)) {
        tap_step -= int(p.tap_steps);
        tap_x++;
        offset_x += int(p.dilation_w);
        if (tap_x == int(p.kernel_w)) {
            tap_x = 0;
            offset_x = 0;
            offset_y += int(p.dilation_h);
        }
    }
}

// A grain of a row, whose window's first pixel lies at x, y and its first grain at `at`. Beyond k they meet zero weights.
GRAIN load(int at, int x, int y)
{
    bool inside = WINDOW ? uint(x + offset_x) < p.in_w && uint(y + offset_y) < p.in_h : tap_step < int(p.tap_steps);
    int from = at + (offset_y * int(p.in_w) + offset_x) * int(p.a_pixel) + tap_step;
    return inside ? a[from] : GRAIN((p.x_zero & 0xff) * 0x01010101);
}

// This invocation's 16 bytes of each of its rows; leaves the position at those of the next chunk of its slice.
void load_rows(int at[4], int x[4], int y[4], int chunks, out ivec4 rows[4])
{
#if WORDS
    [[unroll]] for (int w = 0; w < 4; w++) {
        [[unroll]] for (int i = 0; i < 4; i++)
            rows[i][w] = load(at[i], x[i], y[i]);
        advance(1);
    }
#else
    [[unroll]] for (int i = 0; i < 4; i++)
        rows[i] = load(at[i], x[i], y[i]);
    advance(1);
#endif
    advance((STEPS * chunks - 1) * GRAINS);
}

// Of the subgroup's rows in shared memory alone: the usual barriers would also wait for the loads that are on their way.
void rows_barrier()
{
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
}

void main()
{
    int lane = int(gl_LocalInvocationID.x), slice = int(gl_LocalInvocationID.z), slices = int(gl_WorkGroupSize.z);
    uint m_first = (gl_WorkGroupID.y * gl_WorkGroupSize.y + gl_LocalInvocationID.y) * ROWS, group = gl_WorkGroupID.z;
    int part = (int(gl_LocalInvocationID.y) * slices + slice) * SHARED_WORDS;

    // This invocation's four rows. Rows beyond the end read the last one, their results are not stored.
    int in_x[4], in_y[4], at[4];
    [[unroll]] for (int i = 0; i < 4; i++) {
        uint m = min(m_first + lane / 4 + 8 * i, p.m - 1);
        int pixel = int(m);
        if (WINDOW) {
            uint line = m / p.out_w;
            uint image = line / p.out_h;
            in_y[i] = int((line - image * p.out_h) * p.stride_h) - int(p.padding_h);
            in_x[i] = int((m - line * p.out_w) * p.stride_w) - int(p.padding_w);
            pixel = (int(image * p.in_h) + in_y[i]) * int(p.in_w) + in_x[i];
        }
        at[i] = pixel * int(p.a_pixel) + int(group * p.tap_steps);
    }

    sums_t sums[2]; // of 16 rows each
    [[unroll]] for (int i = 0; i < 2; i++)
        sums[i] = sums_t(0);

    // What this invocation stores: words t, t + 32 * slices, ... of the tile, which all are of the same four channels.
    int t = slice * 32 + lane;
    uint n4 = gl_WorkGroupID.x * (CHANNELS / 4) + t % (CHANNELS / 4), word = group * p.n4_group + min(n4, p.n4_group - 1);
    channel_block block = channels[word];

    int k_end = int(p.k_steps);
    uint b_at = (group * p.b_n4_group / 4 + gl_WorkGroupID.x) * p.k_steps * 64 + slice * 64;
    ivec4 next[4];
    right_t right_next[2]; // halves of a chunk, 32 of k each
    start_at((slice * STEPS + lane % 4) * GRAINS);
    for (int k = slice - slices; k < k_end; k += slices) { // the first round only loads
        right_t right[2];
        if (k >= 0) {
            [[unroll]] for (int i = 0; i < 4; i++)
                parts[part + (lane / 4 + 8 * i) * ROW_STRIDE + lane % 4] = next[i];
            [[unroll]] for (int h = 0; h < 2; h++)
                right[h] = right_next[h];
        }
        if (k + slices < k_end) {
            load_rows(at, in_x, in_y, slices, next);
            [[unroll]] for (int h = 0; h < 2; h++)
                coopMatLoadNV(right_next[h], b, b_at + h * 2, 4, true);
            b_at += 64 * slices;
        }
        if (k < 0)
            continue;
        rows_barrier();
        [[unroll]] for (int h = 0; h < 2; h++) {
            left_t left[2];
            [[unroll]] for (int i = 0; i < 2; i++)
                coopMatLoadNV(left[i], parts, part + i * 16 * ROW_STRIDE + h * 2, ROW_STRIDE, false);
            [[unroll]] for (int i = 0; i < 2; i++)
                sums[i] = coopMatMulAddNV(left[i], right[h], sums[i]);
        }
        rows_barrier();
    }

    [[unroll]] for (int i = 0; i < 2; i++)
        coopMatStoreNV(sums[i], parts, part + i * 16 * (CHANNELS / 4), CHANNELS / 4, false);
    memoryBarrierShared();
    barrier();

    int tile = int(gl_LocalInvocationID.y) * slices * SHARED_WORDS;
    for (; t < SUM_WORDS; t += 32 * slices) {
        uint row = m_first + t / (CHANNELS / 4);
        if (row >= p.m || n4 >= p.n4_group)
            continue;
        ivec4 acc = parts[tile + t];
        for (int s = 1; s < slices; s++)
            acc += parts[tile + s * SHARED_WORDS + t];
        uint y_at = row * p.y_pixel + word;
        int q = requantize(acc, block, p.requantize);
        y[y_at] = p.requantize.q_scale == 0.0 ? q : add_residual(q, residual[y_at], p.requantize);
    }
}
