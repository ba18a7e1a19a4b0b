/* What the .pte container says, verified once, as plain C structs: the part of ExecuTorch's program
 * that a runner of its methods needs. */
#ifndef VKD_SCHEMA_CONTAINER_H
#define VKD_SCHEMA_CONTAINER_H

#include "schema/model.h"

typedef struct vkd_bytes {
    const void *data; /* in the file, as it was given */
    size_t size;
} vkd_bytes;

typedef struct vkd_container_delegate {
    const char *id; /* "VulkanBackend" */
    vkd_bytes blob;
    size_t spec_count;
    const vkd_compile_spec *specs;
} vkd_container_delegate;

/* One step of a method's chain. */
typedef enum vkd_step_kind {
    VKD_STEP_KERNEL = 1,
    VKD_STEP_DELEGATE,
    VKD_STEP_MOVE,
    VKD_STEP_JUMP_FALSE,
    VKD_STEP_FREE
} vkd_step_kind;
typedef struct vkd_container_step {
    vkd_step_kind kind;
    uint32_t index;       /* KERNEL: operator, DELEGATE: delegate; in range */
    size_t arg_count;     /* KERNEL, DELEGATE, and MOVE: from, to */
    const uint32_t *args; /* value ids, in range */
} vkd_container_step;

#define VKD_CONTAINER_NONE UINT32_MAX /* the item of an optional list that has no value */

/* An entry of a method's table of values. */
typedef struct vkd_container_value {
    vkd_model_value
        value; /* Of the program's lists of ints, tensors and optional tensors: a VALUE_LIST of ids
                  in this table, or VKD_CONTAINER_NONE; it holds no list. TENSOR: dtype is the
                  program's, data what it begins with, in the file; state is not set */
    bool is_planned;    /* TENSOR: in memory of the method, which steps may write: */
    uint32_t memory_id; /* in which of its buffers, */
    /* and where there. Tensors in one place are one after the other there, or views of one */
    uint64_t memory_offset;
    uint8_t dim_order[VKD_MAX_RANK]; /* TENSOR: each dim once, outermost in memory first */
    /* TENSOR: the name under which another file has its data; else null */
    const char *external;
    /* TENSOR: why vkd_model_tensor cannot describe it, all else is unset then; else null */
    const char *problem;
} vkd_container_value;

typedef struct vkd_container_method {
    const char *name;
    size_t value_count;
    const vkd_container_value *values;
    size_t input_count, output_count, operator_count, delegate_count, step_count;
    const uint32_t *inputs, *outputs; /* value ids */
    const char *const *operators;     /* "aten::mean.out" */
    const vkd_container_delegate *delegates;
    const vkd_container_step *steps; /* all chains, in order */
} vkd_container_method;

/* How a data file's tensor lies in its bytes. */
typedef struct vkd_data_layout {
    /* VKD_DTYPE_COUNT: one that vkd_model_tensor has not, or a rank that it has not; all else is
     * unset then */
    vkd_dtype dtype;
    uint32_t rank, dims[VKD_MAX_RANK];
    uint8_t dim_order[VKD_MAX_RANK];
} vkd_data_layout;

typedef struct vkd_container_named {
    const char *key;
    vkd_bytes data;
    /* null: bytes, of which only the one who asks for them knows more */
    const vkd_data_layout *layout;
} vkd_container_named;

/* What a .ptd file has for programs. */
typedef struct vkd_data_file {
    size_t size, named_count;
    const vkd_container_named *named; /* sorted by key */
    const struct vkd_data_file *next; /* of the program's */
} vkd_data_file;

typedef struct vkd_container {
    /* bytes of the file, and of data files: what is made of them may take so much memory for each
     */
    size_t size;
    size_t method_count, named_count;
    const vkd_container_method *methods;
    const vkd_container_named *named; /* sorted by key */
    /* the same to be looked up: it points to this struct, which must stay where it is */
    vkd_named_data named_data;
    const vkd_data_file *data_files; /* that were added, see schema/named.h */
} vkd_container;

/* Verifies the bytes of a .pte file, at any address, and reads it. Structs and strings are copied
 * into `arena`; vkd_bytes and the compile specs' values point into `file`. VKD_INVALID_MODEL with a
 * message that names the field at fault; VKD_UNSUPPORTED for an input or output that is a tensor
 * which vkd_model_tensor cannot describe; VKD_OUT_OF_MEMORY. */
VKD_MUST_USE vkd_status vkd_container_read(const void *file, size_t size, vkd_arena *arena,
                                           vkd_container *out);

#endif
