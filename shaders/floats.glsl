// Elements that are floats or halves, for kernels that know no others: a third of the code of
// element.glsl, which see. Arithmetic is 32 bits wide.
//
//     layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
//     FLOATS_IN(0, x, X_TYPE)     // x_load(slot), x_load4(group)
//     FLOATS_OUT(1, y, Y_TYPE)    // y_store4(group, vec4)
#include "element_params.h"
#include "half.glsl"

#define FLOATS_IN(number, name, TYPE)                                                              \
    layout(binding = number) readonly buffer name##_buffer1 { uint name##_words[]; };              \
    layout(binding = number) readonly buffer name##_buffer2 { uvec2 name##_pairs[]; };             \
    layout(binding = number) readonly buffer name##_buffer4 { uvec4 name##_quads[]; };             \
    float name##_load(uint slot)                                                                   \
    {                                                                                              \
        if (TYPE == VKD_ELEMENT_F32)                                                               \
            return uintBitsToFloat(name##_words[slot]);                                            \
        return unpackHalf2x16(name##_words[slot >> 1] >> 16u * (slot & 1u)).x;                     \
    }                                                                                              \
    vec4 name##_load4(uint group)                                                                  \
    {                                                                                              \
        if (TYPE == VKD_ELEMENT_F32)                                                               \
            return uintBitsToFloat(name##_quads[group]);                                           \
        uvec2 pair = name##_pairs[group];                                                          \
        return vec4(unpackHalf2x16(pair.x), unpackHalf2x16(pair.y));                               \
    }

#define FLOATS_OUT(number, name, TYPE)                                                             \
    layout(binding = number) writeonly buffer name##_buffer1 { uint name##_words[]; };             \
    layout(binding = number) writeonly buffer name##_buffer2 { uvec2 name##_pairs[]; };            \
    layout(binding = number) writeonly buffer name##_buffer4 { uvec4 name##_quads[]; };            \
    void name##_store4(uint group, vec4 v)                                                         \
    {                                                                                              \
        if (TYPE == VKD_ELEMENT_F32)                                                               \
            name##_quads[group] = floatBitsToUint(v);                                              \
        else                                                                                       \
            name##_pairs[group] = uvec2(half_bits(v.x) | half_bits(v.y) << 16,                     \
                                        half_bits(v.z) | half_bits(v.w) << 16);                    \
    }
