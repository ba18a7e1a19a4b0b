#include "support/pte_builder.h"

#include <string.h>
#include <string>

#include "support/bytes.h"

#include "schema/flat_tensor_generated.h"
#include "schema/program_generated.h"

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

namespace
{

/* What a tensor is built from at the end, since more may be said of it. */
struct tensor_fields {
    vkd_dtype dtype;
    std::vector<int32_t> sizes;
    std::vector<uint8_t> order;
    bytes data;
    bool has_data, is_planned, is_dynamic, is_external;
    std::string name;
    uint32_t place; /* the value that it has it from */
};

struct value_fields {
    program::Content type;
    Offset<void> content; /* of what is no tensor */
    tensor_fields tensor;
};

struct delegate_fields {
    std::string id;
    bytes blob;
    std::vector<Offset<program::CompileSpec>> specs;
};

struct named_fields {
    std::string key;
    bytes data;
};

program::ScalarType scalar_type(vkd_dtype dtype)
{
    static const program::ScalarType types[VKD_DTYPE_COUNT] = {
        program::ScalarType::BOOL,   program::ScalarType::BYTE, program::ScalarType::CHAR,
        program::ScalarType::INT,    program::ScalarType::HALF, program::ScalarType::FLOAT,
        program::ScalarType::DOUBLE, program::ScalarType::LONG};
    return types[dtype];
}

size_t byte_count(const vkd_tensor_info *info)
{
    size_t size = vkd_dtype_size(info->dtype);
    for (uint32_t i = 0; i < info->rank; i++)
        size *= static_cast<size_t>(info->dims[i]);
    return size;
}

bytes copy_of(const void *data, size_t size)
{
    bytes copy;
    append(&copy, data, size);
    return copy;
}

/* A dim_order of zeros is row-major. */
std::vector<uint8_t> order_of(const vkd_tensor_info *info)
{
    std::vector<uint8_t> order(info->dim_order, info->dim_order + info->rank);
    bool row_major = true;
    for (uint8_t dim : order)
        row_major = row_major && dim == 0;
    for (uint32_t i = 0; row_major && i < info->rank; i++)
        order[i] = static_cast<uint8_t>(i);
    return order;
}

std::vector<int32_t> signed_ids(const uint32_t *ids, size_t count)
{
    return std::vector<int32_t>(ids, ids + count);
}

} // namespace

struct vkd_pte_builder {
    FlatBufferBuilder flat;
    std::string method;
    bool no_segments;
    std::vector<value_fields> values;
    std::vector<delegate_fields> delegates;
    std::vector<named_fields> named;
    std::vector<Offset<program::Operator>> operators;
    std::vector<std::string> operator_names;
    std::vector<Offset<program::Instruction>> steps;
    std::vector<int32_t> inputs, outputs;

    /* built at the end */
    bytes data;
    std::vector<Offset<program::Segment>> segments;
    std::vector<Offset<program::InlineData>> blobs, buffers;
    std::vector<Offset<program::NamedData>> named_data;
    bytes constants, initials;
    std::vector<uint64_t> constant_offsets, initial_offsets;
};

vkd_pte_builder *pte_new(void)
{
    vkd_pte_builder *b = new vkd_pte_builder();
    b->method = "forward";
    /* every scalar field is there, so that a test can change it in place */
    b->flat.ForceDefaults(true);
    return b;
}

void pte_name(vkd_pte_builder *b, const char *method) { b->method = method; }
void pte_no_segments(vkd_pte_builder *b) { b->no_segments = true; }

/* --------------------------------------------------------------------------------------- values */

static uint32_t add(vkd_pte_builder *b, program::Content type, Offset<void> content)
{
    b->values.push_back({type, content, {}});
    return static_cast<uint32_t>(b->values.size() - 1);
}

uint32_t pte_tensor(vkd_pte_builder *b, const vkd_tensor_info *info)
{
    uint32_t id = add(b, program::Content::Tensor, 0);
    tensor_fields *tensor = &b->values.back().tensor;
    tensor->dtype = info->dtype;
    tensor->sizes.assign(info->dims, info->dims + info->rank);
    tensor->is_planned = true;
    tensor->place = id;
    tensor->order = order_of(info);
    return id;
}

