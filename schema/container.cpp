#include "schema/segments.h"

extern "C" {
#include "schema/file_kind.h"
#include "schema/named.h"
}

/* The extended header lies behind the flatbuffer's root offset and identifier: byte offsets of its
 * fields in the file. */
enum {
    HEADER_MAGIC = 8,
    HEADER_LENGTH = 12,
    HEADER_PROGRAM_SIZE = 16,
    HEADER_SEGMENT_BASE = 24,
    HEADER_DATA_SIZE = 32
};
/* Lengths of the header counted from its magic: the least, and the first that has HEADER_DATA_SIZE.
 */
enum { HEADER_LEAST = 24, HEADER_WITH_DATA_SIZE = 32 };

enum { FORMAT_MAX_RANK = 16 };

namespace
{

const char PROGRAM[] = "program";

struct reader {
    vkd_context *context;
    vkd_flatbuffer buffer;
    const program::Program *root;
    const uint8_t *file;
    uint64_t size;
    vkd_segments<program::Segment> segments;
};

/* What the messages about one method begin with, and what its parts refer to. */
struct method_reader {
    reader *r;
    const program::Method *method;
    vkd_container_method *out;
};

using flatbuffers::uoffset_t;

/* --------------------------------------------------------------------------------------- header */

vkd_status read_extended_header(vkd_context *context, const uint8_t *file, uint64_t size,
                                uint64_t *out_program_size, uint64_t *out_segment_base)
{
    uint64_t length = size >= HEADER_LENGTH + 4 ? vkd_load(file + HEADER_LENGTH, 4) : 0;
    if (length < HEADER_LEAST || length > size - HEADER_MAGIC)
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: extended header of %llu bytes, expected %d to the file's end at %llu",
                        PROGRAM, (unsigned long long)length, HEADER_LEAST,
                        (unsigned long long)size);
    uint64_t program_size = vkd_load(file + HEADER_PROGRAM_SIZE, 8);
    uint64_t base = vkd_load(file + HEADER_SEGMENT_BASE, 8);
    uint64_t data_size = length >= HEADER_WITH_DATA_SIZE ? vkd_load(file + HEADER_DATA_SIZE, 8) : 0;
    if (program_size < HEADER_MAGIC + length || program_size > size)
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: program_size %llu, expected %llu to the file's size %llu", PROGRAM,
                        (unsigned long long)program_size,
                        (unsigned long long)(HEADER_MAGIC + length), (unsigned long long)size);
    if (base != 0 && (base < program_size || base > size || data_size > size - base))
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: segment data of %llu bytes at %llu, expected it between %llu and %llu",
                        PROGRAM, (unsigned long long)data_size, (unsigned long long)base,
                        (unsigned long long)program_size, (unsigned long long)size);
    *out_program_size = program_size;
    *out_segment_base = base;
    return VKD_OK;
}

/* Before anything else is: what a wrong file says where a program has its offsets means nothing. */
vkd_status check_identifier(vkd_context *context, const uint8_t *file, uint64_t size)
{
    if (size >= HEADER_MAGIC && memcmp(file + 4, program::ProgramIdentifier(), 4) == 0)
        return VKD_OK;
    const char *kind = vkd_file_kind(file, size);
    return vkd_fail(context, VKD_INVALID_MODEL,
                    kind ? "not an ExecuTorch program (.pte), it looks like %s"
                         : "not an ExecuTorch program (.pte)%s",
                    kind ? kind : "");
}

vkd_status read_header(vkd_context *context, const uint8_t *file, uint64_t size,
                       uint64_t *out_program_size, uint64_t *out_segment_base)
{
    *out_program_size = size;
    *out_segment_base = 0;
    VKD_TRY(check_identifier(context, file, size));
    if (size >= HEADER_LENGTH && memcmp(file + HEADER_MAGIC, "eh00", 4) == 0)
        VKD_TRY(read_extended_header(context, file, size, out_program_size, out_segment_base));
    uint64_t root = vkd_load(file, 4);
    if (root < HEADER_MAGIC || root + 4 > *out_program_size)
        return vkd_fail(context, VKD_INVALID_MODEL, "%s: root offset %llu, expected %d to %llu",
                        PROGRAM, (unsigned long long)root, HEADER_MAGIC,
                        (unsigned long long)*out_program_size - 4);
    return VKD_OK;
}

