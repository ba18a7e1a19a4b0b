#ifndef VKD_SHADERS_CAT_PARAMS_H
#define VKD_SHADERS_CAT_PARAMS_H

#include "types.h"

/* A part: pixels of a 4C tensor, or some channels of each. */
VKD_PARAMS_STRUCT(cat_part)
{
    u32 invocations;            /* for words of y that hold elements of x, or four of those */
    u32 n_at, c_at, h_at, w_at; /* where x begins in y */
    u32 x_c, x_h, x_w;
    u32 x_pixel, x_at; /* elements from pixel to pixel, and before the first; multiples of 4 */
};

/* Two of them; the second may have no invocations. */
VKD_PARAMS_STRUCT(cat_params)
{
    cat_part first, second;
    u32 y_c, y_h, y_w;
};

#endif
