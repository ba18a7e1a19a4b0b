/* A net: a model whose operators are typed. It is what rewrite rules change, what shapes are
 * computed for and what is lowered. */
#ifndef VKD_GRAPH_NET_H
#define VKD_GRAPH_NET_H

#include "graph/op.h"

/* An operator with its arguments. */
typedef struct vkd_call {
    const vkd_op *row; /* null: removed */
    const char *name;  /* the row's, or what a fusion made of it */
    uint32_t node_id;
    void *args; /* the row's struct, in the net's arena */
} vkd_call;

typedef struct vkd_net {
    vkd_arena *arena;
    const vkd_op_tables *tables;
    size_t value_count, value_capacity, call_count, input_count, output_count;
    vkd_model_value *values; /* as the file has them, then those that rewrites added */
    vkd_call *calls;         /* in execution order */
    const uint32_t *inputs, *outputs;
    bool resizes;     /* executions may come with smaller dims than the file's; of the net's user */
    uint32_t skipped; /* vkd_rewrites that were left out: lowering leaves them out, too */
    bool has_symbols; /* SymInts among the values: the file's dims are upper bounds */
} vkd_net;

/* Binds every operator of a model. Everything is copied into the arena but what values point to.
 * VKD_UNSUPPORTED names all operators without a row; VKD_INVALID_MODEL names operator, node and
 * argument that do not fit the row's parameters. */
VKD_MUST_USE vkd_status vkd_net_bind(vkd_net *net, const vkd_model *model,
                                     const vkd_op_tables *tables, vkd_arena *arena);

/* Adds a value; *value may lie in net->values. */
VKD_MUST_USE vkd_status vkd_net_add_value(vkd_net *net, const vkd_model_value *value,
                                          uint32_t *out);

/* What a call's parameters say of the values it uses: calls fn for each id of a tensor or SymInt
 * that it reads (write = false) or writes (write = true). fn may change the id. A mutated tensor is
 * both, read first. */
typedef void (*vkd_use_fn)(void *user, uint32_t *id, bool write);
void vkd_call_uses(const vkd_call *call, vkd_use_fn fn, void *user);

/* Fails for what is wrong with a call; the message gets the operator's name and node id in front,
 * and which argument it is about, by its name in the schema: that of a field of the call's struct,
 * or the first one that names a value: "operator 'aten.mm.default' (node 3): argument 1 (mat2) ".
 * A value that no argument names is "value 7 ". */
VKD_MUST_USE vkd_status vkd_call_fail(vkd_context *context, vkd_status status, const vkd_call *call,
                                      const char *format, ...) VKD_PRINTF(4, 5);
VKD_MUST_USE vkd_status vkd_call_fail_at(vkd_context *context, vkd_status status,
                                         const vkd_call *call, const void *field,
                                         const char *format, ...) VKD_PRINTF(5, 6);
VKD_MUST_USE vkd_status vkd_call_fail_value(vkd_context *context, vkd_status status,
                                            const vkd_call *call, uint32_t value,
                                            const char *format, ...) VKD_PRINTF(5, 6);

/* The id of its first output, VKD_NO_VALUE if it has none. */
uint32_t vkd_call_result(const vkd_call *call);
void vkd_call_set_result(vkd_call *call, uint32_t id);

#endif
