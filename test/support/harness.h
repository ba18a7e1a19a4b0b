/* Running models made by hand (hand.h) on a device:
 *
 *     status = harness_run(h, hand_finish(&m), NULL, (const void *[]){x_data}, (void *[]){y_data});
 */
#ifndef VKD_TEST_SUPPORT_HARNESS_H
#define VKD_TEST_SUPPORT_HARNESS_H

#include "support/gpu.h"
#include "support/hand.h"
#include "support/random.h"

/* -------------------------------------------------------------------------------------- running */

typedef struct harness {
    /* gpu.device is null when this machine has none; messages are in gpu.log and gpu.context.error
     */
    gpu gpu;
    vkd_caps caps; /* what models are lowered for: the device's own unless a test changes it */
    bool checks_kernels; /* by exec/kernel_check.h, before they run; one that is wrong is a failure
                          */
} harness;

/* cmocka group fixtures: the state is a harness on the device that the environment chooses, with
 * validation. The teardown fails when validation had complaints. */
int harness_setup(void **state);
int harness_teardown(void **state);

/* The state's harness; skips the test, and says so, when there is no device. */
harness *harness_get(void **state);

/* Runs a model and fails the test, naming what was run, where that fails. */
void harness_must_run(harness *h, hand_model *m, const void *const *inputs, void *const *outputs,
                      const char *what);

/* Zeros; at least one. Ends the test where there is no memory. */
void *checked_alloc(size_t count, size_t size);

/* A harness with a dot flavour of its own; false and no harness when the device cannot do it. */
bool harness_open(const vkd_options *options, harness *out);
void harness_close(harness *h);
/* Calls body with a harness of every int8 flavour that the device has; says which ones it has not.
 */
void harness_each_dot(void (*body)(harness *h, vkd_random *random), vkd_random *random);

/* Lowers, plans, runs once and reads the outputs. variant: forced, or null. */
VKD_MUST_USE vkd_status harness_run(harness *h, const vkd_model *model, const char *variant,
                                    const void *const *inputs, void *const *outputs);

/* The same behind the rewrites but those in skip; says how many dispatches there were. */
VKD_MUST_USE vkd_status harness_run_rewritten(harness *h, const vkd_model *model,
                                              const char *variant, uint32_t skip,
                                              const void *const *inputs, void *const *outputs,
                                              size_t *out_nodes);

/* Fails the test unless both are the same; says which byte differs first. */
void harness_assert_int8(const int8_t *got, const int8_t *expected, size_t count, const char *what);

#endif
