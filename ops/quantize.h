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

#endif
