// What the kernels have in common that compute a block of ROWS pixels and CHANNELS output channels
// in a workgroup, in slices of k: operands go through shared memory in chunks of k, and the next
// chunk is on its way while one is multiplied. A load is 16 bytes of a tap's channels; what is
// beyond the image, the channels and k is replaced by zeros: it may be NaN. The slices are added at
// the end. THREADS: of a slice; PASSES: the sums go through shared memory in so many parts, of ROWS
// / PASSES rows each. Grid: x: tiles of channels, of all groups; y, then z: tiles of pixels.
#include "conv_float.glsl"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in; // z: slices
layout(constant_id = 12) const
    bool WINDOW = true; // more than one tap, padding or a stride; else row m is pixel m
layout(constant_id = 13) const
    bool WIDE = true; // the channels of a tap come in whole loads; else halves come four at a time
layout(constant_id = 14) const bool TAIL = false; // the last group of four channels has padding
// of the weights, whose shape never changes
layout(constant_id = 15) const uint TAP_STEPS = 1; // loads for a tap's channels
layout(constant_id = 16) const uint KERNEL_H = 1;
layout(constant_id = 17) const uint KERNEL_W = 1;

// STEPS: of 16 bytes, a row in a chunk of k.
const uint STRIDE =
    STEPS + 1; // and in shared memory, where one more keeps rows out of others' banks
const uint PASS_ROWS = ROWS / PASSES;
// of a slice's invocations over a chunk of A, four of them a row
const uint A_PASSES = ROWS * STEPS / THREADS;
const uint B_PASSES = CHANNELS * STEPS / THREADS;
const uint CHUNK_WORDS = (ROWS + CHANNELS) * STRIDE;
const uint SUM_WORDS = PASS_ROWS * CHANNELS / 4;
const uint SHARED_WORDS = SUM_WORDS > CHUNK_WORDS ? SUM_WORDS : CHUNK_WORDS;

const uint SLICES = gl_WorkGroupSize.z;
const uint LOADS = KERNEL_H * KERNEL_W * TAP_STEPS; // of a row's k
const uint CHUNKS = WIDE ? (LOADS + STEPS - 1) / STEPS : (LOADS + 2 * STEPS - 1) / (2 * STEPS);
const uint LONGEST = (CHUNKS + SLICES - 1) / SLICES; // slice of k: others are one chunk shorter
const bool EVEN = CHUNKS % SLICES == 0;

shared uvec4
    parts[SLICES * SHARED_WORDS]; // a part for each slice: first its rows of A and B, then its sums

struct chunk {
    uvec4 a[A_PASSES], b[B_PASSES];
};
ivec2 first[A_PASSES]; // the windows' first pixels, x and y
int at[A_PASSES];      // and where they are in x, in groups of four channels
uint b_at[B_PASSES];   // an output channel's first load

// Rows beyond the end read the last one, and are not stored.
void find_rows(uint m_first, uint rows, uint channel_group)
{
    [[unroll]] for (uint i = 0; i < A_PASSES; i++)
    {
        uint m = min(m_first + i * (THREADS / STEPS), rows - 1);
        if (WINDOW) {
            uint line = m / p.out_w, image = line / p.out_h;
            first[i].x = int((m - line * p.out_w) * p.stride_w) - int(p.padding_w);
            first[i].y = int((line - image * p.out_h) * p.stride_h) - int(p.padding_h);
            at[i] = ((int(image * p.in_h) + first[i].y) * int(p.in_w) + first[i].x) * int(p.in_c4) +
                    int(channel_group);
        } else {
            at[i] = int(m * p.in_c4 + channel_group);
        }
    }
}

// A load of k: its tap's pixel in the window, and its number among the tap's.
struct place {
    ivec2 tap;
    uint step;
    bool exists;
};

place locate(uint load)
{
    uint tap = load / TAP_STEPS, tap_y = tap / KERNEL_W;
    return place(ivec2((tap - tap_y * KERNEL_W) * p.dilation_w, tap_y * p.dilation_h),
                 load - tap * TAP_STEPS, load < LOADS);
}

bool is_inside(uint i, place of)
{
    uvec2 pixel = uvec2(first[i] + of.tap);
    return of.exists && (!WINDOW || (pixel.x < p.in_w && pixel.y < p.in_h));
}

int offset_of(place of) { return (of.tap.y * int(p.in_w) + of.tap.x) * int(p.in_c4); }

// Four channels, of which those in the padding are zeros.
uvec4 without_padding(uvec4 quad, uint step)
{
    return TAIL ? mix(uvec4(0), quad, lessThan(4 * step + uvec4(0, 1, 2, 3), uvec4(p.ic_group)))
                : quad;
}
uvec2 without_padding(uvec2 pair, uint step)
{
    uint channel = 4 * step;
    if (TAIL && channel + 4 > p.ic_group) {
        pair.x = channel + 1 < p.ic_group ? pair.x : pair.x & 0xffffu;
        pair.y = channel + 3 < p.ic_group   ? pair.y
                 : channel + 2 < p.ic_group ? pair.y & 0xffffu
                                            : 0u;
    }
    return pair;
}

