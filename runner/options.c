#include "runner/options.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/file.h"

static const char help_text[] =
    "\n"
    "What is run\n"
    "  With images, PNG or JPEG files, each is turned as its EXIF data says, scaled to\n"
    "  (value/255 - mean)/std, resized to the model's input (bilinear, half-pixel\n"
    "  centres, no antialiasing) and classified: softmax over the first output gives\n"
    "  the probabilities. A gray image is copied to three channels where the model\n"
    "  wants three. The defaults of --mean and --std are ImageNet's. An image that\n"
    "  cannot be read does not stop the others; the exit code tells of it.\n"
    "  With --input, raw tensors are run: little-endian, row-major (NCHW), in the\n"
    "  dtype of the model's input (usually float32), of exactly its size. A name that\n"
    "  ends in .f16 or .f32, .i32 or .i64 is of that type where the model has floats\n"
    "  or such integers; --shape gives the dims where they can change. Twice as many\n"
    "  inputs are two executions, between which the model keeps its state. --bench,\n"
    "  --throughput, --profile, --trace and --report without any input use fixed\n"
    "  pseudo-random numbers.\n"
    "  With --generate, a language model makes a text of token ids: its first input\n"
    "  has the tokens, the second, if there is one, the position of the first of them,\n"
    "  and the first output the logits. What it knows of the tokens before is its\n"
    "  state, or goes out of it and in again in further outputs and inputs.\n"
    "  With none of these, the model's inputs and outputs are listed.\n"
    "  A file of the name - is standard input; --output - is standard output, and all\n"
    "  else is then printed to stderr.\n"
    "\n"
    "Where things are looked up\n"
    "  library   --library, $VKD_LIBRARY, the folder of vkd-run, ../lib beside it,\n"
    "            the system's library path\n"
    "  device    --device, $VKD_DEVICE, else discrete GPUs first, CPUs last\n"
    "  caches    --cache-dir, else $XDG_CACHE_HOME/vkdelegate or ~/.cache/vkdelegate\n"
    "\n"
    "Exit codes\n"
    "  0  success\n"
    "  1  wrong usage, or input that does not fit the model\n"
    "  2  the model file is no program, or broken\n"
    "  3  the model has something that is not supported\n"
    "  4  no Vulkan library, no driver, or no device that fits\n"
    "  5  the device was lost, or an execution took longer than the time-out\n"
    "  6  a file, the library included, could not be read or written\n"
    "  7  out of memory, another driver error, results that differ under\n"
    "     --throughput or are wrong under --verify, or a validation message\n"
    "\n"
    "Examples\n"
    "  vkd-run model.pte --labels labels.txt photo.jpg       the likeliest classes\n"
    "  vkd-run model.pte --labels labels.txt *.png           one line an image\n"
    "  vkd-run model.pte --input a.f32 --input b.f32 --output out.f32\n"
    "  vkd-run model.pte --bench 100 --device llvmpipe --json    times as JSON\n"
    "  vkd-run model.pte --throughput 1000 --in-flight 4         executions a second\n"
    "  vkd-run model.pte --profile                where the GPU's time goes\n"
    "  vkd-run model.pte --explain                how convolutions were chosen\n"
    "  vkd-run llama.pte --generate 64 --prompt 1,15,27          token ids that follow\n"
    "  vkd-run --verify programs/*                against their known results\n";

/* The option tables hold pointers into *out, so they live only as long as the parse or the help
 * that needs them. */
typedef struct option_tables {
    struct poptOption data[12], text[8], report[13], device[17], other[4], all[6];
} option_tables;

#define FLAG(name, letter, field, text)                                                            \
    {                                                                                              \
        name, letter, POPT_ARG_NONE, &o->field, 0, text, NULL                                      \
    }
/* popt would leak the earlier value of a string option that is given twice. So it only reports the
 * text of a value, and the code says where in the run_options it belongs. */
enum { VALUE_CODE = 256 };
#define VALUE(name, letter, field, text, what)                                                     \
    {                                                                                              \
        name, letter, POPT_ARG_STRING, NULL, VALUE_CODE + (int)offsetof(run_options, field), text, \
            what                                                                                   \
    }
