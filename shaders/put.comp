// y = x but for the places that entries of a source go to. An invocation makes a group of four
// elements of y, and looks for the entries of each in the order of their places: several that go to
// one place do so in their order, and one that goes to no place (-1) is dropped.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "put_params.h"

layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint RANK = 1;
layout(constant_id = 5) const uint WHOLE = 0;
layout(constant_id = 6) const uint MODE = 0;
layout(constant_id = 7) const uint ORDERED = 1; // 0: there is one entry

layout(push_constant) uniform params_block { put_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, TYPE)
ELEMENTS_IN(1, source, TYPE)
layout(binding = 2) readonly buffer places_buffer { int entry_places[]; };
layout(binding = 3) readonly buffer order_buffer { uint order[]; };
ELEMENTS_OUT(4, y, TYPE)
VIEW(places, params.place_strides, 0)
VIEW(source_slots, params.source_strides, 0)

uint entry_at(uint i) { return ORDERED == 1 ? order[params.first + i] : params.first + i; }

// How many entries go to places before this one, or to it as well.
uint count_before(int place, bool inclusive)
{
    uint low = 0, high = params.count;
    for (uint round = 0; round < 32 && low < high; round++) {
        uint half_way = (low + high) / 2;
        int theirs = entry_places[entry_at(half_way)];
        bool is_before = theirs < place || (inclusive && theirs == place);
        low = is_before ? half_way + 1 : low;
        high = is_before ? high : half_way;
    }
    return low;
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

uint element(uint bits, int place, uint source_slot)
{
    if (MODE == VKD_PUT_SLICE) {
        int at = place - params.start;
        bool covered = at >= 0 && at % params.step == 0 && uint(at / params.step) < params.count;
        return covered ? source_bits(source_slot + uint(at / params.step) * params.source_step)
                       : bits;
    }
    uint end = count_before(place, true);
    if (MODE == VKD_PUT_INDEX) {
        bool found = end > 0 && entry_places[entry_at(max(end, 1) - 1)] == place;
        return found ? source_bits(source_slot + entry_at(end - 1) * params.source_step) : bits;
    }
    for (uint i = count_before(place, false); i < end; i++)
        bits = sum_of(bits, source_slot + entry_at(i) * params.source_step);
    return bits;
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uvec4 bits = x_bits4(group), p = places(group), s = source_slots(group);
    for (uint i = 0; i < 4; i++)
        bits[i] = element(bits[i], int(p[i]), s[i]);
    y_store4_bits(group, bits);
}
