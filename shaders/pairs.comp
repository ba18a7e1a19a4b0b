// Scale and zero point of each row as one pair.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "pairs_params.h"

layout(constant_id = 3) const uint SCALE_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint ZERO_TYPE = VKD_ELEMENT_I32;

layout(push_constant) uniform params_block { pairs_params params; };
ELEMENTS_IN(0, scale, SCALE_TYPE)
ELEMENTS_IN(1, zero, ZERO_TYPE)
layout(binding = 2) writeonly buffer pairs_buffer { vec2 pairs[]; };

void main()
{
    uint row = linear_index();
    if (row < params.rows)
        pairs[row] = vec2(scale_load(row), zero_load(row));
}
