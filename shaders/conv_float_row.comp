#version 450
// build: LOADS = -(PIXELS=4) one(PIXELS=1) lanes(PIXELS=7 TEXELS=1)
// base: conv_float_dw
// glslc -O0: what is inlined wherever it is called takes twice the space
// Depthwise convolution of floats, one output channel for each of the input: an invocation computes
// four channels of PIXELS neighbours in a row, undilated, which share what they load; or of one
// pixel, where there are so few that a GPU waits more than it works.
// LOADS_lanes is for llvmpipe; see gemm_lanes.comp for what makes code fast there.
#extension GL_EXT_control_flow_attributes : require
#include "dispatch.glsl"
#include "conv_float.glsl"

// Neither changes with the shapes of a net. What is beyond the arrays is not there: their loops are
// unrolled.
layout(constant_id = 12) const int KERNEL_W = 3;
layout(constant_id = 13) const int STRIDE_W = 1;
layout(constant_id = 14) const int KERNEL_H = 3; // where it is at most 7
#if PIXELS == 1
#define DILATION_H int(p.dilation_h)
#define DILATION_W int(p.dilation_w)
#else // none
#define DILATION_H 1
#define DILATION_W 1
#endif
const int COLUMNS = (PIXELS - 1) * STRIDE_W + KERNEL_W;

void main()
{
    uint index = linear_index(), runs = (p.out_w + PIXELS - 1) / PIXELS,
         last = p.n * p.out_h * runs * p.out_c4 - 1;
    bool exists = index <= last;
    index = min(index, last);
    uint word = index % p.out_c4, run = index / p.out_c4, line = run / runs, image = line / p.out_h;
    uint out_x = (run - line * runs) * PIXELS;
    int x0 = int(out_x) * STRIDE_W - int(p.padding_w),
        y0 = int((line - image * p.out_h) * p.stride_h) - int(p.padding_h);
    vec4 sum[PIXELS];
    [[unroll]] for (int i = 0; i < PIXELS; i++) sum[i] = vec4(0.0);
#if PIXELS == 1
    [[unroll]] for (int ky = 0; ky < KERNEL_H; ky++)
    {
#else
    int ky = 0;
    do {
#endif
        int in_y = y0 + ky * DILATION_H, row = (int(image * p.in_h) + in_y) * int(p.in_w) + x0;
        bool row_inside = uint(in_y) < p.in_h;
        vec4 weights[KERNEL_W];
        [[unroll]] for (int kx = 0; kx < KERNEL_W; kx++) weights[kx] =
            w_load4((word * p.kernel_h + ky) * KERNEL_W + kx);
        [[unroll]] for (int column = 0; column < COLUMNS; column++)
        {
            int across = column * DILATION_W;
            bool inside = row_inside && uint(x0 + across) < p.in_w;
            vec4 v = x_load4(inside ? uint(row + across) * p.in_c4 + word : 0);
            v = mix(vec4(0.0), v, bvec4(inside));
            [[unroll]] for (int i = 0; i < PIXELS; i++)
            {
                int kx = column - i * STRIDE_W;
                if (kx >= 0 && kx < KERNEL_W)
                    sum[i] += v * weights[kx];
            }
        }
#if PIXELS == 1
    }
#else
    } while (++ky < int(p.kernel_h));
#endif
    [[unroll]] for (int i = 0; i < PIXELS; i++) if (exists && out_x + i < p.out_w)
        finish(line * p.out_w + out_x + i, word, sum[i]);
}