/* Copies a table into its place of the option_tables `t`, which is as long. */
#define FILL(table)                                                                                \
    do {                                                                                           \
        _Static_assert(sizeof(table) == sizeof t->table, "option_tables: " #table);                \
        memcpy(t->table, table, sizeof(table));                                                    \
    } while (0)
#define GROUP(table, text)                                                                         \
    {                                                                                              \
        NULL, '\0', POPT_ARG_INCLUDE_TABLE, t->table, 0, text, NULL                                \
    }

static void fill_data_tables(run_options *o, option_tables *t)
{
    const struct poptOption data[] = {
        VALUE("labels", 'l', labels, "class names, one a line", "FILE"),
        VALUE("top", 'k', top,
              "how many classes to print (default: 5 for one image, 1 for several)", "K"),
        VALUE("mean", 0, mean_text,
              "mean to subtract, one value or three (default: 0.485,0.456,0.406)", "M[,M,M]"),
        VALUE("std", 0, std_text,
              "deviation to divide by, one value or three (default: 0.229,0.224,0.225)", "S[,S,S]"),
        FLAG("gray", 0, gray, "turn colour images into gray first"),
        FLAG("u8", 0, u8,
             "the model's first input as bytes, 1xHxWxC: --mean and --std are the device's to do"),
        {"input", 'i', POPT_ARG_ARGV, &o->inputs, 0,
         "a raw tensor; once for each input of the model, in order; again for another execution",
         "FILE"},
        {"shape", 0, POPT_ARG_ARGV, &o->shapes, 0,
         "dims of an input, where they can change; once for each, in order", "AxBxC"},
        VALUE("output", 'o', output,
              "write the output as a raw tensor; several outputs: FILE.0.f32, FILE.1.f32",
              "FILE.f32"),
        {"ptd", 0, POPT_ARG_ARGV, &o->data_files, 0,
         "a .ptd file with constants of the model; once for each", "FILE"},
        VALUE("method", 0, method, "the program's method to run (default: forward)", "NAME"),
        POPT_TABLEEND,
    };
    const struct poptOption report[] = {
        VALUE("bench", 'b', bench,
              "warm up, then time N executions: median, p90, min of wall and GPU time", "N"),
        VALUE("throughput", 0, throughput,
              "warm up, then run N executions, several in flight: how many a second", "N"),
        VALUE("in-flight", 0, in_flight,
              "how many --throughput has in flight, 1 to 64 (default: 8)", "K"),
        VALUE("loads", 0, loads,
              "load the model N times more, beside the first on one engine: how long it takes",
              "N"),
        FLAG("profile", 'p', profile,
             "GPU time of every dispatch (median of --bench N, else of 10, executions)"),
        FLAG("explain", 0, explain, "how the variant of each convolution was chosen"),
        FLAG("memory", 0, memory,
             "device and host memory in use, and the bytes that dispatches read and write"),
        VALUE("trace", 0, trace,
              "write what host and device did when, for chrome://tracing or ui.perfetto.dev",
              "FILE.json"),
        VALUE("report", 0, page,
              "write a page with the graph, its times and its memory, for a browser", "FILE.html"),
        FLAG("verify", 0, verify,
             "the arguments are folders with programs and their results (meta.json): run and "
             "compare"),
        FLAG("list-devices", 0, list_devices,
             "the Vulkan devices, numbered as --device takes them"),
        FLAG("json", 0, json,
             "all of the above, the results and any error, as one JSON object on stdout"),
        POPT_TABLEEND,
    };
    FILL(data);
    FILL(report);
}

static void fill_text_table(run_options *o, option_tables *t)
{
    const struct poptOption text[] = {
        VALUE("generate", 'g', generate,
              "make a text of at most N tokens (--output FILE: their ids as text)", "N"),
        VALUE("prompt", 0, prompt, "token ids that it begins with: 1,15,27, or a file of them",
              "IDS"),
        VALUE("stop", 0, stop, "token ids after any of which it ends", "IDS"),
        VALUE("temperature", 0, temperature_text,
              "draw from softmax(logits / T) (default: 0, the largest logit)", "T"),
        VALUE("top-k", 0, top_k, "draw from the K likeliest", "K"),
        VALUE("seed", 0, seed, "of the random numbers (default: 0)", "S"),
        VALUE("prefill", 0, prefill, "the method for the prompt, where it has one of its own",
              "NAME"),
        POPT_TABLEEND,
    };
    (void)o;
    FILL(text);
}

static void fill_tables(run_options *o, option_tables *t)
{
    const struct poptOption device[] = {
        VALUE("device", 'd', device, "number or part of the name of the device to use", "DEVICE"),
        VALUE("library", 0, library, "the libvkdelegate to load", "PATH"),
        VALUE("cache-dir", 0, cache_dir, "where compiled pipelines and measurements are kept",
              "FOLDER"),
        FLAG("no-cache", 0, no_cache, "neither read nor write that cache"),
        VALUE("timeout", 0, timeout_ms,
              "how long one execution may take (default: 10000 on GPUs, 120000 on CPUs)", "MS"),
        VALUE("variant", 0, variant, "use this variant for every convolution that it can run",
              "NAME"),
        VALUE("select", 0, select_text,
              "how to choose variants: auto, or measure (once for a shape, then remembered)",
              "HOW"),
        VALUE("measure-ms", 0, measure_ms, "how long --select measure may measure (default: 2000)",
              "MS"),
        VALUE("self-check", 0, self_check_text,
              "which kernels to test before their first use on a device: none, auto (what takes "
              "less than a tenth of the start) or all",
              "HOW"),
        VALUE("max-submit", 0, max_submit_ms,
              "cut executions into submissions of at most so long, for others who use the device",
              "MS"),
        VALUE("max-plans", 0, max_plans,
              "where shapes can change: for how many sets of them all is kept ready (default: 4)",
              "N"),
        FLAG("memory-on-demand", 0, memory_on_demand,
             "take memory for a set of shapes when it first comes, not for the largest at once"),
        VALUE("priority", 0, priority_text,
              "of the device's queues: default, low, high or realtime, where it has them", "KIND"),
        VALUE("int8-dot", 0, int8_dot_text, "int8 kernels to use: auto, none, signed or mixed",
              "KIND"),
        FLAG("no-rewrites", 0, no_rewrites, "run every operator as the file has it"),
        FLAG("validate", 0, validate,
             "enable the Vulkan validation layer; a message makes the exit code 7"),
        POPT_TABLEEND,
    };
    const struct poptOption other[] = {
        {"verbose", 'v', POPT_ARG_NONE, NULL, 'v', "say more on stderr; twice: everything", NULL},
        FLAG("version", 'V', version, "print the versions of vkd-run and of the library"),
        FLAG("help", 'h', help, "print this help"),
        POPT_TABLEEND,
    };
    const struct poptOption all[] = {
        GROUP(data, "Input and output:"), GROUP(text, "Language models:"),
        GROUP(report, "Reports:"),        GROUP(device, "Device and execution:"),
        GROUP(other, "Other:"),           POPT_TABLEEND,
    };
    fill_data_tables(o, t);
    fill_text_table(o, t);
    FILL(device);
    FILL(other);
    FILL(all);
}

/* "0.5" or "0.485,0.456,0.406" to three values. */
static run_exit parse_triple(const char *name, const char *text, float out[3])
{
    const char *at = text;
    char *end = NULL;
    int count = 0;
    while (count < 3) {
        out[count] = strtof(at, &end);
        if (end == at || !isfinite(out[count]))
            break;
        count++;
        if (*end != ',')
            break;
        at = end + 1;
    }
    if (*end || (count != 1 && count != 3))
        return run_fail(RUN_USAGE,
                        "--%s: '%s' is not one number or three numbers with commas between them",
                        name, text);
    if (count == 1)
        out[1] = out[2] = out[0];
    return RUN_OK;
}

/* One of some names with commas between them to its number. */
static run_exit parse_name(const char *option, const char *names, const char *text, unsigned *out)
{
    size_t length = strlen(text);
    unsigned index = 0;
    for (const char *name = names; name; index++) {
        const char *end = strchr(name, ',');
        size_t size = end ? (size_t)(end - name) : strlen(name);
        if (size == length && !memcmp(name, text, size)) {
            *out = index;
            return RUN_OK;
        }
        name = end ? end + 1 : NULL;
    }
    return run_fail(RUN_USAGE, "--%s: '%s' is none of %s", option, text, names);
}

static run_exit parse_temperature(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && !*end && isfinite(*out) && *out >= 0
               ? RUN_OK
               : run_fail(RUN_USAGE, "--temperature: '%s' is not a number from 0 on", text);
}

static run_exit parse_values(run_options *options)
{
    run_exit result = RUN_OK;
    unsigned dot = VKD_DOT_AUTO, select = VKD_SELECT_AUTO, self_check = VKD_SELF_CHECK_AUTO,
             priority = VKD_PRIORITY_DEFAULT;
    if (options->mean_text)
        result = parse_triple("mean", options->mean_text, options->mean);
    if (!result && options->std_text)
        result = parse_triple("std", options->std_text, options->std);
    if (!result && options->int8_dot_text)
        result = parse_name("int8-dot", "auto,none,signed,mixed", options->int8_dot_text, &dot);
    if (!result && options->select_text)
        result = parse_name("select", "auto,measure", options->select_text, &select);
    if (!result && options->priority_text)
        result =
            parse_name("priority", "default,low,high,realtime", options->priority_text, &priority);
    if (!result && options->self_check_text)
        result = parse_name("self-check", "auto,none,all", options->self_check_text, &self_check);
    if (!result && options->temperature_text)
        result = parse_temperature(options->temperature_text, &options->temperature);
    options->int8_dot = (vkd_int8_dot)dot;
    options->select = (vkd_select)select;
    options->priority = (vkd_priority)priority;
    options->self_check = (vkd_self_check)self_check;
    return result;
}

/* An option that would have no effect is a misunderstanding. */
typedef struct effect {
    const char *option;
    bool given, has_effect;
    const char *needs;
} effect;

static run_exit check_effects(const effect *effects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (effects[i].given && !effects[i].has_effect)
            return run_fail(RUN_USAGE, "%s needs %s, it would have no effect", effects[i].option,
                            effects[i].needs);
    return RUN_OK;
}

static run_exit check_companions(const run_options *o)
{
    const bool model = !o->list_devices && !o->verify, images = o->image_count,
               runs = images || o->input_count, draws = o->temperature > 0;
    const effect effects[] = {
        {"--mean", o->mean_text, images || o->u8, "an image"},
        {"--std", o->std_text, images || o->u8, "an image"},
        {"--u8", o->u8, model, "a model"},
        {"--gray", o->gray, images, "an image"},
        {"--top", o->top, runs, "an image or --input"},
        {"--labels", o->labels, runs, "an image or --input"},
        {"--output", o->output, runs || o->verify || o->generate,
         "an image, --input, --generate or --verify"},
        {"--prompt", o->prompt, o->generate, "--generate"},
        {"--stop", o->stop, o->generate, "--generate"},
        {"--prefill", o->prefill, o->generate, "--generate"},
        {"--temperature", o->temperature_text, o->generate, "--generate"},
        {"--top-k", o->top_k, draws, "--temperature"},
        {"--seed", o->seed, draws, "--temperature"},
        {"--shape", o->shape_count, o->input_count, "--input"},
        {"--in-flight", o->in_flight, o->throughput, "--throughput"},
        {"--measure-ms", o->measure_ms, o->select == VKD_SELECT_MEASURE, "--select measure"},
        {"--select measure", o->select == VKD_SELECT_MEASURE, !o->variant,
         "a choice, without --variant"},
        {"--cache-dir", o->cache_dir, !o->no_cache, "the cache, without --no-cache"},
        {"--verify", o->verify, !o->list_devices, "to be without --list-devices"},
    };
    return check_effects(effects, sizeof effects / sizeof *effects);
}

/* Without one there is only a list of devices, or known programs, which some are for, too. */
static run_exit check_need_of_model(const run_options *o)
{
    const bool model = !o->list_devices && !o->verify, device = !o->list_devices;
    const effect effects[] = {
        {"MODEL", o->model, model, "to be without --list-devices"},
        {"--input", o->input_count, model, "a model"},
        {"--generate", o->generate, model, "a model"},
        {"--ptd", o->data_file_count, model, "a model"},
        {"--method", o->method, device, "a model"},
        {"--bench", o->bench, model, "a model"},
        {"--throughput", o->throughput, model, "a model"},
        {"--loads", o->loads, model && !run_file_is_standard(o->model), "a model in a file"},
        {"--profile", o->profile, model, "a model"},
        {"--explain", o->explain, model, "a model"},
        {"--trace", o->trace, model, "a model"},
        {"--report", o->page, model, "a model"},
        {"--memory", o->memory, model, "a model"},
        {"--device", o->device, device, "a model"},
        {"--cache-dir", o->cache_dir, device, "a model"},
        {"--no-cache", o->no_cache, device, "a model"},
        {"--timeout", o->timeout_ms, device, "a model"},
        {"--variant", o->variant, device, "a model"},
        {"--select", o->select_text, device, "a model"},
        {"--self-check", o->self_check_text, device, "a model"},
        {"--int8-dot", o->int8_dot_text, device, "a model"},
        {"--max-submit", o->max_submit_ms, device, "a model"},
        {"--max-plans", o->max_plans, device, "a model"},
        {"--memory-on-demand", o->memory_on_demand, device, "a model"},
        {"--priority", o->priority_text, device, "a model"},
        {"--no-rewrites", o->no_rewrites, device, "a model"},
    };
    return check_effects(effects, sizeof effects / sizeof *effects);
}

/* Standard input is read once, and what goes to standard output is alone there. */
static run_exit check_streams(const run_options *o)
{
    size_t readers = run_file_is_standard(o->model) + run_file_is_standard(o->labels) +
                     run_file_is_standard(o->prompt);
    for (size_t i = 0; i < o->image_count; i++)
        readers += run_file_is_standard(o->images[i]);
    for (size_t i = 0; i < o->input_count; i++)
        readers += run_file_is_standard(o->inputs[i]);
    for (size_t i = 0; i < o->data_file_count; i++)
        if (run_file_is_standard(o->data_files[i]))
            return run_fail(RUN_USAGE, "--ptd cannot be '-', standard input");
    if (readers > 1)
        return run_fail(RUN_USAGE, "'-', standard input, is given %zu times: it can be read once",
                        readers);
    if (run_file_is_standard(o->output) && o->json)
        return run_fail(
            RUN_USAGE, "--output - and --json cannot be used together: both go to standard output");
    return RUN_OK;
}

static run_exit check(const run_options *options)
{
    for (int i = 0; i < 3; i++)
        if (options->std[i] <= 0)
            return run_fail(RUN_USAGE, "--std: must be more than 0");
    if (options->verify && !options->folder_count)
        return run_fail(
            RUN_USAGE,
            "--verify: which folders? usage: vkd-run --verify FOLDER... [--output FOLDER]");
    if (!options->model && !options->verify && !options->list_devices)
        return run_fail(
            RUN_USAGE,
            "which model? usage: vkd-run [OPTION...] MODEL.pte [IMAGE...], see vkd-run --help");
    if (options->image_count && options->input_count)
        return run_fail(RUN_USAGE, "--input and images cannot be used together");
    if (options->generate && (options->image_count || options->input_count))
        return run_fail(RUN_USAGE, "--generate cannot be used with --input or images");
    if (options->generate && !options->prompt)
        return run_fail(RUN_USAGE, "--generate: what does the text begin with? --prompt 1,15,27");
    if (options->output && options->image_count > 1)
        return run_fail(RUN_USAGE, "--output takes the result of one image, %zu are given",
                        options->image_count);
    run_exit result = check_companions(options);
    if (!result)
        result = check_need_of_model(options);
    return result ? result : check_streams(options);
}

static void take_arguments(run_options *options)
{
    const char **arguments = poptGetArgs(options->context);
    if (options->verify) {
        options->folders = arguments;
        while (arguments && arguments[options->folder_count])
            options->folder_count++;
    } else if (arguments && arguments[0]) {
        options->model = arguments[0];
        options->images = arguments + 1;
        while (options->images[options->image_count])
            options->image_count++;
    }
    while (options->inputs && options->inputs[options->input_count])
        options->input_count++;
    while (options->shapes && options->shapes[options->shape_count])
        options->shape_count++;
    while (options->data_files && options->data_files[options->data_file_count])
        options->data_file_count++;
}

/* The options that take a number. 0 in the field: the option is not given. */
static const struct number {
    const char *name;
    size_t field;
    int most;
} numbers[] = {
    {"top", offsetof(run_options, top), INT_MAX},
    {"bench", offsetof(run_options, bench), INT_MAX},
    {"throughput", offsetof(run_options, throughput), INT_MAX},
    {"loads", offsetof(run_options, loads), INT_MAX},
    {"in-flight", offsetof(run_options, in_flight), VKD_MAX_IN_FLIGHT},
    {"timeout", offsetof(run_options, timeout_ms), INT_MAX},
    {"measure-ms", offsetof(run_options, measure_ms), INT_MAX},
    {"max-submit", offsetof(run_options, max_submit_ms), INT_MAX},
    {"max-plans", offsetof(run_options, max_plans), VKD_MAX_PLANS},
    {"generate", offsetof(run_options, generate), 1 << 24},
    {"top-k", offsetof(run_options, top_k), INT_MAX},
    {"seed", offsetof(run_options, seed), INT_MAX},
};

static const struct number *find_number(size_t field)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].field == field)
            return &numbers[i];
    return NULL;
}

