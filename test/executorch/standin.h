/* A small stand-in for ExecuTorch's headers, written for the tests of adapters/executorch/: as much
 * of its interface as the adapter uses, with the same names and meaning, and no runtime behind it.
 * scripts/executorch-test.sh tries the real thing. */
#ifndef VKD_TEST_EXECUTORCH_STANDIN_H
#define VKD_TEST_EXECUTORCH_STANDIN_H

#include <sys/types.h>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/* ------------------------------------------------------------------------------------- platform */

#define ET_LOG(level, ...) executorch::runtime::standin_log(#level, __VA_ARGS__)

namespace executorch::runtime
{

enum class Error : uint32_t {
    Ok = 0,
    Internal = 1,
    InvalidState = 2,
    NotSupported = 0x10,
    InvalidArgument = 0x12,
    InvalidType = 0x13,
    NotFound = 0x20,
    MemoryAllocationFailed = 0x21,
    AccessFailed = 0x22,
    InvalidProgram = 0x23,
    InvalidExternalData = 0x24,
};

/* Kept for the tests: "Error: text" a line. */
inline std::string standin_messages;
template <typename... Args>
void standin_log(const char *level, const char *format, const Args &...args)
{
    char line[1024];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(line, sizeof line, format, args...);
#pragma GCC diagnostic pop
    standin_messages += std::string(level) + ": " + line + "\n";
}

using et_timestamp_t = uint64_t;
struct et_tick_ratio_t {
    uint64_t numerator, denominator;
};
inline et_timestamp_t pal_current_ticks() { return 1000000; }
inline et_tick_ratio_t pal_ticks_to_ns_multiplier() { return {1, 2}; } /* two ticks a nanosecond */

/* ---------------------------------------------------------------------------- small containers */

template <typename T> class Span
{
  public:
    Span() = default;
    Span(T *data, size_t size) : data_(data), size_(size) {}
    T *data() const { return data_; }
    size_t size() const { return size_; }
    T &operator[](size_t i) const { return data_[i]; }

  private:
    T *data_ = nullptr;
    size_t size_ = 0;
};

template <typename T> class ArrayRef
{
  public:
    ArrayRef() = default;
    ArrayRef(const T *data, size_t size) : data_(data), size_(size) {}
    size_t size() const { return size_; }
    const T &operator[](size_t i) const { return data_[i]; }

  private:
    const T *data_ = nullptr;
    size_t size_ = 0;
};

template <typename T> class Result
{
  public:
    Result(Error error) : value_(error) {}
    Result(T value) : value_(std::move(value)) {}
    bool ok() const { return std::holds_alternative<T>(value_); }
    Error error() const { return ok() ? Error::Ok : *std::get_if<Error>(&value_); }
    T &get() { return *std::get_if<T>(&value_); }

  private:
    std::variant<T, Error> value_;
};

class FreeableBuffer
{
  public:
    using FreeFn = void (*)(void *context, void *data, size_t size);
    FreeableBuffer(const void *data, size_t size, FreeFn free, void *context)
        : data_(data), size_(size), free_(free), context_(context)
    {
    }
    FreeableBuffer(FreeableBuffer &&other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
          free_(other.free_), context_(other.context_)
    {
    }
    ~FreeableBuffer() { Free(); }
    void Free()
    {
        if (data_ && free_)
            free_(context_, const_cast<void *>(data_), size_);
        data_ = nullptr;
        size_ = 0;
    }
    const void *data() const { return data_; }
    Result<const void *> data_safe() const { return data_; }
    size_t size() const { return size_; }

  private:
    const void *data_;
    size_t size_;
    FreeFn free_;
    void *context_;
};

} // namespace executorch::runtime

/* ----------------------------------------------------------------------------- tensors, values */

namespace executorch::aten
{

enum class ScalarType : int8_t {
    Byte = 0,
    Char = 1,
    Short = 2,
    Int = 3,
    Long = 4,
    Half = 5,
    Float = 6,
    Double = 7,
    Bool = 11,
};
using SizesType = int32_t;

struct TensorImpl {
    ScalarType type;
    std::vector<SizesType> sizes;
    std::vector<uint8_t> order;
    void *data;
    ssize_t room; /* elements */
};

class Tensor
{
  public:
    explicit Tensor(TensorImpl *impl) : impl_(impl) {}
    ScalarType scalar_type() const { return impl_->type; }
    ssize_t dim() const { return (ssize_t)impl_->sizes.size(); }
    ssize_t size(ssize_t i) const { return impl_->sizes[(size_t)i]; }
    ssize_t numel() const
    {
        ssize_t n = 1;
        for (SizesType size : impl_->sizes)
            n *= size;
        return n;
    }
    size_t nbytes() const
    {
        static const uint8_t bytes[12] = {1, 1, 2, 4, 8, 2, 4, 8, 0, 0, 0, 1};
        return (size_t)numel() * bytes[(size_t)impl_->type];
    }
    runtime::ArrayRef<uint8_t> dim_order() const
    {
        return {impl_->order.data(), impl_->order.size()};
    }
    const void *const_data_ptr() const { return impl_->data; }
    void *mutable_data_ptr() const { return impl_->data; }
    TensorImpl *unsafeGetTensorImpl() const { return impl_; }

