// int8 -> float, between any two layouts: one invocation per four slots of y.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "int8.glsl"
#include "quantize_params.h"
#include "tensor.glsl"

// Dims 1 where the layouts are the same, as in quantize.comp.
layout(constant_id = 3) const uint X_LAYOUT = 0;
layout(constant_id = 4) const uint Y_LAYOUT = 0;
layout(constant_id = 5) const uint C = 1;
layout(constant_id = 6) const uint H = 1;
layout(constant_id = 7) const uint W = 1;

layout(push_constant) uniform params_block { quantize_params params; };
layout(binding = 0) readonly buffer x_buffer { int x[]; };
layout(binding = 1) writeonly buffer y_buffer { vec4 y[]; };

int load_slot(uint slot) { return bitfieldExtract(x[slot >> 2], int(8 * (slot & 3)), 8); }

// The zero point where y has padding.
ivec4 gather(uint group)
{
    const uvec4 dims =
        uvec4(params.n, W == 0 ? uvec3(params.c, params.h, params.w) : uvec3(C, H, W));
    tensor_params from = tensor_params(dims.x, dims.y, dims.z, dims.w, X_LAYOUT);
    tensor_params to = tensor_params(dims.x, dims.y, dims.z, dims.w, Y_LAYOUT);
    uvec4 i = slot_coords(to, 4 * group);
    ivec4 v = ivec4(params.zero);
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
    ivec4 q = X_LAYOUT == Y_LAYOUT ? unpack_int8(x[group]) : gather(group);
    y[group] = (vec4(q) - float(params.zero)) * params.scale;
}
