/* shaders/cross_entropy.comp, adamw.comp and nibble_codes.comp */
#ifndef VKD_SHADERS_TRAINING_PARAMS_H
#define VKD_SHADERS_TRAINING_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(cross_entropy_params)
{
    u32 rows, classes;
    f32 inverse_count;
};

VKD_PARAMS_STRUCT(adamw_params)
{
    u32 groups;
    f32 rate, beta1, beta2, eps, decay, correction1, correction2;
};

VKD_PARAMS_STRUCT(nibble_codes_params)
{
    u32 words, bytes; /* of y; bytes of a row */
    u32 rows, width, group;
    u32 scale_row; /* of scales [width / group][..] */
};

#endif
