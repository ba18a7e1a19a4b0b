/* shaders/gather.comp */
#ifndef VKD_SHADERS_GATHER_PARAMS_H
#define VKD_SHADERS_GATHER_PARAMS_H

#include "view_params.h"

VKD_PARAMS_STRUCT(gather_params)
{
    u32 groups, slots, inner;
    u32 x_offset, index_offset;
    i32 size;     /* of the dim that indices choose in, at least 1 */
    i32 x_stride; /* of that dim */
    u32 dims[VKD_VIEW_DIMS];
    u32 x_strides[VKD_VIEW_DIMS];
    u32 index_strides[VKD_VIEW_DIMS];
};

#endif
