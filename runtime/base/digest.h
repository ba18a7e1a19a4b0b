/* Digests by which equal bytes are known. They depend on a secret key, so that whoever makes files
 * cannot make different bytes with the same digest; they are good for one process only. */
#ifndef VKD_RUNTIME_BASE_DIGEST_H
#define VKD_RUNTIME_BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { VKD_DIGEST_BLOCK = 128 };

typedef struct vkd_digest {
    uint64_t words[2];
} vkd_digest;

typedef struct vkd_digest_key {
    uint64_t block[VKD_DIGEST_BLOCK], places[2];
} vkd_digest_key;

void vkd_digest_key_make(vkd_digest_key *out);

/* Takes a piece in; an empty digest is all zero. Where pieces end counts: "a", "b" is not "ab". */
void vkd_digest_add(vkd_digest *digest, const vkd_digest_key *key, const void *bytes, size_t size);

#endif
