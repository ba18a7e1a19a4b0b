// Average pooling of a float 4C tensor: one invocation per group of four channels.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "pool2d.glsl"

layout(binding = 0) readonly buffer x_buffer { vec4 x[]; };
layout(binding = 1) writeonly buffer y_buffer { vec4 y[]; };

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uint pixel = group / BLOCKS, block = group % BLOCKS;
    uint row = pixel / Y_W;
    uint image = row / Y_H;
    ivec2 size = ivec2(params.x_h, params.x_w), padding = ivec2(params.padding_h, params.padding_w);
    ivec2 start = ivec2(row % Y_H, pixel % Y_W) * ivec2(params.stride_h, params.stride_w) - padding;
    ivec2 end = min(start + ivec2(KERNEL_H, KERNEL_W), size + padding);
    ivec2 first = max(start, ivec2(0)), last = min(end, size); // what lies in the image

    vec4 sum = vec4(0);
    for (int h = first.x; h < last.x; h++)
        for (int w = first.y; w < last.y; w++)
            sum += x[((image * uint(params.x_h) + uint(h)) * uint(params.x_w) + uint(w)) * BLOCKS + block];
    ivec2 counted = params.count_padding != 0 ? end - start : last - first;
    y[group] = sum / (params.divisor != 0.0 ? params.divisor : float(counted.x * counted.y));
}
