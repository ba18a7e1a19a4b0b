/* What the rewrite rules work with: a net whose calls may change, and who makes and who reads each
 * value, kept up to date by the functions here. Every step costs the size of the calls that it
 * touches, so that rewriting takes time linear in the file. */
#ifndef VKD_GRAPH_REWRITER_H
#define VKD_GRAPH_REWRITER_H

#include "graph/net.h"
#include "graph/operators.h"

typedef struct vkd_rewriter {
    vkd_net *net;
    /* by value id */
    uint32_t *producer; /* index of the call that writes it, or VKD_NO_VALUE */
    uint32_t *readers;  /* how many arguments read it, being an output of the graph included */
    size_t capacity;
    size_t row_count; /* that graph/rows.c has counted */
} vkd_rewriter;

VKD_MUST_USE vkd_status vkd_rewriter_init(vkd_rewriter *r, vkd_net *net);
/* Drops the calls whose results nobody reads. */
void vkd_rewriter_finish(vkd_rewriter *r);

/* -------------------------------------------------------------------------------------- queries */

/* The arguments of a call of this kind; null for others and for removed ones. */
void *vkd_rw_args(const vkd_call *call, vkd_op_kind kind);
/* Whether two tensors have the same dtype and dims. */
bool vkd_rw_alike(const vkd_rewriter *r, uint32_t a, uint32_t b);
/* The call that makes a value as its first result, if it comes before call `before`; null
 * otherwise. */
vkd_call *vkd_rw_producer(vkd_rewriter *r, uint32_t id, size_t before);
/* The same, if besides only one argument reads the value. */
vkd_call *vkd_rw_only_producer(vkd_rewriter *r, uint32_t id, size_t before);
/* Whether a call alone reads a value, however often. */
bool vkd_rw_reads_alone(const vkd_rewriter *r, const vkd_call *call, uint32_t id);

static inline const vkd_model_tensor *vkd_rw_tensor(const vkd_rewriter *r, uint32_t id)
{
    return &r->net->values[id].tensor;
}
static inline size_t vkd_rw_index(const vkd_rewriter *r, const vkd_call *call)
{
    return (size_t)(call - r->net->calls);
}

/* -------------------------------------------------------------------------------------- changes */

VKD_MUST_USE vkd_status vkd_rw_add_value(vkd_rewriter *r, const vkd_model_value *value,
                                         uint32_t *out);
/* Makes an argument, a field of the call's struct that holds the id of a tensor that it reads,
 * another one. */
void vkd_rw_set_input(vkd_rewriter *r, uint32_t *field, uint32_t id);
void vkd_rw_set_result(vkd_rewriter *r, vkd_call *call, uint32_t id); /* the first one */
void vkd_rw_remove(vkd_rewriter *r, vkd_call *call);
/* Removes the call that makes a value, if nobody reads the value any more: other rules count a
 * call's readers. */
void vkd_rw_drop_unread(vkd_rewriter *r, uint32_t id);
void vkd_rw_swap(vkd_rewriter *r, vkd_call *a, vkd_call *b); /* exchanges two calls' places */
/* Makes the call one of the internal row of this kind with these arguments, which are copied. */
VKD_MUST_USE vkd_status vkd_rw_become(vkd_rewriter *r, vkd_call *call, vkd_op_kind kind,
                                      const void *args);

#endif
