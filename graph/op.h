/* What an operator is: a row of a family's table. Its arguments are declared once, as data, and
 * decoded once ("bound") into a struct of the family's own, before anything looks at them: rewrite
 * rules, shapes and lowering all see the struct.
 *
 *     typedef struct unary_args { uint32_t x, y; } unary_args;
 *     static const vkd_param unary_params[] = {VKD_TENSOR(unary_args, x), VKD_OUTPUT(unary_args,
 * y), VKD_PARAMS_END}; const vkd_op vkd_unary_ops[] = {
 *         {"aten.exp.default", unary_params, sizeof(unary_args), vkd_shape_same, lower, .code =
 * UNARY_EXP}, ...
 */
#ifndef VKD_GRAPH_OP_H
#define VKD_GRAPH_OP_H

#include "schema/model.h"

#define VKD_NO_VALUE UINT32_MAX

/* ----------------------------------------------------------------------------------- parameters */

/* An int that a file may leave open: a number, or a SymInt whose value is known when shapes are. */
typedef struct vkd_sym {
    int64_t number; /* VKD_SYM_NULL for Null */
    uint32_t value; /* id of the SymInt, or VKD_NO_VALUE */
} vkd_sym;
#define VKD_SYM_NULL INT64_MIN
#define VKD_NO_SYMBOL ((vkd_sym){0, VKD_NO_VALUE})

typedef struct vkd_sym_list {
    size_t count;
    vkd_sym items[VKD_MAX_RANK];
} vkd_sym_list;

/* As long as the file has it; the items belong to the call. */
typedef struct vkd_size_list {
    size_t count;
    vkd_sym *items;
} vkd_size_list;

typedef struct vkd_int_list {
    size_t count;
    int32_t items[VKD_MAX_RANK];
} vkd_int_list;

/* Ids are copies that belong to the call; VKD_NO_VALUE for Null, where the parameter allows it. */
typedef struct vkd_tensor_list {
    size_t count;
    uint32_t *values;
} vkd_tensor_list;

/* A Python number: what it is decides what an operator computes. */
typedef enum vkd_number_kind {
    VKD_NUMBER_NULL,
    VKD_NUMBER_INT,
    VKD_NUMBER_DOUBLE,
    VKD_NUMBER_SYM
} vkd_number_kind;
typedef struct vkd_number {
    vkd_number_kind kind;
    double real;    /* INT and DOUBLE; an INT may have lost bits here */
    int64_t number; /* INT, a Bool too */
    uint32_t value; /* SYM: id of the SymInt, or, of a VKD_PARAM_SYMBOL, of a SymFloat */
} vkd_number;

