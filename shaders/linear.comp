#version 450
// build: LOADS = -(STEP=ivec4 COLUMNS=columns) words(STEP=int COLUMNS=ivec4)
// build: DOT = none signed mixed
// A linear layer of few rows, see linear_params.h. By the unit of loads:
//   STEP      ivec4 or int: the unit in which k is loaded
//   COLUMNS   one step of a word of channels in w: ivec4 where a step is an int, else dot.glsl's struct columns
#include "linear_params.h"
#include "dot.glsl"
#include "requantize.glsl"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 0) const uint WIDTH = 1;    // a power of 2
layout(constant_id = 3) const bool REAL = false; // y is float

layout(push_constant) uniform push_block { linear_params p; };
layout(binding = 0) readonly buffer x_block { STEP x[]; };
layout(binding = 1) readonly buffer w_block { COLUMNS w[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) writeonly buffer y_block { int y[]; }; // words, or the bits of floats

shared ivec4 partial[WIDTH];

// Every WIDTH-th step: neighbours read neighbouring memory.
ivec4 sum_share(uint row, uint block)
{
    uint x_at = row * p.steps, w_at = block * p.steps;
    ivec4 sum = ivec4(0);
    for (uint step = gl_LocalInvocationID.x; step < p.steps; step += WIDTH) {
        STEP values = dot_operand(x[x_at + step]);
        sum.x = dot_int8(sum.x, values, w[w_at + step].x);
        sum.y = dot_int8(sum.y, values, w[w_at + step].y);
        sum.z = dot_int8(sum.z, values, w[w_at + step].z);
        sum.w = dot_int8(sum.w, values, w[w_at + step].w);
    }
    return sum;
}

// The last word of a row may reach into the next one.
void store_real(uint row, uint block, int word)
{
    ivec4 bits = floatBitsToInt((vec4(unpack_int8(word)) - float(p.y_zero)) *
                                p.y_scale); // as in dequantize.comp
    uint count = min(p.y_row - 4 * block, 4u);
    for (uint i = 0; i < count; i++)
        y[row * p.y_row + 4 * block + i] = bits[i];
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    uint inside = min(group, p.groups - 1); // all groups come to the barriers
    uint row = inside / p.blocks, block = inside - row * p.blocks;

    ivec4 sum = sum_share(row, block);
    partial[lane] = sum;
    for (uint half_width = WIDTH / 2; half_width > 0; half_width /= 2) {
        barrier();
        if (lane < half_width) {
            sum += partial[lane + half_width];
            partial[lane] = sum;
        }
    }
    if (lane == 0 && group < p.groups) {
        channel_block channel = channels[block];
        int word = requantize(sum - DOT_SHIFT * channel.sum, channel, p.requantize);
        if (REAL)
            store_real(row, block, word);
        else
            y[group] = word;
    }
}
