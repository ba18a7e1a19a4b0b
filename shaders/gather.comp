// Elements of x at places that an index tensor names along one dim: y = x[.., index, ..], both seen
// through views of y's dims. Indices count from the end when negative; one out of range is taken
// for the nearest that is not.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "gather_params.h"

layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint INDEX_TYPE = VKD_ELEMENT_I32;
layout(constant_id = 5) const uint RANK = 1;
layout(constant_id = 6) const uint WHOLE = 0;

layout(push_constant) uniform params_block { gather_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, TYPE)
ELEMENTS_IN(1, indices, INDEX_TYPE)
ELEMENTS_OUT(2, y, TYPE)
VIEW(x_slots, params.x_strides, params.x_offset)
VIEW(index_slots, params.index_strides, params.index_offset)

uint chosen(uint x_slot, uint index_slot)
{
    int index = indices_loadi(index_slot);
    index = clamp(index < 0 ? index + params.size : index, 0, params.size - 1);
    return x_bits(x_slot + uint(index * params.x_stride));
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uvec4 s = x_slots(group), i = index_slots(group);
    y_store4_bits(group,
                  uvec4(chosen(s.x, i.x), chosen(s.y, i.y), chosen(s.z, i.z), chosen(s.w, i.w)));
}
