/* Reports as text, for people. */
#include "runner/report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/tensor.h"

const char *run_dot_name(vkd_int8_dot dot)
{
    static const char *const names[] = {"auto", "none", "signed", "mixed"};
    return (size_t)dot < sizeof names / sizeof *names ? names[dot] : "unknown";
}

const char *run_measure_name(run_measure measure)
{
    static const char *const names[] = {"unequal", "largest", "relative", "cosine"};
    return names[measure];
}

const char *run_short_op(const char *op, int *length)
{
    static const char tail[] = ".default";
    const char *dot = strchr(op, '.');
    const char *name = dot ? dot + 1 : op;
    size_t size = strlen(name);
    if (size >= sizeof tail && !strcmp(name + size - (sizeof tail - 1), tail))
        size -= sizeof tail - 1;
    *length = (int)size;
    return name;
}

bool run_same_choice(const vkd_selection_info *a, const vkd_selection_info *b)
{
    return !strcmp(a->op, b->op) && !strcmp(a->problem, b->problem) &&
           !strcmp(a->winner, b->winner);
}

double run_gops(uint64_t macs, double us)
{
    return macs && us > 0 ? (double)macs * 2e-3 / us : NAN;
}

static void print_version(run_report *report, const char *runner, const char *library)
{
    (void)report;
    printf("vkd-run %s, plug-in ABI %u\n", runner, VKD_BACKEND_ABI);
    if (library)
        printf("libvkdelegate %s\n", library);
}

static void print_devices(run_report *report, const vkd_device_info *devices, size_t count)
{
    (void)report;
    int width = 0;
    for (size_t i = 0; i < count; i++)
        width = (int)strlen(devices[i].name) > width ? (int)strlen(devices[i].name) : width;
    for (size_t i = 0; i < count; i++) {
        uint32_t version = devices[i].api_version;
        printf("%zu  %-*s  %-10s  Vulkan %u.%u.%u  int8 dot: %s\n", i, width, devices[i].name,
               devices[i].type, version >> 22 & 127, version >> 12 & 1023, version & 4095,
               run_dot_name(devices[i].int8_dot));
    }
}

static void print_tensor(const run_session *session, const char *what, size_t index,
                         const vkd_tensor_info *info)
{
    char shape[RUN_SHAPE_SIZE];
    printf("%s %zu: %s %s, %zu bytes\n", what, index, session->backend->dtype_name(info->dtype),
           run_tensor_shape(info, shape, sizeof shape), info->size);
}

static void print_model(run_report *report, const run_session *session, bool describe)
{
    (void)report;
    const vkd_backend_table *backend = session->backend;
    vkd_tensor_info info;
    printf("%s on %s, loaded in %.1f ms\n", session->options->model,
           backend->delegate_device(session->delegate)->name, session->init_ms);
    if (!describe)
        return;
    for (size_t i = 0; i < backend->program_method_count(session->program); i++)
        printf("method %zu: %s\n", i, backend->program_method_name(session->program, i));
    for (size_t i = 0; i < backend->method_input_count(session->method); i++)
        if (backend->method_input_info(session->method, i, &info) == VKD_OK)
            print_tensor(session, "input", i, &info);
    for (size_t i = 0; i < backend->method_output_count(session->method); i++)
        if (backend->method_output_info(session->method, i, &info) == VKD_OK)
            print_tensor(session, "output", i, &info);
    printf("%zu dispatches, %zu convolutions\n", backend->node_count(session->delegate),
           backend->selection_count(session->delegate));
}

static void print_class(const run_class *class)
{
    char name[32];
    snprintf(name, sizeof name, "class %zu", class->index);
    printf("%-24s  %6.2f %%", class->label ? class->label : name, class->probability * 100);
}

