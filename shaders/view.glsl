// Walks over views, see view_params.h. A kernel has `params` with slots, dims and inner, and the
// specialisation constants
//   RANK   how many dims there are; 0: all operands lie as the result does, group by group
//   WHOLE  1: a group of the result lies within one row
//
//     VIEW(x_slots, params.x_strides, params.x_offset)    // uvec4 x_slots(group): the operand's slots for a group of the result
//
// An operand that ELEMENTS_IN has declared: its type, and how it is read (VKD_READ_*, a
// specialisation constant):
//
//     OPERAND(x, X_TYPE, X_READ, params.x_strides, params.x_offset)   // x_get4(group), x_get4i(group), x_get4_bits(group)
#include "view_params.h"

#define VIEW(NAME, STRIDES, OFFSET) VIEW_OF(NAME, STRIDES, OFFSET, VKD_VIEW_DIMS)
#define VIEW_OF(NAME, STRIDES, OFFSET, DIMS)                                                                    \
    /* Behind the end and in the padding of 4C: those of the last element, so that no load is out of bounds. */ \
    uint NAME##_at(uint slot, out uint inner)                                                                   \
    {                                                                                                           \
        uint rest = min(slot, params.slots - 1), at = OFFSET;                                                   \
        inner = 0;                                                                                              \
        for (uint i = 0; i < RANK; i++) {                                                                       \
            uint d = DIMS - 1 - i;                                                                              \
            uint next = i == RANK - 1 ? 0 : rest / params.dims[d],                                              \
                 coordinate = rest - next * params.dims[d];                                                     \
            if (i == 0)                                                                                         \
                inner = coordinate = min(coordinate, params.inner - 1);                                         \
            at += coordinate * STRIDES[d];                                                                      \
            rest = next;                                                                                        \
        }                                                                                                       \
        return at;                                                                                              \
    }                                                                                                           \
    uvec4 NAME##_each(uvec4 slots)                                                                              \
    {                                                                                                           \
        uvec4 rest = min(slots, params.slots - 1), at = uvec4(OFFSET);                                          \
        for (uint i = 0; i < RANK; i++) {                                                                       \
            uint d = DIMS - 1 - i;                                                                              \
            uvec4 next = i == RANK - 1 ? uvec4(0) : rest / params.dims[d],                                      \
                  coordinates = rest - next * params.dims[d];                                                   \
            at += (i == 0 ? min(coordinates, params.inner - 1) : coordinates) * STRIDES[d];                     \
            rest = next;                                                                                        \
        }                                                                                                       \
        return at;                                                                                              \
    }                                                                                                           \
    uvec4 NAME(uint group)                                                                                      \
    {                                                                                                           \
        uint inner;                                                                                             \
        if (WHOLE == 0)                                                                                         \
            return NAME##_each(4 * group + uvec4(0, 1, 2, 3));                                                  \
        uint first = NAME##_at(4 * group, inner);                                                               \
        return first + min(uvec4(0, 1, 2, 3), params.inner - 1 - inner) * STRIDES[DIMS - 1];                    \
    }

#define OPERAND(NAME, TYPE, READ, STRIDES, OFFSET)                                                 \
    OPERAND_OF(NAME, TYPE, READ, STRIDES, OFFSET, VKD_VIEW_DIMS)
#define OPERAND_OF(NAME, TYPE, READ, STRIDES, OFFSET, DIMS)                                        \
    VIEW_OF(NAME##_slots, STRIDES, OFFSET, DIMS)                                                   \
    uvec4 NAME##_get4_bits(uint group)                                                             \
    {                                                                                              \
        if (READ == VKD_READ_EACH) {                                                               \
            uvec4 s = NAME##_slots(group);                                                         \
            return uvec4(NAME##_bits(s.x), NAME##_bits(s.y), NAME##_bits(s.z), NAME##_bits(s.w));  \
        }                                                                                          \
        if (READ == VKD_READ_ONE)                                                                  \
            return uvec4(NAME##_bits(OFFSET));                                                     \
        uint inner;                                                                                \
        return NAME##_bits4(READ == VKD_READ_SAME ? group                                          \
                                                  : NAME##_slots_at(4 * group, inner) >> 2);       \
    }                                                                                              \
    vec4 NAME##_get4(uint group) { return bits_to_floats(NAME##_get4_bits(group), TYPE); }         \
    ivec4 NAME##_get4i(uint group) { return bits_to_ints(NAME##_get4_bits(group), TYPE); }
