/* A convolution alone in a graph, on made-up operands: what is timed and checked when variants are compared on a device. */
#ifndef VKD_OPS_CONV_TRIAL_H
#define VKD_OPS_CONV_TRIAL_H

#include "ops/conv.h"

enum { CONV2D_TRIAL_VALUES = 3 };

/* A problem with operands, made once for all the variants that are tried on it. */
typedef struct conv2d_trial {
    conv2d_problem problem;
    bool residual;          /* with a fused addition */
    const int8_t *weights;  /* as in conv2d */
    const int32_t *sums;    /* of the weights, a channel each */
    const float *scales, *bias;
    requantize_args requantize; /* its value ids are of `values` */
    vkd_model_value values[CONV2D_TRIAL_VALUES];
    requantize_params params;   /* after conv2d_trial_lower */
} conv2d_trial;

/* weights: the model's, or null for random ones. Everything lies in the arena. The trial must not move afterwards. */
VKD_MUST_USE vkd_status conv2d_trial_make(vkd_arena *arena, const conv2d_problem *problem, const int8_t *weights, bool residual,
                                          conv2d_trial *out);

/* Lowers the trial by one variant into a graph that vkd_graph_init has prepared: random activations are constants, the result is the
 * scratch tensor *out_y. */
VKD_MUST_USE vkd_status conv2d_trial_lower(conv2d_trial *trial, const vkd_caps *caps, const conv2d_variant *variant, vkd_graph *graph,
                                           vkd_tensor_id *out_y);

/* The activation bytes as the device has them: 4C, `size` of them; which: 0 the input, 1 the residual. */
void conv2d_trial_bytes(uint32_t which, int8_t *out, size_t size);

#endif
