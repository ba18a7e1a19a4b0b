// Linear layers with integer weights: the x invocations of a workgroup share k, each of its rows
// along y makes up to four rows of four columns of y.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
#include "element.glsl"
#include "qlinear_params.h"

layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint BITS = 8;
layout(constant_id = 6) const uint MODE = VKD_QLINEAR_FLOAT;
layout(constant_id = 7) const uint ROWS = 1;
layout(constant_id = 8) const uint Y_GROUPS = 0;
layout(constant_id = 9) const uint WHOLE_SUM =
    0; // 1: one scale for all of k, so that integers are added up first
layout(constant_id = 10) const uint X_GROUPS = 0; // 1: rows of x are whole groups of four

layout(push_constant) uniform params_block { qlinear_params params; };
ELEMENTS_IN(0, x, X_TYPE)
layout(binding = 1) readonly buffer weights_buffer { uvec4 weights[]; };
layout(binding = 2) readonly buffer channels_buffer { vec4 channels[]; };
ELEMENTS_OUT(3, y, Y_TYPE)
layout(binding = 4) readonly buffer pairs_buffer { vec2 pairs[]; }; // or the residual
#include "floats.glsl"
#include "row.glsl"
layout(constant_id = 17) const bool NORM = false; // of x, which has rows of whole groups
layout(constant_id = 18) const bool PAIR = false; // two products of x: the second is the residual
#define EPILOGUE_ID 11
#define EPILOGUE_NUMBERS params.numbers
#include "float_epilogue.glsl"

const uint STEP = BITS == 8 ? 4 : 8, SETS = PAIR ? 2 : 1,
           HALF_STEP = STEP / 2, // of k, in half a word
    SIZE = gl_WorkGroupSize.x * gl_WorkGroupSize.y;
shared vec4 partial[SETS * SIZE];

// What a step needs beside x: read while the one before it, or the norm, is computed.
uvec4 words[SETS];
vec4 scales[SETS], gains[2]; // gains: weights of the norm

uint blocks() { return (params.n + 3) / 4; }

void fetch(uint block, uint step)
{
    uint groups = params.bias_at / 4 / (SETS * blocks());
    [[unroll]] for (uint s = 0; s < SETS; s++)
    {
        words[s] = weights[(s * blocks() + block) * params.steps + step];
        scales[s] = channels[(s * blocks() + block) * groups + step / params.group_steps];
    }
    if (NORM) [[unroll]]
        for (uint i = 0; i < STEP / 4; i++)
            gains[i] = channels[params.bias_at / 4 + SETS * blocks() +
                                min(step * STEP / 4 + i, params.k / 4 - 1)];
}

ivec4 weights_at(uvec4 words, uint i)
{
    return BITS == 8 ? ivec4(words << (24 - 8 * i)) >> 24 : ivec4(words >> (4 * i) & 15u) - 8;
}

// The same of half a word as floats, times 1 << BITS * i: where they are they become the low bits
// of a float of 2^23 and more.
vec4 scaled_weights_at(uvec4 half_words, uint i)
{
    const uint shift = BITS * i;
    precise vec4 large =
        uintBitsToFloat(half_words & uvec4(((1u << BITS) - 1) << shift) | uvec4(0x4b000000u));
    return large - vec4(uintBitsToFloat(0x4b000000u | 1u << (BITS - 1 + shift)));
}

// x[k] of a row, without its zero point where it is quantised; 0 behind the end.
float x_at(uint row, uint k, vec2 pair)
{
    if (k >= params.k)
        return 0.0;
    uint slot = row * params.k + k;
    if (MODE == VKD_QLINEAR_FLOAT)
        return x_load(slot);
    if (MODE == VKD_QLINEAR_STATIC && X_TYPE == VKD_ELEMENT_I8)
        return float(x_loadi(slot)) - params.x_zero;
    precise float q = roundEven(x_load(slot) * pair.x) + pair.y;
    return clamp(q, -128.0, 127.0) - pair.y;
}

