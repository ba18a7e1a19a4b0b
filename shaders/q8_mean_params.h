#ifndef VKD_SHADERS_Q8_MEAN_PARAMS_H
#define VKD_SHADERS_Q8_MEAN_PARAMS_H

#include "types.h"

/* The values of a channel are summed as floats: exactly, where they are integers and the sum is
 * below 2^24. 65793 * 255 is. A mean of more pixels is made in two steps: sums of slices, and of
 * those. */
#define Q8_MEAN_MAX_PIXELS 65793

VKD_PARAMS_STRUCT(q8_mean_params)
{
    u32 groups; /* words of y: n * slices * blocks */
    u32 blocks; /* groups of four channels in a pixel */
    u32 pixels; /* h * w, or the slices whose sums x holds */
    u32 slices; /* that the pixels of y's word are shared among */
    u32 slice;  /* pixels of one */
    f32 x_zero;
    f32 low, high; /* of the clamp, in steps of x; infinities where there is none */
    f32 factor;    /* x_scale / pixels */
    f32 y_inverse_scale;
    i32 y_zero;
};

#endif
