/* shaders/binary.glsl: the functions of each kernel that includes it, and what they are given. */
#ifndef VKD_SHADERS_BINARY_PARAMS_H
#define VKD_SHADERS_BINARY_PARAMS_H

#include "view_params.h"

#define BINARY_ADD 0 /* a + alpha b */
#define BINARY_SUB 1 /* a - alpha b */
#define BINARY_MUL 2
#define BINARY_DIV 3 /* of floats */
#define BINARY_MIN 4
#define BINARY_MAX 5
#define BINARY_EQ 6
#define BINARY_NE 7
#define BINARY_LT 8
#define BINARY_LE 9
#define BINARY_GT 10
#define BINARY_GE 11
#define BINARY_LOGICAL_AND 12
#define BINARY_LOGICAL_OR 13
#define BINARY_LOGICAL_XOR 14
#define BINARY_BITWISE_AND 15 /* of ints */
#define BINARY_BITWISE_OR 16
#define BINARY_BITWISE_XOR 17
#define BINARY_SHIFT_LEFT 18  /* by what is no place of a bit all bits are gone, to the right */
#define BINARY_SHIFT_RIGHT 19 /* the sign stays */
/* binary_math.comp */
#define BINARY_BY_MATH 20
#define BINARY_DIV_FLOOR 20
#define BINARY_DIV_TRUNC 21
#define BINARY_FMOD 22
#define BINARY_REMAINDER 23
#define BINARY_POW 24
#define BINARY_ATAN2 25 /* of floats */
#define BINARY_GLU 26   /* of floats: a sigmoid b */

VKD_PARAMS_STRUCT(binary_params)
{
    u32 groups, slots, inner;
    u32 a_offset, b_offset;
    u32 dims[VKD_VIEW_DIMS];
    u32 a_strides[VKD_VIEW_DIMS], b_strides[VKD_VIEW_DIMS];
    f32 alpha;
    i32 alpha_int; /* where ints are computed with */
};

#endif
