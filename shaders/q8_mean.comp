// Mean over the pixels of an int8 4C tensor, clamped before and requantised after. A workgroup is
// WORDS wide and LANES high: the lanes of a column share the pixels of one word of y. Of many
// pixels a first dispatch makes the sums of slices, and a second one takes these for pixels.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "int8.glsl"
#include "kahan.glsl"
#include "q8_mean_params.h"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 0) const uint WORDS = 1;
layout(constant_id = 1) const uint LANES = 1;         // a power of 2
layout(constant_id = 3) const bool FROM_SUMS = false; // x holds sums
layout(constant_id = 4) const bool TO_SUMS = false;   // y does
layout(constant_id = 5) const bool TABLE = false;     // of a function of x's values

layout(push_constant) uniform params_block { q8_mean_params params; };
layout(binding = 0) readonly buffer x_buffer { int x[]; };
layout(binding = 0) readonly buffer x_sums_buffer { vec4 x_sums[]; };
layout(binding = 1) writeonly buffer y_buffer { int y[]; };
layout(binding = 1) writeonly buffer y_sums_buffer { vec4 y_sums[]; };
layout(binding = 2) readonly buffer table_buffer
{
    float table[];
}; // for -128 .. 127; bound, but not read, where there is none

vec4 values_of(int word)
{
    ivec4 x = unpack_int8(word);
    if (TABLE)
        return vec4(table[x.x + 128], table[x.y + 128], table[x.z + 128], table[x.w + 128]);
    return min(max(vec4(x) - params.x_zero, params.low), params.high);
}

shared vec4 partial[WORDS * LANES];

// Sums of slices may be too large to be added exactly.
vec4 sum_lane(uint group, uint lane)
{
    uint row = group / params.blocks, block = group % params.blocks;
    uint image = row / params.slices, first = row % params.slices * params.slice;
    uint last = min(first + params.slice, params.pixels);
    accumulator a = accumulator(vec4(0), vec4(0));
    for (uint pixel = first + lane; pixel < last; pixel += LANES) {
        uint at = (image * params.pixels + pixel) * params.blocks + block;
        if (FROM_SUMS)
            add(a, x_sums[at]);
        else if (TABLE)
            add(a, values_of(x[at]));
        else
            a.sum += values_of(x[at]);
    }
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
        precise vec4 real = sum * params.factor;
        precise vec4 result = real * params.y_inverse_scale;
        y[group] = pack_rounded(result, params.y_zero);
    }
}
