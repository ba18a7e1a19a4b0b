#version 450
// family: matrix
// glslc -O0: what reads a mask of any type, inlined for each of eight keys, takes twice the space
// Attention of halves on matrix units, as one kernel: a workgroup makes 16 queries of one head from
// the keys in blocks, 16 of them for each of its subgroups of 32. What was added up for the blocks
// before is scaled to the largest score so far, so that no score leaves the workgroup. Weights are
// two halves each, the second what the first leaves: as exact as floats. Keys and values go through
// shared memory; those of the next block are on their way while one is multiplied. Rows are whole
// loads of 16 bytes; their keys beyond those that any of the queries sees are zeros.
#extension GL_NV_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_GOOGLE_include_directive : require
layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in; // 32, SUBGROUPS
layout(constant_id = 7) const uint SEES = 0;
#include "attention.glsl"

layout(constant_id = 3) const uint MASK_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint HAS_MASK = 0; // 1: added; 2: false hides a key
layout(constant_id = 5) const bool SAFE = false; // a query that sees no key gets zeros
layout(constant_id = 6) const uint LOADS = 8;    // of a row of q, k, v or y, 8 elements each

#define SUBGROUPS VKD_ATTENTION_SUBGROUPS
#define THREADS (32u * SUBGROUPS)
#define QUERIES VKD_ATTENTION_QUERIES
#define KEYS (16u * SUBGROUPS)
#define LANES (THREADS / QUERIES) // invocations that share a query
#define SCORES (KEYS / 4u + 1u)   // of a row of scores, in 16 bytes; one keeps banks apart
#define WEIGHTS (KEYS / 8u + 1u)
const uint UNITS = (LOADS + 1) / 2; // of 16 elements
const uint STRIDE = 2 * UNITS + 1;  // of a row of q, k and v
const uint SUMS = 4 * UNITS + 1;

layout(binding = 0) readonly buffer q_buffer { uvec4 q[]; };
layout(binding = 1) readonly buffer k_buffer { uvec4 k[]; };
layout(binding = 2) readonly buffer v_buffer { uvec4 v[]; };
ELEMENTS_IN(3, mask, MASK_TYPE)
layout(binding = 4) readonly buffer symbols_buffer { int symbols[]; };
layout(binding = 5) writeonly buffer y_buffer { uvec4 y[]; };

shared uvec4 q_rows[QUERIES * STRIDE], rows[KEYS * STRIDE]; // of k, then of v
shared uvec4 scores[QUERIES * SCORES];                      // floats, as `sums`
shared uvec4 weights[2 * QUERIES * WEIGHTS];                // halves, then what these leave
shared uvec4 sums[QUERIES * SUMS];
shared float lanes_value[THREADS];

#define sums_t fcoopmatNV<32, gl_ScopeSubgroup, 16, 16>
#define factor_t fcoopmatNV<16, gl_ScopeSubgroup, 16, 16>

#define NONE uintBitsToFloat(0xff800000u)

// The usual barriers would also wait for the loads that are on their way.
void shared_barrier()
{
    controlBarrier(gl_ScopeWorkgroup, gl_ScopeWorkgroup, gl_StorageSemanticsShared,
                   gl_SemanticsAcquireRelease);
}

// What an invocation loads of a block's keys or values.
#define ROWS_OF(name)                                                                              \
    void load_##name(uint thread, uint base, uint stride, uint first, uint end,                    \
                     out uvec4 to[UNITS])                                                          \
    {                                                                                              \
        [[unroll]] for (uint i = 0; i < UNITS; i++)                                                \
        {                                                                                          \
            uint item = thread + i * THREADS, l = first + item / LOADS;                            \
            to[i] = uvec4(0);                                                                      \
            if (item < KEYS * LOADS && l < end)                                                    \
                to[i] = name[base + l * stride + item % LOADS];                                    \
        }                                                                                          \
    }