typedef enum vkd_param_kind {
    VKD_PARAM_END,
    VKD_PARAM_TENSOR,               /* uint32_t: value id of a tensor */
    VKD_PARAM_OPTIONAL_TENSOR,      /* the same or VKD_NO_VALUE for Null */
    VKD_PARAM_CONSTANT,             /* uint32_t: value id of a tensor with constant data */
    VKD_PARAM_OPTIONAL_CONSTANT,    /* the same or VKD_NO_VALUE for Null */
    VKD_PARAM_FINITE,               /* as VKD_PARAM_CONSTANT; a float in it is finite */
    VKD_PARAM_OPTIONAL_FINITE,      /* the same or VKD_NO_VALUE for Null */
    VKD_PARAM_MUTATED,              /* uint32_t: value id of a tensor that is read and written */
    VKD_PARAM_TENSOR_LIST,          /* vkd_tensor_list: at least one */
    VKD_PARAM_OPTIONAL_TENSOR_LIST, /* the same; entries may be Null */
    VKD_PARAM_OUTPUT, /* uint32_t[count]: value id of a tensor, or the first `count` of a ValueList
                       * of tensors; VKD_NO_VALUE for those that the file does not have */
    VKD_PARAM_OUTPUT_LIST,    /* vkd_tensor_list: all tensors of a ValueList */
    VKD_PARAM_OUTPUT_SYM,     /* uint32_t: value id of a SymInt or a SymFloat */
    VKD_PARAM_FLOAT,          /* float; an Int is accepted */
    VKD_PARAM_OPTIONAL_FLOAT, /* the same or NAN for Null */
    /* int32_t; a Double with an integral value is accepted, Null if the field's default may stay */
    VKD_PARAM_INT,
    VKD_PARAM_OPTIONAL_INT,
    VKD_PARAM_BOOL,            /* bool; an Int is accepted */
    VKD_PARAM_STRING,          /* const char * */
    VKD_PARAM_OPTIONAL_STRING, /* the same or null for Null */
    VKD_PARAM_NUMBER,          /* vkd_number, not Null */
    VKD_PARAM_OPTIONAL_NUMBER, /* vkd_number */
    VKD_PARAM_SYMBOL,          /* vkd_number, not Null; SymFloats too: for what the host computes */
    VKD_PARAM_SYM,             /* vkd_sym, not Null */
    VKD_PARAM_OPTIONAL_SYM,    /* vkd_sym */
    /* vkd_sym_list: up to VKD_MAX_RANK ints and SymInts; Null is an empty list */
    VKD_PARAM_SIZES,
    VKD_PARAM_SIZE_LIST, /* vkd_size_list: any number of them */
    VKD_PARAM_INTS, /* int32_t[count]: a list of count, or of one, which stands for all; an empty
                     * list only if VKD_PARAM_INTS_OR_EMPTY, which leaves 0s */
    VKD_PARAM_INTS_OR_EMPTY,
    /* vkd_int_list: any length up to VKD_MAX_RANK, or a single int; Null is an empty list */
    VKD_PARAM_INT_LIST,
    /* double[count]: a list of exactly count numbers; Null or an empty list leaves 0s */
    VKD_PARAM_DOUBLES_OR_NULL,
    VKD_PARAM_IGNORED, /* any value; dtype, memory_format and the like */
    VKD_PARAM_FUSED    /* uint32_t: value id of a tensor that a rewrite rule gave the call, or
                        * VKD_NO_VALUE; no argument of a file.    Behind all others */
} vkd_param_kind;

/* Small and without a pointer, which a loader would have to set: there are about a thousand. */
typedef struct vkd_param {
    uint8_t kind; /* vkd_param_kind */
    uint8_t count;
    uint16_t offset; /* of the field in its struct */
    char name[26];
} vkd_param;

/* An argument's name in messages is the schema's: the field's own, or what is said behind it:
 * VKD_TENSOR(unary_args, x, self), VKD_INTS(pool_args, kernel, 2, kernel_size). */
/* clang-format off: it would spread each of these over four lines */
#define VKD_PARAM(kind_, type, count_, ...)                                                        \
    VKD_PARAM_NAMED(kind_, type, count_, __VA_ARGS__, __VA_ARGS__, )
#define VKD_PARAM_NAMED(kind_, type, count_, field, name_, ...)                                    \
    {                                                                                              \
        kind_, count_, offsetof(type, field), #name_                                               \
    }
#define VKD_COUNTED(kind_, type, field, ...)                                                       \
    VKD_COUNTED_NAMED(kind_, type, field, __VA_ARGS__, field, )
#define VKD_COUNTED_NAMED(kind_, type, field, count_, name_, ...)                                  \
    VKD_PARAM_NAMED(kind_, type, count_, field, name_, )
#define VKD_TENSOR(type, ...) VKD_PARAM(VKD_PARAM_TENSOR, type, 1, __VA_ARGS__)
#define VKD_OPTIONAL_TENSOR(type, ...) VKD_PARAM(VKD_PARAM_OPTIONAL_TENSOR, type, 1, __VA_ARGS__)
#define VKD_CONSTANT(type, ...) VKD_PARAM(VKD_PARAM_CONSTANT, type, 1, __VA_ARGS__)
#define VKD_OPTIONAL_CONSTANT(type, ...)                                                           \
    VKD_PARAM(VKD_PARAM_OPTIONAL_CONSTANT, type, 1, __VA_ARGS__)
#define VKD_FINITE(type, ...) VKD_PARAM(VKD_PARAM_FINITE, type, 1, __VA_ARGS__)
#define VKD_OPTIONAL_FINITE(type, ...) VKD_PARAM(VKD_PARAM_OPTIONAL_FINITE, type, 1, __VA_ARGS__)
#define VKD_MUTATED(type, ...) VKD_PARAM(VKD_PARAM_MUTATED, type, 1, __VA_ARGS__)
#define VKD_TENSOR_LIST(type, ...) VKD_PARAM(VKD_PARAM_TENSOR_LIST, type, 1, __VA_ARGS__)
#define VKD_OPTIONAL_TENSOR_LIST(type, ...)                                                        \
    VKD_PARAM(VKD_PARAM_OPTIONAL_TENSOR_LIST, type, 1, __VA_ARGS__)
