/* The elements of x behind one of y lie in runs, `step` apart and with a longer way from run to
 * run; they are groups of four channels, numbered in the order in which they are added up. */
#ifndef VKD_SHADERS_MEAN_PARAMS_H
#define VKD_SHADERS_MEAN_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(mean_params)
{
    u32 n, c, h, w;       /* of x */
    u32 y_n, y_h, y_w;    /* of y: x's or 1 */
    u32 over_c;           /* 1: over the channels too */
    u32 blocks, y_blocks; /* groups of four channels in a pixel */
    u32 groups;           /* of y */
    u32 elements;         /* for each of them */
    /* how many invocations share them, and the elements that one takes: y is slices times groups */
    u32 slices, slice;
    /* elements of a run; from one of its elements to the next, from run to run */
    u32 run, step, jump;
    f32 count; /* what the sum is divided by */
};

#endif
