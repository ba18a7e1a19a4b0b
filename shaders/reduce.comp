// Reductions: the y invocations of a workgroup's column share the runs of four outputs, which are a group of y; its columns, along
// x, make others. Sums are compensated. NaN wins a maximum, the first of equal ones is where it is.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "reduce.glsl"

ELEMENTS_OUT(1, y, Y_TYPE)

const bool ARG = OP == VKD_REDUCE_ARGMAX || OP == VKD_REDUCE_ARGMIN;
const bool WHOLE_NUMBERS = !(X_TYPE == VKD_ELEMENT_F32 || X_TYPE == VKD_ELEMENT_F16) && !ARG;
const bool SMALLEST = OP == VKD_REDUCE_MIN || OP == VKD_REDUCE_ARGMIN;
const bool ADDS = OP == VKD_REDUCE_SUM || OP == VKD_REDUCE_MEAN;

struct state {
    vec4 value, lost; // floats; what a sum has lost
    ivec4 number;     // whole numbers, and positions
};

state nothing()
{
    state s = state(vec4(0.0), vec4(0.0), ivec4(0));
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
    if (isnan(a) || isnan(b))
        return isnan(b) && (!isnan(a) || (ARG && b_at < a_at));
    bool wins = SMALLEST ? b < a : b > a;
    return wins || (ARG && (a_at < 0 || (a == b && b_at >= 0 && b_at < a_at)));
}

void add(inout precise vec4 sum, inout precise vec4 lost, vec4 v)
{
    precise vec4 corrected = v - lost, next = sum + corrected;
    lost = (next - sum) - corrected;
    // Infinities and NaN have no remainder.
    lost = mix(lost, vec4(0.0), notEqual(lost - lost, vec4(0.0)));
    sum = next;
}

void take(inout state s, vec4 v, ivec4 n)
{
    if (ADDS) {
        if (WHOLE_NUMBERS)
            s.number += n;
        else
            add(s.value, s.lost, v);
    } else if (OP == VKD_REDUCE_PROD) {
        if (WHOLE_NUMBERS)
            s.number *= n;
        else
            s.value *= v;
    } else if (OP == VKD_REDUCE_ANY)
        s.number |= n;
    else if (OP == VKD_REDUCE_ALL)
        s.number &= n;
    else if (WHOLE_NUMBERS)
        s.number = SMALLEST ? min(s.number, n) : max(s.number, n);
    else
        for (int i = 0; i < 4; i++)
            if (better(s.value[i], v[i], s.number[i], n[i])) {
                s.value[i] = v[i];
                s.number[i] = n[i];
            }
}

// One element of each of four runs.
void take_at(inout state s, uvec4 first, uint i)
{
    uvec4 at = first + run_at(i);
    vec4 v = vec4(0.0);
    ivec4 n = ivec4(int(i));
    if (X_TYPE == VKD_ELEMENT_F32 || X_TYPE == VKD_ELEMENT_F16 || ARG)
        v = vec4(x_load(at.x), x_load(at.y), x_load(at.z), x_load(at.w));
    else
        n = ivec4(x_loadi(at.x), x_loadi(at.y), x_loadi(at.z), x_loadi(at.w));
    if (OP == VKD_REDUCE_ANY || OP == VKD_REDUCE_ALL)
        n = WHOLE_NUMBERS ? ivec4(notEqual(n, ivec4(0))) : ivec4(not(equal(v, vec4(0.0))));
    take(s, v, n);
}

shared vec4 shared_value[gl_WorkGroupSize.x * gl_WorkGroupSize.y];
shared ivec4 shared_number[gl_WorkGroupSize.x * gl_WorkGroupSize.y];

void main()
{
    uint group = unit_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    uint lane = gl_LocalInvocationID.y, lanes = gl_WorkGroupSize.y, place = lane * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
    uvec4 first = x_slots(min(group, params.groups - 1));
    state s = nothing();
    for (uint i = lane; i < params.count; i += lanes)
        take_at(s, first, i);
    if (lanes > 1) {
        shared_value[place] = s.value;
        shared_number[place] = s.number;
        barrier();
        if (lane == 0)
            for (uint other = 1; other < lanes; other++)
                take(s, shared_value[place + other * gl_WorkGroupSize.x], shared_number[place + other * gl_WorkGroupSize.x]);
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
