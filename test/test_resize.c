/* Shapes that change between executions: results, memory, plans that go while executions are in
 * flight, and what a new shape costs. Skips without a device. */
#include "backend/plans.h"
#include "support/dynamic_net.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/random.h"
#include "support/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int small_blocks[4] = {1, 1, 0, 0}, resnet50_blocks[4] = {3, 4, 6, 3};
enum { MOST = 40, PIXELS = DYNAMIC_COLOURS * MOST * MOST };

typedef struct fixture {
    watch own;
    vkd_engine *engine; /* so that kernels are compiled once, and chosen alike */
    dynamic_net net;
    float x[PIXELS];
    vkd_random random;
} fixture;

static fixture *begin(const char *what, int most, const int blocks[4])
{
    if (!faulty_driver_install())
        test_skip("there is no Vulkan loader");
    gpu_needed();
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    vkd_options options = watch_begin(&f->own);
    options.in_flight = 4;
    if (vkd_engine_create(&options, &f->engine) != VKD_OK)
        fail_msg("%s", f->own.error);
    f->random = random_begin(what);
    random_floats(&f->random, -1, 1, f->x, PIXELS);
    dynamic_net_begin(&f->net, most, blocks);
    return f;
}

static void end(fixture *f)
{
    dynamic_net_end(&f->net);
    vkd_engine_destroy(f->engine);
    watch_end(&f->own);
    free(f);
}

static vkd_options options_of(fixture *f, watch *w)
{
    vkd_options options = watch_begin(w);
    options.engine = f->engine;
    return options;
}

static vkd_delegate *load(fixture *f, const vkd_options *options)
{
    vkd_delegate *delegate;
    if (dynamic_net_init(&f->net, options, &delegate) != VKD_OK)
        fail_msg("%s", options->error);
    return delegate;
}

static void run(vkd_delegate *delegate, int h, int w, const float *x, float y[DYNAMIC_CLASSES])
{
    dynamic_call call;
    dynamic_call_set(&call, h, w, x);
    if (vkd_execute(delegate, call.args, 2) != VKD_OK)
        fail_msg("%dx%d: %s", h, w, vkd_last_error(delegate));
    memcpy(y, call.y, sizeof call.y);
}

static int draw_size(fixture *f) { return random_range(&f->random, DYNAMIC_LEAST, f->net.most); }

/* What a delegate gives that has seen no other shape. */
static void run_fresh(fixture *f, int h, int w, const float *x, float y[DYNAMIC_CLASSES])
{
    watch own;
    const vkd_options options = options_of(f, &own);
    vkd_delegate *delegate = load(f, &options);
    run(delegate, h, w, x, y);
    vkd_destroy(delegate);
    watch_end(&own);
}

/* Many shapes one after the other, with each way to have memory. */
static void like_a_fresh_load(void **state)
{
    enum { CHANGES = 60 };
    (void)state;
    fixture *f = begin("like a fresh load", MOST, small_blocks);
    watch own[2];
    vkd_delegate *delegates[2];
    for (int i = 0; i < 2; i++) {
        vkd_options options = options_of(f, &own[i]);
        options.memory_on_demand = i;
        options.max_plans = i ? 1 : 0;
        delegates[i] = load(f, &options);
    }
    for (int i = 0; i < CHANGES; i++) {
        const int h = draw_size(f), w = draw_size(f), start = random_range(&f->random, 0, 64);
        const float *x = h * w * DYNAMIC_COLOURS + start <= PIXELS ? f->x + start : f->x;
        float expected[DYNAMIC_CLASSES], y[DYNAMIC_CLASSES];
        run_fresh(f, h, w, x, expected);
        for (int d = 0; d < 2; d++) {
            run(delegates[d], h, w, x, y);
            if (memcmp(y, expected, sizeof y))
                fail_msg("change %d, to %dx%d: another result than of a fresh load", i, h, w);
        }
    }
    for (int i = 0; i < 2; i++) {
        vkd_destroy(delegates[i]);
        watch_end(&own[i]);
    }
    end(f);
}

typedef struct level {
    int64_t host;
    uint64_t device;
} level;

/* Goes through the same shapes again and again. */
static level go_round(fixture *f, vkd_delegate *delegate, const watch *own)
{
    static const int sizes[][2] = {{40, 40}, {9, 33},  {20, 8}, {31, 31},
                                   {8, 8},   {40, 17}, {16, 24}};
    float y[DYNAMIC_CLASSES];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        run(delegate, sizes[i][0], sizes[i][1], f->x, y);
    return (level){own->memory.live, faulty_driver_memory()};
}

static void memory_is_flat(void **state)
{
    enum { ROUNDS = 8 };
    (void)state;
    fixture *f = begin("memory is flat", MOST, small_blocks);
    for (int on_demand = 0; on_demand < 2; on_demand++) {
        watch own;
        vkd_options options = options_of(f, &own);
        options.memory_on_demand = on_demand;
        const uint64_t before = faulty_driver_memory();
        vkd_delegate *delegate = load(f, &options);
        const uint64_t loaded = faulty_driver_memory();
        const level first = go_round(f, delegate, &own);
        for (int round = 1; round < ROUNDS; round++) {
            const level now = go_round(f, delegate, &own);
            assert_int_equal(now.device, first.device);
            assert_int_equal(now.host, first.host);
        }
        vkd_memory_info memory;
        vkd_describe_memory(delegate, &memory);
        print_message(
            "%s: %llu KiB of device memory after init, %llu KiB in use, scratch %llu KiB\n",
            on_demand ? "on demand" : "at the bound", (unsigned long long)(loaded - before) >> 10,
            (unsigned long long)(first.device - before) >> 10,
            (unsigned long long)memory.scratch >> 10);
        vkd_destroy(delegate);
        assert_int_equal(faulty_driver_memory(), before);
        watch_end(&own);
    }
    end(f);
}

/* On demand nothing but constants is there before an execution, and less for a small shape. */
static void memory_on_demand(void **state)
{
    (void)state;
    fixture *f = begin("memory on demand", MOST, small_blocks);
    watch a, b;
    vkd_options bound = options_of(f, &a), demand = options_of(f, &b);
    demand.memory_on_demand = true;
    vkd_delegate *first = load(f, &bound), *second = load(f, &demand);
    vkd_memory_info at_bound, at_first, small;
    float y[DYNAMIC_CLASSES];
    vkd_describe_memory(first, &at_bound);
    vkd_describe_memory(second, &at_first);
    assert_true(at_bound.scratch > 0 && at_bound.io > 0);
    assert_int_equal(at_first.scratch + at_first.io, 0);
    assert_int_equal(at_first.constants, at_bound.constants);
    assert_int_equal(vkd_gpu_ns(second), 0);
    run(second, 8, 8, f->x, y);
    run(first, 8, 8, f->x, y);
    vkd_describe_memory(second, &small);
    assert_true(small.scratch > 0 && small.scratch < at_bound.scratch / 4);
    vkd_describe_memory(first, &small);
    assert_int_equal(small.scratch, at_bound.scratch);
    vkd_destroy(first), vkd_destroy(second);
    watch_end(&a), watch_end(&b);
    end(f);
}

/* More shapes in flight than plans are kept: a plan goes only when its executions are complete. */
static void plans_go_in_flight(void **state)
{
    enum { EXECUTIONS = 40, IN_FLIGHT = 4 };
    (void)state;
    fixture *f = begin("plans go in flight", MOST, small_blocks);
    for (uint32_t max_plans = 1; max_plans <= IN_FLIGHT; max_plans++) {
        static dynamic_call calls[EXECUTIONS];
        static float expected[EXECUTIONS][DYNAMIC_CLASSES];
        uint64_t tickets[EXECUTIONS];
        watch own, alone;
        vkd_options options = options_of(f, &own), single = options_of(f, &alone);
        options.in_flight = IN_FLIGHT;
        options.max_plans = max_plans;
        vkd_delegate *delegate = load(f, &options), *reference = load(f, &single);
        for (int i = 0; i < EXECUTIONS; i++) {
            const int h = draw_size(f), w = draw_size(f);
            run(reference, h, w, f->x, expected[i]);
            dynamic_call_set(&calls[i], h, w, f->x);
        }
        for (int i = 0; i < EXECUTIONS; i++) {
            if (vkd_submit(delegate, calls[i].args, 2, &tickets[i]) != VKD_OK)
                fail_msg("%s", vkd_last_error(delegate));
            if (i && random_range(&f->random, 0, 3) == 0)
                assert_int_equal(vkd_wait(delegate, tickets[random_range(&f->random, 0, i)]),
                                 VKD_OK);
        }
        for (int i = EXECUTIONS; i-- > 0;) {
            assert_int_equal(vkd_wait(delegate, tickets[i]), VKD_OK);
            assert_memory_equal(calls[i].y, expected[i], sizeof calls[i].y);
        }
        vkd_destroy(delegate), vkd_destroy(reference);
        watch_end(&own), watch_end(&alone);
    }
    end(f);
}

