// Rows of a table of integers of 2, 4 or 8 bits as floats: those that an index tensor names, or all
// of them. A group of four of y an invocation.
// base: affine
// glslc -O0: what reads elements of any type, inlined wherever it is called, takes twice the space
#version 450
#extension GL_GOOGLE_include_directive : require
#include "dispatch.glsl"
#include "element.glsl"
#include "nibbles_params.h"

layout(constant_id = 3) const uint SCALE_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint ZERO_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 6) const uint HIGH_FIRST =
    0; // the element of even number is in the high half of a byte
layout(constant_id = 7) const uint INDEXED = 1;
layout(constant_id = 8) const uint HAS_ZERO = 0;
layout(constant_id = 9) const uint BITS = 4; // of an element; those of 8 are signed or not
layout(constant_id = 10) const uint SIGNED = 1;

layout(push_constant) uniform params_block { nibbles_params params; };
layout(binding = 0) readonly buffer table_buffer { uint table[]; };
ELEMENTS_IN(1, scale, SCALE_TYPE)
ELEMENTS_IN(2, zero, ZERO_TYPE)
layout(binding = 3) readonly buffer indices_buffer { int indices[]; };
ELEMENTS_OUT(4, y, Y_TYPE)

float element(uint slot)
{
    slot = min(slot, params.slots - 1);
    uint at = slot / params.width, d = slot % params.width, row = at;
    if (INDEXED == 1) {
        int index = indices[at];
        row = uint(clamp(index < 0 ? index + int(params.rows) : index, 0, int(params.rows) - 1));
    }
    uint byte = row * params.row_bytes + d * BITS / 8, bits = table[byte >> 2] >> (8 * (byte & 3));
    int value = BITS == 4     ? int(bits >> ((d & 1) == HIGH_FIRST ? 0 : 4) & 15u) - 8
                : BITS == 2   ? int(bits >> (2 * (d & 3)) & 3u) - 2
                : SIGNED == 1 ? bitfieldExtract(int(bits), 0, 8)
                              : int(bits & 255u);
    uint scale_at = row * params.scale_row + d / params.group * params.scale_group;
    float v = float(value);
    if (HAS_ZERO == 1)
        v -= zero_load(scale_at);
    return v * scale_load(scale_at);
}

void main()
{
    uint group = linear_index();
    if (group < params.groups)
        y_store4(group, vec4(element(4 * group), element(4 * group + 1), element(4 * group + 2),
                             element(4 * group + 3)));
}
