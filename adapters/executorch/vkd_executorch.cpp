#include "vkd_executorch.h"

#include <executorch/runtime/backend/interface.h>
#include <executorch/runtime/core/evalue.h>
#include <executorch/runtime/core/event_tracer_hooks_delegate.h>
#include <executorch/runtime/core/exec_aten/util/tensor_util.h>
#include <executorch/runtime/platform/log.h>
#include <executorch/runtime/platform/platform.h>

#include <array>
#include <atomic>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>
#include <variant>

#include <vkdelegate.h>

namespace
{

using namespace executorch::runtime;
using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::aten::Tensor;

#define TRY(call)                                                                                  \
    do {                                                                                           \
        Error try_error = (call);                                                                  \
        if (try_error != Error::Ok)                                                                \
            return try_error;                                                                      \
    } while (0)

Error to_error(vkd_status status)
{
    switch (status) {
    case VKD_OK:
        return Error::Ok;
    case VKD_INVALID_ARGUMENT:
        return Error::InvalidArgument;
    case VKD_INVALID_MODEL:
        return Error::InvalidProgram;
    case VKD_UNSUPPORTED:
        return Error::NotSupported;
    case VKD_NO_DEVICE:
    case VKD_NOT_FOUND:
        return Error::NotFound;
    case VKD_DEVICE_LOST:
        return Error::InvalidState;
    case VKD_OUT_OF_MEMORY:
        return Error::MemoryAllocationFailed;
    case VKD_IO_ERROR:
        return Error::AccessFailed;
    case VKD_DEVICE_ERROR:
        break;
    }
    return Error::Internal;
}

void forward_log(void *, vkd_log_level level, const char *message)
{
    switch (level) {
    case VKD_LOG_ERROR:
        ET_LOG(Error, "vkdelegate: %s", message);
        break;
    case VKD_LOG_WARNING:
        ET_LOG(Info, "vkdelegate: warning: %s", message);
        break;
    case VKD_LOG_INFO:
        ET_LOG(Info, "vkdelegate: %s", message);
        break;
    case VKD_LOG_DEBUG:
        ET_LOG(Debug, "vkdelegate: %s", message);
        break;
    }
    (void)message; /* where ET_LOG is nothing */
}

/* -------------------------------------------------------------------------------------- options */

/* Those that choose an engine come first. */
enum option {
    DEVICE,
    CACHE_DIR,
    NO_CACHE,
    VALIDATE,
    PRIORITY,
    ENGINE_OPTIONS,
    TIMEOUT_MS = ENGINE_OPTIONS,
    SELECT,
    VARIANT,
    PROFILE,
    LOG_LEVEL,
    MEASURE_BUDGET_MS,
    NO_SELF_CHECK,
    MAX_SUBMIT_MS,
    SELF_CHECK,
    OPTION_COUNT
};

const char *const option_names[OPTION_COUNT] = {
    "device",        "cache_dir", "no_cache", "validate",  "priority",          "timeout_ms",
    "select",        "variant",   "profile",  "log_level", "measure_budget_ms", "no_self_check",
    "max_submit_ms", "self_check"};

using text = std::array<char, kMaxOptionValueLength>;
using settings = std::array<OptionValue, OPTION_COUNT>; /* a value's type is the option's */

const char *const select_names[] = {"auto", "measure", nullptr}; /* vkd_select */
const char *const priority_names[] = {"default", "low", "high", "realtime",
                                      nullptr}; /* vkd_priority */
const char *const level_names[] = {"error", "warning", "info", "debug",
                                   nullptr};                        /* vkd_log_level */
const char *const check_names[] = {"auto", "none", "all", nullptr}; /* vkd_self_check */

/* What a text may be; null: any. */
const char *const *names_of(size_t which)
{
    return which == SELECT       ? select_names
           : which == PRIORITY   ? priority_names
           : which == LOG_LEVEL  ? level_names
           : which == SELF_CHECK ? check_names
                                 : nullptr;
}

settings initial_settings()
{
    return {text{}, text{},         false,  false,         text{{"default"}},
            0,      text{{"auto"}}, text{}, false,         text{{"warning"}},
            0,      false,          0,      text{{"auto"}}};
}

const char *text_of(const settings &all, option which)
{
    return std::get_if<text>(&all[which])->data();
}

bool flag_of(const settings &all, option which) { return *std::get_if<bool>(&all[which]); }

uint32_t number_of(const settings &all, option which)
{
    return static_cast<uint32_t>(*std::get_if<int>(&all[which]));
}

int index_of(const char *const *names, const char *name)
{
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

/* What is behind a text's end is not compared. */
bool same_value(const settings &a, const settings &b, size_t which)
{
    const text *x = std::get_if<text>(&a[which]), *y = std::get_if<text>(&b[which]);
    return x && y ? !strcmp(x->data(), y->data()) : a[which] == b[which];
}

bool find_option(const BackendOption &given, size_t *out)
{
    for (*out = 0; *out < OPTION_COUNT; ++*out)
        if (!strncmp(given.key, option_names[*out], kMaxOptionKeyLength))
            return true;
    ET_LOG(Error, "vkdelegate: there is no option '%.*s'", (int)kMaxOptionKeyLength, given.key);
    return false;
}

Error take_option(const BackendOption &given, settings *all)
{
    size_t which;
    if (!find_option(given, &which))
        return Error::InvalidArgument;
    const text *value = std::get_if<text>(&given.value);
    const int *number = std::get_if<int>(&given.value);
    if (given.value.index() != (*all)[which].index() ||
        (value && !memchr(value->data(), 0, value->size())) || (number && *number < 0) ||
        (value && names_of(which) && index_of(names_of(which), value->data()) < 0)) {
        ET_LOG(Error, "vkdelegate: option %s: a value that it does not take", option_names[which]);
        return Error::InvalidArgument;
    }
    (*all)[which] = given.value;
    return Error::Ok;
}

/* All or none. */
Error take_options(Span<const BackendOption> given, settings *all)
{
    settings changed = *all;
    for (size_t i = 0; i < given.size(); i++)
        TRY(take_option(given[i], &changed));
    *all = changed;
    return Error::Ok;
}

/* Points into all. */
vkd_options options_of(const settings &all)
{
    vkd_options options = {};
    options.size = sizeof options;
    options.log = forward_log;
    options.log_level = static_cast<vkd_log_level>(index_of(level_names, text_of(all, LOG_LEVEL)));
    options.device = *text_of(all, DEVICE) ? text_of(all, DEVICE) : nullptr;
    options.cache_dir = *text_of(all, CACHE_DIR) ? text_of(all, CACHE_DIR) : nullptr;
    options.variant = *text_of(all, VARIANT) ? text_of(all, VARIANT) : nullptr;
    options.select = static_cast<vkd_select>(index_of(select_names, text_of(all, SELECT)));
    options.priority = static_cast<vkd_priority>(index_of(priority_names, text_of(all, PRIORITY)));
    options.no_cache = flag_of(all, NO_CACHE);
    options.validate = flag_of(all, VALIDATE);
    options.profile = flag_of(all, PROFILE);
    options.no_self_check = flag_of(all, NO_SELF_CHECK);
    options.self_check =
        static_cast<vkd_self_check>(index_of(check_names, text_of(all, SELF_CHECK)));
    options.timeout_ms = number_of(all, TIMEOUT_MS);
    options.measure_budget_ms = number_of(all, MEASURE_BUDGET_MS);
    options.max_submit_ms = number_of(all, MAX_SUBMIT_MS);
    return options;
}

/* -------------------------------------------------------------------------------------- engines */

struct shared_engine {
    vkd_engine *handle;
    settings chosen_by;
    size_t users;
    bool lost; /* its device */
    shared_engine *next;
};

/* Of the process. */
struct {
    std::mutex mutex;
    settings options = initial_settings();
    shared_engine *engines = nullptr;
} process;

bool chosen_by(const shared_engine &engine, const settings &all)
{
    for (size_t i = 0; i < ENGINE_OPTIONS; i++)
        if (!same_value(engine.chosen_by, all, i))
            return false;
    return !engine.lost;
}

Error engine_get(const settings &all, shared_engine **out)
{
    std::lock_guard<std::mutex> lock(process.mutex);
    shared_engine *engine = process.engines;
    while (engine && !chosen_by(*engine, all))
        engine = engine->next;
    if (!engine) {
        vkd_options options = options_of(all);
        engine = new (std::nothrow) shared_engine{nullptr, all, 0, false, process.engines};
        if (!engine)
            return Error::MemoryAllocationFailed;
        vkd_status status = vkd_engine_create(&options, &engine->handle);
        if (status != VKD_OK) {
            delete engine;
            return to_error(status);
        }
        process.engines = engine;
    }
    engine->users++;
    *out = engine;
    return Error::Ok;
}

void engine_release(shared_engine *engine)
{
    std::lock_guard<std::mutex> lock(process.mutex);
    if (--engine->users)
        return;
    shared_engine **at = &process.engines;
    while (*at != engine)
        at = &(*at)->next;
    *at = engine->next;
    vkd_engine_destroy(engine->handle);
    delete engine;
}

void note_status(shared_engine *engine, vkd_status status)
{
    if (status != VKD_DEVICE_LOST)
        return;
    std::lock_guard<std::mutex> lock(process.mutex);
    engine->lost = true;
}

/* ------------------------------------------------------------------------------------ delegates */

struct held_buffer {
    FreeableBuffer buffer;
    held_buffer *next;
};

union number {
    int64_t integer;
    double real;
    bool flag;
};

struct delegate {
    shared_engine *engine = nullptr;
    vkd_delegate *handle = nullptr;
    const NamedDataMap *map = nullptr;
    Error map_error = Error::Ok; /* the last one */
    held_buffer *held = nullptr; /* what the map gave and is still needed */
    size_t input_count = 0, output_count = 0;
    vkd_tensor_arg *args = nullptr; /* of the inputs and of the outputs */
    number *numbers = nullptr;      /* the values of those that are no tensors */
};

vkd_status find_data(void *user, const char *key, const void **out, size_t *out_size)
{
    delegate *d = static_cast<delegate *>(user);
    Result<FreeableBuffer> found = d->map->get_data(key);
    if (!found.ok()) {
        d->map_error = found.error();
        return d->map_error == Error::NotFound ? VKD_NOT_FOUND : VKD_IO_ERROR;
    }
    Result<const void *> data = found.get().data_safe();
    if (!data.ok()) {
        d->map_error = data.error();
        return VKD_IO_ERROR;
    }
    *out = data.get();
    *out_size = found.get().size();
    held_buffer *held = new (std::nothrow) held_buffer{std::move(found.get()), d->held};
    if (!held)
        return VKD_OUT_OF_MEMORY;
    d->held = held;
    return VKD_OK;
}

void release_data(void *user, const char *, const void *data, size_t)
{
    held_buffer **at = &static_cast<delegate *>(user)->held;
    while (*at && (*at)->buffer.data() != data)
        at = &(*at)->next;
    if (held_buffer *held = *at) {
        *at = held->next;
        delete held;
    }
}

void destroy_delegate(delegate *d)
{
    vkd_destroy(d->handle);
    while (held_buffer *held = d->held) {
        d->held = held->next;
        delete held;
    }
    if (d->engine)
        engine_release(d->engine);
    delete[] d->args;
    delete[] d->numbers;
    delete d;
}

Error init_handle(delegate *d, const vkd_options &options, FreeableBuffer *processed,
                  ArrayRef<CompileSpec> specs)
{
    Result<const void *> blob = processed->data_safe();
    if (!blob.ok())
        return blob.error();
    vkd_compile_spec *copies = new (std::nothrow) vkd_compile_spec[specs.size() + 1];
    if (!copies)
        return Error::MemoryAllocationFailed;
    for (size_t i = 0; i < specs.size(); i++)
        copies[i] = {sizeof *copies, specs[i].key, specs[i].value.buffer, specs[i].value.nbytes};
    vkd_named_data named = {sizeof named, find_data, release_data, d};
    vkd_status status = vkd_init(blob.get(), processed->size(), copies, specs.size(),
                                 d->map ? &named : nullptr, &options, &d->handle);
    delete[] copies;
    note_status(d->engine, status);
    if (status != VKD_OK)
        return d->map_error != Error::Ok ? d->map_error : to_error(status);
    if (!vkd_needs_constants(d->handle))
        processed->Free();
    return Error::Ok;
}

Error init_delegate(delegate *d, settings all, BackendInitContext &context,
                    FreeableBuffer *processed, ArrayRef<CompileSpec> specs)
{
    TRY(take_options(context.runtime_specs(), &all));
    TRY(engine_get(all, &d->engine));
    vkd_options options = options_of(all);
    options.engine = d->engine->handle;
    options.profile = options.profile || context.event_tracer();
    d->map = context.get_named_data_map();
    TRY(init_handle(d, options, processed, specs));
    d->input_count = vkd_input_count(d->handle);
    d->output_count = vkd_output_count(d->handle);
    d->args = new (std::nothrow) vkd_tensor_arg[d->input_count + d->output_count + 1];
    d->numbers = new (std::nothrow) number[d->input_count + d->output_count + 1];
    return d->args && d->numbers ? Error::Ok : Error::MemoryAllocationFailed;
}

/* ------------------------------------------------------------------------------------ execution */

bool to_dtype(ScalarType type, vkd_dtype *out)
{
    static const struct {
        ScalarType type;
        vkd_dtype dtype;
    } rows[] = {{ScalarType::Bool, VKD_DTYPE_BOOL},     {ScalarType::Byte, VKD_DTYPE_UINT8},
                {ScalarType::Char, VKD_DTYPE_INT8},     {ScalarType::Int, VKD_DTYPE_INT32},
                {ScalarType::Long, VKD_DTYPE_INT64},    {ScalarType::Half, VKD_DTYPE_FLOAT16},
                {ScalarType::Float, VKD_DTYPE_FLOAT32}, {ScalarType::Double, VKD_DTYPE_FLOAT64}};
    for (const auto &row : rows)
        if (row.type == type) {
            *out = row.dtype;
            return true;
        }
    return false;
}

/* Whether the bytes lie row-major: in the dims' order, but for those of one element. */
bool is_row_major(const Tensor &tensor)
{
    ssize_t last = -1;
    for (size_t i = 0; i < tensor.dim_order().size(); i++) {
        ssize_t dim = tensor.dim_order()[i];
        if (tensor.size(dim) == 1)
            continue;
        if (dim < last)
            return false;
        last = dim;
    }
    return true;
}

/* kind: "input", "output". */
Error describe_tensor(const Tensor &tensor, const char *kind, size_t index, vkd_tensor_arg *out)
{
    *out = {};
    out->size = sizeof *out;
    if (!to_dtype(tensor.scalar_type(), &out->dtype)) {
        ET_LOG(Error, "vkdelegate: %s %zu has a dtype that is not supported (ScalarType %d)", kind,
               index, static_cast<int>(tensor.scalar_type()));
        return Error::InvalidType;
    }
    if (tensor.dim() > VKD_MAX_RANK || !is_row_major(tensor)) {
        ET_LOG(Error,
               "vkdelegate: %s %zu: a tensor of rank %zd%s, expected a row-major one of %d "
               "dims at most",
               kind, index, static_cast<ssize_t>(tensor.dim()),
               is_row_major(tensor) ? "" : " in another dim order", VKD_MAX_RANK);
        return Error::InvalidArgument;
    }
    out->rank = static_cast<uint32_t>(tensor.dim());
    for (uint32_t i = 0; i < out->rank; i++)
        out->dims[i] = tensor.size(i);
    out->capacity = tensor.nbytes();
    (void)kind;
    (void)index;
    return Error::Ok;
}

/* A number as an argument without dims, whose bytes are at *room. */
Error describe_number(const EValue &value, const char *kind, size_t index, number *room,
                      vkd_tensor_arg *out)
{
    *out = {};
    out->size = sizeof *out;
    out->input = out->output = room;
    out->capacity = sizeof *room;
    if (value.isInt()) {
        out->dtype = VKD_DTYPE_INT64;
        room->integer = value.toInt();
    } else if (value.isDouble()) {
        out->dtype = VKD_DTYPE_FLOAT64;
        room->real = value.toDouble();
    } else if (value.isBool()) {
        out->dtype = VKD_DTYPE_BOOL;
        room->flag = value.toBool();
    } else {
        ET_LOG(Error, "vkdelegate: %s %zu is neither a tensor nor a number", kind, index);
        (void)kind;
        (void)index;
        return Error::InvalidType;
    }
    return Error::Ok;
}

Error take_input(delegate *d, size_t index, const EValue &value)
{
    vkd_tensor_arg *arg = &d->args[index];
    vkd_tensor_info info;
    if (!value.isTensor())
        return describe_number(value, "input", index, &d->numbers[index], arg);
    TRY(describe_tensor(value.toTensor(), "input", index, arg));
    arg->input = value.toTensor().const_data_ptr();
    if (vkd_input_info(d->handle, index, &info) == VKD_OK && !info.rank &&
        value.toTensor().numel() == 1)
        arg->rank = 0; /* a number in a tensor of one element */
    return Error::Ok;
}

Error resize(const Tensor &tensor, const int64_t *dims, uint32_t rank)
{
    SizesType sizes[VKD_MAX_RANK];
    for (uint32_t i = 0; i < rank; i++)
        sizes[i] = static_cast<SizesType>(dims[i]);
    return resize_tensor(tensor, ArrayRef<SizesType>(sizes, rank));
}

/* An output whose shape can change offers room for its largest, if it has that. */
Error offer_output(delegate *d, size_t index, const EValue &value)
{
    size_t at = d->input_count + index;
    vkd_tensor_info info;
    if (!value.isTensor())
        return describe_number(value, "output", index, &d->numbers[at], &d->args[at]);
    const Tensor &tensor = value.toTensor();
    if (vkd_output_info(d->handle, index, &info) == VKD_OK &&
        info.rank == static_cast<uint32_t>(tensor.dim())) {
        bool larger = false;
        for (uint32_t i = 0; i < info.rank; i++)
            larger = larger || info.dims[i] > tensor.size(i);
        if (larger)
            (void)resize(tensor, info.dims, info.rank);
    }
    TRY(describe_tensor(tensor, "output", index, &d->args[at]));
    d->args[at].output = tensor.mutable_data_ptr();
    return Error::Ok;
}

Error finish_output(delegate *d, size_t index, EValue *value)
{
    size_t at = d->input_count + index;
    if (value->isInt())
        *value = EValue(d->numbers[at].integer);
    else if (value->isDouble())
        *value = EValue(d->numbers[at].real);
    else if (value->isBool())
        *value = EValue(d->numbers[at].flag);
    else if (value->toTensor().dim() || d->args[at].rank)
        return resize(value->toTensor(), d->args[at].dims, d->args[at].rank);
    return Error::Ok;
}

void log_events(delegate *d, EventTracer *tracer, et_timestamp_t begin)
{
    et_tick_ratio_t ratio = pal_ticks_to_ns_multiplier(); /* nanoseconds a tick */
    if (!tracer || !ratio.numerator)
        return;
    vkd_node_info node;
    char name[256];
    for (size_t i = 0; vkd_describe_node(d->handle, i, &node) == VKD_OK; i++) {
        snprintf(name, sizeof name, "%" PRIu32 " %s %s", node.op_id, node.kernel, node.shape);
        et_timestamp_t start = node.start_ns * ratio.denominator / ratio.numerator;
        et_timestamp_t end = (node.start_ns + node.gpu_ns) * ratio.denominator / ratio.numerator;
        event_tracer_log_profiling_delegate(tracer, name, static_cast<DebugHandle>(-1),
                                            begin + start, begin + end);
    }
}

Error execute_delegate(delegate *d, EventTracer *tracer, Span<EValue *> args)
{
    size_t count = d->input_count + d->output_count;
    if (args.size() < count) {
        ET_LOG(Error, "vkdelegate: %zu arguments, expected %zu inputs and %zu outputs", args.size(),
               d->input_count, d->output_count);
        return Error::InvalidArgument;
    }
    EValue **outputs = args.data() + (args.size() - d->output_count);
    for (size_t i = 0; i < d->input_count; i++)
        TRY(take_input(d, i, *args[i]));
    for (size_t i = 0; i < d->output_count; i++)
        TRY(offer_output(d, i, *outputs[i]));
    et_timestamp_t begin = pal_current_ticks();
    vkd_status status = vkd_execute(d->handle, d->args, count);
    note_status(d->engine, status);
    TRY(to_error(status));
    for (size_t i = 0; i < d->output_count; i++)
        TRY(finish_output(d, i, outputs[i]));
    log_events(d, tracer, begin);
    return Error::Ok;
}

/* -------------------------------------------------------------------------------------- backend */

class backend final : public BackendInterface
{
  public:
    /* Asked for every delegate of a program. */
    bool is_available() const override
    {
        static std::atomic<bool> known{false};
        if (!known)
            known = vkd_is_available();
        return known;
    }

    Result<DelegateHandle *> init(BackendInitContext &context, FreeableBuffer *processed,
                                  ArrayRef<CompileSpec> specs) const override
    {
        process.mutex.lock();
        settings all = process.options;
        process.mutex.unlock();
        delegate *d = new (std::nothrow) delegate;
        if (!d)
            return Error::MemoryAllocationFailed;
        Error error = init_delegate(d, all, context, processed, specs);
        if (error != Error::Ok) {
            destroy_delegate(d);
            return error;
        }
        return static_cast<DelegateHandle *>(d);
    }

    Error execute(BackendExecutionContext &context, DelegateHandle *handle,
                  Span<EValue *> args) const override
    {
        return execute_delegate(static_cast<delegate *>(handle), context.event_tracer(), args);
    }

    Error set_option(BackendOptionContext &, const Span<BackendOption> &given) override
    {
        std::lock_guard<std::mutex> lock(process.mutex);
        return take_options({given.data(), given.size()}, &process.options);
    }

    Error get_option(BackendOptionContext &, Span<BackendOption> &asked) override
    {
        std::lock_guard<std::mutex> lock(process.mutex);
        size_t which;
        for (size_t i = 0; i < asked.size(); i++) {
            if (!find_option(asked[i], &which))
                return Error::NotFound;
            asked[i].value = process.options[which];
        }
        return Error::Ok;
    }

    void destroy(DelegateHandle *handle) const override
    {
        if (handle)
            destroy_delegate(static_cast<delegate *>(handle));
    }
};

} // namespace

extern "C" Error vkd_executorch_register(void)
{
    static backend instance;
    if (get_backend_class(vkd_backend.id) == &instance)
        return Error::Ok;
    return register_backend({vkd_backend.id, &instance});
}

namespace
{
const Error registered = vkd_executorch_register();
}
