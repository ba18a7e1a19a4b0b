/* shaders/choose.comp: scale and zero point from the least and the largest of each run */
#ifndef VKD_SHADERS_CHOOSE_PARAMS_H
#define VKD_SHADERS_CHOOSE_PARAMS_H

#include "types.h"

#define VKD_CHOOSE_ASYMMETRIC 0
#define VKD_CHOOSE_SYMMETRIC 1
#define VKD_CHOOSE_UNCLIPPED 3 /* symmetric, each half with its own number of steps */
#define VKD_CHOOSE_TOKEN 2     /* the zero point from the end with the smaller error */

VKD_PARAMS_STRUCT(choose_params)
{
    u32 groups, rows;
    f32 low, high, eps;
};

#endif
