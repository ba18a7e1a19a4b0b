/* shaders/sort.comp */
#ifndef VKD_SHADERS_SORT_PARAMS_H
#define VKD_SHADERS_SORT_PARAMS_H

#include "view_params.h"

VKD_PARAMS_STRUCT(sort_params)
{
    u32 slots, inner; /* lines, as view_params.h counts them */
    u32 x_offset;
    u32 count;               /* elements of a line */
    u32 x_step;              /* from one to the next, in slots */
    u32 run;                 /* elements that are in order already */
    u32 dims[VKD_VIEW_DIMS]; /* of the lines */
    u32 x_strides[VKD_VIEW_DIMS];
};

#endif
