/* Convolutions as matrix products. */
#ifndef VKD_OPS_CONV_GEMM_H
#define VKD_OPS_CONV_GEMM_H

#include "ops/conv/window.h"
#include "ops/gemm/gemm.h"

gemm_problem vkd_conv2d_direct_gemm(const conv2d_problem *problem); /* pointwise and implicit */
gemm_problem vkd_conv2d_im2col_gemm(const conv2d_problem *problem);
/* bytes of one group in a row of the matrix */
uint64_t vkd_conv2d_im2col_row(const conv2d_problem *problem);

#endif
