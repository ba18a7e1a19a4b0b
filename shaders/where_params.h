/* shaders/where.comp */
#ifndef VKD_SHADERS_WHERE_PARAMS_H
#define VKD_SHADERS_WHERE_PARAMS_H

#include "view_params.h"

/* Dims that a walk of three operands may have: more do not fit the push constants that every device
 * has. */
#define VKD_WHERE_DIMS 6

VKD_PARAMS_STRUCT(where_params)
{
    u32 groups, slots, inner;
    u32 c_offset, a_offset, b_offset;
    u32 dims[VKD_WHERE_DIMS];
    u32 c_strides[VKD_WHERE_DIMS], a_strides[VKD_WHERE_DIMS], b_strides[VKD_WHERE_DIMS];
};

#endif
