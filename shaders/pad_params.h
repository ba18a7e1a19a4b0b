/* shaders/pad.comp: dims of y that lie within each other are one, innermost last; unused ones in
 * front are 1. */
#ifndef VKD_SHADERS_PAD_PARAMS_H
#define VKD_SHADERS_PAD_PARAMS_H

#include "types.h"

#define VKD_PAD_DIMS 6

/* What is beside x: */
#define VKD_PAD_VALUE 0   /* a value */
#define VKD_PAD_NEAREST 1 /* its nearest element */
#define VKD_PAD_MIRROR 2  /* as in a mirror in its first or last element */
#define VKD_PAD_WRAP 3    /* its other end */

VKD_PARAMS_STRUCT(pad_params)
{
    u32 groups, slots;
    u32 value; /* bits of an element */
    u32 x_offset;
    u32 dims[VKD_PAD_DIMS];
    i32 at[VKD_PAD_DIMS];   /* where x begins in y */
    i32 size[VKD_PAD_DIMS]; /* of x */
    i32 strides[VKD_PAD_DIMS];
};

#endif
