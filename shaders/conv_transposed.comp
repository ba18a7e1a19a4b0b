#version 450
// build: DOT = none signed mixed
// Transposed convolution, without dilation: each output pixel gathers from the input pixels whose
// windows cover it. One invocation computes a word, four channels of a pixel.
//
// Only every stride-th tap of the window meets a pixel, and the others are not visited. A tap's
// part of the zero point therefore comes with the tap, not with the channels' offset.
//
// Weights are packed [oc / 4][tap][1 + span] ivec4: first what the tap adds for the zero point,
// then one word of four input channels for each of four output channels. The span is all words that
// hold channels of the groups of the four output channels, with zeros for those of other groups, so
// that groups of any size are whole words here.
#include "conv_transposed_params.h"
#include "dispatch.glsl"
#include "dot.glsl"
#include "requantize.glsl"

layout(push_constant) uniform push_block { conv_transposed_params p; };
layout(binding = 0) readonly buffer x_block { int x[]; };
layout(binding = 1) readonly buffer w_block { ivec4 w[]; };
layout(binding = 2) readonly buffer channels_block { channel_block channels[]; };
layout(binding = 3) readonly buffer residual_block
{
    int residual[];
}; // bound, but not read, where there is none
#include "epilogue.glsl"
layout(binding = 4) writeonly buffer y_block { int y[]; };

void main()
{
    uint index = linear_index();
    if (index >= p.n * p.out_h * p.out_w * p.out_c4)
        return;
    uint oc4 = index % p.out_c4, pixel = index / p.out_c4;
    uint row = pixel / p.out_w;
    uint image = row / p.out_h;
    uint top = row % p.out_h + p.padding_h, left = pixel % p.out_w + p.padding_w;
    uint first = min(oc4 * 4 / p.oc_group * p.ic_group / 4, p.in_c4 - p.span);

    channel_block block = channels[oc4];
    ivec4 acc = -block.offset;
    for (uint ky = top % p.stride_h; ky < p.kernel_h && ky <= top; ky += p.stride_h) {
        uint in_y = (top - ky) / p.stride_h;
        if (in_y >= p.in_h)
            continue;
        for (uint kx = left % p.stride_w; kx < p.kernel_w && kx <= left; kx += p.stride_w) {
            uint in_x = (left - kx) / p.stride_w;
            if (in_x >= p.in_w)
                continue;
            uint x_at = ((image * p.in_h + in_y) * p.in_w + in_x) * p.in_c4 + first;
            uint w_at = ((oc4 * p.kernel_h + ky) * p.kernel_w + kx) * (p.span + 1);
            acc += w[w_at++];
            for (uint i = 0; i < p.span; i++) {
                int word = dot_operand(x[x_at + i]);
                ivec4 weights = w[w_at + i];
                acc += ivec4(dot_int8(word, weights.x), dot_int8(word, weights.y),
                             dot_int8(word, weights.z), dot_int8(word, weights.w));
            }
        }
    }
    int q = requantize(acc, block, p.requantize);
    y[index] = p.requantize.q_scale == 0.0 ? q : finish(q, index, p.requantize);
}
