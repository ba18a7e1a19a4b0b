/* Linear layers whose weights are integers with scales, as problems of the conv factory: a row of x
 * is a pixel, in VKD_ROWS. The choice is for the rows that there are, also where shapes can change:
 * one row wants another kernel than many, and which one is right is a matter of constants alone. */
#ifndef VKD_OPS_GEMM_LOW_BIT_H
#define VKD_OPS_GEMM_LOW_BIT_H

#include "ops/conv/conv.h"

typedef enum low_bit_form {
    LOW_BIT_BYTES, /* int8 [n][k] */
    LOW_BIT_HIGH,  /* [n][k / 2], even k in the high half */
    LOW_BIT_LOW    /* even k in the low half */
} low_bit_form;

/* Of a layer, or of two that are computed together: the second one's bytes may be null. It is
 * compared byte by byte: without padding. */
typedef struct low_bit_weights {
    vkd_content bytes[2];
    uint32_t form, n, k, row, steps; /* row: bytes of one n in the file */
    uint32_t bits; /* as which they are packed: 8 of BYTES, at least 4 of others */
} low_bit_weights;

typedef struct low_bit_channels {
    /* scales [groups][row] or [row]; of a second layer, of biases and of a norm: null for none */
    vkd_content scales[2], bias[2], norm;
    uint32_t scale_type[2], bias_type[2], row[2], norm_type, groups, n, k;
} low_bit_channels;

/* What conv2d has of such a layer. Of a second one, which makes the residual of the first, and a
 * norm of x are the bytes there while the kernel that is chosen computes them, too. */
struct conv2d_low {
    low_bit_weights weights;
    low_bit_channels channels;
    uint32_t mode, group; /* VKD_QLINEAR_*; k that share a scale */
    float x_scale;        /* VKD_QLINEAR_STATIC; or x is int8 by them */
    int32_t x_zero;
    vkd_tensor_id pairs; /* VKD_QLINEAR_DYNAMIC: of each row, else VKD_NO_TENSOR */
    vkd_dtype y_type;
    vkd_epilogue epilogue; /* its residual is VKD_ROWS, as y */
    float eps;             /* of the norm */
};

/* Whether a variant computes the norm of x, and a second layer, by itself: where it has one tile of
 * rows. On a CPU each invocation would do so for itself. */
bool vkd_low_bit_takes(const conv2d_variant *variant, const conv2d_problem *problem,
                       const vkd_caps *caps);
/* Whether there is one that does. */
bool vkd_low_bit_may_take(const conv2d_problem *problem, const vkd_caps *caps);
/* Leaves the second layer and the norm to other dispatches. */
void vkd_low_bit_drop(conv2d_low *low);

/* A weight and a scale as the file has them. */
int32_t vkd_low_bit_weight(const low_bit_weights *weights, int layer, uint32_t n, uint32_t k);
double vkd_low_bit_scale(const low_bit_channels *channels, int layer, uint32_t n, uint32_t group);
double vkd_low_bit_bias(const low_bit_channels *channels, int layer, uint32_t n);

#endif
