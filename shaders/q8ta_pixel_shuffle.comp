// y[n, c, h, w] = x[n, (c * FACTOR + h % FACTOR) * FACTOR + w % FACTOR, h / FACTOR, w / FACTOR],
// requantised: an invocation per word of y. With equal parameters on both sides the requantisation
// gives back every value.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "int8.glsl"
#include "q8ta_pixel_shuffle_params.h"

layout(constant_id = 3) const uint FACTOR = 1;
layout(constant_id = 4) const uint X_BLOCKS = 1; // words in a pixel
layout(constant_id = 5) const uint Y_BLOCKS = 1;
layout(constant_id = 6) const uint Y_C = 1;
layout(constant_id = 7) const uint BAKED_Y_W = 1; // 0: it is pushed

layout(push_constant) uniform params_block { q8ta_pixel_shuffle_params params; };
#define Y_W (BAKED_Y_W != 0 ? BAKED_Y_W : params.y_w)
layout(binding = 0) readonly buffer x_buffer { int x[]; };
layout(binding = 1) writeonly buffer y_buffer { int y[]; };

int load(uint pixel, uint channel)
{
    return bitfieldExtract(x[pixel * X_BLOCKS + channel / 4], int(channel % 4) * 8, 8);
}

void main()
{
    uint word = linear_index();
    if (word >= params.words)
        return;
    uint pixel = word / Y_BLOCKS, block = word % Y_BLOCKS;
    uint row = pixel / Y_W,
         column = pixel % Y_W; // rows of all images: their height is a multiple of FACTOR
    uint x_pixel = row / FACTOR * (Y_W / FACTOR) + column / FACTOR;
    uint phase = row % FACTOR * FACTOR + column % FACTOR;
    uvec4 c = min(block * 4 + uvec4(0, 1, 2, 3), uvec4(Y_C - 1)) * (FACTOR * FACTOR) + phase;
    ivec4 v = ivec4(load(x_pixel, c.x), load(x_pixel, c.y), load(x_pixel, c.z), load(x_pixel, c.w));
    precise vec4 real = (vec4(v) - params.x_zero) * params.x_scale;
    precise vec4 result = real * params.y_inverse_scale;
    y[word] = pack_rounded(result, params.y_zero);
}
