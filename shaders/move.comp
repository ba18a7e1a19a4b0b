// y = x seen through a view, converted to y's type: an invocation makes a group of four elements.
// Elements whose types are equal keep their bits.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "move_params.h"

layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint RANK = 1;
layout(constant_id = 6) const uint WHOLE = 0;

layout(push_constant) uniform params_block { move_params params; };
#include "view.glsl"

uint moved();

ELEMENTS_IN(0, x, X_TYPE)
layout(binding = 1) readonly buffer symbols_buffer { int symbols[]; };
ELEMENTS_OUT(2, y, Y_TYPE)
VIEW(x_slots, params.x_strides, params.x_offset + moved())

uint moved()
{
    if (params.symbol == ~0u)
        return 0;
    int at = symbols[params.symbol];
    return params.symbol_stride *
           uint(clamp(at < 0 ? at + params.symbol_size : at, 0, params.symbol_most));
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uvec4 s = RANK == 0 ? uvec4(0) : x_slots(group);
    if (X_TYPE == Y_TYPE)
        y_store4_bits(group, RANK == 0 ? x_bits4(group)
                                       : uvec4(x_bits(s.x), x_bits(s.y), x_bits(s.z), x_bits(s.w)));
    else if (is_float_type(X_TYPE))
        y_store4(group, RANK == 0 ? x_load4(group)
                                  : vec4(x_load(s.x), x_load(s.y), x_load(s.z), x_load(s.w)));
    else
        y_store4i(group, RANK == 0 ? x_load4i(group)
                                   : ivec4(x_loadi(s.x), x_loadi(s.y), x_loadi(s.z), x_loadi(s.w)));
}
