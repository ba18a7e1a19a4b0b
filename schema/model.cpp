#include "schema/flatbuffer.h"
#include "schema/vkgraph_generated.h"

extern "C" {
#include "schema/model.h"
}

/* The header in front of the flatbuffer: byte offsets of its fields, and the least size that holds
 * them all. */
enum {
    HEADER_MAGIC = 4,
    HEADER_LENGTH = 8,
    HEADER_FLATBUFFER = 10,
    HEADER_BYTES = 18,
    HEADER_SIZE = 30
};

static_assert(static_cast<int>(vkgraph::DataType::BOOL) == VKD_DTYPE_BOOL &&
                  static_cast<int>(vkgraph::DataType::INT8) == VKD_DTYPE_INT8 &&
                  static_cast<int>(vkgraph::DataType::FLOAT32) == VKD_DTYPE_FLOAT32 &&
                  static_cast<int>(vkgraph::DataType::INT64) == VKD_DTYPE_INT64 &&
                  static_cast<int>(VKD_DTYPE_INT64) + 1 == VKD_DTYPE_COUNT,
              "vkd_dtype has the file's numbering");
static_assert(VKD_MAX_RANK == 8, "as a message says");

namespace
{

const char BLOB[] = "delegate blob";
const uint64_t NAMED = UINT64_MAX; /* as a constant's offset: the bytes are named data */

struct blob_header {
    uint64_t flatbuffer_offset, flatbuffer_size, bytes_offset, bytes_size;
};

struct reader {
    vkd_context *context;
    vkd_flatbuffer buffer;
    const vkgraph::Graph *graph;
    size_t value_count;
    const uint8_t *bytes; /* the region of inline constants */
    uint64_t bytes_size;
    const vkd_named_data *named_data;
    const char *unsupported; /* vkd_model's */
    uint32_t unsupported_value;
};

vkd_status read_header(vkd_context *context, const uint8_t *blob, uint64_t size, blob_header *out)
{
    if (size < HEADER_SIZE)
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: %llu bytes, expected a header of at least %d", BLOB,
                        (unsigned long long)size, HEADER_SIZE);
    if (memcmp(blob + HEADER_MAGIC, "VH00", 4) != 0)
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: magic %02x %02x %02x %02x at byte 4, expected \"VH00\"", BLOB, blob[4],
                        blob[5], blob[6], blob[7]);
    uint64_t header_size = vkd_load(blob + HEADER_LENGTH, 2);
    blob_header header = {vkd_load(blob + HEADER_FLATBUFFER, 4),
                          vkd_load(blob + HEADER_FLATBUFFER + 4, 4),
                          vkd_load(blob + HEADER_BYTES, 4), vkd_load(blob + HEADER_BYTES + 4, 8)};
    if (header_size < HEADER_SIZE)
        return vkd_fail(context, VKD_INVALID_MODEL, "%s: header_size %llu, expected at least %d",
                        BLOB, (unsigned long long)header_size, HEADER_SIZE);
    if (header.flatbuffer_offset < header_size || header.flatbuffer_size == 0 ||
        header.flatbuffer_offset + header.flatbuffer_size > size)
        return vkd_fail(context, VKD_INVALID_MODEL,
                        "%s: flatbuffer of %llu bytes at %llu, expected it between %llu and %llu",
                        BLOB, (unsigned long long)header.flatbuffer_size,
                        (unsigned long long)header.flatbuffer_offset,
                        (unsigned long long)header_size, (unsigned long long)size);
    uint64_t flatbuffer_end = header.flatbuffer_offset + header.flatbuffer_size;
    if (header.bytes_offset < flatbuffer_end || header.bytes_offset > size ||
        header.bytes_size > size - header.bytes_offset)
        return vkd_fail(
            context, VKD_INVALID_MODEL,
            "%s: constants region of %llu bytes at %llu, expected it between %llu and %llu", BLOB,
            (unsigned long long)header.bytes_size, (unsigned long long)header.bytes_offset,
            (unsigned long long)flatbuffer_end, (unsigned long long)size);
    if (header.bytes_size == 0) /* older writers leave it out */
        header.bytes_size = size - header.bytes_offset;
    *out = header;
    return VKD_OK;
}

