// Two numbers for each run of x: what softmax and the normalisations need. The y invocations of a
// workgroup's column share a run.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
#include "reduce.glsl"

layout(binding = 1) writeonly buffer stats_buffer { vec2 stats[]; };

#define LANE gl_LocalInvocationID.y
#define LANES gl_WorkGroupSize.y
#define LANES_AT gl_LocalInvocationID.x
#define LANES_STEP gl_WorkGroupSize.x
uint run_first;

vec4 run_load4(uint i)
{
    uint last = params.count - 1;
    return vec4(x_load(run_first + run_at(i)), x_load(run_first + run_at(min(i + 1, last))),
                x_load(run_first + run_at(min(i + 2, last))),
                x_load(run_first + run_at(min(i + 3, last))));
}
#include "stats.glsl"

void main()
{
    uint row = unit_index() * gl_WorkGroupSize.x + gl_LocalInvocationID.x, unused;
    run_first = x_slots_at(min(row, params.slots - 1), unused);
    vec2 result = run_stats();
    if (row < params.slots && LANE == 0)
        stats[row] = result;
}
