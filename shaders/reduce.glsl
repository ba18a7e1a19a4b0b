// What reductions share: places of the elements of a run.
#include "element.glsl"
#include "reduce_params.h"

layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint OP = 0;
layout(constant_id = 6) const uint RANK = 1;
layout(constant_id = 7) const uint RUNS = 1; // dims of a run
layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
const uint WHOLE = 0;

layout(push_constant) uniform params_block { reduce_params params; };
#include "view.glsl"
ELEMENTS_IN(0, x, X_TYPE)
VIEW(x_slots, params.x_strides, params.x_offset)

// Where element i of a run is from its first one.
uint run_at(uint i)
{
    if (RUNS == 1)
        return i * params.run_strides[VKD_REDUCE_DIMS - 1];
    uint at = 0;
    for (uint r = 0; r < RUNS; r++) {
        uint d = VKD_REDUCE_DIMS - 1 - r, next = r == RUNS - 1 ? 0 : i / params.run[d];
        at += (i - next * params.run[d]) * params.run_strides[d];
        i = next;
    }
    return at;
}

uint unit_index() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }
