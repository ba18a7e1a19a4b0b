/* Selection with the device's help: measured times, the self-check, and what is remembered of both.
 */
#include "exec/measure.h"
#include "ops/conv/trial.h"
#include "support/harness.h"
#include "support/model_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ------------------------------------------------------------------------------ the pure choice */

static void measured_times_decide(void **state)
{
    (void)state;
    static const conv2d_variant variants[] = {{.name = "a 1", .family = "a"},
                                              {.name = "a 2", .family = "a"},
                                              {.name = "b", .family = "b"},
                                              {.name = "c", .family = "c"}};
    vkd_candidate_info c[] = {{"a 1", true, 10, "", 0},
                              {"a 2", true, 20, "", 0},
                              {"b", true, 30, "", 0},
                              {"c", false, 0, "", 0}};
    const char *reason;
    assert_int_equal(vkd_conv2d_choose(variants, 4, c, NULL, &reason), 0);
    assert_string_equal(reason, "lowest estimated cost");
    c[1].measured_us = 7;
    c[2].measured_us = 5;
    /* whatever the estimate of the others */
    assert_int_equal(vkd_conv2d_choose(variants, 4, c, NULL, &reason), 2);
    assert_string_equal(reason, "lowest measured time");
    /* forced: the cheapest of the family */
    assert_int_equal(vkd_conv2d_choose(variants, 4, c, "a", &reason), 0);
    assert_string_equal(reason, "forced by an option");
    assert_int_equal(vkd_conv2d_choose(variants, 4, c, "a 2", &reason), 1);
    /* not eligible, so not forced */
    assert_int_equal(vkd_conv2d_choose(variants, 4, c, "c", &reason), 2);
    assert_string_equal(reason, "lowest measured time");
    c[2].eligible = false;
    assert_int_equal(vkd_conv2d_choose(variants, 4, c, NULL, &reason), 1);
    c[0].eligible = c[1].eligible = false;
    assert_int_equal(vkd_conv2d_choose(variants, 4, c, NULL, &reason), 4);
}

/* --------------------------------------------------------------------------------- measurements */

enum { CANDIDATES = 3 };

/* A problem tried by the first variants that can run it; how often is counted. */
typedef struct counted {
    vkd_arena arena;
    conv2d_trial trial;
    const vkd_caps *caps;
    const conv2d_variant *variants[CANDIDATES];
    vkd_candidate_info candidates[CANDIDATES];
    size_t count, lowered;
    vkd_status failure; /* of the first candidate */
    long sleep_ms;      /* before a candidate is lowered */
} counted;

static vkd_status counted_lower(void *user, size_t candidate, vkd_graph *graph, vkd_tensor_id *out)
{
    counted *c = user;
    nanosleep(&(struct timespec){.tv_nsec = c->sleep_ms * 1000000}, NULL);
    c->lowered++;
    if (candidate == 0 && c->failure != VKD_OK)
        return vkd_fail(c->arena.context, c->failure, "the first candidate fails");
    return vkd_conv2d_trial_lower(&c->trial, c->caps, c->variants[candidate], graph, out);
}

static void counted_fill(void *user) { vkd_conv2d_trial_fill(&((counted *)user)->trial); }

static bool counted_check(void *user, const void *result)
{
    return vkd_conv2d_trial_check(&((const counted *)user)->trial, result);
}

static void counted_begin(harness *h, counted *c)
{
    const conv2d_problem problem = {.n = 1,
                                    .in_c = 32,
                                    .in_h = 9,
                                    .in_w = 9,
                                    .out_c = 32,
                                    .out_h = 9,
                                    .out_w = 9,
                                    .kernel = {3, 3},
                                    .stride = {1, 1},
                                    .padding = {1, 1},
                                    .dilation = {1, 1},
                                    .groups = 1};
    const conv2d conv = {.problem = problem, .x_zero = 3, .residual = VKD_NO_TENSOR};
    *c = (counted){.caps = &h->caps};
    vkd_arena_init(&c->arena, &h->gpu.context);
    assert_int_equal(vkd_conv2d_trial_make(&c->arena, &conv, &c->trial), VKD_OK);
    for (size_t i = 0; i < vkd_conv2d_variant_count && c->count < CANDIDATES; i++) {
        const conv2d_variant *variant = &vkd_conv2d_variants[i];
        if (variant->refuses(&problem, &h->caps, variant->tile))
            continue;
        c->variants[c->count] = variant;
        c->candidates[c->count] = (vkd_candidate_info){
            .variant = variant->name, .eligible = true, .cost_us = 1, .reason = ""};
        c->count++;
    }
    assert_int_equal(c->count, CANDIDATES);
}

