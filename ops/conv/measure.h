/* Measuring ahead: which convolutions of a model are to be timed, in which order, and timing them.
 */
#ifndef VKD_OPS_CONV_MEASURE_H
#define VKD_OPS_CONV_MEASURE_H

#include "ops/conv/conv.h"

/* A distinct problem of a model. */
typedef struct conv2d_wish {
    const char *key; /* in the tuning file */
    const conv2d *conv;
    size_t count;
    vkd_candidate_info *candidates;
    const char *family; /* of the variant that is chosen: whose kernels they share, mostly */
    double us;          /* estimated, of all its convolutions together */
    double family_us;   /* of all of the family */
} conv2d_wish;

/* The distinct problems of a model that was lowered without a tuner, those first whose measuring
 * promises most: the families by their time, so that a kernel is compiled once for all who share
 * it, and in a family the problems by theirs. In the arena. */
VKD_MUST_USE vkd_status vkd_conv2d_wishes(vkd_arena *arena, const vkd_lowered *lowered,
                                          conv2d_wish **out, size_t *out_count);

/* Measures them one after another, as far as the tuner's budget goes, and says in the log what is
 * left. */
VKD_MUST_USE vkd_status vkd_conv2d_measure(vkd_context *context, vkd_tuner *tuner,
                                           const vkd_caps *caps, conv2d_wish *wishes, size_t count);

#endif
