#ifndef VKD_SHADERS_COPY_PARAMS_H
#define VKD_SHADERS_COPY_PARAMS_H

#include "types.h"

VKD_PARAMS_STRUCT(copy_params)
{
    u32 words; /* of dst */
    u32 src_n, src_c, src_h, src_w, dst_n, dst_c, dst_h, dst_w;
};

#endif
