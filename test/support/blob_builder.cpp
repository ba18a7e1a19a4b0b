#include "support/blob_builder.h"

#include <stdlib.h>
#include <string.h>
#include <vector>

#include "schema/program_generated.h"
#include "schema/vkgraph_generated.h"

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

namespace
{

typedef std::vector<uint8_t> bytes;

void align(bytes *out, size_t alignment) { out->resize((out->size() + alignment - 1) / alignment * alignment); }

void append(bytes *out, const void *data, size_t size)
{
    const uint8_t *first = static_cast<const uint8_t *>(data);
    out->insert(out->end(), first, first + size);
}

void store(bytes *out, size_t at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        (*out)[at + i] = static_cast<uint8_t>(value >> 8 * i);
}

void *hand_over(const bytes &source, size_t *out_size)
{
    void *memory = malloc(source.size() + 1);
    if (!memory)
        abort();
    memcpy(memory, source.data(), source.size());
    *out_size = source.size();
    return memory;
}

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

/* --------------------------------------------------------------------------------------------------------- values */

static uint32_t add(vkd_blob_builder *b, vkgraph::Content tag, Offset<void> content)
{
    b->values.push_back({static_cast<uint8_t>(tag), content, false, {}});
    return static_cast<uint32_t>(b->values.size() - 1);
}

vkd_blob_builder *blob_new(void) { return new vkd_blob_builder; }
void blob_discard(vkd_blob_builder *b) { delete b; }

uint32_t blob_constant_tensor(vkd_blob_builder *b, vkd_dtype dtype, uint32_t rank, const uint32_t *dims, int32_t constant_id)
{
    tensor_fields tensor = {static_cast<int>(dtype), static_cast<int>(vkgraph::DataType::UNSET), {}, constant_id};
    if (rank)
        tensor.dims.assign(dims, dims + rank);
    b->values.push_back({static_cast<uint8_t>(vkgraph::Content::Tensor), 0, true, tensor});
    return static_cast<uint32_t>(b->values.size() - 1);
}

uint32_t blob_tensor(vkd_blob_builder *b, vkd_dtype dtype, uint32_t rank, const uint32_t *dims, const void *data)
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

uint32_t blob_named_tensor(vkd_blob_builder *b, vkd_dtype dtype, uint32_t rank, const uint32_t *dims, const char *key)
{
    size_t size = vkd_dtype_size(dtype);
    for (uint32_t i = 0; i < rank; i++)
        size *= dims[i];
    return blob_constant_tensor(b, dtype, rank, dims, blob_constant(b, UINT64_MAX, size, key));
}

void blob_staging(vkd_blob_builder *b, vkd_dtype dtype) { b->values.back().tensor.staging = static_cast<int>(dtype); }

uint32_t blob_null(vkd_blob_builder *b) { return add(b, vkgraph::Content::Null, vkgraph::CreateNull(b->flat).Union()); }

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
    return add(b, vkgraph::Content::IntList, vkgraph::CreateIntList(b->flat, b->flat.CreateVector(items, count)).Union());
}

uint32_t blob_double_list(vkd_blob_builder *b, const double *items, size_t count)
{
    return add(b, vkgraph::Content::DoubleList, vkgraph::CreateDoubleList(b->flat, b->flat.CreateVector(items, count)).Union());
}

uint32_t blob_bool_list(vkd_blob_builder *b, const bool *items, size_t count)
{
    std::vector<uint8_t> octets(items, items + count);
    return add(b, vkgraph::Content::BoolList, vkgraph::CreateBoolList(b->flat, b->flat.CreateVector(octets)).Union());
}

uint32_t blob_value_list(vkd_blob_builder *b, const uint32_t *ids, size_t count)
{
    std::vector<int32_t> items(ids, ids + count);
    return add(b, vkgraph::Content::ValueList, vkgraph::CreateValueList(b->flat, b->flat.CreateVector(items)).Union());
}

uint32_t blob_tag(vkd_blob_builder *b, uint8_t tag) { return add(b, static_cast<vkgraph::Content>(tag), 0); }

/* ----------------------------------------------------------------------------------------- constants, operators, ends */

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

