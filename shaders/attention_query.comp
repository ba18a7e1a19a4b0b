// Attention of a single query: a workgroup makes a head of the result. An invocation has 16 bytes
// of a row, and of every so many keys and values the same: PARTS neighbours have a row together.
// What they add up goes through shared memory, as the scores do, of which there are SCORES at most.
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

const uint LANES = gl_WorkGroupSize.x, EACH = TYPE == VKD_ELEMENT_F16 ? 8 : 4,
           ROWS = LANES / PARTS, // that are read at once
    PITCH = PARTS + 1,           // of the sums of a row's parts: neighbours in other banks
    CHUNK = VKD_ATTENTION_BATCH * ROWS;
shared float area[VKD_ATTENTION_BATCH * (LANES + ROWS)];
shared float scores[SCORES];
shared float lanes_value[LANES];

struct part {
    vec4 low, high;
};

part part_of(uvec4 bits)
{
    if (TYPE == VKD_ELEMENT_F32)
        return part(uintBitsToFloat(bits), vec4(0.0));
    return part(vec4(unpackHalf2x16(bits.x), unpackHalf2x16(bits.y)),
                vec4(unpackHalf2x16(bits.z), unpackHalf2x16(bits.w)));
}

float dot_of(part a, part b)
{
    float low = dot(a.low, b.low);
    return TYPE == VKD_ELEMENT_F32 ? low : low + dot(a.high, b.high);
}

float combined(float value, bool maximum)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    lanes_value[lane] = value;
    barrier();
    for (uint step = LANES / 2; step > 0; step /= 2) {
        if (lane < step) {
            float a = lanes_value[lane], b = lanes_value[lane + step];
            lanes_value[lane] = !maximum ? a + b : larger(a, b);
        }
        barrier();
    }
    return lanes_value[0];
}

// The score of key l, whose parts are added up.
float score(uint at, uint l, uint h)
{
    float sum = 0.0;
    for (uint i = 0; i < PARTS; i++)
        sum += area[at * PITCH + i];
    sum *= params.scale;
    if (HAS_MASK == 0)
        return sum;
    uint mask_at = mask_begin(h) + l * params.mask_l;
    if (HAS_MASK == 1)
        return sum + mask_load(mask_at);
    return mask_loadi(mask_at) == 0 ? uintBitsToFloat(0xff800000u) : sum;
}

// Makes the scores of so many keys, and returns the largest.
float score_all(uint h, uint count)
{
    uint lane = gl_LocalInvocationID.x, row = lane / PARTS, own = lane % PARTS,
         k_at = k_begin(h) / EACH + own, step = params.k_l / EACH;
    part q_part = part_of(q_quads[q_begin(h) / EACH + own]);
    float most = uintBitsToFloat(0xff800000u);
    for (uint first = 0; first < count; first += CHUNK) {
        uvec4 loaded[VKD_ATTENTION_BATCH]; // all on their way before the first is needed
        [[unroll]] for (uint i = 0; i < VKD_ATTENTION_BATCH; i++) loaded[i] =
            k_quads[k_at + min(first + i * ROWS + row, count - 1) * step];
        [[unroll]] for (uint i = 0; i < VKD_ATTENTION_BATCH; i++) if (row < ROWS)
            area[(i * ROWS + row) * PITCH + own] = dot_of(part_of(loaded[i]), q_part);
        barrier();
        for (uint at = lane; at < CHUNK && first + at < count; at += LANES) {
            float s = score(at, first + at, h);
            scores[first + at] = s;
            most = larger(most, s);
        }
        barrier();
    }
    return combined(most, true);
}

void main()
{
    uint h = unit_index(), lane = gl_LocalInvocationID.x;
    if (h >= params.heads)
        return;
    int position = params.symbol == ~0u ? params.start : symbols[params.symbol];
    uint count = min(keys_of(0, position), SCORES);
    float most = score_all(h, count), sum = 0.0;
    for (uint l = lane; l < count; l += LANES) {
        float weight = exponential(scores[l] - most);
        scores[l] = weight;
        sum += weight;
    }
    sum = combined(sum, false);

    uint row = lane / PARTS, v_at = v_begin(h) / EACH + lane % PARTS, step = params.v_l / EACH;
    part result = part(vec4(0.0), vec4(0.0));
    for (uint l = row; l < count && row < ROWS; l += ROWS) {
        part v = part_of(v_quads[v_at + l * step]);
        result.low += scores[l] * v.low;
        result.high += scores[l] * v.high;
    }
    [[unroll]] for (uint i = 0; i < 4; i++)
    {
        area[i * LANES + lane] = result.low[i];
        if (EACH > 4)
            area[(4 + i) * LANES + lane] = result.high[i];
    }
    barrier();
    // Element i of part p, by the rows: then four of them are stored together.
    bool none = count == 0 || (SAFE && floatBitsToUint(most) == 0xff800000u);
    if (lane < params.width) {
        uint p = lane % PARTS, i = lane / PARTS;
        float all = 0.0;
        for (uint r = 0; r < ROWS; r++)
            all += area[i * LANES + r * PARTS + p];
        lanes_value[p * EACH + i] = none ? 0.0 : all / sum;
    }
    barrier();
    if (lane < params.width / 4)
        y_store4(y_begin(h) / 4 + lane, vec4(lanes_value[4 * lane], lanes_value[4 * lane + 1],
                                             lanes_value[4 * lane + 2], lanes_value[4 * lane + 3]));
}
