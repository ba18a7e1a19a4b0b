#include "support/random.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

vkd_random random_begin(const char *what)
{
    const char *text = getenv("VKD_TEST_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t seed =
        text ? strtoull(text, NULL, 0)
             : ((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) & 0xffffffffu;
    printf("%s: VKD_TEST_SEED=%llu\n", what, (unsigned long long)seed);
    fflush(stdout);
    return (vkd_random){seed};
}

/* splitmix64 */
uint32_t random_bits(vkd_random *random)
{
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

int32_t random_range(vkd_random *random, int32_t low, int32_t high)
{
    uint64_t span = (uint64_t)((int64_t)high - low) + 1;
    return (int32_t)(low + (int64_t)(random_bits(random) * span >> 32));
}

float random_float(vkd_random *random, float low, float high)
{
    return low + (high - low) * ((float)(random_bits(random) >> 8) / 16777216.0f);
}

void random_int8(vkd_random *random, int8_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (int8_t)(random_bits(random) >> 24);
}

void random_floats(vkd_random *random, float low, float high, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = random_float(random, low, high);
}

oracle_q random_q(vkd_random *random)
{
    return (oracle_q){random_float(random, 0.004f, 0.3f), random_range(random, -128, 127)};
}