/* ------------------------------------------------------------------------- segments, named data */

/* user: what refers to the segment, for the message. */
vkd_status read_segment(reader *r, const char *user, size_t user_index, uint64_t index,
                        vkd_bytes *out)
{
    return vkd_segments_find(&r->buffer, &r->segments, user, user_index, index, out);
}

vkd_status read_named(reader *r, vkd_container *out)
{
    vkd_container_named *named;
    out->named_count = vkd_flatbuffer_count(r->root->named_data());
    VKD_TRY(vkd_flatbuffer_alloc(&r->buffer, out->named_count, "named data", &named));
    VKD_TRY(vkd_segments_read_named(&r->buffer, &r->segments, r->root->named_data(), named));
    out->named = named;
    return vkd_named_sort(r->context, PROGRAM, named, out->named_count);
}

/* ------------------------------------------------------------------------------------ delegates */

vkd_status read_inline_data(reader *r, size_t delegate, uint64_t index, vkd_bytes *out)
{
    size_t count = vkd_flatbuffer_count(r->root->inline_data());
    if (index >= count)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: delegates[%zu] refers to backend_delegate_data %llu of %zu", PROGRAM,
                        delegate, (unsigned long long)index, count);
    const flatbuffers::Vector<uint8_t> *data =
        r->root->inline_data()->Get(static_cast<uoffset_t>(index))->data();
    if (!data)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: backend_delegate_data[%llu] has no data", PROGRAM,
                        (unsigned long long)index);
    /* in the file, also where the program was copied to read it */
    out->data = r->file + (data->data() - r->buffer.base);
    out->size = data->size();
    return VKD_OK;
}

vkd_status read_specs(reader *r, size_t delegate, const program::Delegate *source,
                      vkd_container_delegate *out)
{
    size_t count = vkd_flatbuffer_count(source->compile_specs());
    vkd_compile_spec *specs;
    VKD_TRY(vkd_flatbuffer_alloc(&r->buffer, count, "compile specs", &specs));
    for (size_t i = 0; i < count; i++) {
        const program::CompileSpec *spec = source->compile_specs()->Get(static_cast<uoffset_t>(i));
        if (!spec->key())
            return vkd_fail(r->context, VKD_INVALID_MODEL,
                            "%s: delegates[%zu]: compile_specs[%zu] has no key", PROGRAM, delegate,
                            i);
        specs[i].size = sizeof specs[i];
        VKD_TRY(vkd_flatbuffer_string(&r->buffer, spec->key(), &specs[i].key));
        if (spec->value()) {
            specs[i].value = r->file + (spec->value()->data() - r->buffer.base);
            specs[i].value_size = spec->value()->size();
        }
    }
    out->specs = specs;
    out->spec_count = count;
    return VKD_OK;
}

vkd_status read_delegate(reader *r, size_t index, const program::Delegate *source,
                         vkd_container_delegate *out)
{
    const program::DataReference *processed = source->processed();
    if (!source->id() || !processed)
        return vkd_fail(r->context, VKD_INVALID_MODEL, "%s: delegates[%zu] has no %s", PROGRAM,
                        index, source->id() ? "data" : "id");
    VKD_TRY(vkd_flatbuffer_string(&r->buffer, source->id(), &out->id));
    switch (processed->location()) {
    case program::Location::INLINE:
        VKD_TRY(read_inline_data(r, index, processed->index(), &out->blob));
        break;
    case program::Location::SEGMENT:
        VKD_TRY(read_segment(r, "delegates", index, processed->index(), &out->blob));
        break;
    default:
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: delegates[%zu]: unknown data location %d, expected 0 or 1", PROGRAM,
                        index, static_cast<int>(processed->location()));
    }
    return read_specs(r, index, source, out);
}

