#include "bench/timing.h"

#include <math.h>
#include <string.h>

#include "ops/conv/trial.h"

enum { PASSES = 31 };

typedef struct trying {
    conv2d_trial *trial;
    const vkd_caps *caps;
    const conv2d_variant *variants;
} trying;

static bool is_wanted(const bench_plan *plan, const conv2d_variant *variant)
{
    for (char **name = plan->variants; name && *name; name++)
        if (vkd_conv2d_is_named(variant, *name))
            return true;
    return !plan->variants;
}

double bench_regret(const bench_result *result, size_t choice)
{
    return result->candidates[choice].measured_us / result->candidates[result->best].measured_us;
}

/* Prepares the variants for the race, each with a coarse time. Those that are hopeless against the
 * fastest so far are out at once. */
static vkd_status line_up(vkd_arena *arena, vkd_device *device, const bench_plan *plan,
                          conv2d_trial *trial, bench_result *result, vkd_contender *contenders)
{
    const vkd_caps *caps = plan->caps;
    for (size_t i = 0; i < result->count; i++) {
        const conv2d_variant *variant = &result->variants[i];
        bool chosen = i == result->automatic || i == result->measured;
        if (!result->candidates[i].eligible || (!chosen && !is_wanted(plan, variant)))
            continue;
        vkd_graph *graph = vkd_arena_alloc(arena, 1, sizeof *graph);
        vkd_tensor_id y;
        if (!graph)
            return vkd_fail_memory(arena->context, "a graph");
        vkd_graph_init(graph, arena);
        VKD_TRY(vkd_conv2d_trial_lower(trial, caps, variant, graph, &y));
        VKD_TRY(vkd_measurement_begin(device, graph, VKD_MEASURE_TIME, &contenders[i].measurement));
        VKD_TRY(vkd_measurement_time(contenders[i].measurement, INFINITY, &contenders[i].us));
        vkd_race_drop(contenders, result->count, plan->give_up);
    }
    return VKD_OK;
}

static vkd_status lower_candidate(void *user, size_t candidate, vkd_graph *graph,
                                  vkd_tensor_id *out)
{
    trying *t = user;
    return vkd_conv2d_trial_lower(t->trial, t->caps, &t->variants[candidate], graph, out);
}

static void keep_filled(void *user) { (void)user; }

/* What selection by measurement chooses, on candidates of its own: this program's times are not
 * its. */
static vkd_status ask_tuner(vkd_arena *arena, const vkd_caps *caps, vkd_tuner *tuner,
                            conv2d_trial *trial, bench_result *result)
{
    char problem[CONV2D_TEXT];
    const char *reason;
    trying t = {trial, caps, result->variants};
    const vkd_trial how = {.lower = lower_candidate, .fill = keep_filled, .user = &t};
    vkd_candidate_info *candidates = vkd_arena_alloc(arena, result->count, sizeof *candidates);
    if (!candidates)
        return vkd_fail_memory(arena->context, "candidates");
    memcpy(candidates, result->candidates, result->count * sizeof *candidates);
    vkd_conv2d_problem_format(&trial->problem, problem);
    double start = vkd_now_us();
    bool known;
    VKD_TRY(vkd_tuner_measure(tuner, problem, candidates, result->count, &how, &known));
    result->measure_us = vkd_now_us() - start;
    result->measured =
        vkd_conv2d_choose(result->variants, result->count, candidates, NULL, &reason);
    return VKD_OK;
}

static void take_times(const vkd_contender *contenders, bench_result *result)
{
    result->best = result->automatic;
    for (size_t i = 0; i < result->count; i++) {
        result->candidates[i].measured_us = contenders[i].us;
        result->coarse[i] = contenders[i].us > 0 && !contenders[i].measurement;
        if (contenders[i].us > 0 && contenders[i].us < contenders[result->best].us)
            result->best = i;
    }
}

