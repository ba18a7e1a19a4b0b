/* A small delegate with a bit of everything, right or with a flaw: quantize, a 1x1 convolution with
 * constants, dequantize. */
#ifndef VKD_TEST_SUPPORT_SMALL_MODEL_H
#define VKD_TEST_SUPPORT_SMALL_MODEL_H

#include "include/vkdelegate.h"

enum { SMALL_H = 5, SMALL_W = 7, SMALL_IN = 3, SMALL_OUT = 6, SMALL_ROW = 4, SMALL_PADDED = 8 };
enum { SMALL_X = SMALL_IN * SMALL_H * SMALL_W, SMALL_Y = SMALL_OUT * SMALL_H * SMALL_W };

/* How a blob differs from the right one; zero: not at all. */
typedef struct small_flaw {
    const char *conv_name, *activation;
    int64_t kernel, stride, padding, groups, zero;
    double scale;                /* of the input's quantisation */
    float last_scale, last_bias; /* of the convolution's last channel */
    uint32_t weight_rows, weight_row, sums, scales, bias, out_channels;
    bool missing_argument, extra_argument, string_for_scale, float_weights, variable_weight,
        unproduced_output;
} small_flaw;

typedef struct small_model {
    void *blob;
    size_t size;
    bool named; /* the constants are named data, not inline: "weight", "sums", "scales", "bias" */
    int8_t weight[SMALL_OUT * SMALL_ROW];
    int32_t sums[SMALL_PADDED];
    float scales[SMALL_PADDED], bias[SMALL_PADDED];
    float x[SMALL_X], y[SMALL_Y];        /* an input, and what comes out */
    const char *missing_key, *short_key; /* named data that is not there, or a byte short */
    vkd_status missing_status;           /* what is said of the first */
    int held;                            /* named data that was found and is not released */
    bool dynamic;                        /* inputs may be smaller */
} small_model;

/* flaw may be null. */
void small_begin(small_model *m, bool named, const small_flaw *flaw);
void small_end(small_model *m);

vkd_status small_init(small_model *m, const vkd_options *options, vkd_delegate **out);
/* What runs the delegate on x into y: for vkd_execute and vkd_submit. */
typedef struct small_args {
    vkd_tensor_arg args[2];
} small_args;
void small_args_set(small_args *a, float x[SMALL_X], float y[SMALL_Y]);
/* Runs the delegate on m->x into y. */
vkd_status small_execute(small_model *m, vkd_delegate *delegate, float y[SMALL_Y]);
/* Fails the test unless the delegate runs and gives m->y, bit for bit. */
void small_check(small_model *m, vkd_delegate *delegate);

#endif