  private:
    TensorImpl *impl_;
};

} // namespace executorch::aten

namespace executorch::runtime
{

inline Error resize_tensor(aten::Tensor tensor, ArrayRef<aten::SizesType> sizes)
{
    aten::TensorImpl *impl = tensor.unsafeGetTensorImpl();
    ssize_t n = 1;
    for (size_t i = 0; i < sizes.size(); i++)
        n *= sizes[i];
    if (sizes.size() != impl->sizes.size() || n > impl->room)
        return Error::NotSupported;
    for (size_t i = 0; i < sizes.size(); i++)
        impl->sizes[i] = sizes[i];
    return Error::Ok;
}

class EValue
{
  public:
    EValue() = default;
    explicit EValue(int64_t value) : value_(value) {}
    explicit EValue(double value) : value_(value) {}
    explicit EValue(bool value) : value_(value) {}
    explicit EValue(aten::Tensor value) : value_(value) {}
    bool isInt() const { return std::holds_alternative<int64_t>(value_); }
    bool isDouble() const { return std::holds_alternative<double>(value_); }
    bool isBool() const { return std::holds_alternative<bool>(value_); }
    bool isTensor() const { return std::holds_alternative<aten::Tensor>(value_); }
    int64_t toInt() const { return *std::get_if<int64_t>(&value_); }
    double toDouble() const { return *std::get_if<double>(&value_); }
    bool toBool() const { return *std::get_if<bool>(&value_); }
    const aten::Tensor &toTensor() const { return *std::get_if<aten::Tensor>(&value_); }

  private:
    std::variant<std::monostate, int64_t, double, bool, aten::Tensor> value_;
};

/* -------------------------------------------------------------------------------------- tracing */

using DebugHandle = uint32_t;
struct EventTracer {
    struct event {
        std::string name;
        et_timestamp_t start, end;
    };
    std::vector<event> events;
};

inline void event_tracer_log_profiling_delegate(EventTracer *tracer, const char *name, DebugHandle,
                                                et_timestamp_t start, et_timestamp_t end)
{
    if (tracer)
        tracer->events.push_back({name, start, end});
}

/* -------------------------------------------------------------------------------------- backend */

constexpr size_t kMaxOptionKeyLength = 64, kMaxOptionValueLength = 256;
using OptionValue = std::variant<bool, int, std::array<char, kMaxOptionValueLength>>;
struct BackendOption {
    char key[kMaxOptionKeyLength]{};
    OptionValue value;
};

class NamedDataMap
{
  public:
    virtual ~NamedDataMap() = default;
    virtual Result<FreeableBuffer> get_data(std::string_view key) const = 0;
};

struct SizedBuffer {
    void *buffer;
    size_t nbytes;
};
struct CompileSpec {
    const char *key;
    SizedBuffer value;
};

class BackendInitContext
{
  public:
    EventTracer *tracer = nullptr;
    const NamedDataMap *map = nullptr;
    Span<const BackendOption> specs;
    EventTracer *event_tracer() { return tracer; }
    const NamedDataMap *get_named_data_map() const { return map; }
    Span<const BackendOption> runtime_specs() const { return specs; }
};

class BackendExecutionContext
{
  public:
    EventTracer *tracer = nullptr;
    EventTracer *event_tracer() { return tracer; }
};

class BackendOptionContext
{
};

using DelegateHandle = void;
class BackendInterface
{
  public:
    virtual ~BackendInterface() = default;
    virtual bool is_available() const = 0;
    virtual Result<DelegateHandle *> init(BackendInitContext &, FreeableBuffer *,
                                          ArrayRef<CompileSpec>) const = 0;
    virtual Error execute(BackendExecutionContext &, DelegateHandle *, Span<EValue *>) const = 0;
    virtual Error set_option(BackendOptionContext &, const Span<BackendOption> &) = 0;
    virtual Error get_option(BackendOptionContext &, Span<BackendOption> &) = 0;
    virtual void destroy(DelegateHandle *) const = 0;
};

struct Backend {
    const char *name;
    BackendInterface *backend;
};
/* Room for one, as a table that can be full. */
inline Backend standin_registered;
inline BackendInterface *get_backend_class(const char *name)
{
    return standin_registered.name && !strcmp(standin_registered.name, name)
               ? standin_registered.backend
               : nullptr;
}
inline Error register_backend(const Backend &backend)
{
    if (standin_registered.name)
        return strcmp(standin_registered.name, backend.name) ? Error::Internal
                                                             : Error::InvalidArgument;
    standin_registered = backend;
    return Error::Ok;
}

} // namespace executorch::runtime

#endif