/* Of the tuner of a test, of which there is one at a time. */
static vkd_facts *facts;

static vkd_status try_tuner(harness *h, const vkd_options *options, vkd_tuner **out)
{
    *out = NULL;
    VKD_TRY(vkd_facts_create(&h->gpu.context, options, 1, &facts));
    vkd_status status = vkd_tuner_create(h->gpu.device, facts, options, out);
    if (status != VKD_OK)
        vkd_facts_destroy(facts);
    return status;
}

static vkd_tuner *make_tuner(harness *h, const vkd_options *options)
{
    vkd_tuner *tuner;
    assert_int_equal(try_tuner(h, options, &tuner), VKD_OK);
    return tuner;
}

static void drop_tuner(vkd_tuner *tuner)
{
    vkd_tuner_destroy(tuner);
    vkd_facts_destroy(facts);
}

/* How many candidates have a time after a tuner with these options was asked; *out_lowered: how
 * often one was lowered for that.
 */
static size_t measure_with(harness *h, const vkd_options *options, vkd_status failure,
                           size_t *out_lowered)
{
    counted c;
    size_t timed = 0;
    bool known;
    counted_begin(h, &c);
    c.failure = failure;
    const vkd_trial trial = {
        .lower = counted_lower, .fill = counted_fill, .check = counted_check, .user = &c};
    vkd_tuner *tuner = make_tuner(h, options);
    assert_int_equal(vkd_tuner_measure(tuner, "a problem", c.candidates, c.count, &trial, &known),
                     VKD_OK);
    for (size_t i = 0; i < c.count; i++)
        timed += c.candidates[i].measured_us > 0;
    *out_lowered = c.lowered;
    drop_tuner(tuner);
    vkd_arena_release(&c.arena);
    return timed;
}

static void times_are_remembered(void **state)
{
    harness *h = harness_get(state);
    char *directory = new_directory();
    const vkd_options automatic = {.cache_dir = directory},
                      measure = {.cache_dir = directory, .select = VKD_SELECT_MEASURE};
    size_t lowered;
    assert_int_equal(measure_with(h, &automatic, VKD_OK, &lowered), 0);
    assert_int_equal(lowered, 0);
    assert_int_equal(measure_with(h, &measure, VKD_OK, &lowered), CANDIDATES);
    assert_int_equal(lowered, CANDIDATES);
    for (int again = 0; again < 2;
         again++) { /* the second start measures nothing, however it selects */
        assert_int_equal(measure_with(h, again ? &automatic : &measure, VKD_OK, &lowered),
                         CANDIDATES);
        assert_int_equal(lowered, 0);
    }
    const vkd_options no_cache = {.no_cache = true, .select = VKD_SELECT_MEASURE};
    assert_int_equal(measure_with(h, &no_cache, VKD_OK, &lowered), CANDIDATES);
    assert_int_equal(lowered, CANDIDATES);
    remove_tree(directory);
    free(directory);
}

/* A CPU device is probed once for all processes; a GPU never. */
static void the_probe_is_remembered(void **state)
{
    harness *h = harness_get(state);
    char *directory = new_directory();
    const vkd_options options = {.cache_dir = directory};
    vkd_caps probed[2];
    double took_us[2];
    for (int start = 0; start < 2; start++) {
        vkd_tuner *tuner = make_tuner(h, &options);
        probed[start] = h->caps;
        took_us[start] = vkd_now_us();
        assert_int_equal(vkd_conv2d_probe(&h->gpu.context, tuner, &probed[start]), VKD_OK);
        took_us[start] = vkd_now_us() - took_us[start];
        drop_tuner(tuner);
    }
    assert_true(probed[0].large_tiles == probed[1].large_tiles);
    assert_true((probed[0].large_tiles > 0) == (h->caps.type == VKD_TYPE_CPU));
    if (h->caps.type == VKD_TYPE_CPU)
        /* the first has run millions of products, the second has read two numbers */
        assert_true(took_us[1] < took_us[0] / 2);
    remove_tree(directory);
    free(directory);
}

