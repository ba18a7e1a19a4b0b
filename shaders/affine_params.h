/* shaders/affine.comp: quantising and dequantising, each operand by its strides over y's dims
 * (view_params.h) */
#ifndef VKD_SHADERS_AFFINE_PARAMS_H
#define VKD_SHADERS_AFFINE_PARAMS_H

#include "view_params.h"

#define VKD_AFFINE_DIMS 6

VKD_PARAMS_STRUCT(affine_params)
{
    u32 groups, slots, inner;
    u32 x_offset, scale_offset, zero_offset;
    i32 low, high;
    u32 dims[VKD_AFFINE_DIMS];
    u32 x_strides[VKD_AFFINE_DIMS];
    u32 scale_strides[VKD_AFFINE_DIMS];
    u32 zero_strides[VKD_AFFINE_DIMS];
};

#endif
