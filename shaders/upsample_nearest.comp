// y[n, c, h, w] = x[n, c, h / FACTOR_H, w / FACTOR_W] of 4C tensors with any elements: one
// invocation per word of y.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "upsample_nearest_params.h"

layout(constant_id = 3) const uint WORDS = 1; // in a pixel
layout(constant_id = 4) const uint FACTOR_H = 1;
layout(constant_id = 5) const uint FACTOR_W = 1;
layout(constant_id = 6) const uint X_W = 1;

layout(push_constant) uniform params_block { upsample_nearest_params params; };
layout(binding = 0) readonly buffer x_buffer { uint x[]; };
layout(binding = 1) writeonly buffer y_buffer { uint y[]; };

void main()
{
    uint word = linear_index();
    if (word >= params.words)
        return;
    uint pixel = word / WORDS;
    uint row = pixel / (X_W * FACTOR_W), column = pixel % (X_W * FACTOR_W);
    // Rows of all images: their height is a multiple of FACTOR_H.
    y[word] = x[(row / FACTOR_H * X_W + column / FACTOR_W) * WORDS + word % WORDS];
}