/* -------------------------------------------------------------------------------------- tensors */

vkd_status named_constant(reader *r, uint32_t id, int constant_id, const char *key, uint64_t needed,
                          const void **out)
{
    if (!r->named_data)
        return vkd_fail(
            r->context, VKD_INVALID_ARGUMENT,
            "%s: constants[%d]: named data \"%.100s\" is needed, but there is no named_data", BLOB,
            constant_id, key);
    size_t size = 0;
    const void *data = nullptr;
    vkd_status status = r->named_data->find(r->named_data->user, key, &data, &size);
    if (status == VKD_NOT_FOUND || (status == VKD_OK && !data))
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: constants[%d]: no named data \"%.100s\": where it is not in the "
                        "program a .ptd file has it",
                        BLOB, constant_id, key);
    if (status != VKD_OK)
        return vkd_fail(r->context, status,
                        "%s: constants[%d]: named data \"%.100s\" cannot be had: %s", BLOB,
                        constant_id, key, vkd_status_name(status));
    if (size < needed)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: constants[%d]: named data \"%.100s\" has %llu bytes, but the tensor "
                        "values[%u] needs %llu",
                        BLOB, constant_id, key, (unsigned long long)size, id,
                        (unsigned long long)needed);
    *out = data;
    return VKD_OK;
}

vkd_status inline_constant(reader *r, uint32_t id, int constant_id, uint64_t offset,
                           uint64_t needed, const void **out)
{
    if (offset == NAMED)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: constants[%d]: the offset says named data, but named_key is missing",
                        BLOB, constant_id);
    if (offset > r->bytes_size || needed > r->bytes_size - offset)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: constants[%d]: the tensor values[%u] needs %llu bytes at %llu of a "
                        "constants region of %llu",
                        BLOB, constant_id, id, (unsigned long long)needed,
                        (unsigned long long)offset, (unsigned long long)r->bytes_size);
    *out = r->bytes + offset;
    return VKD_OK;
}

vkd_status read_constant(reader *r, uint32_t id, int constant_id, uint64_t needed, const void **out)
{
    size_t count = vkd_flatbuffer_count(r->graph->constants());
    if (constant_id < 0 || (size_t)constant_id >= count)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: values[%u]: constant_id %d, expected -1 or below %zu", BLOB, id,
                        constant_id, count);
    const vkgraph::Constant *constant =
        r->graph->constants()->Get(static_cast<flatbuffers::uoffset_t>(constant_id));
    if (constant->length() != 0 && constant->length() != needed) /* 0: the writer did not say */
        return vkd_fail(
            r->context, VKD_INVALID_MODEL,
            "%s: constants[%d]: length %llu, but the tensor values[%u] needs %llu bytes", BLOB,
            constant_id, (unsigned long long)constant->length(), id, (unsigned long long)needed);
    if (needed == 0) { /* an empty tensor: any address that is not null */
        *out = r->bytes;
        return VKD_OK;
    }
    const flatbuffers::String *key = constant->named_key();
    if (constant->offset() == NAMED && key && key->size() > 0)
        return named_constant(r, id, constant_id, key->c_str(), needed, out);
    return inline_constant(r, id, constant_id, constant->offset(), needed, out);
}

vkd_status read_dtype(reader *r, uint32_t id, const char *field, vkgraph::DataType type,
                      vkd_dtype *out)
{
    int number = static_cast<int>(type);
    if (number < 0 || number >= VKD_DTYPE_COUNT)
        return vkd_fail(r->context, VKD_INVALID_MODEL, "%s: values[%u]: unknown %s %d", BLOB, id,
                        field, number);
    *out = static_cast<vkd_dtype>(number);
    return VKD_OK;
}

