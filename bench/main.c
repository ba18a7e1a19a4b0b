/* vkd-bench: GPU time of every variant of the conv node factory, and how well the cost model
 * chooses among them. */
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/report.h"
#include "ops/conv/trial.h"

enum { EXIT_USAGE = 1, EXIT_DEVICE = 4, EXIT_OTHER = 7 };

typedef struct bench_app {
    char *device, *shapes, *variants, *compare, *dtype, *html;
    int csv, json, case_ms, brief, measure;
    double give_up;
    vkd_options options;
    vkd_context context;
    vkd_arena arena;
    vkd_device *opened;
    vkd_facts *facts;
    vkd_tuner *tuner;
    bench_shapes list;
} bench_app;

static const char help_text[] =
    "\n"
    "Shapes: resnet50, mobilenet_v2, et_vk (built in; these by default), mobilenet_v3, vit_b16, "
    "decoder (built in), a model (*.pte), or a text file with a shape a line:\n"
    "  1x64x56x56 -> 64 3x3 s1 p1 d1 g1      input NxCxHxW -> output channels, kernel, stride, "
    "padding, dilation, groups\n"
    "  1x64x28x28 -> 32 2x2 s2 f16 t         floats; transposed\n"
    "In the table '>' marks the cost model's choice, '*' that of --measure, '~' a variant that was "
    "so slow that it was timed "
    "only once.\n"
    "Exit codes: 0 success, 1 wrong usage or shapes, 4 no device, 7 other failures.\n";

/* The items of a list with commas, ended by a null; in the arena. Null where there is no memory. */
static char **split(vkd_arena *arena, const char *list)
{
    size_t count = 2, used = 0;
    char *copy = vkd_arena_printf(arena, "%s", list), *rest = NULL;
    for (const char *at = list; *at; at++)
        count += *at == ',';
    char **items = vkd_arena_alloc(arena, count, sizeof *items);
    for (char *item = items && copy ? strtok_r(copy, ",", &rest) : NULL; item;
         item = strtok_r(NULL, ",", &rest))
        items[used++] = item;
    return copy ? items : NULL;
}

static vkd_status load_shapes(bench_app *app)
{
    char **sources = split(&app->arena, app->shapes ? app->shapes : bench_shape_sets);
    if (!sources)
        return vkd_fail_memory(&app->context, "shapes");
    for (; *sources; sources++)
        VKD_TRY(bench_shapes_add(&app->arena, vkd_device_caps(app->opened), *sources, &app->list));
    for (size_t i = 0; app->dtype && i < app->list.count; i++)
        if (!bench_dtype_parse(app->dtype, &app->list.items[i].problem.dtype))
            return vkd_fail(&app->context, VKD_INVALID_ARGUMENT,
                            "--dtype is '%s': i8, f32 and f16 are possible", app->dtype);
    return app->list.count ? VKD_OK
                           : vkd_fail(&app->context, VKD_INVALID_ARGUMENT,
                                      "there are no shapes in %s", app->shapes);
}

static void show_progress(size_t done, size_t count)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, done < count ? "\rshape %zu/%zu ..." : "\r                    \r", done + 1,
                count);
}

static vkd_status time_all(bench_app *app, const bench_plan *plan, char **compare,
                           bench_result *results, bench_report *report)
{
    bool table = !app->csv && !app->json;
    VKD_TRY(bench_peak(&app->arena, app->opened, plan, app->list.items[0].problem.dtype,
                       &report->peak, &report->peak_name));
    if (table)
        bench_report_head(report);
    for (size_t i = 0; i < app->list.count; i++) {
        show_progress(i, app->list.count);
        VKD_TRY(bench_time(&app->arena, app->opened, plan, &app->list.items[i], &results[i]));
        show_progress(app->list.count, app->list.count);
        if (table && !compare && !app->brief)
            bench_report_shape(report, &results[i]);
    }
    report->count = app->list.count;
    return VKD_OK;
}

