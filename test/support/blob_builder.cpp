#include "support/blob_builder.h"

#include <string.h>
#include <vector>

#include "support/bytes.h"
#include "schema/vkgraph_generated.h"

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

namespace
{

/* What a tensor is built from at the end, since blob_staging may still change it. */
struct tensor_fields {
    int dtype, staging;
    std::vector<uint32_t> dims;
    int32_t constant_id;
};

struct value_fields {
    uint8_t tag;
    Offset<void> content; /* of what is not built from fields */
    bool has_fields;
    tensor_fields tensor;
};

} // namespace

struct vkd_blob_builder {
    FlatBufferBuilder flat;
    std::vector<value_fields> values;
    std::vector<Offset<vkgraph::Op>> ops;
    std::vector<Offset<vkgraph::Constant>> constants;
    std::vector<uint32_t> inputs, outputs;
    bytes inline_bytes;
};

/* --------------------------------------------------------------------------------------- values */

static uint32_t add(vkd_blob_builder *b, vkgraph::Content tag, Offset<void> content)
{
    b->values.push_back({static_cast<uint8_t>(tag), content, false, {}});
    return static_cast<uint32_t>(b->values.size() - 1);
}

vkd_blob_builder *blob_new(void) { return new vkd_blob_builder; }
void blob_discard(vkd_blob_builder *b) { delete b; }

uint32_t blob_constant_tensor(vkd_blob_builder *b, vkd_dtype dtype, uint32_t rank,
                              const uint32_t *dims, int32_t constant_id)
{
    tensor_fields tensor = {
        static_cast<int>(dtype), static_cast<int>(vkgraph::DataType::UNSET), {}, constant_id};
    if (rank)
        tensor.dims.assign(dims, dims + rank);
    b->values.push_back({static_cast<uint8_t>(vkgraph::Content::Tensor), 0, true, tensor});
    return static_cast<uint32_t>(b->values.size() - 1);
}

uint32_t blob_tensor(vkd_blob_builder *b, vkd_dtype dtype, uint32_t rank, const uint32_t *dims,
                     const void *data)
{
    int32_t constant = -1;
    if (data) {
        size_t size = vkd_dtype_size(dtype);
        for (uint32_t i = 0; i < rank; i++)
            size *= dims[i];
        constant = blob_constant(b, blob_inline(b, data, size), size, nullptr);
    }
    return blob_constant_tensor(b, dtype, rank, dims, constant);
}

uint32_t blob_named_tensor(vkd_blob_builder *b, vkd_dtype dtype, uint32_t rank,
                           const uint32_t *dims, const char *key)
{
    size_t size = vkd_dtype_size(dtype);
    for (uint32_t i = 0; i < rank; i++)
        size *= dims[i];
    return blob_constant_tensor(b, dtype, rank, dims, blob_constant(b, UINT64_MAX, size, key));
}

void blob_staging(vkd_blob_builder *b, vkd_dtype dtype)
{
    b->values.back().tensor.staging = static_cast<int>(dtype);
}

uint32_t blob_null(vkd_blob_builder *b)
{
    return add(b, vkgraph::Content::Null, vkgraph::CreateNull(b->flat).Union());
}

uint32_t blob_int(vkd_blob_builder *b, int64_t value)
{
    return add(b, vkgraph::Content::Int, vkgraph::CreateInt(b->flat, value).Union());
}

uint32_t blob_double(vkd_blob_builder *b, double value)
{
    return add(b, vkgraph::Content::Double, vkgraph::CreateDouble(b->flat, value).Union());
}

uint32_t blob_bool(vkd_blob_builder *b, bool value)
{
    return add(b, vkgraph::Content::Bool, vkgraph::CreateBool(b->flat, value).Union());
}

uint32_t blob_symint(vkd_blob_builder *b, int32_t value)
{
    return add(b, vkgraph::Content::SymInt, vkgraph::CreateSymInt(b->flat, value).Union());
}

uint32_t blob_string(vkd_blob_builder *b, const char *value)
{
    return add(b, vkgraph::Content::String, vkgraph::CreateStringDirect(b->flat, value).Union());
}

