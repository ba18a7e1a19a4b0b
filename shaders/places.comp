// Where an index tensor's numbers are in memory, added to where those of others are: what several indices choose together. Indices
// count from the end when negative; one out of range is taken for the nearest that is not.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "places_params.h"

layout(constant_id = 3) const uint INDEX_TYPE = VKD_ELEMENT_I32;
layout(constant_id = 4) const uint RANK = 1;
layout(constant_id = 5) const uint WHOLE = 0;
layout(constant_id = 6) const uint IS_FIRST = 1; // there are no others

layout(push_constant) uniform params_block { places_params params; };
#include "view.glsl"

ELEMENTS_IN(0, indices, INDEX_TYPE)
layout(binding = 1) readonly buffer others_buffer { ivec4 others[]; };
layout(binding = 2) writeonly buffer y_buffer { ivec4 y[]; };
VIEW(index_slots, params.index_strides, params.index_offset)

int place_of(uint slot)
{
    int index = indices_loadi(slot);
    return clamp(index < 0 ? index + params.size : index, 0, params.size - 1) * params.stride;
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uvec4 s = index_slots(group);
    ivec4 places = ivec4(place_of(s.x), place_of(s.y), place_of(s.z), place_of(s.w));
    if (IS_FIRST == 0)
        places += others[group];
    y[group] = places;
}
