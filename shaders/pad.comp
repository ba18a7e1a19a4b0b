// y = x with a constant or with more of x around it, or with its borders cut off: an invocation
// makes a group of four elements.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "pad_params.h"

layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint RANK = 1;
layout(constant_id = 5) const uint MODE = VKD_PAD_VALUE;

layout(push_constant) uniform params_block { pad_params params; };
ELEMENTS_IN(0, x, TYPE)
ELEMENTS_OUT(1, y, TYPE)

// The place in x that one beside it stands for; no further away than the mode allows.
int inside(int place, int size)
{
    int last = size - 1;
    if (MODE == VKD_PAD_NEAREST)
        return clamp(place, 0, last);
    if (MODE == VKD_PAD_MIRROR)
        return place < 0 ? -place : place > last ? 2 * last - place : place;
    if (MODE == VKD_PAD_WRAP)
        return place < 0 ? place + size : place > last ? place - size : place;
    return place;
}

uint element(uint slot)
{
    uint rest = min(slot, params.slots - 1);
    int at = int(params.x_offset);
    bool within = true;
    for (uint i = 0; i < RANK; i++) {
        uint d = VKD_PAD_DIMS - 1 - i, next = rest / params.dims[d];
        int coordinate = inside(int(rest - next * params.dims[d]) - params.at[d], params.size[d]);
        within = within && coordinate >= 0 && coordinate < params.size[d];
        at += coordinate * params.strides[d];
        rest = next;
    }
    return within ? x_bits(uint(at)) : params.value;
}

void main()
{
    uint group = linear_index();
    if (group < params.groups)
        y_store4_bits(group, uvec4(element(4 * group), element(4 * group + 1),
                                   element(4 * group + 2), element(4 * group + 3)));
}
