/* Float matrix products of views, for the operators that are one. */
#ifndef VKD_OPS_GEMM_MATMUL_H
#define VKD_OPS_GEMM_MATMUL_H

#include "ops/epilogue.h"

/* y[batch, m, n] = alpha * a[batch, m, k] @ b[batch, k, n] + beta * c. Views of rank 3. */
typedef struct vkd_matmul {
    vkd_view a, b, c; /* c.tensor VKD_NO_TENSOR: none; it broadcasts to y */
    /* value id of a constant [n, k] that b is the transpose of, or VKD_NO_VALUE */
    uint32_t weight;
    float alpha, beta;
    const product_args *args; /* with the epilogue of y; null: none */
} vkd_matmul;

/* Makes the product the value of an output, whose elements are those of [batch, m, n]. */
VKD_MUST_USE vkd_status vkd_matmul_emit(vkd_lowering *lowering, const vkd_matmul *product,
                                        uint32_t value);

#endif
