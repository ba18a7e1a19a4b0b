/* Models made by hand, and running them on a device:
 *
 *     hand_model m = {0};
 *     uint32_t x = hand_input(&m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, 8, 5, 5});
 *     uint32_t y = hand_output(&m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, 8, 5, 5});
 *     HAND_OP(&m, "aten.clone.default", x, hand_null(&m), y);
 *     status = harness_run(h, hand_finish(&m), NULL, (const void *[]){x_data}, (void *[]){y_data});
 */
#ifndef VKD_TEST_SUPPORT_HARNESS_H
#define VKD_TEST_SUPPORT_HARNESS_H

#include "schema/model.h"
#include "support/gpu.h"
#include "support/random.h"

/* --------------------------------------------------------------------------------------- models */

enum { HAND_VALUES = 256, HAND_OPS = 32, HAND_ARGS = 24, HAND_LISTS = 64, HAND_LIST = 16 };

/* Zero is an empty model. Must not move once it has been filled. Too many of anything ends the
 * process: this is for tests. */
typedef struct hand_model {
    vkd_model model;
    vkd_model_value values[HAND_VALUES];
    vkd_model_op ops[HAND_OPS];
    uint32_t args[HAND_OPS][HAND_ARGS];
    int64_t ints[HAND_LISTS][HAND_LIST];
    double doubles[HAND_LISTS][HAND_LIST];
    uint32_t ids[HAND_LISTS][HAND_LIST];
    size_t list_count;
    uint32_t inputs[HAND_LIST], outputs[HAND_LIST];
} hand_model;

/* Each adds a value and returns its id. */
uint32_t hand_tensor(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims);
uint32_t hand_input(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims);
uint32_t hand_output(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims);
uint32_t hand_constant(hand_model *m, vkd_dtype dtype, uint32_t rank, const uint32_t *dims,
                       const void *data); /* kept by pointer */
uint32_t hand_null(hand_model *m);
uint32_t hand_int(hand_model *m, int64_t value);
uint32_t hand_symint(hand_model *m, int64_t value);
uint32_t hand_double(hand_model *m, double value);
uint32_t hand_bool(hand_model *m, bool value);
uint32_t hand_string(hand_model *m, const char *value);
uint32_t hand_ints(hand_model *m, size_t count, const int64_t *items);
uint32_t hand_doubles(hand_model *m, size_t count, const double *items);
uint32_t hand_pair(hand_model *m, int64_t a, int64_t b); /* a list of two ints */
uint32_t hand_list(hand_model *m, size_t count, const uint32_t *ids);

/* its node_id is its index */
void hand_op(hand_model *m, const char *name, size_t count, const uint32_t *args);
#define HAND_OP(m, name, ...)                                                                      \
    hand_op(m, name, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t),                         \
            (const uint32_t[]){__VA_ARGS__})
/* makes an existing value an output of the graph */
void hand_mark_output(hand_model *m, uint32_t value);

const vkd_model *hand_finish(hand_model *m);

/* -------------------------------------------------------------------------------------- running */

typedef struct harness {
    /* gpu.device is null when this machine has none; messages are in gpu.log and gpu.context.error
     */
    gpu gpu;
    vkd_caps caps; /* what models are lowered for: the device's own unless a test changes it */
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
VKD_MUST_USE vkd_status harness_run_rewritten(harness *h, const vkd_model *model, uint32_t skip,
                                              const void *const *inputs, void *const *outputs,
                                              size_t *out_nodes);

/* Fails the test unless both are the same; says which byte differs first. */
void harness_assert_int8(const int8_t *got, const int8_t *expected, size_t count, const char *what);

#endif