/* One line where one class is asked for, so that many images make a table. */
static void print_classes(run_report *report, const char *file, int aligned,
                          const run_class *classes, size_t count, double ms)
{
    (void)report;
    const char *name = file ? file : "input";
    if (count == 1) {
        printf("%-*s  ", aligned, name);
        print_class(classes);
        printf("  %8.2f ms\n", ms);
        return;
    }
    printf("%s: %.2f ms\n", name, ms);
    for (size_t i = 0; i < count; i++) {
        printf("%4zu  ", i + 1);
        print_class(&classes[i]);
        printf("  %10.4f\n", classes[i].value);
    }
}

static void print_output(run_report *report, const run_output *output)
{
    (void)report;
    char shape[RUN_SHAPE_SIZE];
    if (output->steps > 1)
        printf("execution %zu, ", output->step);
    printf("output %zu: %s %s, min %.6g, max %.6g, mean %.6g%s%s\n", output->index, output->dtype,
           run_tensor_shape(&output->info, shape, sizeof shape), output->min, output->max,
           output->mean, output->file ? " -> " : "", output->file ? output->file : "");
}

static void print_token(run_report *report, int64_t token)
{
    (void)report;
    printf("%" PRId64 " ", token);
    fflush(stdout);
}

/* Tokens a second; 0 where nothing was timed. */
static double rate(size_t tokens, double ms) { return ms > 0 ? (double)tokens / ms * 1e3 : 0; }

static void print_generated(run_report *report, const run_generation *g)
{
    (void)report;
    printf("%s\nprompt: %zu tokens in %.2f ms, %.1f a second\n", g->stopped ? "(stop)" : "",
           g->prompt, g->prompt_ms, rate(g->prompt, g->prompt_ms));
    if (g->count > 1)
        printf("text: %zu further tokens in %.2f ms, %.1f a second; median %.3f ms, p90 %.3f ms\n",
               g->count - 1, g->tokens_ms, rate(g->count - 1, g->tokens_ms), g->token.median,
               g->token.p90);
}

static void print_times(const char *name, const run_times *times)
{
    if (isnan(times->median))
        printf("%-6s  %12s  %12s  %12s\n", name, "-", "-", "-");
    else
        printf("%-6s  %12.4f  %12.4f  %12.4f\n", name, times->median, times->p90, times->min);
}

static void print_bench(run_report *report, const run_bench *bench)
{
    (void)report;
    printf("%zu executions after %zu to warm up, milliseconds\n", bench->runs, bench->warmup);
    printf("%-6s  %12s  %12s  %12s\n", "", "median", "p90", "min");
    print_times("wall", &bench->wall);
    print_times("GPU", &bench->gpu);
    if (bench->submissions > 1)
        printf("%zu submissions each\n", bench->submissions);
}

static void print_throughput(run_report *report, const run_throughput *throughput)
{
    (void)report;
    printf("%zu executions, %zu in flight: %.1f a second", throughput->executions,
           throughput->in_flight, throughput->per_second);
    if (throughput->batch > 1)
        printf(", %.1f images a second", throughput->per_second * (double)throughput->batch);
    printf("\n");
}

static void print_loads(run_report *report, const run_times *times, size_t count)
{
    (void)report;
    printf("%zu loads more on the same engine: median %.2f ms, p90 %.2f, min %.2f\n", count,
           times->median, times->p90, times->min);
}

/* The width of each text column of the profile. */
typedef struct widths {
    int op, shape, kernel, variant;
} widths;

static void widen(int *width, size_t length)
{
    *width = (int)length > *width ? (int)length : *width;
}

static widths measure(const run_profile *profile)
{
    widths w = {strlen("operator"), strlen("shape"), strlen("kernel"), strlen("variant")};
    for (size_t i = 0; i < profile->count; i++) {
        const vkd_node_info *node = &profile->rows[i].node;
        int length;
        run_short_op(node->op, &length);
        widen(&w.op, (size_t)length);
        widen(&w.shape, strlen(node->shape));
        widen(&w.kernel, strlen(node->kernel));
        widen(&w.variant, strlen(node->variant));
    }
    return w;
}

