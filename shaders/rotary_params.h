/* shaders/rotary.comp: x [b, s, h, d], contiguous, or its root mean square norm over d, turned by
 * angles of its position */
#ifndef VKD_SHADERS_ROTARY_PARAMS_H
#define VKD_SHADERS_ROTARY_PARAMS_H

#include "types.h"

#define VKD_ROTARY_PAIRS 0 /* elements 2i and 2i + 1; cos[s][i], sin[s][i] */
#define VKD_ROTARY_HALVES                                                                          \
    1 /* elements i and i + rotated / 2; cos[s][i] of tables as wide as `rotated` */
#define VKD_ROTARY_INTERLEAVED 2 /* as pairs; cos and sin alternate in one table */

#define VKD_ROTARY_MOST 1024 /* elements of a row that is normalised, a multiple of ... */
#define VKD_ROTARY_STEP 16

VKD_PARAMS_STRUCT(rotary_params)
{
    u32 groups, slots;
    u32 heads, positions, width, rotated; /* elements of x from `rotated` on stay */
    u32 table;                            /* elements of a row of cos and sin */
    u32 table_rows;
    u32 symbol; /* the word with the row of the first position; ~0: `start` */
    i32 start;
    f32 eps;
    /* rotary_cache: the first element of y that is written, and the word with a number, of at most
     * place_most, that moves it by place_stride for each; ~0: none. Multiples of four */
    u32 at, place, place_stride, place_most;
};

#endif
