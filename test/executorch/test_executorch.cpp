/* The adapter for ExecuTorch against a stand-in of its headers (standin.h): what a runtime hands
 * in, right and wrong. */
#include "vkd_executorch.h"

#include "executorch/standin.h"

extern "C" {
#include "support/blob_builder.h"
#include "support/gpu.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
}

using namespace executorch::runtime;
using executorch::aten::ScalarType;
using executorch::aten::Tensor;
using executorch::aten::TensorImpl;

/* ---------------------------------------------------- steps between the adapter and the library */

static int engines_made, availability_asked;
static vkd_status forced = VKD_OK; /* what vkd_execute returns without having run */

extern "C" {
vkd_status __real_vkd_engine_create(const vkd_options *options, vkd_engine **out);
vkd_status __wrap_vkd_engine_create(const vkd_options *options, vkd_engine **out)
{
    engines_made++;
    return __real_vkd_engine_create(options, out);
}
bool __real_vkd_is_available(void);
bool __wrap_vkd_is_available(void)
{
    availability_asked++;
    return __real_vkd_is_available();
}
vkd_status __real_vkd_execute(vkd_delegate *delegate, vkd_tensor_arg *args, size_t count);
vkd_status __wrap_vkd_execute(vkd_delegate *delegate, vkd_tensor_arg *args, size_t count)
{
    return forced != VKD_OK ? forced : __real_vkd_execute(delegate, args, count);
}
}

/* ----------------------------------------------------------------------- a runtime's side of it */

struct tensor {
    TensorImpl impl;
    Tensor handle;
    EValue value;
    tensor(ScalarType type, std::vector<int32_t> sizes, void *data)
        : impl{type, sizes, {}, data, 1}, handle(&impl), value(handle)
    {
        for (size_t i = 0; i < sizes.size(); i++) {
            impl.order.push_back((uint8_t)i);
            impl.room *= sizes[i];
        }
    }
};

struct data_map final : NamedDataMap {
    small_model *model;
    Error failure = Error::Ok; /* what is said of "scales" */
    mutable int found = 0, freed = 0;

    static void freed_one(void *self, void *, size_t) { ((data_map *)self)->freed++; }
    Result<FreeableBuffer> get_data(std::string_view key) const override
    {
        const struct {
            const char *key;
            const void *data;
            size_t size;
        } rows[] = {{"weight", model->weight, sizeof model->weight},
                    {"sums", model->sums, sizeof model->sums},
                    {"scales", model->scales, sizeof model->scales},
                    {"bias", model->bias, sizeof model->bias}};
        if (failure != Error::Ok && key == "scales")
            return failure;
        for (const auto &row : rows)
            if (key == row.key) {
                found++;
                return FreeableBuffer(row.data, row.size, freed_one, (void *)this);
            }
        return Error::NotFound;
    }
};

/* A delegate as a runtime loads and runs it. */
struct loaded {
    small_model model;
    data_map map;
    EventTracer tracer;
    BackendInitContext init;
    BackendExecutionContext execution;
    DelegateHandle *handle = nullptr;
    int blob_freed = 0;
    float y[SMALL_Y] = {};
    tensor in{ScalarType::Float, {1, SMALL_IN, SMALL_H, SMALL_W}, model.x};
    tensor out{ScalarType::Float, {1, SMALL_OUT, SMALL_H, SMALL_W}, y};

