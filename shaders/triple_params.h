/* Kernels that walk three operands, a, b and c: where.comp, chain.comp. */
#ifndef VKD_SHADERS_TRIPLE_PARAMS_H
#define VKD_SHADERS_TRIPLE_PARAMS_H

#include "view_params.h"

/* Dims that a walk of three operands may have: more do not fit the push constants that every device
 * has. */
#define VKD_TRIPLE_DIMS 6

VKD_PARAMS_STRUCT(triple_params)
{
    u32 groups, slots, inner;
    u32 a_offset, b_offset, c_offset;
    u32 dims[VKD_TRIPLE_DIMS];
    u32 a_strides[VKD_TRIPLE_DIMS], b_strides[VKD_TRIPLE_DIMS], c_strides[VKD_TRIPLE_DIMS];
};

#endif
