/* Lowering: from a model's operators to the nodes of a dispatch graph. Every operator family has
 * one table of rows here (op.h), listed in tables.h. */
#ifndef VKD_OPS_LOWER_H
#define VKD_OPS_LOWER_H

#include "graph/graph.h"
#include "graph/net.h"
#include "graph/shape.h"
#include "exec/tuner.h"
#include "ops/walk.h"
#include "runtime/base/caps.h"
#include "runtime/base/math.h"

/* What the net's calls do to a value. */
typedef struct vkd_value_use {
    uint32_t reads, writes; /* arguments; being an output of the graph is no read */
    bool is_output;
} vkd_value_use;

/* What a call has made of a state: it becomes the state when the call is over, as it may have read
 * it. */
typedef struct vkd_written_state {
    uint32_t value;
    vkd_tensor_id result;
} vkd_written_state;

typedef struct vkd_known vkd_known; /* ops/conv/known.h */

/* Makes `value`, an output that the current operator has put off. */
typedef vkd_status (*vkd_late_fn)(vkd_lowering *lowering, const void *args, uint32_t value);

typedef struct vkd_late {
    const vkd_call *call;
    vkd_late_fn make; /* null: nothing is put off */
} vkd_late;

struct vkd_lowering {
    vkd_context *context;
    vkd_graph *graph;
    const vkd_net *net;
    /* with the dims and numbers that the graph is for: vkd_shape_net */
    const vkd_model_value *values;
    const vkd_caps *caps;
    const char *variant;    /* forced, or null */
    vkd_tuner *tuner;       /* null: the device is not asked */
    const vkd_known *known; /* from an earlier lowering of the net, or null */
    const vkd_call *call;   /* the one being lowered */
    vkd_tensor_id *tensors; /* by value id; VKD_NO_TENSOR until produced */
    /* by value id: the same in the other layout; VKD_NO_TENSOR until an operator asks for it */
    vkd_tensor_id *copies;
    /* by value id: where its elements are, for values without a tensor (tensor VKD_NO_TENSOR: none)
     */
    vkd_view *views;
    vkd_late *late; /* by value id: who makes it once it is read */
    /* by value id: the memory of a concatenation of which a shorter one is the beginning that has
     * been made; else VKD_NO_TENSOR */
    vkd_tensor_id *grown;
    const vkd_value_use *use; /* by value id */
    bool *baked;              /* by value id: SymInts whose number is compiled into the graph */
    size_t written_count, written_capacity;
    vkd_written_state *written; /* by the current call, beside the states themselves */
    size_t selection_count, selection_capacity, conv_capacity;
    vkd_selection_info *selections; /* what the conv factory decided; in the graph's arena */
    const struct conv2d **convs;    /* about what */
};

/* The tables of all families (ops/table.c). */
extern const vkd_op_tables vkd_ops;

/* What is known of a lowered net besides its graph; in the graph's arena. */
typedef struct vkd_lowered {
    vkd_tensor_id *tensors; /* by value id; VKD_NO_TENSOR for values that no operator produced */
    /* by value id: the graph holds only while these SymInts keep their numbers */
    const bool *baked;
    size_t selection_count;
    vkd_selection_info *selections; /* what the conv factory decided, a convolution each */
    const struct conv2d **convs;    /* the convolutions */
} vkd_lowered;

/* What is asked, beside the caps, where there are several kernels for a convolution; each may be
 * null. */
typedef struct vkd_advice {
    const char *variant; /* that is forced */
    vkd_tuner *tuner;
    const vkd_known *known; /* what another lowering of the net, with a tuner, has found out */
} vkd_advice;

/* Lowers a whole net into a graph that vkd_graph_init has prepared. values: what vkd_shape_net
 * made; used while the graph lives. advice may be null. */
VKD_MUST_USE vkd_status vkd_lower_net(vkd_context *context, const vkd_net *net,
                                      const vkd_model_value *values, const vkd_caps *caps,
                                      const vkd_advice *advice, vkd_graph *graph, vkd_lowered *out);

/* ------------------------------------------------------------------ helpers for lower functions */

/* A dim that counts from the end where it is negative; a number has one dim. */
static inline uint32_t vkd_from_end(int32_t dim, uint32_t rank)
{
    return (uint32_t)(dim < 0 ? dim + (int32_t)(rank ? rank : 1) : dim);
}

/* Fails for what is wrong with the call that is being lowered. */
#define vkd_op_fail(lowering, status, ...)                                                         \
    vkd_call_fail((lowering)->context, status, (lowering)->call, __VA_ARGS__)
#define vkd_op_fail_at(lowering, status, field, ...)                                               \
    vkd_call_fail_at((lowering)->context, status, (lowering)->call, field, __VA_ARGS__)