static bool measure_problem(vkd_tuner *tuner, counted *c, const char *problem)
{
    const vkd_trial trial = {
        .lower = counted_lower, .fill = counted_fill, .check = counted_check, .user = c};
    bool known;
    assert_int_equal(vkd_tuner_measure(tuner, problem, c->candidates, c->count, &trial, &known),
                     VKD_OK);
    return known;
}

static void the_budget_is_kept(void **state)
{
    enum { PROBLEMS = 200 };
    harness *h = harness_get(state);
    const vkd_options options = {
        .no_cache = true, .select = VKD_SELECT_MEASURE, .measure_budget_ms = 1};
    vkd_tuner *tuner = make_tuner(h, &options);
    bool used_up = false;
    for (int problem = 0; problem < PROBLEMS; problem++) {
        counted c;
        char name[16];
        counted_begin(h, &c);
        snprintf(name, sizeof name, "problem %d", problem);
        bool known = measure_problem(tuner, &c, name);
        if (problem == 0)
            /* one candidate at least, or a long one would never be measured */
            assert_true(c.lowered >= 1);
        assert_true(!used_up || c.lowered == 0);
        assert_true(!known || c.lowered == CANDIDATES);
        used_up |= !known;
        vkd_arena_release(&c.arena);
    }
    assert_true(used_up);
    drop_tuner(tuner);
}

/* What a start leaves is measured by the next ones, each candidate once, and against the best so
 * far. */
static void the_next_start_goes_on(void **state)
{
    harness *h = harness_get(state);
    char *directory = new_directory();
    const vkd_options options = {
        .cache_dir = directory, .select = VKD_SELECT_MEASURE, .measure_budget_ms = 1};
    size_t starts = 0, lowered = 0, timed = 0;
    for (bool known = false; !known; starts++) {
        counted c;
        size_t now = 0;
        counted_begin(h, &c);
        c.sleep_ms = 5; /* more than getting ready for one candidate may take */
        vkd_tuner *tuner = make_tuner(h, &options);
        known = measure_problem(tuner, &c, "a problem");
        drop_tuner(tuner);
        for (size_t i = 0; i < c.count; i++)
            now += c.candidates[i].measured_us > 0;
        assert_true(now > timed || starts > 0);
        assert_true(now >= timed);
        timed = now;
        lowered += c.lowered;
        vkd_arena_release(&c.arena);
        assert_true(starts < 2 * CANDIDATES);
    }
    assert_true(starts > 1);
    assert_int_equal(timed, CANDIDATES);
    assert_true(lowered <= 2 * CANDIDATES);
    assert_int_equal(measure_with(h, &options, VKD_OK, &lowered), CANDIDATES);
    assert_int_equal(lowered, 0);
    remove_tree(directory);
    free(directory);
}

/* A driver that compiles for longer than may be measured costs no measurement. */
static void compiling_is_counted_apart(void **state)
{
    enum { BUDGET_MS = 200 };
    harness *h = harness_get(state);
    const vkd_options options = {
        .no_cache = true, .select = VKD_SELECT_MEASURE, .measure_budget_ms = BUDGET_MS};
    counted c;
    size_t lowered;
    measure_with(h, &options, VKD_OK, &lowered); /* the pipelines are there */
    counted_begin(h, &c);
    c.sleep_ms = BUDGET_MS + 10;
    vkd_tuner *tuner = make_tuner(h, &options);
    assert_true(measure_problem(tuner, &c, "a problem"));
    assert_int_equal(c.lowered, CANDIDATES);
    drop_tuner(tuner);
    vkd_arena_release(&c.arena);
}