    explicit loaded(bool named)
    {
        small_begin(&model, named, nullptr);
        map.model = &model;
        init.map = &map;
        standin_messages.clear();
    }
    ~loaded()
    {
        backend()->destroy(handle);
        small_end(&model);
    }
    static BackendInterface *backend() { return get_backend_class("VulkanBackend"); }
    static void blob_free(void *count, void *, size_t) { ++*(int *)count; }
    Error load(bool dynamic = false)
    {
        bool yes = true;
        const CompileSpec spec = {"require_dynamic_shapes", {&yes, 1}};
        FreeableBuffer *blob = new FreeableBuffer(model.blob, model.size, blob_free, &blob_freed);
        buffers.emplace_back(blob);
        Result<DelegateHandle *> result =
            backend()->init(init, blob, ArrayRef<CompileSpec>(&spec, dynamic));
        if (result.ok())
            handle = result.get();
        return result.error();
    }
    Error run(std::vector<EValue *> args)
    {
        return backend()->execute(execution, handle, Span<EValue *>(args.data(), args.size()));
    }
    void check()
    {
        memset(y, 0, sizeof y);
        assert_int_equal(run({&in.value, &out.value}), Error::Ok);
        assert_memory_equal(y, model.y, sizeof y);
    }
    struct deleter {
        FreeableBuffer *buffer;
        explicit deleter(FreeableBuffer *b) : buffer(b) {}
        deleter(deleter &&o) noexcept : buffer(std::exchange(o.buffer, nullptr)) {}
        ~deleter() { delete buffer; }
    };
    std::vector<deleter> buffers;
};

static bool said(const char *text) { return standin_messages.find(text) != std::string::npos; }

static BackendOption option_of(const char *key, OptionValue value)
{
    BackendOption option;
    snprintf(option.key, sizeof option.key, "%s", key);
    option.value = value;
    return option;
}

static BackendOption option_of(const char *key, const char *text)
{
    std::array<char, kMaxOptionValueLength> value{};
    snprintf(value.data(), value.size(), "%s", text);
    return option_of(key, OptionValue(value));
}

static Error set(std::vector<BackendOption> options)
{
    BackendOptionContext context;
    return loaded::backend()->set_option(context,
                                         Span<BackendOption>(options.data(), options.size()));
}

static OptionValue get(const char *key)
{
    BackendOptionContext context;
    BackendOption option = option_of(key, false);
    Span<BackendOption> asked(&option, 1);
    assert_int_equal(loaded::backend()->get_option(context, asked), Error::Ok);
    return option.value;
}

/* ---------------------------------------------------------------------------------------- tests */

static void is_registered_once(void **)
{
    BackendInterface *ours = loaded::backend();
    assert_non_null(ours); /* before main() */
    assert_int_equal(vkd_executorch_register(), Error::Ok);
    assert_ptr_equal(loaded::backend(), ours);
    Backend kept = std::exchange(standin_registered, Backend{"VulkanBackend", nullptr});
    assert_int_equal(vkd_executorch_register(), Error::InvalidArgument); /* another has the name */
    standin_registered = {"OtherBackend", ours};
    assert_int_equal(vkd_executorch_register(), Error::Internal); /* the table is full */
    standin_registered = kept;
}

static void options_by_name(void **)
{
    assert_int_equal(set({option_of("no_cache", true), option_of("timeout_ms", 60000)}), Error::Ok);
    assert_true(*std::get_if<bool>(&(const OptionValue &)get("no_cache")));
    assert_int_equal(*std::get_if<int>(&(const OptionValue &)get("timeout_ms")), 60000);
    const BackendOption wrong[] = {
        option_of("no_such_option", true), option_of("no_cache", 1), option_of("timeout_ms", "1"),
        option_of("timeout_ms", -1),       option_of("select", "x"), option_of("log_level", "loud"),
        option_of("priority", "highest"),  option_of("priority", 1), option_of("max_submit_ms", -1),
        option_of("self_check", "some"),
    };
    for (const BackendOption &option : wrong) {
        standin_messages.clear();
        assert_int_equal(set({option_of("timeout_ms", 7), option}), Error::InvalidArgument);
        assert_true(said(option.key)); /* the message names it */
        assert_int_equal(*std::get_if<int>(&(const OptionValue &)get("timeout_ms")), 60000);
    }
    BackendOption endless = option_of("device", "");
    std::get_if<std::array<char, kMaxOptionValueLength>>(&endless.value)->fill('x');
    assert_int_equal(set({endless}), Error::InvalidArgument);
    BackendOptionContext context;
    BackendOption unknown = option_of("no_such_option", false);
    Span<BackendOption> asked(&unknown, 1);
    assert_int_equal(loaded::backend()->get_option(context, asked), Error::NotFound);
}

