// y = min(max(x, low), high), int8 tensors of the same shape and layout: 16 elements an invocation.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "int8.glsl"
#include "q8_clamp_params.h"

layout(push_constant) uniform params_block { q8_clamp_params params; };
layout(binding = 0) readonly buffer x_buffer { ivec4 x[]; };
layout(binding = 1) writeonly buffer y_buffer { ivec4 y[]; };

int clamp_word(int p) { return pack_int8(min(max(unpack_int8(p), params.low), params.high)); }

void main()
{
    uint i = linear_index();
    if (i >= params.quads)
        return;
    ivec4 p = x[i];
    y[i] = ivec4(clamp_word(p.x), clamp_word(p.y), clamp_word(p.z), clamp_word(p.w));
}