void note_unsupported(reader *r, uint32_t id, const char *what)
{
    if (r->unsupported)
        return;
    r->unsupported = what;
    r->unsupported_value = id;
}

/* Fills in rank, dims and size. dims: no more than fit. */
vkd_status read_dims(reader *r, uint32_t id, const flatbuffers::Vector<uint32_t> *dims,
                     vkd_model_tensor *out)
{
    uint64_t count = 1;
    out->rank = static_cast<uint32_t>(vkd_flatbuffer_count(dims));
    for (uint32_t i = 0; i < out->rank; i++) {
        out->dims[i] = dims->Get(i);
        count *= out->dims[i]; /* below 2^31 * 2^32 */
        if (count > INT32_MAX)
            return vkd_fail(r->context, VKD_INVALID_MODEL,
                            "%s: values[%u]: dims product overflows: at most %d elements", BLOB, id,
                            INT32_MAX);
    }
    if (count > SIZE_MAX / vkd_dtype_size(out->dtype))
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: values[%u]: dims need more bytes than can be addressed", BLOB, id);
    out->size = static_cast<size_t>(count) * vkd_dtype_size(out->dtype);
    return VKD_OK;
}

vkd_status read_tensor(reader *r, uint32_t id, const vkgraph::Tensor *tensor, vkd_model_tensor *out)
{
    VKD_TRY(read_dtype(r, id, "datatype", tensor->dtype(), &out->dtype));
    out->staging_dtype = out->dtype;
    if (tensor->staging_dtype() != vkgraph::DataType::UNSET)
        VKD_TRY(
            read_dtype(r, id, "staging_datatype", tensor->staging_dtype(), &out->staging_dtype));
    if (vkd_flatbuffer_count(tensor->dims()) > VKD_MAX_RANK) {
        note_unsupported(r, id, "a tensor of rank above 8");
        return VKD_OK;
    }
    VKD_TRY(read_dims(r, id, tensor->dims(), out));
    return tensor->constant_id() == -1
               ? VKD_OK
               : read_constant(r, id, tensor->constant_id(), out->size, &out->data);
}

/* --------------------------------------------------------------------------------------- values */

vkd_status read_value_list(reader *r, uint32_t id, const vkgraph::ValueList *list,
                           vkd_model_value *out)
{
    size_t at;
    if (!vkd_flatbuffer_in_range(list->items(), r->value_count, &at))
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: values[%u]: item %zu refers to value %d of %zu", BLOB, id, at,
                        list->items()->Get(static_cast<flatbuffers::uoffset_t>(at)),
                        r->value_count);
    VKD_TRY(vkd_flatbuffer_list(&r->buffer, list->items(), "value lists", &out->list.values,
                                &out->list.count));
    for (size_t i = 0; i < out->list.count; i++)
        if (r->graph->values()->Get(out->list.values[i])->content_type() ==
            vkgraph::Content::ValueList)
            return vkd_fail(
                r->context, VKD_INVALID_MODEL,
                "%s: values[%u]: item %zu is a list of values, expected no list in a list", BLOB,
                id, i);
    return VKD_OK;
}

