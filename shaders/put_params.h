/* shaders/put.comp */
#ifndef VKD_SHADERS_PUT_PARAMS_H
#define VKD_SHADERS_PUT_PARAMS_H

#include "view_params.h"

#define VKD_PUT_DIMS 5

#define VKD_PUT_SLICE 0 /* entry i goes to place start + i * step */
#define VKD_PUT_INDEX 1 /* to where the index says; the last one stays */
#define VKD_PUT_ADD 2   /* all of them are added */

VKD_PARAMS_STRUCT(put_params)
{
    u32 groups, slots, inner;
    u32 count; /* entries */
    i32 size;  /* places; an index counts from the end when negative */
    i32 start, step;
    u32 source_step, index_step; /* of an entry, in slots */
    u32 index_offset;
    u32 dims[VKD_PUT_DIMS];
    u32 place_strides[VKD_PUT_DIMS];
    u32 source_strides[VKD_PUT_DIMS];
    u32 index_strides[VKD_PUT_DIMS];
};

#endif