// What halves keep of it.
vec4 stored(vec4 v) { return vec4(as_half(v.x), as_half(v.y), as_half(v.z), as_half(v.w)); }

// Four of k by the factor of their row.
vec4 normed(vec4 x, vec4 gain, float factor)
{
    precise vec4 v = x * factor;
    v = v * gain;
    return X_TYPE == VKD_ELEMENT_F16 ? stored(v) : v;
}

// Four of them, from a k that is a multiple of four.
vec4 x_at4(uint row, uint k, vec2 pair, vec4 gain)
{
    if (X_GROUPS == 0)
        return vec4(x_at(row, k, pair), x_at(row, k + 1, pair), x_at(row, k + 2, pair),
                    x_at(row, k + 3, pair));
    if (k >= params.k)
        return vec4(0.0);
    uint group = (row * params.k + k) / 4;
    if (NORM)
        return normed(x_load4(group), gain, pair.x);
    if (MODE == VKD_QLINEAR_FLOAT)
        return x_load4(group);
    if (MODE == VKD_QLINEAR_STATIC && X_TYPE == VKD_ELEMENT_I8)
        return vec4(x_load4i(group)) - params.x_zero;
    precise vec4 q = roundEven(x_load4(group) * pair.x) + pair.y;
    return clamp(q, -128.0, 127.0) - pair.y;
}

// The sums of what the lanes have, for each of them: eight become one at a time.
void combine(inout vec4 own[SETS])
{
    uint lanes = gl_WorkGroupSize.x, lane = gl_LocalInvocationID.x,
         begin = gl_LocalInvocationID.y * lanes;
    if (lanes == 1)
        return;
    barrier();
    [[unroll]] for (uint s = 0; s < SETS; s++) partial[s * SIZE + begin + lane] = own[s];
    barrier();
    for (uint count = lanes, next; count > 1; count = next) {
        next = max(count / 8, 1);
        if (lane < next) [[unroll]]
            for (uint s = 0; s < SETS; s++) {
                vec4 sum = partial[s * SIZE + begin + lane];
                for (uint i = lane + next; i < count; i += next)
                    sum += partial[s * SIZE + begin + i];
                partial[s * SIZE + begin + lane] = sum;
            }
        barrier();
    }
    [[unroll]] for (uint s = 0; s < SETS; s++) own[s] = partial[s * SIZE + begin];
}

// 1 / the root mean square of a row.
float inverse_root(uint row)
{
    vec4 sums[SETS], sum = vec4(0.0);
    for (uint k = 4 * gl_LocalInvocationID.x; k < params.k; k += 4 * gl_WorkGroupSize.x) {
        vec4 v = x_load4((row * params.k + k) / 4);
        sum += v * v;
    }
    [[unroll]] for (uint s = 0; s < SETS; s++) sums[s] = sum;
    combine(sums);
    sum = sums[0];
    return 1.0 / sqrt((sum.x + sum.y + sum.z + sum.w) / float(params.k) + params.eps);
}

void finish(uint m, uint block, vec4 sum, vec4 other)
{
    uint row = m * params.n;
    precise vec4 result = sum + channels[params.bias_at / 4 + block];
    vec4 residual = result;
    if (PAIR) {
        residual = other + channels[params.bias_at / 4 + blocks() + block];
        if (Y_TYPE == VKD_ELEMENT_F16)
            residual = stored(residual);
    } else if (RESIDUAL_TYPE != 0)
        for (uint j = 0; j < 4; j++)
            residual[j] = residual_load(row + min(4 * block + j, params.n - 1));
    y_store_row(row, 4 * block, params.n, epilogue(result, residual));
}

