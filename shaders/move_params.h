/* shaders/move.comp */
#ifndef VKD_SHADERS_MOVE_PARAMS_H
#define VKD_SHADERS_MOVE_PARAMS_H

#include "view_params.h"

VKD_PARAMS_STRUCT(move_params)
{
    u32 groups, slots, inner;
    u32 x_offset;
    u32 dims[VKD_VIEW_DIMS];
    u32 x_strides[VKD_VIEW_DIMS];
};

#endif
