// Sliding-window convolution of floats: any window, groups and channels. An invocation computes
// four output channels of a pixel, each from the input channels of its own group.
// base: conv_float_dw
// glslc -O0: what is inlined wherever it is called takes twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
#include "conv_float.glsl"

void main()
{
    uint index = linear_index(), word = index % p.out_c4, pixel = index / p.out_c4;
    uint line = pixel / p.out_w, image = line / p.out_h;
    if (image >= p.n)
        return;
    ivec2 at = window_start(pixel - line * p.out_w, line - image * p.out_h);
    uvec4 first = (4 * word + uvec4(0, 1, 2, 3)) / p.oc_group * p.ic_group;
    first = min(first, uvec4(p.in_c4 * 4 - p.ic_group)); // what is in the padding has no group
    uint w_at = word * p.kernel_h * p.kernel_w * p.w_tap;
    vec4 sum = vec4(0.0);
    for (uint ky = 0; ky < p.kernel_h; ky++)
        for (uint kx = 0; kx < p.kernel_w; kx++) {
            uvec2 in_at = window_tap(at, kx, ky);
            bool inside = in_at.x < p.in_w && in_at.y < p.in_h;
            uvec4 from =
                first + (inside ? (image * p.in_h + in_at.y) * p.in_w + in_at.x : 0) * p.in_c4 * 4;
            for (uint ic = 0; ic < p.ic_group; ic++) {
                vec4 v = vec4(x_load(from.x + ic), x_load(from.y + ic), x_load(from.z + ic),
                              x_load(from.w + ic));
                sum += mix(vec4(0.0), v, bvec4(inside)) * w_load4(w_at + ic);
            }
            w_at += p.w_tap;
        }
    finish(pixel, word, sum);
}
