#version 450
// build: TILE = 2x32(TILE_M=2 TILE_N=32 WORDS=0 CHANNELS_FIRST=0)
// build: TILE = 4x16(TILE_M=4 TILE_N=16 WORDS=0 CHANNELS_FIRST=1)
// build: TILE = 7x32(TILE_M=7 TILE_N=32 WORDS=0 CHANNELS_FIRST=0)
// build: TILE = words_7x32(TILE_M=7 TILE_N=32 WORDS=1 CHANNELS_FIRST=0)
// family: lanes
// glslc -O0
// The GEMM of gemm_params.h for llvmpipe, Mesa's rasteriser on the CPU, whose subgroup of eight
// invocations is one SIMD register. A tile has TILE_M rows an invocation and TILE_N channels, a
// multiple of 16. WORDS: 0 loads 16 bytes of a pixel at once, 1 loads word by word, so that pixels
// may have any number of words (a first layer with 3 channels). CHANNELS_FIRST: below.
//
// What makes it fast there:
//   - Loads go through texel buffers: a fetch is straight-line code for all lanes, while a storage buffer load inside control flow
//     becomes a loop over the lanes.
//   - Lanes are pixels; one weight fetch brings 16 values of k for eight channels, one channel a lane, and a shuffle with a constant
//     lane spreads each to all lanes: one permutation instruction.
//   - Activations are shifted to unsigned and widened with their upper bits zero, which lets the compiler use the 16-bit
//     multiply-add instructions of the CPU for the 32-bit products.
//   - CHANNELS_FIRST finishes a step of k for one channel after the other, whose sums stay in registers meanwhile; else all channels take
//     a value of k in turn, which spreads less and wants a multiply-add that adds to the sum by itself (AVX-512 VNNI). LLVM uses that
//     where it knows the processor by name; for others it has a multiplication and an addition, and spills what is between.
//   - The test of the loop is at its end: llvmpipe runs a body once more, masked, after a test at the top has failed.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_control_flow_attributes : require
#include "gemm_params.h"
#include "requantize.glsl"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in; // GEMM_LANES, 1, 1
layout(constant_id = 3) const
    bool WINDOW = true; // more than one tap, padding or a stride; else row m is pixel m
layout(constant_id = 4) const bool RESIDUAL = false;
layout(constant_id = 5) const bool QUADS = false; // output channels come in whole quads of words
layout(constant_id = 6) const bool TABLE = false; // the residual is one, see epilogue.glsl

layout(push_constant) uniform push_block { gemm_params p; };
layout(binding = 0) uniform isamplerBuffer a;
layout(binding = 1) uniform isamplerBuffer b;        // [group][n / 8][k / 16][8 channels][16]
layout(binding = 2) uniform isamplerBuffer channels; // channel_block: four texels for four channels
layout(binding = 3) uniform isamplerBuffer residual;
layout(binding = 4) writeonly buffer y_words { int y[]; };
layout(binding = 4) writeonly buffer y_quads { ivec4 y4[]; };

int lane;

int spread(int value, int from) { return subgroupShuffle(value, from); }
float spread(float value, int from) { return subgroupShuffle(value, from); }

// This lane's channel of eight, from one field of their two blocks.
int channel_field(int first4, int field)
{
    ivec4 four = texelFetch(channels, min(first4 + lane / 4, int(p.y_pixel) - 1) * 4 + field);
    int pair_low = (lane & 1) == 0 ? four.x : four.y, pair_high = (lane & 1) == 0 ? four.z : four.w;
    return (lane & 2) == 0 ? pair_low : pair_high;
}

int residual_word(uint word)
{
    ivec4 quad = texelFetch(residual, int(word >> 2));
    int pair_low = (word & 1) == 0 ? quad.x : quad.y, pair_high = (word & 1) == 0 ? quad.z : quad.w;
    return (word & 2) == 0 ? pair_low : pair_high;
}
#define RESIDUAL_WORD(at) residual_word(at)
#include "epilogue.glsl"

