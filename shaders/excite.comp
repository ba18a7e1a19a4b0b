#version 450
// build: DOT = none signed mixed
// Two convolutions of one pixel, see excite_params.h. The invocations of LANES share k of a word of
// channels of the first.
#extension GL_GOOGLE_include_directive : require
#include "excite_params.h"
#include "dot.glsl"
#include "requantize.glsl"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 0) const uint WIDTH = 1;
layout(constant_id = 3) const uint LANES = 1;     // a power of 2
layout(constant_id = 4) const uint STEPS = 1;     // words of a pixel of x
layout(constant_id = 5) const uint BETWEEN = 1;   // words of what is between
layout(constant_id = 6) const bool TABLE = false; // of what is between
// Of the result: 0 none, 1 of bytes, 2 of floats.
layout(constant_id = 7) const uint RESULT_TABLE = 0;

layout(push_constant) uniform push_block { excite_params p; };
layout(binding = 0) readonly buffer x_block { int x[]; };
layout(binding = 1) readonly buffer constants_block { ivec4 constants[]; };
layout(binding = 1) readonly buffer words_block { int words[]; };
layout(binding = 2) writeonly buffer y_block { int y[]; };
layout(binding = 2) writeonly buffer y_block4 { ivec4 y_quads[]; };

shared ivec4 partial[WIDTH];
shared int between[BETWEEN];

uint second_at() { return BETWEEN * STEPS; }
uint blocks_at() { return second_at() + BETWEEN * p.words; }
uint table_at() { return 4 * (blocks_at() + 4 * (BETWEEN + p.words)); } // a word
uint result_table_at() { return table_at() + 64; }

channel_block channels(uint block)
{
    uint at = blocks_at() + 4 * block;
    return channel_block(constants[at], intBitsToFloat(constants[at + 1]),
                         intBitsToFloat(constants[at + 2]), constants[at + 3]);
}

int look_up(uint table, int byte) { return words[table + (byte >> 2)] >> (8 * (byte & 3)) & 255; }

int look_up_word(uint table, int word)
{
    return look_up(table, word & 255) | look_up(table, word >> 8 & 255) << 8 |
           look_up(table, word >> 16 & 255) << 16 | look_up(table, word >> 24 & 255) << 24;
}

ivec4 look_up_floats(uint table, int word)
{
    return ivec4(words[table + (word & 255)], words[table + (word >> 8 & 255)],
                 words[table + (word >> 16 & 255)], words[table + (word >> 24 & 255)]);
}

ivec4 add_products(ivec4 sum, int values, ivec4 weights)
{
    int operand = dot_operand(values);
    return ivec4(dot_int8(sum.x, operand, weights.x), dot_int8(sum.y, operand, weights.y),
                 dot_int8(sum.z, operand, weights.z), dot_int8(sum.w, operand, weights.w));
}

ivec4 sum_share(uint image, uint block, uint lane)
{
    ivec4 sum = ivec4(0);
    if (block < BETWEEN)
        for (uint step = lane; step < STEPS; step += LANES)
            sum = add_products(sum, x[image * STEPS + step], constants[block * STEPS + step]);
    return sum;
}

void compute_between(uint image)
{
    uint id = gl_LocalInvocationID.x, lane = id % LANES;
    for (uint first = 0; first < BETWEEN; first += WIDTH / LANES) {
        uint block = first + id / LANES;
        ivec4 sum = sum_share(image, block, lane);
        partial[id] = sum;
        for (uint half_width = LANES / 2; half_width > 0; half_width /= 2) {
            barrier();
            if (lane < half_width) {
                sum += partial[id + half_width];
                partial[id] = sum;
            }
        }
        if (lane == 0 && block < BETWEEN) {
            channel_block channel = channels(block);
            int word = requantize(sum - DOT_SHIFT * channel.sum, channel, p.first);
            between[block] = TABLE ? look_up_word(table_at(), word) : word;
        }
        barrier();
    }
}

void main()
{
    uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    uint inside = min(group, p.groups - 1); // all groups come to the barriers
    uint image = inside / p.slices;
    compute_between(image);
    uint block = (inside - image * p.slices) * WIDTH + gl_LocalInvocationID.x;
    if (group >= p.groups || block >= p.words)
        return;
    ivec4 sum = ivec4(0);
    for (uint step = 0; step < BETWEEN; step++)
        sum = add_products(sum, between[step], constants[second_at() + step * p.words + block]);
    channel_block channel = channels(BETWEEN + block);
    int word = requantize(sum - DOT_SHIFT * channel.sum, channel, p.second);
    uint at = image * p.words + block;
    if (RESULT_TABLE == 2)
        y_quads[at] = look_up_floats(result_table_at(), word);
    else
        y[at] = RESULT_TABLE == 1 ? look_up_word(result_table_at(), word) : word;
}
