/* Dequantizing what another operator of the lowering computes. */
#ifndef VKD_OPS_QUANTIZE_H
#define VKD_OPS_QUANTIZE_H

#include "ops/lower.h"

/* Appends the dispatch: x is int8 and y float, of the same dims and in any layouts. */
VKD_MUST_USE vkd_status vkd_dequantize(vkd_lowering *lowering, vkd_tensor_id x, vkd_tensor_id y,
                                       float scale, int32_t zero);

#endif
