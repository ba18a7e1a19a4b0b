// Floats as 4-bit integers plus 8, the first of two in the low half of a byte: a word of four bytes
// an invocation.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "nan.glsl"
#include "training_params.h"

layout(push_constant) uniform params_block { nibble_codes_params params; };
layout(binding = 0) readonly buffer x_buffer { float x[]; };
layout(binding = 1) readonly buffer scales_buffer { float scales[]; };
layout(binding = 2) writeonly buffer y_buffer { uint y[]; };

uint code(uint row, uint k)
{
    if (row >= params.rows || k >= params.width)
        return row >= params.rows ? 0 : 8;
    float v =
        roundEven(x[row * params.width + k] / scales[k / params.group * params.scale_row + row]);
    return is_nan(v) ? 8 : uint(int(clamp(v, -8.0, 7.0)) + 8);
}

void main()
{
    uint word = linear_index();
    if (word >= params.words)
        return;
    uint bits = 0;
    for (uint i = 0; i < 4; i++) {
        uint byte = 4 * word + i, row = byte / params.bytes, k = 2 * (byte % params.bytes);
        bits |= (code(row, k) | code(row, k + 1) << 4) << (8 * i);
    }
    y[word] = bits;
}
