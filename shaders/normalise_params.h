/* shaders/normalise.comp: each operand's strides over y's dims, see view_params.h; stats are pairs.
 */
#ifndef VKD_SHADERS_NORMALISE_PARAMS_H
#define VKD_SHADERS_NORMALISE_PARAMS_H

#include "view_params.h"

#define VKD_NORMALISE_SOFTMAX 0     /* e^(x - s.x) / s.y */
#define VKD_NORMALISE_LOG_SOFTMAX 1 /* (x - s.x) - log(s.y) */
#define VKD_NORMALISE_SCALE 2       /* (x - s.x) * s.y * weight + bias */

#define VKD_NORMALISE_DIMS 5 /* apart; of more, operands are put in one piece first */

VKD_PARAMS_STRUCT(normalise_params)
{
    u32 groups, slots, inner;
    u32 x_offset, weight_offset, bias_offset;
    u32 dims[VKD_NORMALISE_DIMS];
    u32 x_strides[VKD_NORMALISE_DIMS];
    u32 stats_strides[VKD_NORMALISE_DIMS];
    u32 weight_strides[VKD_NORMALISE_DIMS];
    u32 bias_strides[VKD_NORMALISE_DIMS];
};

#endif