#define vkd_op_fail_value(lowering, status, value, ...)                                            \
    vkd_call_fail_value((lowering)->context, status, (lowering)->call, value, __VA_ARGS__)

/* Of a constant only dims, dtype and address may be used while lowering: its bytes are there when
 * it is packed. */
static inline const vkd_model_tensor *vkd_value_tensor(const vkd_lowering *lowering, uint32_t value)
{
    return &lowering->values[value].tensor;
}

/* The number behind a vkd_sym that is not null. The graph is good for this number alone. */
static inline int64_t vkd_op_number(vkd_lowering *lowering, vkd_sym sym)
{
    if (sym.value == VKD_NO_VALUE)
        return sym.number;
    lowering->baked[sym.value] = true;
    return lowering->values[sym.value].i;
}

/* The graph's tensor for a value that an earlier operator produced, or a graph input, in the wanted
 * layout and dtype: a copy node is inserted when it lies there in another layout. VKD_INVALID_MODEL
 * if nothing produced it, VKD_UNSUPPORTED for another dtype. */
VKD_MUST_USE vkd_status vkd_op_input(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                                     vkd_layout layout, vkd_tensor_id *out);
/* The same as rows of the dtype that it has. */
static inline VKD_MUST_USE vkd_status vkd_op_rows(vkd_lowering *lowering, uint32_t value,
                                                  vkd_tensor_id *out)
{
    return vkd_op_input(lowering, value, vkd_value_tensor(lowering, value)->dtype, VKD_ROWS, out);
}
/* The same in whatever layout it has. */
VKD_MUST_USE vkd_status vkd_op_input_any(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                                         vkd_tensor_id *out);

/* The same elements under other dims, as many in row-major order, in VKD_4C: a copy where
 * they do not lie so. */
VKD_MUST_USE vkd_status vkd_op_input_as(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                                        uint32_t rank, const uint32_t *dims, vkd_tensor_id *out);

/* Whether values (VKD_NO_VALUE passes) are f32 or f16: VKD_UNSUPPORTED if not. */
VKD_MUST_USE vkd_status vkd_op_check_floats(vkd_lowering *lowering, const uint32_t *values,
                                            size_t count);

/* The layout for an operator that takes any: VKD_4C where one of the operands lies in it alone,
 * else VKD_ROWS. */
vkd_layout vkd_op_layout(const vkd_lowering *lowering, const uint32_t *values, size_t count);

/* The same elements wherever they lie: an operator whose kernel walks views reads what others have
 * only moved, without a copy. */
VKD_MUST_USE vkd_status vkd_op_view(vkd_lowering *lowering, uint32_t value, vkd_view *out);

/* Makes `value`, an output of the current operator, what the view shows: no work until an operator
 * wants it in one piece. */
VKD_MUST_USE vkd_status vkd_op_output_view(vkd_lowering *lowering, uint32_t value,
                                           const vkd_view *view);

/* What a SymInt adds to a view's offset when the graph runs: stride * the number, which counts from
 * the end of `size` when negative and is kept within 0..most. */
typedef struct vkd_symbol_offset {
    vkd_sym number;
    int32_t stride, size, most;
} vkd_symbol_offset;

/* The same as a copy, from where a SymInt says. */
VKD_MUST_USE vkd_status vkd_op_output_moved(vkd_lowering *lowering, uint32_t value,
                                            const vkd_view *view, const vkd_symbol_offset *offset);

/* Appends y = what the view shows, converted to y's dtype. */
VKD_MUST_USE vkd_status vkd_op_move(vkd_lowering *lowering, const vkd_view *x, vkd_tensor_id y);
/* *out, which may be x: a view of the same dims of a copy, in which those of `order` lie row-major
 * in that order. The others have no stride, and get none. */
VKD_MUST_USE vkd_status vkd_op_straighten(vkd_lowering *lowering, const vkd_view *x,
                                          const uint32_t *order, uint32_t count, vkd_view *out);

/* Whether `value`, an output of the current operator, may be put off: it is no output of the graph
 * and no state, nothing else has made it, and the operands, which are constants, put off or have
 * tensors, are no states, which may be others then. */
bool vkd_op_may_be_late(const vkd_lowering *lowering, uint32_t value, const uint32_t *operands,
                        size_t count);
/* Puts it off: `make` makes it, with the operator's call as the current one, when somebody asks for
 * its tensor or its view. A reader whose kernel can do that work itself does not ask. */
void vkd_op_put_off(vkd_lowering *lowering, uint32_t value, vkd_late_fn make);
/* Makes a value now, where it was put off: for who looks at what a value is rather than asks. */
VKD_MUST_USE vkd_status vkd_op_make_late(vkd_lowering *lowering, uint32_t value);
/* The call of the operator that has put a value off, to be made by `make`; null for others. */
const vkd_call *vkd_op_late(const vkd_lowering *lowering, uint32_t value, vkd_late_fn make);