// What a step adds for a row: the products of its x with each set of weights.
void add_products(uint row, uint step, vec2 pair, vec4 gain[2], uvec4 own[SETS],
                  inout vec4 part[SETS])
{
    float v[STEP];
    [[unroll]] for (uint i = 0; i < STEP; i += 4)
    {
        vec4 four = x_at4(row, step * STEP + i, pair, gain[i / 4]);
        [[unroll]] for (uint j = 0; j < 4; j++) v[i + j] = four[j];
    }
    [[unroll]] for (uint s = 0; s < SETS; s++)
    {
        uvec4 low = BITS == 8 ? own[s] ^ 0x80808080u : own[s], high = low >> 16;
        [[unroll]] for (uint i = 0; i < HALF_STEP; i++)
        {
            float unscaled = uintBitsToFloat((127 - BITS * i) << 23);
            part[s] += v[i] * unscaled * scaled_weights_at(low, i);
            part[s] += v[HALF_STEP + i] * unscaled * scaled_weights_at(high, i);
        }
    }
}

// The same of integers.
ivec4 whole_products(uint row, uint step, vec2 pair, uvec4 own)
{
    ivec4 sum = ivec4(0);
    [[unroll]] for (uint i = 0; i < STEP; i += 4)
    {
        vec4 v = x_at4(row, step * STEP + i, pair, vec4(0.0));
        [[unroll]] for (uint j = 0; j < 4; j++) sum += int(v[j]) * weights_at(own, i + j);
    }
    return sum;
}

void main()
{
    uint lanes = gl_WorkGroupSize.x, lane = gl_LocalInvocationID.x;
    uint unit = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * gl_WorkGroupSize.y +
                gl_LocalInvocationID.y;
    uint block = unit % blocks(), m = unit / blocks() * ROWS;
    bool within = m < params.m;
    vec4 sum[ROWS][SETS];
    ivec4 whole[ROWS];
    vec2 pair[ROWS]; // 1 / scale, zero point; the norm's factor
    float x_scale[ROWS];
    fetch(block, min(lane, params.steps - 1));
    [[unroll]] for (uint r = 0; r < ROWS; r++)
    {
        [[unroll]] for (uint s = 0; s < SETS; s++) sum[r][s] = vec4(0.0);
        whole[r] = ivec4(0);
        pair[r] = vec2(params.x_inverse_scale, params.x_zero);
        x_scale[r] = MODE == VKD_QLINEAR_STATIC ? params.x_scale : 1.0;
        if (MODE == VKD_QLINEAR_DYNAMIC) {
            vec2 own = pairs[min(m + r, params.m - 1)];
            pair[r] = vec2(1.0 / own.x, own.y);
            x_scale[r] = own.x;
        }
        if (NORM)
            pair[r].x = inverse_root(min(m + r, params.m - 1));
    }
    for (uint step = lane; step < params.steps && within; step += lanes) {
        uvec4 own[SETS];
        vec4 scale[SETS], gain[2] = gains;
        [[unroll]] for (uint s = 0; s < SETS; s++)
        {
            own[s] = words[s];
            scale[s] = scales[s];
        }
        if (step + lanes < params.steps)
            fetch(block, step + lanes);
        [[unroll]] for (uint r = 0; r < ROWS; r++)
        {
            uint row = min(m + r, params.m - 1);
            if (WHOLE_SUM == 1) {
                whole[r] += whole_products(row, step, pair[r], own[0]);
                continue;
            }
            vec4 part[SETS];
            [[unroll]] for (uint s = 0; s < SETS; s++) part[s] = vec4(0.0);
            add_products(row, step, pair[r], gain, own, part);
            [[unroll]] for (uint s = 0; s < SETS; s++) sum[r][s] += part[s] * scale[s];
        }
    }
    [[unroll]] for (uint r = 0; r < ROWS; r++)
    {
        if (WHOLE_SUM == 1)
            sum[r][0] = vec4(whole[r]) * channels[block];
        combine(sum[r]);
        if (lane == 0 && m + r < params.m)
            finish(m + r, block, sum[r][0] * x_scale[r], sum[r][SETS - 1]);
    }
}
