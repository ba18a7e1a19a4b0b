/* How a kernel sees a tensor: four dims and where an element is. A tensor of rank 2 [M, K] is n =
 * M, c = K; rank 1 is c; rank 3 is c, h, w; missing dims are 1. */
#ifndef VKD_SHADERS_TENSOR_PARAMS_H
#define VKD_SHADERS_TENSOR_PARAMS_H

#include "types.h"

#define VKD_LAYOUT_PLAIN 0 /* row-major n, c, h, w: the host's layout at the graph's boundary */
#define VKD_LAYOUT_4C                                                                              \
    1 /* n, h, w, c with c padded to a multiple of 4: every tensor inside the graph */

VKD_PARAMS_STRUCT(tensor_params)
{
    u32 n, c, h, w;
    u32 tensor_layout; /* VKD_LAYOUT_*; `layout` is a word of GLSL */
};

#endif
