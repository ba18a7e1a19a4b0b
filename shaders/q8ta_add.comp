// y = quantize(dequantize(a) + alpha * dequantize(b)), int8 or uint8 tensors of the same shape and
// layout: 16 elements an invocation.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "int8.glsl"
#include "q8ta_add_params.h"

layout(push_constant) uniform params_block { q8ta_add_params params; };
layout(binding = 0) readonly buffer a_buffer { ivec4 a[]; };
layout(binding = 1) readonly buffer b_buffer { ivec4 b[]; };
layout(binding = 2) writeonly buffer y_buffer { ivec4 y[]; };

int add_word(int p, int q)
{
    // Every step rounds by itself, as in the unfused operators: nothing may become an fma.
    precise vec4 real_p = (vec4(unpack_int8(p)) - params.a_zero) * params.a_scale;
    precise vec4 real_q = (vec4(unpack_int8(q)) - params.b_zero) * params.b_scale;
    precise vec4 scaled = params.alpha * real_q;
    precise vec4 sum = real_p + scaled;
    precise vec4 result = sum * params.y_inverse_scale;
    float zero = float(params.y_zero);
    return pack_rounded(clamp(result, params.low - zero, params.high - zero), params.y_zero);
}

void main()
{
    uint i = linear_index();
    if (i >= params.quads)
        return;
    ivec4 sign = ivec4(int(params.sign)), p = a[i] ^ sign, q = b[i] ^ sign;
    y[i] = sign ^
           ivec4(add_word(p.x, q.x), add_word(p.y, q.y), add_word(p.z, q.z), add_word(p.w, q.w));
}
