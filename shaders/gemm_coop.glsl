// The GEMM of gemm_params.h on matrix units: 16x16x32 int8 cooperative matrices. A subgroup of 32 invocations computes ROWS rows
// and CHANNELS channels over its slice of k. A workgroup is 32 x 1 x slices of k, which are added at the end, in shared memory.
// The including file defines ROWS, CHANNELS (multiples of 16) and LOADS, how a step of 16 bytes of A is loaded:
//   LOADS_STEPS    at once: pixels of multiples of 16 bytes
//   LOADS_WORDS    word by word: pixels of any number of words
//   LOADS_PIXELS   four pixels of one word side by side, which are four taps: a first layer
// Both operands go through shared memory in chunks of 64 of k: A because a row may start anywhere (windows, strides, row ends of an
// image), B because drivers load a matrix from memory byte by byte. The next chunk is on its way while the current one is
// multiplied, and what the epilogue needs from the start. Loops stay loops: unrolled by a driver, the one over k was 30 KB of code.
#extension GL_NV_cooperative_matrix : require
#extension GL_NV_integer_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int32 : require
#extension GL_EXT_control_flow_attributes : require
#include "gemm_params.h"
#include "requantize.glsl"

#define STEPS 4  // ivec4s of a row in a chunk of k
#define STRIDE 5 // and in shared memory, where a fifth one keeps rows out of each other's banks
#define UNITS (CHANNELS / 16)
#define PASSES (ROWS / 8) // of the subgroup over the rows of A, four invocations a row
#define CHUNK_WORDS ((ROWS + CHANNELS) * STRIDE)
#define SUM_WORDS (ROWS * CHANNELS / 4) // ivec4s of a tile's sums
#define SHARED_WORDS (SUM_WORDS > CHUNK_WORDS ? SUM_WORDS : CHUNK_WORDS)

#define LOADS_STEPS 1
#define LOADS_WORDS 2
#define LOADS_PIXELS 3

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 3) const bool WINDOW = true; // more than one tap, padding or a stride; else row m is pixel m
layout(constant_id = 4) const uint FOLDS = 1;     // of the rows, along z: where there are more tiles than y may have workgroups

layout(push_constant) uniform push_block { gemm_params p; };
#if LOADS == LOADS_STEPS
layout(binding = 0) readonly buffer a_block { ivec4 a[]; };
#else
layout(binding = 0) readonly buffer a_block { int a[]; };
#endif
layout(binding = 1) readonly buffer b_block { ivec4 b[]; };
layout(binding = 2) readonly buffer channels_block { ivec4 channels[]; }; // a channel_block is four of them
layout(binding = 3) readonly buffer residual_block { int residual[]; }; // bound, but not read, where there is none
layout(binding = 4) writeonly buffer y_block { int y[]; };

// A part for each slice: first its rows of A and its channels of B, then its sums, [row][channel / 4].
shared ivec4 parts[gl_WorkGroupSize.z * SHARED_WORDS];
shared ivec4 blocks[CHANNELS]; // of the channels: their loads would wait for the epilogue otherwise

#define sums_t icoopmatNV<32, gl_ScopeSubgroup, 16, 16>
#define left_t icoopmatNV<8, gl_ScopeSubgroup, 16, 32>
#define right_t icoopmatNV<8, gl_ScopeSubgroup, 32, 16>

// What an invocation loads of each chunk: a step of rows of A, eight rows apart, and two ivec4s of each unit of B.
struct chunk {
    ivec4 a[PASSES], b[2 * UNITS];
};
int in_x[PASSES], in_y[PASSES], at[PASSES]; // the windows' first pixels, and where they are in A
int b_at[UNITS];

// Floor of n / d, exact for the numbers here: both are below 2^17.
int quotient(int n, uint d) { return int((float(n) + 0.5) / float(d)); }

// One word or step of each row: its tap within the window, and its place in the tap's channels.
struct place {
    int x, y, step;
};

place locate(int k)
{
    int tap = quotient(k, p.tap_steps), tap_y = quotient(tap, p.kernel_w);
    return place((tap - tap_y * int(p.kernel_w)) * int(p.dilation_w), tap_y * int(p.dilation_h), k - tap * int(p.tap_steps));
}

bool is_inside(int i, place at) { return uint(in_x[i] + at.x) < p.in_w && uint(in_y[i] + at.y) < p.in_h; }

