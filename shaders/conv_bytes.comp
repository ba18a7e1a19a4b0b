#version 450
// Sliding-window convolution for groups whose channels do not fill words: every value is picked out of its word. One invocation
// computes one word of output. Weights lie as in the file, one row of k_row bytes an output channel.
#include "conv_params.h"
#include "requantize.glsl"
#include "dispatch.glsl"

layout(push_constant) uniform push_block { conv_params p; };
layout(binding = 0) readonly buffer x_block { int x[]; };
layout(binding = 1) readonly buffer w_block { int w[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) readonly buffer residual_block { int residual[]; }; // bound, but not read, where there is none
layout(binding = 4) writeonly buffer y_block { int y[]; };

int byte_of(int word, uint index) { return bitfieldExtract(word, int(index & 3) * 8, 8); }

int accumulate(uint image, uint out_y, uint out_x, uint oc)
{
    uint ic_first = oc / p.oc_group * p.ic_group;
    uint k = oc * p.k_row;
    int acc = 0;
    for (uint ky = 0; ky < p.kernel_h; ky++)
        for (uint kx = 0; kx < p.kernel_w; kx++) {
            int in_y = int(out_y * p.stride_h + ky * p.dilation_h) - int(p.padding_h);
            int in_x = int(out_x * p.stride_w + kx * p.dilation_w) - int(p.padding_w);
            bool inside = in_y >= 0 && in_y < int(p.in_h) && in_x >= 0 && in_x < int(p.in_w);
            uint pixel = inside ? ((image * p.in_h + uint(in_y)) * p.in_w + uint(in_x)) * p.in_c4 : 0;
            for (uint ic = ic_first; ic < ic_first + p.ic_group; ic++, k++) {
                int value = inside ? byte_of(x[pixel + ic / 4], ic) : p.x_zero;
                acc += value * byte_of(w[k / 4], k);
            }
        }
    return acc;
}

void main()
{
    uint index = linear_index();
    if (index >= p.n * p.out_h * p.out_w * p.out_c4)
        return;
    uint oc4 = index % p.out_c4;
    uint pixel = index / p.out_c4;
    uint row = pixel / p.out_w;
    uint last = p.oc_group * p.groups - 1; // the padding of the last word repeats a real channel
    uvec4 oc = min(oc4 * 4 + uvec4(0, 1, 2, 3), uvec4(last));
    uint image = row / p.out_h, out_y = row % p.out_h, out_x = pixel % p.out_w;
    ivec4 acc = ivec4(accumulate(image, out_y, out_x, oc.x), accumulate(image, out_y, out_x, oc.y),
                      accumulate(image, out_y, out_x, oc.z), accumulate(image, out_y, out_x, oc.w));
    int q = requantize(acc, channels[oc4], p.requantize);
    y[index] = p.requantize.q_scale == 0.0 ? q : add_residual(q, residual[index], p.requantize);
}
