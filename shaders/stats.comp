// Two numbers for each run of x: what softmax and the normalisations need. The y invocations of a
// workgroup's column share a run.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "reduce.glsl"

layout(binding = 1) writeonly buffer stats_buffer { vec2 stats[]; };
shared float shared_value[gl_WorkGroupSize.x * gl_WorkGroupSize.y];

const uint SUM = 0, MAXIMUM = 1;

// Of the column's lanes, for each of them.
float combined(float value, uint how)
{
    uint lane = gl_LocalInvocationID.y, lanes = gl_WorkGroupSize.y, width = gl_WorkGroupSize.x;
    if (lanes == 1)
        return value;
    uint place = lane * width + gl_LocalInvocationID.x;
    barrier();
    shared_value[place] = value;
    barrier();
    for (uint step = lanes / 2; step > 0; step /= 2) {
        if (lane < step) {
            float a = shared_value[place], b = shared_value[place + step * width];
            shared_value[place] = how == SUM ? a + b : larger(a, b);
        }
        barrier();
    }
    return shared_value[gl_LocalInvocationID.x];
}

void add(inout precise float sum, inout precise float lost, float v)
{
    precise float corrected = v - lost, next = sum + corrected;
    lost = (next - sum) - corrected;
    lost = lost - lost == 0.0 ? lost : 0.0;
    sum = next;
}

void main()
{
    uint row = unit_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x, unused;
    uint first = x_slots_at(min(row, params.slots - 1), unused), lanes = gl_WorkGroupSize.y,
         lane = gl_LocalInvocationID.y;
    vec2 result;
    if (OP == VKD_STATS_SOFTMAX) {
        float most = uintBitsToFloat(0xff800000u);
        for (uint i = lane; i < params.count; i += lanes) {
            float v = x_load(first + run_at(i));
            most = larger(most, v);
        }
        most = combined(most, MAXIMUM);
        float sum = 0.0, lost = 0.0;
        for (uint i = lane; i < params.count; i += lanes)
            add(sum, lost, exponential(x_load(first + run_at(i)) - most));
        result = vec2(most, combined(sum, SUM));
    } else if (OP == VKD_STATS_EXTREMES) {
        float least = uintBitsToFloat(0xff800000u),
              most = least; // of -x, so that one rule serves both
        for (uint i = lane; i < params.count; i += lanes) {
            float v = x_load(first + run_at(i));
            least = larger(least, -v);
            most = larger(most, v);
        }
        result = vec2(-combined(least, MAXIMUM), combined(most, MAXIMUM));
    } else {
        float mean = 0.0, sum = 0.0, lost = 0.0, count = float(params.count);
        if (OP != VKD_STATS_RMS) {
            for (uint i = lane; i < params.count; i += lanes)
                add(sum, lost, x_load(first + run_at(i)));
            mean = combined(sum, SUM) / count;
        }
        sum = lost = 0.0;
        for (uint i = lane; i < params.count; i += lanes) {
            float d = x_load(first + run_at(i)) - mean;
            add(sum, lost, d * d);
        }
        sum = combined(sum, SUM);
        if (OP == VKD_STATS_VAR || OP == VKD_STATS_STD) {
            float variance = sum / max(count - params.eps, 0.0);
            result = vec2(mean, OP == VKD_STATS_VAR ? variance : sqrt(variance));
        } else
            result = vec2(mean, 1.0 / sqrt(sum / count + params.eps));
    }
    if (row < params.slots && lane == 0)
        stats[row] = result;
}
