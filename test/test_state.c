/* State: what a graph keeps between executions, one at a time and in flight, as its caller and
 * another session see it. Skips without a device. */
#include "support/blob_builder.h"
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/pte_builder.h"
#include "support/random.h"
#include "support/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* An optimizer's step without a step: its first moment becomes m / 2 + g / 2, which is exact for
 * the numbers here, depends on the order of all gradients g, and is the output too. */
enum { COUNT = 640, STEPS = 12 };
static const vkd_tensor_info row = {VKD_DTYPE_FLOAT32, 1, {COUNT}, 0};

typedef struct moments {
    void *blob;
    size_t size;
    float weight[COUNT], first[COUNT], second[COUNT]; /* at the beginning */
    float gradients[STEPS][COUNT], expected[STEPS][COUNT];
} moments;

static uint32_t operand(vkd_blob_builder *b, const float *data)
{
    return blob_tensor(b, VKD_DTYPE_FLOAT32, 1, (const uint32_t[]){COUNT}, data);
}

static void make_blob(moments *m)
{
    vkd_blob_builder *b = blob_new();
    uint32_t weight = operand(b, m->weight), first = operand(b, m->first),
             second = operand(b, m->second), gradient = operand(b, NULL), y = operand(b, NULL),
             half = blob_double(b, 0.5), zero = blob_double(b, 0), one = blob_double(b, 1);
    const uint32_t results[] = {weight, y, second};
    blob_op(b, "et_vk.adamw_step.default", 0,
            (const uint32_t[]){weight, first, second, gradient, zero, half, half, one, zero, one,
                               one, blob_value_list(b, results, 3)},
            12);
    blob_io(b, &gradient, 1, &y, 1);
    m->blob = blob_finish(b, &m->size);
}

static moments *begin(const char *what)
{
    gpu_needed();
    moments *m = calloc(1, sizeof *m);
    assert_non_null(m);
    vkd_random random = random_begin(what);
    for (int i = 0; i < COUNT; i++) {
        m->weight[i] = (float)i;
        m->first[i] = (float)random_range(&random, -8, 8);
    }
    for (int s = 0; s < STEPS; s++)
        for (int i = 0; i < COUNT; i++) {
            const float before = s ? m->expected[s - 1][i] : m->first[i];
            m->gradients[s][i] = (float)random_range(&random, -8, 8);
            m->expected[s][i] = 0.5f * before + 0.5f * m->gradients[s][i];
        }
    make_blob(m);
    return m;
}

static void end(moments *m)
{
    free(m->blob);
    free(m);
}

static vkd_delegate *load(const moments *m, const vkd_options *options)
{
    vkd_delegate *delegate;
    if (vkd_init(m->blob, m->size, NULL, 0, NULL, options, &delegate) != VKD_OK)
        fail_msg("%s", options->error);
    assert_int_equal(vkd_state_count(delegate), 3);
    return delegate;
}

static void step(const moments *m, vkd_delegate *delegate, int s)
{
    float y[COUNT];
    vkd_tensor_arg args[] = {call_input(&row, m->gradients[s]), call_output(&row, y)};
    if (vkd_execute(delegate, args, 2) != VKD_OK)
        fail_msg("step %d: %s", s, vkd_last_error(delegate));
    if (memcmp(y, m->expected[s], sizeof y))
        fail_msg("step %d: %g, expected %g", s, (double)y[0], (double)m->expected[s][0]);
}

static void expect_state(vkd_delegate *delegate, size_t index, const float *expected)
{
    float got[COUNT];
    vkd_tensor_info info;
    assert_int_equal(vkd_state_info(delegate, index, &info), VKD_OK);
    assert_int_equal(info.size, sizeof got);
    assert_int_equal(vkd_state_read(delegate, index, got, sizeof got), VKD_OK);
    assert_memory_equal(got, expected, sizeof got);
}

static void read_and_reset(void **state)
{
    (void)state;
    moments *m = begin("read and reset");
    watch w;
    const vkd_options options = watch_begin(&w);
    vkd_delegate *delegate = load(m, &options);
    for (int round = 0; round < 3; round++) {
        expect_state(delegate, 0, m->weight);
        expect_state(delegate, 1, m->first);
        expect_state(delegate, 2, m->second);
        for (int s = 0; s < STEPS - round; s++)
            step(m, delegate, s);
        expect_state(delegate, 1, m->expected[STEPS - round - 1]);
        assert_int_equal(vkd_state_reset(delegate), VKD_OK);
    }
    float room[COUNT];
    assert_int_equal(vkd_state_read(delegate, 3, room, sizeof room), VKD_NOT_FOUND);
    assert_int_equal(vkd_state_read(delegate, 1, room, sizeof room - 1), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_state_read(delegate, 1, NULL, sizeof room), VKD_INVALID_ARGUMENT);
    step(m, delegate, 0); /* nothing has changed */
    vkd_destroy(delegate);
    watch_end(&w);
    end(m);
}

/* In flight they follow each other as submitted, whatever queues there are and however they are
 * waited for; reading and resetting wait for all. */
