// y = c ? a : b, all seen through views of y's dims: an invocation makes a group of four elements.
// Elements whose types are equal keep their bits.
// glslc -O0: three operands, inlined wherever they are read, take twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "triple_params.h"

layout(constant_id = 3) const uint A_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint B_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint C_TYPE = VKD_ELEMENT_BOOL;
layout(constant_id = 6) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 7) const uint RANK = 1;
layout(constant_id = 8) const uint WHOLE = 0;
layout(constant_id = 9) const uint A_READ = VKD_READ_SAME;
layout(constant_id = 10) const uint B_READ = VKD_READ_SAME;
layout(constant_id = 11) const uint C_READ = VKD_READ_SAME;

layout(push_constant) uniform params_block { triple_params params; };
#include "view.glsl"

ELEMENTS_IN(0, a, A_TYPE)
ELEMENTS_IN(1, b, B_TYPE)
ELEMENTS_IN(2, c, C_TYPE)
ELEMENTS_OUT(3, y, Y_TYPE)
OPERAND_OF(a, A_TYPE, A_READ, params.a_strides, params.a_offset, VKD_TRIPLE_DIMS)
OPERAND_OF(b, B_TYPE, B_READ, params.b_strides, params.b_offset, VKD_TRIPLE_DIMS)
OPERAND_OF(c, C_TYPE, C_READ, params.c_strides, params.c_offset, VKD_TRIPLE_DIMS)

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    bvec4 c = notEqual(c_get4i(group), ivec4(0));
    if (A_TYPE == Y_TYPE && B_TYPE == Y_TYPE)
        y_store4_bits(group, mix(b_get4_bits(group), a_get4_bits(group), c));
    else if (is_float_type(A_TYPE) || is_float_type(B_TYPE))
        y_store4(group, mix(b_get4(group), a_get4(group), c));
    else
        y_store4i(group, mix(b_get4i(group), a_get4i(group), c));
}
