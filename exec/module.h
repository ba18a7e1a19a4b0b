/* A decoded SPIR-V module, between exec/module.c, which makes it, and exec/interpreter.c. All
 * values of an invocation, its variables too, have a place in one array of words: r. */
#ifndef VKD_EXEC_MODULE_H
#define VKD_EXEC_MODULE_H

#include "exec/interpreter.h"

/* What the interpreter knows, by its number in SPIR-V; a function of GLSL.std.450 is its number
 * there behind VKD_SPV_EXT. */
enum {
    VKD_SPV_UNDEF = 1,
    VKD_SPV_EXT_INST = 12,
    VKD_SPV_TYPE_VOID = 19,
    VKD_SPV_TYPE_BOOL,
    VKD_SPV_TYPE_INT,
    VKD_SPV_TYPE_FLOAT,
    VKD_SPV_TYPE_VECTOR,
    VKD_SPV_TYPE_MATRIX,
    VKD_SPV_TYPE_ARRAY = 28,
    VKD_SPV_TYPE_RUNTIME_ARRAY,
    VKD_SPV_TYPE_STRUCT,
    VKD_SPV_TYPE_POINTER = 32,
    VKD_SPV_TYPE_FUNCTION,
    VKD_SPV_TRUE = 41,
    VKD_SPV_FALSE,
    VKD_SPV_CONSTANT,
    VKD_SPV_COMPOSITE,
    VKD_SPV_NULL = 46,
    VKD_SPV_SPEC_TRUE = 48,
    VKD_SPV_SPEC_FALSE,
    VKD_SPV_SPEC_CONSTANT,
    VKD_SPV_SPEC_COMPOSITE,
    VKD_SPV_SPEC_OP,
    VKD_SPV_FUNCTION = 54,
    VKD_SPV_PARAMETER,
    VKD_SPV_FUNCTION_END,
    VKD_SPV_CALL,
    VKD_SPV_VARIABLE = 59,
    VKD_SPV_LOAD = 61,
    VKD_SPV_STORE,
    VKD_SPV_ACCESS_CHAIN = 65,
    VKD_SPV_DECORATE = 71,
    VKD_SPV_MEMBER_DECORATE,
    VKD_SPV_SHUFFLE = 79,
    VKD_SPV_CONSTRUCT,
    VKD_SPV_EXTRACT,
    VKD_SPV_INSERT,
    VKD_SPV_COPY,
    VKD_SPV_TRANSPOSE,
    VKD_SPV_F_TO_U = 109,
    VKD_SPV_F_TO_S,
    VKD_SPV_S_TO_F,
    VKD_SPV_U_TO_F,
    VKD_SPV_BITCAST = 124,
    VKD_SPV_S_NEGATE = 126,
    VKD_SPV_F_NEGATE,
    VKD_SPV_I_ADD,
    VKD_SPV_F_ADD,
    VKD_SPV_I_SUB,
    VKD_SPV_F_SUB,
    VKD_SPV_I_MUL,
    VKD_SPV_F_MUL,
    VKD_SPV_U_DIV,
    VKD_SPV_S_DIV,
    VKD_SPV_F_DIV,
    VKD_SPV_U_MOD,
    VKD_SPV_S_REM,
    VKD_SPV_S_MOD,
    VKD_SPV_VECTOR_SCALE = 142,
    VKD_SPV_DOT = 148,
    VKD_SPV_U_MUL_EXTENDED = 151,
    VKD_SPV_ANY = 154,
    VKD_SPV_ALL,
    VKD_SPV_IS_NAN,
    VKD_SPV_IS_INF,
    VKD_SPV_LOGICAL_EQUAL = 164,
    VKD_SPV_LOGICAL_NOT_EQUAL,
    VKD_SPV_LOGICAL_OR,
    VKD_SPV_LOGICAL_AND,
    VKD_SPV_LOGICAL_NOT,
    VKD_SPV_SELECT,
    VKD_SPV_I_EQUAL,
    VKD_SPV_I_NOT_EQUAL,
    VKD_SPV_U_GREATER,
    VKD_SPV_S_GREATER,
    VKD_SPV_U_AT_LEAST,
    VKD_SPV_S_AT_LEAST,
    VKD_SPV_U_LESS,
    VKD_SPV_S_LESS,
    VKD_SPV_U_AT_MOST,
    VKD_SPV_S_AT_MOST,
    VKD_SPV_F_EQUAL,
    VKD_SPV_F_NOT_EQUAL = 183, /* unordered */
    VKD_SPV_F_LESS,
    VKD_SPV_F_GREATER = 186,
    VKD_SPV_F_AT_MOST = 188,
    VKD_SPV_F_AT_LEAST = 190,
    VKD_SPV_SHIFT_U = 194,
    VKD_SPV_SHIFT_S,
    VKD_SPV_SHIFT_LEFT,
    VKD_SPV_BIT_OR,
    VKD_SPV_BIT_XOR,
    VKD_SPV_BIT_AND,
    VKD_SPV_NOT,
    VKD_SPV_FIELD_S = 202,
    VKD_SPV_FIELD_U,
    VKD_SPV_BARRIER = 224,
    VKD_SPV_MEMORY_BARRIER,
    VKD_SPV_ATOMIC_AND = 240,
    VKD_SPV_ATOMIC_OR,
    VKD_SPV_PHI = 245,
    VKD_SPV_LOOP_MERGE,
    VKD_SPV_SELECTION_MERGE,
    VKD_SPV_LABEL,
    VKD_SPV_BRANCH,
    VKD_SPV_BRANCH_IF,
    VKD_SPV_SWITCH,
    VKD_SPV_RETURN = 253,
    VKD_SPV_RETURN_VALUE,
    VKD_SPV_UNREACHABLE,
    VKD_SPV_EXT = 1000,
    VKD_SPV_SDOT = 4450,
    VKD_SPV_SUDOT = 4452,
};

/* Storage classes. */
enum {
    VKD_SPACE_INPUT = 1,
    VKD_SPACE_SHARED = 4,
    VKD_SPACE_PRIVATE = 6,
    VKD_SPACE_FUNCTION,
    VKD_SPACE_PUSH = 9,
    VKD_SPACE_BUFFER = 12,
};

/* a, b, c: places of operands, or, of what changes the flow, as said. */
typedef struct vkd_step {
    uint16_t op, width;      /* width: words */
    uint16_t space, binding; /* of what accesses memory */
    uint32_t to, a, b, c;
    uint32_t more, count; /* more operands: vkd_module.more[more + ...] */
} vkd_step;

struct vkd_module {
    uint32_t words;         /* of an invocation */
    uint32_t constants;     /* of those, which come first: */
    uint32_t *initial;      /* what they are before an invocation starts */
    uint32_t initial_count; /* those behind are not set */
    uint32_t shared_words;
    uint32_t size[3];                                            /* of a workgroup */
    uint32_t group_at, local_at, global_at, index_at, groups_at; /* built-in inputs; 0: not there */
    bool has_barriers;
    vkd_step *steps;
    uint32_t step_count;
    uint32_t *more;
    uint32_t *starts; /* by a label's id: the step behind it */
    uint32_t entry;   /* a step */
};

/* Computes what neither accesses memory nor changes the flow. False for an opcode that is not
 * known. *rounds is set where floats are computed. */
bool vkd_step_compute(const vkd_step *step, uint32_t *r, bool *rounds);

#endif
