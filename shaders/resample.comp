// y[n, c, h, w] = x[n, c, ..] at a place between pixels, of any types and layouts. An invocation
// makes a group of four elements.
// base: affine
// glslc -O0: what is inlined wherever it is called takes twice the space
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
layout(constant_id = 9) const uint OUTSIDE = VKD_RESAMPLE_BORDER;

layout(push_constant) uniform params_block { resample_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, TYPE)
ELEMENTS_IN(1, grid, GRID_TYPE)
ELEMENTS_OUT(2, y, TYPE)
VIEW_OF(x_slots, params.x_strides, params.x_offset, VKD_RESAMPLE_DIMS)
VIEW_OF(pixels, params.pixel_strides, 0, VKD_RESAMPLE_DIMS)
VIEW_OF(grid_slots, params.grid_strides, params.grid_offset, VKD_RESAMPLE_DIMS)

// A place outside of the image where a mirror at its edges, or at the centres of its outermost
// pixels, shows it.
vec2 mirrored(vec2 at)
{
    vec2 size = vec2(params.x_h, params.x_w), low = vec2(PLACES == VKD_RESAMPLE_GRID ? 0.0 : -0.5),
         span = size - 1.0 - 2.0 * low, from = abs(at - low), turns = floor(from / max(span, 1.0)),
         rest = from - turns * span;
    bvec2 back = equal(turns - 2.0 * floor(turns / 2.0), vec2(1.0));
    return clamp(mix(rest, span - rest, back) + low, vec2(0.0), size - 1.0);
}

// Where nothing changes any more: what is farther outside is nothing, the same pixel, or beyond what
// floats tell apart.
vec2 bounded(vec2 at)
{
    vec2 size = vec2(params.x_h, params.x_w);
    if (OUTSIDE == VKD_RESAMPLE_MIRROR)
        at = clamp(at, vec2(-1e6), vec2(1e6));
    if (FILTER == VKD_RESAMPLE_BICUBIC)
        return OUTSIDE == VKD_RESAMPLE_MIRROR ? at : clamp(at, vec2(-3.0), size + 2.0);
    if (OUTSIDE == VKD_RESAMPLE_MIRROR)
        return mirrored(at);
    return OUTSIDE == VKD_RESAMPLE_ZEROS ? clamp(at, vec2(-2.0), size + 1.0)
                                         : clamp(at, vec2(0.0), size - 1.0);
}

// h and w.
vec2 place_of(uint pixel, uint grid_slot)
{
    vec2 size = vec2(params.x_h, params.x_w);
    if (PLACES == VKD_RESAMPLE_GRID || PLACES == VKD_RESAMPLE_GRID_EDGES) {
        precise vec2 g = vec2(grid_load(grid_slot + params.grid_stride), grid_load(grid_slot));
        precise vec2 at = PLACES == VKD_RESAMPLE_GRID ? (g + 1.0) / 2.0 * (size - 1.0)
                                                      : ((g + 1.0) * size - 1.0) / 2.0;
        const float nowhere = OUTSIDE == VKD_RESAMPLE_ZEROS ? -3.0 : 0.0;
        return mix(bounded(at), vec2(nowhere), bvec2(is_nan(g.x), is_nan(g.y)));
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
    if (OUTSIDE == VKD_RESAMPLE_MIRROR && at != inside)
        inside = ivec2(mirrored(vec2(at)) + 0.5);
    float v = x_load(slot_of(plane, inside));
    return OUTSIDE == VKD_RESAMPLE_ZEROS && at != inside ? 0.0 : v;
}

// What four pixels in a row count, where the place is `far` behind the second.
vec4 cubic(float far)
{
    const float a = -0.75;
    vec4 d = vec4(far + 1.0, far, 1.0 - far, 2.0 - far);
    vec2 outer = ((a * d.xw - 5.0 * a) * d.xw + 8.0 * a) * d.xw - 4.0 * a,
         inner = ((a + 2.0) * d.yz - (a + 3.0)) * d.yz * d.yz + 1.0;
    return vec4(outer.x, inner, outer.y);
}

float cubic_row(uint plane, ivec2 at, vec4 weights)
{
    return dot(weights, vec4(pixel_at(plane, at - ivec2(0, 1)), pixel_at(plane, at),
                             pixel_at(plane, at + ivec2(0, 1)), pixel_at(plane, at + ivec2(0, 2))));
}

float bicubic(uint plane, vec2 at)
{
    vec2 whole = floor(at), far = at - whole;
    ivec2 i = ivec2(whole);
    vec4 columns = cubic(far.y);
    return dot(cubic(far.x),
               vec4(cubic_row(plane, i - ivec2(1, 0), columns), cubic_row(plane, i, columns),
                    cubic_row(plane, i + ivec2(1, 0), columns),
                    cubic_row(plane, i + ivec2(2, 0), columns)));
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

// Pixels of x within a ratio of the place, weighed by how far they are, where it is larger than 1;
// else as between two of them.
float smooth_at(uint plane, uint pixel)
{
    precise vec2 ratio = vec2(params.ratio_h, params.ratio_w), support = max(ratio, 1.0),
                 centre = ratio * (vec2(pixel / params.y_w, pixel % params.y_w) + 0.5);
    ivec2 first = max(ivec2(centre - support + 0.5), ivec2(0)),
          end = min(ivec2(centre + support + 0.5), ivec2(params.x_h, params.x_w));
    precise float sum = 0.0, total = 0.0;
    for (int h = first.x; h < end.x; h++) {
        precise float row = 0.0, of_row = 0.0,
                      weight = max(1.0 - abs((float(h) - centre.x + 0.5) / support.x), 0.0);
        for (int w = first.y; w < end.y; w++) {
            precise float column = max(1.0 - abs((float(w) - centre.y + 0.5) / support.y), 0.0);
            row = row + column * x_load(slot_of(plane, ivec2(h, w)));
            of_row = of_row + column;
        }
        sum = sum + weight * (row / of_row);
        total = total + weight;
    }
    return sum / total;
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
        else if (FILTER == VKD_RESAMPLE_BICUBIC)
            result[i] = bicubic(planes[i], place);
        else if (FILTER == VKD_RESAMPLE_SMOOTH)
            result[i] = smooth_at(planes[i], at[i]);
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
