#ifndef VKD_SHADERS_Q8TA_PIXEL_SHUFFLE_PARAMS_H
#define VKD_SHADERS_Q8TA_PIXEL_SHUFFLE_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(q8ta_pixel_shuffle_params)
{
    u32 words; /* of y */
    u32 y_w;
    f32 x_scale;
    f32 x_zero;
    f32 y_inverse_scale;
    i32 y_zero;
};

#endif
