/* Random data for tests, from a seed that is printed so that a failure can be repeated:
 * VKD_TEST_SEED=... ./test-kernels */
#ifndef VKD_TEST_SUPPORT_RANDOM_H
#define VKD_TEST_SUPPORT_RANDOM_H

#include <stddef.h>
#include <stdint.h>

#include "support/oracle.h"

typedef struct vkd_random {
    uint64_t state;
} vkd_random;

/* Seeded by the environment variable VKD_TEST_SEED, else by the clock; prints the seed with `what`,
 * the test's name. */
vkd_random random_begin(const char *what);
uint32_t random_bits(vkd_random *random);
int32_t random_range(vkd_random *random, int32_t low, int32_t high); /* both included */
float random_float(vkd_random *random, float low, float high);
void random_int8(vkd_random *random, int8_t *out, size_t count);
void random_floats(vkd_random *random, float low, float high, float *out, size_t count);
oracle_q random_q(vkd_random *random); /* of ordinary activations */

#endif