static void too_many_plans(void **state)
{
    (void)state;
    fixture *f = begin("too many plans", MOST, small_blocks);
    watch own;
    vkd_options options = options_of(f, &own);
    vkd_delegate *delegate;
    options.max_plans = VKD_MAX_PLANS + 1;
    assert_int_equal(dynamic_net_init(&f->net, &options, &delegate), VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(own.error, "max_plans"));
    watch_end(&own);
    end(f);
}

/* ----------------------------------------------------------------------------------------- cost */

static double ms_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *times, size_t count)
{
    qsort(times, count, sizeof *times, by_size);
    return times[count / 2];
}

/* This thread's time in a submit, which lowers, plans and records where the shape is new. */
static double submit_ms(vkd_delegate *delegate, int h, int w, const float *x)
{
    dynamic_call call;
    uint64_t ticket;
    dynamic_call_set(&call, h, w, x);
    const double start = ms_of(CLOCK_THREAD_CPUTIME_ID);
    assert_int_equal(vkd_submit(delegate, call.args, 2, &ticket), VKD_OK);
    const double spent = ms_of(CLOCK_THREAD_CPUTIME_ID) - start;
    assert_int_equal(vkd_wait(delegate, ticket), VKD_OK);
    return spent;
}

/* As many layers as a ResNet50 has. */
static void a_new_shape_compiles_nothing(void **state)
{
    enum { SHAPES = 15, KNOWN = 3 };
    (void)state;
    fixture *f = begin("a new shape", MOST, resnet50_blocks);
    watch own;
    const vkd_options options = options_of(f, &own);
    vkd_delegate *delegate = load(f, &options);
    double fresh[SHAPES], known[SHAPES * KNOWN], same[SHAPES * KNOWN];
    faulty_driver_count("vkCreateComputePipelines");
    for (int i = 0; i < SHAPES; i++)
        fresh[i] = submit_ms(delegate, DYNAMIC_LEAST + 2 * i, MOST - i, f->x);
    for (int i = 0; i < SHAPES * KNOWN; i++) {
        const int n = SHAPES - 1 - i % KNOWN;
        known[i] = submit_ms(delegate, DYNAMIC_LEAST + 2 * n, MOST - n, f->x);
    }
    for (int i = 0; i < SHAPES * KNOWN; i++)
        same[i] = submit_ms(delegate, 20, 20, f->x);
    print_message("%zu dispatches: a submit takes %.2f ms in a new shape, %.3f ms in another known "
                  "one, %.3f ms in the same; %u pipelines\n",
                  vkd_node_count(delegate), median(fresh, SHAPES), median(known, SHAPES * KNOWN),
                  median(same, SHAPES * KNOWN), faulty_driver_counted());
    assert_int_equal(faulty_driver_counted(), 0);
    vkd_destroy(delegate);
    watch_end(&own);
    end(f);
}

/* ------------------------------------------------------------------- what is known about kernels
 */

/* A variant that fails its self-check here, as it would on a driver that makes it wrong; or null.
 */
static const char *wrong_variant;

vkd_status __real_vkd_tuner_check(vkd_tuner *tuner, const char *variant, size_t candidate,
                                  const vkd_trial *trial, bool *out);
vkd_status __wrap_vkd_tuner_check(vkd_tuner *tuner, const char *variant, size_t candidate,
                                  const vkd_trial *trial, bool *out)
{
    if (!wrong_variant || strcmp(variant, wrong_variant))
        return __real_vkd_tuner_check(tuner, variant, candidate, trial, out);
    *out = false;
    return VKD_OK;
}

static vkd_selection_info selection_of(const vkd_delegate *delegate, size_t index)
{
    vkd_selection_info selection;
    assert_int_equal(vkd_describe_selection(delegate, index, &selection), VKD_OK);
    return selection;
}

/* How many convolutions have the kernel that was fastest. */
static size_t measured_of(const vkd_delegate *delegate)
{
    size_t measured = 0;
    for (size_t i = 0; i < vkd_selection_count(delegate); i++)
        measured += !strcmp(selection_of(delegate, i).reason, "lowest measured time");
    return measured;
}

/* Loads, and runs other shapes: they take the kernels of the first one, and compile none. Returns
 * how many of its convolutions have been measured. */
