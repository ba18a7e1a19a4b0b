#include "schema/flat_tensor_generated.h"
#include "schema/segments.h"

extern "C" {
#include "schema/file_kind.h"
#include "schema/named.h"
}

/* Behind the flatbuffer's root offset and identifier: byte offsets of the header's fields in the
 * file, and its length from its magic on. */
enum {
    HEADER_MAGIC = 8,
    HEADER_LENGTH = 12,
    HEADER_FLATBUFFER = 16,
    HEADER_FLATBUFFER_SIZE = 24,
    HEADER_BASE = 32,
    HEADER_DATA_SIZE = 40,
    HEADER_SIZE = 48
};

namespace
{

const char DATA[] = "data file";

struct reader {
    vkd_context *context;
    vkd_flatbuffer buffer;
    const flat_tensor::Data *root;
    vkd_segments<flat_tensor::Segment> segments;
};

vkd_status check_identifier(vkd_context *context, const uint8_t *file, uint64_t size)
{
    if (size >= HEADER_MAGIC && memcmp(file + 4, flat_tensor::DataIdentifier(), 4) == 0)
        return VKD_OK;
    bool is_program =
        size >= HEADER_MAGIC && memcmp(file + 4, program::ProgramIdentifier(), 4) == 0;
    const char *kind = is_program ? "a program (.pte)" : vkd_file_kind(file, size);
    return vkd_fail(context, VKD_INVALID_MODEL,
                    kind ? "not a data file (.ptd), it looks like %s" : "not a data file (.ptd)%s",
                    kind ? kind : "");
}

vkd_status read_header(vkd_context *context, const uint8_t *file, uint64_t size, uint64_t *out_size,
                       reader *r)
{
    VKD_TRY(check_identifier(context, file, size));
    if (size < HEADER_SIZE || memcmp(file + HEADER_MAGIC, "FH01", 4) != 0 ||
        vkd_load(file + HEADER_LENGTH, 4) < HEADER_SIZE - HEADER_MAGIC)
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: no header \"FH01\" of at least %d bytes at byte %d", DATA,
                        HEADER_SIZE - HEADER_MAGIC, HEADER_MAGIC);
    uint64_t offset = vkd_load(file + HEADER_FLATBUFFER, 8),
             length = vkd_load(file + HEADER_FLATBUFFER_SIZE, 8);
    uint64_t base = vkd_load(file + HEADER_BASE, 8),
             data_size = vkd_load(file + HEADER_DATA_SIZE, 8);
    if (offset > size || length > size - offset || base > size || data_size > size - base)
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: a flatbuffer of %llu bytes at %llu and data of %llu bytes at %llu, "
                        "expected them inside the "
                        "file's %llu bytes",
                        DATA, (unsigned long long)length, (unsigned long long)offset,
                        (unsigned long long)data_size, (unsigned long long)base,
                        (unsigned long long)size);
    *out_size = offset + length;
    r->segments.base = base ? file + base : nullptr;
    r->segments.room = data_size;
    return VKD_OK;
}

bool is_permutation(const flatbuffers::Vector<uint8_t> *order, size_t rank)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < rank && order->Get(static_cast<flatbuffers::uoffset_t>(i)) < rank; i++)
        seen |= 1u << order->Get(static_cast<flatbuffers::uoffset_t>(i));
    return seen == (1u << rank) - 1;
}

/* The layout of a tensor of a dtype and rank that vkd_model_tensor has. */
vkd_status read_sizes(reader *r, const vkd_container_named *named,
                      const flat_tensor::Layout *source, vkd_data_layout *out)
{
    uint64_t bytes = vkd_dtype_size(out->dtype);
    for (uint32_t i = 0; i < out->rank; i++) {
        int32_t size = source->sizes()->Get(i);
        out->dims[i] = static_cast<uint32_t>(size);
        out->dim_order[i] = source->dim_order()->Get(i);
        if (size < 0 || (size > 0 && bytes > UINT64_MAX / static_cast<uint64_t>(size)))
            return vkd_fail(r->context, VKD_INVALID_MODEL, "%s: \"%.100s\": sizes[%u] is %d", DATA,
                            named->key, i, size);
        bytes *= static_cast<uint64_t>(size);
    }
    if (bytes > named->data.size)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: \"%.100s\" has %zu bytes, but its sizes need %llu", DATA, named->key,
                        named->data.size, (unsigned long long)bytes);
    return VKD_OK;
}

vkd_status read_layout(reader *r, const flat_tensor::Layout *source, vkd_container_named *named)
{
    vkd_data_layout *layout;
    size_t rank = vkd_flatbuffer_count(source->sizes());
    VKD_TRY(vkd_flatbuffer_alloc(&r->buffer, 1, "layouts", &layout));
    named->layout = layout;
    layout->dtype = VKD_DTYPE_COUNT;
    if (rank > VKD_MAX_RANK ||
        !vkd_scalar_dtype(static_cast<program::ScalarType>(source->scalar_type()), &layout->dtype))
        return VKD_OK;
    if (vkd_flatbuffer_count(source->dim_order()) != rank ||
        !is_permutation(source->dim_order(), rank))
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: \"%.100s\": its dim_order does not name each of %zu dims once", DATA,
                        named->key, rank);
    layout->rank = static_cast<uint32_t>(rank);
    return read_sizes(r, named, source, layout);
}

vkd_status read_data(reader *r, vkd_data_file *out)
{
    r->root = flat_tensor::GetData(r->buffer.base);
    r->segments.list = r->root->segments();
    VKD_TRY(vkd_segments_check(&r->buffer, &r->segments));
    vkd_container_named *named;
    size_t count = vkd_flatbuffer_count(r->root->named_data());
    VKD_TRY(vkd_flatbuffer_alloc(&r->buffer, count, "named data", &named));
    VKD_TRY(vkd_segments_read_named(&r->buffer, &r->segments, r->root->named_data(), named));
    for (size_t i = 0; i < count; i++) {
        const flat_tensor::Layout *layout =
            r->root->named_data()->Get(static_cast<flatbuffers::uoffset_t>(i))->layout();
        if (layout)
            VKD_TRY(read_layout(r, layout, &named[i]));
    }
    VKD_TRY(vkd_named_sort(r->context, DATA, named, count));
    out->named = named;
    out->named_count = count;
    return VKD_OK;
}

} // namespace

extern "C" vkd_status vkd_data_file_read(const void *file, size_t size, vkd_arena *arena,
                                         vkd_data_file *out)
{
    const uint8_t *bytes = static_cast<const uint8_t *>(file);
    reader r = {};
    uint64_t flatbuffer_size = 0;
    r.context = arena->context;
    VKD_TRY(read_header(r.context, bytes, size, &flatbuffer_size, &r));
    *out = {size, 0, nullptr, nullptr};
    vkd_status status = vkd_flatbuffer_open<flat_tensor::Data>(
        arena, DATA, bytes, flatbuffer_size, flat_tensor::DataIdentifier(), &r.buffer);
    if (status == VKD_OK)
        status = read_data(&r, out);
    vkd_flatbuffer_close(&r.buffer);
    return status;
}
