/* shaders/norm.comp: y's memory is runs of `row` slots, `count` of them elements (4C pads); each
 * operand's strides are over y's dims, see view_params.h. */
#ifndef VKD_SHADERS_NORM_PARAMS_H
#define VKD_SHADERS_NORM_PARAMS_H

#include "normalise_params.h"
#include "reduce_params.h"

VKD_PARAMS_STRUCT(norm_params)
{
    u32 groups, slots, inner;
    u32 row, count;
    f32 eps;
    u32 x_offset, weight_offset, bias_offset;
    u32 dims[VKD_NORMALISE_DIMS];
    u32 x_strides[VKD_NORMALISE_DIMS];
    u32 weight_strides[VKD_NORMALISE_DIMS];
    u32 bias_strides[VKD_NORMALISE_DIMS];
};

#endif
