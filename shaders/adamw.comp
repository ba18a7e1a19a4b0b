// A step of AdamW with decoupled weight decay, in place: four elements an invocation.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "training_params.h"

layout(push_constant) uniform params_block { adamw_params params; };
layout(binding = 0) readonly buffer gradient_buffer { vec4 gradient[]; };
layout(binding = 1) buffer weight_buffer { vec4 weight[]; };
layout(binding = 2) buffer first_buffer { vec4 first[]; };
layout(binding = 3) buffer second_buffer { vec4 second[]; };

void main()
{
    uint i = linear_index();
    if (i >= params.groups)
        return;
    vec4 g = gradient[i];
    vec4 m = params.beta1 * first[i] + (1.0 - params.beta1) * g,
         v = params.beta2 * second[i] + (1.0 - params.beta2) * g * g;
    vec4 w = weight[i] * (1.0 - params.rate * params.decay);
    first[i] = m;
    second[i] = v;
    weight[i] =
        w - params.rate * (m / params.correction1) / (sqrt(v / params.correction2) + params.eps);
}
