// Quantise or dequantise with scales and zero points that are tensors. An invocation makes a group
// of four.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
#include "affine_params.h"
#include "dispatch.glsl"
#include "element.glsl"

layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint SCALE_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint ZERO_TYPE = VKD_ELEMENT_I32;
layout(constant_id = 6) const uint Y_TYPE = VKD_ELEMENT_I8;
layout(constant_id = 7) const uint QUANTIZES = 1;
layout(constant_id = 8) const uint HAS_ZERO = 1;
layout(constant_id = 9) const uint RANK = 1;
layout(constant_id = 10) const uint WHOLE = 0;

layout(push_constant) uniform params_block { affine_params params; };
#include "view.glsl"
ELEMENTS_IN(0, x, X_TYPE)
ELEMENTS_IN(1, scale, SCALE_TYPE)
ELEMENTS_IN(2, zero, ZERO_TYPE)
ELEMENTS_OUT(3, y, Y_TYPE)
VIEW_OF(x_slots, params.x_strides, params.x_offset, VKD_AFFINE_DIMS)
VIEW_OF(scale_slots, params.scale_strides, params.scale_offset, VKD_AFFINE_DIMS)
VIEW_OF(zero_slots, params.zero_strides, params.zero_offset, VKD_AFFINE_DIMS)

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uvec4 xs = x_slots(group), ss = scale_slots(group), zs = zero_slots(group);
    vec4 real = vec4(0.0);
    ivec4 whole = ivec4(0);
    for (uint i = 0; i < 4; i++) {
        float s = scale_load(ss[i]), z = HAS_ZERO == 1 ? zero_load(zs[i]) : 0.0;
        precise float inverse = 1.0 / s, q = roundEven(x_load(xs[i]) * inverse) + z,
                      v = (x_load(xs[i]) - z) * s;
        real[i] = v;
        whole[i] = is_nan(q) ? int(z) : int(clamp(q, float(params.low), float(params.high)));
    }
    if (QUANTIZES == 1)
        y_store4i(group, whole);
    else
        y_store4(group, real);
}