ROWS_OF(k)
ROWS_OF(v)

void stage(uint thread, uvec4 from[UNITS])
{
    [[unroll]] for (uint i = 0; i < UNITS; i++)
    {
        uint item = thread + i * THREADS;
        if (item < KEYS * LOADS)
            rows[item / LOADS * STRIDE + item % LOADS] = from[i];
    }
}

void clear(uint thread)
{
    for (uint i = thread; i < QUERIES * SUMS; i += THREADS)
        sums[i] = uvec4(0);
    if (LOADS % 2 == 0)
        return;
    for (uint i = thread; i < QUERIES; i += THREADS)
        q_rows[i * STRIDE + LOADS] = uvec4(0);
    for (uint i = thread; i < KEYS; i += THREADS)
        rows[i * STRIDE + LOADS] = uvec4(0);
}

void stage_queries(uint thread, uint h, uint first)
{
    for (uint item = thread; item < QUERIES * LOADS; item += THREADS) {
        uint s = min(first + item / LOADS, params.queries - 1);
        q_rows[item / LOADS * STRIDE + item % LOADS] =
            q[(q_begin(h) + s * params.q_s) / 8 + item % LOADS];
    }
}

// Of the 16 keys of a subgroup.
void multiply_keys(uint sub)
{
    sums_t product = sums_t(0);
    for (uint u = 0; u < UNITS; u++) {
        factor_t left, right;
        coopMatLoadNV(left, q_rows, 2 * u, STRIDE, false);
        coopMatLoadNV(right, rows, sub * 16 * STRIDE + 2 * u, STRIDE, true);
        product = coopMatMulAddNV(left, right, product);
    }
    coopMatStoreNV(product, scores, sub * 4, SCORES, false);
}

void multiply_values(uint sub)
{
    for (uint u = sub; u < UNITS; u += SUBGROUPS) {
        sums_t sum;
        coopMatLoadNV(sum, sums, 4 * u, SUMS, false);
        [[unroll]] for (uint part = 0; part < 2; part++)
            [[unroll]] for (uint l = 0; l < KEYS / 16; l++)
        {
            factor_t left, right;
            coopMatLoadNV(left, weights, part * QUERIES * WEIGHTS + 2 * l, WEIGHTS, false);
            coopMatLoadNV(right, rows, l * 16 * STRIDE + 2 * u, STRIDE, false);
            sum = coopMatMulAddNV(left, right, sum);
        }
        coopMatStoreNV(sum, sums, 4 * u, SUMS, false);
    }
}

// Eight scores of keys from l on, -inf for those beyond `count`.
struct eight {
    float at[8];
};

eight finish_scores(uint row, uint lane, uint l, uint count, uint mask_at)
{
    vec4 low = uintBitsToFloat(scores[row * SCORES + 2 * lane]),
         high = uintBitsToFloat(scores[row * SCORES + 2 * lane + 1]);
    eight result = eight(float[8](low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w));
    [[unroll]] for (uint i = 0; i < 8; i++)
    {
        float score = result.at[i] * params.scale;
        if (HAS_MASK == 1 && l + i < count)
            score += mask_load(mask_at + (l + i) * params.mask_l);
        if (HAS_MASK == 2 && l + i < count && mask_loadi(mask_at + (l + i) * params.mask_l) == 0)
            score = NONE;
        result.at[i] = l + i < count ? score : NONE;
    }
    return result;
}

// Over the invocations of a query.
float largest(uint thread, float value)
{
    lanes_value[thread] = value;
    shared_barrier();
    [[unroll]] for (uint i = 0; i < LANES; i++) value =
        larger(value, lanes_value[thread / LANES * LANES + i]);
    return value;
}

float total(uint thread, float value)
{
    lanes_value[thread] = value;
    shared_barrier();
    float sum = 0.0;
    [[unroll]] for (uint i = 0; i < LANES; i++) sum += lanes_value[thread / LANES * LANES + i];
    return sum;
}

