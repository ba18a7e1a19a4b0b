#version 450
// base: conv_float_tile
// glslc -O0: what is inlined wherever it is called takes twice the space
// Convolution of floats by a window of one pixel where there are few pixels: a vector, or a few,
// times a matrix, as fast as memory gives the weights. They are rows of k. An invocation adds up a
// share of k, with 16 bytes a load, for four output channels of ROWS pixels; those along x share k,
// and are added through shared memory. Along y of a workgroup and x of the grid: fours of channels;
// along y and z of the grid: rows.
//
// With NORM each workgroup normalises its pixels by their root mean square, while the first weights
// are on their way.
#extension GL_EXT_control_flow_attributes : require
#include "conv_float.glsl"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 12) const bool TAIL = false; // the last load of k has padding
layout(constant_id = 13) const uint ROWS = 1;
layout(constant_id = 14) const bool NORM = false; // by the weight in the bias's place
layout(constant_id = 15) const bool PAIR = false; // other weights in the residual's place, for it

const uint WORDS = TYPE == VKD_ELEMENT_F16 ? 2 : 1; // fours of k in a load
const uint SETS = PAIR ? 2 : 1, SUMS = SETS * ROWS;
shared vec4 partial[SUMS * gl_WorkGroupSize.x * gl_WorkGroupSize.y];

// Four of k of a pixel, zeros where they are in the padding.
vec4 load_x(uint pixel, uint k4)
{
    vec4 v = x_load4(pixel * p.in_c4 + (TAIL ? min(k4, p.in_c4 - 1) : k4));
    return TAIL ? mix(vec4(0.0), v, lessThan(4 * k4 + uvec4(0, 1, 2, 3), uvec4(p.ic_group))) : v;
}

// What is left of it where it is stored.
vec4 stored(vec4 v)
{
    return TYPE == VKD_ELEMENT_F32 ? v
                                   : vec4(unpackHalf2x16(half_bits(v.x) | half_bits(v.y) << 16),
                                          unpackHalf2x16(half_bits(v.z) | half_bits(v.w) << 16));
}

// The same, normalised by a factor.
vec4 load_normed(uint pixel, uint k4, float factor)
{
    precise vec4 v = load_x(pixel, k4);
    if (!NORM)
        return v;
    v = v * factor;
    v = v * b_load4(TAIL ? min(k4, p.in_c4 - 1) : k4);
    v = stored(v);
    return TAIL ? mix(vec4(0.0), v, lessThan(4 * k4 + uvec4(0, 1, 2, 3), uvec4(p.ic_group))) : v;
}

float product(uvec4 weights, vec4 v[WORDS])
{
    if (TYPE == VKD_ELEMENT_F32)
        return dot(uintBitsToFloat(weights), v[0]);
    return dot(vec4(unpackHalf2x16(weights.x), unpackHalf2x16(weights.y)), v[0]) +
           dot(vec4(unpackHalf2x16(weights.z), unpackHalf2x16(weights.w)), v[WORDS - 1]);
}

// Adds what the lanes have in `partial`, from `at` on, into the first one's.
void add_lanes(uint at)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    for (uint span = gl_WorkGroupSize.x / 2; span > 0; span /= 2) {
        if (lane < span) [[unroll]]
            for (uint i = 0; i < SUMS; i++)
                partial[at + i] += partial[at + span * SUMS + i];
        barrier();
    }
}

uvec4 weights_at(uint c, uint place) { return c < 4 ? w_quads[place] : residual_quads[place]; }

// Of both sums; nothing else is between.
void finish_pair(uint pixel, uint word, vec4 sum, vec4 other)
{
    for (int i = 0; i < 4; i++)
        sum[i] = bounded(sum[i], p.low, p.high);
    y_store4(pixel * p.out_c4 + word, epilogue(sum, stored(other)));
}

void main()
{
    uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x, rows = p.n * p.out_h * p.out_w;
    uint word = gl_WorkGroupID.x * gl_WorkGroupSize.y + gl_LocalInvocationID.y;
    uint first = (gl_WorkGroupID.z * gl_NumWorkGroups.y + gl_WorkGroupID.y) * ROWS,
         loads = p.w_tap / (4 * WORDS), row_at = gl_LocalInvocationID.y * lanes * SUMS,
         at = row_at + lane * SUMS;
    uint w_at[4 * SETS];
    uvec4 weights[4 * SETS];
    [[unroll]] for (uint c = 0; c < 4 * SETS; c++)
    {
        w_at[c] = min(4 * word + c % 4, p.oc_group - 1) * loads;
        if (NORM)
            weights[c] = weights_at(c, w_at[c] + min(lane, loads - 1));
    }
    vec4 sum[SUMS];
    float factor[ROWS];
    [[unroll]] for (uint i = 0; i < SUMS; i++) sum[i] = vec4(0.0);
    [[unroll]] for (uint i = 0; i < ROWS; i++) factor[i] = 1.0;
    if (NORM) {
        for (uint load = lane; load < loads; load += lanes)
            [[unroll]] for (uint i = 0; i < ROWS; i++) [[unroll]] for (uint j = 0; j < WORDS; j++)
            {
                vec4 v = load_x(min(first + i, rows - 1), load * WORDS + j);
                sum[i] += v * v;
            }
        [[unroll]] for (uint i = 0; i < SUMS; i++) partial[at + i] = sum[i];
        add_lanes(at);
        [[unroll]] for (uint i = 0; i < ROWS; i++)
        {
            vec4 s = partial[row_at + i];
            factor[i] = 1.0 / sqrt((s.x + s.y + s.z + s.w) / float(p.ic_group) + p.eps);
            sum[i] = vec4(0.0);
        }
        barrier(); // before others are put there
    }
    for (uint load = lane; load < loads; load += lanes) {
        if (!NORM || load > lane) [[unroll]]
            for (uint c = 0; c < 4 * SETS; c++)
                weights[c] = weights_at(c, w_at[c] + load);
        [[unroll]] for (uint i = 0; i < ROWS; i++)
        {
            vec4 v[WORDS];
            [[unroll]] for (uint j = 0; j < WORDS; j++) v[j] =
                load_normed(min(first + i, rows - 1), load * WORDS + j, factor[i]);
            [[unroll]] for (uint c = 0; c < 4 * SETS; c++) sum[c / 4 * ROWS + i][c % 4] +=
                product(weights[c], v);
        }
    }

    [[unroll]] for (uint i = 0; i < SUMS; i++) partial[at + i] = sum[i];
    add_lanes(at);
    if (lane == 0 && word < p.out_c4) [[unroll]]
        for (uint i = 0; i < ROWS; i++)
            if (first + i < rows && PAIR)
                finish_pair(first + i, word, partial[at + i], partial[at + SUMS - ROWS + i]);
            else if (first + i < rows)
                finish(first + i, word, partial[at + i]);
}
