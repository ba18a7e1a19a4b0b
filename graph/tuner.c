#include "graph/tuner.h"
#include "graph/measure.h"
#include "graph/plan.h"
#include "runtime/cache_file.h"
#include "runtime/tuning_file.h"

#include <stdio.h>
#include <string.h>

struct vkd_tuner {
    vkd_device *device;
    vkd_context *context;
    vkd_arena arena; /* the tuning file */
    vkd_tuning_file *file;
    bool measures, checks;
    double left_us;                         /* of the budget */
    uint32_t measured, unmeasured, checked; /* problems that were timed, or not any more; candidates that were checked */
    double measure_us, check_us;            /* what that took */
};

static const double default_budget_us = 2e6;

/* A checksum of all kernels: times are of these and no others. */
static uint64_t kernels_sum(uint64_t sum)
{
    for (size_t i = 0; i < VKD_SHADER_COUNT; i++)
        for (size_t f = 0; f < sizeof vkd_shaders[i].flavours / sizeof vkd_shaders[i].flavours[0]; f++) {
            vkd_shader_code code = vkd_shaders[i].flavours[f];
            sum = sum * 31 + vkd_checksum(code.packed, code.count * sizeof *code.packed);
        }
    return sum;
}

vkd_status vkd_tuner_create(vkd_device *device, const vkd_options *options, uint64_t code, vkd_tuner **out)
{
    vkd_context *context = vkd_device_context(device);
    vkd_tuner *tuner = vkd_alloc(context, 1, sizeof *tuner);
    *out = NULL;
    if (!tuner)
        return vkd_fail_memory(context, "the tuner");
    *tuner = (vkd_tuner){
        .device = device,
        .context = context,
        .measures = options->conv_select == VKD_SELECT_MEASURE,
        .checks = !options->no_self_check,
        .left_us = options->measure_budget_ms ? options->measure_budget_ms * 1e3 : default_budget_us,
    };
    vkd_arena_init(&tuner->arena, context);
    vkd_status status = vkd_tuning_file_open(&tuner->arena, vkd_device_caps(device), kernels_sum(code), options, &tuner->file);
    if (status == VKD_OK)
        *out = tuner;
    else
        vkd_tuner_destroy(tuner);
    return status;
}

static void report(const vkd_tuner *tuner)
{
    vkd_context *context = tuner->context;
    if (tuner->measured)
        vkd_log(context, VKD_LOG_INFO, "measured kernels for %u shapes in %.0f ms", tuner->measured, tuner->measure_us * 1e-3);
    if (tuner->unmeasured)
        vkd_log(context, VKD_LOG_INFO, "the time for measuring was used up: %u kernels were chosen by estimate",
                tuner->unmeasured);
    if (tuner->checked)
        vkd_log(context, VKD_LOG_INFO, "checked %u kernels in %.0f ms", tuner->checked, tuner->check_us * 1e-3);
}

void vkd_tuner_destroy(vkd_tuner *tuner)
{
    if (!tuner)
        return;
    if (tuner->file)
        vkd_tuning_file_save(tuner->file);
    report(tuner);
    vkd_arena_release(&tuner->arena);
    vkd_free(tuner->context, tuner);
}

/* --------------------------------------------------------------------------------------------------- failing candidates */

/* What a candidate's failure says goes to the log as information only: the model may run without it. */
static void log_muted(void *user, vkd_log_level level, const char *message)
{
    const vkd_context *before = user;
    if (level == VKD_LOG_ERROR)
        level = VKD_LOG_INFO;
    if (level <= before->log_level)
        before->log(before->log_user, level, message);
}

static void mute(vkd_context *context, vkd_context *before)
{
    *before = *context;
    context->log = log_muted;
    context->log_user = before;
}

/* Ends the muting. A failure that concerns more than the candidate is said aloud after all, one that does not is forgotten. */
static vkd_status unmute(vkd_context *context, const vkd_context *before, vkd_status status)
{
    char error[sizeof context->error];
    memcpy(error, context->error, sizeof error);
    memcpy(context->error, before->error, sizeof context->error);
    context->log = before->log;
    context->log_user = before->log_user;
    if (status == VKD_OK || status == VKD_UNSUPPORTED || status == VKD_OUT_OF_MEMORY)
        return VKD_OK;
    return vkd_fail(context, status, "%s", error);
}

/* ---------------------------------------------------------------------------------------------------------- measuring */

static bool recall(const vkd_tuner *tuner, const char *problem, vkd_candidate_info *candidates, size_t count)
{
    bool known = false;
    for (size_t i = 0; i < count; i++) {
        uint64_t ns;
        if (!candidates[i].eligible || !vkd_tuning_file_find(tuner->file, problem, candidates[i].variant, &ns))
            continue;
        candidates[i].measured_us = (double)ns * 1e-3;
        known = true;
    }
    return known;
}

static size_t eligible_count(const vkd_candidate_info *candidates, size_t count)
{
    size_t eligible = 0;
    for (size_t i = 0; i < count; i++)
        eligible += candidates[i].eligible;
    return eligible;
}

