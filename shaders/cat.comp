// Copies one or two 4C tensors to their places within another, for elements of 1 or 4 bytes, or looks
// each of their bytes up in a table of such elements. An invocation makes a word of y, where x begins
// within one of y's the bytes before it are kept: the parts of a concatenation that share words are
// copied in order; or four elements of 4 bytes. Sizes are pushed, so that all parts of all
// concatenations are few pipelines.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "cat_params.h"
#include "dispatch.glsl"

layout(constant_id = 3) const uint ELEMENT_SIZE = 4; // bytes, 1 or 4
layout(constant_id = 4) const bool FIRST_TABLE = false;
layout(constant_id = 5) const bool SECOND_TABLE = false;
layout(constant_id = 6) const bool PAIR = false; // there is a second

layout(push_constant) uniform params_block { cat_params params; };
layout(binding = 4) buffer y_buffer { uint y[]; };
layout(binding = 4) buffer y_buffer4 { uvec4 y_quads[]; };

// Of 4C.
uint padded(uint channels) { return (channels + 3) & ~3u; }

uint y_pixel(cat_part p, uint pixel)
{
    if (p.x_h == params.y_h && p.x_w == params.y_w)
        return pixel + p.n_at * params.y_h * params.y_w;
    uint row = pixel / p.x_w;
    uint y_row = (row / p.x_h + p.n_at) * params.y_h + row % p.x_h + p.h_at;
    return y_row * params.y_w + pixel % p.x_w + p.w_at;
}

// NAME_word: four bytes of x; NAME_quad: four elements of 4 bytes; at: of the first in x.
#define SOURCE(number, NAME, TABLE)                                                                \
    layout(binding = number) readonly buffer NAME##_buffer { uint NAME##_words[]; };               \
    layout(binding = number) readonly buffer NAME##_buffer4 { uvec4 NAME##_quads[]; };             \
    layout(binding = number + 1) readonly buffer NAME##_table_buffer { uint NAME##_table[]; };     \
    uint NAME##_look_up(uint byte) { return NAME##_table[byte >> 2] >> 8 * (byte & 3) & 255; }     \
    uint NAME##_word(uint at)                                                                      \
    {                                                                                              \
        uint b = NAME##_words[at / 4];                                                             \
        if (!TABLE)                                                                                \
            return b;                                                                              \
        return NAME##_look_up(b & 255) | NAME##_look_up(b >> 8 & 255) << 8 |                       \
               NAME##_look_up(b >> 16 & 255) << 16 | NAME##_look_up(b >> 24) << 24;                \
    }                                                                                              \
    uvec4 NAME##_quad(uint at)                                                                     \
    {                                                                                              \
        if (!TABLE)                                                                                \
            return NAME##_quads[at / 4];                                                           \
        uint b = NAME##_words[at / 4];                                                             \
        return uvec4(NAME##_table[b & 255], NAME##_table[b >> 8 & 255],                            \
                     NAME##_table[b >> 16 & 255], NAME##_table[b >> 24]);                          \
    }
SOURCE(0, first, FIRST_TABLE)
SOURCE(2, second, SECOND_TABLE)

uint word(bool is_second, uint at) { return PAIR && is_second ? second_word(at) : first_word(at); }
uvec4 quad(bool is_second, uint at) { return PAIR && is_second ? second_quad(at) : first_quad(at); }

void copy_bytes(cat_part p, bool is_second, uint index)
{
    uint shift = p.c_at % 4;             // bytes of y's first word that are not of x
    uint part = (shift + p.x_c + 3) / 4; // words of a pixel of y that hold elements of x
    uint pixel = index / part, k = index % part;
    uint at = y_pixel(p, pixel) * padded(params.y_c) / 4 + p.c_at / 4 + k;
    uint x_at = pixel * p.x_pixel + p.x_at, last = padded(p.x_c) / 4 - 1;
    uint value = word(is_second, x_at + 4 * min(k, last));
    if (shift > 0) {
        uint before = k > 0 ? word(is_second, x_at + 4 * (k - 1)) >> (32 - 8 * shift)
                            : bitfieldExtract(y[at], 0, int(8 * shift));
        value = value << (8 * shift) | before;
    }
    y[at] = value;
}

// What is behind x's channels is left to the next part.
void copy_quad(cat_part p, bool is_second, uint index)
{
    uint part = padded(p.x_c) / 4;
    uint pixel = index / part, c = 4 * (index % part);
    uint at = y_pixel(p, pixel) * padded(params.y_c) + p.c_at + c;
    uvec4 value = quad(is_second, pixel * p.x_pixel + p.x_at + c);
    if (p.c_at % 4 == 0 && c + 4 <= p.x_c) {
        y_quads[at / 4] = value;
        return;
    }
    y[at] = value.x;
    if (c + 1 < p.x_c)
        y[at + 1] = value.y;
    if (c + 2 < p.x_c)
        y[at + 2] = value.z;
    if (c + 3 < p.x_c)
        y[at + 3] = value.w;
}

void copy_part(cat_part p, bool is_second, uint index)
{
    if (ELEMENT_SIZE == 1)
        copy_bytes(p, is_second, index);
    else
        copy_quad(p, is_second, index);
}

void main()
{
    uint index = linear_index(), first = params.first.invocations;
    if (index < first)
        copy_part(params.first, false, index);
    else if (PAIR && index - first < params.second.invocations)
        copy_part(params.second, true, index - first);
}
