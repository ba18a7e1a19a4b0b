/* Blocks of 1 KiB are hashed to 128 bits by sums of products (NH, of UMAC and VMAC), and those,
 * with the sizes, are the coefficients of polynomials over the field of 2^61 - 1, whose values at
 * two random places are the digest. Two different inputs of 1 GiB have the same one with a
 * probability below 2^-63, whatever they are. */
#include "runtime/base/digest.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef unsigned __int128 wide;

static const uint64_t prime = (UINT64_C(1) << 61) - 1;

static uint64_t reduce(uint64_t a)
{
    a = (a & prime) + (a >> 61);
    return a >= prime ? a - prime : a;
}

/* One more coefficient, below 2^61. */
static void append(vkd_digest *digest, const vkd_digest_key *key, uint64_t coefficient)
{
    for (int i = 0; i < 2; i++) {
        const wide product = (wide)digest->words[i] * key->places[i];
        digest->words[i] =
            reduce(((uint64_t)product & prime) + (uint64_t)(product >> 61) + coefficient);
    }
}

/* An even number of words. */
static wide hash_block(const vkd_digest_key *key, const unsigned char *bytes, size_t words)
{
    wide sum = 0;
    for (size_t i = 0; i < words; i += 2) {
        uint64_t pair[2];
        memcpy(pair, bytes + 8 * i, sizeof pair);
        sum += (wide)(pair[0] + key->block[i]) * (pair[1] + key->block[i + 1]);
    }
    return sum;
}

static void append_block(vkd_digest *digest, const vkd_digest_key *key, wide hash)
{
    const uint64_t mask = (UINT64_C(1) << 43) - 1;
    for (int shift = 0; shift < 128; shift += 43)
        append(digest, key, (uint64_t)(hash >> shift) & mask);
}

void vkd_digest_add(vkd_digest *digest, const vkd_digest_key *key, const void *bytes, size_t size)
{
    enum { BYTES = 8 * VKD_DIGEST_BLOCK };
    const unsigned char *from = bytes;
    append(digest, key, size + 1); /* a first coefficient of 0 would not count */
    for (; size >= BYTES; from += BYTES, size -= BYTES)
        append_block(digest, key, hash_block(key, from, VKD_DIGEST_BLOCK));
    if (!size)
        return;
    unsigned char rest[BYTES] = {0};
    memcpy(rest, from, size);
    append_block(digest, key, hash_block(key, rest, (size + 15) / 16 * 2));
}

/* Where the system gives no random numbers, what an outsider can hardly guess. */
static uint64_t guess(uint64_t *state)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    *state += (uint64_t)now.tv_nsec + (uintptr_t)state + (uint64_t)getpid();
    *state ^= *state >> 30;
    *state *= UINT64_C(0xbf58476d1ce4e5b9);
    return *state ^ *state >> 27;
}

void vkd_digest_key_make(vkd_digest_key *out)
{
    const int file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    const bool drawn = file >= 0 && read(file, out, sizeof *out) == (ssize_t)sizeof *out;
    uint64_t state = 0;
    if (file >= 0)
        close(file);
    for (int i = 0; !drawn && i < VKD_DIGEST_BLOCK; i++)
        out->block[i] = guess(&state);
    for (int i = 0; i < 2; i++)
        out->places[i] = reduce(drawn ? out->places[i] : guess(&state));
}