void load_a(uint step, out uvec4 rows[A_PASSES])
{
    if (WIDE) {
        place of = locate(step);
        const bool halves = TYPE == VKD_ELEMENT_F16;
        int offset = offset_of(of) + (halves ? 2 : 1) * int(of.step);
        [[unroll]] for (uint i = 0; i < A_PASSES; i++)
        {
            rows[i] = uvec4(0);
            if (is_inside(i, of))
                rows[i] = halves ? x_quads[uint(at[i] + offset) / 2]
                                 : without_padding(x_quads[at[i] + offset], of.step);
        }
        return;
    }
    [[unroll]] for (uint i = 0; i < A_PASSES; i++) rows[i] = uvec4(0);
    [[unroll]] for (uint h = 0; h < 2; h++)
    {
        place of = locate(2 * step + h);
        int offset = offset_of(of) + int(of.step);
        [[unroll]] for (uint i = 0; i < A_PASSES; i++) if (is_inside(i, of))
        {
            uvec2 pair = without_padding(x_pairs[at[i] + offset], of.step);
            rows[i][2 * h] = pair.x;
            rows[i][2 * h + 1] = pair.y;
        }
    }
}

uvec4 load_b(uint at, uint step)
{
    if (WIDE)
        return step < LOADS ? w_quads[at + step * 16] : uvec4(0);
    uvec2 low = 2 * step < LOADS ? w_pairs[at + 2 * step * 16] : uvec2(0);
    uvec2 high = 2 * step + 1 < LOADS ? w_pairs[at + (2 * step + 1) * 16] : uvec2(0);
    return uvec4(low, high);
}

void load_chunk(uint k, uint thread, out chunk to)
{
    load_a(k * STEPS + thread % STEPS, to.a);
    [[unroll]] for (uint i = 0; i < B_PASSES; i++) to.b[i] =
        load_b(b_at[i], k * STEPS + (thread + i * THREADS) / 16 % STEPS);
}

void stage_chunk(uint part, uint thread, chunk from)
{
    [[unroll]] for (uint i = 0; i < A_PASSES; i++)
        parts[part + (thread / STEPS + i * (THREADS / STEPS)) * STRIDE + thread % STEPS] =
            from.a[i];
    [[unroll]] for (uint i = 0; i < B_PASSES; i++)
    {
        uint item = thread + i * THREADS;
        parts[part + (ROWS + item / (16 * STEPS) * 16 + item % 16) * STRIDE + item / 16 % STEPS] =
            from.b[i];
    }
}

// Words of the tile, each from all slices: thread t has t, t + THREADS * SLICES, ...
void finish_sums(uint t, uint m_first, uint rows, uint word_first, uint words)
{
    [[dont_unroll]] for (; t < SUM_WORDS; t += THREADS * SLICES)
    {
        uint m = m_first + t / (CHANNELS / 4), word = t % (CHANNELS / 4);
        vec4 sum = uintBitsToFloat(parts[t]);
        [[dont_unroll]] for (uint s = 1; s < SLICES; s++) sum +=
            uintBitsToFloat(parts[s * SHARED_WORDS + t]);
        if (m < rows && word < words)
            finish(m, word_first + word, sum);
    }
}

// What a workgroup computes.
struct block {
    uint m_first, rows, group, n_first; // n_first: within the group
};

block find_block()
{
    uint columns = (p.oc_group + CHANNELS - 1) / CHANNELS, group = gl_WorkGroupID.x / columns;
    return block((gl_WorkGroupID.z * gl_NumWorkGroups.y + gl_WorkGroupID.y) * ROWS,
                 p.n * p.out_h * p.out_w, group, (gl_WorkGroupID.x - group * columns) * CHANNELS);
}

// Where an invocation's loads begin.
void find_operands(block of, uint thread)
{
    find_rows(of.m_first + thread / STEPS, of.rows, of.group * p.ic_group / 4);
    uint units = (p.oc_group + 15) / 16;
    [[unroll]] for (uint i = 0; i < B_PASSES; i++)
    {
        uint item = thread + i * THREADS,
             unit = of.group * units + min(of.n_first / 16 + item / (16 * STEPS), units - 1);
        b_at[i] = unit * LOADS * 16 + item % 16;
    }
}

void finish_pass(block of, uint pass, uint t)
{
    finish_sums(t, of.m_first + pass * PASS_ROWS, of.rows, (of.group * p.oc_group + of.n_first) / 4,
                (p.oc_group - of.n_first + 3) / 4);
}
