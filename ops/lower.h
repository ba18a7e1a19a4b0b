/* Lowering: from a model's operators to the nodes of a dispatch graph. Every operator family has one .c file here with a lower
 * function for each of its names, and one row in registry.c. */
#ifndef VKD_OPS_LOWER_H
#define VKD_OPS_LOWER_H

#include "graph/graph.h"
#include "graph/tuner.h"
#include "ops/args.h"
#include "runtime/caps.h"
#include "runtime/math.h"

typedef struct vkd_lowering {
    vkd_context *context;
    vkd_graph *graph;
    const vkd_model *model;
    const vkd_caps *caps;
    const char *conv_variant; /* forced, or null */
    vkd_tuner *tuner;         /* null: nothing is known of the device but its caps */
    const vkd_model_op *op;   /* the one being lowered */
    vkd_tensor_id *tensors;   /* by value id; VKD_NO_TENSOR until produced */
    vkd_tensor_id *copies;    /* by value id: the same in the other layout; VKD_NO_TENSOR until an operator asks for it */
    bool *is_output;          /* by value id: an output of the graph */
    size_t selection_count, selection_capacity, conv_capacity;
    vkd_selection_info *selections; /* what the conv factory decided; in the graph's arena */
    const struct conv2d **convs;    /* about what */
} vkd_lowering;

typedef vkd_status (*vkd_lower_fn)(vkd_lowering *lowering);

typedef struct vkd_op {
    const char *name;
    vkd_lower_fn lower;
} vkd_op;

/* The registry; null for an operator that nobody lowers. */
const vkd_op *vkd_op_find(const char *name);

/* What is known of a lowered model besides its graph; in the graph's arena. */
typedef struct vkd_lowered {
    vkd_tensor_id *tensors; /* by value id; VKD_NO_TENSOR for values that no operator produced */
    size_t selection_count;
    vkd_selection_info *selections; /* what the conv factory decided, a convolution each */
    const struct conv2d **convs;    /* the convolutions */
} vkd_lowered;

/* VKD_UNSUPPORTED for operators that are not in the registry, and names all of them; else for values that no tensor can be.
 * Must come before anything is done with a model's values. */
VKD_MUST_USE vkd_status vkd_check_supported(vkd_context *context, const vkd_model *model);

/* Lowers a whole model, which vkd_check_supported must have found good, into a graph that vkd_graph_init has prepared.
 * conv_variant and tuner may be null. */
VKD_MUST_USE vkd_status vkd_lower_model(vkd_context *context, const vkd_model *model, const vkd_caps *caps,
                                        const char *conv_variant, vkd_tuner *tuner, vkd_graph *graph, vkd_lowered *out);

/* ------------------------------------------------------------------------------------ helpers for lower functions */

/* The message gets the operator's name and node id in front. */
VKD_MUST_USE vkd_status vkd_op_fail(vkd_lowering *lowering, vkd_status status, const char *format, ...) VKD_PRINTF(3, 4);

/* Decodes the current operator's arguments. */
VKD_MUST_USE vkd_status vkd_op_args(vkd_lowering *lowering, const vkd_param *params, void *args);

static inline const vkd_model_tensor *vkd_value_tensor(const vkd_lowering *lowering, uint32_t value)
{
    return &lowering->model->values[value].tensor;
}

/* The graph's tensor for a value that an earlier operator produced, or a graph input, in the wanted layout and dtype: a copy
 * node is inserted when it lies there in another layout. VKD_INVALID_MODEL if nothing produced it, VKD_UNSUPPORTED for another
 * dtype. */
VKD_MUST_USE vkd_status vkd_op_input(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, vkd_layout layout,
                                     vkd_tensor_id *out);
/* The same in whatever layout it has. */
VKD_MUST_USE vkd_status vkd_op_input_any(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, vkd_tensor_id *out);

/* Creates the tensor for a value that the current operator produces. Outputs of the graph are plain, all others 4C; the kernel
 * must take either (`tensor_layout` in tensor_params) or use vkd_op_output_4c. */
VKD_MUST_USE vkd_status vkd_op_output(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, vkd_tensor_id *out);
/* Always a 4C tensor. When the value is an output of the graph, vkd_lower_model appends the copy to a plain one. */
VKD_MUST_USE vkd_status vkd_op_output_4c(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype, vkd_tensor_id *out);

/* A constant in a kernel's own form: `pack` makes so many bytes from the struct at source, which is copied. VKD_UNSUPPORTED
 * beyond 2 GiB. */
VKD_MUST_USE vkd_status vkd_op_constant(vkd_lowering *lowering, uint64_t bytes, vkd_pack_fn pack, const void *source,
                                        size_t source_size, vkd_tensor_id *out);

