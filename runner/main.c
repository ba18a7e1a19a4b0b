/* vkd-run: runs an ExecuTorch program on the Vulkan delegate, which it loads as a plug-in. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/file.h"
#include "runner/image.h"
#include "runner/page.h"
#include "runner/report.h"
#include "runner/tensor.h"
#include "runner/trace.h"
#include "runner/verify.h"

enum { DEFAULT_TOP = 5, DEFAULT_PROFILE_RUNS = 10 };

typedef struct run_app {
    run_options options;
    run_session session;
    run_session prefill; /* with --prefill */
    run_labels labels;
    const run_report_form *form;
    run_report report;
} run_app;

static run_exit input_info(const run_app *app, size_t index, vkd_tensor_info *out)
{
    return run_exit_of(app->session.backend->method_input_info(app->session.method, index, out));
}

static run_exit report_classes(run_app *app, const char *file, int aligned, size_t top, double ms)
{
    const vkd_backend_table *backend = app->session.backend;
    vkd_tensor_info info;
    void *data;
    run_class *classes;
    if (!app->session.output_count)
        return run_fail(RUN_USAGE, "the model has no output to take classes from");
    run_exit result = run_session_output(&app->session, 0, &info, &data);
    if (result)
        return result;
    size_t count = info.size / backend->dtype_size(info.dtype);
    result = run_classify(info.dtype, data, count, &app->labels, &classes);
    if (result)
        return result;
    app->form->classes(&app->report, file, aligned, classes, top < count ? top : count, ms);
    free(classes);
    return RUN_OK;
}

static run_output describe_output(const run_app *app, size_t index, const vkd_tensor_info *info,
                                  const void *data)
{
    const vkd_backend_table *backend = app->session.backend;
    size_t count = info->size / backend->dtype_size(info->dtype);
    run_output output = {.index = index,
                         .info = *info,
                         .dtype = backend->dtype_name(info->dtype),
                         .min = NAN,
                         .max = NAN};
    for (size_t i = 0; i < count; i++) {
        double value = run_tensor_value(info->dtype, data, i);
        output.min = fmin(output.min, value);
        output.max = fmax(output.max, value);
        output.mean += value / (double)count;
    }
    return output;
}

/* Writes the outputs where --output says so, and reports each. */
static run_exit give_outputs(run_app *app, size_t step, size_t steps)
{
    size_t count = app->session.output_count;
    for (size_t i = 0; i < count; i++) {
        vkd_tensor_info info;
        void *data;
        char *path = NULL;
        run_exit result = run_session_output(&app->session, i, &info, &data);
        if (!result && app->options.output) {
            path = run_tensor_output_path(app->options.output, i, count, step, steps);
            result = path ? run_tensor_write(path, data, info.size) : run_fail_memory();
        }
        if (!result) {
            run_output output = describe_output(app, i, &info, data);
            output.file = path;
            output.step = step;
            output.steps = steps;
            app->form->output(&app->report, &output);
        }
        free(path);
        if (result)
            return result;
    }
    return RUN_OK;
}

static run_exit load_image(run_app *app, size_t index, const vkd_tensor_info *info)
{
    const run_options *options = &app->options;
    run_image_options how = {.gray = options->gray};
    memcpy(how.mean, options->mean, sizeof how.mean);
    memcpy(how.std, options->std, sizeof how.std);
    void *pixels = malloc(info->size);
    if (!pixels)
        return run_fail_memory();
    run_session_set_input(&app->session, 0, info, pixels);
    run_exit result = run_image_load(options->images[index], &how, info, pixels);
    return result ? result
                  : run_tensor_arrange(info, app->session.backend->dtype_size(info->dtype), pixels,
                                       false);
}

/* *out_loaded: how it went with the file, which concerns no other image; the result is how it went
 * with the model. */
static run_exit run_image(run_app *app, size_t index, const vkd_tensor_info *info, int aligned,
                          run_exit *out_loaded)
{
    const run_options *options = &app->options;
    size_t top = options->top ? (size_t)options->top : options->image_count > 1 ? 1 : DEFAULT_TOP;
    double ms;
    run_progress("image %zu/%zu ...", index + 1, options->image_count);
    *out_loaded = load_image(app, index, info);
    if (*out_loaded) {
        app->form->failure(&app->report, options->images[index], run_last_error());
        return RUN_OK;
    }
    run_exit result = run_session_execute(&app->session, &ms);
    run_progress_end();
    return result ? result : report_classes(app, options->images[index], aligned, top, ms);
}

