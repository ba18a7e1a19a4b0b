// Mean over the pixels of an int8 4C tensor, clamped before and requantised after. A workgroup is
// WORDS wide and LANES high: the lanes of a column share the pixels of one word of y. Of many
// pixels a first dispatch makes the sums of slices, and a second one takes these for pixels.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "int8.glsl"
#include "q8_mean_params.h"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 0) const uint WORDS = 1;
layout(constant_id = 1) const uint LANES = 1;          // a power of 2
layout(constant_id = 3) const bool FROM_SUMS = false;  // x holds sums
layout(constant_id = 4) const bool TO_SUMS = false;    // y does
layout(constant_id = 5) const bool MEAN_TABLE = false; // of a function of x's values

layout(push_constant) uniform params_block { q8_mean_params params; };
layout(binding = 0) readonly buffer x_buffer { int x[]; };
layout(binding = 0) readonly buffer x_sums_buffer { vec4 x_sums[]; };
layout(binding = 1) writeonly buffer y_buffer { int y[]; };
layout(binding = 1) writeonly buffer y_sums_buffer { vec4 y_sums[]; };
layout(binding = 2) readonly buffer table_buffer
{
    float mean_table[];
}; // for -128 .. 127; bound, but not read, where there is none
#include "q8_mean.glsl"

shared vec4 partial[WORDS * LANES];

// Sums of slices may be too large to be added exactly.
vec4 sum_lane(uint group, uint lane)
{
    uint row = group / params.blocks, block = group % params.blocks;
    uint image = row / params.slices, first = row % params.slices * params.slice;
    uint last = min(first + params.slice, params.pixels);
    uint from = first + lane, count = from < last ? (last - from + LANES - 1) / LANES : 0;
    if (!FROM_SUMS)
        return sum_words((image * params.pixels + from) * params.blocks + block,
                         LANES * params.blocks, count, params);
    accumulator a = accumulator(vec4(0), vec4(0));
    for (uint pixel = from; pixel < last; pixel += LANES)
        add(a, x_sums[(image * params.pixels + pixel) * params.blocks + block]);
    return a.sum;
}

void main()
{
    uint column = gl_LocalInvocationID.x, lane = gl_LocalInvocationID.y;
    uint group = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * WORDS + column;
    vec4 sum = group < params.groups ? sum_lane(group, lane) : vec4(0);
    if (LANES > 1) {
        partial[lane * WORDS + column] = sum;
        for (uint half_lanes = LANES / 2; half_lanes > 0; half_lanes /= 2) {
            barrier();
            if (lane < half_lanes) {
                sum += partial[(lane + half_lanes) * WORDS + column];
                partial[lane * WORDS + column] = sum;
            }
        }
    }
    if (lane == 0 && group < params.groups && TO_SUMS) {
        y_sums[group] = sum;
    } else if (lane == 0 && group < params.groups) {
        y[group] = mean_word(sum, params);
    }
}
