/* Operators declare their parameters once, as data; one decoder checks arity, types, coercions and list lengths and names
 * operator, node and parameter in its errors. No operator indexes arguments.
 *
 *     typedef struct add_args { uint32_t a, b; float a_scale; int32_t a_zero; ... uint32_t y; } add_args;
 *     static const vkd_param add_params[] = {VKD_TENSOR(add_args, a), ..., VKD_FLOAT(add_args, a_scale), ..., VKD_PARAMS_END};
 */
#ifndef VKD_OPS_ARGS_H
#define VKD_OPS_ARGS_H

#include "schema/model.h"

#define VKD_NO_VALUE UINT32_MAX

typedef enum vkd_param_kind {
    VKD_PARAM_END,
    VKD_PARAM_TENSOR,            /* uint32_t: value id of a tensor */
    VKD_PARAM_OPTIONAL_TENSOR,   /* the same or VKD_NO_VALUE for Null */
    VKD_PARAM_CONSTANT,          /* uint32_t: value id of a tensor with constant data */
    VKD_PARAM_OPTIONAL_CONSTANT, /* the same or VKD_NO_VALUE for Null */
    VKD_PARAM_OUTPUT, /* uint32_t[count]: value id of a tensor, or the first `count` of a ValueList of tensors; VKD_NO_VALUE for
                         those that the file does not have */
    VKD_PARAM_FLOAT,  /* float; an Int is accepted */
    VKD_PARAM_OPTIONAL_FLOAT, /* the same or NAN for Null */
    VKD_PARAM_INT,            /* int32_t; a Double with an integral value is accepted */
    VKD_PARAM_BOOL,           /* bool; an Int is accepted */
    VKD_PARAM_STRING,         /* const char * */
    VKD_PARAM_INTS, /* int32_t[count]: a list of exactly count; an empty list only if VKD_INTS_OR_EMPTY, which leaves 0s */
    VKD_PARAM_INTS_OR_EMPTY,
    VKD_PARAM_INT_LIST,       /* vkd_int_list: any length up to VKD_MAX_RANK */
    VKD_PARAM_FLOATS_OR_NULL, /* float[count]: a list of exactly count numbers; Null or an empty list leaves 0s */
    VKD_PARAM_TENSOR_LIST,    /* vkd_tensor_list: at least one */
    VKD_PARAM_IGNORED         /* any value; dtype, memory_format and the like */
} vkd_param_kind;

typedef struct vkd_param {
    vkd_param_kind kind;
    const char *name;
    size_t offset, count;
} vkd_param;

typedef struct vkd_int_list {
    size_t count;
    int32_t items[VKD_MAX_RANK];
} vkd_int_list;

typedef struct vkd_tensor_list {
    size_t count;
    const uint32_t *values; /* ids, in the model */
} vkd_tensor_list;

/* clang-format off: it would spread each of these over four lines */
#define VKD_PARAM(kind_, type, field, count_)                                                                                  \
    {                                                                                                                          \
        kind_, #field, offsetof(type, field), count_                                                                           \
    }
#define VKD_TENSOR(type, field) VKD_PARAM(VKD_PARAM_TENSOR, type, field, 1)
#define VKD_OPTIONAL_TENSOR(type, field) VKD_PARAM(VKD_PARAM_OPTIONAL_TENSOR, type, field, 1)
#define VKD_CONSTANT(type, field) VKD_PARAM(VKD_PARAM_CONSTANT, type, field, 1)
#define VKD_OPTIONAL_CONSTANT(type, field) VKD_PARAM(VKD_PARAM_OPTIONAL_CONSTANT, type, field, 1)
#define VKD_OUTPUT(type, field) VKD_PARAM(VKD_PARAM_OUTPUT, type, field, 1)
#define VKD_OUTPUTS(type, field, count) VKD_PARAM(VKD_PARAM_OUTPUT, type, field, count)
#define VKD_FLOAT(type, field) VKD_PARAM(VKD_PARAM_FLOAT, type, field, 1)
#define VKD_OPTIONAL_FLOAT(type, field) VKD_PARAM(VKD_PARAM_OPTIONAL_FLOAT, type, field, 1)
#define VKD_INT(type, field) VKD_PARAM(VKD_PARAM_INT, type, field, 1)
#define VKD_BOOL(type, field) VKD_PARAM(VKD_PARAM_BOOL, type, field, 1)
#define VKD_STRING(type, field) VKD_PARAM(VKD_PARAM_STRING, type, field, 1)
#define VKD_INTS(type, field, count) VKD_PARAM(VKD_PARAM_INTS, type, field, count)
#define VKD_INTS_OR_EMPTY(type, field, count) VKD_PARAM(VKD_PARAM_INTS_OR_EMPTY, type, field, count)
#define VKD_INT_LIST(type, field) VKD_PARAM(VKD_PARAM_INT_LIST, type, field, 1)
#define VKD_FLOATS_OR_NULL(type, field, count) VKD_PARAM(VKD_PARAM_FLOATS_OR_NULL, type, field, count)
#define VKD_TENSOR_LIST(type, field) VKD_PARAM(VKD_PARAM_TENSOR_LIST, type, field, 1)
#define VKD_IGNORED(name_)                                                                                                     \
    {                                                                                                                          \
        VKD_PARAM_IGNORED, name_, 0, 0                                                                                         \
    }
#define VKD_PARAMS_END                                                                                                         \
    {                                                                                                                          \
        VKD_PARAM_END, NULL, 0, 0                                                                                              \
    }
/* clang-format on */

/* Fills the struct at `args` from the operator's arguments. VKD_INVALID_MODEL with a message on any mismatch. */
VKD_MUST_USE vkd_status vkd_args_decode(vkd_context *context, const vkd_model *model, const vkd_model_op *op,
                                        const vkd_param *params, void *args);

#endif
