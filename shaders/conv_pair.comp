#version 450
// family: matrix
// A 3x3 depthwise convolution and the pointwise one behind it, which alone reads it. A workgroup
// computes PIXELS pixels of all channels of the first into shared memory, requantised, and
// multiplies them there with the second's weights, on matrix units of 16x16x32 int8. That saves a
// dispatch and the way of a net's widest tensors through memory; but each workgroup reads all of
// the weights. A subgroup of 32 computes 16 channels of the result, over one of the SLICES of k,
// which are added at the end. Its first weights are on their way while the first convolution is
// computed.
#extension GL_NV_cooperative_matrix : require
#extension GL_NV_integer_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#extension GL_EXT_shader_explicit_arithmetic_types_int32 : require
#extension GL_EXT_control_flow_attributes : require
#include "pair_params.h"
#define DOT_SIGNED
#include "dot.glsl"
#include "requantize.glsl"

layout(local_size_x_id = 0, local_size_y_id = 1,
       local_size_z_id = 2) in;                   // 32, tiles of 16 channels, slices
layout(constant_id = 3) const uint PIXELS = 16;   // 16 at most
layout(constant_id = 4) const bool TABLE = false; // behind the first
layout(constant_id = 5) const bool RESIDUAL = false;
// As in pair_params, in its order.
layout(constant_id = 6) const uint M = 1;
layout(constant_id = 7) const uint IN_H = 1;
layout(constant_id = 8) const uint IN_W = 1;
layout(constant_id = 9) const uint OUT_H = 1;
layout(constant_id = 10) const uint OUT_W = 1;
layout(constant_id = 11) const uint C4 = 1;
layout(constant_id = 12) const uint N4 = 1;
layout(constant_id = 13) const uint STRIDE = 1;
layout(constant_id = 14) const uint PADDING_H = 0;
layout(constant_id = 15) const uint PADDING_W = 0;
layout(constant_id = 16) const int X_ZERO = 0;
layout(constant_id = 17) const uint K_STEPS = 1; // a multiple of the slices

layout(push_constant) uniform push_block { requantize_params first, p; };

layout(binding = 0) readonly buffer x_block { int x[]; };
layout(binding = 1) readonly buffer taps_block { ivec4 taps[]; }; // [c / 4][tap / 4][c][tap]
layout(binding = 2) readonly buffer between_block { channel_block between[]; };
layout(binding = 3) readonly buffer table_block
{
    int table[];
}; // bound, but not read, where there is none; so is the residual
layout(binding = 4) readonly buffer b_block { ivec4 b[]; }; // as gemm_coop.comp has it
layout(binding = 5) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 6) readonly buffer residual_block { int residual[]; };
#include "epilogue.glsl"
layout(binding = 7) writeonly buffer y_block { int y[]; };

#define DEPTH 4u    // chunks of weights on their way
#define STEPS 4u    // ivec4s of a channel in a chunk
#define B_STRIDE 5u // and in shared memory, where a fifth one keeps channels out of others' banks

const uint TILES = gl_WorkGroupSize.y, SLICES = gl_WorkGroupSize.z;
const uint THREADS = 32 * TILES * SLICES;
const uint STRETCH = K_STEPS / SLICES; // chunks of a slice
const uint ROW = K_STEPS * STEPS + 1;  // ivec4s of a pixel between the two
const uint B_AT = 16 * ROW;            // where the subgroups' chunks of weights are
const uint OPERANDS = B_AT + TILES * SLICES * 16 * B_STRIDE;
const uint SUM_WORDS = 16 * TILES * 4; // ivec4s of a slice's sums, [pixel][channel / 4]
const uint SHARED = OPERANDS > SLICES *SUM_WORDS ? OPERANDS : SLICES *SUM_WORDS;
// The operands of the product, then its sums. Pixels from PIXELS on are undefined, and so are their
// sums, which are not read; channels beyond C4 meet weights of zero.
shared ivec4 parts[SHARED];

#define sums_t icoopmatNV<32, gl_ScopeSubgroup, 16, 16>
#define left_t icoopmatNV<8, gl_ScopeSubgroup, 16, 32>
#define right_t icoopmatNV<8, gl_ScopeSubgroup, 32, 16>

/* ------------------------------------------------------------------------------ the depthwise */

// The window's words of a pixel.
void load_window(uint m, uint c, out int words[9])
{
    const int outside = (X_ZERO & 0xff) * 0x01010101;
    uint line = m / OUT_W, image = line / OUT_H;
    int left = int((m - line * OUT_W) * STRIDE) - int(PADDING_W),
        top = int((line - image * OUT_H) * STRIDE) - int(PADDING_H);
    int at = ((int(image * IN_H) + top) * int(IN_W) + left) * int(C4) + int(c);
    [[unroll]] for (int ky = 0; ky < 3; ky++) [[unroll]] for (int kx = 0; kx < 3; kx++)
    {
        bool inside = uint(top + ky) < IN_H && uint(left + kx) < IN_W;
        int word = x[inside ? at + (ky * int(IN_W) + kx) * int(C4) : 0];
        words[ky * 3 + kx] = inside ? word : outside;
    }
}

// Of four words, which are four taps, to a word for each of the four channels.
ivec4 by_channel(int a, int b, int c, int d)
{
    const int even = 0x00ff00ff, low = 0xffff;
    int ab = (a & even) | (b & even) << 8, cd = (c & even) | (d & even) << 8;
    int ab_odd = (a >> 8 & even) | (b & ~even), cd_odd = (c >> 8 & even) | (d & ~even);
    return ivec4((ab & low) | cd << 16, (ab_odd & low) | cd_odd << 16,
                 (ab >> 16 & low) | (cd & ~low), (ab_odd >> 16 & low) | (cd_odd & ~low));
}

