// float -> int8, between any two layouts: one invocation per word of y.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "int8.glsl"
#include "nan.glsl"
#include "quantize_params.h"
#include "tensor.glsl"

// Dims 1 where the layouts are the same: they do not matter then, and all such nodes share a
// pipeline. 0: they are pushed.
layout(constant_id = 3) const uint X_LAYOUT = 0;
layout(constant_id = 4) const uint Y_LAYOUT = 0;
layout(constant_id = 5) const uint C = 1;
layout(constant_id = 6) const uint H = 1;
layout(constant_id = 7) const uint W = 1;

layout(push_constant) uniform params_block { quantize_params params; };
layout(binding = 0) readonly buffer x_buffer { vec4 x[]; };
layout(binding = 1) writeonly buffer y_buffer { int y[]; };

float load_slot(uint slot) { return x[slot >> 2][slot & 3]; }

// 0 where y has padding.
vec4 gather(uint group)
{
    const uvec4 dims =
        uvec4(params.n, W == 0 ? uvec3(params.c, params.h, params.w) : uvec3(C, H, W));
    tensor_params from = tensor_params(dims.x, dims.y, dims.z, dims.w, X_LAYOUT);
    tensor_params to = tensor_params(dims.x, dims.y, dims.z, dims.w, Y_LAYOUT);
    uvec4 i = slot_coords(to, 4 * group);
    vec4 v = vec4(0);
    if (coords_valid(to, i))
        v.x = load_slot(coords_slot(from, i));
    i = next_coords(to, i);
    if (coords_valid(to, i))
        v.y = load_slot(coords_slot(from, i));
    i = next_coords(to, i);
    if (coords_valid(to, i))
        v.z = load_slot(coords_slot(from, i));
    i = next_coords(to, i);
    if (coords_valid(to, i))
        v.w = load_slot(coords_slot(from, i));
    return v;
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    vec4 v = X_LAYOUT == Y_LAYOUT ? x[group] : gather(group);
    // What NaN becomes is up to the driver everywhere else: here it is the zero point.
    v = mix(v, vec4(0), bvec4(is_nan(v.x), is_nan(v.y), is_nan(v.z), is_nan(v.w)));
    y[group] = pack_rounded(v * params.scale, params.zero);
}