static run_exit parse_number(const struct number *number, const char *text, int *out)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end || errno || value < 1 || value > number->most)
        return run_fail(RUN_USAGE, "--%s: '%s' is not a whole number from 1 to %d", number->name,
                        text, number->most);
    *out = (int)value;
    return RUN_OK;
}

static run_exit take_value(run_options *options, int code)
{
    size_t field = (size_t)(code - VALUE_CODE);
    void *at = (char *)options + field;
    char *text = poptGetOptArg(options->context), **string = at;
    const struct number *number = find_number(field);
    if (number) {
        run_exit result = parse_number(number, text, at);
        free(text);
        return result;
    }
    free(*string);
    *string = text;
    return RUN_OK;
}

static run_exit parse(run_options *options)
{
    int code;
    run_exit result = RUN_OK;
    while (!result && (code = poptGetNextOpt(options->context)) != -1) {
        if (code < -1)
            return run_fail(RUN_USAGE, "%s: %s, see vkd-run --help",
                            poptBadOption(options->context, POPT_BADOPTION_NOALIAS),
                            poptStrerror(code));
        if (code >= VALUE_CODE)
            result = take_value(options, code);
        options->verbose += code == 'v';
    }
    if (result || options->help || options->version)
        return result;
    take_arguments(options);
    result = parse_values(options);
    return result ? result : check(options);
}

