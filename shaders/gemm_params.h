/* C[m, n] = sum over k of A[m, k] * B[n, k], requantised: the body of pointwise and im2col convolutions and of linear layers.
 * A row of A is one output pixel's input: for a pointwise convolution the channels of the pixel it looks at, for im2col a row of
 * the scratch matrix. Groups are independent products along gl_WorkGroupID.z.
 *
 * B is packed as [group][n / 4][k / step][4 channels][step], zero-padded in n to GEMM_N_ALIGN and in k to the step, where a step is
 * 16 values (ivec4 loads; A's rows must be multiples of 16 bytes) or 4 (int loads). */
#ifndef VKD_SHADERS_GEMM_PARAMS_H
#define VKD_SHADERS_GEMM_PARAMS_H

#include "requantize_params.h"

#define GEMM_N_ALIGN 16

VKD_PARAMS_STRUCT(gemm_params)
{
    u32 m;              /* rows: output pixels of all images */
    u32 k_steps;        /* of one group */
    u32 a_row;          /* distance of two pixels of A, in steps */
    u32 a_group;        /* distance of two groups in a row of A, in steps */
    u32 n4_group;       /* words of output channels of one group */
    u32 b_n4_group;     /* the same, padded as B is */
    u32 y_row;          /* words of one output pixel */
    u32 out_w, out_h;   /* to find the pixel of a row: m = (image * out_h + y) * out_w + x */
    u32 in_w, in_h;
    u32 stride_w, stride_h;
    requantize_params requantize;
};

#endif
