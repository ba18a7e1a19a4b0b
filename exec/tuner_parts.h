/* What a tuner is made of, for the parts of its implementation: tuner.c measures and checks
 * variants, self_check.c all other kernels. */
#ifndef VKD_EXEC_TUNER_PARTS_H
#define VKD_EXEC_TUNER_PARTS_H

#include "exec/measure.h"
#include "exec/tuner.h"
#include "runtime/base/tuning_file.h"

#include <pthread.h>

struct vkd_facts {
    vkd_context *context;
    vkd_options options; /* where the files are */
    uint64_t code;
    vkd_arena arena;
    pthread_mutex_t mutex;                     /* around the arena and the files */
    vkd_tuning_file *files[VKD_DOT_MIXED + 1]; /* by flavour; opened by the first that wants it */
};

/* Time for measuring; for getting ready to: operands, memory, compiling. */
typedef struct span {
    double measuring_us, preparing_us;
} span;

struct vkd_tuner {
    vkd_device *device;
    vkd_context *context;
    vkd_facts *facts;
    vkd_tuning_file *file; /* one of theirs */
    bool measures;
    vkd_self_check checks;
    double start_us;
    span limit, spent;
    uint32_t measured, checked; /* problems that were timed, candidates that were checked */
    double check_us;            /* what that took */
    uint32_t kernels;           /* that were checked beside */
    double kernels_us;
    uint32_t kernels_left;
};

/* What the facts know of a subject and a variant, and what it is to know. */
bool vkd_tuner_find_fact(const vkd_tuner *tuner, const char *subject, const char *variant,
                         uint64_t *out);
VKD_MUST_USE vkd_status vkd_tuner_set_fact(const vkd_tuner *tuner, const char *subject,
                                           const char *variant, uint64_t value);

/* Around what may fail as a matter of course: its messages are for debugging. */
void vkd_tuner_mute(vkd_context *context, vkd_context *before);
VKD_MUST_USE vkd_status vkd_tuner_unmute(vkd_context *context, const vkd_context *before,
                                         vkd_status status);

#endif
