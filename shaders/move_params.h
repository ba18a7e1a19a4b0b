/* shaders/move.comp */
#ifndef VKD_SHADERS_MOVE_PARAMS_H
#define VKD_SHADERS_MOVE_PARAMS_H

#include "view_params.h"

VKD_PARAMS_STRUCT(move_params)
{
    u32 groups, slots, inner;
    u32 x_offset;
    /* the word of a number that moves x_offset by symbol_stride for each of it; ~0: none */
    u32 symbol;
    u32 symbol_stride;
    i32 symbol_size, symbol_most; /* a negative one counts from the end; it stays within 0..most */
    u32 dims[VKD_VIEW_DIMS];
    u32 x_strides[VKD_VIEW_DIMS];
};

#endif