static vkd_status time_shape(vkd_arena *arena, vkd_device *device, const bench_plan *plan,
                             const conv2d_problem *problem, bench_result *out)
{
    const char *reason;
    const conv2d conv = {.problem = *problem,
                         .real = {.bias = VKD_NO_TENSOR, .low = -INFINITY, .high = INFINITY},
                         .x_zero = 3,
                         .residual = VKD_NO_TENSOR};
    conv2d_trial trial;
    vkd_contender *contenders = vkd_arena_alloc(arena, out->count, sizeof *contenders);
    out->candidates = vkd_arena_alloc(arena, out->count, sizeof *out->candidates);
    out->coarse = vkd_arena_alloc(arena, out->count, sizeof *out->coarse);
    if (!contenders || !out->candidates || !out->coarse)
        return vkd_fail_memory(arena->context, "a result");
    vkd_conv2d_consider(out->variants, out->count, problem, plan->caps, out->candidates);
    out->automatic = vkd_conv2d_choose(out->variants, out->count, out->candidates, NULL, &reason);
    VKD_TRY(vkd_conv2d_trial_make(arena, &conv, &trial));
    vkd_conv2d_trial_fill(&trial);
    out->measured = out->automatic;
    if (plan->tuner)
        VKD_TRY(ask_tuner(arena, plan->caps, plan->tuner, &trial, out));
    vkd_status status = line_up(arena, device, plan, &trial, out, contenders);
    size_t racing = 0;
    for (size_t i = 0; i < out->count; i++)
        racing += contenders[i].measurement != NULL;
    if (status == VKD_OK && racing)
        status = vkd_race(contenders, out->count, plan->case_us / (double)racing / PASSES, PASSES,
                          vkd_now_us() + 2 * plan->case_us);
    take_times(contenders, out);
    for (size_t i = 0; i < out->count; i++)
        vkd_measurement_end(contenders[i].measurement);
    return status;
}

vkd_status bench_time(vkd_arena *arena, vkd_device *device, const bench_plan *plan,
                      const bench_shape *shape, bench_result *out)
{
    vkd_arena scratch; /* operands and graphs are large: they go shape by shape */
    bench_result result = {.shape = shape};
    result.variants = vkd_conv2d_table(&shape->problem, &result.count);
    vkd_arena_init(&scratch, arena->context);
    *out = result;
    out->candidates = vkd_arena_alloc(arena, result.count, sizeof *out->candidates);
    out->coarse = vkd_arena_alloc(arena, result.count, sizeof *out->coarse);
    vkd_status status = !out->candidates || !out->coarse
                            ? vkd_fail_memory(arena->context, "a result")
                            : time_shape(&scratch, device, plan, &shape->problem, &result);
    if (status == VKD_OK) {
        memcpy(out->candidates, result.candidates, result.count * sizeof *out->candidates);
        memcpy(out->coarse, result.coarse, result.count * sizeof *out->coarse);
        out->automatic = result.automatic;
        out->measured = result.measured;
        out->measure_us = result.measure_us;
        out->best = result.best;
    }
    vkd_arena_release(&scratch);
    return status;
}

vkd_status bench_peak(vkd_arena *arena, vkd_device *device, const bench_plan *plan, vkd_dtype dtype,
                      double *out, const char **out_name)
{
    /* Large enough to fill the device, small enough to be done in milliseconds. */
    uint32_t side = plan->caps->type == VKD_TYPE_DISCRETE ? 64 : 32, size = side * side;
    const bench_shape shape = {"peak",
                               {.n = 1,
                                .in_c = size,
                                .in_h = side,
                                .in_w = side,
                                .out_c = size,
                                .out_h = side,
                                .out_w = side,
                                .kernel = {1, 1},
                                .stride = {1, 1},
                                .dilation = {1, 1},
                                .groups = 1,
                                .dtype = dtype}};
    const double enough_us = 500e3;
    const bench_plan all = {.caps = plan->caps,
                            .case_us = plan->case_us > enough_us ? plan->case_us : enough_us,
                            .give_up = 1.5};
    bench_result result;
    VKD_TRY(bench_time(arena, device, &all, &shape, &result));
    *out = (double)conv2d_macs(&shape.problem) / result.candidates[result.best].measured_us;
    *out_name = result.variants[result.best].name;
    return VKD_OK;
}
