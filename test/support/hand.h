/* Models made by hand:
 *
 *     hand_model m = {0};
 *     uint32_t x = hand_input(&m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, 8, 5, 5});
 *     uint32_t y = hand_output(&m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, 8, 5, 5});
 *     HAND_OP(&m, "aten.clone.default", x, hand_null(&m), y);
 *     const vkd_model *model = hand_finish(&m);
 */
#ifndef VKD_TEST_SUPPORT_HAND_H
#define VKD_TEST_SUPPORT_HAND_H

#include "schema/model.h"

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
uint32_t hand_symfloat(hand_model *m, double value);
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

#endif
