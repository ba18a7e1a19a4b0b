/* Orders of elements along a dim: shaders/sort.comp. */
#ifndef VKD_OPS_SORT_H
#define VKD_OPS_SORT_H

#include "ops/lower.h"

/* Appends the order of x's elements along a dim: an i32 tensor of x's other dims in order, then
 * that one, which numbers the elements from the smallest one on, or the largest where it falls.
 * Equal ones stay in their order, zeros are equal, and NaN is the largest. A tensor of rank 0 has
 * one element. */
VKD_MUST_USE vkd_status vkd_op_order(vkd_lowering *lowering, const vkd_view *x, uint32_t dim,
                                     bool falls, vkd_tensor_id *out);

#endif
