#ifndef VKD_SHADERS_UPSAMPLE_NEAREST_PARAMS_H
#define VKD_SHADERS_UPSAMPLE_NEAREST_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(upsample_nearest_params) { u32 words; /* of y */ };

#endif