/* The eligible candidate with the lowest estimate among those not in `order` yet; `count` if there is none. */
static size_t most_promising(const vkd_candidate_info *candidates, size_t count, const size_t *order, size_t ordered)
{
    size_t best = count;
    for (size_t i = 0; i < count; i++) {
        bool taken = !candidates[i].eligible;
        for (size_t k = 0; k < ordered; k++)
            taken |= order[k] == i;
        if (!taken && (best == count || candidates[i].cost_us < candidates[best].cost_us))
            best = i;
    }
    return best;
}

size_t vkd_tuner_line_up(const vkd_candidate_info *candidates, size_t count, size_t order[VKD_TUNER_TRIES])
{
    enum { AT_LEAST = 2 };
    const double hopeless = 3;
    size_t ordered = 0;
    while (ordered < VKD_TUNER_TRIES) {
        size_t i = most_promising(candidates, count, order, ordered);
        if (i == count || (ordered >= AT_LEAST && candidates[i].cost_us > hopeless * candidates[order[0]].cost_us))
            break;
        order[ordered++] = i;
    }
    return ordered;
}

/* Gets a candidate ready to be timed; it has no measurement when it cannot run here. */
static vkd_status prepare(vkd_tuner *tuner, vkd_arena *arena, const vkd_trial *trial, size_t candidate, vkd_contender *out)
{
    vkd_graph *graph = vkd_arena_alloc(arena, 1, sizeof *graph);
    vkd_tensor_id result;
    vkd_context before;
    if (!graph)
        return vkd_fail_memory(tuner->context, "a graph to try");
    vkd_graph_init(graph, arena);
    mute(tuner->context, &before);
    vkd_status status = trial->lower(trial->user, candidate, graph, &result);
    if (status == VKD_OK)
        trial->fill(trial->user);
    if (status == VKD_OK)
        status = vkd_measurement_begin(tuner->device, graph, &out->measurement, &out->us);
    return unmute(tuner->context, &before, status);
}

/* The most promising first, so that a budget that ends here has been spent on the best ones. */
static vkd_status line_up(vkd_tuner *tuner, vkd_arena *arena, const vkd_trial *trial, const vkd_candidate_info *candidates,
                          size_t count, double deadline, vkd_contender *contenders)
{
    const double hopeless_time = 2;
    size_t order[VKD_TUNER_TRIES], ordered = vkd_tuner_line_up(candidates, count, order);
    for (size_t k = 0; k < ordered && (!k || vkd_now_us() < deadline); k++) {
        VKD_TRY(prepare(tuner, arena, trial, order[k], &contenders[order[k]]));
        vkd_race_drop(contenders, count, hopeless_time);
    }
    return VKD_OK;
}

/* Every round costs more and decides more closely. */
static vkd_status race(vkd_contender *contenders, size_t count, double deadline)
{
    static const struct {
        double span_us, drop;
        uint32_t passes;
    } rounds[] = {{200, 1.3, 3}, {500, 1.1, 5}, {1000, 1.03, 7}};
    for (size_t r = 0; r < sizeof rounds / sizeof *rounds && vkd_now_us() < deadline; r++) {
        size_t racing = 0;
        for (size_t i = 0; i < count; i++)
            racing += contenders[i].measurement != NULL;
        if (racing < 2)
            break;
        VKD_TRY(vkd_race(contenders, count, rounds[r].span_us, rounds[r].passes, deadline));
        vkd_race_drop(contenders, count, rounds[r].drop);
    }
    return VKD_OK;
}

static vkd_status remember(vkd_tuner *tuner, const char *problem, vkd_candidate_info *candidates, size_t count,
                           const vkd_contender *contenders)
{
    for (size_t i = 0; i < count; i++) {
        if (contenders[i].us <= 0)
            continue;
        candidates[i].measured_us = contenders[i].us;
        VKD_TRY(vkd_tuning_file_set(tuner->file, problem, candidates[i].variant, (uint64_t)(contenders[i].us * 1e3 + 0.5)));
    }
    return VKD_OK;
}

static vkd_status measure_in(vkd_tuner *tuner, vkd_arena *arena, const char *problem, vkd_candidate_info *candidates,
                             size_t count, const vkd_trial *trial, double deadline)
{
    vkd_contender *contenders = vkd_arena_alloc(arena, count, sizeof *contenders);
    if (!contenders)
        return vkd_fail_memory(tuner->context, "candidates to try");
    vkd_status status = line_up(tuner, arena, trial, candidates, count, deadline, contenders);
    if (status == VKD_OK)
        status = race(contenders, count, deadline);
    if (status == VKD_OK)
        status = remember(tuner, problem, candidates, count, contenders);
    for (size_t i = 0; i < count; i++)
        vkd_measurement_end(contenders[i].measurement);
    return status;
}

