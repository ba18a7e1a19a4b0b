/* What vkd-run prints: each report as text for people, or as a part of one JSON object, which is
 * there whatever went wrong. */
#ifndef VKD_RUNNER_REPORT_H
#define VKD_RUNNER_REPORT_H

#include <cjson/cJSON.h>

#include "runner/bench.h"
#include "runner/classify.h"
#include "runner/compare.h"
#include "runner/generate.h"
#include "runner/operands.h"
#include "runner/throughput.h"

typedef struct run_report {
    cJSON *root; /* used by the JSON form: the object that finish prints */
    bool failed; /* a part did not fit into memory */
} run_report;

typedef struct run_output {
    size_t index, step, steps; /* step: which of so many executions */
    vkd_tensor_info info;
    const char *dtype;
    double min, max, mean; /* NAN for an empty tensor */
    const char *file;      /* null if it was not written */
} run_output;

/* An output against what it should be. */
typedef struct run_check {
    const char *program;
    size_t output, step, steps;
    vkd_tensor_info info;
    bool other_dims; /* than expected: there is no difference then */
    run_difference difference;
    bool is_right;
} run_check;

typedef struct run_report_form {
    /* library: null if it cannot be loaded */
    void (*version)(run_report *report, const char *runner, const char *library);
    void (*devices)(run_report *report, const vkd_device_info *devices, size_t count);
    /* The header: model, device, time to load. describe: the inputs, outputs and methods as well
     * (JSON has them always). */
    void (*model)(run_report *report, const run_session *session, bool describe);
    /* file: the image, or null if the input was raw. aligned: the width to which file names are
     * filled up. */
    void (*classes)(run_report *report, const char *file, int aligned, const run_class *classes,
                    size_t count, double ms);
    /* In the place of classes for an image that could not be read; the reason is on stderr already.
     */
    void (*failure)(run_report *report, const char *file, const char *reason);
    void (*output)(run_report *report, const run_output *output);
    /* Each token of a text as it comes, then how long they took. */
    void (*token)(run_report *report, int64_t token);
    void (*generated)(run_report *report, const run_generation *generation);
    void (*bench)(run_report *report, const run_bench *bench);
    void (*throughput)(run_report *report, const run_throughput *throughput);
    /* Of the model beside the first one. */
    void (*loads)(run_report *report, const run_times *times, size_t count);
    void (*profile)(run_report *report, const run_profile *profile);
    void (*explain)(run_report *report, const run_session *session);
    void (*memory)(run_report *report, const vkd_memory_info *memory, const run_traffic *traffic);
    void (*check)(run_report *report, const run_check *check);
    /* A program that could not be run; allowed: it is one that need not. */
    void (*refused)(run_report *report, const char *program, const char *reason, bool allowed);
    void (*verified)(run_report *report, size_t right, size_t programs);
    /* Last, in any case. result: how it went so far; what finish returns is how it went in the end.
     */
    run_exit (*finish)(run_report *report, run_exit result);
} run_report_form;

extern const run_report_form run_report_text, run_report_json;

/* "relative" ...: what a comparison judges by. */
const char *run_measure_name(run_measure measure);
/* "none", "signed", "mixed", "auto" */
const char *run_dot_name(vkd_int8_dot dot);
/* Giga-operations a second of a node; a multiply-add counts as two. NAN where that says nothing. */
double run_gops(uint64_t macs, double us);
/* "et_vk.q8ta_conv2d.default" as "q8ta_conv2d", with its length. */
const char *run_short_op(const char *op, int *length);
/* Whether two convolutions are the same and have the same variant. */
bool run_same_choice(const vkd_selection_info *a, const vkd_selection_info *b);

#endif