static void candidates_that_fail(void **state)
{
    harness *h = harness_get(state);
    const vkd_options options = {.no_cache = true, .select = VKD_SELECT_MEASURE};
    size_t lowered;
    uint32_t errors = h->gpu.log_counts[VKD_LOG_ERROR];
    h->gpu.context.error[0] = 0;
    assert_int_equal(measure_with(h, &options, VKD_UNSUPPORTED, &lowered), CANDIDATES - 1);
    assert_int_equal(measure_with(h, &options, VKD_OUT_OF_MEMORY, &lowered), CANDIDATES - 1);
    char *directory = new_directory();
    const vkd_options kept = {.cache_dir = directory, .select = VKD_SELECT_MEASURE};
    for (int start = 0; start < 2; start++) { /* what cannot run is not tried again */
        assert_int_equal(measure_with(h, &kept, VKD_UNSUPPORTED, &lowered), CANDIDATES - 1);
        assert_int_equal(lowered, start ? 0 : CANDIDATES);
    }
    remove_tree(directory);
    free(directory);
    assert_int_equal(h->gpu.log_counts[VKD_LOG_ERROR], errors); /* nothing has failed yet */
    assert_string_equal(h->gpu.context.error, "");

    counted c;
    bool known;
    counted_begin(h, &c);
    c.failure = VKD_DEVICE_LOST;
    const vkd_trial trial = {
        .lower = counted_lower, .fill = counted_fill, .check = counted_check, .user = &c};
    vkd_tuner *tuner = make_tuner(h, &options);
    assert_int_equal(vkd_tuner_measure(tuner, "a problem", c.candidates, c.count, &trial, &known),
                     VKD_DEVICE_LOST);
    assert_string_equal(h->gpu.context.error, "the first candidate fails");
    assert_int_equal(h->gpu.log_counts[VKD_LOG_ERROR], errors + 1);
    drop_tuner(tuner);
    vkd_arena_release(&c.arena);
}

/* ----------------------------------------------------------------------------------- self-check */

static const char *nothing_refused(const conv2d_problem *problem, const vkd_caps *caps,
                                   const gemm_tile *tile)
{
    (void)problem, (void)caps, (void)tile;
    return NULL;
}

static double low_cost(const conv2d_problem *problem, const vkd_caps *caps, const gemm_tile *tile)
{
    (void)problem, (void)caps, (void)tile;
    return 1;
}

static double high_cost(const conv2d_problem *problem, const vkd_caps *caps, const gemm_tile *tile)
{
    return 2 * low_cost(problem, caps, tile);
}

/* As a driver would that shifts the window by a pixel. */
static vkd_status emit_broken(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    conv2d shifted = *conv;
    shifted.problem.padding[1]++;
    return vkd_conv2d_emit_general(lowering, &shifted, tile);
}

static const conv2d_variant with_broken[] = {
    {"broken", "broken", NULL, nothing_refused, low_cost, emit_broken},
    {"right", "right", NULL, nothing_refused, high_cost, vkd_conv2d_emit_general},
};
static const conv2d_variant only_broken[] = {
    {"broken", "broken", NULL, nothing_refused, low_cost, emit_broken}};

/* What the factory does next: a variant that hands the convolution to the factory gets the right
 * lowering for it. */
static struct {
    vkd_tuner *tuner;
    const char *forced;
    const conv2d_variant *variants;
    size_t count;
    uint32_t kernel[2]; /* of the convolution */
    vkd_selection_info selection;
} factory = {.kernel = {3, 3}};

static vkd_status emit_by_factory(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    (void)tile;
    lowering->tuner = factory.tuner;
    lowering->variant = factory.forced;
    VKD_TRY(vkd_conv2d_build(lowering, conv, factory.variants, factory.count));
    factory.selection = lowering->selections[lowering->selection_count - 1];
    return VKD_OK;
}

static vkd_status build_trial(harness *h, vkd_arena *arena, bool residual)
{
    static const conv2d_variant by_factory = {"factory", "factory", NULL,
                                              NULL,      NULL,      emit_by_factory};
    const uint32_t *kernel = factory.kernel;
    const conv2d_problem problem = {.n = 2,
                                    .in_c = 8,
                                    .in_h = 9 + kernel[0] - 3,
                                    .in_w = 7 + kernel[1] - 3,
                                    .out_c = 12,
                                    .out_h = 9,
                                    .out_w = 7,
                                    .kernel = {kernel[0], kernel[1]},
                                    .stride = {1, 1},
                                    .padding = {1, 1},
                                    .dilation = {1, 1},
                                    .groups = 1};
    const conv2d conv = {.problem = problem,
                         .x_zero = residual ? -128 : 3,
                         .residual = residual ? 0 : VKD_NO_TENSOR};
    vkd_graph graph;
    vkd_tensor_id y;
    conv2d_trial trial;
    vkd_graph_init(&graph, arena);
    VKD_TRY(vkd_conv2d_trial_make(arena, &conv, &trial));
    vkd_conv2d_trial_fill(&trial);
    return vkd_conv2d_trial_lower(&trial, &h->caps, &by_factory, &graph, &y);
}

