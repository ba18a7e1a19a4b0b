// y = quantize(max(dequantize(x), 0)), int8 tensors of the same shape and layout: 16 elements an
// invocation.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "int8.glsl"
#include "q8ta_relu_params.h"

layout(push_constant) uniform params_block { q8ta_relu_params params; };
layout(binding = 0) readonly buffer x_buffer { ivec4 x[]; };
layout(binding = 1) writeonly buffer y_buffer { ivec4 y[]; };

int relu_word(int p)
{
    precise vec4 real = max((vec4(unpack_int8(p)) - params.x_zero) * params.x_scale, vec4(0));
    precise vec4 result = real * params.y_inverse_scale;
    return pack_rounded(result, params.y_zero);
}

void main()
{
    uint i = linear_index();
    if (i >= params.quads)
        return;
    ivec4 p = x[i];
    y[i] = ivec4(relu_word(p.x), relu_word(p.y), relu_word(p.z), relu_word(p.w));
}
