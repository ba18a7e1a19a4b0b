#version 450
// build: TILE = 16x16(ROWS=16 CHANNELS=16 SUBGROUPS_M=1 SUBGROUPS_N=1 LOADS=LOADS_STEPS)
// build: TILE = 32x16(ROWS=32 CHANNELS=16 SUBGROUPS_M=1 SUBGROUPS_N=1 LOADS=LOADS_STEPS)
// build: TILE = 32x32(ROWS=32 CHANNELS=32 SUBGROUPS_M=1 SUBGROUPS_N=1 LOADS=LOADS_STEPS)
// build: TILE = 32x64(ROWS=32 CHANNELS=64 SUBGROUPS_M=1 SUBGROUPS_N=1 LOADS=LOADS_STEPS)
// build: TILE = 64x64(ROWS=64 CHANNELS=64 SUBGROUPS_M=2 SUBGROUPS_N=2 LOADS=LOADS_STEPS)
// build: TILE = pixels_32x32(ROWS=32 CHANNELS=32 SUBGROUPS_M=1 SUBGROUPS_N=1 LOADS=LOADS_PIXELS)
// build: TILE = pixels_64x64(ROWS=64 CHANNELS=64 SUBGROUPS_M=2 SUBGROUPS_N=2 LOADS=LOADS_PIXELS)
// build: TILE = words_32x16(ROWS=32 CHANNELS=16 SUBGROUPS_M=1 SUBGROUPS_N=1 LOADS=LOADS_WORDS)
// family: matrix
// The GEMM of gemm_params.h on matrix units: 16x16x32 int8 cooperative matrices. A workgroup
// computes ROWS rows and CHANNELS channels, with SUBGROUPS_M x SUBGROUPS_N subgroups of 32 for each
// slice of k; the slices are added at the end, in shared memory. A subgroup has multiples of 16 of
// both. LOADS is how a step of 16 bytes of A is loaded:
//   LOADS_STEPS    at once: pixels of multiples of 16 bytes
//   LOADS_WORDS    word by word: pixels of any number of words
//   LOADS_PIXELS   four pixels of one word side by side, which are four taps: a first layer
// Both operands go through shared memory in chunks of 64 of k: A because a row may start anywhere
// (windows, strides, row ends of an image), B because drivers load a matrix from memory byte by
// byte. The next chunk is on its way while the current one is multiplied, and what the epilogue
// needs from the start. Loops stay loops: unrolled by a driver, the one over k was 30 KB of code.
#extension GL_NV_cooperative_matrix : require
#extension GL_NV_integer_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int32 : require
#extension GL_EXT_control_flow_attributes : require
#include "requantize.glsl"

layout(local_size_x_id = 0, local_size_y_id = 1,
       local_size_z_id = 2) in; // 32, subgroups of a slice, slices
layout(constant_id = 3) const
    bool WINDOW = true; // more than one tap, padding or a stride; else row m is pixel m
layout(constant_id = 4) const uint FOLDS =
    1; // of the rows, along z: where there are more tiles than y may have workgroups
#include "gemm_sizes.glsl"

#define STEPS 4u  // ivec4s of a row in a chunk of k
#define STRIDE 5u // and in shared memory, where a fifth one keeps rows out of each other's banks
#define SUBGROUPS (SUBGROUPS_M * SUBGROUPS_N) // of a slice
#define THREADS (32u * SUBGROUPS)
#define SUB_ROWS (ROWS / SUBGROUPS_M)
#define SUB_CHANNELS (CHANNELS / SUBGROUPS_N)
#define A_PASSES                                                                                   \
    (ROWS * STEPS / THREADS) // of a slice's invocations over a chunk of A, four of them a row
#define B_PASSES (CHANNELS * STEPS / THREADS)
#define PASS_ROWS (THREADS / STEPS)
#define CHUNK_WORDS ((ROWS + CHANNELS) * STRIDE)
#define SUM_WORDS (ROWS * CHANNELS / 4u) // ivec4s of a tile's sums
#define SHARED_WORDS (SUM_WORDS > CHUNK_WORDS ? SUM_WORDS : CHUNK_WORDS)

