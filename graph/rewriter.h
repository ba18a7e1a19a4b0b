/* What the rewrite rules work with: a model whose operators may change, and who makes and who reads each value, kept up to date
 * by the functions that change something. Every step costs the size of the operators it touches, so that rewriting a file takes
 * time linear in its size. */
#ifndef VKD_GRAPH_REWRITER_H
#define VKD_GRAPH_REWRITER_H

#include "schema/model.h"

enum { VKD_NO_ID = UINT32_MAX };

typedef struct vkd_rewriter {
    vkd_arena *arena;
    const vkd_model *model; /* as the file has it */
    vkd_model_value *values;
    size_t value_count, value_capacity;
    vkd_model_op *ops; /* removed ones have no name */
    size_t op_count;
    /* by value id; capacity value_capacity */
    uint32_t *producer; /* index of the op that writes it, or VKD_NO_ID */
    uint32_t *readers;  /* how many arguments read it, being an output of the graph included */
} vkd_rewriter;

/* Copies the model; the reader's arrays stay as they are. */
VKD_MUST_USE vkd_status vkd_rewriter_init(vkd_rewriter *r, const vkd_model *model, vkd_arena *arena);
/* Drops the operators whose results nobody reads, and puts the outcome into *out. */
void vkd_rewriter_finish(vkd_rewriter *r, vkd_model *out);

/* --------------------------------------------------------------------------------------------------------- queries */

bool vkd_rw_named(const vkd_model_op *op, const char *name, size_t arg_count);
bool vkd_rw_is_tensor(const vkd_rewriter *r, uint32_t id);
bool vkd_rw_number(const vkd_rewriter *r, uint32_t id, double *out); /* an Int or a Double */
/* An op's result: its last argument, or the first entry of the list there. VKD_NO_ID if that is no tensor. */
uint32_t vkd_rw_result(const vkd_rewriter *r, const vkd_model_op *op);
/* The op that makes a value, if it comes before op `before`; null otherwise. */
vkd_model_op *vkd_rw_producer(vkd_rewriter *r, uint32_t id, size_t before);
/* The same, if besides only one argument reads the value. */
vkd_model_op *vkd_rw_only_producer(vkd_rewriter *r, uint32_t id, size_t before);

bool vkd_rw_is_quantize(const vkd_model_op *op);
bool vkd_rw_is_dequantize(const vkd_model_op *op);
/* Scale and zero point of a quantize or dequantize of the full int8 range; others are left for the lowering to judge. */
bool vkd_rw_qparams(const vkd_rewriter *r, const vkd_model_op *op, double *scale, double *zero);

/* --------------------------------------------------------------------------------------------------------- changes */

VKD_MUST_USE vkd_status vkd_rw_add_value(vkd_rewriter *r, const vkd_model_value *value, uint32_t *out);
VKD_MUST_USE vkd_status vkd_rw_add_int(vkd_rewriter *r, int64_t number, uint32_t *out);
VKD_MUST_USE vkd_status vkd_rw_add_null(vkd_rewriter *r, uint32_t *out);
void vkd_rw_set_arg(vkd_rewriter *r, vkd_model_op *op, size_t index, uint32_t value); /* not the last one */
void vkd_rw_set_result(vkd_rewriter *r, vkd_model_op *op, uint32_t value);
void vkd_rw_remove(vkd_rewriter *r, vkd_model_op *op);
void vkd_rw_swap(vkd_rewriter *r, vkd_model_op *a, vkd_model_op *b); /* exchanges two ops' places */
/* Makes the op at `op` another one: name, node id of its own, arguments (copied). */
VKD_MUST_USE vkd_status vkd_rw_replace(vkd_rewriter *r, vkd_model_op *op, const char *name, size_t arg_count,
                                       const uint32_t *args);

#endif
