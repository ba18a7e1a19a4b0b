/* C[m, n] = sum over k of A[m, k] * B[n, k], requantised: the body of pointwise, implicit-GEMM and
 * im2col convolutions and of linear layers. A row of A is what one output pixel sees: the channels
 * of each tap of its window, read straight from the activation. A pointwise convolution has one
 * tap; for a matrix (the im2col scratch, a linear layer's input) the rows are pixels of an image
 * one row high. Groups are independent products along gl_WorkGroupID.z.
 *
 * B is packed as [group][n / unit][k / step][unit channels][step], zero-padded in n to GEMM_N_ALIGN
 * and in k to the step, where a step is 16 values (ivec4 loads; pixels of A must be multiples of 16
 * bytes) or 4 (int loads), and a unit 4 channels, or 8 (gemm_lanes); gemm_coop has units of 16
 * channels and steps of 64, and pads a row of the window to four taps where it loads four at once.
 * With several taps, the channels of a group are a multiple of the step.
 *
 * gemm_4x4 and gemm_coop have all but requantize as specialisation constants, in this order; where
 * shapes can change, those of the shape are 0, and it is pushed (gemm_sizes.glsl). */
#ifndef VKD_SHADERS_GEMM_PARAMS_H
#define VKD_SHADERS_GEMM_PARAMS_H

#include "requantize_params.h"

#define GEMM_N_ALIGN 32
#define GEMM_WORDS_UNROLL 2 /* steps of gemm_4x4_words in a round of its loop */
#define GEMM_LANES 8        /* of gemm_lanes: the subgroup size that it is written for */

/* What another shape changes. */
VKD_PARAMS_STRUCT(gemm_shape)
{
    u32 m;            /* rows: output pixels of all images */
    u32 out_w, out_h; /* to find the pixel of a row: m = (image * out_h + y) * out_w + x */
    u32 in_w, in_h;
};

VKD_PARAMS_STRUCT(gemm_params)
{
    gemm_shape shape;
    u32 k_steps;    /* of one group, all taps */
    u32 tap_steps;  /* of one group, one tap, in units in which A is loaded (ivec4 or int) */
    u32 a_pixel;    /* distance of two pixels of A, in the same units */
    u32 n4_group;   /* words of output channels of one group */
    u32 b_n4_group; /* the same, padded as B is */
    u32 y_pixel;    /* words of one output pixel */
    /* where four taps of a row are loaded at once: fours, and dilation_w is the distance of two */
    u32 kernel_w;
    u32 stride_w, stride_h, padding_w, padding_h, dilation_w, dilation_h;
    i32 x_zero; /* the value of taps outside the image */
    requantize_params requantize;
};

#endif
