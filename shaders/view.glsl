// Walks over views, see view_params.h. A kernel has `params` with slots, dims and inner, and the specialisation constants
//   RANK   how many dims there are; 0: all operands lie as the result does, group by group
//   WHOLE  1: a group of the result lies within one row
//
//     VIEW(x_slots, params.x_strides, params.x_offset)    // uvec4 x_slots(group): the operand's slots for a group of the result
//
// An operand that ELEMENTS_IN has declared, and how it is read (VKD_READ_*, a specialisation constant):
//
//     OPERAND(x, X_READ, params.x_strides, params.x_offset)   // x_get4(group), x_get4i(group), x_get4_bits(group)
#include "view_params.h"

#define VIEW(NAME, STRIDES, OFFSET) VIEW_OF(NAME, STRIDES, OFFSET, VKD_VIEW_DIMS)
#define VIEW_OF(NAME, STRIDES, OFFSET, DIMS)                                                                                   \
    /* Behind the end and in the padding of 4C: those of the last element, so that no load is out of bounds. */                \
    uint NAME##_at(uint slot, out uint inner)                                                                                  \
    {                                                                                                                          \
        uint rest = min(slot, params.slots - 1), at = OFFSET;                                                                  \
        inner = 0;                                                                                                             \
        for (uint i = 0; i < RANK; i++) {                                                                                      \
            uint d = DIMS - 1 - i;                                                                                             \
            uint next = i == RANK - 1 ? 0 : rest / params.dims[d], coordinate = rest - next * params.dims[d];                  \
            if (i == 0)                                                                                                        \
                inner = coordinate = min(coordinate, params.inner - 1);                                                        \
            at += coordinate * STRIDES[d];                                                                                     \
            rest = next;                                                                                                       \
        }                                                                                                                      \
        return at;                                                                                                             \
    }                                                                                                                          \
    uvec4 NAME(uint group)                                                                                                     \
    {                                                                                                                          \
        uint inner;                                                                                                            \
        uint first = NAME##_at(4 * group, inner);                                                                              \
        if (WHOLE == 1)                                                                                                        \
            return first + min(uvec4(0, 1, 2, 3), params.inner - 1 - inner) * STRIDES[DIMS - 1];                               \
        return uvec4(first, NAME##_at(4 * group + 1, inner), NAME##_at(4 * group + 2, inner),                                  \
                     NAME##_at(4 * group + 3, inner));                                                                         \
    }

#define OPERAND_GET(TYPE, GET, SLOTS, FIRST, LOAD4, LOAD1, READ, OFFSET)                                                       \
    TYPE GET(uint group)                                                                                                       \
    {                                                                                                                          \
        if (READ == VKD_READ_SAME)                                                                                             \
            return LOAD4(group);                                                                                               \
        if (READ == VKD_READ_ONE)                                                                                              \
            return TYPE(LOAD1(OFFSET));                                                                                        \
        uint inner;                                                                                                            \
        if (READ == VKD_READ_GROUP)                                                                                            \
            return LOAD4(FIRST(4 * group, inner) >> 2);                                                                        \
        uvec4 s = SLOTS(group);                                                                                                \
        return TYPE(LOAD1(s.x), LOAD1(s.y), LOAD1(s.z), LOAD1(s.w));                                                           \
    }

#define OPERAND(NAME, READ, STRIDES, OFFSET) OPERAND_OF(NAME, READ, STRIDES, OFFSET, VKD_VIEW_DIMS)
#define OPERAND_OF(NAME, READ, STRIDES, OFFSET, DIMS)                                                                          \
    VIEW_OF(NAME##_slots, STRIDES, OFFSET, DIMS)                                                                               \
    OPERAND_GET(uvec4, NAME##_get4_bits, NAME##_slots, NAME##_slots_at, NAME##_bits4, NAME##_bits, READ, OFFSET)               \
    OPERAND_GET(ivec4, NAME##_get4i, NAME##_slots, NAME##_slots_at, NAME##_load4i, NAME##_loadi, READ, OFFSET)                 \
    OPERAND_GET(vec4, NAME##_get4, NAME##_slots, NAME##_slots_at, NAME##_load4, NAME##_load, READ, OFFSET)
