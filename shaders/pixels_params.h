/* shaders/pixels.comp: bytes of images to floats or int8 */
#ifndef VKD_SHADERS_PIXELS_PARAMS_H
#define VKD_SHADERS_PIXELS_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(pixels_params)
{
    u32 pixels; /* of all images */
    u32 plane;  /* of one */
};

#endif
