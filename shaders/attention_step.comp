// Attention of one more token of a text: of its query and key as they are, which are normalised and
// turned here, and its value. A workgroup makes a head of the result, as attention_query.comp does;
// the first of those that share keys puts the new key and value into the caches, and none reads
// them there.
// base: attention_query
// glslc -O0: loads that are inlined wherever they are called take twice the space
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
#include "attention_step_params.h"
#include "floats.glsl"
#include "rotary_params.h"

layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint TABLE_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint FORM = VKD_ROTARY_PAIRS;
layout(constant_id = 6) const uint NORMS = 0; // 1: of q; 2: of k
layout(constant_id = 7) const uint PARTS = 1;
layout(constant_id = 8) const uint SCORES = 1;

layout(push_constant) uniform params_block { attention_step_params params; };
FLOATS_IN(0, q, TYPE)
layout(binding = 1) buffer k_buffer { uvec4 k_quads[]; };
layout(binding = 2) buffer v_buffer { uvec4 v_quads[]; };
FLOATS_IN(3, new_k, TYPE)
layout(binding = 4) readonly buffer symbols_buffer { int symbols[]; };
FLOATS_OUT(5, y, TYPE)
FLOATS_IN(6, new_v, TYPE)
FLOATS_IN(7, cosine, TABLE_TYPE)
FLOATS_IN(8, sine, TABLE_TYPE)
layout(binding = 9) readonly buffer weights_buffer { float weights[]; }; // of q, then of k
#include "attention_query.glsl"
#include "rotary.glsl"

float masked(float score, uint l) { return score; }

int number_of(uint symbol, int otherwise) { return symbol == ~0u ? otherwise : symbols[symbol]; }

// Where floats of the query and of the key are in `area`: as they are, then as they become.
uint raw_at(uint which) { return which * params.width; }
uint turned_at(uint which) { return (2 + which) * params.width; }

// A part for each invocation, which keeps it where it is of the key or the query.
void keep_raw(uint which, uint own, part p)
{
    [[unroll]] for (uint i = 0; i < 4; i++)
    {
        area[raw_at(which) + own * EACH + i] = p.low[i];
        if (EACH > 4)
            area[raw_at(which) + own * EACH + 4 + i] = p.high[i];
    }
}

// Sums of the squares of every sixteenth element of both: invocation i has those of i of 16.
void keep_squares()
{
    uint lane = gl_LocalInvocationID.x, which = lane / VKD_ROTARY_STEP;
    if (NORMS == 0 || which > 1)
        return;
    precise float sum = 0.0;
    for (uint d = lane % VKD_ROTARY_STEP; d < params.width; d += VKD_ROTARY_STEP)
        sum += area[raw_at(which) + d] * area[raw_at(which) + d];
    lanes_value[lane] = sum;
}

float factor_of(uint which)
{
    if ((NORMS >> which & 1u) == 0)
        return 1.0;
    vec4 sums[4];
    [[unroll]] for (uint i = 0; i < VKD_ROTARY_STEP; i++) sums[i / 4][i % 4] =
        lanes_value[which * VKD_ROTARY_STEP + i];
    return inverse_root_of(sums, params.width, which == 0 ? params.q_eps : params.k_eps);
}

float normed(uint which, uint d, float factor)
{
    float x = area[raw_at(which) + d];
    return (NORMS >> which & 1u) == 0 ? x : x * factor * weights[which * params.width + d];
}

// As it is stored.
float stored(float value)
{
    return TYPE == VKD_ELEMENT_F32 ? value : unpackHalf2x16(half_bits(value)).x;
}

void keep_turned()
{
    int start = number_of(params.turn_symbol, params.turn_start);
    uint row = uint(clamp(start, 0, int(params.table_rows) - 1)) * params.table;
    float factors[2] = float[2](factor_of(0), factor_of(1));
    for (uint i = gl_LocalInvocationID.x; i < 2 * params.width; i += LANES) {
        uint which = i < params.width ? 0 : 1, d = i - which * params.width;
        float factor = which == 0 ? factors[0] : factors[1], value = normed(which, d, factor);
        if (d < params.rotated) {
            turn t = turn_of(d, params.rotated);
            value = turned_by(t, value, normed(which, t.other, factor), cosine_load(row + t.angle),
                              sine_load(row + t.angle));
        }
        area[turned_at(which) + d] = stored(value);
    }
}

part turned_part(uint which, uint own)
{
    part p = part(vec4(0.0), vec4(0.0));
    [[unroll]] for (uint i = 0; i < 4; i++)
    {
        p.low[i] = area[turned_at(which) + own * EACH + i];
        if (EACH > 4)
            p.high[i] = area[turned_at(which) + own * EACH + 4 + i];
    }
    return p;
}

uvec4 bits_of(part p)
{
    if (TYPE == VKD_ELEMENT_F32)
        return floatBitsToUint(p.low);
    return uvec4(half_bits(p.low.x) | half_bits(p.low.y) << 16,
                 half_bits(p.low.z) | half_bits(p.low.w) << 16,
                 half_bits(p.high.x) | half_bits(p.high.y) << 16,
                 half_bits(p.high.z) | half_bits(p.high.w) << 16);
}

void main()
{
    uint h = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x,
         lane = gl_LocalInvocationID.x, own = lane % PARTS;
    if (h >= params.heads)
        return;
    head_rows r;
    uint key = h / params.group * PARTS + own;
    // the host has checked the position, but no access is left to that
    r.held = uint(clamp(number_of(params.symbol, params.start), 0, int(params.keys) - 1));
    r.count = r.held + 1;
    r.k_at = r.v_at = key;
    r.k_step = r.v_step = params.heads / params.group * PARTS;
    uvec4 q_bits = q_quads[h * PARTS + own], k_bits = new_k_quads[key], v_bits = new_v_quads[key],
          keys[VKD_ATTENTION_BATCH], values[VKD_ATTENTION_BATCH];
    load_keys(0, r, keys);
    load_values(0, r, values);
    if (lane < PARTS) {
        keep_raw(0, own, part_of(q_bits));
        keep_raw(1, own, part_of(k_bits));
    }
    barrier();
    keep_squares();
    barrier();
    keep_turned();
    barrier();
    part q = turned_part(0, own);
    r.fresh_k = turned_part(1, own);
    r.fresh_v = part_of(v_bits);
    if (lane < PARTS && h % params.group == 0) {
        k_quads[r.k_at + r.held * r.k_step] = bits_of(r.fresh_k);
        v_quads[r.v_at + r.held * r.v_step] = v_bits;
    }
    barrier(); // what was turned is read
    attend(r, q, keys, values, false, h * params.width / 4);
}
