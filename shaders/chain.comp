// y = what a few steps make of a, b and c, seen through views of y's dims: an invocation makes a
// group of four elements. Every step is a function of two slots: inputs, results of steps before,
// or a number; see chain_params.h. What the steps are is compiled in, and so is what of the kernel
// is left: the fewer there may be, the sooner that is known. The steps are those of unary.comp,
// unary_exp.comp and binary.comp and round as they do; int8 operands are dequantized and int8
// results quantized as by dequantize.comp and quantize.comp.
// The module `grows` also puts the last part of a concatenation, an int8 tensor, to the other
// parts, which a is: the groups of channels from `first` on are dequantized, and stored there.
// build: STEPS = short(SHORT=1) long exp_short(SHORT=1 SERIES=1) exp_long(SERIES=1) grows(SHORT=1)
// glslc -O0: its optimiser's unroller forgets what is precise
#version 450
#extension GL_GOOGLE_include_directive : require
#include "chain_params.h"
#include "dispatch.glsl"
#include "element.glsl"
#include "int8.glsl"
#include "unary_plain.glsl"
#include "binary_arithmetic.glsl"
#ifdef SERIES
#include "unary_exponential.glsl"
#endif

layout(constant_id = 3) const uint A_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 4) const uint B_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 5) const uint C_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 6) const uint Y_TYPE = VKD_ELEMENT_F32;
layout(constant_id = 7) const uint RANK = 1;
layout(constant_id = 8) const uint WHOLE = 0;
layout(constant_id = 9) const uint A_READ = VKD_READ_SAME;
layout(constant_id = 10) const uint B_READ = VKD_READ_SAME;
layout(constant_id = 11) const uint C_READ = VKD_READ_SAME;
layout(constant_id = 12) const uint INPUTS = 1;
layout(constant_id = 13) const uint RESULT = 0; // a slot
// function | a << 8 | b << 16 | 1 << 24; 0 behind the last one
layout(constant_id = 14) const uint STEP_0 = 0;
layout(constant_id = 15) const uint STEP_1 = 0;
layout(constant_id = 16) const uint STEP_2 = 0;
layout(constant_id = 17) const uint STEP_3 = 0;
layout(constant_id = 18) const uint STEP_4 = 0;
layout(constant_id = 19) const uint STEP_5 = 0;
layout(constant_id = 20) const uint STEP_6 = 0;
layout(constant_id = 21) const uint STEP_7 = 0;

layout(push_constant) uniform params_block { triple_params params; };
#include "view.glsl"

ELEMENTS_IN(0, a, A_TYPE)
ELEMENTS_IN(1, b, B_TYPE)
ELEMENTS_IN(2, c, C_TYPE)
layout(binding = 3) readonly buffer numbers_buffer { chain_numbers constants; };
ELEMENTS_OUT(4, y, Y_TYPE)
OPERAND_OF(a, A_TYPE, A_READ, params.a_strides, params.a_offset, VKD_TRIPLE_DIMS)
OPERAND_OF(b, B_TYPE, B_READ, params.b_strides, params.b_offset, VKD_TRIPLE_DIMS)
OPERAND_OF(c, C_TYPE, C_READ, params.c_strides, params.c_offset, VKD_TRIPLE_DIMS)

vec4 real(vec4 x, uint type, uint input_index)
{
    precise vec4 scaled = (x - constants.x_zeros[input_index]) * constants.x_scales[input_index];
    return type == VKD_ELEMENT_I8 ? scaled : x;
}

float function_of(int function, float a, float b, vec4 numbers)
{
    if (function >= CHAIN_BINARY)
        return arithmetic_of(function - CHAIN_BINARY, a, b, numbers.y);
    if (function == CHAIN_HALF)
        return unpackHalf2x16(half_bits(a)).x;
#ifdef SERIES
    if (function >= UNARY_BY_EXP)
        return exponential_of(function, a, numbers.x, numbers.y, numbers.z);
#endif
    return plain_of(function, a, numbers.x, numbers.y);
}

// Loaded before invocations part ways: llvmpipe has loaded some wrongly where they had.
vec4 numbers[CHAIN_STEPS];

#define LOAD(N)                                                                                    \
    if (STEP_##N != 0)                                                                             \
        numbers[N] = vec4(constants.numbers[4 * N], constants.numbers[4 * N + 1],                  \
                          constants.numbers[4 * N + 2], 0);
#define TAKE(N)                                                                                    \
    if (STEP_##N != 0) {                                                                           \
        slots[CHAIN_NUMBER] = numbers[N].x;                                                        \
        slots[CHAIN_INPUTS + N] = function_of(int(STEP_##N & 255u), slots[STEP_##N >> 8 & 255u],   \
                                              slots[STEP_##N >> 16 & 255u], numbers[N]);           \
    }
#ifdef SHORT
#define ALL(DO) DO(0) DO(1) DO(2)
#else
#define ALL(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)
#endif

float element(float a, float b, float c)
{
    precise float slots[CHAIN_SLOTS];
    slots[0] = a;
    slots[1] = b;
    slots[2] = c;
    ALL(TAKE)
    return slots[RESULT];
}

#ifdef STEPS_GROWS
layout(binding = 0) writeonly buffer grown_buffer { vec4 grown[]; };
layout(binding = 5) readonly buffer part_buffer { int part[]; };
vec4 read_a(uint group)
{
    const uint groups = constants.groups, first = constants.first;
    const float scale = constants.x_scales[3], zero = constants.x_zeros[3];
    uint pixel = group / groups, c = group - pixel * groups, inner;
    if (c < first)
        return a_get4(group);
    precise vec4 v = (vec4(unpack_int8(part[pixel * (groups - first) + c - first])) - zero) * scale;
    grown[A_READ == VKD_READ_SAME ? group : a_slots_at(4 * group, inner) >> 2] = v;
    return v;
}
#else
vec4 read_a(uint group) { return real(a_get4(group), A_TYPE, 0); }
#endif

void main()
{
    uint group = linear_index();
    if (group >= params.groups)
        return;
    vec4 a = read_a(group), b = a, c = a, v;
    if (INPUTS > 1)
        b = real(b_get4(group), B_TYPE, 1);
    if (INPUTS > 2)
        c = real(c_get4(group), C_TYPE, 2);
    ALL(LOAD)
    for (int i = 0; i < 4; i++)
        v[i] = element(a[i], b[i], c[i]);
    if (Y_TYPE == VKD_ELEMENT_I8) {
        v = mix(v, vec4(0), bvec4(is_nan(v.x), is_nan(v.y), is_nan(v.z), is_nan(v.w)));
        y_words[group] = uint(pack_rounded(v * constants.y_inverse_scale, constants.y_zero));
    } else
        y_store4(group, v);
}
