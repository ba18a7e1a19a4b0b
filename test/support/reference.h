/* What an operator of a file computes, in plain C and double precision, from the format's
 * description alone: independent of how the library reads arguments. As in ExecuTorch's Python
 * reference of the int8 operators, convolutions and linear layers are exact up to one
 * requantisation in double, half to even; quantize, dequantize and the elementwise int8 operators
 * work in float. */
#ifndef VKD_TEST_SUPPORT_REFERENCE_H
#define VKD_TEST_SUPPORT_REFERENCE_H

#include "schema/model.h"

/* The contents of one operator's tensors, as doubles. */
typedef struct reference {
    const vkd_model *model;
    const vkd_model_op *op;
    double **values; /* by value id; null: not known */
} reference;

/* Whether there is a reference for this operator. */
bool reference_knows(const vkd_model *model, const vkd_model_op *op);
/* Whether its result is the elements of its input, which may stay where they are. */
bool reference_moves(const char *op);

/* Running out of memory ends the process: this is for tests. */
void reference_begin(reference *r, const vkd_model *model, const vkd_model_op *op);
void reference_end(reference *r);

/* Says what a tensor contains: row-major, in the tensor's dtype. Constants need not be said. */
void reference_set(reference *r, uint32_t value, const void *bytes);
void reference_give(reference *r, uint32_t value, const double *numbers); /* the same as numbers */

/* The id of the operator's first result. */
uint32_t reference_result(const reference *r);
/* Computes it; the number of its elements are written to `out`. All tensors that the operator reads
 * must have been set. */
void reference_compute(reference *r, double *out);

/* How a result compares: elements, those that differ at all, and the largest difference: in units
 * of the last place for integers, relative to the largest magnitude for floats. */
typedef struct reference_difference {
    size_t count, differing;
    double largest;
    bool accepted; /* at most 1 for integers, 1e-5 for floats, 1e-3 for halves */
} reference_difference;
reference_difference reference_compare(vkd_dtype dtype, size_t count, const void *got,
                                       const double *expected);

/* Elements of any dtype as doubles. */
void reference_load(vkd_dtype dtype, size_t count, const void *bytes, double *out);

#endif
