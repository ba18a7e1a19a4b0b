#include "exec/tuner.h"
#include "exec/tuner_parts.h"
#include "graph/plan.h"
#include "runtime/base/cache_file.h"

#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const double default_budget_us = 2e6, preparing_factor = 4;

/* ---------------------------------------------------------------------------------------- facts */

/* A checksum of all kernels, once for the process: times are of these and no others. */
static uint64_t kernels;

static void sum_kernels(void)
{
    for (size_t i = 0; i < VKD_SHADER_COUNT; i++)
        for (size_t f = 0; f < sizeof vkd_shaders[i].flavours / sizeof vkd_shaders[i].flavours[0];
             f++) {
            const vkd_spirv *code = vkd_shaders[i].flavours[f];
            if (code)
                kernels = kernels * 31 + vkd_checksum(code->packed, code->size);
        }
}

static uint64_t kernels_sum(uint64_t sum)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, sum_kernels);
    return sum * 31 + kernels;
}

vkd_status vkd_facts_create(vkd_context *context, const vkd_options *options, uint64_t code,
                            vkd_facts **out)
{
    char directory[PATH_MAX];
    vkd_facts *facts = vkd_alloc(context, 1, sizeof *facts);
    *out = NULL;
    if (!facts || pthread_mutex_init(&facts->mutex, NULL) != 0) {
        vkd_free(context, facts);
        return vkd_fail_memory(context, "what is known of kernels");
    }
    facts->context = context;
    facts->code = kernels_sum(code);
    facts->options.no_cache = !vkd_cache_directory(options, directory, sizeof directory);
    vkd_arena_init(&facts->arena, context);
    if (!facts->options.no_cache) /* the caller's text may go */
        facts->options.cache_dir = vkd_arena_printf(&facts->arena, "%s", directory);
    if (!facts->options.no_cache && !facts->options.cache_dir) {
        vkd_facts_destroy(facts);
        return vkd_fail_memory(context, "what is known of kernels");
    }
    *out = facts;
    return VKD_OK;
}

void vkd_facts_destroy(vkd_facts *facts)
{
    if (!facts)
        return;
    vkd_context *context = facts->context;
    pthread_mutex_destroy(&facts->mutex);
    vkd_arena_release(&facts->arena);
    vkd_free(context, facts);
}

/* Around every use of a tuner's file; what there is to be said is said to the tuner's object. */
static void enter(const vkd_tuner *tuner)
{
    vkd_context *context = tuner->facts->context;
    pthread_mutex_lock(&tuner->facts->mutex);
    if (context == tuner->context)
        return;
    context->log = tuner->context->log;
    context->log_user = tuner->context->log_user;
    context->log_level = tuner->context->log_level;
    context->error[0] = 0;
}

static void leave(const vkd_tuner *tuner)
{
    vkd_context *context = tuner->facts->context;
    if (context != tuner->context && context->error[0])
        memcpy(tuner->context->error, context->error, sizeof context->error);
    pthread_mutex_unlock(&tuner->facts->mutex);
}

static vkd_status open_file(vkd_tuner *tuner)
{
    vkd_facts *facts = tuner->facts;
    const vkd_caps *caps = vkd_device_caps(tuner->device);
    vkd_status status = VKD_OK;
    enter(tuner);
    vkd_tuning_file **file = &facts->files[caps->dot];
    if (!*file) {
        vkd_tuning_file *opened;
        status = vkd_tuning_file_open(&facts->arena, caps, facts->code, &facts->options, &opened);
        if (status == VKD_OK)
            *file = opened;
    }
    tuner->file = *file;
    leave(tuner);
    return status;
}

bool vkd_tuner_find_fact(const vkd_tuner *tuner, const char *subject, const char *variant,
                         uint64_t *out)
{
    enter(tuner);
    bool known = vkd_tuning_file_find(tuner->file, subject, variant, out);
    leave(tuner);
    return known;
}

