/* Runs cases in a process of its own, so that a driver that ends it, or hangs, costs one case. */
#ifndef VKD_SELFTEST_WORKER_H
#define VKD_SELFTEST_WORKER_H

#include "selftest/cases.h"

typedef struct selftest_plan {
    const selftest_case *cases;
    size_t count;
    int draws; /* of each case */
    uint64_t seed;
    const char *device; /* as vkd_options.device */
    bool validate;
} selftest_plan;

/* What a worker says, in order. */
typedef enum selftest_kind {
    SELFTEST_DEVICE,  /* caps: it was opened */
    SELFTEST_BEGIN,   /* index: a draw of this case begins */
    SELFTEST_DRAWN,   /* outcome */
    SELFTEST_SKIPPED, /* why: the device cannot do the case */
    SELFTEST_ENDED,   /* why: there is no device, or none any more */
    SELFTEST_CRASHED, /* why: by the parent, in the place of an outcome */
} selftest_kind;

typedef struct selftest_message {
    selftest_kind kind;
    size_t index, draw;
    union {
        vkd_caps caps;
        table_outcome outcome;
        char why[1024];
    };
} selftest_message;

/* Runs all cases and says what becomes of each. False if no process can be started. */
bool selftest_run(const selftest_plan *plan, void (*take)(void *user, const selftest_message *m),
                  void *user);

#endif