vkd_status read_delegates(method_reader *m)
{
    size_t count = vkd_flatbuffer_count(m->method->delegates());
    vkd_container_delegate *delegates;
    VKD_TRY(vkd_flatbuffer_alloc(&m->r->buffer, count, "delegates", &delegates));
    for (size_t i = 0; i < count; i++)
        VKD_TRY(read_delegate(m->r, i, m->method->delegates()->Get(static_cast<uoffset_t>(i)),
                              &delegates[i]));
    m->out->delegates = delegates;
    m->out->delegate_count = count;
    return VKD_OK;
}

/* ----------------------------------------------------------------------------- operators, steps */

vkd_status read_operators(method_reader *m)
{
    reader *r = m->r;
    size_t count = vkd_flatbuffer_count(m->method->operators());
    const char **names;
    VKD_TRY(vkd_flatbuffer_alloc(&r->buffer, count, "operators", &names));
    for (size_t i = 0; i < count; i++) {
        const program::Operator *op = m->method->operators()->Get(static_cast<uoffset_t>(i));
        if (!op->name())
            return vkd_fail(r->context, VKD_INVALID_MODEL,
                            "%s: method \"%.100s\": operators[%zu] has no name", PROGRAM,
                            m->out->name, i);
        size_t name_size = op->name()->size(),
               overload_size = op->overload() ? op->overload()->size() : 0;
        char *name;
        VKD_TRY(vkd_flatbuffer_alloc(&r->buffer, name_size + overload_size + 2, "operator names",
                                     &name));
        memcpy(name, op->name()->c_str(), name_size);
        if (overload_size) {
            name[name_size] = '.';
            memcpy(name + name_size + 1, op->overload()->c_str(), overload_size);
        }
        if (strncmp(name, VKD_OWN_PREFIX, strlen(VKD_OWN_PREFIX)) == 0)
            return vkd_fail(r->context, VKD_INVALID_MODEL,
                            "%s: method \"%.100s\": operators[%zu] (%.100s): names that begin with "
                            "\"%s\" are the rewrites' own, "
                            "expected none in a file",
                            PROGRAM, m->out->name, i, name, VKD_OWN_PREFIX);
        names[i] = name;
    }
    m->out->operators = names;
    m->out->operator_count = count;
    return VKD_OK;
}

/* The call of an operator or a delegate; what: "operator". */
vkd_status read_call(method_reader *m, size_t number, const char *what, int index,
                     size_t index_limit, const flatbuffers::Vector<int32_t> *args,
                     vkd_container_step *out)
{
    reader *r = m->r;
    size_t at;
    if (index < 0 || (size_t)index >= index_limit)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: method \"%.100s\": step %zu refers to %s %d of %zu", PROGRAM,
                        m->out->name, number, what, index, index_limit);
    if (!vkd_flatbuffer_in_range(args, m->out->value_count, &at))
        return vkd_fail(
            r->context, VKD_INVALID_MODEL,
            "%s: method \"%.100s\": step %zu (%s %d): argument %zu refers to value %d of %zu",
            PROGRAM, m->out->name, number, what, index, at, args->Get(static_cast<uoffset_t>(at)),
            m->out->value_count);
    out->index = static_cast<uint32_t>(index);
    return vkd_flatbuffer_list(&r->buffer, args, "step arguments", &out->args, &out->arg_count);
}

vkd_status read_move(method_reader *m, size_t number, const program::MoveCall *move,
                     vkd_container_step *out)
{
    const int32_t ids[] = {move->from(), move->to()};
    uint32_t *args;
    VKD_TRY(vkd_flatbuffer_alloc(&m->r->buffer, 2, "step arguments", &args));
    for (size_t i = 0; i < 2; i++) {
        if (ids[i] < 0 || (size_t)ids[i] >= m->out->value_count)
            return vkd_fail(
                m->r->context, VKD_INVALID_MODEL,
                "%s: method \"%.100s\": step %zu moves from value %d to value %d of %zu", PROGRAM,
                m->out->name, number, ids[0], ids[1], m->out->value_count);
        args[i] = static_cast<uint32_t>(ids[i]);
    }
    out->args = args;
    out->arg_count = 2;
    return VKD_OK;
}