/* What was asked for by a command line that is wrong somewhere. */
static bool has_word(int argc, const char **argv, const char *word)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], word))
            return true;
    return false;
}

run_exit run_options_parse(int argc, const char **argv, run_options *out)
{
    enum { IN_FLIGHT = 8 };
    option_tables tables;
    *out = (run_options){
        .mean = {0.485f, 0.456f, 0.406f},
        .std = {0.229f, 0.224f, 0.225f},
    };
    fill_tables(out, &tables);
    out->context = poptGetContext("vkd-run", argc, argv, tables.all, 0);
    run_exit result = out->context ? parse(out) : run_fail_memory();
    if (result && has_word(argc, argv, "--json"))
        out->json = 1;
    if (out->throughput && !out->in_flight)
        out->in_flight = IN_FLIGHT;
    return result;
}

void run_options_print_help(const run_options *options)
{
    run_options scratch = *options;
    option_tables tables;
    const char *arguments[] = {"vkd-run", NULL};
    fill_tables(&scratch, &tables);
    poptContext context = poptGetContext("vkd-run", 1, arguments, tables.all, 0);
    if (context) {
        poptSetOtherOptionHelp(context, "[OPTION...] MODEL.pte [IMAGE...]");
        poptPrintHelp(context, stdout, 0);
        poptFreeContext(context);
    }
    fputs(help_text, stdout);
}

void run_options_release(run_options *options)
{
    char *const strings[] = {
        options->output,   options->labels,        options->device,       options->library,
        options->method,   options->variant,       options->cache_dir,    options->mean_text,
        options->std_text, options->int8_dot_text, options->select_text,  options->self_check_text,
        options->prompt,   options->stop,          options->prefill,      options->temperature_text,
        options->trace,    options->page,          options->priority_text};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        free(strings[i]);
    for (size_t i = 0; options->inputs && options->inputs[i]; i++)
        free(options->inputs[i]);
    for (size_t i = 0; options->shapes && options->shapes[i]; i++)
        free(options->shapes[i]);
    free(options->shapes);
    for (size_t i = 0; options->data_files && options->data_files[i]; i++)
        free(options->data_files[i]);
    free(options->inputs);
    free(options->data_files);
    if (options->context)
        poptFreeContext(options->context);
}