vkd_status read_value(reader *r, uint32_t id, const vkgraph::Value *value, vkd_model_value *out)
{
    vkgraph::Content type = value->content_type();
    if (type == vkgraph::Content::NONE || type > vkgraph::Content::MAX)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: values[%u]: unknown value_type %u, expected 1 to %u", BLOB, id,
                        static_cast<unsigned>(type), static_cast<unsigned>(vkgraph::Content::MAX));
    if (!value->content() && type != vkgraph::Content::Null)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: values[%u]: value_type %u without a value", BLOB, id,
                        static_cast<unsigned>(type));
    switch (type) {
    case vkgraph::Content::NONE:
    case vkgraph::Content::Null:
        out->kind = VKD_VALUE_NULL;
        return VKD_OK;
    case vkgraph::Content::Int:
        out->kind = VKD_VALUE_INT;
        out->i = value->content_as_Int()->value();
        return VKD_OK;
    case vkgraph::Content::Double:
        out->kind = VKD_VALUE_DOUBLE;
        out->d = value->content_as_Double()->value();
        return VKD_OK;
    case vkgraph::Content::Bool:
        out->kind = VKD_VALUE_BOOL;
        out->b = value->content_as_Bool()->value();
        return VKD_OK;
    case vkgraph::Content::SymInt:
        out->kind = VKD_VALUE_SYMINT;
        out->i = value->content_as_SymInt()->value();
        return VKD_OK;
    case vkgraph::Content::Tensor:
        out->kind = VKD_VALUE_TENSOR;
        return read_tensor(r, id, value->content_as_Tensor(), &out->tensor);
    case vkgraph::Content::IntList:
        out->kind = VKD_VALUE_INT_LIST;
        return vkd_flatbuffer_list(&r->buffer, value->content_as_IntList()->items(), "int lists",
                                   &out->list.ints, &out->list.count);
    case vkgraph::Content::DoubleList:
        out->kind = VKD_VALUE_DOUBLE_LIST;
        return vkd_flatbuffer_list(&r->buffer, value->content_as_DoubleList()->items(),
                                   "double lists", &out->list.doubles, &out->list.count);
    case vkgraph::Content::BoolList:
        out->kind = VKD_VALUE_BOOL_LIST;
        return vkd_flatbuffer_list(&r->buffer, value->content_as_BoolList()->items(), "bool lists",
                                   &out->list.bools, &out->list.count);
    case vkgraph::Content::ValueList:
        out->kind = VKD_VALUE_VALUE_LIST;
        return read_value_list(r, id, value->content_as_ValueList(), out);
    case vkgraph::Content::String:
        out->kind = VKD_VALUE_STRING;
        return vkd_flatbuffer_string(&r->buffer, value->content_as_String()->value(), &out->string);
    }
    return VKD_OK;
}

vkd_status read_values(reader *r, const vkd_model_value **out)
{
    vkd_model_value *values;
    VKD_TRY(vkd_flatbuffer_alloc(&r->buffer, r->value_count, "values", &values));
    for (uint32_t i = 0; i < r->value_count; i++)
        VKD_TRY(read_value(r, i, r->graph->values()->Get(i), &values[i]));
    *out = values;
    return VKD_OK;
}

/* ------------------------------------------------------------------- operators, inputs, outputs */

vkd_status read_op(reader *r, size_t index, const vkgraph::Op *op, vkd_model_op *out)
{
    if (!op->name() || op->name()->size() == 0)
        return vkd_fail(r->context, VKD_INVALID_MODEL, "%s: op %zu has no name", BLOB, index);
    VKD_TRY(vkd_flatbuffer_string(&r->buffer, op->name(), &out->name));
    if (strncmp(out->name, VKD_OWN_PREFIX, strlen(VKD_OWN_PREFIX)) == 0)
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: op %zu (%.100s): names that begin with \"%s\" are the rewrites' own, "
                        "expected none in a file",
                        BLOB, index, out->name, VKD_OWN_PREFIX);
    out->node_id = op->node_id();
    size_t at;
    if (!vkd_flatbuffer_in_range(op->args(), r->value_count, &at))
        return vkd_fail(r->context, VKD_INVALID_MODEL,
                        "%s: op %zu (%.100s): argument %zu refers to value %d of %zu", BLOB, index,
                        out->name, at, op->args()->Get(static_cast<flatbuffers::uoffset_t>(at)),
                        r->value_count);
    return vkd_flatbuffer_list(&r->buffer, op->args(), "operator arguments", &out->args,
                               &out->arg_count);
}

