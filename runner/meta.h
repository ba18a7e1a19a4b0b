/* meta.json: what a folder with a program, its inputs and the results that it must have says of
 * them. models/README.md of such folders describes the files. */
#ifndef VKD_RUNNER_META_H
#define VKD_RUNNER_META_H

#include <cjson/cJSON.h>

#include "runner/message.h"

/* How close an output must come to what is expected. */
typedef struct run_tolerance {
    double relative;   /* L2 of the difference, by that of what is expected; 0: exact */
    double cosine;     /* not 0: instead, at least */
    bool one_step;     /* instead, no element by more than one step of the values that occur */
    bool off_by_one;   /* integers may be; else they are exact */
    bool same_largest; /* the largest element must be the same one */
} run_tolerance;

/* A file of one execution. */
typedef struct run_meta_tensor {
    const char *file; /* in the folder */
    uint32_t rank;
    int64_t dims[VKD_MAX_RANK];
} run_meta_tensor;

typedef struct run_meta {
    const char *folder; /* as given */
    cJSON *root;
    const char *name;
    size_t step_count, input_count, output_count; /* step_count: executions of one loaded method */
    run_meta_tensor *inputs, *outputs;            /* of an execution after the other */
    bool is_malformed; /* the exporter wrote a program that cannot keep its state: it may be
                          refused, and else only the first execution can come out */
    run_tolerance tolerance;
    const cJSON *data_files; /* an object whose names are .ptd files in the folder; or null */
} run_meta;

/* Reads folder/meta.json. Release it in any case. */
run_exit run_meta_read(const char *folder, run_meta *out);
void run_meta_release(run_meta *meta);

/* "folder/name"; free it. Null without memory. */
char *run_meta_path(const char *folder, const char *name);

#endif
