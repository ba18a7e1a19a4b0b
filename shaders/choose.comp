// Quantisation parameters of runs: an invocation makes those of four of them.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
#include "choose_params.h"
#include "dispatch.glsl"
#include "element.glsl"

layout(constant_id = 3) const uint SCALE_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint ZERO_TYPE = VKD_ELEMENT_I32;
layout(constant_id = 5) const uint RULE = VKD_CHOOSE_ASYMMETRIC;

layout(push_constant) uniform params_block { choose_params params; };
layout(binding = 0) readonly buffer extremes_buffer { vec2 extremes[]; };
ELEMENTS_OUT(1, scale, SCALE_TYPE)
ELEMENTS_OUT(2, zero, ZERO_TYPE)

vec2 chosen(uint row)
{
    vec2 extreme = extremes[min(row, params.rows - 1)];
    float least = min(extreme.x, 0.0), most = max(extreme.y, 0.0);
    if (RULE == VKD_CHOOSE_SYMMETRIC || RULE == VKD_CHOOSE_UNCLIPPED) {
        precise float half_range = (params.high - params.low) / 2.0,
                      own = RULE == VKD_CHOOSE_SYMMETRIC
                                ? max(-least, most) / half_range
                                : max(least / params.low, most / params.high);
        return vec2(max(own, params.eps), floor((params.high + params.low + 1.0) / 2.0));
    }
    precise float own = (most - least) / (params.high - params.low), s = max(own, params.eps);
    precise float bottom = least / s, top = most / s, z;
    if (RULE == VKD_CHOOSE_TOKEN) {
        z = params.low + bottom + (params.high + top) > 0.0 ? params.low - bottom
                                                            : params.high - top;
        return vec2(s, roundEven(clamp(z, params.low, params.high)));
    }
    z = params.low - roundEven(bottom);
    return vec2(s, clamp(z, params.low, params.high));
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    vec2 a = chosen(4 * group), b = chosen(4 * group + 1), c = chosen(4 * group + 2),
         d = chosen(4 * group + 3);
    scale_store4(group, vec4(a.x, b.x, c.x, d.x));
    zero_store4i(group, ivec4(int(a.y), int(b.y), int(c.y), int(d.y)));
}