ivec4 dot_channels(ivec4 values, ivec4 weights)
{
    return ivec4(dot_int8(values.x, weights.x), dot_int8(values.y, weights.y),
                 dot_int8(values.z, weights.z), dot_int8(values.w, weights.w));
}

ivec4 convolve(int words[9], uint c)
{
    ivec4 acc = dot_channels(by_channel(words[0], words[1], words[2], words[3]), taps[c * 3]);
    acc += dot_channels(by_channel(words[4], words[5], words[6], words[7]), taps[c * 3 + 1]);
    // the other three weights are 0
    ivec4 last = ivec4(words[8], words[8] >> 8, words[8] >> 16, words[8] >> 24);
    return acc + dot_channels(last, taps[c * 3 + 2]);
}

int look_up_first(int byte) { return table[uint(byte) >> 2] >> (8 * (byte & 3)) & 255; }

int finish_first(int word)
{
    return look_up_first(word & 255) | look_up_first(word >> 8 & 255) << 8 |
           look_up_first(word >> 16 & 255) << 16 | look_up_first(word >> 24 & 255) << 24;
}

void depthwise(uint m_first, uint thread)
{
    [[dont_unroll]] for (uint item = thread; item < C4 * PIXELS; item += THREADS)
    {
        uint pixel = item / C4, c = item - pixel * C4;
        int words[9];
        load_window(min(m_first + pixel, M - 1), c, words);
        int q = requantize(convolve(words, c), between[c], first);
        parts[pixel * ROW + c / 4][c % 4] = TABLE ? finish_first(q) : q;
    }
}

/* -------------------------------------------------------------------------------- the pointwise */

// Of a chunk a lane loads a step of two channels.
struct chunk {
    ivec4 b[2];
};

chunk load_chunk(uint at) { return chunk(ivec4[](b[at], b[at + 32])); }

sums_t sums;

void multiply_chunk(uint k, uint staged)
{
    [[unroll]] for (uint i = 0; i < 2; i++)
    { // 32 each
        left_t left;
        right_t right;
        coopMatLoadNV(left, parts, k * STEPS + i * 2, ROW, false);
        coopMatLoadNV(right, parts, staged + i * 2, B_STRIDE, true);
        sums = coopMatMulAddNV(left, right, sums);
    }
}

void subgroup_barrier()
{
    controlBarrier(gl_ScopeSubgroup, gl_ScopeSubgroup, gl_StorageSemanticsShared,
                   gl_SemanticsAcquireRelease);
}

// Of the word t of a tile, at pixel m; none beyond the tile.
int load_residual(uint t, uint m, uint word)
{
    return RESIDUAL && p.r_scale != 0.0 && t < PIXELS * N4 ? residual[min(m, M - 1) * N4 + word]
                                                           : 0;
}

void main()
{
    uint lane = gl_LocalInvocationID.x, tile = gl_LocalInvocationID.y,
         slice = gl_LocalInvocationID.z;
    uint sub = slice * TILES + tile, thread = sub * 32 + lane;
    uint m_first = gl_WorkGroupID.x * PIXELS;

    uint k = slice * STRETCH, b_at = (tile * K_STEPS + k) * 64 + lane;
    chunk next[DEPTH];
    [[unroll]] for (uint i = 0; i < DEPTH; i++) next[i] =
        load_chunk(b_at + min(i, STRETCH - 1) * 64);
    // What an invocation stores, to begin with.
    uint t = thread, pixel = t / N4, word = t - pixel * N4;
    channel_block block = channels[word];
    int other = load_residual(t, m_first + pixel, word);

    depthwise(m_first, thread);
    memoryBarrierShared();
    barrier();

    sums = sums_t(0);
    uint staged = B_AT + sub * 16 * B_STRIDE, place = staged + lane / 4 * B_STRIDE + lane % 4;
    [[dont_unroll]] for (uint done = 0; done < STRETCH; done += DEPTH)
        [[unroll]] for (uint i = 0; i < DEPTH; i++) if (done + i < STRETCH)
    {
        parts[place] = next[i].b[0];
        parts[place + 8 * B_STRIDE] = next[i].b[1];
        if (done + i + DEPTH < STRETCH)
            next[i] = load_chunk(b_at + (done + i + DEPTH) * 64);
        subgroup_barrier();
        multiply_chunk(k + done + i, staged);
        subgroup_barrier();
    }
    memoryBarrierShared();
    barrier();
    coopMatStoreNV(sums, parts, slice * SUM_WORDS + tile * 4, TILES * 4, false);
    memoryBarrierShared();
    barrier();

    [[dont_unroll]] while (t < PIXELS * N4)
    {
        uint m = m_first + pixel, at = pixel * TILES * 4 + word;
        ivec4 acc = parts[at];
        [[dont_unroll]] for (uint s = 1; s < SLICES; s++) acc += parts[s * SUM_WORDS + at];
        int q = requantize(acc, block, p);
        if (RESIDUAL)
            q = p.r_scale == 0.0 ? look_up_word(q) : add_residual(q, other, p);
        if (m < M)
            y[m * N4 + word] = q;
        t += THREADS;
        pixel = t / N4;
        word = t - pixel * N4;
        block = channels[word];
        other = load_residual(t, m_first + pixel, word);
    }
}
