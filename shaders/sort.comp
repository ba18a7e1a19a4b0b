// A pass of a merge sort along lines of x: runs whose elements are in order become runs twice as
// long. An order has the numbers of a line's elements. An invocation moves one of them: its place
// is the one in its run, and that among the elements of the other run of the pair. Equal elements
// stay as they are; NaN is more than all else, and zeros are equal.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "sort_params.h"

layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint RANK = 1;
layout(constant_id = 5) const uint IS_FIRST = 1; // there is no order yet
layout(constant_id = 6) const uint FALLS = 0;    // 1: the largest is first
const uint WHOLE = 0;

layout(push_constant) uniform params_block { sort_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, TYPE)
layout(binding = 1) readonly buffer order_buffer { uint order[]; };
layout(binding = 2) writeonly buffer next_buffer { uint next_order[]; };
VIEW(x_slots, params.x_strides, params.x_offset)

// The same order among unsigned ints.
uint key_of(uint slot)
{
    uint key;
    if (is_float_type(TYPE)) {
        float v = x_load(slot);
        uint bits = v == 0.0 ? 0u : floatBitsToUint(v);
        key = is_nan(v) ? ~0u : (bits & 0x80000000u) != 0u ? ~bits : bits | 0x80000000u;
    } else
        key = uint(x_loadi(slot)) ^ 0x80000000u;
    return FALLS == 1 ? ~key : key;
}

uint number_at(uint at) { return IS_FIRST == 1 ? at % params.count : order[at]; }

void main()
{
    uint at = linear_index(), line = at / params.count, unused;
    if (line >= params.slots)
        return;
    uint first = x_slots_at(line, unused), start = line * params.count, i = at - start;
    uint pair = i / (2 * params.run) * (2 * params.run),
         middle = min(pair + params.run, params.count);
    bool is_left = i < middle;
    uint low = is_left ? middle : pair,
         high = is_left ? min(middle + params.run, params.count) : middle, other = low;
    uint number = number_at(at), key = key_of(first + number * params.x_step);
    for (uint round = 0; round < 32 && low < high; round++) {
        uint half_way = (low + high) / 2,
             theirs = key_of(first + number_at(start + half_way) * params.x_step);
        bool is_before = theirs < key || (theirs == key && !is_left);
        low = is_before ? half_way + 1 : low;
        high = is_before ? high : half_way;
    }
    next_order[start + i + low - other - (is_left ? 0 : middle - pair)] = number;
}
