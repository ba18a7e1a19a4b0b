// Depthwise convolution of floats, one output channel for each of the input: an invocation computes
// four channels of PIXELS neighbours in a row, which share the weights.
// glslc -O0: what is inlined wherever it is called takes twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
#include "conv_float.glsl"

#define PIXELS 4

void main()
{
    uint index = linear_index(), word = index % p.out_c4, run = index / p.out_c4,
         runs = (p.out_w + PIXELS - 1) / PIXELS;
    uint line = run / runs, image = line / p.out_h, out_x = (run - line * runs) * PIXELS;
    if (image >= p.n)
        return;
    ivec2 at = window_start(out_x, line - image * p.out_h);
    uint w_at = word * p.kernel_h * p.kernel_w;
    vec4 sum[PIXELS];
    [[unroll]] for (int i = 0; i < PIXELS; i++) sum[i] = vec4(0.0);
    for (uint ky = 0; ky < p.kernel_h; ky++) {
        uint in_y = window_tap(at.y, ky, p.dilation_h, p.stride_h);
        bool row_inside = in_y < p.in_h;
        uint row = (image * p.in_h + (row_inside ? in_y : 0)) * p.in_w;
        for (uint kx = 0; kx < p.kernel_w; kx++) {
            vec4 weight = w_load4(w_at++);
            [[unroll]] for (int i = 0; i < PIXELS; i++)
            {
                int start = TRANSPOSED ? at.x + i : at.x + i * int(p.stride_w);
                uint in_x = window_tap(start, kx, p.dilation_w, p.stride_w);
                bool inside = row_inside && in_x < p.in_w;
                vec4 v = x_load4((row + (inside ? in_x : 0)) * p.in_c4 + word);
                sum[i] += mix(vec4(0.0), v, bvec4(inside)) * weight;
            }
        }
    }
    [[unroll]] for (int i = 0; i < PIXELS; i++) if (out_x + i < p.out_w)
        finish(line * p.out_w + out_x + i, word, sum[i]);
}