static void runs_and_gives_memory_back(void **)
{
    gpu_needed();
    for (bool named : {false, true}) {
        loaded d(named);
        assert_int_equal(d.load(), Error::Ok);
        assert_int_equal(d.blob_freed, 1); /* packed, not needed any more */
        assert_int_equal(d.map.found, named ? 4 : 0);
        assert_int_equal(d.map.freed, d.map.found);
        d.check();
        d.check();
    }
}

static void runtime_specs_override(void **)
{
    gpu_needed();
    loaded d(false);
    const BackendOption specs[] = {option_of("device", "no such device")};
    d.init.specs = Span<const BackendOption>(specs, 1);
    assert_int_equal(d.load(), Error::NotFound);
    assert_true(said("no such device"));
    const BackendOption wrong[] = {option_of("variant", "no such variant")};
    d.init.specs = Span<const BackendOption>(wrong, 1);
    assert_int_equal(d.load(), Error::InvalidArgument);
    d.init.specs = {};
    assert_int_equal(d.load(), Error::Ok);
    d.check();
}

static void self_check_by_name(void **)
{
    gpu_needed();
    for (const char *value : {"all", "none"}) {
        loaded d(false);
        const BackendOption specs[] = {option_of("self_check", value), option_of("no_cache", true),
                                       option_of("log_level", "debug")};
        d.init.specs = Span<const BackendOption>(specs, 3);
        standin_messages.clear();
        assert_int_equal(d.load(), Error::Ok);
        assert_int_equal(said("checked in"), !strcmp(value, "all"));
        d.check();
    }
}

static void wrong_arguments(void **)
{
    gpu_needed();
    loaded d(false);
    EValue nothing;
    assert_int_equal(d.load(), Error::Ok);
    assert_int_equal(d.run({&d.in.value}), Error::InvalidArgument);
    assert_true(said("1 arguments"));
    assert_int_equal(d.run({&nothing, &d.out.value}), Error::InvalidType);
    assert_int_equal(d.run({&d.in.value, &nothing}), Error::InvalidType);
    d.in.impl.type = ScalarType::Short;
    assert_int_equal(d.run({&d.in.value, &d.out.value}), Error::InvalidType);
    assert_true(said("input 0 has a dtype"));
    d.in.impl.type = ScalarType::Char;
    assert_int_equal(d.run({&d.in.value, &d.out.value}), Error::InvalidArgument);
    d.in.impl.type = ScalarType::Float;
    d.in.impl.order = {0, 2, 3, 1};
    assert_int_equal(d.run({&d.in.value, &d.out.value}), Error::InvalidArgument);
    assert_true(said("dim order"));
    d.in.impl.order = {1, 0, 2, 3}; /* the first has one element: the same bytes */
    d.check();
    d.out.impl.order = {0, 1, 3, 2};
    assert_int_equal(d.run({&d.in.value, &d.out.value}), Error::InvalidArgument);
    assert_true(said("output 0"));
    d.out.impl.order = {0, 1, 2, 3};
    EValue between(int64_t{1}); /* ignored, as ExecuTorch does */
    assert_int_equal(d.run({&d.in.value, &between, &d.out.value}), Error::Ok);
    d.check();
}

static void wider_types(void **)
{
    gpu_needed();
    loaded d(false);
    double wide_x[SMALL_X], wide_y[SMALL_Y];
    for (int i = 0; i < SMALL_X; i++)
        wide_x[i] = (double)d.model.x[i];
    tensor in(ScalarType::Double, d.in.impl.sizes, wide_x);
    tensor out(ScalarType::Double, d.out.impl.sizes, wide_y);
    assert_int_equal(d.load(), Error::Ok);
    assert_int_equal(d.run({&in.value, &out.value}), Error::Ok);
    for (int i = 0; i < SMALL_Y; i++)
        assert_true(wide_y[i] == (double)d.model.y[i]);
}

