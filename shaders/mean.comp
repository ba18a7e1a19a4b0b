// Mean of a float 4C tensor over any of its dims: one invocation per group of four channels of y. The order of summation is
// fixed and the sum compensated, so the error does not grow with the number of elements.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "mean_params.h"

layout(push_constant) uniform params_block { mean_params params; };
layout(binding = 0) readonly buffer x_buffer { vec4 x[]; };
layout(binding = 1) writeonly buffer y_buffer { vec4 y[]; };

// Kahan's sum: `lost` is what the roundings so far have added too much.
struct accumulator {
    vec4 sum, lost;
};

void add(inout accumulator a, vec4 v)
{
    precise vec4 term = v - a.lost;
    precise vec4 next = a.sum + term;
    precise vec4 grown = next - a.sum;
    precise vec4 lost = grown - term;
    a = accumulator(next, lost);
}

vec4 load(uint pixel, uint block)
{
    vec4 v = x[pixel * params.blocks + block];
    uvec4 channel = 4 * block + uvec4(0, 1, 2, 3);
    return mix(v, vec4(0), greaterThanEqual(channel, uvec4(params.c)));
}

void add_pixel(inout accumulator a, uint pixel, uint block)
{
    uint last = params.over_c != 0 ? params.blocks - 1 : block; // over the channels, block is 0
    for (; block <= last; block++)
        add(a, load(pixel, block));
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uint pixel = group / params.y_blocks, block = group % params.y_blocks;
    uint row = pixel / params.y_w, w0 = pixel % params.y_w;
    uint n0 = row / params.y_h, h0 = row % params.y_h;
    uint n1 = params.y_n == params.n ? n0 + 1 : params.n;
    uint h1 = params.y_h == params.h ? h0 + 1 : params.h;
    uint w1 = params.y_w == params.w ? w0 + 1 : params.w;
    accumulator a = accumulator(vec4(0), vec4(0));
    for (uint n = n0; n < n1; n++)
        for (uint h = h0; h < h1; h++)
            for (uint w = w0; w < w1; w++)
                add_pixel(a, (n * params.h + h) * params.w + w, block);
    if (params.over_c != 0)
        a.sum = vec4((a.sum.x + a.sum.y) + (a.sum.z + a.sum.w), 0, 0, 0);
    y[group] = a.sum / params.count;
}