// Steps beyond the last tap meet zero weights, whatever is loaded.
void load_a(int step, out ivec4 rows[PASSES])
{
    const int outside = (p.x_zero & 0xff) * 0x01010101;
#if LOADS == LOADS_STEPS
    place of = WINDOW ? locate(step) : place(0, 0, step);
    int offset = WINDOW ? (of.y * int(p.in_w) + of.x) * int(p.a_pixel) + of.step : step;
    [[unroll]] for (int i = 0; i < PASSES; i++) {
        bool inside = WINDOW ? is_inside(i, of) : step < int(p.tap_steps);
        rows[i] = inside ? a[at[i] + offset] : ivec4(outside);
    }
#elif LOADS == LOADS_WORDS
    [[unroll]] for (int w = 0; w < 4; w++) {
        int word = step * 4 + w;
        place of = WINDOW ? locate(word) : place(0, 0, word);
        int offset = WINDOW ? (of.y * int(p.in_w) + of.x) * int(p.a_pixel) + of.step : word;
        [[unroll]] for (int i = 0; i < PASSES; i++) {
            bool inside = WINDOW ? is_inside(i, of) : word < int(p.tap_steps);
            rows[i][w] = inside ? a[at[i] + offset] : outside;
        }
    }
#else
    place of = locate(step);
    [[unroll]] for (int i = 0; i < PASSES; i++)
        [[unroll]] for (int w = 0; w < 4; w++)
            rows[i][w] = is_inside(i, place(of.x + w, of.y, 0)) ? a[at[i] + of.y * int(p.in_w) + of.x + w] : outside;
#endif
}

void load_chunk(int k, int lane, out chunk to)
{
    load_a(k * STEPS + lane % 4, to.a);
    [[unroll]] for (int u = 0; u < UNITS; u++) {
        to.b[2 * u] = b[b_at[u] + k * 64];
        to.b[2 * u + 1] = b[b_at[u] + k * 64 + 32];
    }
}

void stage_chunk(int part, int lane, chunk from)
{
    int row = part + lane / 4 * STRIDE + lane % 4;
    [[unroll]] for (int i = 0; i < PASSES; i++)
        parts[row + i * 8 * STRIDE] = from.a[i];
    [[unroll]] for (int i = 0; i < 2 * UNITS; i++)
        parts[row + (ROWS + i * 8) * STRIDE] = from.b[i];
}

sums_t sums[ROWS / 16][UNITS]; // of 16 rows and 16 channels each

void multiply_chunk(int part)
{
    [[unroll]] for (int k = 0; k < 2; k++) { // 32 each
        left_t left[ROWS / 16];
        [[unroll]] for (int i = 0; i < ROWS / 16; i++)
            coopMatLoadNV(left[i], parts, part + i * 16 * STRIDE + k * 2, STRIDE, false);
        [[unroll]] for (int u = 0; u < UNITS; u++) {
            right_t right;
            coopMatLoadNV(right, parts, part + (ROWS + u * 16) * STRIDE + k * 2, STRIDE, true);
            [[unroll]] for (int i = 0; i < ROWS / 16; i++)
                sums[i][u] = coopMatMulAddNV(left[i], right, sums[i][u]);
        }
    }
}

// Of the subgroup's part of shared memory alone: the usual barriers would also wait for the loads that are on their way.
void part_barrier()
{
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared, gl_SemanticsAcquireRelease);
}

// Where the rows' windows begin. The divisions are shared out: each invocation finds a row for four.
void find_windows(uint m_first, int lane)
{
    [[unroll]] for (int i = 0; i < PASSES; i += 4) {
        uint m = min(m_first + lane + 8 * i, p.m - 1); // rows beyond the end read the last one, their results are not stored
        uint line = m / p.out_w, image = line / p.out_h;
        int y = int((line - image * p.out_h) * p.stride_h) - int(p.padding_h);
        int x = int((m - line * p.out_w) * p.stride_w) - int(p.padding_w);
        int pixel = (int(image * p.in_h) + y) * int(p.in_w) + x;
        [[unroll]] for (int j = i; j < min(i + 4, PASSES); j++) {
            int from = lane / 4 + 8 * (j - i);
            in_x[j] = subgroupShuffle(x, from);
            in_y[j] = subgroupShuffle(y, from);
            at[j] = subgroupShuffle(pixel, from);
        }
    }
}

void load_blocks(uint group, int lane)
{
    [[unroll]] for (int i = 0; i < CHANNELS; i += 32) {
        uint n4 = gl_WorkGroupID.x * (CHANNELS / 4) + (i + lane) / 4;
        if (i + lane < CHANNELS)
            blocks[i + lane] = channels[(group * p.n4_group + min(n4, p.n4_group - 1)) * 4 + lane % 4];
    }
}

