/* The arguments of the operators that rewrite rules look into: the structs that their rows (ops/)
 * decode into. */
#ifndef VKD_GRAPH_OPERATORS_H
#define VKD_GRAPH_OPERATORS_H

#include "graph/op.h"
#include "shaders/chain_params.h"
#include "shaders/float_epilogue_params.h"

/* VKD_OP_QUANTIZE and VKD_OP_DEQUANTIZE: x, scale, zero point and range of the whole tensor. */
typedef struct quantize_args {
    uint32_t x;
    float scale;
    int32_t zero, low, high;
    uint32_t y;
} quantize_args;

/* VKD_OP_PIXELS: (byte / 255 - mean) / std of each channel, as y's dtype; int8 with a scale and a
 * zero point. */
typedef struct pixels_args {
    uint32_t x, y;
    bool channels_last; /* x is N, H, W, C; else N, C, H, W, as y is */
    double mean[VKD_PIXEL_CHANNELS], std[VKD_PIXEL_CHANNELS];
    float scale;
    int32_t zero;
} pixels_args;

/* VKD_OP_VIEW, VKD_OP_CLONE, VKD_OP_PREPACK and VKD_OP_CAST: these two are first in the structs of
 * all of them. */
typedef struct view_args {
    uint32_t x, y;
} view_args;

/* VKD_OP_NOT has no more than these two either. VKD_OP_CLAMP: */
typedef struct clamp_args {
    uint32_t x;
    vkd_number low, high; /* null: no bound */
    uint32_t y;
} clamp_args;

/* VKD_OP_MAX_POOL, VKD_OP_AVERAGE_POOL */
typedef struct pool_args {
    uint32_t x;
    int32_t kernel[2], stride[2], padding[2], dilation[2]; /* h, w */
    bool ceil_mode;
    bool count_padding; /* averages */
    float divisor;      /* averages; NAN: what the window covers */
    float x_scale;      /* averages; not 0: x is int8, which rules set */
    int32_t x_zero;
    bool adaptive; /* windows part the image evenly; kernel: the most of one */
    uint32_t y[2]; /* the second: indices */
} pool_args;

/* VKD_OP_UPSAMPLE_NEAREST */
typedef struct upsample_args {
    uint32_t x;
    vkd_sym_list size; /* h, w; empty: by the factors */
    double factors[2]; /* h, w; 0: by the size */
    bool align_corners;
    uint32_t y;
} upsample_args;

/* VKD_OP_MEAN, VKD_OP_ANY */
typedef struct reduce_args {
    uint32_t x;
    vkd_int_list dims; /* empty: all */
    bool keepdim;
    uint32_t y;
} reduce_args;

/* --------------------------------------------------------------------------------------- chains */

/* A function of one operand or two: an input, CHAIN_INPUTS + the index of an earlier step, or
 * CHAIN_NUMBER. */
typedef struct chain_step {
    uint32_t function; /* see shaders/chain_params.h, the numbers too */
    uint32_t a, b;
    float numbers[3];
} chain_step;

/* Of int8 tensors: real = (stored - zero) * scale. */
typedef struct chain_scale {
    float scale;
    int32_t zero;
} chain_scale;

/* VKD_OP_CHAIN, made by rules: y is, element by element, what the last step computes of tensors
 * that broadcast, or the first of them where there are no steps. Inputs that are not there, behind
 * the others, are VKD_NO_VALUE. */
typedef struct chain_args {
    uint32_t x[CHAIN_INPUTS], y;
    chain_scale x_scales[CHAIN_INPUTS], y_scale;
    uint32_t step_count;
    chain_step steps[CHAIN_STEPS];
} chain_args;

/* VKD_OP_CAT. Rules set what is behind y. */
typedef struct cat_args {
    vkd_tensor_list parts;
    int32_t dim;
    uint32_t y;
    /* null, or for each part the function of an int8 tensor that it is; null: the part itself */
    const chain_args **tables;
    /* y is the beginning of this longer concatenation, in whose memory earlier ones, `before` last,
     * have put the first `shared` parts; VKD_NO_VALUE: it has its own */
    uint32_t whole, before;
    size_t shared;
} cat_args;