vkd_status read_ops(reader *r, const vkd_model_op **out, size_t *out_count)
{
    size_t count = vkd_flatbuffer_count(r->graph->ops());
    vkd_model_op *ops;
    VKD_TRY(vkd_flatbuffer_alloc(&r->buffer, count, "operators", &ops));
    for (size_t i = 0; i < count; i++)
        VKD_TRY(
            read_op(r, i, r->graph->ops()->Get(static_cast<flatbuffers::uoffset_t>(i)), &ops[i]));
    *out = ops;
    *out_count = count;
    return VKD_OK;
}

/* field: "input_ids" or "output_ids". An output may be a constant, an input not. */
vkd_status read_ends(reader *r, const char *field, bool constants,
                     const flatbuffers::Vector<uint32_t> *ids, const vkd_model_value *values,
                     const uint32_t **out, size_t *out_count)
{
    size_t at;
    if (!vkd_flatbuffer_in_range(ids, r->value_count, &at))
        return vkd_fail(r->context, VKD_INVALID_MODEL, "%s: %s[%zu] refers to value %u of %zu",
                        BLOB, field, at, ids->Get(static_cast<flatbuffers::uoffset_t>(at)),
                        r->value_count);
    VKD_TRY(vkd_flatbuffer_list(&r->buffer, ids, field, out, out_count));
    for (size_t i = 0; i < *out_count; i++) {
        const vkd_model_value *value = &values[(*out)[i]];
        if (value->kind != VKD_VALUE_TENSOR && value->kind != VKD_VALUE_SYMINT)
            return vkd_fail(r->context, VKD_INVALID_MODEL,
                            "%s: %s[%zu]: values[%u] is neither a tensor nor a symbolic integer",
                            BLOB, field, i, (*out)[i]);
        if (!constants && value->kind == VKD_VALUE_TENSOR && value->tensor.data)
            return vkd_fail(r->context, VKD_INVALID_MODEL, "%s: %s[%zu]: values[%u] is a constant",
                            BLOB, field, i, (*out)[i]);
    }
    return VKD_OK;
}

vkd_status read_graph(reader *r, vkd_model *out)
{
    r->graph = vkgraph::GetGraph(r->buffer.base);
    r->value_count = vkd_flatbuffer_count(r->graph->values());
    vkd_model model = {};
    model.value_count = r->value_count;
    VKD_TRY(read_values(r, &model.values));
    VKD_TRY(read_ops(r, &model.ops, &model.op_count));
    VKD_TRY(read_ends(r, "input_ids", false, r->graph->input_ids(), model.values, &model.inputs,
                      &model.input_count));
    VKD_TRY(read_ends(r, "output_ids", true, r->graph->output_ids(), model.values, &model.outputs,
                      &model.output_count));
    model.unsupported = r->unsupported;
    model.unsupported_value = r->unsupported_value;
    *out = model;
    return VKD_OK;
}

} // namespace

extern "C" vkd_status vkd_model_read(const void *blob, size_t size,
                                     const vkd_named_data *named_data, vkd_arena *arena,
                                     vkd_model *out)
{
    const uint8_t *bytes = static_cast<const uint8_t *>(blob);
    blob_header header = {};
    VKD_TRY(read_header(arena->context, bytes, size, &header));
    reader r = {};
    r.context = arena->context;
    r.bytes = bytes + header.bytes_offset;
    r.bytes_size = header.bytes_size;
    r.named_data = named_data;
    vkd_status status = vkd_flatbuffer_open<vkgraph::Graph>(
        arena, BLOB, bytes + header.flatbuffer_offset, header.flatbuffer_size,
        vkgraph::GraphIdentifier(), &r.buffer);
    if (status == VKD_OK)
        status = read_graph(&r, out);
    vkd_flatbuffer_close(&r.buffer);
    return status;
}

extern "C" uint64_t vkd_dims_count(uint32_t rank, const uint32_t *dims)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < rank; i++)
        count *= dims[i];
    return count;
}
