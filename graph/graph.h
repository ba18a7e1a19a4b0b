/* The dispatch graph: what the GPU is to do, as plain data. No Vulkan type appears here; graphs are
 * built, planned and tested on machines without a driver. */
#ifndef VKD_GRAPH_GRAPH_H
#define VKD_GRAPH_GRAPH_H

#include "runtime/base/arena.h"
#include "shaders/shaders.h" /* generated: enum vkd_shader */

#define VKD_NO_TENSOR UINT32_MAX
enum { VKD_MAX_BINDINGS = 10, VKD_MAX_SPECS = 32, VKD_MAX_PUSH = 128 };

typedef uint32_t vkd_tensor_id;

typedef enum vkd_place {
    VKD_PLACE_SCRATCH,  /* written and read by nodes; the planner gives it an offset */
    VKD_PLACE_CONSTANT, /* written once before the first execution */
    VKD_PLACE_INPUT,    /* written by the host before each execution */
    VKD_PLACE_OUTPUT,   /* read by the host after each execution */
    /* a constant at first, written by nodes, kept from one execution to the next */
    VKD_PLACE_STATE,
    VKD_PLACE_SYMBOLS /* numbers behind SymInts, written by the host before each execution; one
                         tensor */
} vkd_place;

typedef enum vkd_layout {
    /* row-major, any rank, what the host sees; values as VKD_LAYOUT_* in shaders/tensor_params.h */
    VKD_ROWS,
    VKD_4C /* images: n, h, w, c with c padded to a multiple of 4. What is in the padding is
              undefined */
} vkd_layout;

/* Bytes of the file, or of the net, that a constant is packed from; null where it has none of a
 * kind. */
typedef struct vkd_content {
    const void *data;
    size_t size;
} vkd_content;

/* Writes a constant's device form, `size` bytes, from its source. dst may be write-combined memory:
 * written once, in order. */
typedef void (*vkd_pack_fn)(const void *source, void *dst, size_t size);

typedef struct vkd_tensor {
    vkd_place place;
    vkd_dtype dtype;
    vkd_layout layout;
    uint32_t rank;
    uint32_t dims[VKD_MAX_RANK];
    /* the same as image kernels see it: shaders/tensor_params.h; above rank 4 all is w */
    uint32_t n, c, h, w;
    uint64_t bytes; /* device bytes, a multiple of 16 */
    /* itself, or the tensor whose memory this one is another view of */
    vkd_tensor_id storage;
    vkd_pack_fn pack; /* constants */
    /* The struct that pack reads, of so many bytes. It begins with its `contents`, so many
     * vkd_content, has no other pointers and no undefined padding: equal packings of equal structs
     * and equal bytes are one constant on the device. What it points to must outlive the graph: it
     * is the file's or the net's, never of the graph's own arena. */
    const void *source;
    size_t source_size, contents;
    bool listed;    /* among the graph's outputs */
    uint32_t state; /* STATE: its key among the net's states, from 1 on; else 0 */
    /* By storage, set by the planner: the nodes that touch it, UINT32_MAX and 0 where none does;
     * and the levels, nodes without a barrier between them. */
    uint32_t first_node, last_node, first_level, last_level;
    uint64_t offset; /* in the scratch or constants buffer; set by the planner */
} vkd_tensor;

typedef struct vkd_binding {
    vkd_tensor_id tensor;
    bool write;
} vkd_binding;

/* What is bound to a kernel that is run in plain C. */
typedef struct vkd_words {
    uint32_t *at;
    uint32_t *written; /* of each word the bits that were stored; null for what is only read */
    size_t count;
} vkd_words;

struct vkd_node;

/* What a kernel computes, in plain C, for one whose code exec/interpreter.c does not run: so that
 * exec/kernel_check.c knows what a device must have. */
typedef struct vkd_oracle {
    /* Makes a node of it that shows as much in less time: smaller sizes, and numbers that go with
     * made-up operands. bytes, by binding: what the node needs, a multiple of 16. */
    void (*shrink)(struct vkd_node *node, uint64_t bytes[VKD_MAX_BINDINGS]);
    /* Stores some of the results of a node that was shrunk, and says which. */
    void (*store)(const struct vkd_node *node, const vkd_words bindings[VKD_MAX_BINDINGS]);
} vkd_oracle;

/* One dispatch. Binding i of the shader is bindings[i]; specs[0..2] are the workgroup size. */
typedef struct vkd_node {
    vkd_shader shader;
    uint32_t binding_count, spec_count, push_size;
    uint32_t texel_mask; /* bit i: binding i is an isamplerBuffer of ivec4, not a storage buffer */
    uint32_t word_mask;  /* of those, the ones whose texels are single words */
    vkd_binding bindings[VKD_MAX_BINDINGS];
    uint32_t specs[VKD_MAX_SPECS];
    unsigned char push[VKD_MAX_PUSH];
    uint32_t groups[3];
    uint64_t loops; /* iterations of all loops of an invocation, at most: vkd_loop */
    const char *op; /* the file's operator */
    uint32_t op_id;
    const char *variant; /* "" or the conv variant */
    const char *shape;   /* for people */
    uint64_t macs;
    double cost_us; /* by the estimate or the measurement that chose its kernel; 0: neither */
    const vkd_oracle *oracle; /* null: its code says what it computes */
} vkd_node;

typedef struct vkd_graph {
    vkd_arena *arena;
    size_t tensor_count, tensor_capacity, node_count, node_capacity;
    vkd_tensor *tensors;
    vkd_node *nodes;
    size_t input_count, output_count;
    vkd_tensor_id *inputs, *outputs;
    /* set by the planner */
    uint64_t constant_bytes, state_bytes, scratch_bytes, scratch_unaliased_bytes;
    /* the tensor with the numbers that change from one execution to the next; VKD_NO_TENSOR without
     */
    vkd_tensor_id symbols;
    uint32_t symbol_count;
    /* by word of that tensor: what number it is, an id of the model's values */
    uint32_t *symbol_values;
    uint64_t symbol_bytes;
} vkd_graph;

void vkd_graph_init(vkd_graph *graph, vkd_arena *arena);

/* n, c, h, w of dims of rank 4 at most: rank 2 [M, K] is M rows of K channels. */
void vkd_dims_nchw(uint32_t rank, const uint32_t *dims, vkd_tensor *out);

/* A tensor of the given place; n, c, h, w and bytes are derived. VKD_UNSUPPORTED for 2^31 elements,
 * and for VKD_4C above rank 4. */
VKD_MUST_USE vkd_status vkd_graph_add_tensor(vkd_graph *graph, vkd_place place, vkd_dtype dtype,
                                             vkd_layout layout, uint32_t rank, const uint32_t *dims,
                                             vkd_tensor_id *out);

/* Scratch or constant memory that is no tensor of the model: so many bytes. pack and source as in
 * vkd_tensor, null for scratch.
 */
VKD_MUST_USE vkd_status vkd_graph_add_buffer(vkd_graph *graph, uint64_t bytes, vkd_pack_fn pack,
                                             const void *source, vkd_tensor_id *out);

/* The word of the symbols' tensor that holds such a number, added where it is not there yet. */
VKD_MUST_USE vkd_status vkd_graph_add_symbol(vkd_graph *graph, uint32_t value, uint32_t *out_word);

/* Appends a copy of *node. */
VKD_MUST_USE vkd_status vkd_graph_add_node(vkd_graph *graph, const vkd_node *node);

#endif
