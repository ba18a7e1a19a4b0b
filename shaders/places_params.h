/* shaders/places.comp */
#ifndef VKD_SHADERS_PLACES_PARAMS_H
#define VKD_SHADERS_PLACES_PARAMS_H

#include "view_params.h"

VKD_PARAMS_STRUCT(places_params)
{
    u32 groups, slots, inner;
    u32 index_offset;
    i32 size;   /* of the dim that the index chooses in */
    i32 stride; /* of that dim */
    u32 dims[VKD_VIEW_DIMS];
    u32 index_strides[VKD_VIEW_DIMS];
    u32 base_strides[VKD_VIEW_DIMS]; /* what a step along each dim adds, whatever the index is */
};

#endif
