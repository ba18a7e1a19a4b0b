/* Repeated executions: times of the whole and of every dispatch. */
#ifndef VKD_RUNNER_BENCH_H
#define VKD_RUNNER_BENCH_H

#include "runner/session.h"

typedef struct run_times {
    double median, p90, min; /* milliseconds; NAN where the device has no time stamps */
} run_times;

typedef struct run_bench {
    size_t warmup, runs;
    run_times wall; /* of vkd_method_execute: copy in, submit, wait, copy out */
    run_times gpu;
    size_t submissions; /* of the last execution */
} run_bench;

/* Sorts values. count must not be 0. */
run_times run_times_of(double *values, size_t count);

/* Warms up, then times `runs` executions. All inputs must have been set. */
run_exit run_bench_measure(run_session *session, size_t runs, run_bench *out);

typedef struct run_profile_row {
    vkd_node_info node; /* its texts belong to the delegate */
    double us;          /* median of the executions */
    const char *check;  /* vkd_node_check */
} run_profile_row;

typedef struct run_profile {
    run_profile_row *rows; /* in execution order */
    size_t count, runs;
    double nodes_us; /* sum of the rows */
    /* median GPU time of the whole execution, gaps between dispatches included; 0 if unknown */
    double total_us;
    uint64_t macs;
} run_profile;

/* The session must have been loaded with vkd_options.profile. */
run_exit run_profile_measure(run_session *session, size_t runs, run_profile *out);
void run_profile_release(run_profile *profile);

#endif