void store_weights(uint row, uint lane, eight p)
{
    uvec4 whole, rest;
    [[unroll]] for (uint i = 0; i < 4; i++)
    {
        vec2 pair = vec2(p.at[2 * i], p.at[2 * i + 1]);
        whole[i] = packHalf2x16(pair);
        rest[i] = packHalf2x16(pair - unpackHalf2x16(whole[i]));
    }
    weights[row * WEIGHTS + lane] = whole;
    weights[(QUERIES + row) * WEIGHTS + lane] = rest;
}

uint half_pair(float a, float b) { return half_bits(a) | half_bits(b) << 16; }

void main()
{
    uint sub = gl_LocalInvocationID.y, thread = sub * 32 + gl_LocalInvocationID.x;
    uint blocks = (params.queries + QUERIES - 1) / QUERIES, unit = unit_index();
    uint h = unit / blocks, s_first = (unit - h * blocks) * QUERIES;
    if (h >= params.heads)
        return;
    int position = params.symbol == ~0u ? params.start : symbols[params.symbol];
    uint end = keys_of(min(s_first + QUERIES, params.queries) - 1, position);
    uint k_at = k_begin(h) / 8, k_l = params.k_l / 8, v_at = v_begin(h) / 8, v_l = params.v_l / 8;
    // An invocation's query, and its share of the keys.
    uint row = thread / LANES, lane = thread % LANES, s = min(s_first + row, params.queries - 1);
    uint count = keys_of(s, position);
    uint mask_at = mask_begin(h) + s * params.mask_s;

    uvec4 keys[UNITS], values[UNITS];
    load_k(thread, k_at, k_l, 0, end, keys);
    clear(thread);
    stage_queries(thread, h, s_first);
    float most = NONE, sum = 0.0;
    [[dont_unroll]] for (uint first = 0; first < end; first += KEYS)
    {
        load_v(thread, v_at, v_l, first, end, values);
        stage(thread, keys);
        shared_barrier();
        multiply_keys(sub);
        load_k(thread, k_at, k_l, first + KEYS, end, keys);
        shared_barrier();
        stage(thread, values);
        eight p = finish_scores(row, lane, first + 8 * lane, count, mask_at);
        float before = most;
        [[unroll]] for (uint i = 0; i < 8; i++) most = larger(most, p.at[i]);
        most = largest(thread, most);
        bool none = floatBitsToUint(most) == floatBitsToUint(NONE);
        [[unroll]] for (uint i = 0; i < 8; i++) p.at[i] = none ? 0.0 : exponential(p.at[i] - most);
        float scale = none ? 1.0 : exponential(before - most);
        sum *= scale;
        [[unroll]] for (uint i = 0; i < 8; i++) sum += p.at[i];
        for (uint i = lane; i < 4 * UNITS; i += LANES)
            sums[row * SUMS + i] = floatBitsToUint(uintBitsToFloat(sums[row * SUMS + i]) * scale);
        store_weights(row, lane, p);
        shared_barrier();
        multiply_values(sub);
        shared_barrier();
    }

    sum = total(thread, sum);
    // Where no key is seen there is nothing to divide by.
    bool none = floatBitsToUint(most) == floatBitsToUint(NONE);
    float factor = !none ? 1.0 / sum : SAFE || count == 0 ? 0.0 : nan();
    if (s_first + row >= params.queries)
        return;
    for (uint i = lane; i < LOADS; i += LANES) {
        vec4 low = uintBitsToFloat(sums[row * SUMS + 2 * i]) * factor,
             high = uintBitsToFloat(sums[row * SUMS + 2 * i + 1]) * factor;
        y[(y_begin(h) + s * params.y_s) / 8 + i] =
            uvec4(half_pair(low.x, low.y), half_pair(low.z, low.w), half_pair(high.x, high.y),
                  half_pair(high.z, high.w));
    }
}