static void print_rate(uint64_t macs, double us)
{
    if (macs && us > 0)
        printf("%9.1f", run_gops(macs, us));
    else
        printf("%9s", "-");
}

static void print_row(const widths *w, size_t index, const run_profile_row *row, double sum)
{
    const vkd_node_info *node = &row->node;
    int length;
    const char *op = run_short_op(node->op, &length);
    printf("%4zu  %5" PRIu32 "  %.*s%*s  %-*s  %-*s  %-*s  %10.1f  ", index, node->op_id, length,
           op, w->op - length, "", w->shape, node->shape, w->kernel, node->kernel, w->variant,
           node->variant, row->us);
    print_rate(node->macs, row->us);
    printf("  %5.1f%%\n", sum > 0 ? row->us / sum * 100 : 0);
}

static void print_profile(run_report *report, const run_profile *profile)
{
    (void)report;
    widths w = measure(profile);
    int texts = w.op + w.shape + w.kernel + w.variant + 6;
    printf("%4s  %5s  %-*s  %-*s  %-*s  %-*s  %10s  %9s  %6s\n", "node", "op id", w.op, "operator",
           w.shape, "shape", w.kernel, "kernel", w.variant, "variant", "GPU us", "GOPS", "share");
    for (size_t i = 0; i < profile->count; i++)
        print_row(&w, i, &profile->rows[i], profile->nodes_us);
    printf("%4s  %5s  %-*s  %10.1f  ", "", "", texts, "all dispatches", profile->nodes_us);
    print_rate(profile->macs, profile->nodes_us);
    printf("  100.0%%\n");
    if (profile->total_us > 0)
        printf("%4s  %5s  %-*s  %10.1f\n", "", "", texts, "whole execution, gaps included",
               profile->total_us);
    printf("median of %zu executions; a time stamp around each dispatch makes the whole slower "
           "than --bench shows\n",
           profile->runs);
}

static void print_selection(const vkd_selection_info *selection, size_t same)
{
    printf("%zu x %s: %s\n    -> %s: %s\n", same, selection->op, selection->problem,
           selection->winner, selection->reason);
    for (size_t i = 0; i < selection->candidate_count; i++) {
        const vkd_candidate_info *candidate = &selection->candidates[i];
        if (!candidate->eligible)
            printf("       %-26s  %-23s  %s\n", candidate->variant, "not eligible",
                   candidate->reason);
        else if (candidate->measured_us > 0)
            printf("       %-26s  %10.1f us estimated  %10.1f us measured\n", candidate->variant,
                   candidate->cost_us, candidate->measured_us);
        else
            printf("       %-26s  %10.1f us estimated  %s\n", candidate->variant,
                   candidate->cost_us, candidate->reason);
    }
}

/* How often each variant won, in the order of first appearance. */
static void print_winners(const vkd_selection_info *selections, size_t count)
{
    printf("convolutions: %zu", count);
    for (size_t i = 0; i < count; i++) {
        size_t first = 0, wins = 0;
        while (strcmp(selections[first].winner, selections[i].winner))
            first++;
        if (first < i)
            continue;
        for (size_t j = i; j < count; j++)
            wins += !strcmp(selections[j].winner, selections[i].winner);
        printf(", %s %zu", selections[i].winner, wins);
    }
    printf("\n");
}

/* How many dispatches' kernels each verdict is of. */
static void print_checks(const run_session *session)
{
    enum { VERDICTS = 8 };
    struct {
        const char *text;
        size_t count;
    } verdicts[VERDICTS] = {0};
    for (size_t i = 0; i < session->backend->node_count(session->delegate); i++) {
        const char *text = session->backend->node_check(session->delegate, i);
        size_t v = 0;
        while (v < VERDICTS - 1 && verdicts[v].text && strcmp(verdicts[v].text, text))
            v++;
        verdicts[v].text = text;
        verdicts[v].count++;
    }
    printf("dispatches, by the self-check of their kernels:");
    for (size_t v = 0; v < VERDICTS && verdicts[v].text; v++)
        printf("%s %zu %s", v ? "," : "", verdicts[v].count, verdicts[v].text);
    printf("\n");
}

