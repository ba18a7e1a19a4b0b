// Attention of a single query: attention_query.glsl, with a mask or without.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 9) const uint SEES = 0;
#include "attention.glsl"
#include "floats.glsl"

layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint MASK_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint HAS_MASK = 0; // 1: added; 2: false hides a key
layout(constant_id = 6) const bool SAFE = false; // a query that sees no key gets zeros
layout(constant_id = 7) const uint PARTS = 1;
layout(constant_id = 8) const uint SCORES = 1;

FLOATS_IN(0, q, TYPE)
FLOATS_IN(1, k, TYPE)
FLOATS_IN(2, v, TYPE)
ELEMENTS_IN(3, mask, MASK_TYPE)
layout(binding = 4) readonly buffer symbols_buffer { int symbols[]; };
FLOATS_OUT(5, y, TYPE)
#include "attention_query.glsl"

float masked(float score, uint l)
{
    if (HAS_MASK == 0)
        return score;
    uint at = mask_begin(unit_index()) + l * params.mask_l;
    if (HAS_MASK == 1)
        return score + mask_load(at);
    return mask_loadi(at) == 0 ? LEAST : score;
}

void main()
{
    uint h = unit_index(), own = gl_LocalInvocationID.x % PARTS;
    if (h >= params.heads)
        return;
    int position = params.symbol == ~0u ? params.start : symbols[params.symbol];
    head_rows r;
    r.count = r.held = min(keys_of(0, position), SCORES);
    r.k_at = k_begin(h) / EACH + own;
    r.k_step = params.k_l / EACH;
    r.v_at = v_begin(h) / EACH + own;
    r.v_step = params.v_l / EACH;
    uvec4 keys[VKD_ATTENTION_BATCH], values[VKD_ATTENTION_BATCH];
    load_keys(0, r, keys);
    load_values(0, r, values);
    part q = part_of(q_quads[q_begin(h) / EACH + own]);
    attend(r, q, keys, values, SAFE, y_begin(h) / 4);
}
