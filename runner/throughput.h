/* Many requests, several in flight at a time, as a server would run them. */
#ifndef VKD_RUNNER_THROUGHPUT_H
#define VKD_RUNNER_THROUGHPUT_H

#include "runner/session.h"

typedef struct run_throughput {
    /* batch: the first dim of the first input, 1 for a scalar */
    size_t executions, in_flight, batch;
    /* executions; the clock runs from the first submit to the end of the last wait */
    double per_second;
} run_throughput;

/* Warms up, then runs so many requests, each of which copies the inputs and has outputs of its own.
 * All inputs must have been set. RUN_FAILED if the results of the last requests are not, bit for
 * bit, those of an execution by itself. */
run_exit run_throughput_measure(run_session *session, size_t executions, run_throughput *out);

#endif