vkd_status vkd_tuner_set_fact(const vkd_tuner *tuner, const char *subject, const char *variant,
                              uint64_t value)
{
    enter(tuner);
    vkd_status status = vkd_tuning_file_set(tuner->file, subject, variant, value);
    leave(tuner);
    return status;
}

/* ----------------------------------------------------------------------------------------- life */

vkd_status vkd_tuner_create(vkd_device *device, vkd_facts *facts, const vkd_options *options,
                            vkd_tuner **out)
{
    vkd_context *context = vkd_device_context(device);
    vkd_tuner *tuner = vkd_alloc(context, 1, sizeof *tuner);
    *out = NULL;
    if (!tuner)
        return vkd_fail_memory(context, "the tuner");
    double budget_us =
        options->measure_budget_ms ? options->measure_budget_ms * 1e3 : default_budget_us;
    *tuner = (vkd_tuner){
        .device = device,
        .context = context,
        .facts = facts,
        .measures = options->select == VKD_SELECT_MEASURE,
        .checks = options->no_self_check ? VKD_SELF_CHECK_NONE : options->self_check,
        .start_us = vkd_now_us(),
        .limit = {budget_us, preparing_factor * budget_us},
    };
    vkd_status status = open_file(tuner);
    if (status == VKD_OK)
        *out = tuner;
    else
        vkd_free(context, tuner);
    return status;
}

static void report(const vkd_tuner *tuner)
{
    vkd_context *context = tuner->context;
    if (tuner->measured)
        vkd_log(context, VKD_LOG_INFO,
                "measured kernels for %u shapes in %.0f ms, prepared in %.0f ms", tuner->measured,
                tuner->spent.measuring_us * 1e-3, tuner->spent.preparing_us * 1e-3);
    if (tuner->checked)
        vkd_log(context, VKD_LOG_INFO, "checked %u variants in %.0f ms", tuner->checked,
                tuner->check_us * 1e-3);
    if (tuner->kernels)
        vkd_log(context, VKD_LOG_INFO,
                "checked %u other kernels in %.0f ms, %u are left to later starts", tuner->kernels,
                tuner->kernels_us * 1e-3, tuner->kernels_left);
}

void vkd_tuner_destroy(vkd_tuner *tuner)
{
    if (!tuner)
        return;
    enter(tuner);
    vkd_tuning_file_save(tuner->file);
    leave(tuner);
    report(tuner);
    vkd_free(tuner->context, tuner);
}

/* --------------------------------------------------------------------------- failing candidates */

/* What a candidate's failure says goes to the log as information only: the model may run without
 * it. */
static void log_muted(void *user, vkd_log_level level, const char *message)
{
    const vkd_context *before = user;
    if (level == VKD_LOG_ERROR)
        level = VKD_LOG_INFO;
    if (level <= before->log_level)
        before->log(before->log_user, level, message);
}

void vkd_tuner_mute(vkd_context *context, vkd_context *before)
{
    *before = *context;
    context->log = log_muted;
    context->log_user = before;
}

/* Ends the muting. A failure that concerns more than the candidate is said aloud after all, one
 * that does not is forgotten. */
vkd_status vkd_tuner_unmute(vkd_context *context, const vkd_context *before, vkd_status status)
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

/* ------------------------------------------------------------------------------------ measuring */

void vkd_tuner_recall(const vkd_tuner *tuner, const char *problem, vkd_candidate_info *candidates,
                      size_t count)
{
    uint64_t ns;
    for (size_t i = 0; i < count; i++)
        if (candidates[i].eligible &&
            vkd_tuner_find_fact(tuner, problem, candidates[i].variant, &ns))
            candidates[i].measured_us = (double)ns * 1e-3; /* 0 where it cannot run */
}

static size_t eligible_count(const vkd_candidate_info *candidates, size_t count)
{
    size_t eligible = 0;
    for (size_t i = 0; i < count; i++)
        eligible += candidates[i].eligible;
    return eligible;
}

/* The eligible candidate with the lowest estimate among those not in `order` yet; `count` if there
 * is none. */
static size_t most_promising(const vkd_candidate_info *candidates, size_t count,
                             const size_t *order, size_t ordered)
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

