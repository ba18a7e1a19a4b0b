/* What the readers of programs and of data files share (C++, private to schema/): segments behind a
 * flatbuffer, the named data in them, and scalar types. Messages begin with the flatbuffer's name.
 */
#ifndef VKD_SCHEMA_SEGMENTS_H
#define VKD_SCHEMA_SEGMENTS_H

#include "schema/flatbuffer.h"
#include "schema/program_generated.h"

extern "C" {
#include "schema/container.h"
}

template <typename Segment> struct vkd_segments {
    const flatbuffers::Vector<flatbuffers::Offset<Segment>> *list;
    const uint8_t *base; /* null: the file has no room for any */
    uint64_t room;       /* bytes from there on */
};

template <typename Segment>
vkd_status vkd_segments_check(vkd_flatbuffer *buffer, const vkd_segments<Segment> *segments)
{
    size_t count = segments->base ? vkd_flatbuffer_count(segments->list) : 0;
    for (size_t i = 0; i < count; i++) {
        const Segment *segment = segments->list->Get(static_cast<flatbuffers::uoffset_t>(i));
        if (segment->offset() > segments->room ||
            segment->size() > segments->room - segment->offset())
            return vkd_fail(buffer->arena->context, VKD_INVALID_MODEL,
                            "%s: segments[%zu]: %llu bytes at %llu, expected them inside the %llu "
                            "bytes that follow the segment base",
                            buffer->name, i, (unsigned long long)segment->size(),
                            (unsigned long long)segment->offset(),
                            (unsigned long long)segments->room);
    }
    return VKD_OK;
}

/* user: what refers to the segment, for the message. */
template <typename Segment>
vkd_status vkd_segments_find(vkd_flatbuffer *buffer, const vkd_segments<Segment> *segments,
                             const char *user, size_t user_index, uint64_t index, vkd_bytes *out)
{
    vkd_context *context = buffer->arena->context;
    size_t count = vkd_flatbuffer_count(segments->list);
    if (index >= count)
        return vkd_fail(context, VKD_INVALID_MODEL, "%s: %s[%zu] refers to segment %llu of %zu",
                        buffer->name, user, user_index, (unsigned long long)index, count);
    if (!segments->base)
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: %s[%zu] refers to segment %llu, but the file has no segment base",
                        buffer->name, user, user_index, (unsigned long long)index);
    const Segment *segment = segments->list->Get(static_cast<flatbuffers::uoffset_t>(index));
    out->data = segments->base + segment->offset();
    out->size = static_cast<size_t>(segment->size());
    return VKD_OK;
}

/* Keys and data, in the file's order; room for the list is the caller's. */
template <typename Named, typename Segment>
vkd_status vkd_segments_read_named(vkd_flatbuffer *buffer, const vkd_segments<Segment> *segments,
                                   const flatbuffers::Vector<flatbuffers::Offset<Named>> *list,
                                   vkd_container_named *out)
{
    for (size_t i = 0; i < vkd_flatbuffer_count(list); i++) {
        const Named *entry = list->Get(static_cast<flatbuffers::uoffset_t>(i));
        if (!entry->key())
            return vkd_fail(buffer->arena->context, VKD_INVALID_MODEL,
                            "%s: named_data[%zu] has no key", buffer->name, i);
        VKD_TRY(vkd_flatbuffer_string(buffer, entry->key(), &out[i].key));
        VKD_TRY(vkd_segments_find(buffer, segments, "named_data", i, entry->segment_index(),
                                  &out[i].data));
    }
    return VKD_OK;
}

static inline bool vkd_scalar_dtype(program::ScalarType type, vkd_dtype *out)
{
    switch (type) {
    case program::ScalarType::BYTE:
        *out = VKD_DTYPE_UINT8;
        return true;
    case program::ScalarType::CHAR:
        *out = VKD_DTYPE_INT8;
        return true;
    case program::ScalarType::INT:
        *out = VKD_DTYPE_INT32;
        return true;
    case program::ScalarType::LONG:
        *out = VKD_DTYPE_INT64;
        return true;
    case program::ScalarType::HALF:
        *out = VKD_DTYPE_FLOAT16;
        return true;
    case program::ScalarType::FLOAT:
        *out = VKD_DTYPE_FLOAT32;
        return true;
    case program::ScalarType::DOUBLE:
        *out = VKD_DTYPE_FLOAT64;
        return true;
    case program::ScalarType::BOOL:
        *out = VKD_DTYPE_BOOL;
        return true;
    default:
        return false;
    }
}

#endif
