/* What a test of the readers needs around each reading: a context that keeps its messages to
 * itself, and an arena. */
#ifndef VKD_TEST_SUPPORT_READING_H
#define VKD_TEST_SUPPORT_READING_H

#include "schema/container.h"
#include "schema/model.h"

typedef struct reading {
    vkd_context context; /* .error has the message of a failure */
    vkd_arena arena;
    size_t messages; /* how many were logged */
    vkd_container container;
    size_t model_count; /* of read_all: delegates that were read */
} reading;

/* allocator may be null. The struct must stay where it is until the end. */
void reading_begin(reading *r, const vkd_allocator *allocator);
void reading_end(reading *r);

/* A whole program: the container, then the model of every delegate with the container's named data,
 * and of every method. */
vkd_status reading_all(reading *r, const void *file, size_t size);

/* Calls visit for every sample model with its folder under VKD_MODELS ("tiny/linear_1x20o7"), in
 * order. Returns their number.
 */
size_t reading_each_sample(void (*visit)(const char *folder, void *user), void *user);
/* The bytes of a sample's file ("model.pte") from malloc, zero-terminated; the test fails when it
 * cannot be read. */
uint8_t *reading_sample_file(const char *folder, const char *name, size_t *out_size);

#endif
