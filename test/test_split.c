/* Executions of several submissions: where they are cut, and that they compute the same; the
 * priority of queues. The first part needs no driver. */
#include "exec/split.h"
#include "nets/nets.h"
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan_core.h>

/* -------------------------------------------------------------------------------------- cutting */

enum { NODES = 8 };

typedef struct fixture {
    vkd_context context;
    vkd_arena arena;
    vkd_graph graph;
    vkd_split *split;
} fixture;

/* A graph of so many nodes with these estimates. */
static void begin(fixture *f, const double *us, size_t count, double limit)
{
    *f = (fixture){0};
    vkd_context_init(&f->context, &(vkd_options){.size = sizeof(vkd_options)});
    vkd_arena_init(&f->arena, &f->context);
    vkd_graph_init(&f->graph, &f->arena);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(vkd_graph_add_node(&f->graph, &(vkd_node){.cost_us = us[i]}), VKD_OK);
    assert_int_equal(vkd_split_create(&f->graph, VKD_TYPE_DISCRETE, limit, &f->split), VKD_OK);
}

static void end(fixture *f) { vkd_arena_release(&f->arena); }

/* text: the submission of each node, a digit each. */
static void expect(const fixture *f, const char *text)
{
    char got[NODES + 1] = "";
    for (size_t i = 0; i < f->split->node_count; i++)
        got[i] = (char)('0' + f->split->submission[i]);
    assert_string_equal(got, text);
    assert_int_equal(f->split->count, *text ? text[strlen(text) - 1] - '0' + 1 : 1);
}

