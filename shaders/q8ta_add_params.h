#ifndef VKD_SHADERS_Q8TA_ADD_PARAMS_H
#define VKD_SHADERS_Q8TA_ADD_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(q8ta_add_params)
{
    u32 quads; /* of four words */
    f32 a_scale;
    f32 a_zero;
    f32 b_scale;
    f32 b_zero;
    f32 alpha;
    f32 y_inverse_scale;
    i32 y_zero;
    u32 sign; /* of each byte: 0x80808080 makes int8 of uint8, which the zero points allow for */
    f32 low, high; /* of y */
};

#endif