#define LOADS_STEPS 1
#define LOADS_WORDS 2
#define LOADS_PIXELS 3

const uint SLICES = gl_WorkGroupSize.z;
const uint LONGEST =
    (K_STEPS + SLICES - 1) / SLICES; // slice of k, in chunks: others are one chunk shorter
const bool EVEN = K_STEPS % SLICES == 0;
// What an invocation stores: words t, t + WORD_STEP, ... of the tile, which all are of the same
// four channels.
const uint WORD_STEP = THREADS * SLICES;
const uint WORDS = (SUM_WORDS + WORD_STEP - 1) / WORD_STEP;
const uint ROW_STEP = WORD_STEP / (CHANNELS / 4);
// All rows are inside of the problem: M is baked, and a multiple. (A third condition breaks glslc's
// optimiser; 0 - 1 wraps.)
const bool ALL_ROWS = (BAKED_M - 1) / ROWS + 1 == BAKED_M / ROWS && FOLDS == 1;
const uint UNITS = B_N4_GROUP / 4;

#if LOADS == LOADS_STEPS
layout(binding = 0) readonly buffer a_block { ivec4 a[]; };
#else
layout(binding = 0) readonly buffer a_block { int a[]; };
#endif
layout(binding = 1) readonly buffer b_block { ivec4 b[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) readonly buffer residual_block
{
    int residual[];
}; // bound, but not read, where there is none
#include "epilogue.glsl"
layout(binding = 4) writeonly buffer y_block { int y[]; };

// A part for each slice: first its rows of A and its channels of B, then its sums, [row][channel /
// 4].
shared ivec4 parts[SLICES * SHARED_WORDS];

#define sums_t icoopmatNV<32, gl_ScopeSubgroup, 16, 16>
#define left_t icoopmatNV<8, gl_ScopeSubgroup, 16, 32>
#define right_t icoopmatNV<8, gl_ScopeSubgroup, 32, 16>

// What an invocation loads of each chunk: a step of rows of A, PASS_ROWS apart, and of channels of
// B.
struct chunk {
    ivec4 a[A_PASSES], b[B_PASSES];
};
ivec2 first[A_PASSES]; // the windows' first pixels, x and y
int at[A_PASSES];      // and where they are in A
uint b_at[B_PASSES];

uint inside_row(uint m)
{
    return ALL_ROWS ? m : min(m, M - 1);
} // rows beyond the end read the last one, and are not stored

// Where the rows' windows begin, or their pixels.
void find_rows(uint m_first, uint group)
{
    [[unroll]] for (uint i = 0; i < A_PASSES; i++)
    {
        uint m = inside_row(m_first + i * PASS_ROWS);
        if (WINDOW) {
            uint line = m / OUT_W, image = line / OUT_H;
            first[i].x = int((m - line * OUT_W) * STRIDE_W) - int(PADDING_W);
            first[i].y = int((line - image * OUT_H) * STRIDE_H) - int(PADDING_H);
            at[i] = ((int(image * IN_H) + first[i].y) * int(IN_W) + first[i].x) * int(A_PIXEL) +
                    int(group * TAP_STEPS);
        } else {
            at[i] = int(m * A_PIXEL + group * TAP_STEPS);
        }
    }
}

// One word or step of each row: its tap within the window, and its place in the tap's channels.
struct place {
    ivec2 tap;
    int step;
};

place locate(uint k)
{
    uint tap = k / TAP_STEPS, tap_y = tap / KERNEL_W;
    return place(ivec2((tap - tap_y * KERNEL_W) * DILATION_W, tap_y * DILATION_H),
                 int(k - tap * TAP_STEPS));
}

int offset_of(place of) { return (of.tap.y * int(IN_W) + of.tap.x) * int(A_PIXEL) + of.step; }

bool is_inside(uint i, place of)
{
    uvec2 pixel = uvec2(first[i] + of.tap);
    return pixel.x < IN_W && pixel.y < IN_H;
}

// Steps beyond the last tap meet zero weights, whatever is loaded.
void load_a(uint step, out ivec4 rows[A_PASSES])
{
    const int outside = (X_ZERO & 0xff) * 0x01010101;
#if LOADS == LOADS_STEPS
    place of = WINDOW ? locate(step) : place(ivec2(0), int(step));
    int offset = offset_of(of);
    [[unroll]] for (uint i = 0; i < A_PASSES; i++)
    {
        bool inside = WINDOW ? is_inside(i, of) : TAP_STEPS % STEPS == 0 || step < TAP_STEPS;
        rows[i] = inside ? a[at[i] + offset] : ivec4(outside);
    }
#elif LOADS == LOADS_WORDS
    [[unroll]] for (uint w = 0; w < 4; w++)
    {
        uint word = step * 4 + w;
        place of = WINDOW ? locate(word) : place(ivec2(0), int(word));
        int offset = offset_of(of);
        [[unroll]] for (uint i = 0; i < A_PASSES; i++)
        {
            bool inside = WINDOW ? is_inside(i, of) : word < TAP_STEPS;
            rows[i][w] = inside ? a[at[i] + offset] : outside;
        }
    }
#else
    place of = locate(step);
    int offset = offset_of(of);
    [[unroll]] for (uint i = 0; i < A_PASSES; i++)
    {
        bool line = uint(first[i].y + of.tap.y) < IN_H;
        int x = first[i].x + of.tap.x, pixel = at[i] + offset;
        [[unroll]] for (int w = 0; w < 4; w++) rows[i][w] =
            line && uint(x + w) < IN_W ? a[pixel + w] : outside;
    }
#endif
}

void load_chunk(uint k, uint thread, out chunk to)
{
    load_a(k * STEPS + thread % STEPS, to.a);
    [[unroll]] for (uint i = 0; i < B_PASSES; i++) to.b[i] = b[b_at[i] + k * 64];
}

void stage_chunk(uint part, uint thread, chunk from)
{
    uint row = part + thread / STEPS * STRIDE + thread % STEPS;
    [[unroll]] for (uint i = 0; i < A_PASSES; i++) parts[row + i * PASS_ROWS * STRIDE] = from.a[i];
    [[unroll]] for (uint i = 0; i < B_PASSES; i++) parts[row + (ROWS + i * PASS_ROWS) * STRIDE] =
        from.b[i];
}

sums_t sums[SUB_ROWS / 16][SUB_CHANNELS / 16]; // of 16 rows and 16 channels each

void multiply_chunk(uint part, uint sub_m, uint sub_n)
{
    uint rows = part + sub_m * SUB_ROWS * STRIDE,
         columns = part + (ROWS + sub_n * SUB_CHANNELS) * STRIDE;
    [[unroll]] for (uint k = 0; k < 2; k++)
    { // 32 each
        left_t left[SUB_ROWS / 16];
        [[unroll]] for (uint i = 0; i < SUB_ROWS / 16; i++)
            coopMatLoadNV(left[i], parts, rows + i * 16 * STRIDE + k * 2, STRIDE, false);
        [[unroll]] for (uint u = 0; u < SUB_CHANNELS / 16; u++)
        {
            right_t right;
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

bool is_stored(uint i, uint row) { return i < WORDS && (ALL_ROWS || row + i * ROW_STEP < M); }

// For the four words that an invocation stores from this row on.
ivec4 load_residuals(uint row, uint word)
{
    ivec4 words = ivec4(0);
    if (RESIDUAL && p.r_scale != 0.0) [[unroll]]
        for (uint i = 0; i < 4; i++)
            if (is_stored(i, row))
                words[i] = residual[(row + i * ROW_STEP) * Y_PIXEL + word];
    return words;
}

void main()
{
    uint sub = gl_LocalInvocationID.y, thread = sub * 32 + gl_LocalInvocationID.x;
    uint slice = gl_LocalInvocationID.z, part = slice * SHARED_WORDS;
    uint group = gl_WorkGroupID.z / FOLDS, fold = gl_WorkGroupID.z % FOLDS;
    uint m_first = (fold * gl_NumWorkGroups.y + gl_WorkGroupID.y) * ROWS;

    find_rows(m_first + thread / STEPS, group);
    [[unroll]] for (uint i = 0; i < B_PASSES; i++)
    {
        uint from = thread + i * THREADS, unit = gl_WorkGroupID.x * (CHANNELS / 16) + from / 64;
        if (UNITS % (CHANNELS / 16) != 0)
            unit = min(unit, UNITS - 1);
        b_at[i] = (group * UNITS + unit) * K_STEPS * 64 + from % 64;
    }

    // Each slice has its stretch of k, which is never empty: there are no more slices than chunks.
    // `next` is its first chunk, then the one after that which is multiplied.
    uint k = slice * K_STEPS / SLICES, k_end = (slice + 1) * K_STEPS / SLICES;
    chunk next;
    load_chunk(k, thread, next);

    uint t = slice * THREADS + thread, row = m_first + t / (CHANNELS / 4);
    uint n4 = gl_WorkGroupID.x * (CHANNELS / 4) + t % (CHANNELS / 4);
    bool stores = (N4_GROUP % (CHANNELS / 4) == 0 || n4 < N4_GROUP) &&
                  (WORD_STEP <= SUM_WORDS || t < SUM_WORDS);
    uint word = group * N4_GROUP + (stores ? n4 : 0);
    channel_block block = channels[word];
    ivec4 others = stores ? load_residuals(row, word) : ivec4(0);

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
    chunk_barrier();

    uint tile = part + sub_m * SUB_ROWS * (CHANNELS / 4) + sub_n * (SUB_CHANNELS / 4);
    [[unroll]] for (uint i = 0; i < SUB_ROWS / 16; i++)
        [[unroll]] for (uint u = 0; u < SUB_CHANNELS / 16; u++) coopMatStoreNV(
            sums[i][u], parts, tile + i * 16 * (CHANNELS / 4) + u * 4, CHANNELS / 4, false);
    memoryBarrierShared();
    barrier();

    if (!stores)
        return;
    // Four words at a time: each is a long chain of steps that wait for each other. Calls are
    // written out, see requantize.glsl.
    [[dont_unroll]] for (uint done = 0; done < WORDS;
                         done += 4, t += 4 * WORD_STEP, row += 4 * ROW_STEP)
    {
        ivec4 acc[4];
        [[unroll]] for (uint i = 0; i < 4; i++) acc[i] =
            i < WORDS ? parts[t + i * WORD_STEP] : ivec4(0);
        [[dont_unroll]] for (uint s = 1; s < SLICES; s++)
            [[unroll]] for (uint i = 0; i < 4; i++) if (i < WORDS) acc[i] +=
            parts[s * SHARED_WORDS + t + i * WORD_STEP];
        ivec4 q = ivec4(requantize(acc[0], block, p), requantize(acc[1], block, p),
                        requantize(acc[2], block, p), requantize(acc[3], block, p));
        if (RESIDUAL && p.r_scale == 0.0) {
            q = ivec4(look_up_word(q[0]), look_up_word(q[1]), look_up_word(q[2]),
                      look_up_word(q[3]));
        } else if (RESIDUAL) {
            q = ivec4(add_residual(q[0], others[0], p), add_residual(q[1], others[1], p),
                      add_residual(q[2], others[2], p), add_residual(q[3], others[3], p));
            if (done + 4 < WORDS)
                others = load_residuals(row + 4 * ROW_STEP, word);
        }
        [[unroll]] for (uint i = 0; i < 4; i++) if (is_stored(i, row))
            y[(row + i * ROW_STEP) * Y_PIXEL + word] = q[i];
    }
}
