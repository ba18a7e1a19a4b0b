/* What element by element operators share: nodes of the kernels that compute one element of y from
 * those of its operands at the same place, whatever their layouts and types are. */
#ifndef VKD_OPS_ELEMENTWISE_H
#define VKD_OPS_ELEMENTWISE_H

#include "graph/operators.h"
#include "ops/lower.h"
#include "runtime/base/element.h"
#include "shaders/binary_params.h"
#include "shaders/triple_params.h"
#include "shaders/unary_params.h"

/* The output `value` of the current operator in the layout that suits operands of these values. */
VKD_MUST_USE vkd_status vkd_op_output_as(vkd_lowering *lowering, uint32_t value,
                                         const uint32_t *operands, size_t count,
                                         vkd_tensor_id *out);

/* y = f(x). */
typedef struct vkd_unary {
    int function; /* UNARY_* */
    float low, high, third;
    int32_t low_int, high_int;
} vkd_unary;
VKD_MUST_USE vkd_status vkd_op_unary(vkd_lowering *lowering, const vkd_unary *unary, uint32_t x,
                                     uint32_t y);

/* y = f(a, b) of views that broadcast to y. alpha: of sums; null: 1. */
VKD_MUST_USE vkd_status vkd_op_binary(vkd_lowering *lowering, int function, const vkd_number *alpha,
                                      const vkd_view *a, const vkd_view *b, vkd_tensor_id y);

/* y = x between bounds that broadcast to it, null for none: the larger one of x and low, then the
 * smaller one of that and high. */
VKD_MUST_USE vkd_status vkd_op_between(vkd_lowering *lowering, const vkd_view *x,
                                       const vkd_view *low, const vkd_view *high, vkd_tensor_id y);

/* The steps of a chain as one dispatch. */
VKD_MUST_USE vkd_status vkd_chain_lower(vkd_lowering *lowering, const chain_args *args);

/* y = a where the condition is not 0, else b: operands a, b and the condition, under y's dims. */
VKD_MUST_USE vkd_status vkd_op_where(vkd_lowering *lowering, vkd_view operands[3], vkd_tensor_id y);

/* A walk of y's elements and of three operands that broadcast to them: what does not fit the
 * kernel's parameters is brought into one piece. */
VKD_MUST_USE vkd_status vkd_op_walk_triple(vkd_lowering *lowering, vkd_view operands[3],
                                           vkd_tensor_id y, vkd_walk *walk, triple_params *params);

/* A number of an argument that is not null; for a SymInt the graph is good for its number alone. */
vkd_number vkd_op_plain(vkd_lowering *lowering, vkd_number number);
/* As 32 bits keep an int of 64; a double is cut off, and saturates. */
int32_t vkd_number_int(const vkd_number *number);

/* One element that holds a number, as the operand of others: of this type, or an i32 that changes
 * from one execution to the next, where it is a SymInt. */
VKD_MUST_USE vkd_status vkd_op_scalar(vkd_lowering *lowering, vkd_dtype dtype,
                                      const vkd_number *number, vkd_view *out);

#endif
