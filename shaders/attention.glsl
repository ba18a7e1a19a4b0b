// What the two halves of attention share. A kernel has the specialisation constant SEES.
#include "element.glsl"
#include "attention_params.h"

layout(push_constant) uniform params_block { attention_params params; };

// A head's place among those of its image.
uint image_of(uint h) { return h / params.image_heads; }
uint head_of(uint h) { return h % params.image_heads; }
uint q_begin(uint h)
{
    return params.q_offset + image_of(h) * params.q_i + head_of(h) * params.q_h;
}
uint k_begin(uint h)
{
    return params.k_offset + image_of(h) * params.k_i + head_of(h) / params.group * params.k_h;
}
uint v_begin(uint h)
{
    return params.v_offset + image_of(h) * params.v_i + head_of(h) / params.group * params.v_h;
}
uint y_begin(uint h) { return image_of(h) * params.y_i + head_of(h) * params.y_h; }
uint mask_begin(uint h)
{
    return params.mask_offset + image_of(h) % params.mask_images * params.mask_i +
           head_of(h) * params.mask_h;
}

// Of a row of p.
uint row_size() { return (params.keys + 3) / 4 * 4; }

uint unit_index() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }

// How many keys query s of these sees, the position of the first of all being known.
uint keys_of(uint s, int position)
{
    if (SEES == VKD_SEES_ALL)
        return params.keys;
    uint last = SEES == VKD_SEES_BEFORE ? params.first + s : params.all - 1;
    return uint(clamp(position + int(last) + 1, 0, int(params.keys)));
}
