/* Bytes of a file that is being built (C++, for the builders). */
#ifndef VKD_TEST_SUPPORT_BYTES_H
#define VKD_TEST_SUPPORT_BYTES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

typedef std::vector<uint8_t> bytes;

static inline void align(bytes *out, size_t alignment)
{
    out->resize((out->size() + alignment - 1) / alignment * alignment);
}

static inline void append(bytes *out, const void *data, size_t size)
{
    const uint8_t *first = static_cast<const uint8_t *>(data);
    out->insert(out->end(), first, first + size);
}

static inline void store(bytes *out, size_t at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        (*out)[at + i] = static_cast<uint8_t>(value >> 8 * i);
}

/* The bytes, from malloc. */
static inline void *hand_over(const bytes &source, size_t *out_size)
{
    void *memory = malloc(source.size() + 1);
    if (!memory)
        abort();
    memcpy(memory, source.data(), source.size());
    *out_size = source.size();
    return memory;
}

#endif
