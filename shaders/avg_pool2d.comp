// Average pooling of a 4C tensor of floats, or of int8 that is dequantized: one invocation per group
// of four channels.
// base: max_pool2d
#version 450
#extension GL_GOOGLE_include_directive : require
#include "element.glsl"
#include "kahan.glsl"
#include "pool2d.glsl"

layout(constant_id = 9) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 10) const uint X_TYPE = VKD_ELEMENT_F32;
ELEMENTS_IN(0, x, X_TYPE)
ELEMENTS_OUT(1, y, TYPE)

vec4 load_real(uint group)
{
    vec4 v = x_load4(group);
    precise vec4 real = (v - params.x_zero) * params.x_scale;
    return X_TYPE == VKD_ELEMENT_I8 ? real : v;
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uint pixel = group / BLOCKS, block = group % BLOCKS;
    uint row = pixel / Y_W;
    uint image = row / Y_H;
    ivec2 of = ivec2(row % Y_H, pixel % Y_W), padding = ivec2(params.padding_h, params.padding_w);
    ivec2 start = window_start(of), size = window_limit(of);
    ivec2 end = min(start + ivec2(KERNEL_H, KERNEL_W), size + padding);
    ivec2 first = max(start, ivec2(0)), last = min(end, size); // what lies in the image

    accumulator a = accumulator(vec4(0), vec4(0));
    ivec2 covered = max(last - first, ivec2(0)), at = first;
    for (int tap = 0; tap < covered.x * covered.y; tap++) { // one loop, as in max_pool2d.comp
        add(a, load_real(((image * uint(params.x_h) + uint(at.x)) * uint(params.x_w) + uint(at.y)) *
                             BLOCKS +
                         block));
        bool ends = at.y + 1 == last.y;
        at = ends ? ivec2(at.x + 1, first.y) : ivec2(at.x, at.y + 1);
    }
    ivec2 counted = params.count_padding != 0 ? end - start : last - first;
    y_store4(group,
             a.sum / (params.divisor != 0.0 ? params.divisor : float(counted.x * counted.y)));
}
