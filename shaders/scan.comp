// Sums of the first elements of lines of x: y[i] = x[0] + .. + x[i], of 32 bits. An invocation adds
// up a line. Sums of floats are compensated, as in kahan.glsl.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "scan_params.h"

layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint RANK = 1;
const uint WHOLE = 0;

layout(push_constant) uniform params_block { scan_params params; };
#include "view.glsl"

ELEMENTS_IN(0, x, X_TYPE)
layout(binding = 1) buffer y_buffer { uint y[]; };
VIEW(x_slots, params.x_strides, params.x_offset)
VIEW(y_slots, params.y_strides, 0)

void main()
{
    uint line = linear_index(), unused;
    if (line >= params.slots)
        return;
    uint from = x_slots_at(line, unused), to = y_slots_at(line, unused);
    precise float sum = 0.0, lost = 0.0;
    int whole = 0;
    if (params.first > 0) { /* goes on with the sum before */
        uint before = y[to + (params.first - 1) * params.y_step];
        sum = uintBitsToFloat(before);
        whole = int(before);
    }
    for (uint i = params.first; i < params.first + params.count; i++) {
        uint slot = from + i * params.x_step;
        if (Y_TYPE == VKD_ELEMENT_F32) {
            precise float term = x_load(slot) - lost, next = sum + term;
            lost = (next - sum) - term;
            lost = lost - lost == 0.0 ? lost : 0.0;
            sum = next;
            y[to + i * params.y_step] = floatBitsToUint(sum);
        } else {
            whole += is_float_type(X_TYPE) ? float_to_int(x_load(slot)) : x_loadi(slot);
            y[to + i * params.y_step] = uint(whole);
        }
    }
}
