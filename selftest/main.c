/* vkd-selftest: whether a device computes what it should, every kernel against plain C; or a
 * model's operators one by one. */
#include "selftest/model.h"
#include "selftest/report.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* As vkd-run's. */
enum {
    RIGHT = 0,
    USAGE = 1,
    BAD_MODEL = 2,
    UNSUPPORTED = 3,
    NO_DEVICE = 4,
    LOST = 5,
    IO = 6,
    WRONG = 7
};

static const char help[] =
    "vkd-selftest [OPTION...]: runs every operator and every kernel variant on a device, on\n"
    "drawn shapes and values, and compares the results with plain C\n"
    "vkd-selftest [OPTION...] MODEL.pte: runs a model's operators and compares each with plain\n"
    "C, or with the same on another device; names the first whose result is off\n"
    "\n"
    "  --device NAME         number or part of the name of the device (default: as vkd-run)\n"
    "  --seed S              of shapes and values (default: by the clock; it is printed)\n"
    "  --json FILE           the report as JSON too\n"
    "  --draws N             how often each operator and variant is drawn (default: 4)\n"
    "  --only TEXT           operators and variants whose names contain it\n"
    "  --validate            with the Vulkan validation layer\n"
    "  --input FILE          a raw input of the model, once for each (default: made up)\n"
    "  --ptd FILE            a .ptd file with constants of the model\n"
    "  --method NAME         of the model (default: forward)\n"
    "  --compare-device NAME another device, in the place of plain C\n"
    "\n"
    "Exit codes: 0 all is right; 7 something is not; else as those of vkd-run.\n";

enum { MOST_FILES = 64 };

typedef struct options {
    const char *device, *json, *only, *model, *method, *other;
    const char *inputs[MOST_FILES], *data_files[MOST_FILES];
    size_t input_count, data_file_count;
    uint64_t seed;
    long draws;
    bool seeded, drawn, validate, help;
} options;

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "vkd-selftest: %s: %s\n", what, why);
    return USAGE;
}

static int parse_number(const char *name, const char *text, long long least, long long most,
                        long long *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (end == text || *end || errno || *out < least || *out > most) {
        fprintf(stderr, "vkd-selftest: --%s: '%s' is not a whole number from %lld to %lld\n", name,
                text, least, most);
        return USAGE;
    }
    return RIGHT;
}

static int add_file(const char *name, const char **files, size_t *count, const char *file)
{
    if (*count == MOST_FILES)
        return complain(name, "is given too often");
    files[(*count)++] = file;
    return RIGHT;
}

static int take(options *o, int code, const char *value)
{
    long long number = 0;
    int result = RIGHT;
    switch (code) {
    case 'd':
        o->device = value;
        break;
    case 's':
        result = parse_number("seed", value, 0, INT64_MAX, &number);
        o->seed = (uint64_t)number;
        o->seeded = true;
        break;
    case 'j':
        o->json = value;
        break;
    case 'n':
        result = parse_number("draws", value, 1, 100000, &number);
        o->draws = (long)number;
        o->drawn = true;
        break;
    case 'o':
        o->only = value;
        break;
    case 'v':
        o->validate = true;
        break;
    case 'i':
        return add_file("--input", o->inputs, &o->input_count, value);
    case 'p':
        return add_file("--ptd", o->data_files, &o->data_file_count, value);
    case 'm':
        o->method = value;
        break;
    case 'c':
        o->other = value;
        break;
    case 'h':
        o->help = true;
        break;
    default:
        return USAGE; /* getopt has said why */
    }
    return result;
}

/* An option that would have no effect is a misunderstanding. */
static int check_effects(const options *o)
{
    const struct {
        const char *option;
        bool given, of_model;
    } rules[] = {{"--draws", o->drawn, false},        {"--only", o->only, false},
                 {"--validate", o->validate, false},  {"--input", o->input_count, true},
                 {"--ptd", o->data_file_count, true}, {"--method", o->method, true},
                 {"--compare-device", o->other, true}};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].given && rules[i].of_model != (o->model != NULL))
            return complain(rules[i].option,
                            rules[i].of_model ? "needs a model" : "has no effect on a model");
    return RIGHT;
}

