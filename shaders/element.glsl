// Elements of any type. A slot is an element's place in memory; slots 4i .. 4i+3 are a group, which
// one invocation writes whole: no two of them share a word. The type is a specialisation constant,
// so that one module serves all. Arithmetic is 32 bits wide: halves are stored, never computed
// with.
//
//     layout(constant_id = 3) const uint X_TYPE = VKD_ELEMENT_F32;
//     ELEMENTS_IN(0, x, X_TYPE)     // x_load(slot), x_load4(group) as floats, x_loadi, x_load4i as ints, x_bits(slot)
//     ELEMENTS_OUT(1, y, Y_TYPE)    // y_store4(group, vec4), y_store4i(group, ivec4), y_store4_bits(group, uvec4)
#include "element_params.h"
#include "half.glsl"
#include "nan.glsl"

bool is_float_type(uint type) { return type == VKD_ELEMENT_F32 || type == VKD_ELEMENT_F16; }

// Towards zero; what does not fit saturates, NaN is 0.
int float_to_int(float value)
{
    if (is_nan(value))
        return 0;
    return value >= 2147483648.0    ? 2147483647
           : value <= -2147483648.0 ? -2147483647 - 1
                                    : int(value);
}
ivec4 float_to_int(vec4 v)
{
    return ivec4(float_to_int(v.x), float_to_int(v.y), float_to_int(v.z), float_to_int(v.w));
}

uint pack_bytes(uvec4 b)
{
    return (b.x & 255u) | (b.y & 255u) << 8 | (b.z & 255u) << 16 | b.w << 24;
}

// Elements from their bits.
vec4 bits_to_floats(uvec4 bits, uint type)
{
    if (type == VKD_ELEMENT_F32)
        return uintBitsToFloat(bits);
    if (type == VKD_ELEMENT_F16)
        return vec4(unpackHalf2x16(bits.x | bits.y << 16), unpackHalf2x16(bits.z | bits.w << 16));
    return vec4(type == VKD_ELEMENT_I8 ? ivec4(bits) << 24 >> 24 : ivec4(bits));
}
ivec4 bits_to_ints(uvec4 bits, uint type)
{
    return type == VKD_ELEMENT_I8 ? ivec4(bits) << 24 >> 24 : ivec4(bits);
}

