#ifndef VKD_SHADERS_Q8TA_RELU_PARAMS_H
#define VKD_SHADERS_Q8TA_RELU_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(q8ta_relu_params)
{
    u32 quads; /* of four words */
    f32 x_scale;
    f32 x_zero;
    f32 y_inverse_scale;
    i32 y_zero;
};

#endif
