// Two numbers of a run of elements that some invocations of a workgroup share. A kernel has OP
// (VKD_STATS_*), params.count and params.eps, and
//   LANE, LANES     which one of those that share the run this is, and of how many: a power of two
//   LANES_AT, LANES_STEP     where they have their places in shared memory
//   vec4 run_load4(uint i)    elements i, a multiple of 4, to i + 3; beyond the last one anything
shared float lanes_value[gl_WorkGroupSize.x * gl_WorkGroupSize.y];

const uint SUM = 0, MAXIMUM = 1;

// Of the lanes, for each of them.
float combined(float value, uint how)
{
    if (LANES == 1)
        return value;
    uint place = LANES_AT + LANE * LANES_STEP;
    barrier();
    lanes_value[place] = value;
    barrier();
    for (uint step = LANES / 2; step > 0; step /= 2) {
        if (LANE < step) {
            float a = lanes_value[place], b = lanes_value[place + step * LANES_STEP];
            lanes_value[place] = how == SUM ? a + b : larger(a, b);
        }
        barrier();
    }
    return lanes_value[LANES_AT];
}

void add(inout precise float sum, inout precise float lost, float v)
{
    precise float corrected = v - lost, next = sum + corrected;
    lost = (next - sum) - corrected;
    lost = lost - lost == 0.0 ? lost : 0.0;
    sum = next;
}

void add4(inout float sum, inout float lost, vec4 v)
{
    add(sum, lost, v.x);
    add(sum, lost, v.y);
    add(sum, lost, v.z);
    add(sum, lost, v.w);
}

float largest(float most, vec4 v)
{
    return larger(larger(larger(larger(most, v.x), v.y), v.z), v.w);
}

// v, but for what is beyond the run.
vec4 within(uint i, vec4 v, float otherwise)
{
    return mix(vec4(otherwise), v, lessThan(i + uvec4(0, 1, 2, 3), uvec4(params.count)));
}

#define EACH_FOUR(i) for (uint i = 4 * LANE; i < params.count; i += 4 * LANES)

vec2 run_stats()
{
    const float lowest = uintBitsToFloat(0xff800000u);
    float count = float(params.count), sum = 0.0, lost = 0.0, mean = 0.0;
    if (OP == VKD_STATS_SOFTMAX) {
        float most = lowest;
        EACH_FOUR(i)
        most = largest(most, within(i, run_load4(i), lowest));
        most = combined(most, MAXIMUM);
        EACH_FOUR(i)
        {
            vec4 v = run_load4(i) - most;
            v = vec4(exponential(v.x), exponential(v.y), exponential(v.z), exponential(v.w));
            add4(sum, lost, within(i, v, 0.0));
        }
        return vec2(most, combined(sum, SUM));
    }
    if (OP == VKD_STATS_EXTREMES) {
        float least = lowest, most = lowest; // least: of -x, so that one rule serves both
        EACH_FOUR(i)
        {
            vec4 v = run_load4(i);
            least = largest(least, within(i, -v, lowest));
            most = largest(most, within(i, v, lowest));
        }
        least = combined(least, MAXIMUM);
        return vec2(-least, combined(most, MAXIMUM));
    }
    if (OP != VKD_STATS_RMS) {
        EACH_FOUR(i)
        add4(sum, lost, within(i, run_load4(i), 0.0));
        mean = combined(sum, SUM) / count;
    }
    sum = lost = 0.0;
    EACH_FOUR(i)
    {
        vec4 d = run_load4(i) - mean;
        add4(sum, lost, within(i, d * d, 0.0));
    }
    sum = combined(sum, SUM);
    if (OP == VKD_STATS_VAR || OP == VKD_STATS_STD) {
        float variance = sum / max(count - params.eps, 0.0);
        return vec2(mean, OP == VKD_STATS_VAR ? variance : sqrt(variance));
    }
    return vec2(mean, 1.0 / sqrt(sum / count + params.eps));
}