size_t vkd_tuner_line_up(const vkd_candidate_info *candidates, size_t count,
                         size_t order[VKD_TUNER_TRIES])
{
    enum { AT_LEAST = 2 };
    const double hopeless = 3;
    size_t ordered = 0;
    while (ordered < VKD_TUNER_TRIES) {
        size_t i = most_promising(candidates, count, order, ordered);
        if (i == count || (ordered >= AT_LEAST &&
                           candidates[i].cost_us > hopeless * candidates[order[0]].cost_us))
            break;
        order[ordered++] = i;
    }
    return ordered;
}

/* One problem being measured. */
typedef struct measuring {
    vkd_tuner *tuner;
    vkd_arena arena; /* graphs */
    const char *problem;
    vkd_candidate_info *candidates;
    size_t count;
    const vkd_trial *trial;
    vkd_contender *contenders; /* by candidate */
    const span *limit;
    span *spent;
    bool probes; /* all stay in the race: how they compare is asked for, not the fastest */
} measuring;

static bool has_time(const measuring *m)
{
    return m->spent->measuring_us < m->limit->measuring_us &&
           m->spent->preparing_us < m->limit->preparing_us;
}

static vkd_status set_time(const measuring *m, size_t candidate, double us)
{
    return vkd_tuner_set_fact(m->tuner, m->problem, m->candidates[candidate].variant,
                              (uint64_t)(us * 1e3 + 0.5));
}

/* Gets a candidate ready to be timed; it has no measurement when it cannot run here. */
static vkd_status prepare(measuring *m, size_t candidate)
{
    vkd_context *context = m->tuner->context, before;
    double start = vkd_now_us();
    vkd_graph *graph = vkd_arena_alloc(&m->arena, 1, sizeof *graph);
    vkd_tensor_id result;
    if (!graph)
        return vkd_fail_memory(context, "a graph to try");
    vkd_graph_init(graph, &m->arena);
    vkd_tuner_mute(context, &before);
    vkd_status status = m->trial->lower(m->trial->user, candidate, graph, &result);
    if (status == VKD_OK)
        m->trial->fill(m->trial->user);
    if (status == VKD_OK)
        status = vkd_measurement_begin(m->tuner->device, graph,
                                       m->probes ? VKD_MEASURE_WORK : VKD_MEASURE_TIME,
                                       &m->contenders[candidate].measurement);
    m->spent->preparing_us += vkd_now_us() - start;
    bool never = status == VKD_UNSUPPORTED;
    VKD_TRY(vkd_tuner_unmute(context, &before, status));
    return never ? set_time(m, candidate, 0) : VKD_OK;
}

/* A first time for a candidate, which is out of the race when that is hopeless. Those before it
 * stay: machines are not always as fast, and only the race compares at the same time. */
static vkd_status time_coarsely(measuring *m, size_t candidate)
{
    const double hopeless_time = 2;
    double start = vkd_now_us(), best = INFINITY;
    vkd_contender *contender = &m->contenders[candidate];
    for (size_t i = 0; i < m->count; i++)
        if (i != candidate && m->contenders[i].us > 0 && m->contenders[i].us < best)
            best = m->contenders[i].us;
    if (contender->measurement)
        VKD_TRY(vkd_measurement_time(contender->measurement, hopeless_time * best, &contender->us));
    if (!m->probes && contender->us > hopeless_time * best) {
        vkd_measurement_end(contender->measurement);
        contender->measurement = NULL;
    }
    m->spent->measuring_us += vkd_now_us() - start;
    return VKD_OK;
}

/* The most promising first, so that a budget that ends here has been spent on the best ones.
 * *out_count: how many had their turn. */
static vkd_status line_up(measuring *m, const size_t *order, size_t count, size_t *out_count)
{
    for (*out_count = 0; *out_count < count && (!*out_count || has_time(m)); ++*out_count) {
        VKD_TRY(prepare(m, order[*out_count]));
        VKD_TRY(time_coarsely(m, order[*out_count]));
    }
    return VKD_OK;
}

