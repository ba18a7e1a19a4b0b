/* shaders/unary.glsl: the functions of each kernel that includes it, and what they are given. */
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
#define UNARY_SQRT 13
#define UNARY_RSQRT 14
#define UNARY_RECIPROCAL 15
#define UNARY_RECIPROCAL_SQUARE 16
#define UNARY_ISNAN 17
#define UNARY_ISINF 18
#define UNARY_HARDSWISH 19
#define UNARY_HARDSIGMOID 20
#define UNARY_HARDSHRINK 21 /* low .. high becomes 0 */
#define UNARY_LEAKY_RELU 22 /* low: the slope */
/* unary_exp.comp */
#define UNARY_BY_EXP 23
#define UNARY_EXP 23
#define UNARY_EXPM1 24
#define UNARY_SINH 25
#define UNARY_COSH 26
#define UNARY_TANH 27
#define UNARY_SIGMOID 28
#define UNARY_ERF 29
#define UNARY_GELU 30
#define UNARY_GELU_TANH 31
#define UNARY_ELU                                                                                  \
    32 /* low: factor of the negative side, high: of the positive one, third: within the           \
          exponential */
/* unary_log.comp */
#define UNARY_BY_LOG 33
#define UNARY_LOG 33
#define UNARY_LOG2 34
#define UNARY_LOG10 35
#define UNARY_LOG1P 36
#define UNARY_ASINH 37
#define UNARY_ACOSH 38
#define UNARY_ATANH 39
#define UNARY_LOGIT 40 /* of x clamped to low .. high; NaN: not at all */
/* unary_angle.comp */
#define UNARY_BY_ANGLE 41
#define UNARY_SIN 41
#define UNARY_COS 42
#define UNARY_TAN 43
#define UNARY_ASIN 44
#define UNARY_ACOS 45
#define UNARY_ATAN 46

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
