/* shaders/paste.comp */
#ifndef VKD_SHADERS_PASTE_PARAMS_H
#define VKD_SHADERS_PASTE_PARAMS_H

#include "view_params.h"

VKD_PARAMS_STRUCT(paste_params)
{
    u32 slots, inner; /* of x, as view_params.h has them */
    u32 x_offset;
    u32 chunks; /* of 4 slots that a row of x takes in y at most */
    u32 rows;
    u32 x_row, y_row; /* elements of a row */
    u32 y_at;         /* where x begins in a row of y */
    /* the word of a number that moves y_at by symbol_stride for each of it; ~0: none */
    u32 symbol;
    u32 symbol_stride, symbol_most;
    u32 dims[VKD_VIEW_DIMS];
    u32 x_strides[VKD_VIEW_DIMS];
};

#endif
