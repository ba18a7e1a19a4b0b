// Where an index tensor's numbers are in memory, added to where those of others are: what several
// indices choose together. Indices count from the end when negative; one out of range is taken for
// the nearest that is not.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "places_params.h"

layout(constant_id = 3) const uint INDEX_TYPE = VKD_ELEMENT_I32;
layout(constant_id = 4) const uint RANK = 1;
layout(constant_id = 5) const uint WHOLE = 0;
layout(constant_id = 6) const uint IS_FIRST = 1; // there are no others
layout(constant_id = 7) const uint DROPS = 0;    // 1: -1 where one of the indices is out of range

layout(push_constant) uniform params_block { places_params params; };
#include "view.glsl"

ELEMENTS_IN(0, indices, INDEX_TYPE)
layout(binding = 1) readonly buffer others_buffer { ivec4 others[]; };
layout(binding = 2) writeonly buffer y_buffer { ivec4 y[]; };
VIEW(index_slots, params.index_strides, params.index_offset)
VIEW(bases, params.base_strides, 0)

int place_of(uint slot, uint base, int other)
{
    int index = indices_loadi(slot), place = index < 0 ? index + params.size : index;
    if (DROPS == 1 && (place < 0 || place >= params.size || other < 0))
        return -1;
    return clamp(place, 0, params.size - 1) * params.stride + int(base) + other;
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uvec4 s = index_slots(group), b = bases(group);
    ivec4 o = IS_FIRST == 1 ? ivec4(0) : others[group];
    y[group] = ivec4(place_of(s.x, b.x, o.x), place_of(s.y, b.y, o.y), place_of(s.z, b.z, o.z),
                     place_of(s.w, b.w, o.w));
}
