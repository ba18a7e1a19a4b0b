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

const uint STEP = BITS == 8 ? 4 : 8, SETS = PAIR ? 2 : 1;
shared vec4 partial[gl_WorkGroupSize.x * gl_WorkGroupSize.y];

ivec4 weights_at(uvec4 words, uint i)
{
    return BITS == 8 ? ivec4(words << (24 - 8 * i)) >> 24 : ivec4(words >> (4 * i) & 15u) - 8;
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
vec4 stored(vec4 v)
{
    return vec4(unpackHalf2x16(half_bits(v.x) | half_bits(v.y) << 16),
                unpackHalf2x16(half_bits(v.z) | half_bits(v.w) << 16));
}

// Four of k by the factor of their row.
vec4 normed(vec4 x, uint k, float factor)
{
    precise vec4 v = x * factor;
    v = v * channels[params.bias_at / 4 + SETS * ((params.n + 3) / 4) + k / 4];
    return X_TYPE == VKD_ELEMENT_F16 ? stored(v) : v;
}

// Four of them, from a k that is a multiple of four.
vec4 x_at4(uint row, uint k, vec2 pair)
{
    if (X_GROUPS == 0)
        return vec4(x_at(row, k, pair), x_at(row, k + 1, pair), x_at(row, k + 2, pair),
                    x_at(row, k + 3, pair));
    if (k >= params.k)
        return vec4(0.0);
    uint group = (row * params.k + k) / 4;
    if (NORM)
        return normed(x_load4(group), k, pair.x);
    if (MODE == VKD_QLINEAR_FLOAT)
        return x_load4(group);
    if (MODE == VKD_QLINEAR_STATIC && X_TYPE == VKD_ELEMENT_I8)
        return vec4(x_load4i(group)) - params.x_zero;
    precise vec4 q = roundEven(x_load4(group) * pair.x) + pair.y;
    return clamp(q, -128.0, 127.0) - pair.y;
}

// Of what the lanes have, for each of them.
vec4 combined(vec4 own)
{
    uint lanes = gl_WorkGroupSize.x, lane = gl_LocalInvocationID.x,
         place = gl_LocalInvocationID.y * lanes + lane;
    if (lanes == 1)
        return own;
    barrier();
    partial[place] = own;
    barrier();
    for (uint span = lanes / 2; span > 0; span /= 2) {
        if (lane < span)
            partial[place] += partial[place + span];
        barrier();
    }
    return partial[place - lane];
}

// 1 / the root mean square of a row.
float inverse_root(uint row)
{
    vec4 sum = vec4(0.0);
    for (uint k = 4 * gl_LocalInvocationID.x; k < params.k; k += 4 * gl_WorkGroupSize.x) {
        vec4 v = x_load4((row * params.k + k) / 4);
        sum += v * v;
    }
    sum = combined(sum);
    return 1.0 / sqrt((sum.x + sum.y + sum.z + sum.w) / float(params.k) + params.eps);
}

void finish(uint m, uint block, vec4 sum, vec4 other)
{
    uint row = m * params.n;
    precise vec4 result = sum + channels[params.bias_at / 4 + block];
    vec4 residual = result;
    if (PAIR) {
        residual = other + channels[params.bias_at / 4 + (params.n + 3) / 4 + block];
        if (Y_TYPE == VKD_ELEMENT_F16)
            residual = stored(residual);
    } else if (RESIDUAL_TYPE != 0)
        for (uint j = 0; j < 4; j++)
            residual[j] = residual_load(row + min(4 * block + j, params.n - 1));
    y_store_row(row, 4 * block, params.n, epilogue(result, residual));
}

void main()
{
    uint blocks = (params.n + 3) / 4, lanes = gl_WorkGroupSize.x, lane = gl_LocalInvocationID.x;
    uint unit = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * gl_WorkGroupSize.y +
                gl_LocalInvocationID.y;
    uint block = unit % blocks, m = unit / blocks * ROWS;
    uint groups = params.bias_at / 4 / (SETS * blocks);
    bool within = m < params.m;
    vec4 sum[SETS * ROWS]; // first those of the first product
    ivec4 whole[ROWS];
    vec2 pair[ROWS]; // 1 / scale, zero point; the norm's factor
    float x_scale[ROWS];
    [[unroll]] for (uint r = 0; r < SETS * ROWS; r++) sum[r] = vec4(0.0);
    [[unroll]] for (uint r = 0; r < ROWS; r++)
    {
        whole[r] = ivec4(0);
        pair[r] = vec2(params.x_inverse_scale, params.x_zero);
        x_scale[r] = MODE == VKD_QLINEAR_STATIC ? params.x_scale : 1.0;
        if (MODE == VKD_QLINEAR_DYNAMIC) {
            vec2 own = pairs[min(m + r, params.m - 1)];
            pair[r] = vec2(1.0 / own.x, own.y);
            x_scale[r] = own.x;
        }
    }
    uvec4 words[SETS];
    if (NORM) {
        [[unroll]] for (uint s = 0; s < SETS; s++) words[s] = // on their way
            weights[(s * blocks + block) * params.steps + min(lane, params.steps - 1)];
        [[unroll]] for (uint r = 0; r < ROWS; r++) pair[r].x =
            inverse_root(min(m + r, params.m - 1));
    }
    for (uint step = lane; step < params.steps && within; step += lanes) {
        if (!NORM || step > lane) [[unroll]]
            for (uint s = 0; s < SETS; s++)
                words[s] = weights[(s * blocks + block) * params.steps + step];
        vec4 part[SETS * ROWS];
        [[unroll]] for (uint r = 0; r < SETS * ROWS; r++) part[r] = vec4(0.0);
        [[unroll]] for (uint i = 0; i < STEP; i += 4)
        {
            ivec4 w[SETS * 4];
            [[unroll]] for (uint j = 0; j < SETS * 4; j++) w[j] =
                weights_at(words[j / 4], i + j % 4);
            [[unroll]] for (uint r = 0; r < ROWS; r++)
            {
                vec4 v = x_at4(min(m + r, params.m - 1), step * STEP + i, pair[r]);
                [[unroll]] for (uint j = 0; j < SETS * 4; j++) if (WHOLE_SUM == 1) whole[r] +=
                    int(v[j]) * w[j];
                else part[j / 4 * ROWS + r] += v[j % 4] * vec4(w[j]);
            }
        }
        if (WHOLE_SUM == 0) [[unroll]]
            for (uint s = 0; s < SETS; s++) {
                vec4 scale = channels[(s * blocks + block) * groups + step / params.group_steps];
                [[unroll]] for (uint r = 0; r < ROWS; r++) sum[s * ROWS + r] +=
                    part[s * ROWS + r] * scale;
            }
    }
    [[unroll]] for (uint r = 0; r < ROWS; r++)
    {
        vec4 own = combined(WHOLE_SUM == 1 ? vec4(whole[r]) * channels[block] : sum[r]),
             other = PAIR ? combined(sum[(SETS - 1) * ROWS + r]) : own;
        if (lane == 0 && m + r < params.m)
            finish(m + r, block, own * x_scale[r], other);
    }
}