static int parse(int argc, char **argv, options *o)
{
    static const struct option names[] = {
        {"device", required_argument, NULL, 'd'}, {"seed", required_argument, NULL, 's'},
        {"json", required_argument, NULL, 'j'},   {"draws", required_argument, NULL, 'n'},
        {"only", required_argument, NULL, 'o'},   {"validate", no_argument, NULL, 'v'},
        {"input", required_argument, NULL, 'i'},  {"ptd", required_argument, NULL, 'p'},
        {"method", required_argument, NULL, 'm'}, {"compare-device", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int code, result = RIGHT;
    *o = (options){.draws = 4, .seed = (uint64_t)time(NULL)};
    while (!result && (code = getopt_long(argc, argv, "h", names, NULL)) != -1)
        result = take(o, code, optarg);
    if (!result && argc - optind > 1)
        return complain(argv[optind + 1], "is one model too many");
    o->model = argv[optind];
    return result ? result : check_effects(o);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int exit_of(vkd_status status)
{
    switch (status) {
    case VKD_OK:
        return RIGHT;
    case VKD_INVALID_MODEL:
        return BAD_MODEL;
    case VKD_UNSUPPORTED:
        return UNSUPPORTED;
    case VKD_NO_DEVICE:
        return NO_DEVICE;
    case VKD_DEVICE_LOST:
        return LOST;
    case VKD_IO_ERROR:
        return IO;
    case VKD_INVALID_ARGUMENT:
    case VKD_NOT_FOUND:
        return USAGE;
    default:
        return WRONG;
    }
}

static int run_model(const options *o, FILE *json)
{
    size_t wrong = 0;
    const selftest_model what = {
        .model = o->model,
        .method = o->method,
        .device = o->device,
        .other = o->other,
        .inputs = o->input_count ? o->inputs : NULL,
        .input_count = o->input_count,
        .data_files = o->data_files,
        .data_file_count = o->data_file_count,
        .seed = o->seed,
        .text = stdout,
        .json = json,
    };
    vkd_status status = selftest_model_check(&what, &wrong);
    return status != VKD_OK ? exit_of(status) : wrong ? WRONG : RIGHT;
}

static int run_cases(const selftest_plan *plan, FILE *json)
{
    selftest_report report = {.plan = plan,
                              .tallies = calloc(plan->count + 1, sizeof *report.tallies),
                              .shows = isatty(STDERR_FILENO)};
    double start = now();
    if (!report.tallies || !selftest_run(plan, selftest_report_take, &report)) {
        free(report.tallies);
        fprintf(stderr, "vkd-selftest: out of memory or of processes\n");
        return WRONG;
    }
    if (report.shows)
        fprintf(stderr, "\r\033[K");
    report.seconds = now() - start;
    selftest_report_text(&report, stdout);
    if (json)
        selftest_report_json(&report, json);
    int result = !report.opened                                     ? NO_DEVICE
                 : selftest_report_failed(&report) || *report.ended ? WRONG
                                                                    : RIGHT;
    free(report.tallies);
    return result;
}

static int run_all(const options *o, FILE *json)
{
    size_t count;
    selftest_case *cases = selftest_cases(o->only, &count);
    int result = WRONG;
    if (!cases)
        fprintf(stderr, "vkd-selftest: out of memory\n");
    else if (!count)
        result = complain("--only", "no operator and no variant has a name with that in it");
    else
        result = run_cases(&(selftest_plan){.cases = cases,
                                            .count = count,
                                            .draws = (int)o->draws,
                                            .seed = o->seed,
                                            .device = o->device,
                                            .validate = o->validate},
                           json);
    free(cases);
    return result;
}

int main(int argc, char **argv)
{
    options o;
    int result = parse(argc, argv, &o);
    FILE *json = NULL;
    if (!result && o.help)
        fputs(help, stdout);
    if (result || o.help)
        return result;
    if (o.json && !(json = fopen(o.json, "w"))) {
        complain(o.json, strerror(errno));
        return IO;
    }
    result = o.model ? run_model(&o, json) : run_all(&o, json);
    if (json && (ferror(json) | fclose(json)))
        result = complain(o.json, "cannot be written") ? IO : result;
    if (fflush(stdout))
        result = IO;
    return result;
}