static void by_estimates(void **state)
{
    static const struct {
        double us[NODES];
        const char *split;
    } rows[] = {
        /* of a limit of 100, with a quarter of room */
        {{1, 1, 1, 1, 1, 1, 1, 1}, "00000000"},
        {{25, 25, 25, 25, 25, 25, 25, 25}, "00011122"},
        {{75, 1, 75, 1, 74, 1, 1, 74}, "01233445"},
        {{500, 1, 1, 500, 500, 1, 1, 1}, "01123444"},
        {{500, 500, 500, 500, 500, 500, 500, 500}, "01234567"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture f;
        begin(&f, rows[i].us, NODES, 100);
        expect(&f, rows[i].split);
        assert_int_equal(f.split->revision, 0);
        end(&f);
    }
    fixture f;
    begin(&f, NULL, 0, 100);
    expect(&f, "");
    vkd_split_measured(f.split, (double[]){1000}, NULL);
    assert_int_equal(f.split->revision, 0);
    end(&f);
}

/* Without an estimate, what a node computes and touches counts. */
static void by_work(void **state)
{
    (void)state;
    fixture f;
    begin(&f, (double[NODES]){0}, NODES, 1000);
    expect(&f, "00000000");
    for (int i = 0; i < NODES; i++)
        f.graph.nodes[i].macs = UINT64_C(400000000); /* 400 us */
    assert_int_equal(vkd_split_create(&f.graph, VKD_TYPE_DISCRETE, 1000, &f.split), VKD_OK);
    expect(&f, "01234567");
    assert_int_equal(vkd_split_create(&f.graph, VKD_TYPE_DISCRETE, 1100, &f.split), VKD_OK);
    expect(&f, "00112233");
    assert_int_equal(vkd_split_create(&f.graph, VKD_TYPE_INTEGRATED, 1100, &f.split), VKD_OK);
    expect(&f, "01234567");
    end(&f);
}

static void by_measurement(void **state)
{
    static const double even[NODES] = {10, 10, 10, 10, 10, 10, 10, 10};
    (void)state;
    fixture f;
    begin(&f, even, NODES, 120);
    expect(&f, "00000000");
    vkd_split_measured(f.split, (double[]){119}, NULL); /* within the limit */
    expect(&f, "00000000");
    assert_int_equal(f.split->revision, 0);
    vkd_split_measured(f.split, (double[]){240}, NULL); /* 30 a node */
    expect(&f, "00011122");
    assert_int_equal(f.split->revision, 1);
    vkd_split_measured(f.split, (double[]){100, 70, 60}, NULL); /* noise */
    expect(&f, "00011122");
    vkd_split_measured(f.split, (double[]){30, 30, 20}, NULL); /* half as many would do */
    expect(&f, "00000000");
    assert_int_equal(f.split->revision, 2);
    /* Times of nodes say where to cut. */
    vkd_split_measured(f.split, (double[]){200}, (double[]){80, 1, 1, 1, 1, 1, 1, 80});
    expect(&f, "01111112");
    end(&f);

    begin(&f, (double[]){200, 200}, 2, 100); /* longer than the limit, and nothing to cut */
    expect(&f, "01");
    vkd_split_measured(f.split, (double[]){300, 300}, NULL);
    expect(&f, "01");
    assert_int_equal(f.split->revision, 0);
    end(&f);
}

/* ----------------------------------------------------------------------------------- executions */

static const net_shape shape = {
    .name = "resnet50", .dtype = VKD_DTYPE_INT8, .size = 96, .layers = 1, .seed = 7};
enum { PIXELS = NET_COLOURS * 96 * 96, CLASSES = 1000 };

typedef struct loaded {
    watch watch;
    vkd_program *program;
    vkd_method *method;
} loaded;

static void load(const net_file *net, uint32_t max_submit_ms, bool profile, loaded *out)
{
    vkd_options options = watch_begin(&out->watch);
    options.max_submit_ms = max_submit_ms;
    options.profile = profile;
    options.in_flight = 2;
    if (vkd_program_open_bytes(net->file, net->file_size, &options, &out->program) != VKD_OK ||
        vkd_method_load(out->program, NULL, &options, &out->method) != VKD_OK)
        fail_msg("%s", out->watch.error);
}

static void unload(loaded *l)
{
    vkd_method_unload(l->method);
    vkd_program_close(l->program);
    watch_end(&l->watch);
}

static uint32_t submissions_of(const loaded *l)
{
    const vkd_delegate *delegate = vkd_method_delegate(l->method);
    uint32_t last = 0;
    for (size_t i = 0; i < vkd_node_count(delegate); i++) {
        const uint32_t submission = vkd_node_submission(delegate, i);
        assert_true(submission == last || submission == last + 1);
        last = submission;
    }
    return last + 1;
}

/* Runs it, and checks that it takes as many submissions as it says. */
static void run(loaded *l, const float *x, float y[CLASSES])
{
    const uint32_t announced = submissions_of(l);
    faulty_driver_count("vkQueueSubmit");
    if (call_method(l->method, x, y) != VKD_OK)
        fail_msg("%s", vkd_method_error(l->method));
    assert_int_equal(faulty_driver_counted(), announced);
}

/* A GPU that takes less than a millisecond for the net has nothing to cut. */
static bool is_cut(const loaded *l)
{
    const bool cut = submissions_of(l) > 1;
    if (!cut) {
        assert_string_not_equal(vkd_delegate_device(vkd_method_delegate(l->method))->type, "cpu");
        print_message("skipped: this device is expected to take less than a millisecond\n");
    }
    return cut;
}

static void the_same_in_pieces(void **state)
{
    (void)state;
    gpu_needed();
    net_file net;
    loaded whole, pieces;
    static float x[PIXELS];
    float expected[CLASSES], y[CLASSES];
    assert_true(net_build(&shape, &net));
    load(&net, 0, false, &whole);
    assert_int_equal(submissions_of(&whole), 1);
    for (int profile = 0; profile < 2; profile++) {
        load(&net, 1, profile, &pieces);
        for (int i = 0; i < 6 && is_cut(&pieces); i++) { /* by the estimates */
            net_image(&shape, i, x);
            run(&whole, x, expected);
            run(&pieces, x, y);
            assert_memory_equal(y, expected, sizeof y);
        }
        const vkd_delegate *delegate = vkd_method_delegate(pieces.method);
        if (vkd_gpu_ns(delegate)) { /* the device has time stamps: all of it is in the time */
            vkd_node_info node;
            assert_int_equal(vkd_describe_node(delegate, vkd_node_count(delegate) - 1, &node),
                             VKD_OK);
            assert_true(node.start_ns + node.gpu_ns <= vkd_gpu_ns(delegate));
            assert_true(!profile || node.start_ns > 0);
        }
        unload(&pieces);
    }
    load(&net, UINT32_MAX, false, &pieces);
    assert_int_equal(submissions_of(&pieces), 1);
    net_image(&shape, 6, x);
    run(&whole, x, expected);
    run(&pieces, x, y);
    assert_memory_equal(y, expected, sizeof y);
    unload(&pieces);
    unload(&whole);
    net_release(&net);
}

/* What fails between two submissions is over when it is reported, and the next execution works. */
static void failures_in_between(void **state)
{
    (void)state;
    gpu_needed();
    net_file net;
    loaded l;
    static float x[PIXELS];
    float expected[CLASSES], y[CLASSES];
    assert_true(net_build(&shape, &net));
    load(&net, 1, false, &l);
    net_image(&shape, 1, x);
    run(&l, x, expected);
    for (int at = 0; at < 2 && is_cut(&l); at++) {
        faulty_driver_arm("vkQueueSubmit", at, VK_ERROR_OUT_OF_DEVICE_MEMORY);
        assert_int_equal(call_method(l.method, x, y), VKD_OUT_OF_MEMORY);
        assert_non_null(faulty_driver_disarm());
        run(&l, x, y);
        assert_memory_equal(y, expected, sizeof y);
    }
    faulty_driver_arm("vkQueueSubmit", is_cut(&l), VK_ERROR_DEVICE_LOST);
    assert_int_equal(call_method(l.method, x, y), VKD_DEVICE_LOST);
    assert_non_null(strstr(vkd_method_error(l.method), "VK_ERROR_DEVICE_LOST"));
    assert_non_null(faulty_driver_disarm());
    assert_int_equal(call_method(l.method, x, y), VKD_DEVICE_LOST);
    unload(&l);
    net_release(&net);
}

/* ------------------------------------------------------------------------------------- priority */

static void expect_priority(vkd_priority priority, bool has, int result, uint32_t asked,
                            uint32_t for_what, const char *warning)
{
    small_model m;
    watch w;
    vkd_delegate *delegate;
    vkd_options options = watch_begin(&w);
    options.priority = priority;
    small_begin(&m, false, NULL);
    faulty_driver_pretend_priorities(has, result);
    if (small_init(&m, &options, &delegate) != VKD_OK)
        fail_msg("%s", w.error);
    uint32_t last;
    assert_int_equal(faulty_driver_priorities(&last), asked);
    assert_int_equal(last, for_what);
    faulty_driver_pretend_priorities(false, VK_SUCCESS);
    assert_int_equal(w.counts[VKD_LOG_WARNING], warning != NULL);
    if (warning && !strstr(w.text, warning))
        fail_msg("no \"%s\" in:\n%s", warning, w.text);
    small_check(&m, delegate);
    vkd_destroy(delegate);
    small_end(&m);
    watch_end(&w);
}

static void priorities(void **state)
{
    (void)state;
    gpu_needed();
    if (getenv("VKD_TEST_VALIDATE")) /* the layers ask the driver for extensions by themselves */
        return;
    expect_priority(VKD_PRIORITY_DEFAULT, true, VK_SUCCESS, 0, 0, NULL);
    expect_priority(VKD_PRIORITY_LOW, true, VK_SUCCESS, 1, 128, NULL);
    expect_priority(VKD_PRIORITY_HIGH, true, VK_SUCCESS, 1, 512, NULL);
    expect_priority(VKD_PRIORITY_REALTIME, true, VK_SUCCESS, 1, 1024, NULL);
    expect_priority(VKD_PRIORITY_HIGH, true, VK_ERROR_NOT_PERMITTED_KHR, 1, 512, "NOT_PERMITTED");
    expect_priority(VKD_PRIORITY_LOW, true, VK_ERROR_INITIALIZATION_FAILED, 1, 128,
                    "INITIALIZATION_FAILED");
}

static void priorities_that_are_none(void **state)
{
    (void)state;
    gpu_needed();
    watch w;
    vkd_engine *engine;
    vkd_options options = watch_begin(&w);
    options.priority = (vkd_priority)(VKD_PRIORITY_REALTIME + 1);
    assert_int_equal(vkd_engine_create(&options, &engine), VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(w.error, "priority"));
    watch_end(&w);
    options = watch_begin(&w); /* where there are no priorities it is a wish */
    options.priority = VKD_PRIORITY_HIGH;
    assert_int_equal(vkd_engine_create(&options, &engine), VKD_OK);
    vkd_engine_destroy(engine);
    watch_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_estimates),
        cmocka_unit_test(by_work),
        cmocka_unit_test(by_measurement),
        cmocka_unit_test(the_same_in_pieces),
        cmocka_unit_test(failures_in_between),
        cmocka_unit_test(priorities),
        cmocka_unit_test(priorities_that_are_none),
    };
    if (!faulty_driver_install())
        puts("no Vulkan loader");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
