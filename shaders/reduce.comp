// Reductions: the y invocations of a workgroup's column share the runs of four outputs, which are a
// group of y; its columns, along x, make others. Sums are compensated. NaN wins a maximum, the
// first of equal ones is where it is.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "reduce.glsl"

layout(constant_id = 8) const bool QUADS = false; // the four lie side by side, all along the runs
ELEMENTS_OUT(1, y, Y_TYPE)

const bool ARG = OP == VKD_REDUCE_ARGMAX || OP == VKD_REDUCE_ARGMIN;
const bool INTS = !(X_TYPE == VKD_ELEMENT_F32 || X_TYPE == VKD_ELEMENT_F16);
const bool SMALLEST = OP == VKD_REDUCE_MIN || OP == VKD_REDUCE_ARGMIN;
const bool ADDS = OP == VKD_REDUCE_SUM || OP == VKD_REDUCE_MEAN;
// Sums and products are of what y's type makes of the elements.
const bool BY_RESULT = OP == VKD_REDUCE_SUM || OP == VKD_REDUCE_PROD;
const uint TERM_TYPE = BY_RESULT ? Y_TYPE : X_TYPE;
const bool WHOLE_NUMBERS = !(TERM_TYPE == VKD_ELEMENT_F32 || TERM_TYPE == VKD_ELEMENT_F16) &&
                           !ARG && OP != VKD_REDUCE_MEAN;

struct state {
    vec4 value, lost; // floats; what a sum has lost
    ivec4 number;     // whole numbers, and positions
    ivec4 extreme;    // of ints, at the positions
};

state nothing()
{
    state s = state(vec4(0.0), vec4(0.0), ivec4(0), ivec4(0));
    if (OP == VKD_REDUCE_PROD || OP == VKD_REDUCE_ALL) {
        s.value = vec4(1.0);
        s.number = ivec4(1);
    } else if (!ADDS && OP != VKD_REDUCE_ANY) {
        s.value = vec4(uintBitsToFloat(SMALLEST ? 0x7f800000u : 0xff800000u));
        s.number = ARG ? ivec4(-1) : SMALLEST ? ivec4(2147483647) : ivec4(-2147483647 - 1);
    }
    return s;
}

// Whether b takes the place of a, which comes first or has a position of its own.
bool better(float a, float b, int a_at, int b_at)
{
    if (is_nan(a) || is_nan(b))
        return is_nan(b) && (!is_nan(a) || (ARG && b_at < a_at));
    bool wins = SMALLEST ? b < a : b > a;
    return wins || (ARG && (a_at < 0 || (a == b && b_at >= 0 && b_at < a_at)));
}

// The same of ints, which have positions.
bool better_int(int a, int b, int a_at, int b_at)
{
    return a_at < 0 || (b_at >= 0 && ((SMALLEST ? b < a : b > a) || (a == b && b_at < a_at)));
}

void add(inout precise vec4 sum, inout precise vec4 lost, vec4 v)
{
    precise vec4 corrected = v - lost, next = sum + corrected;
    lost = (next - sum) - corrected;
    // Infinities and NaN have no remainder.
    lost = mix(lost, vec4(0.0), notEqual(lost - lost, vec4(0.0)));
    sum = next;
}

void take(inout state s, state t)
{
    if (ADDS) {
        if (WHOLE_NUMBERS)
            s.number += t.number;
        else
            add(s.value, s.lost, t.value);
    } else if (OP == VKD_REDUCE_PROD) {
        if (WHOLE_NUMBERS)
            s.number *= t.number;
        else
            s.value *= t.value;
    } else if (OP == VKD_REDUCE_ANY)
        s.number |= t.number;
    else if (OP == VKD_REDUCE_ALL)
        s.number &= t.number;
    else if (WHOLE_NUMBERS)
        s.number = SMALLEST ? min(s.number, t.number) : max(s.number, t.number);
    else
        for (int i = 0; i < 4; i++)
            if (INTS ? better_int(s.extreme[i], t.extreme[i], s.number[i], t.number[i])
                     : better(s.value[i], t.value[i], s.number[i], t.number[i])) {
                s.value[i] = t.value[i];
                s.number[i] = t.number[i];
                s.extreme[i] = t.extreme[i];
            }
}

// One element of each of four runs.
state load(uvec4 first, uint i)
{
    uvec4 at = first + run_at(i);
    state s = state(vec4(0.0), vec4(0.0), ivec4(int(i)), ivec4(0));
    if (INTS) {
        s.extreme = QUADS ? x_load4i(at.x / 4)
                          : ivec4(x_loadi(at.x), x_loadi(at.y), x_loadi(at.z), x_loadi(at.w));
        s.value = vec4(s.extreme);
    } else
        s.value = QUADS ? x_load4(at.x / 4)
                        : vec4(x_load(at.x), x_load(at.y), x_load(at.z), x_load(at.w));
    if (BY_RESULT && Y_TYPE == VKD_ELEMENT_F16 && X_TYPE != VKD_ELEMENT_F16)
        for (int k = 0; k < 4; k++)
            s.value[k] = unpackHalf2x16(half_bits(s.value[k])).x;
    if (OP == VKD_REDUCE_ANY || OP == VKD_REDUCE_ALL)
        s.number =
            INTS ? ivec4(notEqual(s.extreme, ivec4(0))) : ivec4(not(equal(s.value, vec4(0.0))));
    else if (WHOLE_NUMBERS)
        s.number = INTS ? s.extreme : float_to_int(s.value);
    return s;
}

// Of a run's share, as many as are loaded at once: what is done with one takes less time than its
// way here.
#define ROUND 4u

shared vec4 shared_value[gl_WorkGroupSize.x * gl_WorkGroupSize.y];
shared ivec4 shared_number[gl_WorkGroupSize.x * gl_WorkGroupSize.y];
shared ivec4 shared_extreme[ARG ? gl_WorkGroupSize.x * gl_WorkGroupSize.y : 1];

void main()
{
    uint group = unit_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    uint lane = gl_LocalInvocationID.y, lanes = gl_WorkGroupSize.y,
         place = lane * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    uvec4 first = x_slots(min(group, params.groups - 1));
    state s = nothing();
    for (uint i = lane; i < params.count; i += ROUND * lanes) {
        state round[ROUND];
        [[unroll]] for (uint j = 0; j < ROUND; j++) if (i + j * lanes < params.count) round[j] =
            load(first, i + j * lanes);
        [[unroll]] for (uint j = 0; j < ROUND; j++) if (i + j * lanes < params.count)
            take(s, round[j]);
    }
    if (lanes > 1) {
        shared_value[place] = s.value;
        shared_number[place] = s.number;
        if (ARG)
            shared_extreme[place] = s.extreme;
        for (uint half_lanes = lanes / 2; half_lanes > 0; half_lanes /= 2) {
            barrier();
            if (lane < half_lanes) {
                uint other = place + half_lanes * gl_WorkGroupSize.x;
                take(s, state(shared_value[other], vec4(0.0), shared_number[other],
                              ARG ? shared_extreme[other] : ivec4(0)));
                shared_value[place] = s.value;
                shared_number[place] = s.number;
                if (ARG)
                    shared_extreme[place] = s.extreme;
            }
        }
    }
    if (group >= params.groups || lane > 0)
        return;
    if (OP == VKD_REDUCE_MEAN)
        s.value /= float(params.count);
    if (ARG)
        y_store4i(group, max(s.number, 0));
    else if (WHOLE_NUMBERS || OP == VKD_REDUCE_ANY || OP == VKD_REDUCE_ALL)
        y_store4i(group, s.number);
    else
        y_store4(group, s.value);
}