void blob_op(vkd_blob_builder *b, const char *name, uint32_t node_id, const uint32_t *args, size_t arg_count)
{
    std::vector<int32_t> ids(args, args + arg_count);
    b->ops.push_back(vkgraph::CreateOpDirect(b->flat, node_id, name, &ids));
}

void blob_io(vkd_blob_builder *b, const uint32_t *inputs, size_t input_count, const uint32_t *outputs, size_t output_count)
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
    return vkgraph::CreateValue(b->flat, tag,
                                vkgraph::CreateTensorDirect(b->flat, static_cast<vkgraph::DataType>(t.dtype), &t.dims,
                                                            t.constant_id, -1, 0, 0, static_cast<vkgraph::DataType>(t.staging))
                                    .Union());
}

void *blob_finish(vkd_blob_builder *b, size_t *out_size)
{
    std::vector<Offset<vkgraph::Value>> values;
    for (const value_fields &value : b->values)
        values.push_back(build_value(b, value));
    vkgraph::FinishGraphBuffer(
        b->flat, vkgraph::CreateGraphDirect(b->flat, "1", &b->ops, &values, &b->inputs, &b->outputs, &b->constants));

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

/* ------------------------------------------------------------------------------------------------------------- .pte */

static program::ScalarType scalar_type(vkd_dtype dtype)
{
    static const program::ScalarType types[VKD_DTYPE_COUNT] = {
        program::ScalarType::BOOL, program::ScalarType::BYTE,  program::ScalarType::CHAR,   program::ScalarType::INT,
        program::ScalarType::HALF, program::ScalarType::FLOAT, program::ScalarType::DOUBLE, program::ScalarType::LONG};
    return types[dtype];
}

static Offset<program::Value> build_tensor(FlatBufferBuilder *flat, const vkd_tensor_info *info)
{
    std::vector<int32_t> sizes;
    std::vector<uint8_t> order;
    bool row_major = true;
    for (uint32_t i = 0; i < info->rank; i++)
        row_major = row_major && info->dim_order[i] == 0;
    for (uint32_t i = 0; i < info->rank; i++) {
        sizes.push_back(static_cast<int32_t>(info->dims[i]));
        order.push_back(row_major ? static_cast<uint8_t>(i) : info->dim_order[i]);
    }
    auto tensor = program::CreateTensorDirect(*flat, scalar_type(info->dtype), 0, &sizes, &order);
    return program::CreateValue(*flat, program::Content::Tensor, tensor.Union());
}

/* The blob and the named data, one segment each. */
static bytes build_segments(FlatBufferBuilder *flat, const blob_pte *pte, std::vector<Offset<program::Segment>> *segments)
{
    bytes data;
    append(&data, pte->blob, pte->blob_size);
    segments->push_back(program::CreateSegment(*flat, 0, pte->blob_size));
    for (size_t i = 0; i < pte->named_count; i++) {
        align(&data, 16);
        segments->push_back(program::CreateSegment(*flat, data.size(), pte->named[i].size));
        append(&data, pte->named[i].data, pte->named[i].size);
    }
    return data;
}

static Offset<program::Delegate> build_delegate(FlatBufferBuilder *flat, const blob_pte *pte)
{
    std::vector<Offset<program::CompileSpec>> specs;
    for (size_t i = 0; i < pte->spec_count; i++) {
        const vkd_compile_spec *spec = &pte->specs[i];
        auto value = flat->CreateVector(static_cast<const uint8_t *>(spec->value), spec->size);
        specs.push_back(program::CreateCompileSpec(*flat, flat->CreateString(spec->key), value));
    }
    auto location = pte->no_segments ? program::Location::INLINE : program::Location::SEGMENT;
    auto processed = program::CreateDataReference(*flat, location, 0);
    return program::CreateDelegateDirect(*flat, pte->delegate_id ? pte->delegate_id : "VulkanBackend", processed, &specs);
}

/* "aten::mean.out": name and overload are apart in the file. */
static Offset<program::Operator> build_operator(FlatBufferBuilder *flat, const char *name)
{
    const char *dot = strrchr(name, '.');
    size_t length = dot ? static_cast<size_t>(dot - name) : strlen(name);
    auto first = flat->CreateString(name, length);
    return program::CreateOperator(*flat, first, flat->CreateString(dot ? dot + 1 : ""));
}

static Offset<program::Chain> build_chain(FlatBufferBuilder *flat, const blob_pte *pte)
{
    std::vector<int32_t> args;
    for (size_t i = 0; i < pte->input_count + pte->output_count; i++)
        args.push_back(static_cast<int32_t>(i));
    std::vector<Offset<program::Instruction>> steps;
    for (uint32_t i = 0; i < (pte->calls ? pte->calls : 1); i++) {
        auto call = program::CreateDelegateCallDirect(*flat, 0, &args);
        steps.push_back(program::CreateInstruction(*flat, program::Call::DelegateCall, call.Union()));
    }
    for (size_t i = 0; i < pte->kernel_count; i++) {
        auto call = program::CreateKernelCall(*flat, static_cast<int32_t>(i));
        steps.push_back(program::CreateInstruction(*flat, program::Call::KernelCall, call.Union()));
    }
    return program::CreateChainDirect(*flat, &steps);
}

static Offset<program::Method> build_method(FlatBufferBuilder *flat, const blob_pte *pte)
{
    std::vector<Offset<program::Value>> values;
    std::vector<int32_t> inputs, outputs;
    for (size_t i = 0; i < pte->input_count; i++) {
        inputs.push_back(static_cast<int32_t>(values.size()));
        values.push_back(build_tensor(flat, &pte->inputs[i]));
    }
    for (size_t i = 0; i < pte->output_count; i++) {
        outputs.push_back(static_cast<int32_t>(values.size()));
        values.push_back(build_tensor(flat, &pte->outputs[i]));
    }
    std::vector<Offset<program::Operator>> operators;
    for (size_t i = 0; i < pte->kernel_count; i++)
        operators.push_back(build_operator(flat, pte->kernels[i]));
    std::vector<Offset<program::Chain>> chains = {build_chain(flat, pte)};
    std::vector<Offset<program::Delegate>> delegates = {build_delegate(flat, pte)};
    return program::CreateMethodDirect(*flat, pte->method ? pte->method : "forward", &values, &inputs, &outputs, &chains,
                                       &operators, &delegates);
}

/* Puts the extended header between the root offset with the identifier and the rest, which moves everything else by its size.
 */
static bytes with_segments(const FlatBufferBuilder &flat, const bytes &data)
{
    const size_t header = 32, alignment = 128;
    bytes file(flat.GetBufferPointer(), flat.GetBufferPointer() + 8);
    uint32_t root = flatbuffers::ReadScalar<uint32_t>(flat.GetBufferPointer());
    file.resize(8 + header);
    append(&file, flat.GetBufferPointer() + 8, flat.GetSize() - 8);
    store(&file, 0, root + header, 4);
    memcpy(&file[8], "eh00", 4);
    store(&file, 12, header, 4);
    store(&file, 16, file.size(), 8);
    align(&file, alignment);
    store(&file, 24, file.size(), 8);
    store(&file, 32, data.size(), 8);
    append(&file, data.data(), data.size());
    return file;
}

void *blob_wrap_pte(const blob_pte *pte, size_t *out_size)
{
    FlatBufferBuilder flat;
    flat.ForceDefaults(true); /* every scalar field is there, so that a test can change it in place */
    bytes data;
    std::vector<Offset<program::Segment>> segments;
    std::vector<Offset<program::InlineData>> inline_data;
    std::vector<Offset<program::NamedData>> named;
    if (pte->no_segments) {
        flat.ForceVectorAlignment(pte->blob_size, 1, 16);
        auto blob = flat.CreateVector(static_cast<const uint8_t *>(pte->blob), pte->blob_size);
        inline_data.push_back(program::CreateInlineData(flat, blob));
    } else {
        data = build_segments(&flat, pte, &segments);
        for (size_t i = 0; i < pte->named_count; i++)
            named.push_back(program::CreateNamedDataDirect(flat, pte->named[i].key, static_cast<uint32_t>(i + 1)));
    }
    std::vector<Offset<program::Method>> methods = {build_method(&flat, pte)};
    program::FinishProgramBuffer(flat, program::CreateProgramDirect(flat, 0, &methods, &inline_data, &segments, &named));
    if (pte->no_segments)
        return hand_over(bytes(flat.GetBufferPointer(), flat.GetBufferPointer() + flat.GetSize()), out_size);
    return hand_over(with_segments(flat, data), out_size);
}
