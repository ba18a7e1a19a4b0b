// The weights of attention: a workgroup makes those of one query of one head.
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
layout(constant_id = 9) const uint SEES = 0;
#include "attention.glsl"

layout(constant_id = 3) const uint Q_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint K_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint MASK_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 6) const uint HAS_MASK = 0;  // 1: added; 2: false hides a key
layout(constant_id = 7) const bool SAFE = false;  // a query that sees no key gets zeros
layout(constant_id = 8) const bool FOURS = false; // rows of q and k are whole groups of four

ELEMENTS_IN(0, q, Q_TYPE)
ELEMENTS_IN(1, k, K_TYPE)
ELEMENTS_IN(2, mask, MASK_TYPE)
layout(binding = 3) readonly buffer symbols_buffer { int symbols[]; };
layout(binding = 4) buffer p_buffer { float p[]; };
shared float lanes_value[gl_WorkGroupSize.x];

float combined(float value, bool maximum)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    lanes_value[lane] = value;
    barrier();
    for (uint step = gl_WorkGroupSize.x / 2; step > 0; step /= 2) {
        if (lane < step) {
            float a = lanes_value[lane], b = lanes_value[lane + step];
            lanes_value[lane] = !maximum ? a + b : larger(a, b);
        }
        barrier();
    }
    return lanes_value[0];
}

float score(uint q_at, uint k_at)
{
    precise float sum = 0.0;
    if (FOURS)
        for (uint d = 0; d < params.width; d += 4) {
            vec4 a = q_load4((q_at + d) / 4), b = k_load4((k_at + d) / 4);
            sum = sum + a.x * b.x;
            sum = sum + a.y * b.y;
            sum = sum + a.z * b.z;
            sum = sum + a.w * b.w;
        }
    else
        for (uint d = 0; d < params.width; d++)
            sum = sum + q_load(q_at + d) * k_load(k_at + d);
    return sum * params.scale;
}

void main()
{
    uint unit = unit_index(), s = unit % params.queries, h = unit / params.queries;
    if (h >= params.heads)
        return;
    uint lane = gl_LocalInvocationID.x, lanes = gl_WorkGroupSize.x, row = unit * row_size();
    uint count = keys_of(s, params.symbol == ~0u ? params.start : symbols[params.symbol]);
    uint q_at = q_begin(h) + (params.first + s) * params.q_s, k_at = k_begin(h);
    uint mask_at = mask_begin(h) + (params.first + s) * params.mask_s;
    float most = uintBitsToFloat(0xff800000u);
    for (uint l = lane; l < count; l += lanes) {
        float v = score(q_at, k_at + l * params.k_l);
        if (HAS_MASK == 1)
            v += mask_load(mask_at + l * params.mask_l);
        if (HAS_MASK == 2 && mask_loadi(mask_at + l * params.mask_l) == 0)
            v = uintBitsToFloat(0xff800000u);
        p[row + l] = v;
        most = larger(most, v);
    }
    most = combined(most, true);
    float sum = 0.0;
    for (uint l = lane; l < count; l += lanes) {
        float v = exponential(p[row + l] - most);
        p[row + l] = v;
        sum += v;
    }
    sum = combined(sum, false);
    bool sees_none = SAFE && floatBitsToUint(most) == 0xff800000u;
    for (uint l = lane; l < count; l += lanes)
        p[row + l] = sees_none ? 0.0 : p[row + l] / sum;
}
