// Copies one 4C tensor to its place within another, for elements of 1 or 4 bytes: one invocation
// per word of y. Where x begins within a word of y, the bytes before it are kept: the parts of a
// concatenation are copied in order. Sizes are pushed, so that all parts of all concatenations are
// one pipeline.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "cat_params.h"
#include "dispatch.glsl"

layout(constant_id = 3) const uint ELEMENT_SIZE = 4; // bytes, 1 or 4

layout(push_constant) uniform params_block { cat_params params; };
layout(binding = 0) readonly buffer x_buffer { uint x[]; };
layout(binding = 1) buffer y_buffer { uint y[]; };

const uint PER_WORD = 4 / ELEMENT_SIZE;

// Of a pixel.
uint words_of(uint channels) { return (channels + 3) / 4 * ELEMENT_SIZE; }

void main()
{
    uint index = linear_index();
    if (index >= params.words)
        return;
    uint shift = params.c_at % PER_WORD; // bytes of y's first word that are not of x
    uint part = (shift + params.x_c + PER_WORD - 1) /
                PER_WORD; // words of a pixel of y that hold elements of x
    uint pixel = index / part, k = index % part;
    uint row = pixel / params.x_w;
    uint y_row = (row / params.x_h + params.n_at) * params.y_h + row % params.x_h + params.h_at;
    uint y_pixel = y_row * params.y_w + pixel % params.x_w + params.w_at;
    uint at = y_pixel * words_of(params.y_c) + params.c_at / PER_WORD + k;
    uint x_words = words_of(params.x_c), x_at = pixel * x_words;
    uint value = x[x_at + min(k, x_words - 1)];
    if (shift > 0) {
        uint before =
            k > 0 ? x[x_at + k - 1] >> (32 - 8 * shift) : bitfieldExtract(y[at], 0, int(8 * shift));
        value = value << (8 * shift) | before;
    }
    y[at] = value;
}
