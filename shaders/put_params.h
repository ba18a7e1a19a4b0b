/* shaders/put.comp */
#ifndef VKD_SHADERS_PUT_PARAMS_H
#define VKD_SHADERS_PUT_PARAMS_H

#include "view_params.h"

#define VKD_PUT_SLICE 0 /* entry i goes to place start + i * step */
#define VKD_PUT_INDEX 1 /* to where its place says; the last one stays */
#define VKD_PUT_ADD 2   /* all of them are added, one after the other */

VKD_PARAMS_STRUCT(put_params)
{
    u32 groups, slots, inner;
    u32 count; /* entries */
    u32 first; /* in order, of those that this dispatch looks at */
    i32 start, step;
    u32 source_step; /* of an entry, in slots */
    u32 dims[VKD_VIEW_DIMS];
    u32 place_strides[VKD_VIEW_DIMS];
    u32 source_strides[VKD_VIEW_DIMS];
};

#endif
