// y[i] = start + i step, where one of these is a number that is known when the graph runs: an
// invocation makes a group of four elements, with floats where FLOATS is 1, else with ints.
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "ramp_params.h"

layout(constant_id = 3) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint FLOATS = 0;

layout(push_constant) uniform params_block { ramp_params params; };
layout(binding = 0) readonly buffer symbols_buffer { int symbols[]; };
ELEMENTS_OUT(1, y, Y_TYPE)

int number(uint symbol, int otherwise) { return symbol == ~0u ? otherwise : symbols[symbol]; }
float real(uint symbol, float otherwise)
{
    return symbol == ~0u ? otherwise : float(symbols[symbol]);
}

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    ivec4 i = int(4 * group) + ivec4(0, 1, 2, 3);
    if (FLOATS == 1)
        y_store4(group, real(params.start_symbol, params.start_real) +
                            vec4(i) * real(params.step_symbol, params.step_real));
    else
        y_store4i(group, number(params.start_symbol, params.start) +
                             i * number(params.step_symbol, params.step));
}