uint32_t blob_int_list(vkd_blob_builder *b, const int64_t *items, size_t count)
{
    return add(b, vkgraph::Content::IntList,
               vkgraph::CreateIntList(b->flat, b->flat.CreateVector(items, count)).Union());
}

uint32_t blob_double_list(vkd_blob_builder *b, const double *items, size_t count)
{
    return add(b, vkgraph::Content::DoubleList,
               vkgraph::CreateDoubleList(b->flat, b->flat.CreateVector(items, count)).Union());
}

uint32_t blob_bool_list(vkd_blob_builder *b, const bool *items, size_t count)
{
    std::vector<uint8_t> octets(items, items + count);
    return add(b, vkgraph::Content::BoolList,
               vkgraph::CreateBoolList(b->flat, b->flat.CreateVector(octets)).Union());
}

uint32_t blob_value_list(vkd_blob_builder *b, const uint32_t *ids, size_t count)
{
    std::vector<int32_t> items(ids, ids + count);
    return add(b, vkgraph::Content::ValueList,
               vkgraph::CreateValueList(b->flat, b->flat.CreateVector(items)).Union());
}

uint32_t blob_tag(vkd_blob_builder *b, uint8_t tag)
{
    return add(b, static_cast<vkgraph::Content>(tag), 0);
}

/* ------------------------------------------------------------------- constants, operators, ends */

int32_t blob_constant(vkd_blob_builder *b, uint64_t offset, uint64_t length, const char *key)
{
    b->constants.push_back(vkgraph::CreateConstantDirect(b->flat, offset, length, key));
    return static_cast<int32_t>(b->constants.size() - 1);
}

uint64_t blob_inline(vkd_blob_builder *b, const void *data, size_t size)
{
    align(&b->inline_bytes, 16);
    uint64_t offset = b->inline_bytes.size();
    append(&b->inline_bytes, data, size);
    return offset;
}

void blob_op(vkd_blob_builder *b, const char *name, uint32_t node_id, const uint32_t *args,
             size_t arg_count)
{
    std::vector<int32_t> ids(args, args + arg_count);
    b->ops.push_back(vkgraph::CreateOpDirect(b->flat, node_id, name, &ids));
}

void blob_io(vkd_blob_builder *b, const uint32_t *inputs, size_t input_count,
             const uint32_t *outputs, size_t output_count)
{
    b->inputs.insert(b->inputs.end(), inputs, inputs + input_count);
    b->outputs.insert(b->outputs.end(), outputs, outputs + output_count);
}

static Offset<vkgraph::Value> build_value(vkd_blob_builder *b, const value_fields &value)
{
    vkgraph::Content tag = static_cast<vkgraph::Content>(value.tag);
    if (!value.has_fields)
        return vkgraph::CreateValue(b->flat, tag, value.content);
    const tensor_fields &t = value.tensor;
    return vkgraph::CreateValue(
        b->flat, tag,
        vkgraph::CreateTensorDirect(b->flat, static_cast<vkgraph::DataType>(t.dtype), &t.dims,
                                    t.constant_id, -1, 0, 0,
                                    static_cast<vkgraph::DataType>(t.staging))
            .Union());
}

void *blob_finish(vkd_blob_builder *b, size_t *out_size)
{
    std::vector<Offset<vkgraph::Value>> values;
    for (const value_fields &value : b->values)
        values.push_back(build_value(b, value));
    vkgraph::FinishGraphBuffer(b->flat,
                               vkgraph::CreateGraphDirect(b->flat, "1", &b->ops, &values,
                                                          &b->inputs, &b->outputs, &b->constants));

    bytes blob(32);
    memcpy(&blob[4], "VH00", 4);
    append(&blob, b->flat.GetBufferPointer(), b->flat.GetSize());
    align(&blob, 16);
    store(&blob, 8, 30, 2);
    store(&blob, 10, 32, 4);
    store(&blob, 14, b->flat.GetSize(), 4);
    store(&blob, 18, blob.size(), 4);
    store(&blob, 22, b->inline_bytes.size(), 8);
    append(&blob, b->inline_bytes.data(), b->inline_bytes.size());
    align(&blob, 16);
    delete b;
    return hand_over(blob, out_size);
}