/* Every round costs more and decides more closely. A probe decides more than one choice: on a busy
 * machine few passes all meet something else that runs. */
static vkd_status race(measuring *m)
{
    const uint32_t patience = m->probes ? 4 : 1;
    static const struct {
        double span_us, drop;
        uint32_t passes;
    } rounds[] = {{200, 1.3, 3}, {500, 1.1, 5}, {1000, 1.03, 7}};
    double start = vkd_now_us(), deadline = start + m->limit->measuring_us - m->spent->measuring_us;
    for (size_t r = 0; r < sizeof rounds / sizeof *rounds && vkd_now_us() < deadline; r++) {
        size_t racing = 0;
        for (size_t i = 0; i < m->count; i++)
            racing += m->contenders[i].measurement != NULL;
        if (racing < 2)
            break;
        VKD_TRY(vkd_race(m->contenders, m->count, rounds[r].span_us, patience * rounds[r].passes,
                         deadline));
        if (!m->probes)
            vkd_race_drop(m->contenders, m->count, rounds[r].drop);
    }
    m->spent->measuring_us += vkd_now_us() - start;
    return VKD_OK;
}

static vkd_status remember(measuring *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->contenders[i].us <= 0)
            continue;
        m->candidates[i].measured_us = m->contenders[i].us;
        VKD_TRY(set_time(m, i, m->contenders[i].us));
    }
    return VKD_OK;
}

static vkd_status measure(measuring *m, const size_t *order, size_t count, size_t *out_count)
{
    vkd_arena_init(&m->arena, m->tuner->context);
    m->contenders = vkd_arena_alloc(&m->arena, m->count, sizeof *m->contenders);
    vkd_status status =
        m->contenders ? VKD_OK : vkd_fail_memory(m->tuner->context, "candidates to try");
    for (size_t i = 0; m->contenders && i < m->count; i++)
        m->contenders[i].us = m->candidates[i].measured_us; /* by an earlier process */
    if (status == VKD_OK)
        status = line_up(m, order, count, out_count);
    if (status == VKD_OK)
        status = race(m);
    if (status == VKD_OK)
        status = remember(m);
    for (size_t i = 0; m->contenders && i < m->count; i++)
        vkd_measurement_end(m->contenders[i].measurement);
    vkd_arena_release(&m->arena);
    return status;
}

/* The candidates that are worth a measurement and have none, and behind them, where *out_again, the
 * fastest of those that have one: what an earlier process has left runs against the best that it
 * had. Returns how many. */
static size_t left_to_measure(const measuring *m, size_t order[VKD_TUNER_TRIES + 1],
                              bool *out_again)
{
    size_t all[VKD_TUNER_TRIES], count = vkd_tuner_line_up(m->candidates, m->count, all), left = 0,
                                 best = m->count;
    for (size_t k = 0; k < count; k++) {
        const vkd_candidate_info *c = &m->candidates[all[k]];
        uint64_t ns;
        if (!vkd_tuner_find_fact(m->tuner, m->problem, c->variant, &ns))
            order[left++] = all[k];
        else if (ns && (best == m->count || c->measured_us < m->candidates[best].measured_us))
            best = all[k];
    }
    *out_again = left && best < m->count;
    if (*out_again)
        order[left] = best;
    return left;
}

/* Measures within limits what is not known. */
static vkd_status measure_rest(measuring *m, bool *out_known)
{
    size_t order[VKD_TUNER_TRIES + 1], tried = 0;
    bool again = false;
    vkd_tuner_recall(m->tuner, m->problem, m->candidates, m->count);
    size_t left = 0;
    if (eligible_count(m->candidates, m->count) > 1) /* else there is no choice */
        left = left_to_measure(m, order, &again);
    vkd_status status = left && has_time(m) ? measure(m, order, left + again, &tried) : VKD_OK;
    *out_known = tried >= left;
    return status;
}