/* What a rule puts behind a product of floats: steps on its result, EPILOGUE_SUM, and on a tensor
 * of the same dims and dtype, EPILOGUE_RESIDUAL. Of the steps' numbers the first two count. */
typedef struct epilogue_args {
    uint32_t residual; /* value id; VKD_NO_VALUE for none */
    uint32_t step_count;
    chain_step steps[EPILOGUE_STEPS];
} epilogue_args;

/* VKD_OP_PRODUCT, VKD_OP_CONV, VKD_OP_BMM: first in the structs of all of them. */
typedef struct product_args {
    uint32_t y;
    epilogue_args epilogue;
} product_args;
#define VKD_NO_EPILOGUE                                                                            \
    {                                                                                              \
        .epilogue = {.residual = VKD_NO_VALUE }                                                    \
    }

/* VKD_OP_BATCH_NORM, VKD_OP_RMS_NORM, and other normalisations */
typedef struct norm_args {
    uint32_t x, weight, bias, mean, variance;
    vkd_sym_list shape; /* of what is normalised together: the last dims */
    int32_t groups;
    float eps;
    uint32_t y[3]; /* y, mean, 1 / deviation */
} norm_args;

/* ------------------------------------------------------------------------------------ attention */

/* VKD_OP_BMM, without c; and other products */
typedef struct matmul_args {
    product_args product;
    uint32_t c, a, b;
    float beta, alpha;
} matmul_args;

/* VKD_OP_ROTARY. Where a rule sets a weight, what is turned is the root mean square norm of x over
 * its last dim with it. */
typedef struct rotary_args {
    uint32_t x[2], cosine, sine, y[2];
    vkd_sym start;
    uint32_t weight[2];
    float eps[2];
} rotary_args;

/* VKD_OP_SOFTMAX */
typedef struct softmax_args {
    uint32_t x, y;
    int32_t dim;
} softmax_args;

/* VKD_OP_WHERE: y = condition ? a : b */
typedef struct where_args {
    uint32_t condition, a, b, y;
    vkd_number number; /* of other rows: in place of a */
} where_args;

/* VKD_OP_EQUAL: a with the number; and other comparisons */
typedef struct compare_args {
    uint32_t a, b, y;
    vkd_number number;
} compare_args;

/* VKD_OP_INDEX_SELECT has its index along dim. VKD_OP_INDEX: x[indices[0], ..], where those that
 * are VKD_NO_VALUE stand for whole dims */
typedef struct gather_args {
    uint32_t x, index, y;
    int32_t dim;
} gather_args;
typedef struct index_args {
    gather_args gather; /* index and dim are of no meaning */
    vkd_tensor_list indices;
} index_args;

/* VKD_OP_PERMUTE */
typedef struct permute_args {
    uint32_t x, y;
    vkd_int_list dims;
} permute_args;

/* VKD_OP_SLICE */
typedef struct slice_args {
    uint32_t x, y;
    int32_t dim;
    vkd_sym start, end; /* select: start is the index */
    vkd_sym step;
} slice_args;

/* VKD_OP_PAD, by a value; and others */
typedef struct pad_args {
    uint32_t x, y;
    vkd_size_list pads; /* of the last dim before and behind, then of the one before it, ... */
    vkd_number value;
} pad_args;

/* VKD_OP_ROWS, made by rules: row i of y, of `width` elements, is row index[i] of x, both in
 * row-major order whatever their dims are. */
typedef struct rows_args {
    uint32_t x, index, y;
    int32_t width;
} rows_args;

/* VKD_OP_FULL: start as x; and others */
typedef struct creation_args {
    uint32_t x, y;               /* x: y is as it is; VKD_NO_VALUE: y is of `size` */
    vkd_sym_list size;           /* none: a scalar */
    vkd_number start, end, step; /* start: the value of all elements, where there is no range */
} creation_args;