vkd_status read_step(method_reader *m, size_t number, const program::Instruction *instruction,
                     vkd_container_step *out)
{
    program::Call type = instruction->call_type();
    if (type == program::Call::NONE || type > program::Call::MAX || !instruction->call())
        return vkd_fail(m->r->context, VKD_INVALID_MODEL,
                        "%s: method \"%.100s\": step %zu: unknown or missing instruction (type %u)",
                        PROGRAM, m->out->name, number, static_cast<unsigned>(type));
    out->kind = static_cast<vkd_step_kind>(type);
    if (type == program::Call::KernelCall) {
        const program::KernelCall *call = instruction->call_as_KernelCall();
        return read_call(m, number, "operator", call->operator_index(), m->out->operator_count,
                         call->args(), out);
    }
    if (type == program::Call::DelegateCall) {
        const program::DelegateCall *call = instruction->call_as_DelegateCall();
        return read_call(m, number, "delegate", call->delegate_index(), m->out->delegate_count,
                         call->args(), out);
    }
    return type == program::Call::MoveCall
               ? read_move(m, number, instruction->call_as_MoveCall(), out)
               : VKD_OK;
}

vkd_status read_steps(method_reader *m)
{
    size_t count = 0, number = 0, chain_count = vkd_flatbuffer_count(m->method->chains());
    for (size_t i = 0; i < chain_count; i++)
        count += vkd_flatbuffer_count(
            m->method->chains()->Get(static_cast<uoffset_t>(i))->instructions());
    vkd_container_step *steps;
    VKD_TRY(vkd_flatbuffer_alloc(&m->r->buffer, count, "steps", &steps));
    for (size_t i = 0; i < chain_count; i++) {
        const auto *instructions =
            m->method->chains()->Get(static_cast<uoffset_t>(i))->instructions();
        for (size_t k = 0; k < vkd_flatbuffer_count(instructions); k++, number++)
            VKD_TRY(
                read_step(m, number, instructions->Get(static_cast<uoffset_t>(k)), &steps[number]));
    }
    m->out->steps = steps;
    m->out->step_count = count;
    return VKD_OK;
}

/* --------------------------------------------------------------------------------------- values */

/* What the format demands of any tensor. */
vkd_status check_tensor(method_reader *m, size_t id, const program::Tensor *tensor)
{
    vkd_context *context = m->r->context;
    const char *method = m->out->name;
    size_t rank = vkd_flatbuffer_count(tensor->sizes()),
           order = vkd_flatbuffer_count(tensor->dim_order());
    if (tensor->storage_offset() != 0)
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: method \"%.100s\": values[%zu]: storage_offset %d, expected 0",
                        PROGRAM, method, id, tensor->storage_offset());
    if (rank > FORMAT_MAX_RANK)
        return vkd_fail(
            context, VKD_INVALID_MODEL,
            "%s: method \"%.100s\": values[%zu]: a tensor of rank %zu, expected at most %d",
            PROGRAM, method, id, rank, FORMAT_MAX_RANK);
    if (order != rank)
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: method \"%.100s\": values[%zu]: dim_order of %zu entries for rank %zu",
                        PROGRAM, method, id, order, rank);
    uint32_t seen = 0;
    for (size_t i = 0; i < rank; i++) {
        unsigned dim = tensor->dim_order()->Get(static_cast<uoffset_t>(i));
        if (dim >= rank || (seen >> dim & 1) != 0)
            return vkd_fail(context, VKD_INVALID_MODEL,
                            "%s: method \"%.100s\": values[%zu]: dim_order[%zu] is %u, expected "
                            "each of 0 to %zu once",
                            PROGRAM, method, id, i, dim, rank - 1);
        seen |= 1u << dim;
    }
    for (size_t i = 0; i < rank; i++)
        if (tensor->sizes()->Get(static_cast<uoffset_t>(i)) < 0)
            return vkd_fail(
                context, VKD_INVALID_MODEL,
                "%s: method \"%.100s\": values[%zu]: sizes[%zu] is %d, expected 0 or more", PROGRAM,
                method, id, i, tensor->sizes()->Get(static_cast<uoffset_t>(i)));
    return VKD_OK;
}

