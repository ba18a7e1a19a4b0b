// y[n, c, h, w] = x[n, c, ..] at a place between pixels, of any types and layouts. An invocation
// makes a group of four elements.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "resample_params.h"

layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint GRID_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint RANK = 1;
layout(constant_id = 6) const uint WHOLE = 0;
layout(constant_id = 7) const uint FILTER = 0;
layout(constant_id = 8) const uint PLACES = 0;
layout(constant_id = 9) const uint ZEROS =
    0; // 1: outside of the image is 0, else the nearest pixel

layout(push_constant) uniform params_block { resample_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, TYPE)
ELEMENTS_IN(1, grid, GRID_TYPE)
ELEMENTS_OUT(2, y, TYPE)
VIEW_OF(x_slots, params.x_strides, params.x_offset, VKD_RESAMPLE_DIMS)
VIEW_OF(pixels, params.pixel_strides, 0, VKD_RESAMPLE_DIMS)
VIEW_OF(grid_slots, params.grid_strides, params.grid_offset, VKD_RESAMPLE_DIMS)

// h and w.
vec2 place_of(uint pixel, uint grid_slot)
{
    vec2 size = vec2(params.x_h, params.x_w);
    if (PLACES == VKD_RESAMPLE_GRID || PLACES == VKD_RESAMPLE_GRID_EDGES) {
        precise vec2 g = vec2(grid_load(grid_slot + params.grid_stride), grid_load(grid_slot));
        precise vec2 at = PLACES == VKD_RESAMPLE_GRID ? (g + 1.0) / 2.0 * (size - 1.0)
                                                      : ((g + 1.0) * size - 1.0) / 2.0;
        // What the far end of the grid adds is outside anyway; NaN is outside, too.
        at = ZEROS == 1 ? clamp(at, vec2(-2.0), size + 1.0) : clamp(at, vec2(0.0), size - 1.0);
        return mix(at, vec2(ZEROS == 1 ? -2.0 : 0.0), bvec2(is_nan(g.x), is_nan(g.y)));
    }
    precise vec2 at = vec2(pixel / params.y_w, pixel % params.y_w),
                 ratio = vec2(params.ratio_h, params.ratio_w);
    if (PLACES == VKD_RESAMPLE_RATIO)
        at = at * ratio;
    else {
        at = at + 0.5;
        at = at * ratio;
        at = max(at - 0.5, 0.0);
    }
    return at;
}

uint slot_of(uint plane, ivec2 at)
{
    return plane + uint(at.x) * params.x_stride_h + uint(at.y) * params.x_stride_w;
}

float pixel_at(uint plane, ivec2 at)
{
    ivec2 last = ivec2(params.x_h, params.x_w) - 1, inside = clamp(at, ivec2(0), last);
    float v = x_load(slot_of(plane, inside));
    return ZEROS == 1 && at != inside ? 0.0 : v;
}

float bilinear(uint plane, vec2 at)
{
    vec2 whole = floor(at);
    precise vec2 far = at - whole, near = 1.0 - far;
    ivec2 i = ivec2(whole);
    precise float above = near.y * pixel_at(plane, i) + far.y * pixel_at(plane, i + ivec2(0, 1));
    precise float below =
        near.y * pixel_at(plane, i + ivec2(1, 0)) + far.y * pixel_at(plane, i + ivec2(1, 1));
    precise float sum = near.x * above + far.x * below;
    return sum;
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uvec4 planes = x_slots(group), at = pixels(group), gs = grid_slots(group), bits;
    vec4 result;
    ivec2 last = ivec2(params.x_h, params.x_w) - 1;
    for (uint i = 0; i < 4; i++) {
        vec2 place = place_of(at[i], gs[i]);
        if (FILTER == VKD_RESAMPLE_BILINEAR)
            result[i] = bilinear(planes[i], place);
        else if (PLACES == VKD_RESAMPLE_RATIO)
            bits[i] = x_bits(slot_of(planes[i], clamp(ivec2(place), ivec2(0), last)));
        else
            result[i] = pixel_at(planes[i], ivec2(roundEven(place)));
    }
    if (FILTER == VKD_RESAMPLE_NEAREST && PLACES == VKD_RESAMPLE_RATIO)
        y_store4_bits(group, bits);
    else
        y_store4(group, result);
}
