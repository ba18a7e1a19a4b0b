/* shaders/unary.comp, and the functions that it knows. */
#ifndef VKD_SHADERS_UNARY_PARAMS_H
#define VKD_SHADERS_UNARY_PARAMS_H

#include "view_params.h"

#define UNARY_COPY 0
#define UNARY_ABS 1
#define UNARY_NEG 2
#define UNARY_SIGN 3
#define UNARY_CLAMP 4 /* to low .. high */
#define UNARY_LOGICAL_NOT 5
#define UNARY_BITWISE_NOT 6
#define UNARY_SQUARE 7
#define UNARY_CUBE 8
#define UNARY_FLOOR 9
#define UNARY_CEIL 10
#define UNARY_TRUNC 11
#define UNARY_ROUND 12
/* From here on with floats, whatever the types are. */
#define UNARY_FLOATS 13
#define UNARY_EXP 13
#define UNARY_EXPM1 14
#define UNARY_LOG 15
#define UNARY_LOG2 16
#define UNARY_LOG10 17
#define UNARY_LOG1P 18
#define UNARY_SIN 19
#define UNARY_COS 20
#define UNARY_TAN 21
#define UNARY_ASIN 22
#define UNARY_ACOS 23
#define UNARY_ATAN 24
#define UNARY_SINH 25
#define UNARY_COSH 26
#define UNARY_TANH 27
#define UNARY_ASINH 28
#define UNARY_ACOSH 29
#define UNARY_ATANH 30
#define UNARY_ERF 31
#define UNARY_SQRT 32
#define UNARY_RSQRT 33
#define UNARY_RECIPROCAL 34
#define UNARY_RECIPROCAL_SQUARE 35
#define UNARY_ISNAN 36
#define UNARY_ISINF 37
#define UNARY_SIGMOID 38
#define UNARY_GELU 39
#define UNARY_GELU_TANH 40
#define UNARY_HARDSWISH 41
#define UNARY_HARDSIGMOID 42
#define UNARY_HARDSHRINK 43 /* low .. high becomes 0 */
#define UNARY_LEAKY_RELU 44 /* low: the slope */
#define UNARY_ELU 45 /* low: factor of the negative side, high: of the positive one, third: within the exponential */
#define UNARY_LOGIT 46 /* of x clamped to low .. high; NaN: not at all */

VKD_PARAMS_STRUCT(unary_params)
{
    u32 groups, slots, inner;
    u32 x_offset;
    u32 dims[VKD_VIEW_DIMS];
    u32 x_strides[VKD_VIEW_DIMS];
    f32 low, high, third;
    i32 low_int, high_int; /* bounds of ints */
};

#endif
