/* A linear layer of few rows: y[m, n] = sum over k of x[m, k] * w[n, k], requantised and, where y
 * is float, dequantised. Rows are shared by nobody: a workgroup computes one word (four channels)
 * of one row, and its invocations share k, so that even a single row keeps a GPU busy.
 * gemm_params.h is the same product for many rows.
 *
 * w is packed as [n / 4][k / step][4 channels][step], zero where there is nothing; a step is 16
 * values (ivec4 loads; rows of x must be multiples of 16 bytes, or there is only one) or 4 (int
 * loads). */
#ifndef VKD_SHADERS_LINEAR_PARAMS_H
#define VKD_SHADERS_LINEAR_PARAMS_H

#include "requantize_params.h"

VKD_PARAMS_STRUCT(linear_params)
{
    u32 groups; /* words of all rows: m * blocks */
    u32 blocks; /* words of a row */
    u32 steps;  /* of a row of x, and of a word of channels in w */
    requantize_params requantize;
    /* Where y is float: */
    u32 y_row; /* elements between two rows */
    f32 y_scale;
    i32 y_zero;
};

#endif