/* A tensor that is read and written in place and keeps its contents from one execution to the next.
 * ROWS. */
VKD_MUST_USE vkd_status vkd_op_state(vkd_lowering *lowering, uint32_t value, vkd_tensor_id *out);
/* Makes `value`, an output of the current operator, such a tensor that starts as `constant`. */
VKD_MUST_USE vkd_status vkd_op_output_state(vkd_lowering *lowering, uint32_t value,
                                            uint32_t constant);

/* Makes what the current call has made of states the states. */
VKD_MUST_USE vkd_status vkd_op_finish_states(vkd_lowering *lowering);

/* Creates the tensor for a value that the current operator produces, in the given layout; one in
 * VKD_ROWS that is an output of the graph is written to where the host reads it. */
VKD_MUST_USE vkd_status vkd_op_output_in(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                                         vkd_layout layout, vkd_tensor_id *out);

/* Makes `value`, an output of the current operator, another name of a tensor that exists: no work.
 */
VKD_MUST_USE vkd_status vkd_op_output_is(vkd_lowering *lowering, uint32_t value,
                                         vkd_tensor_id tensor);

/* Creates the tensor for a value that the current operator produces. Outputs of the graph and ranks
 * above 4 are plain, all others 4C; the kernel must take either (`tensor_layout` in tensor_params)
 * or use vkd_op_output_4c. */
VKD_MUST_USE vkd_status vkd_op_output(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                                      vkd_tensor_id *out);
/* The layout of int8 tensors between operators that go over them byte by byte: rows where the rank
 * is too high for an image. */
static inline vkd_layout vkd_op_image_layout(const vkd_model_tensor *tensor)
{
    return tensor->rank > 4 ? VKD_ROWS : VKD_4C;
}
/* Always a 4C tensor. When the value is an output of the graph, vkd_lower_model appends the copy to
 * a plain one. */
VKD_MUST_USE vkd_status vkd_op_output_4c(vkd_lowering *lowering, uint32_t value, vkd_dtype dtype,
                                         vkd_tensor_id *out);

/* For kernels that read a number which may change from one execution to the next without another
 * graph: the tensor of symbols, which is bound like any other, and the word in it. For a plain
 * number the word is VKD_NO_VALUE, and out_tensor is any tensor that may be bound: `otherwise`. */
VKD_MUST_USE vkd_status vkd_op_symbol(vkd_lowering *lowering, vkd_sym sym, vkd_tensor_id otherwise,
                                      vkd_tensor_id *out_tensor, uint32_t *out_word);

/* Whether a view is of a constant of the file as it is, and its bytes. */
bool vkd_op_constant_view(const vkd_lowering *lowering, const vkd_view *view, vkd_content *out);

/* The bytes of a constant of the file; null for VKD_NO_VALUE. */
vkd_content vkd_op_content(const vkd_lowering *lowering, uint32_t value);

/* A constant in a kernel's own form: `pack` makes so many bytes from the struct at source, which is
 * copied; contents: how many vkd_content it begins with, the only pointers in it (vkd_tensor.source
 * says why). VKD_UNSUPPORTED beyond 2 GiB. */
VKD_MUST_USE vkd_status vkd_op_constant(vkd_lowering *lowering, uint64_t bytes, vkd_pack_fn pack,
                                        const void *source, size_t source_size, size_t contents,
                                        vkd_tensor_id *out);

/* The same for a tensor in VKD_ROWS. */
VKD_MUST_USE vkd_status vkd_op_constant_tensor(vkd_lowering *lowering, vkd_dtype dtype,
                                               uint32_t rank, const uint32_t *dims,
                                               vkd_pack_fn pack, const void *source,
                                               size_t source_size, size_t contents,
                                               vkd_tensor_id *out);

/* A size as a specialisation constant of a kernel that takes it from there if it is not 0, else
 * from its push constants: in a net whose shapes can change, where another size must compile
 * nothing. */
static inline uint32_t vkd_op_size_spec(const vkd_lowering *lowering, uint32_t size)
{
    return lowering->net->resizes ? 0 : size;
}

/* Which dims a list names that vkd_shape_listed has accepted. */
void vkd_op_listed(const vkd_int_list *list, uint32_t rank, bool out[VKD_MAX_RANK]);

/* What quantisation multiplies by instead of dividing. */
static inline float vkd_inverse_scale(float scale) { return (float)(1.0 / (double)scale); }

/* Whether the elements of two tensors with as many of them, in row-major order, lie at the same
 * offsets. */
bool vkd_same_order(const vkd_tensor *a, const vkd_tensor *b);