// Where a step of k lies: the tap, by its column and its distance from the window's first pixel,
// and the step within its channels.
struct k_position {
    int tap_x, offset_x, offset_y, step;
};

// Without divisions, and without branches.
k_position next_position(k_position k)
{
    k.step++;
    if (!WINDOW)
        return k;
    bool next_tap = k.step == int(p.tap_steps);
    k.step = next_tap ? 0 : k.step;
    k.tap_x += next_tap ? 1 : 0;
    k.offset_x += next_tap ? int(p.dilation_w) : 0;
    bool next_row = k.tap_x == int(p.kernel_w);
    k.tap_x = next_row ? 0 : k.tap_x;
    k.offset_x = next_row ? 0 : k.offset_x;
    k.offset_y += next_row ? int(p.dilation_h) : 0;
    return k;
}

// A row's values at a step; at: of the first pixel of its window. With WORDS the last step may
// reach beyond the last tap, where the weights are zero: such rows are either inside the image or
// x_zero.
ivec4 load(int at, int x, int y, k_position k)
{
    bool inside =
        !WINDOW || (uint(x + k.offset_x) < p.shape.in_w && uint(y + k.offset_y) < p.shape.in_h);
    int from = at + (k.offset_y * int(p.shape.in_w) + k.offset_x) * int(p.a_pixel) + k.step;
    ivec4 values = texelFetch(a, inside ? from : 0);
    return (inside ? values : ivec4((p.x_zero & 0xff) * 0x01010101)) ^ int(0x80808080u);
}

