/* Bytes of a stranger to a planned graph: what there is between a file and a device. */
#ifndef VKD_TEST_FUZZ_PLAN_H
#define VKD_TEST_FUZZ_PLAN_H

#include "graph/graph.h"
#include "runtime/base/caps.h"

typedef struct fuzz_plan {
    vkd_context context;
    vkd_arena arena;
    vkd_graph graph;
} fuzz_plan;

void fuzz_plan_begin(fuzz_plan *p);
void fuzz_plan_end(fuzz_plan *p);
/* A program's first method, else a delegate's blob. Any status will do, but a failure has a
 * message, else the process is ended. */
vkd_status fuzz_plan_make(fuzz_plan *p, const uint8_t *data, size_t size, const vkd_caps *caps);

void fuzz_be_quiet(void *user, vkd_log_level level, const char *message);

/* The entry that libFuzzer, or run.c, calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
