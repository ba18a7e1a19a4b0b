/* The command line of vkd-run. */
#ifndef VKD_RUNNER_OPTIONS_H
#define VKD_RUNNER_OPTIONS_H

#include <popt.h>

#include "include/vkdelegate.h"
#include "runner/message.h"

typedef struct run_options {
    /* Files are "-" where standard input is meant, and output where standard output is. */
    const char *model; /* null with --list-devices and --version */
    const char **images;
    size_t image_count;

    char **data_files; /* .ptd files beside the model */
    size_t data_file_count;
    char **inputs; /* raw tensor files, in the order of the model's inputs */
    size_t input_count;
    char **shapes; /* of the inputs, in their order */
    size_t shape_count;
    const char **folders; /* with --verify, in the place of a model */
    size_t folder_count;
    char *output;
    char *labels;
    int top; /* 0: not given */
    float mean[3], std[3];
    int gray, u8;

    int generate;  /* tokens at most; 0: no text is made */
    char *prompt;  /* token ids, or a file with some */
    char *stop;    /* token ids */
    char *prefill; /* the method for the prompt; null: the same */
    double temperature;
    int top_k; /* 0: not given */
    int seed;

    int bench;      /* number of runs, 0: no benchmark */
    int throughput; /* number of executions, 0: not measured */
    int loads;      /* of the model once more; 0: none */
    int in_flight;  /* of them; 0: not given, without --throughput */
    int profile, explain, memory, verify, list_devices, json;
    char *trace, *page; /* files to write */

    char *device, *library, *method, *variant, *cache_dir;
    vkd_int8_dot int8_dot;
    vkd_select select;
    vkd_self_check self_check;
    int measure_ms;
    int max_submit_ms, max_plans; /* 0: not given */
    vkd_priority priority;
    int timeout_ms, validate, no_cache, no_rewrites, memory_on_demand, verbose;

    int help, version; /* answered with text on stdout, nothing is run */

    poptContext context; /* owns model and images */
    char *mean_text, *std_text, *int8_dot_text, *select_text, *self_check_text, *temperature_text;
    char *priority_text;
} run_options;

/* Parses and checks: an option that would have no effect is refused. On RUN_USAGE the reason was
 * printed, and json tells all the same whether that was asked for. Release the options in any case.
 */
run_exit run_options_parse(int argc, const char **argv, run_options *out);
void run_options_release(run_options *options);
void run_options_print_help(const run_options *options);

#endif