static void outputs_are_resized(void **)
{
    gpu_needed();
    loaded d(true);
    assert_int_equal(d.load(true), Error::Ok);
    assert_int_equal(d.blob_freed, 0); /* may be packed again */
    assert_int_equal(d.map.freed, 0);
    d.check();
    for (int rows : {2, int{SMALL_H}, 1}) {
        d.in.impl.sizes[2] = rows;
        assert_int_equal(d.run({&d.in.value, &d.out.value}), Error::Ok);
        assert_int_equal(d.out.impl.sizes[2], rows);
    }
    d.in.impl.sizes[2] = SMALL_H;
    d.check();
    d.out.impl.room = 1; /* cannot become as large as it must */
    d.out.impl.sizes[2] = 1;
    assert_int_not_equal(d.run({&d.in.value, &d.out.value}), Error::Ok);
    assert_int_equal(d.map.freed, 0);
    loaded::backend()->destroy(std::exchange(d.handle, nullptr));
    assert_int_equal(d.map.freed, 4);
}

static void the_maps_errors_are_passed_on(void **)
{
    gpu_needed();
    for (Error failure :
         {Error::NotFound, Error::InvalidExternalData, Error::MemoryAllocationFailed}) {
        loaded d(true);
        d.map.failure = failure;
        assert_int_equal(d.load(), failure);
        assert_int_equal(d.map.freed, d.map.found);
    }
    loaded d(true);
    d.init.map = nullptr;
    assert_int_not_equal(d.load(), Error::Ok);
}

static void damaged_blobs(void **)
{
    gpu_needed();
    loaded d(false);
    ((char *)d.model.blob)[4] = 'X';
    assert_int_equal(d.load(), Error::InvalidProgram);
    small_flaw flaw = {};
    flaw.conv_name = "no.such.operator";
    small_end(&d.model);
    small_begin(&d.model, false, &flaw);
    assert_int_equal(d.load(), Error::NotSupported);
    assert_true(said("no.such.operator"));
}

static void equal_options_share_an_engine(void **)
{
    gpu_needed();
    assert_int_equal(set({option_of("no_cache", true)}), Error::Ok);
    int before = engines_made;
    {
        loaded a(false), b(false), c(false);
        const BackendOption other[] = {option_of("cache_dir", "/nowhere/at/all")};
        const BackendOption slow[] = {option_of("timeout_ms", 70000)};
        c.init.specs = Span<const BackendOption>(other, 1);
        b.init.specs = Span<const BackendOption>(slow, 1);
        assert_int_equal(a.load(), Error::Ok);
        assert_int_equal(b.load(), Error::Ok); /* the time-out is the delegate's own */
        assert_int_equal(engines_made, before + 1);
        assert_int_equal(c.load(), Error::Ok);
        assert_int_equal(engines_made, before + 2);
        a.check(), b.check(), c.check();
        /* A lost device is given to nobody. */
        forced = VKD_DEVICE_LOST;
        assert_int_equal(a.run({&a.in.value, &a.out.value}), Error::InvalidState);
        forced = VKD_OK;
        loaded d(false), e(false);
        assert_int_equal(d.load(), Error::Ok);
        assert_int_equal(e.load(), Error::Ok);
        assert_int_equal(engines_made, before + 3);
        d.check();
    }
    loaded f(false);
    assert_int_equal(f.load(), Error::Ok);
    assert_int_equal(engines_made, before + 4); /* the others are gone */
}