/* One that cannot be read does not stop the others; the exit code is that of the first. */
static run_exit run_each_image(run_app *app, const vkd_tensor_info *info)
{
    const run_options *options = &app->options;
    run_exit result = RUN_OK, first = RUN_OK;
    size_t aligned = 0, failed = 0;
    for (size_t i = 0; i < options->image_count; i++)
        aligned = strlen(options->images[i]) > aligned ? strlen(options->images[i]) : aligned;
    for (size_t i = 0; i < options->image_count && !result; i++) {
        run_exit loaded;
        result = run_image(app, i, info, (int)aligned, &loaded);
        failed += loaded != RUN_OK;
        first = first ? first : loaded;
    }
    if (!result && failed && options->image_count > 1)
        run_fail(first, "%zu of %zu images could not be read", failed, options->image_count);
    return result ? result : first;
}

static run_exit run_images(run_app *app)
{
    const run_options *options = &app->options;
    vkd_tensor_info info;
    char shape[RUN_SHAPE_SIZE];
    size_t inputs = app->session.input_count;
    if (inputs != 1)
        return run_fail(
            RUN_USAGE,
            "the model has %zu inputs, an image can be given to a model with one: use --input",
            inputs);
    run_exit result = input_info(app, 0, &info);
    if (result)
        return result;
    if (!run_image_fits(&info))
        return run_fail(
            RUN_USAGE,
            "the model's input is %s %s, an image needs f32 1x1xHxW or 1x3xHxW: use --input",
            app->session.backend->dtype_name(info.dtype),
            run_tensor_shape(&info, shape, sizeof shape));
    result = run_each_image(app, &info);
    return !result && options->output ? give_outputs(app, 0, 1) : result;
}

/* By the name of the file and by --shape. */
static run_exit choose_type_and_shape(const run_app *app, size_t file, vkd_tensor_info *info)
{
    const run_options *options = &app->options;
    int64_t dims[VKD_MAX_RANK];
    uint32_t rank = info->rank;
    run_exit result = RUN_OK;
    memcpy(dims, info->dims, sizeof dims);
    if (file < options->shape_count)
        result = run_tensor_parse_shape(options->shapes[file], dims, &rank);
    info->dtype = run_tensor_dtype(options->inputs[file], info->dtype);
    return result
               ? result
               : run_tensor_resize(info, rank, dims, app->session.backend->dtype_size(info->dtype));
}

static run_exit set_raw_input(run_app *app, size_t index, size_t file)
{
    vkd_tensor_info info;
    char name[32];
    void *data;
    snprintf(name, sizeof name, "input %zu", index);
    run_exit result = input_info(app, index, &info);
    if (!result)
        result = choose_type_and_shape(app, file, &info);
    if (!result)
        result = run_tensor_read(app->options.inputs[file], &info, name,
                                 app->session.backend->dtype_name(info.dtype), &data);
    if (!result)
        run_session_set_input(&app->session, index, &info, data);
    return result;
}

/* Execution `step` of `steps`, with the next files of --input. */
static run_exit run_raw_step(run_app *app, size_t step, size_t steps)
{
    run_session *session = &app->session;
    double ms;
    run_exit result = RUN_OK;
    for (size_t i = 0; i < session->input_count && !result; i++)
        result = set_raw_input(app, i, step * session->input_count + i);
    if (!result)
        result = run_session_execute(session, &ms);
    if (!result && (app->options.labels || app->options.top))
        result = report_classes(app, NULL, 0,
                                app->options.top ? (size_t)app->options.top : DEFAULT_TOP, ms);
    return result ? result : give_outputs(app, step, steps);
}

/* As often as there are inputs for: the method keeps its state in between. */
static run_exit run_raw(run_app *app)
{
    const size_t given = app->options.input_count, wanted = app->session.input_count;
    run_exit result = RUN_OK;
    if (!wanted || given % wanted)
        return run_fail(RUN_USAGE, "the model has %zu inputs, --input is given %zu times", wanted,
                        given);
    for (size_t i = 0; i < app->session.output_count && !result && app->options.output; i++)
        result = run_session_want(&app->session, i, app->options.output);
    for (size_t step = 0; step < given / wanted && !result; step++)
        result = run_raw_step(app, step, given / wanted);
    return result;
}

/* ---------------------------------------------------------------------------------------- texts */

/* What comes of a text: it is told as it comes, and kept for --output. */
typedef struct run_text {
    run_app *app;
    char *ids;
    size_t size, capacity;
    bool failed;
} run_text;

