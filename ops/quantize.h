/* Quantising by one scale and one zero point: what operators of the lowering share. */
#ifndef VKD_OPS_QUANTIZE_H
#define VKD_OPS_QUANTIZE_H

#include "graph/operators.h"
#include "ops/lower.h"

/* Appends the dispatch: x is int8 and y float, of the same dims and in any layouts. */
VKD_MUST_USE vkd_status vkd_dequantize(vkd_lowering *lowering, vkd_tensor_id x, vkd_tensor_id y,
                                       float scale, int32_t zero);

/* The whole operator of args, for any floats and integers, between any bounds (ops/affine.c). */
VKD_MUST_USE vkd_status vkd_affine_by_numbers(vkd_lowering *lowering, const quantize_args *args,
                                              bool quantizes);

/* Integers that blocks of these dims share a scale and a zero point of, one after the other. */
typedef struct vkd_affine_integers {
    uint32_t x, scales, zeros; /* value ids; zeros: VKD_NO_VALUE for none */
    uint32_t block[VKD_MAX_RANK];
} vkd_affine_integers;
/* The same as floats of 32 bits, in VKD_ROWS (ops/affine.c). */
VKD_MUST_USE vkd_status vkd_affine_reals(vkd_lowering *lowering,
                                         const vkd_affine_integers *integers, vkd_tensor_id *out);

#endif
