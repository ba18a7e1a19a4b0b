/* shaders/scan.comp */
#ifndef VKD_SHADERS_SCAN_PARAMS_H
#define VKD_SHADERS_SCAN_PARAMS_H

#include "view_params.h"

VKD_PARAMS_STRUCT(scan_params)
{
    u32 groups, slots, inner;
    u32 x_offset;
    u32 first, count;        /* elements of a line, behind those that are summed already */
    u32 x_step, y_step;      /* from one to the next, in slots */
    u32 dims[VKD_VIEW_DIMS]; /* of the lines */
    u32 x_strides[VKD_VIEW_DIMS];
    u32 y_strides[VKD_VIEW_DIMS];
};

#endif
