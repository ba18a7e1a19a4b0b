#version 450
// base: conv_float_vector
// glslc -O0: what is inlined wherever it is called takes twice the space
// Two convolutions of floats of one pixel, see excite_float_params.h. The invocations of LANES
// share k of four channels of the first.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "excite_float_params.h"
#include "floats.glsl"
#include "nan.glsl"
#include "float_steps.glsl"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 0) const uint WIDTH = 1;
layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint LANES = 1;   // a power of 2
layout(constant_id = 5) const uint FOURS = 1;   // of a pixel of x
layout(constant_id = 6) const uint BETWEEN = 1; // of what is between
layout(constant_id = 7) const uint FIRST_COUNT = 0;
layout(constant_id = 8) const uint FIRST_0 = 0;
layout(constant_id = 9) const uint FIRST_1 = 0;
layout(constant_id = 10) const uint FIRST_2 = 0;
layout(constant_id = 11) const uint FIRST_3 = 0;
layout(constant_id = 12) const uint SECOND_COUNT = 0;
layout(constant_id = 13) const uint SECOND_0 = 0;
layout(constant_id = 14) const uint SECOND_1 = 0;
layout(constant_id = 15) const uint SECOND_2 = 0;
layout(constant_id = 16) const uint SECOND_3 = 0;

layout(push_constant) uniform params_block { excite_float_params p; };
FLOATS_IN(0, x, TYPE)
FLOATS_IN(1, constants, TYPE)
FLOATS_OUT(2, y, TYPE)

shared vec4 partial[WIDTH];
shared vec4 between[BETWEEN];

FLOAT_STEPS(first_steps, FIRST_COUNT, FIRST_0, FIRST_1, FIRST_2, FIRST_3, p.numbers[0])
FLOAT_STEPS(second_steps, SECOND_COUNT, SECOND_0, SECOND_1, SECOND_2, SECOND_3, p.numbers[1])

uint second_at() { return 4 * BETWEEN * FOURS; }
uint biases_at() { return second_at() + 4 * BETWEEN * p.fours; }

// Four channels of four of k.
vec4 products(uint unit, vec4 v)
{
    return vec4(dot(constants_load4(unit), v), dot(constants_load4(unit + 1), v),
                dot(constants_load4(unit + 2), v), dot(constants_load4(unit + 3), v));
}

// Zeros in the padding, which may hold anything.
vec4 without_padding(vec4 v, uint four, uint channels)
{
    return mix(vec4(0.0), v, lessThan(4 * four + uvec4(0, 1, 2, 3), uvec4(channels)));
}

vec4 sum_share(uint image, uint block, uint lane)
{
    vec4 sum = vec4(0.0);
    if (block < BETWEEN)
        for (uint four = lane; four < FOURS; four += LANES)
            sum += products(4 * (block * FOURS + four),
                            without_padding(x_load4(image * FOURS + four), four, p.k));
    return sum;
}

void compute_between(uint image)
{
    uint id = gl_LocalInvocationID.x, lane = id % LANES;
    for (uint first = 0; first < BETWEEN; first += WIDTH / LANES) {
        uint block = first + id / LANES;
        vec4 sum = sum_share(image, block, lane);
        partial[id] = sum;
        for (uint half_width = LANES / 2; half_width > 0; half_width /= 2) {
            barrier();
            if (lane < half_width) {
                sum += partial[id + half_width];
                partial[id] = sum;
            }
        }
        if (lane == 0 && block < BETWEEN) {
            sum += constants_load4(biases_at() + block);
            for (int i = 0; i < 4; i++)
                sum[i] = first_steps(bounded(sum[i], p.low[0], p.high[0]), 0.0);
            between[block] = without_padding(sum, block, p.channels);
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
    uint four = (inside - image * p.slices) * WIDTH + gl_LocalInvocationID.x;
    if (group >= p.groups || four >= p.fours)
        return;
    vec4 sum = vec4(0.0);
    for (uint block = 0; block < BETWEEN; block++)
        sum += products(second_at() + 4 * (block * p.fours + four), between[block]);
    sum += constants_load4(biases_at() + BETWEEN + four);
    for (int i = 0; i < 4; i++)
        sum[i] = second_steps(bounded(sum[i], p.low[1], p.high[1]), 0.0);
    y_store4(image * p.fours + four, sum);
}
