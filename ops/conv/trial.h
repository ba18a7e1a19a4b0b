/* A convolution alone in a graph, on made-up operands: what is timed and checked when variants are
 * compared on a device. */
#ifndef VKD_OPS_CONV_TRIAL_H
#define VKD_OPS_CONV_TRIAL_H

#include "ops/gemm/low_bit.h"

enum { CONV2D_TRIAL_VALUES = 3 };

/* A problem with operands, made once for all the variants that are tried on it. */
typedef struct conv2d_trial {
    conv2d_problem problem;
    bool residual;        /* with a fused addition */
    bool resizes;         /* by the kernels of a net whose shapes can change */
    vkd_weights weights;  /* as in conv2d */
    int8_t *made_weights; /* their bytes if they are made up, else null */
    int32_t *sums;        /* of the weights, a channel each */
    float *scales, *bias;
    requantize_args requantize; /* its value ids are of `values` */
    vkd_model_value values[CONV2D_TRIAL_VALUES];
    requantize_params params; /* after vkd_conv2d_trial_lower */
    conv2d_real real;         /* of floats, instead of all that is between */
    void *made_real;          /* its weights if they are made up, else null */
    conv2d_low low;           /* of integer weights with scales: the file's */
} conv2d_trial;

/* A trial of a convolution: of its problem, its weights (null for random ones), its x_zero, and
 * with a residual if it has one. Everything lies in the arena. The trial must not move afterwards,
 * and its numbers are those of vkd_conv2d_trial_fill, which must be called before a graph runs. */
VKD_MUST_USE vkd_status vkd_conv2d_trial_make(vkd_arena *arena, const conv2d *conv,
                                              conv2d_trial *out);

void vkd_conv2d_trial_fill(conv2d_trial *trial);

/* Lowers the trial by one variant into a graph that vkd_graph_init has prepared: random activations
 * are constants, the result is the scratch tensor *out_y. */
VKD_MUST_USE vkd_status vkd_conv2d_trial_lower(conv2d_trial *trial, const vkd_caps *caps,
                                               const conv2d_variant *variant, vkd_graph *graph,
                                               vkd_tensor_id *out_y);

/* Bytes of an activation as the device has it, 4C; which: 0 the input, 1 the residual. */
void vkd_conv2d_trial_bytes(uint32_t which, size_t first, size_t count, int8_t *out);

/* Compares a sample of the result, as the device has it, with the scalar oracle. */
bool vkd_conv2d_trial_check(const conv2d_trial *trial, const void *y);

/* ---------------------------------------------------------- for the parts of its implementation */

/* From -1 to 1 in steps that a half has, at any place of a stream. */
float vkd_conv2d_trial_number(uint32_t stream, uint64_t at);

/* Where a sample of a result is. */
typedef struct conv2d_place {
    uint32_t n, y, x, c;
} conv2d_place;

/* Of a sample that takes about a millisecond: how many places, and each of them. */
uint32_t vkd_conv2d_sample_count(const conv2d_problem *problem);
conv2d_place vkd_conv2d_sample(const conv2d_problem *problem, uint32_t index);

/* The same as above for convolutions of floats. */
VKD_MUST_USE vkd_status vkd_conv2d_float_trial_make(vkd_arena *arena, const conv2d *conv,
                                                    conv2d_trial *out);
void vkd_conv2d_float_trial_fill(conv2d_trial *trial);
VKD_MUST_USE vkd_status vkd_conv2d_float_trial_operands(const conv2d_trial *trial, vkd_graph *graph,
                                                        conv2d *out);
/* Emits what is tried: a norm and a second product that a variant does not make by itself have
 * dispatches of their own. */
VKD_MUST_USE vkd_status vkd_conv2d_float_trial_emit(vkd_lowering *lowering,
                                                    const conv2d_variant *variant,
                                                    const conv2d *conv);
bool vkd_conv2d_float_trial_check(const conv2d_trial *trial, const void *y);

/* And for layers of integer weights. */
VKD_MUST_USE vkd_status vkd_low_bit_trial_operands(conv2d_trial *trial, vkd_graph *graph,
                                                   conv2d *out);
VKD_MUST_USE vkd_status vkd_low_bit_trial_emit(vkd_lowering *lowering,
                                               const conv2d_variant *variant, const conv2d *conv);
bool vkd_low_bit_trial_check(const conv2d_trial *trial, const void *y);

/* A convolution that a tuner tries by some variants. Its operands are made when they are first
 * needed. */
typedef struct conv2d_trying {
    vkd_arena arena;
    const conv2d *conv;
    const vkd_caps *caps;
    const conv2d_variant *variants; /* candidate i is variant i */
    bool made, filled;
    conv2d_trial trial;
} conv2d_trying;

/* For the tuner, until vkd_conv2d_trying_end; the struct must not move. */
vkd_trial vkd_conv2d_trying_begin(conv2d_trying *trying, vkd_context *context, const conv2d *conv,
                                  const vkd_caps *caps, const conv2d_variant *variants);
void vkd_conv2d_trying_end(conv2d_trying *trying);

/* How fast the large tiles of a CPU device are for their estimates, into caps->large_tiles: what
 * the tuner knows or finds out by timing a small product with two tiles. Estimates that are not far
 * off stay as they are. Nothing to do on a GPU. */
VKD_MUST_USE vkd_status vkd_conv2d_probe(vkd_context *context, vkd_tuner *tuner, vkd_caps *caps);

/* The same from the candidates' estimates and times. */
float vkd_conv2d_probe_factor(const vkd_candidate_info *small, const vkd_candidate_info *large);

#endif