void main()
{
    lane = int(gl_SubgroupInvocationID);
    const uint group = gl_WorkGroupID.z;
    const int n4_first = int(gl_WorkGroupID.x) * (TILE_N / 4);
    const uint m_first = gl_WorkGroupID.y * (GEMM_LANES * TILE_M) + lane;

    // The first pixel of each row's window. Rows beyond the end read the last one, their results
    // are not stored.
    int in_x[TILE_M], in_y[TILE_M], a_at[TILE_M];
    [[unroll]] for (int i = 0; i < TILE_M; i++)
    {
        uint m = min(m_first + GEMM_LANES * i, p.shape.m - 1);
        int pixel = int(m);
        if (WINDOW) {
            uint line = m / p.shape.out_w;
            uint image = line / p.shape.out_h;
            in_y[i] = int((line - image * p.shape.out_h) * p.stride_h) - int(p.padding_h);
            in_x[i] = int((m - line * p.shape.out_w) * p.stride_w) - int(p.padding_w);
            pixel = (int(image * p.shape.in_h) + in_y[i]) * int(p.shape.in_w) + in_x[i];
        }
        a_at[i] = pixel * int(p.a_pixel) + int(group * p.tap_steps);
    }
    int b_at[TILE_N / 8];
    [[unroll]] for (int j = 0; j < TILE_N / 8; j++) b_at[j] =
        int((group * p.b_n4_group / 2 + min(n4_first / 2 + j, p.b_n4_group / 2 - 1)) * p.k_steps) *
            8 +
        lane;

    int acc[TILE_M][TILE_N];
    [[unroll]] for (int i = 0; i < TILE_M; i++) [[unroll]] for (int j = 0; j < TILE_N; j++)
        acc[i][j] = 0;

    k_position at = k_position(0, 0, 0, 0);
    int k = 0;
    do {
        ivec4 rows[TILE_M], columns[TILE_N / 8];
#if WORDS
        [[unroll]] for (int w = 0; w < 4; w++)
        {
            [[unroll]] for (int i = 0; i < TILE_M; i++) rows[i][w] =
                load(a_at[i], in_x[i], in_y[i], at).x;
            at = next_position(at);
        }
#else
        [[unroll]] for (int i = 0; i < TILE_M; i++) rows[i] = load(a_at[i], in_x[i], in_y[i], at);
        at = next_position(at);
#endif
        [[unroll]] for (int j = 0; j < TILE_N / 8; j++) columns[j] = texelFetch(b, b_at[j] + k * 8);
#if CHANNELS_FIRST
        [[unroll]] for (int j = 0; j < TILE_N / 8; j++)
        {
            ivec4 bytes[4];
            [[unroll]] for (int byte = 0; byte < 4; byte++) bytes[byte] =
                columns[j] << (24 - 8 * byte) >> 24;
            [[unroll]] for (int n = 0; n < 8; n++) [[unroll]] for (int w = 0; w < 4; w++)
                [[unroll]] for (int byte = 0; byte < 4; byte++)
            {
                int value = spread(bytes[byte][w], n);
                [[unroll]] for (int i = 0; i < TILE_M; i++) acc[i][j * 8 + n] +=
                    int((uint(rows[i][w]) >> (8 * byte)) & 255u) * value;
            }
        }
#else
        [[unroll]] for (int w = 0; w < 4; w++) [[unroll]] for (int byte = 0; byte < 4; byte++)
        {
            int row[TILE_M];
            [[unroll]] for (int i = 0; i < TILE_M; i++) row[i] =
                int((uint(rows[i][w]) >> (8 * byte)) & 255u);
            [[unroll]] for (int j = 0; j < TILE_N / 8; j++)
            {
                int column = columns[j][w] << (24 - 8 * byte) >> 24;
                [[unroll]] for (int n = 0; n < 8; n++)
                {
                    int value = spread(column, n);
                    [[unroll]] for (int i = 0; i < TILE_M; i++) acc[i][j * 8 + n] += row[i] * value;
                }
            }
        }
#endif
        k++;
    } while (k < int(p.k_steps));

    const int word_first = int(group * p.n4_group) + n4_first; // of an output pixel
    int words[TILE_M][TILE_N / 4];
    [[unroll]] for (int j = 0; j < TILE_N / 8; j++)
    {
        int offset =
            channel_field(word_first + 2 * j, 0) - 128 * channel_field(word_first + 2 * j, 3);
        float scale = intBitsToFloat(channel_field(word_first + 2 * j, 1));
        float bias = intBitsToFloat(channel_field(word_first + 2 * j, 2));
        [[unroll]] for (int h = 0; h < 2; h++)
        {
            [[unroll]] for (int i = 0; i < TILE_M; i++) words[i][2 * j + h] = 0;
            [[unroll]] for (int e = 0; e < 4; e++)
            {
                int n = h * 4 + e;
                int n_offset = spread(offset, n);
                float n_scale = spread(scale, n), n_bias = spread(bias, n);
                [[unroll]] for (int i = 0; i < TILE_M; i++) words[i][2 * j + h] |=
                    (requantize_one(acc[i][j * 8 + n] + n_offset, n_scale, n_bias, p.requantize) &
                     255)
                    << (8 * e);
            }
        }
    }

    [[unroll]] for (int i = 0; i < TILE_M; i++)
    {
        uint m = m_first + GEMM_LANES * i;
        uint at = min(m, p.shape.m - 1) * p.y_pixel + word_first;
        uint last = p.shape.m * p.y_pixel - 1;
        if (TABLE) [[unroll]]
            for (int j = 0; j < TILE_N / 4; j++)
                words[i][j] = look_up_word(words[i][j]);
        else if (RESIDUAL) [[unroll]]
            for (int j = 0; j < TILE_N / 4; j += 4) {
                ivec4 quad = QUADS ? texelFetch(residual, int(min(at + j, last) / 4)) : ivec4(0);
                [[unroll]] for (int h = 0; h < 4; h++)
                {
                    int other = QUADS ? quad[h] : residual_word(min(at + j + h, last));
                    words[i][j + h] = add_residual(words[i][j + h], other, p.requantize);
                }
            }
        if (m >= p.shape.m)
            continue;
        if (QUADS) {
            [[unroll]] for (int j = 0; j < TILE_N / 4; j += 4) if (n4_first + j < p.n4_group)
                y4[(at + j) / 4] =
                    ivec4(words[i][j], words[i][j + 1], words[i][j + 2], words[i][j + 3]);
        } else {
            [[unroll]] for (int j = 0; j < TILE_N / 4; j++) if (n4_first + j < p.n4_group)
                y[at + j] = words[i][j];
        }
    }
}