int load_residual(uint row, uint word)
{
    return p.requantize.q_scale != 0.0 && row < p.m ? residual[row * p.y_pixel + word] : 0;
}

void main()
{
    int lane = int(gl_LocalInvocationID.x), slice = int(gl_LocalInvocationID.z), slices = int(gl_WorkGroupSize.z);
    int part = slice * SHARED_WORDS;
    uint group = gl_WorkGroupID.z / FOLDS, fold = gl_WorkGroupID.z % FOLDS;
    uint m_first = (fold * gl_NumWorkGroups.y + gl_WorkGroupID.y) * ROWS;

    if (WINDOW)
        find_windows(m_first, lane);
    [[unroll]] for (int i = 0; i < PASSES; i++)
        at[i] = (WINDOW ? at[i] : int(min(m_first + lane / 4 + 8 * i, p.m - 1))) * int(p.a_pixel) + int(group * p.tap_steps);
    uint units = p.b_n4_group / 4, unit = gl_WorkGroupID.x * UNITS;
    [[unroll]] for (uint u = 0; u < UNITS; u++)
        b_at[u] = int((group * units + min(unit + u, units - 1)) * p.k_steps * 64) + lane;

    // Each slice has its stretch of k.
    int stretch = (int(p.k_steps) + slices - 1) / slices;
    int k_begin = slice * stretch, k_end = min(k_begin + stretch, int(p.k_steps));
    chunk next;
    if (k_begin < k_end)
        load_chunk(k_begin, lane, next);

    // What this invocation stores: words t, t + 32 * slices, ... of the tile, which all are of the same four channels.
    int t = slice * 32 + lane, t_step = 32 * slices;
    uint n4 = gl_WorkGroupID.x * (CHANNELS / 4) + t % (CHANNELS / 4), word = group * p.n4_group + min(n4, p.n4_group - 1);
    uint row = m_first + t / (CHANNELS / 4), row_step = t_step / (CHANNELS / 4);
    bool pair = t_step < SUM_WORDS; // a constant, as the slices are
    int other = load_residual(row, word), other2 = pair ? load_residual(row + row_step, word) : 0;

    if (slice == 0)
        load_blocks(group, lane);

    [[unroll]] for (int i = 0; i < ROWS / 16; i++)
        [[unroll]] for (int u = 0; u < UNITS; u++)
            sums[i][u] = sums_t(0);
    [[dont_unroll]] for (int k = k_begin; k < k_end; k++) {
        stage_chunk(part, lane, next);
        if (k + 1 < k_end)
            load_chunk(k + 1, lane, next);
        part_barrier();
        multiply_chunk(part);
        part_barrier();
    }

    [[unroll]] for (int i = 0; i < ROWS / 16; i++)
        [[unroll]] for (int u = 0; u < UNITS; u++)
            coopMatStoreNV(sums[i][u], parts, part + i * 16 * (CHANNELS / 4) + u * 4, CHANNELS / 4, false);
    memoryBarrierShared();
    barrier();

    int at_block = t % (CHANNELS / 4) * 4;
    channel_block block = channel_block(blocks[at_block], intBitsToFloat(blocks[at_block + 1]),
                                        intBitsToFloat(blocks[at_block + 2]), blocks[at_block + 3]);
    // Two words at a time, where there are so many: each is a long chain of steps that wait for each other.
    [[dont_unroll]] for (; t < SUM_WORDS && row < p.m && n4 < p.n4_group; t += 2 * t_step, row += 2 * row_step) {
        ivec4 acc = parts[t], acc2 = pair ? parts[t + t_step] : ivec4(0);
        [[dont_unroll]] for (int s = 1; s < slices; s++) {
            acc += parts[s * SHARED_WORDS + t];
            if (pair)
                acc2 += parts[s * SHARED_WORDS + t + t_step];
        }
        int q = requantize(acc, block, p.requantize), q2 = pair ? requantize(acc2, block, p.requantize) : 0;
        if (p.requantize.q_scale != 0.0) {
            q = add_residual(q, other, p.requantize);
            q2 = pair ? add_residual(q2, other2, p.requantize) : 0;
            other = load_residual(row + 2 * row_step, word);
            other2 = pair ? load_residual(row + 3 * row_step, word) : 0;
        }
        y[row * p.y_pixel + word] = q;
        if (pair && row + row_step < p.m)
            y[(row + row_step) * p.y_pixel + word] = q2;
    }
}
