// Mean of a float 4C tensor over any of its dims: one invocation per group of four channels of y,
// or for a slice of what one is made of. The order of summation is fixed and the sum compensated,
// so the error does not grow with the number of elements.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "kahan.glsl"
#include "mean_params.h"

layout(push_constant) uniform params_block { mean_params params; };
layout(binding = 0) readonly buffer x_buffer { vec4 x[]; };
layout(binding = 1) writeonly buffer y_buffer { vec4 y[]; };

vec4 load(uint at, uint block)
{
    uvec4 channel = 4 * block + uvec4(0, 1, 2, 3);
    return mix(x[at], vec4(0), greaterThanEqual(channel, uvec4(params.c)));
}

// The first group of x behind a group of y.
uint first_of(uint group)
{
    uint pixel = group / params.y_blocks;
    uint row = pixel / params.y_w;
    uint image = row / params.y_h;
    return ((image * params.h + row % params.y_h) * params.w + pixel % params.y_w) * params.blocks +
           group % params.y_blocks;
}

// All elements are one loop: nested, it would cost llvmpipe several rounds for each.
void main()
{
    uint index = linear_index();
    if (index >= params.groups * params.slices)
        return;
    uint group = index % params.groups, first = index / params.groups * params.slice;
    uint last = min(first + params.slice, params.elements);
    uint in_run = first % params.run;
    uint at = first_of(group) + first / params.run * params.jump + in_run * params.step;
    uint block = params.over_c != 0
                     ? first % params.blocks
                     : group % params.y_blocks; // channels are the innermost elements
    accumulator a = accumulator(vec4(0), vec4(0));
    for (uint i = first; i < last; i++) {
        add(a, load(at, block));
        in_run++;
        bool ends = in_run == params.run;
        at += ends ? params.jump - (params.run - 1) * params.step : params.step;
        in_run = ends ? 0 : in_run;
        block += params.over_c;
        block = block == params.blocks ? 0 : block;
    }
    if (params.over_c != 0)
        a.sum = vec4((a.sum.x + a.sum.y) + (a.sum.z + a.sum.w), 0, 0, 0);
    y[index] = a.sum / params.count;
}
