/* shaders/matmul.comp and matmul_rows.comp: y[batch, m, n] = alpha * sum over k of a[batch, m, k] *
 * b[batch, k, n] + beta * c, each operand by its strides. y is contiguous. */
#ifndef VKD_SHADERS_MATMUL_PARAMS_H
#define VKD_SHADERS_MATMUL_PARAMS_H

#include "float_epilogue_params.h"

/* How four elements of b for consecutive n are read. */
#define VKD_B_STRIDED 0 /* one by one */
#define VKD_B_ROWS 1    /* n is contiguous, rows and matrices are whole groups */
#define VKD_B_COLUMNS 2 /* k is contiguous, columns and matrices are whole groups */
#define VKD_B_PACKED 3  /* [n / 4][k][4]: constants, the last four columns filled up with zeros */

VKD_PARAMS_STRUCT(matmul_params)
{
    u32 batch, m, n, k;
    u32 a_offset, a_batch, a_m, a_k;
    u32 b_offset, b_batch, b_k, b_n;
    u32 c_offset, c_batch, c_m, c_n;
    f32 alpha, beta;
    f32 numbers[2 * EPILOGUE_STEPS];
};

#endif