/* Builds a convolution by the factory; the winner is in `winner`. */
static vkd_status build(harness *h, const vkd_options *options, bool residual, char winner[16])
{
    vkd_arena arena;
    VKD_TRY(try_tuner(h, options, &factory.tuner));
    vkd_arena_init(&arena, &h->gpu.context);
    vkd_status status = build_trial(h, &arena, residual);
    if (status == VKD_OK)
        snprintf(winner, 16, "%s", factory.selection.winner);
    vkd_arena_release(&arena);
    drop_tuner(factory.tuner);
    return status;
}

static uint32_t warnings(const harness *h) { return h->gpu.log_counts[VKD_LOG_WARNING]; }

static void a_broken_kernel_is_not_used(void **state)
{
    harness *h = harness_get(state);
    char *directory = new_directory();
    char winner[16];
    vkd_options options = {.cache_dir = directory};
    uint32_t before = warnings(h);
    factory.variants = with_broken;
    factory.count = 2;
    for (int residual = 0; residual < 2; residual++) {
        assert_int_equal(build(h, &options, residual, winner), VKD_OK);
        assert_string_equal(winner, "right");
        assert_int_equal(build(h, &options, residual, winner), VKD_OK);
        assert_string_equal(winner, "right");
        /* said once: the second time it is known */
        assert_int_equal(warnings(h), before + 1 + (uint32_t)residual);
    }
    factory.forced = "broken"; /* not even by force */
    assert_int_equal(build(h, &options, false, winner), VKD_OK);
    assert_string_equal(winner, "right");
    factory.forced = NULL;
    assert_int_equal(warnings(h), before + 2);

    options.no_self_check = true;
    assert_int_equal(build(h, &options, false, winner), VKD_OK);
    assert_string_equal(winner, "broken");

    factory.variants = only_broken;
    factory.count = 1;
    options = (vkd_options){.no_cache = true};
    assert_int_equal(build(h, &options, false, winner), VKD_DEVICE_ERROR);
    assert_non_null(strstr(h->gpu.context.error, "self-check"));
    remove_tree(directory);
    free(directory);
}

/* Right for windows of three rows only, by the same kernel with the same specialisation constants.
 */
static vkd_status emit_short(vkd_lowering *lowering, const conv2d *conv, const gemm_tile *tile)
{
    return conv->problem.kernel[0] > 3 ? emit_broken(lowering, conv, tile)
                                       : vkd_conv2d_emit_general(lowering, conv, tile);
}

/* What is found out about one problem says nothing about another, and nothing depends on which came
 * first. */
static void a_verdict_is_of_one_problem(void **state)
{
    static const conv2d_variant with_short[] = {
        {"short", "short", NULL, nothing_refused, low_cost, emit_short},
        {"right", "right", NULL, nothing_refused, high_cost, vkd_conv2d_emit_general},
    };
    harness *h = harness_get(state);
    factory.variants = with_short;
    factory.count = 2;
    for (int tall_first = 0; tall_first < 2; tall_first++) {
        char *directory = new_directory(), winner[16];
        const vkd_options options = {.cache_dir = directory};
        for (int i = 0; i < 4; i++) {
            bool tall = (i + tall_first) % 2;
            factory.kernel[0] = tall ? 5 : 3;
            assert_int_equal(build(h, &options, false, winner), VKD_OK);
            assert_string_equal(winner, tall ? "right" : "short");
        }
        remove_tree(directory);
        free(directory);
    }
    factory.kernel[0] = 3;
}

/* All variants on shapes with everything: none must fail its check where it is right. */
static void right_kernels_pass(void **state)
{
    harness *h = harness_get(state);
    char winner[16];
    const vkd_options options = {.no_cache = true};
    uint32_t before = warnings(h);
    factory.variants = vkd_conv2d_variants;
    factory.count = vkd_conv2d_variant_count;
    for (size_t v = 0; v < vkd_conv2d_variant_count; v++)
        for (int residual = 0; residual < 2; residual++) {
            factory.forced = vkd_conv2d_variants[v].name;
            assert_int_equal(build(h, &options, residual, winner), VKD_OK);
        }
    factory.forced = NULL;
    assert_int_equal(warnings(h), before);
}