uint32_t pte_constant(vkd_pte_builder *b, const vkd_tensor_info *info, const void *data)
{
    uint32_t id = pte_tensor(b, info);
    pte_initial(b, data, byte_count(info));
    b->values.back().tensor.is_planned = false;
    return id;
}

void pte_initial(vkd_pte_builder *b, const void *data, size_t size)
{
    b->values.back().tensor.data = copy_of(data, size);
    b->values.back().tensor.has_data = true;
}

void pte_external(vkd_pte_builder *b, const char *name)
{
    b->values.back().tensor.name = name;
    b->values.back().tensor.is_external = true;
    b->values.back().tensor.is_planned = false;
}

void pte_dynamic(vkd_pte_builder *b) { b->values.back().tensor.is_dynamic = true; }

void pte_place(vkd_pte_builder *b, uint32_t other) { b->values.back().tensor.place = other; }

void pte_ones(vkd_pte_builder *b, size_t rank)
{
    tensor_fields *tensor = &b->values.back().tensor;
    tensor->sizes.assign(rank, 1);
    tensor->order.clear();
    for (size_t i = 0; i < rank; i++)
        tensor->order.push_back(static_cast<uint8_t>(i));
}

uint32_t pte_null(vkd_pte_builder *b)
{
    return add(b, program::Content::Null, program::CreateNull(b->flat).Union());
}

uint32_t pte_int(vkd_pte_builder *b, int64_t value)
{
    return add(b, program::Content::Int, program::CreateInt(b->flat, value).Union());
}

uint32_t pte_double(vkd_pte_builder *b, double value)
{
    return add(b, program::Content::Double, program::CreateDouble(b->flat, value).Union());
}

uint32_t pte_bool(vkd_pte_builder *b, bool value)
{
    return add(b, program::Content::Bool, program::CreateBool(b->flat, value).Union());
}

uint32_t pte_string(vkd_pte_builder *b, const char *value)
{
    return add(b, program::Content::String, program::CreateStringDirect(b->flat, value).Union());
}

uint32_t pte_int_list(vkd_pte_builder *b, const uint32_t *ids, size_t count)
{
    std::vector<int64_t> items(ids, ids + count);
    return add(b, program::Content::IntList, program::CreateIntListDirect(b->flat, &items).Union());
}

uint32_t pte_double_list(vkd_pte_builder *b, const double *items, size_t count)
{
    return add(b, program::Content::DoubleList,
               program::CreateDoubleList(b->flat, b->flat.CreateVector(items, count)).Union());
}

uint32_t pte_bool_list(vkd_pte_builder *b, const bool *items, size_t count)
{
    std::vector<uint8_t> octets(items, items + count);
    return add(b, program::Content::BoolList,
               program::CreateBoolListDirect(b->flat, &octets).Union());
}

uint32_t pte_tensor_list(vkd_pte_builder *b, const uint32_t *ids, size_t count)
{
    std::vector<int32_t> items = signed_ids(ids, count);
    return add(b, program::Content::TensorList,
               program::CreateTensorListDirect(b->flat, &items).Union());
}

uint32_t pte_optional_list(vkd_pte_builder *b, const int32_t *ids, size_t count)
{
    std::vector<int32_t> items(ids, ids + count);
    return add(b, program::Content::OptionalTensorList,
               program::CreateOptionalTensorListDirect(b->flat, &items).Union());
}

/* ----------------------------------------------------------------------------- delegates, steps */

uint32_t pte_delegate(vkd_pte_builder *b, const char *id, const void *blob, size_t size)
{
    b->delegates.push_back({id, copy_of(blob, size), {}});
    return static_cast<uint32_t>(b->delegates.size() - 1);
}

void pte_spec(vkd_pte_builder *b, const vkd_compile_spec *spec)
{
    auto value = b->flat.CreateVector(static_cast<const uint8_t *>(spec->value), spec->value_size);
    b->delegates.back().specs.push_back(
        program::CreateCompileSpec(b->flat, b->flat.CreateString(spec->key), value));
}

