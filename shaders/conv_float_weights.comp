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

// The bits of an element of the packed form.
uint bits_of(uint at)
{
    uint ic = at % p.grain, unit = at / p.grain, oc = unit % p.unit, step = unit / p.unit,
         place = step / p.tap_steps;
    uint tap = place % p.taps;
    ic += step % p.tap_steps * p.grain;
    oc += place / p.taps * p.unit;
    if (oc >= p.out_c || ic >= p.ic_group)
        return 0;
    uint group = oc / p.oc_group;
    uint row = p.transposed == 0 ? oc * p.ic_group + ic
                                 : (group * p.ic_group + ic) * p.oc_group + oc - group * p.oc_group;
    return w_bits(row * p.taps + tap);
}

void main()
{
    uint group = linear_index(), at = 4 * group, units = (p.out_c + p.unit - 1) / p.unit;
    if (at < units * p.unit * p.taps * p.tap_steps * p.grain)
        y_store4_bits(group, uvec4(bits_of(at), bits_of(at + 1), bits_of(at + 2), bits_of(at + 3)));
}
