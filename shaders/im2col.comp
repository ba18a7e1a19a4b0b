#version 450
// Writes the matrix whose rows are the inputs of the output pixels: [pixel][group][k], k = (ky *
// kernel_w + kx) * ic_group + ic, each group padded to k_row bytes, a multiple of 16. Taps outside
// the image are x_zero; the padding meets zero weights. One invocation writes 16 bytes. GRAIN: how
// many bytes surely lie in one tap and one word run of x: 16, 4 or 1.
#extension GL_EXT_control_flow_attributes : require
#include "conv_params.h"
#include "dispatch.glsl"

layout(constant_id = 3) const uint GRAIN = 1;

layout(push_constant) uniform push_block { conv_params p; };
layout(binding = 0) readonly buffer x_block { int x[]; };
layout(binding = 1) readonly buffer x4_block { ivec4 x4[]; };
layout(binding = 2) writeonly buffer y_block { ivec4 y[]; };

uint image, out_y, out_x, ic_first;

// The byte address in x of the value at k of the current row, or ~0 outside the image.
uint address(uint k)
{
    uint tap = k / p.ic_group;
    uint ky = tap / p.kernel_w;
    int in_y = int(out_y * p.stride_h + ky * p.dilation_h) - int(p.padding_h);
    int in_x = int(out_x * p.stride_w + (tap - ky * p.kernel_w) * p.dilation_w) - int(p.padding_w);
    if (ky >= p.kernel_h || in_y < 0 || in_y >= int(p.shape.in_h) || in_x < 0 ||
        in_x >= int(p.shape.in_w))
        return ~0u;
    return ((image * p.shape.in_h + uint(in_y)) * p.shape.in_w + uint(in_x)) * p.in_c4 * 4 +
           ic_first + (k - tap * p.ic_group);
}

int gather_word(uint k)
{
    int outside = p.x_zero & 0xff;
    if (GRAIN >= 4) {
        uint at = address(k);
        return at == ~0u ? outside * 0x01010101 : x[at / 4];
    }
    int word = 0;
    for (uint i = 0; i < 4; i++) {
        uint at = address(k + i);
        int value = at == ~0u ? outside : (x[at / 4] >> (at % 4 * 8)) & 0xff;
        word |= value << (i * 8);
    }
    return word;
}

void main()
{
    uint index = linear_index();
    uint row_length = p.k_row / 16;
    uint row = index / row_length; // pixel * groups + group
    uint pixel = row / p.groups;
    if (pixel >= p.shape.n * p.shape.out_h * p.shape.out_w)
        return;
    uint k = (index - row * row_length) * 16;
    uint line = pixel / p.shape.out_w;
    image = line / p.shape.out_h;
    out_y = line - image * p.shape.out_h;
    out_x = pixel - line * p.shape.out_w;
    ic_first = (row - pixel * p.groups) * p.ic_group;

    if (GRAIN == 16) {
        uint at = address(k);
        y[index] = at == ~0u ? ivec4((p.x_zero & 0xff) * 0x01010101) : x4[at / 16];
    } else {
        y[index] =
            ivec4(gather_word(k), gather_word(k + 4), gather_word(k + 8), gather_word(k + 12));
    }
}