static vkd_status run(bench_app *app)
{
    VKD_TRY(vkd_device_open(&app->context, &app->options, &app->opened));
    VKD_TRY(load_shapes(app));
    const vkd_options tuner_options = {
        .select = VKD_SELECT_MEASURE, .measure_budget_ms = UINT32_MAX, .no_cache = true};
    vkd_caps caps = *vkd_device_caps(app->opened);
    VKD_TRY(vkd_facts_create(&app->context, &tuner_options, 0, &app->facts));
    VKD_TRY(vkd_tuner_create(app->opened, app->facts, &tuner_options, &app->tuner));
    VKD_TRY(vkd_conv2d_probe(&app->context, app->tuner, &caps));
    char **compare = app->compare ? split(&app->arena, app->compare) : NULL;
    const char *wanted = app->variants ? app->variants : app->compare;
    bench_plan plan = {.variants = wanted ? split(&app->arena, wanted) : NULL,
                       .case_us = app->case_ms * 1e3,
                       .give_up = app->give_up,
                       .caps = &caps,
                       .tuner = app->measure ? app->tuner : NULL};
    bench_result *results = vkd_arena_alloc(&app->arena, app->list.count, sizeof *results);
    bench_report report = {.caps = &caps, .results = results, .measure = app->measure};
    if (!results || (wanted && !plan.variants) || (app->compare && !compare))
        return vkd_fail_memory(&app->context, "results");
    VKD_TRY(time_all(app, &plan, compare, results, &report));
    if (app->csv)
        bench_report_csv(&report);
    else if (app->json)
        VKD_TRY(bench_report_json(&report) ? VKD_OK : vkd_fail_memory(&app->context, "JSON"));
    else if (compare)
        bench_report_compare(&report, compare);
    if (!app->csv && !app->json)
        bench_report_regret(&report);
    return app->html ? bench_report_page(&app->context, &report, app->html) : VKD_OK;
}

static int parse(int argc, const char **argv, bench_app *app)
{
    int help = 0;
    const struct poptOption table[] = {
        {"device", 'd', POPT_ARG_STRING, &app->device, 0,
         "number or part of the name of the device to use", "DEVICE"},
        {"shapes", 's', POPT_ARG_STRING, &app->shapes, 0, "what to time, with commas between",
         "SET|FILE|MODEL.pte"},
        {"dtype", 0, POPT_ARG_STRING, &app->dtype, 0, "of the operands, whatever the shapes say",
         "i8|f32|f16"},
        {"variants", 'v', POPT_ARG_STRING, &app->variants, 0,
         "variants or families to time besides the chosen one (auto: none)", "NAME,..."},
        {"compare", 0, POPT_ARG_STRING, &app->compare, 0,
         "a table with one column for each of these", "NAME,..."},
        {"measure", 'm', POPT_ARG_NONE, &app->measure, 0,
         "show the choice of selection by measurement too", NULL},
        {"brief", 'b', POPT_ARG_NONE, &app->brief, 0, "only the summary", NULL},
        {"csv", 0, POPT_ARG_NONE, &app->csv, 0, "a line for each shape and variant", NULL},
        {"json", 0, POPT_ARG_NONE, &app->json, 0, "all results as one JSON object", NULL},
        {"html", 0, POPT_ARG_STRING, &app->html, 0, "and a page for a browser, to this file",
         "FILE"},
        {"time-per-case", 't', POPT_ARG_INT, &app->case_ms, 0,
         "how long to time one shape (default: 300)", "MS"},
        {"give-up", 0, POPT_ARG_DOUBLE, &app->give_up, 0,
         "time a variant once only that is so many times slower (default: 4)", "FACTOR"},
        {"help", 'h', POPT_ARG_NONE, &help, 0, "print this help", NULL},
        POPT_TABLEEND,
    };
    poptContext context = poptGetContext("vkd-bench", argc, argv, table, 0);
    int code = context ? poptGetNextOpt(context) : -1;
    if (code < -1)
        fprintf(stderr, "vkd-bench: %s: %s, see vkd-bench --help\n",
                poptBadOption(context, POPT_BADOPTION_NOALIAS), poptStrerror(code));
    else if (context && poptPeekArg(context))
        fprintf(stderr, "vkd-bench: '%s': shapes are given with --shapes\n", poptPeekArg(context));
    else if (app->case_ms < 1 || app->give_up < 1)
        fprintf(stderr, "vkd-bench: --time-per-case and --give-up must be at least 1\n");
    else
        code = 0;
    if (context && !code && help) {
        poptPrintHelp(context, stdout, 0);
        fputs(help_text, stdout);
    }
    poptFreeContext(context);
    return code ? EXIT_USAGE : help ? -1 : 0;
}

static int exit_code(vkd_status status)
{
    switch (status) {
    case VKD_OK:
        return 0;
    case VKD_INVALID_ARGUMENT:
    case VKD_INVALID_MODEL:
    case VKD_IO_ERROR:
        return EXIT_USAGE;
    case VKD_NO_DEVICE:
        return EXIT_DEVICE;
    default:
        return EXIT_OTHER;
    }
}

int main(int argc, const char **argv)
{
    bench_app app = {.case_ms = 300, .give_up = 4};
    int code = parse(argc, argv, &app);
    if (!code) {
        app.options.device = app.device;
        vkd_context_init(&app.context, &app.options);
        vkd_arena_init(&app.arena, &app.context);
        code = exit_code(run(&app));
        vkd_tuner_destroy(app.tuner);
        vkd_facts_destroy(app.facts);
        vkd_arena_release(&app.arena);
        vkd_device_close(app.opened);
    }
    free(app.device), free(app.shapes), free(app.variants), free(app.compare), free(app.dtype),
        free(app.html);
    return code < 0 ? 0 : code;
}
