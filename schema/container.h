/* What the .pte container says, verified once, as plain C structs: the part of ExecuTorch's program that a runner of delegated
 * methods needs. */
#ifndef VKD_SCHEMA_CONTAINER_H
#define VKD_SCHEMA_CONTAINER_H

#include "runtime/arena.h"

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
    size_t arg_count;     /* KERNEL and DELEGATE */
    const uint32_t *args; /* value ids, in range */
} vkd_container_step;

typedef struct vkd_container_method {
    const char *name;
    size_t value_count;
    const vkd_tensor_info
        *tensors;          /* one a value; rank and size are 0 and is_tensor false for what is no tensor, or none that */
    const bool *is_tensor; /* vkd_tensor_info can describe: another scalar type, a higher rank, unbounded shapes */
    size_t input_count, output_count, operator_count, delegate_count, step_count;
    const uint32_t *inputs, *outputs; /* value ids */
    const char *const *operators;     /* "aten::mean.out" */
    const vkd_container_delegate *delegates;
    const vkd_container_step *steps; /* all chains, in order */
} vkd_container_method;

typedef struct vkd_container_named {
    const char *key;
    vkd_bytes data;
} vkd_container_named;

typedef struct vkd_container {
    size_t method_count, named_count;
    const vkd_container_method *methods;
    const vkd_container_named *named; /* sorted by key */
} vkd_container;

/* Verifies the bytes of a .pte file, at any address, and reads it. Structs and strings are copied into `arena`; vkd_bytes and
 * the compile specs' values point into `file`. VKD_INVALID_MODEL with a message that names the field at fault; VKD_UNSUPPORTED
 * for an input or output that is a tensor which vkd_tensor_info cannot describe; VKD_OUT_OF_MEMORY. */
VKD_MUST_USE vkd_status vkd_container_read(const void *file, size_t size, vkd_arena *arena, vkd_container *out);

/* A vkd_named_data_fn over a container: user is a const vkd_container *. */
const void *vkd_container_find(void *container, const char *key, size_t *out_size);

#endif