static void print_explain(run_report *report, const run_session *session)
{
    size_t count = session->backend->selection_count(session->delegate);
    vkd_selection_info *selections = calloc(count + 1, sizeof *selections);
    if (!selections) {
        report->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        report->failed |=
            session->backend->selection(session->delegate, i, &selections[i]) != VKD_OK;
    for (size_t i = 0; i < count && !report->failed; i++) {
        size_t first = 0, same = 0;
        while (!run_same_choice(&selections[first], &selections[i]))
            first++;
        if (first < i)
            continue;
        for (size_t j = i; j < count; j++)
            same += run_same_choice(&selections[j], &selections[i]);
        print_selection(&selections[i], same);
    }
    if (!report->failed)
        print_winners(selections, count);
    print_checks(session);
    free(selections);
}

static void print_bytes(const char *name, uint64_t bytes)
{
    printf("%-34s  %12" PRIu64 "  %9.2f MiB\n", name, bytes, (double)bytes / (1 << 20));
}

static void print_memory(run_report *report, const vkd_memory_info *memory,
                         const run_traffic *traffic)
{
    (void)report;
    print_bytes("device: constants", memory->constants);
    print_bytes("device: scratch", memory->scratch);
    print_bytes("device: scratch without sharing", memory->scratch_unaliased);
    print_bytes("host-visible: inputs and outputs", memory->io);
    print_bytes("host: held after init", memory->host);
    print_bytes("host: peak of init", memory->host_peak);
    printf("%-34s  %12zu\n", "dispatches of an execution", traffic->dispatches);
    print_bytes("dispatches: bytes read", traffic->read);
    print_bytes("dispatches: bytes written", traffic->written);
}

static void print_failure(run_report *report, const char *file, const char *reason)
{
    (void)report, (void)file, (void)reason;
}

static run_exit finish(run_report *report, run_exit result)
{
    return result || !report->failed ? result : run_fail_memory();
}

static void print_check(run_report *report, const run_check *check)
{
    (void)report;
    const run_difference *d = &check->difference;
    char shape[RUN_SHAPE_SIZE], step[32] = "";
    if (check->steps > 1)
        snprintf(step, sizeof step, " of execution %zu", check->step);
    printf("%s: output %zu%s: ", check->program, check->output, step);
    if (check->other_dims)
        printf("%s is another shape: wrong\n", run_tensor_shape(&check->info, shape, sizeof shape));
    else
        printf("largest %.3g, relative %.3g, %zu unequal (%s %s %.3g): %s\n", d->largest,
               d->relative, d->unequal, run_measure_name(d->measure),
               d->measure == RUN_COSINE ? "at least" : "at most", d->allowed,
               check->is_right ? "right" : "wrong");
}

static void print_refused(run_report *report, const char *program, const char *reason, bool allowed)
{
    (void)report;
    printf("%s: not run%s: %s\n", program, allowed ? ", which is right" : "", reason);
}

static void print_verified(run_report *report, size_t right, size_t programs)
{
    (void)report;
    printf("%zu of %zu programs are right\n", right, programs);
}

const run_report_form run_report_text = {
    .version = print_version,
    .devices = print_devices,
    .model = print_model,
    .classes = print_classes,
    .failure = print_failure,
    .output = print_output,
    .token = print_token,
    .generated = print_generated,
    .bench = print_bench,
    .throughput = print_throughput,
    .loads = print_loads,
    .profile = print_profile,
    .explain = print_explain,
    .memory = print_memory,
    .check = print_check,
    .refused = print_refused,
    .verified = print_verified,
    .finish = finish,
};
