#include "runner/session.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/file.h"
#include "runner/tensor.h"

/* The library beside this program, as in a build folder, or in the lib folder that belongs to its
 * bin folder, as installed; else the bare name, which the dynamic loader looks up. The run path of
 * the program would do, if AddressSanitizer's dlopen saw it. */
static const char *find_library(char path[PATH_MAX])
{
    static const char *const places[] = {".", VKD_LIBRARY_FROM_BIN};
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return VKD_LIBRARY_NAME;
    program[length] = 0;
    *strrchr(program, '/') = 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int size = snprintf(path, PATH_MAX, "%s/%s/%s", program, places[i], VKD_LIBRARY_NAME);
        if (size < PATH_MAX && !access(path, F_OK))
            return path;
    }
    return VKD_LIBRARY_NAME;
}

/* There is no dlclose: the process ends soon, and drivers do not always survive being unloaded. */
static run_exit load_library(const char *path, const vkd_backend_table **out)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return run_fail(RUN_IO, "cannot load the library: %s", dlerror());
    const vkd_backend_table *backend = dlsym(library, "vkd_backend");
    if (!backend)
        return run_fail(RUN_IO, "%s is no vkdelegate library: %s", path, dlerror());
    if (backend->abi_version != VKD_BACKEND_ABI)
        return run_fail(RUN_IO, "%s has plug-in ABI %u, this vkd-run needs %u", path,
                        backend->abi_version, VKD_BACKEND_ABI);
    if (backend->table_size < sizeof *backend)
        return run_fail(
            RUN_IO, "%s is older than this vkd-run: its plug-in table has %u bytes, %zu are needed",
            path, backend->table_size, sizeof *backend);
    *out = backend;
    return RUN_OK;
}

/* The phase that began at start_ms is over. */
static void add_phase(run_session *session, const char *name, double start_ms)
{
    session->phases[session->phase_count++] = (run_phase){name, start_ms, run_now_ms()};
}

/* The first input is an image of bytes. */
static void use_pixels(run_session *session)
{
    vkd_pixels *pixels = &session->pixels;
    *pixels = (vkd_pixels){.size = sizeof *pixels, .channels_last = true, .std = {1, 1, 1, 1}};
    for (int c = 0; c < 3; c++) {
        pixels->mean[c] = (double)session->options->mean[c];
        pixels->std[c] = (double)session->options->std[c];
    }
    session->vkd.pixels = pixels;
    session->vkd.pixel_count = 1;
}

run_exit run_session_start(const run_options *options, run_session *out)
{
    const char *path = options->library;
    char found[PATH_MAX];
    double start = run_now_ms();
    *out = (run_session){.options = options};
    out->vkd = (vkd_options){
        .size = sizeof out->vkd,
        .log = run_log_message,
        .log_user = &out->log,
        .log_level = options->verbose > 1 ? VKD_LOG_DEBUG
                     : options->verbose   ? VKD_LOG_INFO
                                          : VKD_LOG_WARNING,
        .device = options->device,
        .validate = options->validate,
        .timeout_ms = (uint32_t)options->timeout_ms,
        .cache_dir = options->cache_dir,
        .no_cache = options->no_cache,
        .variant = options->variant,
        .select = options->select,
        .measure_budget_ms = (uint32_t)options->measure_ms,
        .self_check = options->self_check,
        .int8_dot = options->int8_dot,
        .no_rewrites = options->no_rewrites,
        .max_submit_ms = (uint32_t)options->max_submit_ms,
        .max_plans = (uint32_t)options->max_plans,
        .memory_on_demand = options->memory_on_demand,
        .priority = options->priority,
        .profile = options->profile || options->trace || options->page,
        .in_flight = options->throughput ? (uint32_t)options->in_flight : 1,
    };
    if (options->u8)
        use_pixels(out);
    if (!path || !*path)
        path = getenv("VKD_LIBRARY");
    if (!path || !*path)
        path = find_library(found);
    run_exit result = load_library(path, &out->backend);
    add_phase(out, "load the library", start);
    if (!result && options->loads) {
        result = run_exit_of(out->backend->engine_create(&out->vkd, &out->engine));
        out->vkd.engine = out->engine;
    }
    return result;
}

static run_exit open_program(run_session *session, const char *path)
{
    size_t size;
    if (!run_file_is_standard(path))
        return run_exit_of(session->backend->program_open(path, &session->vkd, &session->program));
    run_exit result = run_file_read(path, &session->file, &size);
    return result ? result
                  : run_exit_of(session->backend->program_open_bytes(
                        session->file, size, &session->vkd, &session->program));
}

/* Room for every output at its largest. */
static run_exit make_args(run_session *session)
{
    const vkd_backend_table *backend = session->backend;
    session->input_count = backend->method_input_count(session->method);
    session->output_count = backend->method_output_count(session->method);
    session->args = calloc(session->input_count + session->output_count + 1, sizeof *session->args);
    if (!session->args)
        return run_fail_memory();
    for (size_t i = 0; i < session->input_count; i++)
        session->args[i].size = sizeof(vkd_tensor_arg);
    for (size_t i = 0; i < session->output_count; i++) {
        vkd_tensor_arg *arg = &session->args[session->input_count + i];
        vkd_tensor_info info;
        run_exit result = run_exit_of(backend->method_output_info(session->method, i, &info));
        if (result)
            return result;
        *arg = (vkd_tensor_arg){sizeof *arg, info.dtype, 0, {0}, NULL, calloc(info.size + 1, 1),
                                info.size};
        if (!arg->output)
            return run_fail_memory();
    }
    return RUN_OK;
}

