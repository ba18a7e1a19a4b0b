/* The kernel for linear layers of few rows: what it costs and how wide it is. Wherever the matrix
 * product of gemm.h costs less, a linear layer is that. */
#ifndef VKD_OPS_GEMM_LINEAR_H
#define VKD_OPS_GEMM_LINEAR_H

#include "runtime/base/caps.h"

typedef struct linear_problem {
    uint32_t m, n, k; /* rows; output and input channels */
} linear_problem;

/* Invocations of a workgroup: a power of 2 within the device's limits. */
uint32_t vkd_linear_width(const linear_problem *problem, const vkd_caps *caps);

/* Estimated microseconds, comparable to vkd_gemm_cost. */
double vkd_linear_cost(const linear_problem *problem, const vkd_caps *caps);

#endif