static size_t other_shapes_choose_alike(fixture *f, const vkd_options *options,
                                        const char *winners[], size_t count)
{
    enum { SHAPES = 3 };
    vkd_delegate *delegate = load(f, options);
    const size_t measured = measured_of(delegate);
    float y[DYNAMIC_CLASSES];
    assert_int_equal(vkd_selection_count(delegate), count);
    for (size_t i = 0; i < count; i++)
        winners[i] = selection_of(delegate, i).winner;
    faulty_driver_count("vkCreateComputePipelines");
    for (int shape = 0; shape < SHAPES; shape++) {
        run(delegate, DYNAMIC_LEAST + shape, draw_size(f), f->x, y);
        assert_int_equal(measured_of(delegate), measured);
        for (size_t i = 0; i < count; i++)
            assert_string_equal(selection_of(delegate, i).winner, winners[i]);
    }
    assert_int_equal(faulty_driver_counted(), 0);
    vkd_destroy(delegate);
    return measured;
}

static size_t count_of(const char *winners[], size_t count, const char *variant)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += !strcmp(winners[i], variant);
    return found;
}

/* A kernel that was refused when the net was loaded is not used for another shape either. */
static void wrong_kernels_stay_out(void **state)
{
    enum { MOST_CONVS = 32 };
    (void)state;
    fixture *f = begin("wrong kernels stay out", MOST, small_blocks);
    const char *winners[MOST_CONVS], *others[MOST_CONVS];
    watch own;
    const vkd_options options = options_of(f, &own);
    vkd_delegate *delegate = load(f, &options);
    const size_t count = vkd_selection_count(delegate);
    vkd_destroy(delegate);
    assert_in_range(count, 1, MOST_CONVS);
    (void)other_shapes_choose_alike(f, &options, winners, count);
    wrong_variant = winners[0];
    (void)other_shapes_choose_alike(f, &options, others, count);
    wrong_variant = NULL;
    assert_true(count_of(winners, count, winners[0]) > 0);
    assert_int_equal(count_of(others, count, winners[0]), 0);
    watch_end(&own);
    end(f);
}

/* Where a start has measured, another shape takes what was fastest. */
static void measured_kernels_stay(void **state)
{
    enum { MOST_CONVS = 32 };
    (void)state;
    fixture *f = begin("measured kernels stay", MOST, small_blocks);
    const char *winners[MOST_CONVS];
    watch own;
    vkd_options options = options_of(f, &own);
    vkd_delegate *delegate = load(f, &options);
    const size_t count = vkd_selection_count(delegate);
    vkd_destroy(delegate);
    options.select = VKD_SELECT_MEASURE;
    options.measure_budget_ms = 300;
    assert_in_range(count, 1, MOST_CONVS);
    assert_true(other_shapes_choose_alike(f, &options, winners, count) > 0);
    watch_end(&own);
    end(f);
}

/* A plan is for its shapes, and for the numbers that are compiled into it. */
static void a_plan_fits_what_it_is_for(void **state)
{
    (void)state;
    const vkd_model_value tensor = {.kind = VKD_VALUE_TENSOR,
                                    .tensor = {.rank = 2, .dims = {3, 5}}},
                          number = {.kind = VKD_VALUE_SYMINT, .i = 7};
    vkd_model_value own[] = {tensor, number}, others[] = {tensor, number};
    bool baked[] = {false, true};
    const vkd_plan plan = {.values = own, .lowered.baked = baked};
    const vkd_net net = {.value_count = 2};
    assert_true(vkd_plan_fits(&plan, &net, others));
    others[1].i = 8;
    assert_false(vkd_plan_fits(&plan, &net, others));
    baked[1] = false;
    assert_true(vkd_plan_fits(&plan, &net, others));
    others[0].tensor.dims[1] = 4;
    assert_false(vkd_plan_fits(&plan, &net, others));
    others[0] = tensor;
    others[0].tensor.rank = 1;
    assert_false(vkd_plan_fits(&plan, &net, others));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_fits_what_it_is_for),
        cmocka_unit_test(a_new_shape_compiles_nothing),
        cmocka_unit_test(wrong_kernels_stay_out),
        cmocka_unit_test(measured_kernels_stay),
        cmocka_unit_test(like_a_fresh_load),
        cmocka_unit_test(memory_is_flat),
        cmocka_unit_test(memory_on_demand),
        cmocka_unit_test(plans_go_in_flight),
        cmocka_unit_test(too_many_plans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
