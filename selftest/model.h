/* A model's operators one by one: against the reference in plain C, or on two devices. */
#ifndef VKD_SELFTEST_MODEL_H
#define VKD_SELFTEST_MODEL_H

#include "include/vkdelegate.h"

#include <stdio.h>

typedef struct selftest_model {
    const char *model, *method; /* method null: "forward" */
    const char *device, *other; /* other: to compare with, in the place of the reference; or null */
    const char *const *inputs;  /* raw files; null: made up from the seed */
    size_t input_count;
    const char *const *data_files; /* .ptd */
    size_t data_file_count;
    uint64_t seed;
    FILE *text, *json; /* json: may be null */
} selftest_model;

/* VKD_OK when it could be checked; *out_wrong: operators whose results are off. Messages have gone
 * to stderr. */
vkd_status selftest_model_check(const selftest_model *what, size_t *out_wrong);

#endif
