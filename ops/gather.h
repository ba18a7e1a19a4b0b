/* Reading at places that an index tensor names, for the operators that need it. */
#ifndef VKD_OPS_GATHER_H
#define VKD_OPS_GATHER_H

#include "ops/lower.h"

/* x is read along x.strides of y's dims, and along x_stride by the index, which has y's dims, too.
 */
typedef struct vkd_gathering {
    vkd_view x, index;
    int32_t x_stride;
    uint32_t size; /* of the dim that is indexed */
} vkd_gathering;

/* Whether a value can be an index of a dim of x with so many elements. */
VKD_MUST_USE vkd_status vkd_op_check_index(vkd_lowering *lowering, uint32_t index, uint32_t x,
                                           uint32_t size);

/* Makes `value`, an output of the current operator, what is gathered. */
VKD_MUST_USE vkd_status vkd_op_gather(vkd_lowering *lowering, const vkd_gathering *gathering,
                                      uint32_t value);
/* The same for a tensor of the views' dims. */
VKD_MUST_USE vkd_status vkd_op_gather_to(vkd_lowering *lowering, const vkd_gathering *gathering,
                                         vkd_tensor_id y);

/* The dims of x[indices], where indices may be none (VKD_NO_VALUE). */
VKD_MUST_USE vkd_status vkd_shape_indexed(vkd_shaping *shaping, uint32_t x,
                                          const vkd_tensor_list *indices, vkd_shape *out);
/* How many of those dims are in front of those that the indices broadcast to. */
uint32_t vkd_indices_at(const vkd_tensor_list *indices);
static inline bool vkd_is_indexed(const vkd_tensor_list *indices, uint32_t dim)
{
    return dim < indices->count && indices->values[dim] != VKD_NO_VALUE;
}

/* What one index of several adds to the numbers of places: base + place * stride. */
typedef struct vkd_placing {
    vkd_view index, base; /* of the same dims; base.tensor is of no meaning */
    uint32_t size;        /* places; an index counts from the end when negative */
    int32_t stride;
    bool drops; /* one that is not there makes the sum -1; else it is the nearest that is there */
} vkd_placing;

/* Appends an i32 tensor of the index's dims; *places is that of the indices before, or
 * VKD_NO_TENSOR, and becomes it. */
VKD_MUST_USE vkd_status vkd_op_add_places(vkd_lowering *lowering, const vkd_placing *placing,
                                          vkd_tensor_id *places);

#endif
