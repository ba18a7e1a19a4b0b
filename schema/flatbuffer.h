/* What the readers of delegate blobs and of programs share (C++, private to schema/): FlatBuffers'
 * own verifier with limits that keep the work linear in the file's size, and copies of vectors and
 * strings into the arena under one budget. No C++ runtime is needed: no exceptions, no allocation
 * but the arena's. */
#ifndef VKD_SCHEMA_FLATBUFFER_H
#define VKD_SCHEMA_FLATBUFFER_H

#include <string.h>

#include "flatbuffers/flatbuffers.h"

extern "C" {
#include "runtime/base/arena.h"
}

/* A flatbuffer may refer to the same vector from many places, so that a small file could ask for
 * any amount of memory: the structs made from one may take BUDGET_FACTOR bytes for each of its own.
 * The most that a file without sharing asks for is about 30 (a tensor's description for the four
 * bytes that name it). */
enum { VKD_FLATBUFFER_BUDGET_FACTOR = 64, VKD_FLATBUFFER_BUDGET_LEAST = 65536 };

struct vkd_flatbuffer {
    vkd_arena *arena;
    const char *name; /* "delegate blob": begins every message */
    uint8_t *base;    /* a copy of the bytes, aligned for every scalar */
    uint64_t budget;  /* bytes that may still be allocated */
};

/* Verifies size bytes as a Root with this identifier, and sets up *out to read them from out->base:
 * what was verified is what is read, whatever happens to the bytes meanwhile, which may be a
 * mapping of a file that somebody writes. To be closed in any case. */
template <typename Root>
vkd_status vkd_flatbuffer_open(vkd_arena *arena, const char *name, const uint8_t *bytes,
                               uint64_t size, const char *identifier, vkd_flatbuffer *out)
{
    vkd_context *context = arena->context;
    *out = {arena, name, nullptr,
            size * VKD_FLATBUFFER_BUDGET_FACTOR + VKD_FLATBUFFER_BUDGET_LEAST};
    if (size < 8 || size >= FLATBUFFERS_MAX_BUFFER_SIZE)
        return vkd_fail(
            context, VKD_INVALID_MODEL, "%s: a flatbuffer of %llu bytes, expected 8 to %llu", name,
            (unsigned long long)size, (unsigned long long)FLATBUFFERS_MAX_BUFFER_SIZE - 1);
    out->base = static_cast<uint8_t *>(vkd_alloc(context, (size_t)size, 1));
    if (!out->base)
        return vkd_fail_memory(context, "a copy of a flatbuffer");
    const uint8_t *base = static_cast<const uint8_t *>(memcpy(out->base, bytes, (size_t)size));
    if (memcmp(base + 4, identifier, 4) != 0)
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: flatbuffer identifier %02x %02x %02x %02x, expected \"%s\"", name,
                        base[4], base[5], base[6], base[7], identifier);
    flatbuffers::Verifier::Options limits;
    limits.max_depth = 16; /* both schemas need 7 */
    /* a table takes more than one byte, unless shared */
    limits.max_tables = static_cast<flatbuffers::uoffset_t>(size);
    flatbuffers::Verifier verifier(base, (size_t)size, limits);
    if (!verifier.VerifyBuffer<Root>(identifier))
        return vkd_fail(
            context, VKD_INVALID_MODEL,
            "%s: the flatbuffer of %llu bytes is damaged: an offset or a length points outside",
            name, (unsigned long long)size);
    return VKD_OK;
}

static inline void vkd_flatbuffer_close(vkd_flatbuffer *buffer)
{
    vkd_free(buffer->arena->context, buffer->base);
}

/* Room for count elements under the budget. Never null on success. */
template <typename T>
vkd_status vkd_flatbuffer_alloc(vkd_flatbuffer *buffer, size_t count, const char *what, T **out)
{
    if (count > buffer->budget / sizeof(T))
        return vkd_fail(buffer->arena->context, VKD_INVALID_MODEL,
                        "%s: %s need more memory than the file can account for: the same data is "
                        "referred to again and again",
                        buffer->name, what);
    buffer->budget -= count * sizeof(T);
    *out = static_cast<T *>(vkd_arena_alloc(buffer->arena, count, sizeof(T)));
    return *out ? VKD_OK : vkd_fail_memory(buffer->arena->context, what);
}

/* The elements of a vector, converted. An absent vector is an empty one. */
template <typename In, typename Out>
vkd_status vkd_flatbuffer_list(vkd_flatbuffer *buffer, const flatbuffers::Vector<In> *list,
                               const char *what, const Out **out, size_t *out_count)
{
    size_t count = list ? list->size() : 0;
    Out *elements;
    VKD_TRY(vkd_flatbuffer_alloc(buffer, count, what, &elements));
    for (size_t i = 0; i < count; i++) {
        In element; /* the verifier does not look at the alignment of a vector's elements */
        memcpy(&element, list->Data() + i * sizeof element, sizeof element);
        elements[i] = static_cast<Out>(flatbuffers::EndianScalar(element));
    }
    *out = elements;
    *out_count = count;
    return VKD_OK;
}

/* An absent string is an empty one. */
static inline vkd_status vkd_flatbuffer_string(vkd_flatbuffer *buffer,
                                               const flatbuffers::String *text, const char **out)
{
    char *copy;
    size_t size = text ? text->size() : 0;
    VKD_TRY(vkd_flatbuffer_alloc(buffer, size + 1, "strings", &copy));
    if (size)
        memcpy(copy, text->c_str(), size);
    *out = copy;
    return VKD_OK;
}

/* Whether every element is an index below limit; if not, *out_at is the first that is none. */
template <typename In>
bool vkd_flatbuffer_in_range(const flatbuffers::Vector<In> *list, size_t limit, size_t *out_at)
{
    size_t count = list ? list->size() : 0;
    for (size_t i = 0; i < count; i++) {
        long long id = list->Get(static_cast<flatbuffers::uoffset_t>(i));
        if (id < 0 || (unsigned long long)id >= limit) {
            *out_at = i;
            return false;
        }
    }
    return true;
}

template <typename T> size_t vkd_flatbuffer_count(const flatbuffers::Vector<T> *list)
{
    return list ? list->size() : 0;
}

/* Little-endian integers at any address. */
static inline uint64_t vkd_load(const uint8_t *bytes, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

#endif