static void every_status_is_an_error(void **)
{
    gpu_needed();
    loaded d(false);
    const struct {
        vkd_status status;
        Error error;
    } rows[] = {{VKD_INVALID_ARGUMENT, Error::InvalidArgument},
                {VKD_INVALID_MODEL, Error::InvalidProgram},
                {VKD_UNSUPPORTED, Error::NotSupported},
                {VKD_NO_DEVICE, Error::NotFound},
                {VKD_OUT_OF_MEMORY, Error::MemoryAllocationFailed},
                {VKD_IO_ERROR, Error::AccessFailed},
                {VKD_NOT_FOUND, Error::NotFound},
                {VKD_DEVICE_ERROR, Error::Internal},
                {VKD_DEVICE_LOST, Error::InvalidState}};
    assert_int_equal(d.load(), Error::Ok);
    for (const auto &row : rows) {
        forced = row.status;
        assert_int_equal(d.run({&d.in.value, &d.out.value}), row.error);
    }
    forced = VKD_OK;
}

static void availability_is_asked_once(void **)
{
    gpu_needed();
    for (int i = 0; i < 100; i++)
        assert_true(loaded::backend()->is_available());
    assert_int_equal(availability_asked, 1);
}

static void dispatches_are_events(void **)
{
    gpu_needed();
    loaded d(false);
    d.init.tracer = d.execution.tracer = &d.tracer;
    assert_int_equal(d.load(), Error::Ok);
    d.check();
    assert_true(d.tracer.events.size() >= 1);
    et_timestamp_t last = 1000000;
    for (const EventTracer::event &event : d.tracer.events) {
        unsigned id;
        char kernel[64], shape[64];
        assert_int_equal(sscanf(event.name.c_str(), "%u %63s %63s", &id, kernel, shape), 3);
        assert_true(event.start >= last && event.end > event.start);
        last = event.start;
    }
    size_t count = d.tracer.events.size();
    d.check();
    assert_int_equal(d.tracer.events.size(), 2 * count);
}

/* y = x[n], where n is a SymInt: an int, or a tensor of one element. */
static void numbers_are_arguments(void **)
{
    gpu_needed();
    float x[6] = {0, 1, 2, 3, 4, 5}, y[2];
    const uint32_t x_dims[2] = {3, 2}, y_dims[1] = {2};
    vkd_blob_builder *b = blob_new();
    uint32_t in[2] = {blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 2, x_dims, -1), blob_symint(b, 0)};
    uint32_t out = blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 1, y_dims, -1);
    const uint32_t args[4] = {in[0], blob_int(b, 0), in[1], out};
    blob_op(b, "aten.select_copy.int", 0, args, 4);
    blob_io(b, in, 2, &out, 1);
    loaded d(false);
    small_end(&d.model);
    d.model.blob = blob_finish(b, &d.model.size);
    tensor tx(ScalarType::Float, {3, 2}, x), ty(ScalarType::Float, {2}, y);
    assert_int_equal(d.load(), Error::Ok);
    int64_t one = 1;
    EValue two(int64_t{2}), real(1.5);
    tensor boxed(ScalarType::Long, {1}, &one);
    assert_int_equal(d.run({&tx.value, &two, &ty.value}), Error::Ok);
    assert_true(y[0] == 4 && y[1] == 5);
    assert_int_equal(d.run({&tx.value, &boxed.value, &ty.value}), Error::Ok);
    assert_true(y[0] == 2 && y[1] == 3);
    assert_int_equal(d.run({&tx.value, &real, &ty.value}), Error::InvalidArgument);
}

int main()
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_registered_once),
        cmocka_unit_test(options_by_name),
        cmocka_unit_test(runs_and_gives_memory_back),
        cmocka_unit_test(runtime_specs_override),
        cmocka_unit_test(self_check_by_name),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(wider_types),
        cmocka_unit_test(outputs_are_resized),
        cmocka_unit_test(the_maps_errors_are_passed_on),
        cmocka_unit_test(damaged_blobs),
        cmocka_unit_test(equal_options_share_an_engine),
        cmocka_unit_test(every_status_is_an_error),
        cmocka_unit_test(availability_is_asked_once),
        cmocka_unit_test(dispatches_are_events),
        cmocka_unit_test(numbers_are_arguments),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}
