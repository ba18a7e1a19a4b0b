// Copies one 4C tensor to its place within another, for elements of 1 or 4 bytes: one invocation per word of y. Where x begins
// within a word of y, the bytes before it are kept: the parts of a concatenation are copied in order.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "cat_params.h"
#include "dispatch.glsl"

layout(constant_id = 3) const uint ELEMENT_SIZE = 4; // bytes, 1 or 4
layout(constant_id = 4) const uint X_C = 1;
layout(constant_id = 5) const uint X_H = 1;
layout(constant_id = 6) const uint X_W = 1;
layout(constant_id = 7) const uint Y_C = 1;
layout(constant_id = 8) const uint Y_H = 1;
layout(constant_id = 9) const uint Y_W = 1;
layout(constant_id = 10) const uint C_AT = 0; // the channel of y where x begins

layout(push_constant) uniform params_block { cat_params params; };
layout(binding = 0) readonly buffer x_buffer { uint x[]; };
layout(binding = 1) buffer y_buffer { uint y[]; };

const uint PER_WORD = 4 / ELEMENT_SIZE;
const uint X_WORDS = (X_C + 3) / 4 * ELEMENT_SIZE; // of a pixel
const uint Y_WORDS = (Y_C + 3) / 4 * ELEMENT_SIZE;
const uint SHIFT = C_AT % PER_WORD; // bytes of y's first word that are not of x
const uint PART = (SHIFT + X_C + PER_WORD - 1) / PER_WORD; // words of a pixel of y that hold elements of x

void main()
{
    uint index = linear_index();
    if (index >= params.words)
        return;
    uint pixel = index / PART, k = index % PART;
    uint row = pixel / X_W;
    uint y_row = (row / X_H + params.n_at) * Y_H + row % X_H + params.h_at;
    uint at = (y_row * Y_W + pixel % X_W + params.w_at) * Y_WORDS + C_AT / PER_WORD + k;
    uint x_at = pixel * X_WORDS;
    uint value = x[x_at + min(k, X_WORDS - 1)];
    if (SHIFT > 0) {
        uint before = k > 0 ? x[x_at + k - 1] >> (32 - 8 * SHIFT) : bitfieldExtract(y[at], 0, int(8 * SHIFT));
        value = value << (8 * SHIFT) | before;
    }
    y[at] = value;
}