#define VKD_OUTPUT(type, ...) VKD_PARAM(VKD_PARAM_OUTPUT, type, 1, __VA_ARGS__)
#define VKD_OUTPUTS(type, field, ...) VKD_COUNTED(VKD_PARAM_OUTPUT, type, field, __VA_ARGS__)
#define VKD_OUTPUT_LIST(type, ...) VKD_PARAM(VKD_PARAM_OUTPUT_LIST, type, 1, __VA_ARGS__)
#define VKD_OUTPUT_SYM(type, ...) VKD_PARAM(VKD_PARAM_OUTPUT_SYM, type, 1, __VA_ARGS__)
#define VKD_FLOAT(type, ...) VKD_PARAM(VKD_PARAM_FLOAT, type, 1, __VA_ARGS__)
#define VKD_OPTIONAL_FLOAT(type, ...) VKD_PARAM(VKD_PARAM_OPTIONAL_FLOAT, type, 1, __VA_ARGS__)
#define VKD_INT(type, ...) VKD_PARAM(VKD_PARAM_INT, type, 1, __VA_ARGS__)
#define VKD_OPTIONAL_INT(type, ...) VKD_PARAM(VKD_PARAM_OPTIONAL_INT, type, 1, __VA_ARGS__)
#define VKD_BOOL(type, ...) VKD_PARAM(VKD_PARAM_BOOL, type, 1, __VA_ARGS__)
#define VKD_STRING(type, ...) VKD_PARAM(VKD_PARAM_STRING, type, 1, __VA_ARGS__)
#define VKD_OPTIONAL_STRING(type, ...) VKD_PARAM(VKD_PARAM_OPTIONAL_STRING, type, 1, __VA_ARGS__)
#define VKD_NUMBER(type, ...) VKD_PARAM(VKD_PARAM_NUMBER, type, 1, __VA_ARGS__)
#define VKD_OPTIONAL_NUMBER(type, ...) VKD_PARAM(VKD_PARAM_OPTIONAL_NUMBER, type, 1, __VA_ARGS__)
#define VKD_SYMBOL(type, ...) VKD_PARAM(VKD_PARAM_SYMBOL, type, 1, __VA_ARGS__)
#define VKD_SYM(type, ...) VKD_PARAM(VKD_PARAM_SYM, type, 1, __VA_ARGS__)
#define VKD_OPTIONAL_SYM(type, ...) VKD_PARAM(VKD_PARAM_OPTIONAL_SYM, type, 1, __VA_ARGS__)
#define VKD_SIZES(type, ...) VKD_PARAM(VKD_PARAM_SIZES, type, 1, __VA_ARGS__)
#define VKD_SIZE_LIST(type, ...) VKD_PARAM(VKD_PARAM_SIZE_LIST, type, 1, __VA_ARGS__)
#define VKD_INTS(type, field, ...) VKD_COUNTED(VKD_PARAM_INTS, type, field, __VA_ARGS__)
#define VKD_INTS_OR_EMPTY(type, field, ...)                                                        \
    VKD_COUNTED(VKD_PARAM_INTS_OR_EMPTY, type, field, __VA_ARGS__)
#define VKD_INT_LIST(type, ...) VKD_PARAM(VKD_PARAM_INT_LIST, type, 1, __VA_ARGS__)
#define VKD_DOUBLES_OR_NULL(type, field, ...)                                                      \
    VKD_COUNTED(VKD_PARAM_DOUBLES_OR_NULL, type, field, __VA_ARGS__)
#define VKD_FUSED(type, ...) VKD_PARAM(VKD_PARAM_FUSED, type, 1, __VA_ARGS__)
#define VKD_IGNORED(name_)                                                                         \
    {                                                                                              \
        VKD_PARAM_IGNORED, 0, 0, name_                                                             \
    }
#define VKD_PARAMS_END                                                                             \
    {                                                                                              \
        VKD_PARAM_END, 0, 0, ""                                                                    \
    }
/* clang-format on */

/* ----------------------------------------------------------------------------------------- rows */

