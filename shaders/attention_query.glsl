// Attention of a single query: a workgroup makes a head of the result. An invocation has 16 bytes
// of a row, and of every so many keys and values the same: PARTS neighbours have a row together.
// What they add up goes through shared memory, as the scores do, of which there are SCORES at most.
// All rounds as it is written, so that kernels that get their rows elsewhere make the same bits.
//
// A kernel has the constants TYPE, PARTS and SCORES, the buffers k_quads and v_quads, y_store4 and
// params.width and .scale, and says what follows a score: `masked`.
#include "floats.glsl"
#include "nan.glsl"

const uint LANES = gl_WorkGroupSize.x, EACH = TYPE == VKD_ELEMENT_F16 ? 8 : 4,
           ROWS = LANES / PARTS, // that are read at once
    PITCH = PARTS + 1,           // of the sums of a row's parts: neighbours in other banks
    CHUNK = VKD_ATTENTION_BATCH * ROWS, LEADERS = 32;
#define LEAST uintBitsToFloat(0xff800000u)
shared float area[VKD_ATTENTION_BATCH * (LANES + ROWS)];
shared float scores[SCORES];
shared float lanes_value[LANES];

struct part {
    vec4 low, high;
};

// Where the rows of a head are: the invocation's part of the first one, and from one to the next,
// in 16 bytes. Of `count` keys `held` are in memory; the last may be `fresh` instead.
struct head_rows {
    uint count, held, k_at, k_step, v_at, v_step;
    part fresh_k, fresh_v;
};

float masked(float score, uint l);

part part_of(uvec4 bits)
{
    if (TYPE == VKD_ELEMENT_F32)
        return part(uintBitsToFloat(bits), vec4(0.0));
    return part(vec4(unpackHalf2x16(bits.x), unpackHalf2x16(bits.y)),
                vec4(unpackHalf2x16(bits.z), unpackHalf2x16(bits.w)));
}

float dot_of(part a, part b)
{
    precise vec4 products = a.low * b.low;
    if (TYPE != VKD_ELEMENT_F32) {
        precise vec4 high = a.high * b.high;
        products += high;
    }
    return (products.x + products.y) + (products.z + products.w);
}

uint lane_row() { return gl_LocalInvocationID.x / PARTS; }

// So many rows from `first` on, of those in memory: all on their way before one is needed.
void load_keys(uint first, head_rows r, out uvec4 bits[VKD_ATTENTION_BATCH])
{
    [[unroll]] for (uint i = 0; i < VKD_ATTENTION_BATCH; i++)
    {
        uint l = first + i * ROWS + lane_row();
        bits[i] = uvec4(0);
        if (l < r.held)
            bits[i] = k_quads[r.k_at + l * r.k_step];
    }
}

void load_values(uint first, head_rows r, out uvec4 bits[VKD_ATTENTION_BATCH])
{
    [[unroll]] for (uint i = 0; i < VKD_ATTENTION_BATCH; i++)
    {
        uint l = first + i * ROWS + lane_row();
        bits[i] = uvec4(0);
        if (l < r.held)
            bits[i] = v_quads[r.v_at + l * r.v_step];
    }
}

float largest_of(float value)
{
    uint lane = gl_LocalInvocationID.x;
    lanes_value[lane] = value;
    barrier();
    if (lane < LEADERS) {
        for (uint i = lane + LEADERS; i < LANES; i += LEADERS)
            value = larger(value, lanes_value[i]);
        lanes_value[lane] = value;
    }
    barrier();
    value = lanes_value[0];
    for (uint i = 1; i < LEADERS; i++)
        value = larger(value, lanes_value[i]);
    return value;
}

// The score of key l, whose parts are added up.
float score(uint at, uint l)
{
    float sum = 0.0;
    for (uint i = 0; i < PARTS; i++)
        sum += area[at * PITCH + i];
    return masked(sum * params.scale, l);
}

// Makes the scores of all keys, the first of which are loaded, and returns the largest.
float score_all(head_rows r, part q, uvec4 bits[VKD_ATTENTION_BATCH])
{
    uint lane = gl_LocalInvocationID.x, row = lane_row(), own = lane % PARTS;
    float most = LEAST;
    for (uint first = 0; first < r.count; first += CHUNK) {
        if (first > 0)
            load_keys(first, r, bits);
        [[unroll]] for (uint i = 0; i < VKD_ATTENTION_BATCH; i++)
        {
            part k = part_of(bits[i]);
            if (first + i * ROWS + row == r.held)
                k = r.fresh_k;
            if (row < ROWS)
                area[(i * ROWS + row) * PITCH + own] = dot_of(k, q);
        }
        barrier();
        for (uint at = lane; at < CHUNK && first + at < r.count; at += LANES) {
            float s = score(at, first + at);
            scores[first + at] = s;
            most = larger(most, s);
        }
        barrier();
    }
    return largest_of(most);
}

// The values of a row's keys by their weights, and the sum of these.
part add_values(head_rows r, uvec4 bits[VKD_ATTENTION_BATCH], out float sum)
{
    uint row = lane_row();
    precise vec4 low = vec4(0.0), high = vec4(0.0);
    sum = 0.0;
    for (uint first = 0; first < r.count; first += CHUNK) {
        if (first > 0)
            load_values(first, r, bits);
        [[unroll]] for (uint i = 0; i < VKD_ATTENTION_BATCH; i++)
        {
            uint l = first + i * ROWS + row;
            if (l >= r.count || row >= ROWS)
                continue;
            part v = part_of(bits[i]);
            if (l == r.held)
                v = r.fresh_v;
            float weight = scores[l];
            low += weight * v.low;
            high += weight * v.high;
            sum += weight;
        }
    }
    return part(low, high);
}

// Element i of part p, by the rows: then four of them are stored together, from a group of y on.
void store_all(part result, float sum, bool none, uint y_group)
{
    uint lane = gl_LocalInvocationID.x, row = lane_row();
    [[unroll]] for (uint i = 0; i < 4; i++)
    {
        area[i * LANES + lane] = result.low[i];
        if (EACH > 4)
            area[(4 + i) * LANES + lane] = result.high[i];
    }
    if (lane % PARTS == 0 && row < ROWS)
        lanes_value[row] = sum;
    barrier();
    float all = 0.0, weights = 0.0;
    uint p = lane % PARTS, i = lane / PARTS;
    if (lane < params.width)
        for (uint r = 0; r < ROWS; r++) {
            all += area[i * LANES + r * PARTS + p];
            weights += lanes_value[r];
        }
    barrier();
    if (lane < params.width)
        area[p * EACH + i] = none ? 0.0 : all / weights;
    barrier();
    if (lane < params.width / 4)
        y_store4(y_group + lane,
                 vec4(area[4 * lane], area[4 * lane + 1], area[4 * lane + 2], area[4 * lane + 3]));
}

// Attention of a query's part, its first keys and values having been loaded. safe: a query that
// sees no key gets zeros.
void attend(head_rows r, part q, uvec4 keys[VKD_ATTENTION_BATCH], uvec4 values[VKD_ATTENTION_BATCH],
            bool safe, uint y_group)
{
    float most = score_all(r, q, keys), sum;
    for (uint l = gl_LocalInvocationID.x; l < r.count; l += LANES)
        scores[l] = exponential(scores[l] - most);
    barrier();
    part result = add_values(r, values, sum);
    store_all(result, sum, r.count == 0 || (safe && floatBitsToUint(most) == 0xff800000u), y_group);
}
