/* Views and walks: how one kernel serves any layout, broadcasting, and every operator that only
 * moves elements. */
#ifndef VKD_OPS_WALK_H
#define VKD_OPS_WALK_H

#include "graph/graph.h"
#include "shaders/view_params.h"

/* Where elements are, by logical coordinates: slot = offset + sum of coordinate * stride, in
 * elements of the tensor's memory. */
typedef struct vkd_view {
    vkd_tensor_id tensor;
    uint32_t rank, dims[VKD_MAX_RANK];
    int32_t strides[VKD_MAX_RANK];
    int32_t offset;
} vkd_view;

/* All of a tensor. */
vkd_view vkd_view_of(const vkd_graph *graph, vkd_tensor_id tensor);
/* Makes it one of these dims, to which its own broadcast: stride 0 where they do. */
void vkd_view_broadcast(vkd_view *view, uint32_t rank, const uint32_t *dims);

/* The same elements under other dims, as many in row-major order; false where no strides say that.
 */
bool vkd_view_reshape(const vkd_view *view, uint32_t rank, const uint32_t *dims, vkd_view *out);

/* One without a dim: its lines along that one. */
vkd_view vkd_view_without(const vkd_view *view, uint32_t dim);

/* The order of a tensor's dims in memory, outermost first; returns how many there are. */
uint32_t vkd_memory_order(const vkd_tensor *tensor, uint32_t order[VKD_MAX_RANK]);

/* How a kernel visits the elements of a tensor in groups of four, in the order of its memory, and
 * finds its operands'. */
enum { VKD_WALK_OPERANDS = 4 };
typedef struct vkd_walk {
    uint32_t rank;      /* of dims; 0: every operand's group is the result's */
    uint32_t dim_count; /* of dims, in that case too */
    uint32_t whole;     /* a group lies within one row */
    uint32_t groups, slots, inner, dims[VKD_VIEW_DIMS]; /* view_params.h */
    uint32_t strides[VKD_WALK_OPERANDS][VKD_VIEW_DIMS], offsets[VKD_WALK_OPERANDS];
    /* VKD_READ_* of view_params.h, for kernels that tell their operands apart */
    uint32_t reads[VKD_WALK_OPERANDS];
} vkd_walk;

/* y's elements, and views that have its dims. */
void vkd_walk_make(const vkd_graph *graph, vkd_tensor_id y, const vkd_view *operands,
                   uint32_t count, vkd_walk *out);

#endif
