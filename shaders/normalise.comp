// y from x and two numbers of each of its runs (stats.comp): softmax and the normalisations. An
// invocation makes a group of four.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "normalise_params.h"

layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint WEIGHT_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 6) const uint BIAS_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 7) const uint NORMALISE = 0;
layout(constant_id = 8) const uint HAS_WEIGHT = 0;
layout(constant_id = 9) const uint HAS_BIAS = 0;
layout(constant_id = 10) const uint RANK = 1;
layout(constant_id = 11) const uint WHOLE = 0;

layout(push_constant) uniform params_block { normalise_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, X_TYPE)
layout(binding = 1) readonly buffer stats_buffer { vec2 stats[]; };
ELEMENTS_IN(2, weight, WEIGHT_TYPE)
ELEMENTS_IN(3, bias, BIAS_TYPE)
ELEMENTS_OUT(4, y, Y_TYPE)
VIEW_OF(x_slots, params.x_strides, params.x_offset, VKD_NORMALISE_DIMS)
VIEW_OF(stats_slots, params.stats_strides, 0, VKD_NORMALISE_DIMS)
VIEW_OF(weight_slots, params.weight_strides, params.weight_offset, VKD_NORMALISE_DIMS)
VIEW_OF(bias_slots, params.bias_strides, params.bias_offset, VKD_NORMALISE_DIMS)
#include "normalise.glsl"

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    uvec4 xs = x_slots(group), ss = stats_slots(group), ws = weight_slots(group),
          bs = bias_slots(group);
    vec4 result;
    for (uint i = 0; i < 4; i++) {
        float w = HAS_WEIGHT == 1 ? weight_load(ws[i]) : 1.0,
              b = HAS_BIAS == 1 ? bias_load(bs[i]) : 0.0;
        result[i] = normalised(x_load(xs[i]), stats[ss[i]], w, b);
    }
    y_store4(group, result);
}