/* Describes a tensor that is well-formed. Returns null, or why vkd_model_tensor cannot describe it.
 */
const char *describe_tensor(const program::Tensor *tensor, vkd_model_tensor *out)
{
    vkd_model_tensor described = {};
    size_t rank = vkd_flatbuffer_count(tensor->sizes());
    if (!vkd_scalar_dtype(tensor->scalar_type(), &described.dtype))
        return "its scalar_type is not one of uint8, int8, int32, int64, float16, float32, "
               "float64, bool";
    if (rank > VKD_MAX_RANK)
        return "its rank is above 8";
    if (tensor->shape_dynamism() != program::ShapeDynamism::STATIC &&
        tensor->shape_dynamism() != program::ShapeDynamism::DYNAMIC_BOUND)
        return "its shape_dynamism is neither STATIC nor DYNAMIC_BOUND";
    uint64_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        described.dims[i] = static_cast<uint32_t>(tensor->sizes()->Get(static_cast<uoffset_t>(i)));
        count *= described.dims[i];
        if (count > INT32_MAX)
            return "its sizes multiply to more than 2^31 - 1 elements";
    }
    if (count > SIZE_MAX / vkd_dtype_size(described.dtype))
        return "its sizes need more bytes than can be addressed";
    described.staging_dtype = described.dtype;
    described.rank = static_cast<uint32_t>(rank);
    described.size = static_cast<size_t>(count) * vkd_dtype_size(described.dtype);
    described.dynamic = tensor->shape_dynamism() == program::ShapeDynamism::DYNAMIC_BOUND;
    *out = described;
    return nullptr;
}

/* The data of an older file, each in a buffer of its own. */
vkd_status read_buffer(method_reader *m, size_t id, uint64_t index, vkd_bytes *out)
{
    reader *r = m->r;
    size_t count = vkd_flatbuffer_count(r->root->constant_buffer());
    if (index >= count)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: method \"%.100s\": values[%zu] refers to constant_buffer %llu of %zu",
                        PROGRAM, m->out->name, id, (unsigned long long)index, count);
    const flatbuffers::Vector<uint8_t> *data =
        r->root->constant_buffer()->Get(static_cast<uoffset_t>(index))->data();
    out->data = data ? r->file + (data->data() - r->buffer.base) : nullptr;
    out->size = data ? data->size() : 0;
    return VKD_OK;
}

/* What lies in a segment from the index'th of its offsets on. field: "constant_segment". */
vkd_status read_subsegment(method_reader *m, size_t id, const char *field,
                           const program::Subsegments *parts, uint64_t index, vkd_bytes *out)
{
    reader *r = m->r;
    size_t count = parts ? vkd_flatbuffer_count(parts->offsets()) : 0;
    if (index >= count)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: method \"%.100s\": values[%zu] refers to offset %llu of %zu in %s",
                        PROGRAM, m->out->name, id, (unsigned long long)index, count, field);
    VKD_TRY(read_segment(r, "values", id, parts->segment_index(), out));
    uint64_t offset = vkd_load(parts->offsets()->Data() + index * 8, 8);
    if (offset > out->size)
        return vkd_fail(
            r->context, VKD_INVALID_MODEL,
            "%s: method \"%.100s\": values[%zu]: its data begins at %llu of a segment of %zu bytes",
            PROGRAM, m->out->name, id, (unsigned long long)offset, out->size);
    out->data = static_cast<const uint8_t *>(out->data) + offset;
    out->size -= static_cast<size_t>(offset);
    return VKD_OK;
}

