/* Chains: operators that compute each element of their result from those at the same place of their
 * operands, in floats. A row's function `chain` says what an operator is as one, with what is here;
 * the rule makes one call of several such calls, where what is between them has no other reader.
 * Int8 tensors are dequantized where a chain reads them and quantized where it writes one. Every
 * step is computed with 32 bits and rounds as the operator does: the results are the same to the
 * bit, but that what is between is not rounded to half precision. */
#ifndef VKD_GRAPH_CHAIN_H
#define VKD_GRAPH_CHAIN_H

#include "graph/rewriter.h"

/* For the functions of rows; false where a type is none of a chain's or a number is not known. */
bool vkd_chain_copy(const vkd_net *net, uint32_t x, uint32_t y, chain_args *out);
bool vkd_chain_unary(const vkd_net *net, uint32_t x, uint32_t y, const chain_step *step,
                     chain_args *out);
/* a or b may be VKD_NO_VALUE: the number. alpha: of sums, null: 1. */
bool vkd_chain_binary(const vkd_net *net, uint32_t function, uint32_t a, uint32_t b,
                      const vkd_number *number, const vkd_number *alpha, uint32_t y,
                      chain_args *out);

/* What a call is as a chain; false where it is none. */
bool vkd_chain_of(const vkd_rewriter *r, const vkd_call *call, chain_args *out);

/* Rule: a batch norm by constants is part of the convolution before it. */
VKD_MUST_USE vkd_status vkd_fuse_norm(vkd_rewriter *r, size_t index);
/* Rule: a batch norm by constants is a product and a sum. */
VKD_MUST_USE vkd_status vkd_chain_norm(vkd_rewriter *r, size_t index);
/* Rule: joins the call with the chains whose results it reads. */
VKD_MUST_USE vkd_status vkd_chain_join(vkd_rewriter *r, size_t index);

/* What a step makes of its operands, with 64 bits. */
double vkd_chain_step(const chain_step *step, double a, double b);
/* What a chain with one int8 input makes of an element. Each step is computed with 64 bits and
 * rounded to 32, so that exponentials are right to half a unit in the last place. */
float vkd_chain_value(const chain_args *chain, int8_t x);
int8_t vkd_chain_byte(const chain_args *chain, int8_t x); /* where the result is int8 */
/* "vkd.dequantize+hardswish": what two calls do, in order; null when there is no memory. */
const char *vkd_chain_name(vkd_arena *arena, const char *first, const char *second);
/* Whether it is a function of one int8 tensor: x[0]. */
bool vkd_chain_is_table(const vkd_rewriter *r, const chain_args *chain);

#endif
