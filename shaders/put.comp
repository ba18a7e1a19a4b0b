// y = x but for the places that entries of a source go to. An invocation makes a group of four elements of y, and looks for the
// entries of each: several that go to one place do so in their order, and one that goes to no place is dropped.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "put_params.h"

layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint INDEX_TYPE = VKD_ELEMENT_I32;
layout(constant_id = 5) const uint RANK = 1;
layout(constant_id = 6) const uint WHOLE = 0;
layout(constant_id = 7) const uint MODE = 0;

layout(push_constant) uniform params_block { put_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, TYPE)
ELEMENTS_IN(1, source, TYPE)
ELEMENTS_IN(2, indices, INDEX_TYPE)
ELEMENTS_OUT(3, y, TYPE)
VIEW_OF(places, params.place_strides, 0, VKD_PUT_DIMS)
VIEW_OF(source_slots, params.source_strides, 0, VKD_PUT_DIMS)
VIEW_OF(index_slots, params.index_strides, params.index_offset, VKD_PUT_DIMS)

bool is_at(int place, uint entry, uint index_slot)
{
    int index = indices_loadi(index_slot + entry * params.index_step);
    return (index < 0 ? index + params.size : index) == place;
}

// The bits of a sum of two elements.
uint sum_of(uint bits, uint slot)
{
    if (TYPE == VKD_ELEMENT_F32)
        return floatBitsToUint(uintBitsToFloat(bits) + source_load(slot));
    if (TYPE == VKD_ELEMENT_F16)
        return half_bits(unpackHalf2x16(bits).x + source_load(slot));
    return bits + source_bits(slot);
}

uint element(uint bits, int place, uint source_slot, uint index_slot)
{
    if (MODE == VKD_PUT_SLICE) {
        int at = place - params.start;
        bool covered = at >= 0 && at % params.step == 0 && uint(at / params.step) < params.count;
        return covered ? source_bits(source_slot + uint(at / params.step) * params.source_step) : bits;
    }
    for (uint i = 0; i < params.count; i++)
        if (is_at(place, i, index_slot)) {
            uint slot = source_slot + i * params.source_step;
            bits = MODE == VKD_PUT_ADD ? sum_of(bits, slot) : source_bits(slot);
        }
    return bits;
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uvec4 bits = x_bits4(group), p = places(group), s = source_slots(group), n = index_slots(group);
    for (uint i = 0; i < 4; i++)
        bits[i] = element(bits[i], int(p[i]), s[i], n[i]);
    y_store4_bits(group, bits);
}
