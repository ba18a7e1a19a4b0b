// What the two halves of attention share.
#include "element.glsl"
#include "attention_params.h"

layout(push_constant) uniform params_block { attention_params params; };

uint unit_index() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }

// How many keys query s of these sees, the position of the first of all being known.
uint keys_of(uint s, int position)
{
    if (params.sees == VKD_SEES_ALL)
        return params.keys;
    uint last = params.sees == VKD_SEES_BEFORE ? params.first + s : params.all - 1;
    return uint(clamp(position + int(last) + 1, 0, int(params.keys)));
}
