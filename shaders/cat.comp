// Copies one 4C tensor to its place within another, for elements of 1 or 4 bytes, or looks each of
// its bytes up in a table of such elements. An invocation makes a word of y, where x begins within
// one of y's the bytes before it are kept: the parts of a concatenation are copied in order; or
// four elements of 4 bytes. Sizes are pushed, so that all parts of all concatenations are few
// pipelines.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "cat_params.h"
#include "dispatch.glsl"

layout(constant_id = 3) const uint ELEMENT_SIZE = 4; // bytes, 1 or 4
layout(constant_id = 4) const bool TABLE = false;

layout(push_constant) uniform params_block { cat_params params; };
layout(binding = 0) readonly buffer x_buffer { uint x[]; };
layout(binding = 0) readonly buffer x_buffer4 { uvec4 x_quads[]; };
layout(binding = 1) readonly buffer table_buffer { uint table[]; };
layout(binding = 2) buffer y_buffer { uint y[]; };
layout(binding = 2) buffer y_buffer4 { uvec4 y_quads[]; };

// Of 4C.
uint padded(uint channels) { return (channels + 3) & ~3u; }

uint y_pixel(uint pixel)
{
    if (params.x_h == params.y_h && params.x_w == params.y_w)
        return pixel + params.n_at * params.y_h * params.y_w;
    uint row = pixel / params.x_w;
    uint y_row = (row / params.x_h + params.n_at) * params.y_h + row % params.x_h + params.h_at;
    return y_row * params.y_w + pixel % params.x_w + params.w_at;
}

uint look_up(uint byte) { return table[byte >> 2] >> 8 * (byte & 3) & 255; }

uint word(uint at)
{
    uint b = x[at];
    return TABLE ? look_up(b & 255) | look_up(b >> 8 & 255) << 8 | look_up(b >> 16 & 255) << 16 |
                       look_up(b >> 24) << 24
                 : b;
}

void copy_bytes(uint index)
{
    uint shift = params.c_at % 4;             // bytes of y's first word that are not of x
    uint part = (shift + params.x_c + 3) / 4; // words of a pixel of y that hold elements of x
    uint pixel = index / part, k = index % part;
    uint at = y_pixel(pixel) * padded(params.y_c) / 4 + params.c_at / 4 + k;
    uint x_words = padded(params.x_c) / 4, x_at = pixel * x_words;
    uint value = word(x_at + min(k, x_words - 1));
    if (shift > 0) {
        uint before = k > 0 ? word(x_at + k - 1) >> (32 - 8 * shift)
                            : bitfieldExtract(y[at], 0, int(8 * shift));
        value = value << (8 * shift) | before;
    }
    y[at] = value;
}

uvec4 quad(uint at)
{
    uint b = TABLE ? x[at] : 0;
    return TABLE ? uvec4(table[b & 255], table[b >> 8 & 255], table[b >> 16 & 255], table[b >> 24])
                 : x_quads[at];
}

// What is behind x's channels is left to the next part.
void copy_quad(uint index)
{
    uint part = padded(params.x_c) / 4;
    uint pixel = index / part, c = 4 * (index % part);
    uint at = y_pixel(pixel) * padded(params.y_c) + params.c_at + c;
    uvec4 value = quad(index);
    if (params.c_at % 4 == 0 && c + 4 <= params.x_c) {
        y_quads[at / 4] = value;
        return;
    }
    y[at] = value.x;
    if (c + 1 < params.x_c)
        y[at + 1] = value.y;
    if (c + 2 < params.x_c)
        y[at + 2] = value.z;
    if (c + 3 < params.x_c)
        y[at + 3] = value.w;
}

void main()
{
    uint index = linear_index();
    if (index >= params.invocations)
        return;
    if (ELEMENT_SIZE == 1)
        copy_bytes(index);
    else
        copy_quad(index);
}