run_exit run_session_load(run_session *session, const char *model, const char *method,
                          char *const *data_files, size_t data_file_count)
{
    const vkd_backend_table *backend = session->backend;
    double start = run_now_ms();
    session->phase_count = 1; /* the library */
    run_progress("loading %s ...", model);
    run_exit result = open_program(session, model);
    for (size_t i = 0; i < data_file_count && !result; i++)
        result = run_exit_of(backend->program_add_data(session->program, data_files[i]));
    add_phase(session, "open the program", start);
    double opened = run_now_ms();
    if (!result)
        result = run_exit_of(
            backend->method_load(session->program, method, &session->vkd, &session->method));
    if (result)
        return result;
    add_phase(session, "load the method", opened);
    session->init_ms = run_now_ms() - start;
    session->delegate = backend->method_delegate(session->method);
    run_progress_end();
    return make_args(session);
}

run_exit run_session_load_again(const run_session *session, double *out_ms)
{
    run_session second = *session;
    const run_options *options = session->options;
    second.program = NULL, second.method = NULL, second.args = NULL, second.file = NULL;
    run_exit result = run_session_load(&second, options->model, options->method,
                                       options->data_files, options->data_file_count);
    *out_ms = second.init_ms;
    run_session_unload(&second);
    return result;
}

void run_session_set_input(run_session *session, size_t index, const vkd_tensor_info *info,
                           void *data)
{
    vkd_tensor_arg *arg = &session->args[index];
    free((void *)arg->input);
    *arg = (vkd_tensor_arg){sizeof *arg, info->dtype, info->rank, {0}, data, NULL, info->size};
    memcpy(arg->dims, info->dims, sizeof arg->dims);
}

run_exit run_session_execute(run_session *session, double *out_ms)
{
    double start = run_now_ms();
    vkd_status status = session->backend->method_execute(
        session->method, session->args, session->input_count + session->output_count);
    *out_ms = run_now_ms() - start;
    return run_exit_of(status);
}

run_exit run_session_execute_in_phases(run_session *session, run_phase out[2])
{
    const vkd_backend_table *backend = session->backend;
    uint64_t ticket;
    double start = run_now_ms();
    vkd_status status = backend->method_submit(
        session->method, session->args, session->input_count + session->output_count, &ticket);
    out[0] = (run_phase){"submit", start, run_now_ms()};
    if (status == VKD_OK)
        status = backend->method_wait(session->method, ticket);
    out[1] = (run_phase){"wait", out[0].end_ms, run_now_ms()};
    return run_exit_of(status);
}

run_exit run_session_output(run_session *session, size_t index, vkd_tensor_info *info, void **out)
{
    const vkd_tensor_arg *arg = &session->args[session->input_count + index];
    vkd_status status = session->backend->method_output_info(session->method, index, info);
    if (status != VKD_OK)
        return run_exit_of(status);
    info->dtype = arg->dtype;
    run_tensor_resize(info, arg->rank, arg->dims, session->backend->dtype_size(arg->dtype));
    if (info->size > arg->capacity)
        return run_fail(RUN_FAILED,
                        "the library gives output %zu more dims or elements than it can have",
                        index);
    *out = arg->output;
    return RUN_OK;
}

run_exit run_session_want(run_session *session, size_t index, const char *file)
{
    vkd_tensor_arg *arg = &session->args[session->input_count + index];
    const vkd_dtype dtype = run_tensor_dtype(file, arg->dtype);
    const size_t from = session->backend->dtype_size(arg->dtype),
                 to = session->backend->dtype_size(dtype);
    if (to > from) {
        void *grown = realloc(arg->output, arg->capacity / from * to + 1);
        if (!grown)
            return run_fail_memory();
        arg->output = grown;
    }
    arg->capacity = arg->capacity / from * to;
    arg->dtype = dtype;
    return RUN_OK;
}

void run_session_unload(run_session *session)
{
    session->backend->method_unload(session->method);
    session->backend->program_close(session->program);
    for (size_t i = 0; session->args && i < session->input_count + session->output_count; i++) {
        free((void *)session->args[i].input);
        free(session->args[i].output);
    }
    free(session->args);
    free(session->file);
    session->method = NULL;
    session->delegate = NULL;
    session->program = NULL;
    session->args = NULL;
    session->file = NULL;
}

void run_session_end(run_session *session)
{
    if (!session->backend)
        return;
    run_session_unload(session);
    if (session->engine)
        session->backend->engine_destroy(session->engine);
}

run_exit run_session_devices(run_session *session, vkd_device_info **out, uint32_t *out_count)
{
    uint32_t capacity = 0;
    vkd_status status = session->backend->list_devices(&session->vkd, NULL, 0, &capacity);
    if (status != VKD_OK)
        return run_exit_of(status);
    vkd_device_info *devices = calloc(capacity ? capacity : 1, sizeof *devices);
    if (!devices)
        return run_fail_memory();
    status = session->backend->list_devices(&session->vkd, devices, capacity, out_count);
    if (status != VKD_OK) {
        free(devices);
        return run_exit_of(status);
    }
    if (*out_count > capacity) /* one was plugged in between the two calls */
        *out_count = capacity;
    *out = devices;
    return RUN_OK;
}