/* Makes `value`, an output of the current operator, the elements of scratch tensor src under the
 * value's own dims: without work where the bytes stay where they are, else by a copy. */
VKD_MUST_USE vkd_status vkd_op_reshape(vkd_lowering *lowering, vkd_tensor_id src, uint32_t value);

/* The number of groups of four consecutive elements in a tensor's memory: words of an int8 tensor.
 */
static inline uint32_t vkd_tensor_groups(const vkd_tensor *tensor)
{
    uint32_t pixels = tensor->n * tensor->h * tensor->w;
    return tensor->layout == VKD_4C ? pixels * (uint32_t)vkd_divide_up(tensor->c, 4)
                                    : (uint32_t)vkd_divide_up((uint64_t)pixels * tensor->c, 4);
}

/* What a loop adds to vkd_node.loops: so many rounds, each with what the loops within its body
 * take. The test that fails at last is a round of its own: llvmpipe runs the body once more then,
 * with all lanes masked, and each loop within it once. No kernel has more than two of those.
 * test/test_loops.c compares with what devices do. */
static inline uint64_t vkd_loop(uint64_t rounds, uint64_t within)
{
    return rounds * (within + 1) + 1 + (within ? 2 : 0);
}
enum { VKD_NO_LOOPS = 0 };

/* Null if a device's loops may go round so often in an invocation, else why not. */
static inline const char *vkd_loops_refuse(const vkd_caps *caps, uint64_t loops)
{
    return caps->max_loops && loops > caps->max_loops
               ? "its sums are longer than the device's loops may be"
               : NULL;
}

_Static_assert(VKD_SHADER_COUNT <= 64 * VKD_KERNEL_WORDS, "a bit for each kernel");

static inline bool vkd_kernel_is_wrong(const vkd_caps *caps, vkd_shader shader)
{
    return caps->wrong[shader / 64] >> shader % 64 & 1;
}

static inline bool vkd_kernel_is_left_out(const vkd_caps *caps, vkd_shader shader)
{
    return caps->left_out & vkd_shaders[shader].family;
}

/* Null if the build has a kernel, and the self-check nothing against it, else why it cannot be
 * used. */
static inline const char *vkd_kernel_refuses(const vkd_caps *caps, vkd_shader shader)
{
    if (vkd_kernel_is_wrong(caps, shader))
        return "its kernel computes wrong results on this device";
    return vkd_kernel_is_left_out(caps, shader) ? "its kernel is left out of this build" : NULL;
}

/* Starts a node for the current operator: op, op_id, shader, loops, push constants, workgroup size
 * 1 x 1 x 1. Bindings are added with vkd_node_read and vkd_node_write, in the order of the
 * shader's. */
vkd_node vkd_op_node(const vkd_lowering *lowering, vkd_shader shader, uint64_t loops,
                     const void *push, uint32_t push_size);
void vkd_node_read(vkd_node *node, vkd_tensor_id tensor);
void vkd_node_write(vkd_node *node, vkd_tensor_id tensor);
/* the next specialisation constant, from 3 on */
void vkd_node_spec(vkd_node *node, uint32_t value);

/* Appends a node that computes tensor y from tensor x: describes the shape, where node->shape is
 * still empty, as "x -> y". One without workgroups, for a y without elements, is no node.
 * VKD_UNSUPPORTED if the build leaves its kernel out, or its loops are longer than the device
 * allows: every node of an operator comes this way. */
VKD_MUST_USE vkd_status vkd_op_add_node(vkd_lowering *lowering, vkd_node *node, vkd_tensor_id x,
                                        vkd_tensor_id y);

/* Sets the group counts: `count` workgroups in a row, folded into y when x alone would exceed the
 * device's limit. A workgroup's number is then gl_WorkGroupID.y * gl_NumWorkGroups.x +
 * gl_WorkGroupID.x and may be beyond the last. */
void vkd_node_groups(vkd_node *node, const vkd_caps *caps, uint64_t count);

/* Gives a node one invocation for each of `count` elements: sets the workgroup size (specs 0..2) to
 * 64 x 1 x 1, or what the device allows, and the group counts as vkd_node_groups does. Shaders
 * compute their index with linear_index() of shaders/dispatch.glsl and must check it against their
 * count. */
void vkd_node_linear(vkd_node *node, const vkd_caps *caps, uint64_t count);

/* Appends a copy of src to dst, which have the same element count and row-major order: a change of
 * layout or of shape. */
VKD_MUST_USE vkd_status vkd_op_copy(vkd_lowering *lowering, vkd_tensor_id src, vkd_tensor_id dst);

/* "1x64x56x56"; null when there is no memory. */
const char *vkd_dims_text(vkd_arena *arena, uint32_t rank, const uint32_t *dims);

#endif
