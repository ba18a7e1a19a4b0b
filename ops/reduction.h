/* Reductions of views, for the operators that need one. */
#ifndef VKD_OPS_REDUCTION_H
#define VKD_OPS_REDUCTION_H

#include "graph/operators.h"
#include "ops/lower.h"
#include "shaders/reduce_params.h"

/* The dims that are left of x; returns how many. keepdim: those that are reduced as 1. */
uint32_t vkd_reduced_dims(const vkd_model_tensor *x, const bool reduced[VKD_MAX_RANK], bool keepdim,
                          uint32_t dims[VKD_MAX_RANK]);
/* The shape function of operators with reduce_args. */
VKD_MUST_USE vkd_status vkd_reduced_shape(vkd_shaping *shaping, const void *arguments);

/* x's dims in two: those that stay, in order, and those that are reduced. */
typedef struct vkd_reduction {
    vkd_view kept;
    uint32_t runs;  /* dims of a run, innermost last */
    uint32_t count; /* elements of a run */
    uint32_t most;  /* in the largest shape, for which invocations are chosen; 0: the same */
    uint32_t run[VKD_REDUCE_DIMS];
    int32_t run_strides[VKD_REDUCE_DIMS];
} vkd_reduction;

/* VKD_UNSUPPORTED where the reduced dims lie in more than VKD_REDUCE_DIMS runs. */
VKD_MUST_USE vkd_status vkd_reduction_split(vkd_lowering *lowering, const vkd_view *x,
                                            const bool reduced[VKD_MAX_RANK], vkd_reduction *out);

/* Appends y = the reduction; y has the dims that stay, with or without ones for the others. op:
 * VKD_REDUCE_*. */
VKD_MUST_USE vkd_status vkd_reduction_emit(vkd_lowering *lowering, const vkd_reduction *reduction,
                                           uint32_t op, vkd_tensor_id y);

/* The reduction of a whole operator. */
VKD_MUST_USE vkd_status vkd_op_reduce(vkd_lowering *lowering, const reduce_args *args, uint32_t op);

/* Appends the two numbers of each run, an f32 tensor [kept dims.., 2]. op: VKD_STATS_*. */
VKD_MUST_USE vkd_status vkd_reduction_stats(vkd_lowering *lowering, const vkd_reduction *reduction,
                                            uint32_t op, float eps, vkd_tensor_id *out);

#endif
