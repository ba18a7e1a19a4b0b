/* shaders/resample.comp */
#ifndef VKD_SHADERS_RESAMPLE_PARAMS_H
#define VKD_SHADERS_RESAMPLE_PARAMS_H

#include "view_params.h"

#define VKD_RESAMPLE_DIMS 4

#define VKD_RESAMPLE_NEAREST 0
#define VKD_RESAMPLE_BILINEAR 1
#define VKD_RESAMPLE_BICUBIC 2
#define VKD_RESAMPLE_SMOOTH 3 /* a triangle over all pixels that one of y covers, by ratios alone */

#define VKD_RESAMPLE_BORDER 0 /* outside of the image is the nearest pixel */
#define VKD_RESAMPLE_ZEROS 1
#define VKD_RESAMPLE_MIRROR 2 /* the image, turned at its edges again and again */

#define VKD_RESAMPLE_RATIO 0   /* a pixel of y is at its number times the ratio */
#define VKD_RESAMPLE_CENTRES 1 /* the same from centre to centre, not before the first */
#define VKD_RESAMPLE_GRID                                                                          \
    2 /* a tensor says where it is: -1 to 1 from corner to corner, centres of pixels */
#define VKD_RESAMPLE_GRID_EDGES 3 /* the same from edge to edge */

VKD_PARAMS_STRUCT(resample_params)
{
    u32 groups, slots, inner;
    u32 x_offset, grid_offset;
    u32 y_w;
    i32 x_h, x_w;
    u32 x_stride_h, x_stride_w; /* slots */
    u32 grid_stride;            /* from x to y of a place */
    f32 ratio_h, ratio_w;
    u32 dims[VKD_RESAMPLE_DIMS];
    u32 x_strides[VKD_RESAMPLE_DIMS];     /* of the plane */
    u32 pixel_strides[VKD_RESAMPLE_DIMS]; /* of h * y_w + w */
    u32 grid_strides[VKD_RESAMPLE_DIMS];
};

#endif