/* Where the bytes are that a tensor begins with. */
vkd_status find_data(method_reader *m, size_t id, const program::Tensor *tensor, vkd_bytes *out)
{
    const program::Program *root = m->r->root;
    uint32_t index = tensor->data_buffer_idx();
    if (tensor->allocation()) {
        uint32_t part = tensor->extra_info() ? tensor->extra_info()->mutable_data_segment() : 0;
        size_t count = vkd_flatbuffer_count(root->mutable_data_segments());
        const program::Subsegments *parts =
            part < count ? root->mutable_data_segments()->Get(part) : nullptr;
        return read_subsegment(m, id, "mutable_data_segments", parts, index, out);
    }
    if (vkd_flatbuffer_count(root->constant_buffer()) > 0)
        return read_buffer(m, id, index, out);
    return read_subsegment(m, id, "constant_segment", root->constant_segment(), index, out);
}

vkd_status read_data(method_reader *m, size_t id, const program::Tensor *tensor,
                     vkd_container_value *out)
{
    reader *r = m->r;
    const program::ExtraInfo *extra = tensor->extra_info();
    vkd_model_tensor *described = &out->value.tensor;
    if (const program::Allocation *allocation = tensor->allocation()) {
        out->is_planned = true;
        out->memory_id = allocation->memory_id();
        out->memory_offset =
            static_cast<uint64_t>(allocation->offset_high()) << 32 | allocation->offset_low();
    }
    if (extra && extra->location() != program::DataLocation::SEGMENT) {
        if (extra->location() != program::DataLocation::EXTERNAL || !extra->name())
            return vkd_fail(
                r->context, VKD_INVALID_MODEL,
                "%s: method \"%.100s\": values[%zu]: data at location %d, with%s a name", PROGRAM,
                m->out->name, id, static_cast<int>(extra->location()), extra->name() ? "" : "out");
        return vkd_flatbuffer_string(&r->buffer, extra->name(), &out->external);
    }
    if (tensor->data_buffer_idx() == 0)
        return VKD_OK;
    vkd_bytes bytes = {};
    VKD_TRY(find_data(m, id, tensor, &bytes));
    if (bytes.size < described->size)
        return vkd_fail(
            r->context, VKD_INVALID_MODEL,
            "%s: method \"%.100s\": values[%zu]: %zu bytes of data, but the tensor needs %zu",
            PROGRAM, m->out->name, id, bytes.size, described->size);
    /* an empty tensor: any address that is not null */
    described->data = described->size ? bytes.data : r->file;
    return VKD_OK;
}

vkd_status read_tensor(method_reader *m, size_t id, const program::Tensor *tensor,
                       vkd_container_value *out)
{
    out->value.kind = VKD_VALUE_TENSOR;
    VKD_TRY(check_tensor(m, id, tensor));
    out->problem = describe_tensor(tensor, &out->value.tensor);
    if (out->problem)
        return VKD_OK;
    for (uint32_t i = 0; i < out->value.tensor.rank; i++)
        out->dim_order[i] = tensor->dim_order()->Get(i);
    return read_data(m, id, tensor, out);
}