/* Every allocation fails once: a status, or a candidate less, and nothing is left over. */
static void no_memory(void **state)
{
    harness *h = harness_get(state);
    const vkd_options options = {
        .no_cache = true, .select = VKD_SELECT_MEASURE, .measure_budget_ms = 1};
    gpu *g = &h->gpu;
    char winner[16];
    factory.variants = with_broken;
    factory.count = 2;
    /* from here on all pipelines are there */
    assert_int_equal(build(h, &options, false, winner), VKD_OK);
    int64_t at = 0, live = g->live_allocations;
    do {
        g->failed = false;
        g->failing_allocation = g->total_allocations + ++at;
        vkd_status status = build(h, &options, false, winner);
        assert_true(status == VKD_OK || (g->failed && status == VKD_OUT_OF_MEMORY));
        assert_int_equal(g->live_allocations, live);
    } while (g->failed);
    g->failing_allocation = 0;
    assert_true(at > 20);
}

/* --------------------------------------------------------------------------------- whole models */

typedef struct log_counts {
    uint32_t warnings, measured, unmeasured, checked;
} log_counts;

static void count_message(void *user, vkd_log_level level, const char *message)
{
    log_counts *counts = user;
    counts->warnings += level <= VKD_LOG_WARNING;
    counts->measured += strstr(message, "measured kernels") != NULL;
    counts->unmeasured += strstr(message, "have not been measured") != NULL;
    counts->checked += strstr(message, " variants in ") != NULL;
}

/* A model whose shapes a start has no time for: it says so, later ones go on, and the last has
 * nothing to say. */
static void models_are_measured_in_steps(void **state)
{
    enum { MOST = 64 };
    (void)harness_get(state);
    char *directory = new_directory();
    char error[512] = "";
    sample s;
    log_counts counts = {0};
    int starts = 0;
    sample_open(&s, "tiny/basic_c16_12x12");
    do {
        counts = (log_counts){0};
        const vkd_options options = {.size = sizeof options,
                                     .log = count_message,
                                     .log_user = &counts,
                                     .log_level = VKD_LOG_INFO,
                                     .error = error,
                                     .error_size = sizeof error,
                                     .cache_dir = directory,
                                     .select = VKD_SELECT_MEASURE,
                                     .measure_budget_ms = 1};
        free(sample_run(&s, &options, 1));
        assert_int_equal(counts.warnings, 0);
        assert_true(counts.measured || !counts.unmeasured); /* every start gets further */
        assert_true(starts || counts.unmeasured);
    } while (counts.unmeasured && ++starts < MOST);
    assert_true(starts > 0 && starts < MOST);
    sample_close(&s);
    remove_tree(directory);
    free(directory);
}

static void models_start_measured(void **state)
{
    (void)harness_get(state);
    char *directory = new_directory();
    char error[512] = "";
    sample s;
    sample_open(&s, "tiny/basic_c16_12x12");
    float *outputs[3];
    for (int start = 0; start < 3; start++) {
        log_counts counts = {0};
        const vkd_options options = {.size = sizeof options,
                                     .log = count_message,
                                     .log_user = &counts,
                                     .log_level = VKD_LOG_INFO,
                                     .error = error,
                                     .error_size = sizeof error,
                                     .cache_dir = directory,
                                     .measure_budget_ms = 60000,
                                     .select = start < 2 ? VKD_SELECT_MEASURE : VKD_SELECT_AUTO};
        outputs[start] = sample_run(&s, &options, 1);
        assert_int_equal(counts.measured, start == 0);
        assert_int_equal(counts.checked, start == 0);
        assert_int_equal(counts.warnings, 0);
    }
    for (int start = 1; start < 3; start++)
        assert_memory_equal(outputs[start], outputs[0], s.count * sizeof *outputs[0]);
    for (int start = 0; start < 3; start++)
        free(outputs[start]);
    sample_close(&s);
    remove_tree(directory);
    free(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measured_times_decide),
        cmocka_unit_test(times_are_remembered),
        cmocka_unit_test(the_probe_is_remembered),
        cmocka_unit_test(the_budget_is_kept),
        cmocka_unit_test(the_next_start_goes_on),
        cmocka_unit_test(compiling_is_counted_apart),
        cmocka_unit_test(candidates_that_fail),
        cmocka_unit_test(a_broken_kernel_is_not_used),
        cmocka_unit_test(a_verdict_is_of_one_problem),
        cmocka_unit_test(right_kernels_pass),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(models_start_measured),
        cmocka_unit_test(models_are_measured_in_steps),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
