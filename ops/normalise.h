/* y from x and two numbers of each of its runs: softmax and the normalisations. */
#ifndef VKD_OPS_NORMALISE_H
#define VKD_OPS_NORMALISE_H

#include "graph/operators.h"
#include "ops/reduction.h"
#include "shaders/norm_params.h"

/* Views of y's dims; tensor VKD_NO_TENSOR: no weight, no bias. */
typedef struct vkd_normalisation {
    uint32_t op;                /* VKD_NORMALISE_* */
    uint32_t stats;             /* VKD_STATS_*, of those that normalise.comp takes with op */
    bool reduced[VKD_MAX_RANK]; /* dims of a run */
    float eps;
    vkd_view x, weight, bias;
} vkd_normalisation;

/* In one dispatch, where runs are short enough and lie in one piece; stats: null, or where to find
 * the pairs of each run, by the dims of y. */
VKD_MUST_USE vkd_status vkd_normalise(vkd_lowering *lowering, const vkd_normalisation *n,
                                      vkd_tensor_id y, vkd_view *stats);

/* By pairs that are there already; the strides of `stats` are of pairs. */
VKD_MUST_USE vkd_status vkd_normalise_by(vkd_lowering *lowering, const vkd_normalisation *n,
                                         const vkd_view *stats, vkd_tensor_id y);

/* The root mean square norm of rows that makes a value, where it was put off: its weight is a
 * vector of x's type. Null for other values. */
const norm_args *vkd_late_rms_norm(const vkd_lowering *lowering, uint32_t value);

#endif