static void in_flight(void **state)
{
    (void)state;
    if (!faulty_driver_install())
        test_skip("there is no Vulkan loader");
    moments *m = begin("in flight");
    static float y[STEPS][COUNT];
    faulty_driver_pretend_queues(4);
    for (uint32_t flights = 2; flights <= 5; flights++) {
        watch w;
        vkd_options options = watch_begin(&w);
        options.in_flight = flights;
        options.validate = false; /* it would see the made-up queues */
        vkd_delegate *delegate = load(m, &options);
        vkd_tensor_arg args[STEPS][2];
        uint64_t tickets[STEPS];
        for (int round = 0; round < 2; round++) {
            for (int s = 0; s < STEPS; s++) {
                args[s][0] = call_input(&row, m->gradients[s]);
                args[s][1] = call_output(&row, y[s]);
                assert_int_equal(vkd_submit(delegate, args[s], 2, &tickets[s]), VKD_OK);
            }
            if (round)
                expect_state(delegate, 1, m->expected[STEPS - 1]);
            for (int s = STEPS; s-- > 0;) {
                assert_int_equal(vkd_wait(delegate, tickets[s]), VKD_OK);
                assert_memory_equal(y[s], m->expected[s], sizeof y[s]);
            }
            uint64_t unused;
            assert_int_equal(vkd_submit(delegate, args[0], 2, &unused), VKD_OK);
            assert_int_equal(vkd_state_reset(delegate), VKD_OK);
            expect_state(delegate, 1, m->first);
        }
        vkd_destroy(delegate);
        watch_end(&w);
    }
    assert_true(faulty_driver_queue_uses(0) > 0);
    for (uint32_t queue = 1; queue < 4; queue++) /* only one keeps the order */
        assert_int_equal(faulty_driver_queue_uses(queue), 0);
    faulty_driver_pretend_queues(0);
    end(m);
}

/* Two methods of one program on one engine: equal beginnings, and constants, but each its own. */
static void sessions_are_apart(void **state)
{
    (void)state;
    moments *m = begin("sessions");
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &row), y = pte_tensor(b, &row);
    pte_call(b, pte_delegate(b, "VulkanBackend", m->blob, m->size), (const uint32_t[]){x, y}, 2);
    pte_io(b, &x, 1, &y, 1);
    size_t size;
    void *file = pte_finish(b, &size);
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_program *program;
    vkd_method *methods[2];
    assert_int_equal(vkd_engine_create(&options, &options.engine), VKD_OK);
    assert_int_equal(vkd_program_open_bytes(file, size, &options, &program), VKD_OK);
    for (int i = 0; i < 2; i++)
        if (vkd_method_load(program, NULL, &options, &methods[i]) != VKD_OK)
            fail_msg("%s", w.error);
    vkd_delegate *one = vkd_method_delegate(methods[0]), *two = vkd_method_delegate(methods[1]);
    step(m, one, 0);
    step(m, one, 1);
    expect_state(two, 1, m->first);
    step(m, two, 0);
    step(m, one, 2);
    assert_int_equal(vkd_state_reset(one), VKD_OK);
    step(m, two, 1);
    step(m, one, 0);
    vkd_method_unload(methods[0]);
    step(m, two, 2);
    vkd_method_unload(methods[1]);
    vkd_program_close(program);
    vkd_engine_destroy(options.engine);
    watch_end(&w);
    free(file);
    end(m);
}

typedef struct session {
    const moments *m;
    vkd_engine *engine;
    pthread_t thread;
    int steps; /* that went well */
    watch watch;
} session;

static void *go_through(void *user)
{
    session *me = user;
    vkd_options options = watch_begin(&me->watch);
    vkd_delegate *delegate = NULL;
    options.engine = me->engine;
    options.in_flight = 3;
    bool good = vkd_init(me->m->blob, me->m->size, NULL, 0, NULL, &options, &delegate) == VKD_OK;
    while (good && me->steps < STEPS) {
        float y[COUNT];
        vkd_tensor_arg args[] = {call_input(&row, me->m->gradients[me->steps]),
                                 call_output(&row, y)};
        good = vkd_execute(delegate, args, 2) == VKD_OK &&
               !memcmp(y, me->m->expected[me->steps], sizeof y);
        me->steps += good;
    }
    vkd_destroy(delegate);
    return NULL;
}

static void sessions_in_threads(void **state)
{
    enum { SESSIONS = 4 };
    (void)state;
    moments *m = begin("threads");
    static session sessions[SESSIONS];
    watch w;
    const vkd_options options = watch_begin(&w);
    vkd_engine *engine;
    assert_int_equal(vkd_engine_create(&options, &engine), VKD_OK);
    for (int i = 0; i < SESSIONS; i++) {
        sessions[i] = (session){.m = m, .engine = engine};
        assert_int_equal(pthread_create(&sessions[i].thread, NULL, go_through, &sessions[i]), 0);
    }
    for (int i = 0; i < SESSIONS; i++) {
        pthread_join(sessions[i].thread, NULL);
        if (sessions[i].steps < STEPS)
            fail_msg("session %d, step %d: %s", i, sessions[i].steps, sessions[i].watch.text);
        watch_end(&sessions[i].watch);
    }
    vkd_engine_destroy(engine);
    watch_end(&w);
    end(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_flight), /* before anything else opens the loader */
        cmocka_unit_test(read_and_reset),
        cmocka_unit_test(sessions_are_apart),
        cmocka_unit_test(sessions_in_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
