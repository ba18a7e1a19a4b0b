/* Nets made by hand for the rewrites: values and operators that need no data. */
#ifndef VKD_TEST_SUPPORT_REWRITING_H
#define VKD_TEST_SUPPORT_REWRITING_H

#include "graph/operators.h"
#include "graph/rewrite.h"
#include "support/oracle.h"

enum { RW_MAX = 64 };

typedef struct rewriting {
    vkd_context context;
    vkd_arena arena;
    vkd_model_value values[RW_MAX];
    vkd_model_op ops[RW_MAX];
    uint32_t args[RW_MAX][24], outputs[4];
    vkd_model model;
    const vkd_op_table *tables[RW_MAX];
    vkd_op_tables all;
    vkd_net net;
} rewriting;

/* Operators as for support/open_ops.h, and "some.op", of which no rule knows anything. The arena is
 * whoever's who began. */
void rw_begin(rewriting *f);

/* Each adds a value and returns its id. */
uint32_t rw_value(rewriting *f, vkd_model_value value);
uint32_t rw_tensor4(rewriting *f, vkd_dtype dtype, uint32_t h); /* of 1 x 8 x h x h */
uint32_t rw_number(rewriting *f, double d);
uint32_t rw_int(rewriting *f, int64_t i);
uint32_t rw_null(rewriting *f);
uint32_t rw_ints(rewriting *f, const int64_t *items, size_t count);
uint32_t rw_string(rewriting *f, const char *text);
uint32_t rw_constant(rewriting *f); /* an int */
void rw_output(rewriting *f, uint32_t value);

void rw_op(rewriting *f, const char *name, size_t count, const uint32_t *args);
#define RW_OP(f, name, ...)                                                                        \
    rw_op(f, name, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})
void rw_quantize(rewriting *f, uint32_t x, double scale, int64_t zero, uint32_t y);
void rw_dequantize(rewriting *f, uint32_t x, double scale, int64_t zero, uint32_t y);
/* NAN: null. relu has no bounds; without a name there is no operator. */
void rw_clamp(rewriting *f, const char *name, uint32_t x, float low, float high, uint32_t y);

void rw_rewrite_without(rewriting *f, uint32_t skip);
/* Chains would take what the other rules leave. */
void rw_rewrite(rewriting *f);

typedef struct rw_clamp_case {
    const char *name;
    float low, high; /* NAN: null; hardtanh and clamp */
    oracle_q q;
} rw_clamp_case;

/* Begins, with dequantize -> clamp -> quantize. */
void rw_clamp_model(rewriting *f, const rw_clamp_case *c, double y_scale);

/* What has become of it: a call, and its struct. */
const vkd_call *rw_call(const rewriting *f, size_t index);
#define RW_ARGS(type, f, index) ((const type *)rw_call(f, index)->args)

#endif
