/* Class names, and the most likely classes of an output. */
#ifndef VKD_RUNNER_CLASSIFY_H
#define VKD_RUNNER_CLASSIFY_H

#include "runner/message.h"

typedef struct run_labels {
    char *text; /* the file, its lines zero-terminated */
    const char **names;
    size_t count;
} run_labels;

/* One name a line; empty lines at the end do not count. */
run_exit run_labels_read(const char *path, run_labels *out);
void run_labels_release(run_labels *labels);

typedef struct run_class {
    size_t index;
    const char *label; /* null without labels */
    double value;      /* the output itself */
    double probability;
} run_class;

/* Sorts the `count` values of an output, most likely first, with softmax as probability. Allocates
 * *out; free it. */
run_exit run_classify(vkd_dtype dtype, const void *data, size_t count, const run_labels *labels,
                      run_class **out);

#endif
