// Rotary position embedding in its three forms: an invocation makes a group of four elements, of x
// or of its norm: short rows are read again by each of theirs. To a cache: into a part of y.
// build: TO = - cache
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "rotary_params.h"

layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint TABLE_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint FORM = VKD_ROTARY_PAIRS;
layout(constant_id = 6) const bool NORM = false; // the position is no symbol then
layout(constant_id = 7) const uint WEIGHT_TYPE = VKD_ELEMENT_F32;

layout(push_constant) uniform params_block { rotary_params params; };
#include "rotary.glsl"
ELEMENTS_IN(0, x, X_TYPE)
ELEMENTS_IN(1, cosine, TABLE_TYPE)
ELEMENTS_IN(2, sine, TABLE_TYPE)
layout(binding = 3) readonly buffer symbols_buffer { int symbols[]; };
ELEMENTS_IN(3, weight, WEIGHT_TYPE)
ELEMENTS_OUT(4, y, X_TYPE)
#ifdef TO_CACHE
layout(binding = 5) readonly buffer places_buffer { int places[]; };
uint first_group() // a number that the host has checked, but no access is left to that
{
    int moved = params.place == ~0u ? 0 : clamp(places[params.place], 0, int(params.place_most));
    return (params.at + uint(moved) * params.place_stride) / 4;
}
#else
uint first_group() { return 0; }
#endif

// Of the row that begins at `first`.
float inverse_root(uint first)
{
    precise vec4 sums[4] = vec4[4](vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
    uint d = 0;
    for (; d + 4 * VKD_ROTARY_STEP <= params.width; d += 4 * VKD_ROTARY_STEP) {
        vec4 v[16]; // all on their way before the first is needed
        [[unroll]] for (uint i = 0; i < 16; i++) v[i] = x_load4((first + d) / 4 + i);
        [[unroll]] for (uint i = 0; i < 16; i++) sums[i % 4] += v[i] * v[i];
    }
    for (; d < params.width; d += VKD_ROTARY_STEP)
        [[unroll]] for (uint i = 0; i < 4; i++)
        {
            vec4 v = x_load4((first + d) / 4 + i);
            sums[i] += v * v;
        }
    return inverse_root_of(sums, params.width, params.eps);
}

// An element of the row that begins at `first`.
float normed(uint first, uint d, float factor)
{
    float x = x_load(first + d);
    return NORM ? x * factor * weight_load(d) : x;
}

float turned(uint slot, float factor)
{
    uint d = slot % params.width,
         position = slot / (params.width * params.heads) % params.positions;
    float own = normed(slot - d, d, factor);
    if (d >= params.rotated)
        return own;
    int start = NORM || params.symbol == ~0u ? params.start : symbols[params.symbol];
    uint row = uint(clamp(start + int(position), 0, int(params.table_rows) - 1)) * params.table;
    turn t = turn_of(d, params.rotated);
    float c, s;
    if (FORM == VKD_ROTARY_INTERLEAVED) {
        c = cosine_load(row + 2 * t.angle);
        s = cosine_load(row + 2 * t.angle + 1);
    } else {
        c = cosine_load(row + t.angle);
        s = sine_load(row + t.angle);
    }
    return turned_by(t, own, normed(slot - d, t.other, factor), c, s);
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uvec4 slot = min(4 * group + uvec4(0, 1, 2, 3), uvec4(params.slots - 1));
    float factor = NORM ? inverse_root(slot.x / params.width * params.width) : 1.0;
    y_store4(first_group() + group, vec4(turned(slot.x, factor), turned(slot.y, factor),
                                         turned(slot.z, factor), turned(slot.w, factor)));
}
