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
    f32 count;            /* elements of x for one of y */
};

#endif
