/* shaders/qlinear.comp: y[m, n] = sum over k of x[m, k] * w[n, k] * scale[k / group, n] + bias[n],
 * w being integers of 8 or 4 bits. Weights: for every four n and every 4 (8 bits) or 8 (4 bits,
 * plus 8) k a group of four words, a word for each n, the first k lowest. Channels: floats, scales
 * [n / 4][k / group][4], then the biases [n padded to 4], then, where x is normalised by its root
 * mean square first, that norm's weight [k], k being a multiple of 4. Of two products with one x
 * the weights, the scales and the biases of the second follow those of the first, each padded. */
#ifndef VKD_SHADERS_QLINEAR_PARAMS_H
#define VKD_SHADERS_QLINEAR_PARAMS_H

#include "float_epilogue_params.h"

#define VKD_QLINEAR_FLOAT 0   /* x as it is */
#define VKD_QLINEAR_DYNAMIC 1 /* x quantised by a pair (scale, zero point) for each row */
#define VKD_QLINEAR_STATIC 2  /* x quantised by scale and zero point, or int8 by them */

VKD_PARAMS_STRUCT(qlinear_params)
{
    u32 m, n, k;
    u32 steps;       /* of 4 or 8 k */
    u32 group_steps; /* of a scale */
    u32 bias_at;     /* floats before the biases */
    f32 x_scale, x_inverse_scale, x_zero;
    f32 numbers[2 * EPILOGUE_STEPS];
    f32 eps; /* of a norm of x before it */
};

#endif
