/* What a delegate blob says (vkd_model_read), or a whole method (schema/inline.h), verified once,
 * as plain C structs. Every id in a model is in range, every byte count is exact, and nothing here
 * needs to be checked again. */
#ifndef VKD_SCHEMA_MODEL_H
#define VKD_SCHEMA_MODEL_H

#include "runtime/base/arena.h"

typedef enum vkd_value_kind {
    VKD_VALUE_NULL,
    VKD_VALUE_INT,
    VKD_VALUE_DOUBLE,
    VKD_VALUE_BOOL,
    VKD_VALUE_TENSOR,
    VKD_VALUE_INT_LIST,
    VKD_VALUE_DOUBLE_LIST,
    VKD_VALUE_BOOL_LIST,
    VKD_VALUE_VALUE_LIST,
    VKD_VALUE_STRING,
    VKD_VALUE_SYMINT,
    VKD_VALUE_SYMFLOAT /* of a method, between operators alone */
} vkd_value_kind;

typedef struct vkd_model_tensor {
    vkd_dtype dtype;
    /* of the host's copy, for inputs and outputs; = dtype unless the file says otherwise */
    vkd_dtype staging_dtype;
    uint32_t rank;
    uint32_t dims[VKD_MAX_RANK]; /* outermost first; an element count always fits in 31 bits */
    /* constants: exactly `size` bytes in the blob or of named data, any alignment; else null */
    const void *data;
    size_t size; /* bytes of the contiguous tensor */
    bool state;  /* kept between executions, and written by operators, whose result it is as it may
                    be their argument. Begins as  `data`, as zeros where that is null. Of a method;
                    in  a blob vkd_net_bind finds out */
    /* of a method: its dims are upper bounds. What a blob has may be dynamic all the same */
    bool dynamic;
} vkd_model_tensor;

typedef struct vkd_model_value {
    vkd_value_kind kind;
    union {
        int64_t i; /* INT, SYMINT */
        double d;  /* DOUBLE, SYMFLOAT */
        bool b;
        const char *string; /* in the model's arena */
        vkd_model_tensor tensor;
        struct {
            size_t count;
            union {
                const int64_t *ints;
                const double *doubles;
                const bool *bools;
                const uint32_t *values; /* ids of other values */
            };
        } list;
    };
} vkd_model_value;

/* How names of operators begin that the rewrites make, whose arguments nobody checks as a file's.
 */
#define VKD_OWN_PREFIX "vkd."

typedef struct vkd_model_op {
    const char *name; /* "et_vk.q8ta_conv2d.default" */
    uint32_t node_id;
    size_t arg_count;
    const uint32_t *args; /* value ids */
} vkd_model_op;

typedef struct vkd_model {
    size_t value_count, op_count, input_count, output_count;
    const vkd_model_value *values;
    const vkd_model_op *ops; /* in execution order */
    const uint32_t *inputs, *outputs;
    /* what no tensor of this library can be: "a tensor of rank above 8"; null where there is none
     */
    const char *unsupported;
    /* the first such value: nothing may be done with the values then; the operators are there */
    uint32_t unsupported_value;
} vkd_model;

/* Verifies a delegate blob and reads it. Everything is copied into `arena` except constants, whose
 * `data` points into the blob (inline) or to what named_data returned (named); an empty constant
 * has some non-null `data`. The blob may lie at any address. No operator has a name of the
 * rewrites' ("vkd.q8_conv2d"). Inputs and outputs are tensors or SYMINT, inputs no constants; a
 * value list holds no value list.
 * A tensor of rank above VKD_MAX_RANK is left to vkd_net_bind, which looks at the operators first.
 * VKD_INVALID_MODEL with a message that names the field at fault; VKD_INVALID_ARGUMENT when a
 * constant needs named_data and that is null; VKD_OUT_OF_MEMORY. */
VKD_MUST_USE vkd_status vkd_model_read(const void *blob, size_t size,
                                       const vkd_named_data *named_data, vkd_arena *arena,
                                       vkd_model *out);

/* The element count of a rank and dims; the reader has made sure that it fits. */
uint64_t vkd_dims_count(uint32_t rank, const uint32_t *dims);

#endif
