/* shaders/reduce.comp and stats.comp: reductions of x, seen through a view of the dims that stay
 * (view_params.h) and runs of those that go: element i of a run is at i0 * stride[0] + i1 *
 * stride[1] + ..., the last one innermost. */
#ifndef VKD_SHADERS_REDUCE_PARAMS_H
#define VKD_SHADERS_REDUCE_PARAMS_H

#include "view_params.h"

#define VKD_REDUCE_DIMS 4

#define VKD_REDUCE_SUM 0
#define VKD_REDUCE_MEAN 1
#define VKD_REDUCE_MAX 2
#define VKD_REDUCE_MIN 3
#define VKD_REDUCE_PROD 4
#define VKD_REDUCE_ANY 5
#define VKD_REDUCE_ALL 6
#define VKD_REDUCE_ARGMAX 7
#define VKD_REDUCE_ARGMIN 8

#define VKD_STATS_SOFTMAX 0  /* maximum, and sum of e^(x - maximum) */
#define VKD_STATS_MOMENTS 1  /* mean, and 1 / sqrt(variance + eps), biased */
#define VKD_STATS_RMS 2      /* 0, and 1 / sqrt(mean of squares + eps) */
#define VKD_STATS_EXTREMES 4 /* the least and the largest */
#define VKD_STATS_VAR 3      /* mean, and the variance with `eps` taken from the count */
#define VKD_STATS_STD 5      /* mean, and the root of that */

VKD_PARAMS_STRUCT(reduce_params)
{
    u32 groups, slots, inner;
    u32 x_offset;
    u32 count; /* elements of a run, all dims */
    f32 eps;
    u32 dims[VKD_VIEW_DIMS];
    u32 x_strides[VKD_VIEW_DIMS];
    u32 run[VKD_REDUCE_DIMS];
    u32 run_strides[VKD_REDUCE_DIMS];
};

#endif
