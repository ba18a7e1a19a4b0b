/* shaders/binary.comp, and the functions that it knows. */
#ifndef VKD_SHADERS_BINARY_PARAMS_H
#define VKD_SHADERS_BINARY_PARAMS_H

#include "view_params.h"

#define BINARY_ADD 0 /* a + alpha b */
#define BINARY_SUB 1 /* a - alpha b */
#define BINARY_MUL 2
#define BINARY_DIV 3 /* of floats */
#define BINARY_DIV_FLOOR 4
#define BINARY_DIV_TRUNC 5
#define BINARY_FMOD 6
#define BINARY_REMAINDER 7
#define BINARY_POW 8
#define BINARY_MIN 9
#define BINARY_MAX 10
#define BINARY_ATAN2 11 /* of floats */
#define BINARY_EQ 12
#define BINARY_NE 13
#define BINARY_LT 14
#define BINARY_LE 15
#define BINARY_GT 16
#define BINARY_GE 17
#define BINARY_LOGICAL_AND 18
#define BINARY_LOGICAL_OR 19
#define BINARY_LOGICAL_XOR 20
#define BINARY_BITWISE_AND 21 /* of ints */
#define BINARY_BITWISE_OR 22
#define BINARY_BITWISE_XOR 23
#define BINARY_GLU 24 /* of floats: a sigmoid b */

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
