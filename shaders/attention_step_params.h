/* shaders/attention_step.comp: caches k and v [keys][heads / group][width] get a row at the
 * position, of what is turned of new_k, or of its root mean square norm, and of new_v; y[h] is the
 * attention of q[h], turned alike, to the rows up to there. */
#ifndef VKD_SHADERS_ATTENTION_STEP_PARAMS_H
#define VKD_SHADERS_ATTENTION_STEP_PARAMS_H

#include "attention_params.h"

VKD_PARAMS_STRUCT(attention_step_params)
{
    u32 heads, keys, width, group;
    u32 symbol; /* the word with the position; ~0: `start` */
    i32 start;
    f32 scale;
    /* as in rotary_params.h */
    u32 rotated, table, table_rows;
    u32 turn_symbol;
    i32 turn_start;
    f32 q_eps, k_eps;
};

#endif