/* A list of ids, of whichever integers. none: whether an item may be -1. */
template <typename In>
vkd_status read_ids(method_reader *m, size_t id, const flatbuffers::Vector<In> *items, bool none,
                    vkd_model_value *out)
{
    reader *r = m->r;
    uint32_t *ids;
    size_t count = vkd_flatbuffer_count(items);
    VKD_TRY(vkd_flatbuffer_alloc(&r->buffer, count, "value lists", &ids));
    for (size_t i = 0; i < count; i++) {
        int64_t item = static_cast<In>(vkd_load(items->Data() + i * sizeof(In), sizeof(In)));
        bool is_none = none && item == -1;
        if (!is_none &&
            (item < 0 || static_cast<uint64_t>(item) >= vkd_flatbuffer_count(m->method->values())))
            return vkd_fail(
                r->context, VKD_INVALID_MODEL,
                "%s: method \"%.100s\": values[%zu]: item %zu refers to value %lld of %zu", PROGRAM,
                m->out->name, id, i, static_cast<long long>(item),
                vkd_flatbuffer_count(m->method->values()));
        program::Content kind =
            is_none ? program::Content::Null
                    : m->method->values()->Get(static_cast<uoffset_t>(item))->content_type();
        if (kind >= program::Content::IntList) /* the lists are the last kinds */
            return vkd_fail(r->context, VKD_INVALID_MODEL,
                            "%s: method \"%.100s\": values[%zu]: item %zu is a list, expected no "
                            "list in a list",
                            PROGRAM, m->out->name, id, i);
        ids[i] = is_none ? VKD_CONTAINER_NONE : static_cast<uint32_t>(item);
    }
    out->kind = VKD_VALUE_VALUE_LIST;
    out->list.count = count;
    out->list.values = ids;
    return VKD_OK;
}

vkd_status read_value(method_reader *m, size_t id, const program::Value *source,
                      vkd_container_value *out)
{
    vkd_flatbuffer *buffer = &m->r->buffer;
    vkd_model_value *value = &out->value;
    program::Content type = source->content_type();
    if (type > program::Content::MAX || (type != program::Content::Null && !source->content()))
        return vkd_fail(m->r->context, VKD_INVALID_MODEL,
                        "%s: method \"%.100s\": values[%zu]: unknown type %u, or nothing behind it",
                        PROGRAM, m->out->name, id, static_cast<unsigned>(type));
    switch (type) {
    case program::Content::NONE:
    case program::Content::Null:
        value->kind = VKD_VALUE_NULL;
        return VKD_OK;
    case program::Content::Int:
        value->kind = VKD_VALUE_INT;
        value->i = source->content_as_Int()->value();
        return VKD_OK;
    case program::Content::Bool:
        value->kind = VKD_VALUE_BOOL;
        value->b = source->content_as_Bool()->value();
        return VKD_OK;
    case program::Content::Double:
        value->kind = VKD_VALUE_DOUBLE;
        value->d = source->content_as_Double()->value();
        return VKD_OK;
    case program::Content::Tensor:
        return read_tensor(m, id, source->content_as_Tensor(), out);
    case program::Content::String:
        value->kind = VKD_VALUE_STRING;
        return vkd_flatbuffer_string(buffer, source->content_as_String()->value(), &value->string);
    case program::Content::IntList:
        return read_ids(m, id, source->content_as_IntList()->items(), false, value);
    case program::Content::TensorList:
        return read_ids(m, id, source->content_as_TensorList()->items(), false, value);
    case program::Content::OptionalTensorList:
        return read_ids(m, id, source->content_as_OptionalTensorList()->items(), true, value);
    case program::Content::DoubleList:
        value->kind = VKD_VALUE_DOUBLE_LIST;
        return vkd_flatbuffer_list(buffer, source->content_as_DoubleList()->items(), "double lists",
                                   &value->list.doubles, &value->list.count);
    case program::Content::BoolList:
        value->kind = VKD_VALUE_BOOL_LIST;
        return vkd_flatbuffer_list(buffer, source->content_as_BoolList()->items(), "bool lists",
                                   &value->list.bools, &value->list.count);
    }
    return VKD_OK;
}

vkd_status read_values(method_reader *m)
{
    vkd_container_value *values;
    size_t count = vkd_flatbuffer_count(m->method->values());
    VKD_TRY(vkd_flatbuffer_alloc(&m->r->buffer, count, "values", &values));
    for (size_t i = 0; i < count; i++)
        VKD_TRY(read_value(m, i, m->method->values()->Get(static_cast<uoffset_t>(i)), &values[i]));
    m->out->values = values;
    m->out->value_count = count;
    return VKD_OK;
}