/* The index of a dim that counts from the end when negative. VKD_INVALID_MODEL if a tensor of this rank has no such dim. */
VKD_MUST_USE vkd_status vkd_op_dim(vkd_lowering *lowering, int32_t dim, uint32_t rank, uint32_t *out);

/* VKD_INVALID_MODEL unless a value of the model has these dims: what an operator computes from its inputs against what the file
 * says of its output. */
VKD_MUST_USE vkd_status vkd_op_check_dims(vkd_lowering *lowering, uint32_t value, uint32_t rank, const uint32_t *dims);

/* What quantisation multiplies by instead of dividing. */
static inline float vkd_inverse_scale(float scale) { return (float)(1.0 / (double)scale); }

/* Whether the elements of two tensors with as many of them, in row-major order, lie at the same offsets. */
bool vkd_same_order(const vkd_tensor *a, const vkd_tensor *b);

/* Makes `value`, an output of the current operator, the elements of scratch tensor src under the value's own dims: without work
 * where the bytes stay where they are, else by a copy. */
VKD_MUST_USE vkd_status vkd_op_reshape(vkd_lowering *lowering, vkd_tensor_id src, uint32_t value);

/* The number of groups of four consecutive elements in a tensor's memory: words of an int8 tensor. */
static inline uint32_t vkd_tensor_groups(const vkd_tensor *tensor)
{
    uint32_t pixels = tensor->n * tensor->h * tensor->w;
    return tensor->layout == VKD_4C ? pixels * (uint32_t)vkd_divide_up(tensor->c, 4)
                                    : (uint32_t)vkd_divide_up((uint64_t)pixels * tensor->c, 4);
}

/* What a loop adds to vkd_node.loops: so many rounds, each with what the loops within its body take. The test that fails at
 * last is a round of its own: llvmpipe runs the body once more then, with all lanes masked, and each loop within it once. No
 * kernel has more than two of those. test/test_loops.c compares with what devices do. */
static inline uint64_t vkd_loop(uint64_t rounds, uint64_t within) { return rounds * (within + 1) + 1 + (within ? 2 : 0); }
enum { VKD_NO_LOOPS = 0 };

/* Null if a device's loops may go round so often in an invocation, else why not. */
static inline const char *vkd_loops_refuse(const vkd_caps *caps, uint64_t loops)
{
    return caps->max_loops && loops > caps->max_loops ? "its sums are longer than the device's loops may be" : NULL;
}

/* Null if the build has a kernel, else why it cannot be used. */
static inline const char *vkd_kernel_refuses(const vkd_caps *caps, vkd_shader shader)
{
    return caps->left_out & vkd_shaders[shader].family ? "its kernel is left out of this build" : NULL;
}

/* Starts a node for the current operator: op, op_id, shader, loops, push constants, workgroup size 1 x 1 x 1. Bindings are
 * added with vkd_node_read and vkd_node_write, in the order of the shader's. */
vkd_node vkd_op_node(const vkd_lowering *lowering, vkd_shader shader, uint64_t loops, const void *push, uint32_t push_size);
void vkd_node_read(vkd_node *node, vkd_tensor_id tensor);
void vkd_node_write(vkd_node *node, vkd_tensor_id tensor);
void vkd_node_spec(vkd_node *node, uint32_t value); /* the next specialisation constant, from 3 on */

/* Appends a node that computes tensor y from tensor x: describes the shape, where node->shape is still empty, as "x -> y".
 * VKD_UNSUPPORTED if the build leaves its kernel out, or its loops are longer than the device allows: every node of an operator
 * comes this way. */
VKD_MUST_USE vkd_status vkd_op_add_node(vkd_lowering *lowering, vkd_node *node, vkd_tensor_id x, vkd_tensor_id y);

/* Sets the group counts: `count` workgroups in a row, folded into y when x alone would exceed the device's limit. A workgroup's
 * number is then gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x and may be beyond the last. */
void vkd_node_groups(vkd_node *node, const vkd_caps *caps, uint64_t count);

/* Gives a node one invocation for each of `count` elements: sets the workgroup size (specs 0..2) to 64 x 1 x 1, or what the
 * device allows, and the group counts as vkd_node_groups does. Shaders compute their index with linear_index() of
 * shaders/dispatch.glsl and must check it against their count. */
void vkd_node_linear(vkd_node *node, const vkd_caps *caps, uint64_t count);

/* Appends a copy of src to dst, which have the same element count and row-major order: a change of layout or of shape. */
VKD_MUST_USE vkd_status vkd_op_copy(vkd_lowering *lowering, vkd_tensor_id src, vkd_tensor_id dst);

/* "1x64x56x56"; null when there is no memory. */
const char *vkd_dims_text(vkd_arena *arena, uint32_t rank, const uint32_t *dims);

#endif