static void take_token(void *user, int64_t token)
{
    enum { LONGEST = 24 };
    run_text *text = user;
    text->app->form->token(&text->app->report, token);
    if (text->size + LONGEST > text->capacity) {
        char *grown = realloc(text->ids, 2 * text->capacity + LONGEST);
        text->failed |= !grown;
        if (!grown)
            return;
        text->ids = grown;
        text->capacity = 2 * text->capacity + LONGEST;
    }
    text->size += (size_t)sprintf(text->ids + text->size, "%" PRId64 "\n", token);
}

/* Token ids of the command line, or of a file. */
static run_exit read_tokens(const char *option, const char *text, int64_t **out, size_t *out_count)
{
    char *bytes = NULL;
    if (strspn(text, "0123456789, ") == strlen(text))
        return run_tokens_parse(option, text, out, out_count);
    run_exit result = run_file_read(text, &bytes, NULL);
    if (!result)
        result = run_tokens_parse(run_file_name(text), bytes, out, out_count);
    free(bytes);
    return result;
}

static run_exit load_prefill(run_app *app)
{
    const run_options *options = &app->options;
    run_exit result = run_session_start(options, &app->prefill);
    return result ? result
                  : run_session_load(&app->prefill, options->model, options->prefill,
                                     options->data_files, options->data_file_count);
}

static run_exit run_text_of(run_app *app, const int64_t *prompt, size_t prompt_count,
                            const int64_t *stops, size_t stop_count)
{
    const run_options *options = &app->options;
    run_text text = {.app = app};
    run_generation generation;
    const run_generator generator = {
        .session = &app->session,
        .prefill = options->prefill ? &app->prefill : &app->session,
        .sampler = {options->temperature, (size_t)options->top_k, (uint64_t)options->seed},
        .most = (size_t)options->generate,
        .prompt = prompt,
        .stops = stops,
        .prompt_count = prompt_count,
        .stop_count = stop_count,
        .each = take_token,
        .user = &text,
    };
    run_exit result = run_generate(&generator, &generation);
    if (!result || generation.count)
        app->form->generated(&app->report, &generation);
    if (!result && text.failed)
        result = run_fail_memory();
    if (!result && options->output)
        result = run_tensor_write(options->output, text.ids, text.size);
    free(text.ids);
    return result;
}

static run_exit run_text_model(run_app *app)
{
    const run_options *options = &app->options;
    int64_t *prompt = NULL, *stops = NULL;
    size_t prompt_count = 0, stop_count = 0;
    run_exit result = read_tokens("--prompt", options->prompt, &prompt, &prompt_count);
    if (!result && !prompt_count)
        result = run_fail(RUN_USAGE, "--prompt: there must be a token");
    if (!result && options->stop)
        result = run_tokens_parse("--stop", options->stop, &stops, &stop_count);
    if (!result && options->prefill)
        result = load_prefill(app);
    if (!result)
        result = run_text_of(app, prompt, prompt_count, stops, stop_count);
    free(prompt);
    free(stops);
    return result;
}

static run_exit fill_inputs(run_app *app)
{
    const vkd_backend_table *backend = app->session.backend;
    for (size_t i = 0; i < app->session.input_count; i++) {
        vkd_tensor_info info;
        run_exit result = input_info(app, i, &info);
        if (result)
            return result;
        void *data = malloc(info.size ? info.size : 1);
        if (!data)
            return run_fail_memory();
        run_tensor_fill(info.dtype, data, info.size / backend->dtype_size(info.dtype));
        run_session_set_input(&app->session, i, &info, data);
    }
    return RUN_OK;
}

/* The files are about what is run first: the trace has the first execution. */
static run_exit write_reports(run_app *app)
{
    const run_options *options = &app->options;
    size_t runs = options->bench ? (size_t)options->bench : DEFAULT_PROFILE_RUNS;
    run_exit result = RUN_OK;
    if (options->trace)
        result = run_trace_write(&app->session, runs, options->trace);
    if (!result && options->page)
        result = run_page_write(&app->session, runs, options->page);
    return result;
}

static run_exit give_loads(run_app *app)
{
    const size_t count = (size_t)app->options.loads;
    double *ms = calloc(count, sizeof *ms);
    run_exit result = ms ? RUN_OK : run_fail_memory();
    for (size_t i = 0; i < count && !result; i++)
        result = run_session_load_again(&app->session, &ms[i]);
    if (!result) {
        const run_times times = run_times_of(ms, count);
        app->form->loads(&app->report, &times, count);
    }
    free(ms);
    return result;
}

static run_exit give_memory(run_app *app)
{
    vkd_memory_info memory;
    run_traffic traffic;
    app->session.backend->memory(app->session.delegate, &memory);
    run_exit result = run_traffic_count(&app->session, &traffic);
    if (!result)
        app->form->memory(&app->report, &memory, &traffic);
    return result;
}

