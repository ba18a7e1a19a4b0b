// The bytes of an image to what a table has for each, channel by channel: floats, or int8. An
// invocation makes a pixel, which is one group of y.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "pixels_params.h"

layout(constant_id = 3) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint CHANNELS = 3; // at most 4
layout(constant_id = 5) const bool CHANNELS_LAST = true;

layout(push_constant) uniform params_block { pixels_params params; };
ELEMENTS_IN(0, x, VKD_ELEMENT_U8)
layout(binding = 1) readonly buffer table_buffer { float table[]; }; // [channel][byte]
ELEMENTS_OUT(2, y, Y_TYPE)

float look_up(uint slot, uint channel) { return table[256 * channel + x_bits(slot)]; }

void main()
{
    const uint pixel = linear_index();
    if (pixel >= params.pixels)
        return;
    const uint image = pixel / params.plane,
               first =
                   CHANNELS_LAST ? pixel * CHANNELS : pixel + image * (CHANNELS - 1) * params.plane,
               step = CHANNELS_LAST ? 1 : params.plane;
    vec4 v = vec4(look_up(first, 0), 0.0, 0.0, 0.0);
    if (CHANNELS > 1)
        v.y = look_up(first + step, 1);
    if (CHANNELS > 2)
        v.z = look_up(first + 2 * step, 2);
    if (CHANNELS > 3)
        v.w = look_up(first + 3 * step, 3);
    if (Y_TYPE == VKD_ELEMENT_I8)
        y_store4i(pixel, ivec4(v));
    else
        y_store4(pixel, v);
}
