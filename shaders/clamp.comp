// y = min(max(x, low), high), float tensors of the same shape and layout: four elements an invocation. NaN stays NaN.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "clamp_params.h"
#include "dispatch.glsl"

layout(push_constant) uniform params_block { clamp_params params; };
layout(binding = 0) readonly buffer x_buffer { vec4 x[]; };
layout(binding = 1) writeonly buffer y_buffer { vec4 y[]; };

void main()
{
    uint i = linear_index();
    if (i >= params.groups)
        return;
    vec4 v = x[i];
    vec4 clamped = min(max(v, params.low), params.high);
    y[i] = mix(clamped, v, isnan(v));
}