/* Operators that rewrite rules look into; their structs are in graph/operators.h. */
typedef enum vkd_op_kind {
    VKD_OP_OTHER,
    VKD_OP_QUANTIZE,
    VKD_OP_DEQUANTIZE,
    VKD_OP_VIEW,    /* its result is the elements of its first argument under other dims */
    VKD_OP_CLONE,   /* its result is its first argument, where dims and dtypes are equal */
    VKD_OP_PREPACK, /* its result is a constant */
    VKD_OP_CAST,    /* its result is its first argument in the result's dtype */
    VKD_OP_CLAMP,
    VKD_OP_MAX_POOL,
    VKD_OP_AVERAGE_POOL,
    VKD_OP_UPSAMPLE_NEAREST,
    VKD_OP_MEAN,
    VKD_OP_CAT,
    VKD_OP_Q8_CONV,
    VKD_OP_Q8_LINEAR,
    VKD_OP_Q8_ADD,
    VKD_OP_Q8_CLAMP,
    VKD_OP_Q8_MEAN,
    VKD_OP_CHAIN,
    VKD_OP_PIXELS,
    VKD_OP_BATCH_NORM,
    VKD_OP_RMS_NORM,
    VKD_OP_ROTARY,
    VKD_OP_BMM, /* a product of two batches of matrices */
    VKD_OP_SOFTMAX,
    VKD_OP_WHERE,
    VKD_OP_EQUAL, /* to a number */
    VKD_OP_NOT,
    VKD_OP_ANY,  /* over some dims */
    VKD_OP_FULL, /* of one number */
    VKD_OP_ATTENTION,
    VKD_OP_Q8_EXCITE,
    VKD_OP_INDEX,
    VKD_OP_INDEX_SELECT,
    VKD_OP_PERMUTE,
    VKD_OP_SLICE,
    VKD_OP_PAD, /* with a value */
    VKD_OP_ROWS,
    VKD_OP_CONV, /* of floats */
    VKD_OP_EXCITE,
    VKD_OP_PRODUCT /* products of matrices but VKD_OP_BMM */
} vkd_op_kind;

struct vkd_net;                           /* graph/net.h */
struct vkd_call;                          /* graph/net.h */
struct chain_args;                        /* graph/operators.h */
typedef struct vkd_shaping vkd_shaping;   /* graph/shape.h */
typedef struct vkd_lowering vkd_lowering; /* ops/lower.h */

typedef struct vkd_op {
    /* in the file: "aten.exp.default". Several rows may share one and differ in how many arguments
     * they take */
    const char *name;
    const vkd_param *params;
    size_t args_size; /* of the struct that the parameters fill */
    /* sets the dims of every output from its operands' */
    vkd_status (*shape)(vkd_shaping *shaping, const void *args);
    vkd_status (*lower)(vkd_lowering *lowering, const void *args);
    /* the call as a chain of steps, if that is what it is (graph/chain.h); null: never */
    bool (*chain)(const struct vkd_net *net, const struct vkd_call *call, struct chain_args *out);
    int code;             /* tells the rows of one family apart */
    vkd_op_kind kind;     /* for rewrite rules */
    const void *defaults; /* what the struct holds before the arguments are decoded; null: zeros */
    bool internal;        /* made by rewrite rules; no file can name it */
    bool effect;          /* writes what outlives the execution: never dead */
} vkd_op;

/* All families' tables. */
typedef struct vkd_op_table {
    const vkd_op *rows;
    size_t count;
} vkd_op_table;
#define VKD_OP_TABLE(rows_)                                                                        \
    {                                                                                              \
        rows_, sizeof(rows_) / sizeof(rows_)[0]                                                    \
    }
/* An operator that a file may name and that nobody lowers, and why. */
typedef struct vkd_op_refusal {
    const char *name, *reason;
} vkd_op_refusal;
typedef struct vkd_op_tables {
    const vkd_op_table *const *tables;
    size_t count;
    const vkd_op_refusal *refusals;
    size_t refusal_count;
} vkd_op_tables;

/* The row of a file's operator; null for one that nobody lowers. A name is also found without its
 * namespace ("aten.") where the file has none. */
const vkd_op *vkd_op_find(const vkd_op_tables *tables, const char *name, size_t arg_count);
/* Why there is no row of this name; null where nothing is known of it. */
const char *vkd_op_refused(const vkd_op_tables *tables, const char *name);
/* The row that rewrite rules make operators of. */
const vkd_op *vkd_op_internal(const vkd_op_tables *tables, vkd_op_kind kind);

#endif