void pte_named(vkd_pte_builder *b, const blob_named *named)
{
    b->named.push_back({named->key, copy_of(named->data, named->size)});
}

static void add_step(vkd_pte_builder *b, program::Call type, Offset<void> call)
{
    b->steps.push_back(program::CreateInstruction(b->flat, type, call));
}

void pte_call(vkd_pte_builder *b, uint32_t delegate, const uint32_t *args, size_t arg_count)
{
    std::vector<int32_t> ids = signed_ids(args, arg_count);
    add_step(
        b, program::Call::DelegateCall,
        program::CreateDelegateCallDirect(b->flat, static_cast<int32_t>(delegate), &ids).Union());
}

/* Name and overload are apart in the file. */
static int32_t find_operator(vkd_pte_builder *b, const char *name)
{
    for (size_t i = 0; i < b->operator_names.size(); i++)
        if (b->operator_names[i] == name)
            return static_cast<int32_t>(i);
    const char *dot = strrchr(name, '.');
    size_t length = dot ? static_cast<size_t>(dot - name) : strlen(name);
    auto first = b->flat.CreateString(name, length);
    b->operators.push_back(
        program::CreateOperator(b->flat, first, b->flat.CreateString(dot ? dot + 1 : "")));
    b->operator_names.push_back(name);
    return static_cast<int32_t>(b->operators.size() - 1);
}

void pte_kernel(vkd_pte_builder *b, const char *name, const uint32_t *args, size_t arg_count)
{
    std::vector<int32_t> ids = signed_ids(args, arg_count);
    int32_t index = find_operator(b, name);
    add_step(b, program::Call::KernelCall,
             program::CreateKernelCallDirect(b->flat, index, &ids).Union());
}

void pte_move(vkd_pte_builder *b, uint32_t from, uint32_t to)
{
    auto call =
        program::CreateMoveCall(b->flat, static_cast<int32_t>(from), static_cast<int32_t>(to));
    add_step(b, program::Call::MoveCall, call.Union());
}

void pte_free(vkd_pte_builder *b, uint32_t value)
{
    add_step(b, program::Call::FreeCall,
             program::CreateFreeCall(b->flat, static_cast<int32_t>(value)).Union());
}

void pte_jump(vkd_pte_builder *b, uint32_t condition)
{
    auto call = program::CreateJumpFalseCall(b->flat, static_cast<int32_t>(condition), 0);
    add_step(b, program::Call::JumpFalseCall, call.Union());
}

void pte_io(vkd_pte_builder *b, const uint32_t *inputs, size_t input_count, const uint32_t *outputs,
            size_t output_count)
{
    b->inputs.insert(b->inputs.end(), inputs, inputs + input_count);
    b->outputs.insert(b->outputs.end(), outputs, outputs + output_count);
}

/* ------------------------------------------------------------------------------------- the file */

static uint32_t add_segment(vkd_pte_builder *b, const bytes &data)
{
    if (!b->segments.empty())
        align(&b->data, 16);
    b->segments.push_back(program::CreateSegment(b->flat, b->data.size(), data.size()));
    append(&b->data, data.data(), data.size());
    return static_cast<uint32_t>(b->segments.size() - 1);
}

static Offset<program::InlineData> build_inline(vkd_pte_builder *b, const bytes &data)
{
    b->flat.ForceVectorAlignment(data.size(), 1, 16);
    return program::CreateInlineData(b->flat, b->flat.CreateVector(data));
}

/* Puts a tensor's data where it belongs; returns its data_buffer_idx. The first of each kind is
 * never referred to. */
static uint32_t place_data(vkd_pte_builder *b, const tensor_fields &tensor)
{
    bytes *part = tensor.is_planned ? &b->initials : &b->constants;
    std::vector<uint64_t> *offsets = tensor.is_planned ? &b->initial_offsets : &b->constant_offsets;
    if (!tensor.has_data)
        return 0;
    if (b->no_segments && !tensor.is_planned) {
        if (b->buffers.empty())
            b->buffers.push_back(build_inline(b, bytes()));
        b->buffers.push_back(build_inline(b, tensor.data));
        return static_cast<uint32_t>(b->buffers.size() - 1);
    }
    if (offsets->empty())
        offsets->push_back(0);
    align(part, 16);
    offsets->push_back(part->size());
    append(part, tensor.data.data(), tensor.data.size());
    return static_cast<uint32_t>(offsets->size() - 1);
}

