/* quantize.comp and dequantize.comp. */
#ifndef VKD_SHADERS_QUANTIZE_PARAMS_H
#define VKD_SHADERS_QUANTIZE_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(quantize_params)
{
    u32 groups;     /* of four slots of y */
    u32 n, c, h, w; /* of x and y */
    f32 scale;      /* quantize: the reciprocal */
    i32 zero;
};

#endif