/* VKD_OP_CONV */
typedef struct conv_float_args {
    product_args product;
    uint32_t x, weight, bias;
    /* of a rule: floats, which weights of each output channel are multiplied by; VKD_NO_VALUE */
    uint32_t factors;
    vkd_int_list stride, padding, dilation, output_padding; /* a dimension each, or one for all */
    bool transposed;
    int32_t groups;
    vkd_number low, high;
} conv_float_args;

/* VKD_OP_EXCITE, made by rules: two convolutions of one pixel by constants, without residuals, the
 * second of what the first makes. */
typedef struct excite_float_args {
    conv_float_args first, second;
} excite_float_args;

/* VKD_OP_ATTENTION, made by rules: y [b, s, d] = softmax(scale * q [b, s, d] k [b, d, l] + mask) v
 * [b, l, d], or any of them with [b / heads, heads] in place of b. The mask, VKD_NO_VALUE for none,
 * broadcasts to [b / heads, heads, s, l], or with a dim more to images of windows. safe: a query
 * that sees no key gets zeros. */
typedef struct fused_attention_args {
    uint32_t q, k, v, mask;
    int32_t heads;
    float scale;
    bool safe;
    uint32_t y;
} fused_attention_args;

/* ----------------------------------------------------------------------------------------- int8 */

/* What int8 convolutions and linear layers share. */
typedef struct requantize_args {
    uint32_t weight_sums, weight_scales, bias; /* value ids; bias may be VKD_NO_VALUE */
    float x_scale, y_scale;
    int32_t x_zero, y_zero;
    const char *activation;
} requantize_args;

/* What rules fuse behind an int8 convolution: a clamp of the quantised result to [low, high], and
 * an addition of another tensor (value id, VKD_NO_VALUE for none) with q8ta_add's parameters; or a
 * chain of the result alone (null for none). */
typedef struct fused_args {
    int32_t low, high;
    const chain_args *chain;
    uint32_t residual;
    float r_scale, sum_scale;
    int32_t r_zero, sum_zero;
} fused_args;

/* VKD_OP_Q8_CONV: pairs are h, w */
typedef struct conv_args {
    uint32_t x, weight, y;
    requantize_args requantize;
    fused_args fused;
    int32_t kernel[2], stride[2], padding[2], output_padding[2], dilation[2], groups;
    bool taps_first; /* of the row: the weights' order is [kernel_h][kernel_w][channel] */
} conv_args;

/* VKD_OP_Q8_EXCITE, made by rules: two convolutions of one pixel, the second of what the first
 * makes. The second's chain may make floats. */
typedef struct excite_args {
    conv_args first, second;
} excite_args;

/* VKD_OP_Q8_LINEAR */
typedef struct linear_args {
    uint32_t x, weight, y;
    requantize_args requantize;
    bool real; /* y is float: dequantized with */
    float real_scale;
    int32_t real_zero;
} linear_args;

/* VKD_OP_Q8_ADD */
typedef struct add_args {
    uint32_t a, b;
    float a_scale;
    int32_t a_zero;
    float b_scale;
    int32_t b_zero;
    float y_scale;
    int32_t y_zero;
    float alpha;
    uint32_t y;
} add_args;

/* VKD_OP_Q8_CLAMP, made by rules: bounds of the int8 values */
typedef struct q8_clamp_args {
    uint32_t x;
    int32_t low, high;
    uint32_t y;
} q8_clamp_args;

/* VKD_OP_Q8_MEAN, made by rules: over h and w, of values clamped to low..high (NAN: no bound), or
 * of what a chain makes of them (null: none) */
typedef struct q8_mean_args {
    uint32_t x;
    const chain_args *chain;
    float x_scale;
    int32_t x_zero;
    float low, high;
    float y_scale;
    int32_t y_zero;
    uint32_t y;
} q8_mean_args;

#endif