vkd_status vkd_tuner_probe(vkd_tuner *tuner, const char *problem, vkd_candidate_info *candidates,
                           size_t count, const vkd_trial *trial)
{
    const span limit = {INFINITY, INFINITY};
    span spent = {0};
    bool known;
    measuring m = {.tuner = tuner,
                   .problem = problem,
                   .candidates = candidates,
                   .count = count,
                   .trial = trial,
                   .limit = &limit,
                   .spent = &spent,
                   .probes = true};
    return measure_rest(&m, &known);
}

vkd_status vkd_tuner_measure(vkd_tuner *tuner, const char *problem, vkd_candidate_info *candidates,
                             size_t count, const vkd_trial *trial, bool *out_known)
{
    const span none = {0};
    measuring m = {.tuner = tuner,
                   .problem = problem,
                   .candidates = candidates,
                   .count = count,
                   .trial = trial,
                   .limit = tuner->measures ? &tuner->limit : &none,
                   .spent = &tuner->spent};
    double before_us = tuner->spent.preparing_us;
    vkd_status status = measure_rest(&m, out_known);
    tuner->measured += tuner->spent.preparing_us > before_us;
    return status;
}

/* ------------------------------------------------------------------------------------- checking */

/* Runs a lowered candidate once and gives its result to the trial. */
static vkd_status run_and_check(vkd_tuner *tuner, vkd_graph *graph, vkd_tensor_id result,
                                const vkd_trial *trial, bool *out)
{
    vkd_executor *executor;
    void *bytes = vkd_arena_alloc(graph->arena, 1, (size_t)graph->tensors[result].bytes);
    if (!bytes)
        return vkd_fail_memory(tuner->context, "a result");
    VKD_TRY(vkd_plan_memory(graph, vkd_device_caps(tuner->device)->storage_alignment, true));
    VKD_TRY(vkd_executor_create(tuner->device, graph, NULL, false, 1, &executor));
    vkd_status status = vkd_executor_run(executor);
    if (status == VKD_OK)
        status = vkd_executor_read(executor, result, bytes);
    vkd_executor_destroy(executor);
    if (status == VKD_OK)
        *out = trial->check(trial->user, bytes);
    return status;
}

/* What tells the work of a graph from that of others: kernels, their constants of both kinds, and
 * how many workgroups. A kernel that is right for one window may be wrong for another, whose loops
 * are longer, say. */
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

/* The fact of the tuning file, or else by running the graph; that failing, the question stays open.
 */
static vkd_status check_graph(vkd_tuner *tuner, const char *variant, vkd_graph *graph,
                              vkd_tensor_id result, const vkd_trial *trial, bool *out)
{
    char subject[40];
    uint64_t known;
    snprintf(subject, sizeof subject, "check %016llx", (unsigned long long)work_of(graph));
    if (vkd_tuner_find_fact(tuner, subject, variant, &known)) {
        *out = known;
        return VKD_OK;
    }
    double start = vkd_now_us();
    trial->fill(trial->user);
    VKD_TRY(run_and_check(tuner, graph, result, trial, out));
    tuner->check_us += vkd_now_us() - start;
    tuner->checked++;
    if (!*out)
        vkd_log(tuner->context, VKD_LOG_WARNING,
                "%s: kernel '%s' computes wrong results and is not used",
                vkd_device_caps(tuner->device)->name, variant);
    return vkd_tuner_set_fact(tuner, subject, variant, *out);
}

vkd_status vkd_tuner_check(vkd_tuner *tuner, const char *variant, size_t candidate,
                           const vkd_trial *trial, bool *out)
{
    vkd_arena arena;
    vkd_graph graph;
    vkd_tensor_id result;
    vkd_context before;
    *out = true;
    if (tuner->checks == VKD_SELF_CHECK_NONE)
        return VKD_OK;
    vkd_arena_init(&arena, tuner->context);
    vkd_graph_init(&graph, &arena);
    vkd_tuner_mute(tuner->context, &before);
    vkd_status status = trial->lower(trial->user, candidate, &graph, &result);
    if (status == VKD_OK)
        status = check_graph(tuner, variant, &graph, result, trial, out);
    status = vkd_tuner_unmute(tuner->context, &before, status);
    vkd_arena_release(&arena);
    return status;
}