static Offset<program::Value> build_value(vkd_pte_builder *b, const value_fields &value)
{
    if (value.type != program::Content::Tensor)
        return program::CreateValue(b->flat, value.type, value.content);
    const tensor_fields &t = value.tensor;
    Offset<program::Allocation> allocation =
        t.is_planned ? program::CreateAllocation(b->flat, 1, 64 * t.place, 0) : 0;
    Offset<program::ExtraInfo> extra = 0;
    if (t.is_external)
        extra = program::CreateExtraInfoDirect(b->flat, 0, t.name.c_str(),
                                               program::DataLocation::EXTERNAL);
    auto dynamism =
        t.is_dynamic ? program::ShapeDynamism::DYNAMIC_BOUND : program::ShapeDynamism::STATIC;
    auto tensor = program::CreateTensorDirect(b->flat, scalar_type(t.dtype), 0, &t.sizes, &t.order,
                                              place_data(b, t), allocation, dynamism, extra);
    return program::CreateValue(b->flat, value.type, tensor.Union());
}

static Offset<program::Delegate> build_delegate(vkd_pte_builder *b, const delegate_fields &delegate)
{
    uint32_t index;
    if (b->no_segments) {
        b->blobs.push_back(build_inline(b, delegate.blob));
        index = static_cast<uint32_t>(b->blobs.size() - 1);
    } else {
        index = add_segment(b, delegate.blob);
    }
    auto location = b->no_segments ? program::Location::INLINE : program::Location::SEGMENT;
    auto processed = program::CreateDataReference(b->flat, location, index);
    return program::CreateDelegateDirect(b->flat, delegate.id.c_str(), processed, &delegate.specs);
}

static Offset<program::Method> build_method(vkd_pte_builder *b)
{
    std::vector<Offset<program::Delegate>> delegates;
    for (const delegate_fields &delegate : b->delegates)
        delegates.push_back(build_delegate(b, delegate));
    std::vector<Offset<program::Value>> values;
    for (const value_fields &value : b->values)
        values.push_back(build_value(b, value));
    std::vector<Offset<program::Chain>> chains = {program::CreateChainDirect(b->flat, &b->steps)};
    return program::CreateMethodDirect(b->flat, b->method.c_str(), &values, &b->inputs, &b->outputs,
                                       &chains, &b->operators, &delegates);
}

static Offset<program::Subsegments> build_part(vkd_pte_builder *b, const bytes &part,
                                               const std::vector<uint64_t> &offsets)
{
    return offsets.empty()
               ? 0
               : program::CreateSubsegmentsDirect(b->flat, add_segment(b, part), &offsets);
}

/* Puts a header of `size` bytes between the root offset with the identifier and the rest, which
 * moves everything else. */
static bytes with_header(const FlatBufferBuilder &flat, const char *magic, size_t size)
{
    bytes file(flat.GetBufferPointer(), flat.GetBufferPointer() + 8);
    uint32_t root = flatbuffers::ReadScalar<uint32_t>(flat.GetBufferPointer());
    file.resize(8 + size);
    append(&file, flat.GetBufferPointer() + 8, flat.GetSize() - 8);
    store(&file, 0, root + size, 4);
    memcpy(&file[8], magic, 4);
    store(&file, 12, size, 4);
    return file;
}

static bytes with_segments(const FlatBufferBuilder &flat, const bytes &data)
{
    bytes file = with_header(flat, "eh00", 32);
    store(&file, 16, file.size(), 8);
    align(&file, 128);
    store(&file, 24, file.size(), 8);
    store(&file, 32, data.size(), 8);
    append(&file, data.data(), data.size());
    return file;
}