static run_exit give_reports(run_app *app)
{
    const run_options *options = &app->options;
    run_exit result = write_reports(app);
    if (!result && options->bench) {
        run_bench bench;
        result = run_bench_measure(&app->session, (size_t)options->bench, &bench);
        if (!result)
            app->form->bench(&app->report, &bench);
    }
    if (!result && options->throughput) {
        run_throughput throughput;
        result = run_throughput_measure(&app->session, (size_t)options->throughput, &throughput);
        if (!result)
            app->form->throughput(&app->report, &throughput);
    }
    if (!result && options->loads)
        result = give_loads(app);
    if (!result && options->profile) {
        run_profile profile;
        result = run_profile_measure(&app->session,
                                     options->bench ? (size_t)options->bench : DEFAULT_PROFILE_RUNS,
                                     &profile);
        if (!result)
            app->form->profile(&app->report, &profile);
        run_profile_release(&profile);
    }
    if (!result && options->explain)
        app->form->explain(&app->report, &app->session);
    return !result && options->memory ? give_memory(app) : result;
}

static run_exit run_model(run_app *app)
{
    const run_options *options = &app->options;
    bool runs = options->image_count || options->input_count || options->generate;
    bool times = options->bench || options->throughput || options->profile || options->trace ||
                 options->page;
    bool reports = times || options->explain || options->memory || options->loads;
    run_exit result = options->labels ? run_labels_read(options->labels, &app->labels) : RUN_OK;
    if (!result)
        result = run_session_load(&app->session, options->model, options->method,
                                  options->data_files, options->data_file_count);
    if (result)
        return result;
    app->form->model(&app->report, &app->session, !runs && !reports);
    if (options->image_count)
        result = run_images(app);
    else if (options->input_count)
        result = run_raw(app);
    else if (options->generate)
        result = run_text_model(app);
    else if (times)
        result = fill_inputs(app);
    return result ? result : give_reports(app);
}

static run_exit list_devices(run_app *app)
{
    vkd_device_info *devices;
    uint32_t count;
    run_exit result = run_session_devices(&app->session, &devices, &count);
    if (result)
        return result;
    if (count)
        app->form->devices(&app->report, devices, count);
    free(devices);
    return count ? RUN_OK : run_fail(RUN_NO_DEVICE, "there is no Vulkan device");
}

static run_exit print_version(run_app *app)
{
    char runner[32], library[32];
    run_exit result = run_session_start(&app->options, &app->session);
    uint32_t version = result ? 0 : app->session.backend->version();
    snprintf(runner, sizeof runner, "%d.%d.%d", VKD_VERSION_MAJOR, VKD_VERSION_MINOR,
             VKD_VERSION_PATCH);
    snprintf(library, sizeof library, "%u.%u.%u", version >> 22, version >> 12 & 1023,
             version & 4095);
    app->form->version(&app->report, runner, result ? NULL : library);
    return result;
}

static run_exit run(run_app *app)
{
    const run_options *options = &app->options;
    if (options->version)
        return print_version(app);
    run_exit result = run_session_start(options, &app->session);
    if (!result)
        result = options->list_devices ? list_devices(app)
                 : options->verify     ? run_verify(&app->session, app->form, &app->report)
                                       : run_model(app);
    unsigned messages = app->session.log.errors + app->prefill.log.errors;
    if (!result && options->validate && messages)
        return run_fail(RUN_FAILED, "validation: %u messages", messages);
    return result;
}

static run_exit run_and_report(run_app *app, run_exit parsed)
{
    const run_options *options = &app->options;
    app->form = options->json ? &run_report_json : &run_report_text;
    if (!parsed && options->help) {
        run_options_print_help(options);
        return RUN_OK;
    }
    if ((options->json || run_file_is_standard(options->output)) && !run_result_reserve())
        return run_fail(RUN_IO, "cannot keep standard output for the result");
    run_exit result = parsed ? parsed : run(app);
    return app->form->finish(&app->report, result);
}

int main(int argc, char **argv)
{
    run_app app = {0};
    run_exit parsed = run_options_parse(argc, (const char **)argv, &app.options);
    run_exit result = run_and_report(&app, parsed);
    cJSON_Delete(app.report.root);
    run_session_end(&app.prefill);
    run_session_end(&app.session);
    run_labels_release(&app.labels);
    run_options_release(&app.options);
    bool lost = ferror(run_result_stream());
    if (fflush(run_result_stream()) || lost)
        result = run_fail(RUN_IO, "cannot write to standard output");
    return (int)result;
}
