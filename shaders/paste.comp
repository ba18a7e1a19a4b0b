// Writes x, seen through a view, into a part of every row of y; the rest of y stays. An invocation
// writes what falls into one group of four slots of y. Words that other rows or parts share with it
// are changed bit by bit, which is the same in any order.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "paste_params.h"

layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint RANK = 1;
const uint WHOLE = 0;

layout(push_constant) uniform params_block { paste_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, TYPE)
layout(binding = 1) readonly buffer symbols_buffer { int symbols[]; };
layout(binding = 2) buffer y_buffer { uint y[]; };
VIEW(x_slots, params.x_strides, params.x_offset)

const uint PER_WORD = TYPE == VKD_ELEMENT_F32 || TYPE == VKD_ELEMENT_I32 ? 1
                      : TYPE == VKD_ELEMENT_F16                          ? 2
                                                                         : 4;
const uint BITS = 32 / PER_WORD;

void main()
{
    uint index = linear_index(), row = index / params.chunks;
    if (row >= params.rows)
        return;
    uint moved =
        params.symbol == ~0u ? 0 : uint(clamp(symbols[params.symbol], 0, int(params.symbol_most)));
    uint low = row * params.y_row + params.y_at + moved * params.symbol_stride,
         high = low + params.x_row;
    uint group = low / 4 + index % params.chunks;
    for (uint w = 0; w < 4 / PER_WORD; w++) {
        uint first = 4 * group + w * PER_WORD, value = 0, mask = 0;
        for (uint k = 0; k < PER_WORD; k++) {
            uint slot = first + k, unused;
            if (slot < low || slot >= high)
                continue;
            value |= x_bits(x_slots_at(row * params.x_row + slot - low, unused)) << (BITS * k);
            mask |= (BITS == 32 ? ~0u : (1u << BITS) - 1u) << (BITS * k);
        }
        uint word = first / PER_WORD;
        if (mask == ~0u)
            y[word] = value;
        else if (mask != 0) {
            atomicAnd(y[word], ~mask);
            atomicOr(y[word], value);
        }
    }
}