void *pte_finish(vkd_pte_builder *b, size_t *out_size)
{
    std::vector<Offset<program::Method>> methods = {build_method(b)};
    if (!b->no_segments)
        for (const named_fields &named : b->named)
            b->named_data.push_back(program::CreateNamedDataDirect(b->flat, named.key.c_str(),
                                                                   add_segment(b, named.data)));
    auto constants = build_part(b, b->constants, b->constant_offsets);
    std::vector<Offset<program::Subsegments>> initials;
    if (!b->initial_offsets.empty())
        initials.push_back(build_part(b, b->initials, b->initial_offsets));
    program::FinishProgramBuffer(
        b->flat, program::CreateProgramDirect(b->flat, 0, &methods, &b->buffers, &b->blobs,
                                              &b->segments, constants, &initials, &b->named_data));
    bytes file = b->no_segments ? copy_of(b->flat.GetBufferPointer(), b->flat.GetSize())
                                : with_segments(b->flat, b->data);
    delete b;
    return hand_over(file, out_size);
}

/* ----------------------------------------------------------------------------------------- .ptd */

static Offset<flat_tensor::Layout> build_layout(FlatBufferBuilder *flat,
                                                const vkd_tensor_info *info)
{
    if (!info)
        return 0;
    std::vector<int32_t> sizes(info->dims, info->dims + info->rank);
    std::vector<uint8_t> order = order_of(info);
    return flat_tensor::CreateLayoutDirect(*flat, static_cast<int8_t>(scalar_type(info->dtype)),
                                           &sizes, &order);
}

void *ptd_build(const ptd_entry *entries, size_t count, size_t *out_size)
{
    FlatBufferBuilder flat;
    flat.ForceDefaults(true);
    bytes data;
    std::vector<Offset<flat_tensor::Segment>> segments;
    std::vector<Offset<flat_tensor::NamedData>> named;
    for (size_t i = 0; i < count; i++) {
        align(&data, 16);
        segments.push_back(flat_tensor::CreateSegment(flat, data.size(), entries[i].named.size));
        append(&data, entries[i].named.data, entries[i].named.size);
        auto layout = build_layout(&flat, entries[i].layout);
        named.push_back(flat_tensor::CreateNamedDataDirect(flat, entries[i].named.key,
                                                           static_cast<uint32_t>(i), layout));
    }
    flat_tensor::FinishDataBuffer(flat, flat_tensor::CreateDataDirect(flat, 0, &segments, &named));
    bytes file = with_header(flat, "FH01", 40);
    store(&file, 16, 48, 8);
    store(&file, 24, file.size() - 48, 8);
    align(&file, 128);
    store(&file, 32, file.size(), 8);
    store(&file, 40, data.size(), 8);
    append(&file, data.data(), data.size());
    return hand_over(file, out_size);
}

/* --------------------------------------------------------------------------------- one delegate */

void *blob_wrap_pte(const blob_pte *pte, size_t *out_size)
{
    vkd_pte_builder *b = pte_new();
    std::vector<uint32_t> ids;
    pte_name(b, pte->method ? pte->method : "forward");
    if (pte->no_segments)
        pte_no_segments(b);
    for (size_t i = 0; i < pte->input_count; i++)
        ids.push_back(pte_tensor(b, &pte->inputs[i]));
    for (size_t i = 0; i < pte->output_count; i++)
        ids.push_back(pte_tensor(b, &pte->outputs[i]));
    uint32_t delegate = pte_delegate(b, pte->delegate_id ? pte->delegate_id : "VulkanBackend",
                                     pte->blob, pte->blob_size);
    for (size_t i = 0; i < pte->spec_count; i++)
        pte_spec(b, &pte->specs[i]);
    for (size_t i = 0; i < pte->named_count; i++)
        pte_named(b, &pte->named[i]);
    for (uint32_t i = 0; i < (pte->calls ? pte->calls : 1); i++)
        pte_call(b, delegate, ids.data(), ids.size());
    for (size_t i = 0; i < pte->kernel_count; i++)
        pte_kernel(b, pte->kernels[i], nullptr, 0);
    pte_io(b, ids.data(), pte->input_count, ids.data() + pte->input_count, pte->output_count);
    return pte_finish(b, out_size);
}
