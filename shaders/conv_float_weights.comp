// Packs weights that an operator has computed, as conv_weights_params says.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "conv_float_params.h"
#include "element.glsl"

layout(constant_id = 3) const uint TYPE = VKD_ELEMENT_F32;

layout(push_constant) uniform params_block { conv_weights_params p; };
ELEMENTS_IN(0, w, TYPE)
ELEMENTS_OUT(1, y, TYPE)

uint bits_of(uint oc, uint tap, uint ic)
{
    if (oc >= p.out_c || ic >= p.ic_group)
        return 0;
    uint group = oc / p.oc_group;
    uint row = p.transposed == 0 ? oc * p.ic_group + ic : (group * p.ic_group + ic) * p.oc_group + oc - group * p.oc_group;
    return w_bits(row * p.taps + tap);
}

void main()
{
    uint index = linear_index(), ic = index % p.w_tap, place = index / p.w_tap, tap = place % p.taps, oc = place / p.taps * 4;
    if (oc >= p.out_c)
        return;
    y_store4_bits(index, uvec4(bits_of(oc, tap, ic), bits_of(oc + 1, tap, ic), bits_of(oc + 2, tap, ic), bits_of(oc + 3, tap, ic)));
}
