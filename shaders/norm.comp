// Softmax and the normalisations of runs that lie in one piece of y: a workgroup makes the two
// numbers of each of its runs, then their results. The x invocations of a row share a run; groups of
// y may lie in two where a workgroup has as many runs as make whole groups.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
#include "element.glsl"
#include "norm_params.h"

layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint WEIGHT_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 6) const uint BIAS_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 7) const uint OP = 0;
layout(constant_id = 8) const uint NORMALISE = 0;
layout(constant_id = 9) const uint HAS_WEIGHT = 0;
layout(constant_id = 10) const uint HAS_BIAS = 0;
layout(constant_id = 11) const uint RANK = 1;
layout(constant_id = 12) const uint WHOLE = 0;
layout(constant_id = 13) const uint X_READ = 0;
layout(constant_id = 14) const uint WEIGHT_READ = 0;
layout(constant_id = 15) const uint BIAS_READ = 0;
layout(constant_id = 16) const bool FOURS = false; // runs are whole groups

layout(push_constant) uniform params_block { norm_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, X_TYPE)
ELEMENTS_IN(1, weight, WEIGHT_TYPE)
ELEMENTS_IN(2, bias, BIAS_TYPE)
ELEMENTS_OUT(3, y, Y_TYPE)
OPERAND_OF(x, X_TYPE, X_READ, params.x_strides, params.x_offset, VKD_NORMALISE_DIMS)
OPERAND_OF(weight, WEIGHT_TYPE, WEIGHT_READ, params.weight_strides, params.weight_offset,
           VKD_NORMALISE_DIMS)
OPERAND_OF(bias, BIAS_TYPE, BIAS_READ, params.bias_strides, params.bias_offset, VKD_NORMALISE_DIMS)

#define LANE gl_LocalInvocationID.x
#define LANES gl_WorkGroupSize.x
#define LANES_AT (gl_LocalInvocationID.y * gl_WorkGroupSize.x)
#define LANES_STEP 1
uint run_first;

vec4 run_load4(uint i)
{
    if (FOURS)
        return x_get4((run_first + i) / 4);
    uvec4 at = x_slots_each(run_first + i + uvec4(0, 1, 2, 3));
    return vec4(x_load(at.x), x_load(at.y), x_load(at.z), x_load(at.w));
}
#include "normalise.glsl"
#include "stats.glsl"

shared vec2 stats[gl_WorkGroupSize.y];

void main()
{
    uint runs = gl_WorkGroupSize.y,
         first = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * runs,
         last = params.slots / params.row - 1;
    run_first = min(first + gl_LocalInvocationID.y, last) * params.row;
    vec2 own = run_stats();
    if (LANE == 0)
        stats[gl_LocalInvocationID.y] = own;
    barrier();
    // Behind the last workgroup's, where the grid is folded, there is none.
    uint begin = first * params.row / 4,
         end = min((first + runs) * params.row + 3, params.slots + 3) / 4;
    for (uint group = begin + gl_LocalInvocationIndex; group < end;
         group += gl_WorkGroupSize.x * runs) {
        uvec4 run = min((4 * group + uvec4(0, 1, 2, 3)) / params.row - first, uvec4(runs - 1));
        vec4 x = x_get4(group), w = HAS_WEIGHT == 1 ? weight_get4(group) : vec4(1.0),
             b = HAS_BIAS == 1 ? bias_get4(group) : vec4(0.0);
        y_store4(group, vec4(normalised(x.x, stats[run.x], w.x, b.x),
                             normalised(x.y, stats[run.y], w.y, b.y),
                             normalised(x.z, stats[run.z], w.z, b.z),
                             normalised(x.w, stats[run.w], w.w, b.w)));
    }
}