/* field: "inputs" or "outputs". Here a tensor that cannot be described matters. */
vkd_status read_ends(method_reader *m, const char *field, const flatbuffers::Vector<int32_t> *ids,
                     const uint32_t **out, size_t *out_count)
{
    reader *r = m->r;
    size_t at;
    if (!vkd_flatbuffer_in_range(ids, m->out->value_count, &at))
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: method \"%.100s\": %s[%zu] refers to value %d of %zu", PROGRAM,
                        m->out->name, field, at, ids->Get(static_cast<uoffset_t>(at)),
                        m->out->value_count);
    VKD_TRY(vkd_flatbuffer_list(&r->buffer, ids, field, out, out_count));
    for (size_t i = 0; i < *out_count; i++)
        if (m->out->values[(*out)[i]].problem)
            return vkd_fail(r->context, VKD_UNSUPPORTED,
                            "%s: method \"%.100s\": %s[%zu] (value %u): %s", PROGRAM, m->out->name,
                            field, i, (*out)[i], m->out->values[(*out)[i]].problem);
    return VKD_OK;
}

/* -------------------------------------------------------------------------------------- methods */

vkd_status read_method(reader *r, size_t index, const program::Method *source,
                       vkd_container_method *out)
{
    if (!source->name())
        return vkd_fail(r->context, VKD_INVALID_MODEL, "%s: execution_plan[%zu] has no name",
                        PROGRAM, index);
    VKD_TRY(vkd_flatbuffer_string(&r->buffer, source->name(), &out->name));
    method_reader m = {r, source, out};
    VKD_TRY(read_values(&m));
    VKD_TRY(read_ends(&m, "inputs", source->inputs(), &out->inputs, &out->input_count));
    VKD_TRY(read_ends(&m, "outputs", source->outputs(), &out->outputs, &out->output_count));
    VKD_TRY(read_operators(&m));
    VKD_TRY(read_delegates(&m));
    return read_steps(&m);
}

vkd_status read_methods(reader *r, const vkd_container_method **out, size_t *out_count)
{
    size_t count = vkd_flatbuffer_count(r->root->methods());
    vkd_container_method *methods;
    VKD_TRY(vkd_flatbuffer_alloc(&r->buffer, count, "methods", &methods));
    for (size_t i = 0; i < count; i++)
        VKD_TRY(read_method(r, i, r->root->methods()->Get(static_cast<uoffset_t>(i)), &methods[i]));
    *out = methods;
    *out_count = count;
    return VKD_OK;
}

vkd_status read_program(reader *r, vkd_container *out)
{
    vkd_container container = {};
    container.size = static_cast<size_t>(r->size);
    r->root = program::GetProgram(r->buffer.base);
    r->segments.list = r->root->segments();
    VKD_TRY(vkd_segments_check(&r->buffer, &r->segments));
    VKD_TRY(read_named(r, &container));
    VKD_TRY(read_methods(r, &container.methods, &container.method_count));
    *out = container;
    return VKD_OK;
}

} // namespace

extern "C" vkd_status vkd_container_read(const void *file, size_t size, vkd_arena *arena,
                                         vkd_container *out)
{
    reader r = {};
    uint64_t program_size = 0, segment_base = 0;
    r.context = arena->context;
    r.file = static_cast<const uint8_t *>(file);
    r.size = size;
    VKD_TRY(read_header(r.context, r.file, r.size, &program_size, &segment_base));
    r.segments.base = segment_base ? r.file + segment_base : nullptr;
    r.segments.room = r.size - segment_base;
    vkd_status status = vkd_flatbuffer_open<program::Program>(
        arena, PROGRAM, r.file, program_size, program::ProgramIdentifier(), &r.buffer);
    if (status == VKD_OK)
        status = read_program(&r, out);
    if (status == VKD_OK)
        out->named_data = {sizeof out->named_data, vkd_container_find, nullptr, out};
    vkd_flatbuffer_close(&r.buffer);
    return status;
}
