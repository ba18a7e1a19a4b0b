/* shaders/pairs.comp */
#ifndef VKD_SHADERS_PAIRS_PARAMS_H
#define VKD_SHADERS_PAIRS_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(pairs_params) { u32 rows; };

#endif