static vkd_status measure(vkd_tuner *tuner, const char *problem, vkd_candidate_info *candidates, size_t count,
                          const vkd_trial *trial, double budget_us)
{
    vkd_arena arena;
    vkd_arena_init(&arena, tuner->context);
    vkd_status status = measure_in(tuner, &arena, problem, candidates, count, trial, vkd_now_us() + budget_us);
    vkd_arena_release(&arena);
    return status;
}

vkd_status vkd_tuner_probe(vkd_tuner *tuner, const char *problem, vkd_candidate_info *candidates, size_t count,
                           const vkd_trial *trial)
{
    const double long_enough_us = 10e6; /* compiling included */
    if (recall(tuner, problem, candidates, count) || eligible_count(candidates, count) < 2)
        return VKD_OK;
    return measure(tuner, problem, candidates, count, trial, long_enough_us);
}

vkd_status vkd_tuner_measure(vkd_tuner *tuner, const char *problem, vkd_candidate_info *candidates, size_t count,
                             const vkd_trial *trial)
{
    if (recall(tuner, problem, candidates, count) || !tuner->measures)
        return VKD_OK;
    if (eligible_count(candidates, count) < 2) /* there is nothing to choose */
        return VKD_OK;
    if (tuner->left_us <= 0) {
        tuner->unmeasured++;
        return VKD_OK;
    }
    double start = vkd_now_us();
    vkd_status status = measure(tuner, problem, candidates, count, trial, tuner->left_us);
    double spent = vkd_now_us() - start;
    tuner->left_us -= spent;
    tuner->measure_us += spent;
    tuner->measured++;
    return status;
}

/* ----------------------------------------------------------------------------------------------------------- checking */

/* Runs a lowered candidate once and gives its result to the trial. */
static vkd_status run_and_check(vkd_tuner *tuner, vkd_graph *graph, vkd_tensor_id result, const vkd_trial *trial, bool *out)
{
    vkd_executor *executor;
    void *bytes = vkd_arena_alloc(graph->arena, 1, (size_t)graph->tensors[result].bytes);
    if (!bytes)
        return vkd_fail_memory(tuner->context, "a result");
    VKD_TRY(vkd_plan_memory(graph, vkd_device_caps(tuner->device)->storage_alignment, true));
    VKD_TRY(vkd_executor_create(tuner->device, graph, NULL, false, &executor));
    vkd_status status = vkd_executor_run(executor);
    if (status == VKD_OK)
        status = vkd_executor_read(executor, result, bytes);
    vkd_executor_destroy(executor);
    if (status == VKD_OK)
        *out = trial->check(trial->user, bytes);
    return status;
}

/* What tells the work of a graph from that of others: kernels, their constants of both kinds, and how many workgroups. A kernel
 * that is right for one window may be wrong for another, whose loops are longer, say. */
static uint64_t work_of(const vkd_graph *graph)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < graph->node_count; i++) {
        const vkd_node *node = &graph->nodes[i];
        sum = sum * 31 + node->shader;
        sum = sum * 31 + vkd_checksum(node->specs, node->spec_count * sizeof node->specs[0]);
        sum = sum * 31 + vkd_checksum(node->push, node->push_size);
        sum = sum * 31 + vkd_checksum(node->groups, sizeof node->groups);
    }
    return sum;
}

/* The fact of the tuning file, or else by running the graph; that failing, the question stays open. */
static vkd_status check_graph(vkd_tuner *tuner, const char *variant, vkd_graph *graph, vkd_tensor_id result,
                              const vkd_trial *trial, bool *out)
{
    char subject[40];
    uint64_t known;
    snprintf(subject, sizeof subject, "check %016llx", (unsigned long long)work_of(graph));
    if (vkd_tuning_file_find(tuner->file, subject, variant, &known)) {
        *out = known;
        return VKD_OK;
    }
    double start = vkd_now_us();
    trial->fill(trial->user);
    VKD_TRY(run_and_check(tuner, graph, result, trial, out));
    tuner->check_us += vkd_now_us() - start;
    tuner->checked++;
    if (!*out)
        vkd_log(tuner->context, VKD_LOG_WARNING, "%s: kernel '%s' computes wrong results and is not used",
                vkd_device_caps(tuner->device)->name, variant);
    return vkd_tuning_file_set(tuner->file, subject, variant, *out);
}

vkd_status vkd_tuner_check(vkd_tuner *tuner, const char *variant, size_t candidate, const vkd_trial *trial, bool *out)
{
    vkd_arena arena;
    vkd_graph graph;
    vkd_tensor_id result;
    vkd_context before;
    *out = true;
    if (!tuner->checks)
        return VKD_OK;
    vkd_arena_init(&arena, tuner->context);
    vkd_graph_init(&graph, &arena);
    mute(tuner->context, &before);
    vkd_status status = trial->lower(trial->user, candidate, &graph, &result);
    if (status == VKD_OK)
        status = check_graph(tuner, variant, &graph, result, trial, out);
    status = unmute(tuner->context, &before, status);
    vkd_arena_release(&arena);
    return status;
}