#define ELEMENTS_IN(number, name, TYPE)                                                            \
    layout(binding = number) readonly buffer name##_buffer1 { uint name##_words[]; };              \
    layout(binding = number) readonly buffer name##_buffer2 { uvec2 name##_pairs[]; };             \
    layout(binding = number) readonly buffer name##_buffer4 { uvec4 name##_quads[]; };             \
    uint name##_bits(uint slot)                                                                    \
    {                                                                                              \
        if (TYPE == VKD_ELEMENT_F32 || TYPE == VKD_ELEMENT_I32)                                    \
            return name##_words[slot];                                                             \
        if (TYPE == VKD_ELEMENT_F16)                                                               \
            return bitfieldExtract(name##_words[slot >> 1], int(16u * (slot & 1u)), 16);           \
        return bitfieldExtract(name##_words[slot >> 2], int(8u * (slot & 3u)), 8);                 \
    }                                                                                              \
    int name##_loadi(uint slot)                                                                    \
    {                                                                                              \
        uint bits = name##_bits(slot);                                                             \
        return TYPE == VKD_ELEMENT_I8 ? bitfieldExtract(int(bits), 0, 8) : int(bits);              \
    }                                                                                              \
    float name##_load(uint slot)                                                                   \
    {                                                                                              \
        uint bits = name##_bits(slot);                                                             \
        if (TYPE == VKD_ELEMENT_F32)                                                               \
            return uintBitsToFloat(bits);                                                          \
        if (TYPE == VKD_ELEMENT_F16)                                                               \
            return unpackHalf2x16(bits).x;                                                         \
        return float(name##_loadi(slot));                                                          \
    }                                                                                              \
    uvec4 name##_bits4(uint group)                                                                 \
    {                                                                                              \
        if (TYPE == VKD_ELEMENT_F32 || TYPE == VKD_ELEMENT_I32)                                    \
            return name##_quads[group];                                                            \
        if (TYPE == VKD_ELEMENT_F16) {                                                             \
            uvec2 pair = name##_pairs[group];                                                      \
            return uvec4(pair.x & 0xffffu, pair.x >> 16, pair.y & 0xffffu, pair.y >> 16);          \
        }                                                                                          \
        uint word = name##_words[group];                                                           \
        return uvec4(word & 255u, word >> 8 & 255u, word >> 16 & 255u, word >> 24);                \
    }                                                                                              \
    ivec4 name##_load4i(uint group)                                                                \
    {                                                                                              \
        ivec4 bits = ivec4(name##_bits4(group));                                                   \
        return TYPE == VKD_ELEMENT_I8 ? bits << 24 >> 24 : bits;                                   \
    }                                                                                              \
    vec4 name##_load4(uint group)                                                                  \
    {                                                                                              \
        if (TYPE == VKD_ELEMENT_F32)                                                               \
            return uintBitsToFloat(name##_quads[group]);                                           \
        if (TYPE == VKD_ELEMENT_F16)                                                               \
            return vec4(unpackHalf2x16(name##_pairs[group].x),                                     \
                        unpackHalf2x16(name##_pairs[group].y));                                    \
        return vec4(name##_load4i(group));                                                         \
    }

#define ELEMENTS_OUT(number, name, TYPE)                                                           \
    layout(binding = number) writeonly buffer name##_buffer1 { uint name##_words[]; };             \
    layout(binding = number) writeonly buffer name##_buffer2 { uvec2 name##_pairs[]; };            \
    layout(binding = number) writeonly buffer name##_buffer4 { uvec4 name##_quads[]; };            \
    void name##_store4_bits(uint group, uvec4 bits)                                                \
    {                                                                                              \
        if (TYPE == VKD_ELEMENT_F32 || TYPE == VKD_ELEMENT_I32)                                    \
            name##_quads[group] = bits;                                                            \
        else if (TYPE == VKD_ELEMENT_F16)                                                          \
            name##_pairs[group] = uvec2(bits.x | bits.y << 16, bits.z | bits.w << 16);             \
        else                                                                                       \
            name##_words[group] = pack_bytes(bits);                                                \
    }                                                                                              \
    void name##_store4i(uint group, ivec4 v)                                                       \
    {                                                                                              \
        if (TYPE == VKD_ELEMENT_F32)                                                               \
            name##_quads[group] = floatBitsToUint(vec4(v));                                        \
        else if (TYPE == VKD_ELEMENT_F16)                                                          \
            name##_store4_bits(group, uvec4(half_bits(float(v.x)), half_bits(float(v.y)),          \
                                            half_bits(float(v.z)), half_bits(float(v.w))));        \
        else if (TYPE == VKD_ELEMENT_BOOL)                                                         \
            name##_store4_bits(group, uvec4(notEqual(v, ivec4(0))));                               \
        else                                                                                       \
            name##_store4_bits(group, uvec4(v));                                                   \
    }                                                                                              \
    void name##_store4(uint group, vec4 v)                                                         \
    {                                                                                              \
        if (TYPE == VKD_ELEMENT_F32)                                                               \
            name##_quads[group] = floatBitsToUint(v);                                              \
        else if (TYPE == VKD_ELEMENT_F16)                                                          \
            name##_store4_bits(                                                                    \
                group, uvec4(half_bits(v.x), half_bits(v.y), half_bits(v.z), half_bits(v.w)));     \
        else if (TYPE == VKD_ELEMENT_BOOL)                                                         \
            name##_store4_bits(group, uvec4(not(equal(v, vec4(0.0)))));                            \
        else                                                                                       \
            name##_store4i(group, float_to_int(v));                                                \
    }
