#version 450
// Sliding-window convolution for groups whose channels do not fill words: every value is picked out
// of its word. One invocation computes one word of output. Weights lie as in the file, one row of
// k_row bytes an output channel.
#include "conv_params.h"
#include "requantize.glsl"
#include "dispatch.glsl"

layout(push_constant) uniform push_block { conv_params p; };
layout(binding = 0) readonly buffer x_block { int x[]; };
layout(binding = 1) readonly buffer w_block { int w[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) readonly buffer residual_block
{
    int residual[];
}; // bound, but not read, where there is none
#include "epilogue.glsl"
layout(binding = 4) writeonly buffer y_block { int y[]; };

int byte_of(int word, uint index) { return bitfieldExtract(word, int(index & 3) * 8, 8); }

// The sums of four output channels. All of k is one loop: nested, windows of few channels cost
// llvmpipe several rounds a product.
ivec4 accumulate(uint image, uint out_y, uint out_x, uvec4 oc)
{
    uvec4 ic_first = oc / p.oc_group * p.ic_group, w_at = oc * p.k_row;
    ivec4 acc = ivec4(0);
    uint ic = 0, ky = 0, kx = 0;
    for (uint k = 0; k < p.kernel_h * p.kernel_w * p.ic_group; k++) {
        uint in_y = out_y * p.stride_h + ky * p.dilation_h - p.padding_h; // wraps above the image
        uint in_x = out_x * p.stride_w + kx * p.dilation_w - p.padding_w;
        bool inside = in_y < p.shape.in_h && in_x < p.shape.in_w;
        uint pixel = inside ? ((image * p.shape.in_h + in_y) * p.shape.in_w + in_x) * p.in_c4 : 0;
        uvec4 c = ic_first + ic, b = w_at + k;
        ivec4 values = ivec4(byte_of(x[pixel + c.x / 4], c.x), byte_of(x[pixel + c.y / 4], c.y),
                             byte_of(x[pixel + c.z / 4], c.z), byte_of(x[pixel + c.w / 4], c.w));
        ivec4 weights = ivec4(byte_of(w[b.x / 4], b.x), byte_of(w[b.y / 4], b.y),
                              byte_of(w[b.z / 4], b.z), byte_of(w[b.w / 4], b.w));
        acc += (inside ? values : ivec4(p.x_zero)) * weights;
        bool tap_ends = ++ic == p.ic_group;
        ic = tap_ends ? 0 : ic;
        kx += tap_ends ? 1 : 0;
        bool row_ends = kx == p.kernel_w;
        kx = row_ends ? 0 : kx;
        ky += row_ends ? 1 : 0;
    }
    return acc;
}

void main()
{
    uint index = linear_index();
    if (index >= p.shape.n * p.shape.out_h * p.shape.out_w * p.out_c4)
        return;
    uint oc4 = index % p.out_c4;
    uint pixel = index / p.out_c4;
    uint row = pixel / p.shape.out_w;
    uint last = p.oc_group * p.groups - 1; // the padding of the last word repeats a real channel
    uvec4 oc = min(oc4 * 4 + uvec4(0, 1, 2, 3), uvec4(last));
    uint image = row / p.shape.out_h, out_y = row % p.shape.out_h, out_x = pixel % p.shape.out_w;
    int q = requantize(accumulate(image, out_y, out_x, oc), channels[oc4], p.requantize);
    y[index] = p.requantize.q_scale == 0.0 ? q : finish(q, index, p.requantize);
}
