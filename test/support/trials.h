/* Trials of convolutions' variants (ops/conv/trial.h) on a device. */
#ifndef VKD_TEST_SUPPORT_TRIALS_H
#define VKD_TEST_SUPPORT_TRIALS_H

#include "ops/conv/trial.h"
#include "support/harness.h"

/* Runs a trial by a variant; the result as the device has it, in the arena. dispatches: how many
 * it took; may be null. */
void *trial_run(harness *h, vkd_arena *arena, conv2d_trial *trial, const conv2d_variant *variant,
                size_t *dispatches);

/* Whether the result y, of this dtype, passes its check when its first element, which is a corner,
 * is off by so much. */
bool trial_passes_when_off(const conv2d_trial *trial, void *y, vkd_dtype dtype, double by);

#endif
