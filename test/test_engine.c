/* Engines: many objects on one device, from several threads, and what happens when that is lost.
 * Skips without a device. */
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/small_model.h"
#include "support/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vulkan/vulkan.h>

static vkd_engine *create(watch *w, vkd_options *options)
{
    vkd_engine *engine;
    *options = watch_begin(w);
    if (vkd_engine_create(options, &engine) != VKD_OK)
        fail_msg("%s", w->error);
    return engine;
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* Beyond the first each costs little; all give what one of its own would. */
static void sixty_models(void **state)
{
    enum { MODELS = 60 };
    (void)state;
    gpu_needed();
    watch w, each[MODELS];
    vkd_options options;
    vkd_engine *engine = create(&w, &options);
    assert_non_null(vkd_engine_device(engine)->name);
    small_model m;
    vkd_delegate *delegates[MODELS];
    double spent = 0;
    uint64_t host = 0;
    small_begin(&m, false, NULL);
    for (int i = 0; i < MODELS; i++) {
        vkd_options own = watch_begin(&each[i]);
        own.engine = engine;
        double start = now_ms();
        if (small_init(&m, &own, &delegates[i]) != VKD_OK)
            fail_msg("%s", each[i].error);
        spent += i ? now_ms() - start : 0;
        vkd_memory_info memory;
        vkd_describe_memory(delegates[i], &memory);
        host = memory.host > host ? memory.host : host;
    }
    print_message("%d models: %.3f ms of init and at most %llu KiB of host memory each\n", MODELS,
                  spent / (MODELS - 1), (unsigned long long)host >> 10);
    assert_true(host < 2 << 20);
    for (int i = MODELS - 1; i >= 0; i--)
        small_check(&m, delegates[i]);
    for (int i = 0; i < MODELS; i++) {
        vkd_destroy(delegates[i]);
        watch_end(&each[i]);
    }
    vkd_engine_destroy(engine);
    small_end(&m);
    watch_end(&w);
}

typedef struct worker {
    vkd_engine *engine;
    pthread_t thread;
    bool good;
    watch watch;
} worker;

static void *work(void *user)
{
    enum { ROUNDS = 6, RUNS = 5 };
    worker *me = user;
    small_model m;
    small_begin(&m, false, NULL);
    me->good = true;
    for (int round = 0; round < ROUNDS && me->good; round++) {
        vkd_options options = watch_begin(&me->watch);
        vkd_delegate *delegate = NULL;
        float y[SMALL_Y];
        options.engine = me->engine;
        options.in_flight = 2;
        me->good = small_init(&m, &options, &delegate) == VKD_OK;
        for (int run = 0; run < RUNS && me->good; run++)
            me->good = small_execute(&m, delegate, y) == VKD_OK && !memcmp(y, m.y, sizeof y);
        vkd_destroy(delegate);
        me->good = me->good && !me->watch.memory.live;
    }
    small_end(&m);
    return NULL;
}

static void threads(void **state)
{
    enum { THREADS = 4 };
    (void)state;
    gpu_needed();
    static worker workers[THREADS];
    watch w;
    vkd_options options;
    vkd_engine *engine = create(&w, &options);
    for (int i = 0; i < THREADS; i++) {
        workers[i].engine = engine;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    for (int i = 0; i < THREADS; i++)
        if (!workers[i].good)
            fail_msg("thread %d: %s", i, workers[i].watch.text);
    vkd_engine_destroy(engine);
    watch_end(&w);
}

static void *ask_often(void *user)
{
    enum { TIMES = 20 };
    int *answers = user;
    for (int i = 0; i < TIMES; i++) {
        vkd_device_info info;
        uint32_t count = 0;
        *answers +=
            vkd_is_available() && vkd_list_devices(NULL, &info, 1, &count) == VKD_OK && count > 0;
    }
    return NULL;
}

/* The driver is loaded once for all who ask, in any thread; a process that was forked loads its
 * own. */
static void asked_often(void **state)
{
    enum { THREADS = 4, TIMES = 20 };
    (void)state;
    gpu_needed();
    pthread_t asking[THREADS];
    int answers[THREADS] = {0}, result;
    assert_true(vkd_is_available());
    faulty_driver_count("vkCreateInstance");
    const double start = now_ms();
    for (int i = 0; i < TIMES; i++)
        assert_true(vkd_is_available());
    print_message("vkd_is_available: %.3f ms\n", (now_ms() - start) / TIMES);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&asking[i], NULL, ask_often, &answers[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(asking[i], NULL);
        assert_int_equal(answers[i], TIMES);
    }
    assert_int_equal(faulty_driver_counted(), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int good = vkd_is_available() && vkd_is_available() && faulty_driver_counted() == 1;
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}

static void misuse(void **state)
{
    (void)state;
    gpu_needed();
    watch w;
    vkd_options options;
    vkd_engine *engine = create(&w, &options), *second = engine;
    assert_int_equal(vkd_engine_create(&options, NULL), VKD_INVALID_ARGUMENT);
    options.engine = engine;
    assert_int_equal(vkd_engine_create(&options, &second), VKD_INVALID_ARGUMENT);
    assert_null(second);
    assert_null(vkd_engine_device(NULL));
    vkd_engine_destroy(NULL);
    vkd_engine_destroy(engine);
    watch_end(&w);
}

/* One object finds that the device is lost: the other, and new ones, hear of it in their own words.
 */
static void lost(void **state)
{
    (void)state;
    if (!faulty_driver_install())
        test_skip("there is no Vulkan loader");
    gpu_needed();
    watch w, a, b;
    vkd_options options;
    small_model m;
    vkd_delegate *first, *second, *third = NULL;
    float y[SMALL_Y];
    vkd_engine *engine = create(&w, &options);
    small_begin(&m, false, NULL);
    vkd_options one = watch_begin(&a), two = watch_begin(&b);
    one.engine = two.engine = engine;
    assert_int_equal(small_init(&m, &one, &first), VKD_OK);
    assert_int_equal(small_init(&m, &two, &second), VKD_OK);
    faulty_driver_arm("vkQueueSubmit", 0, VK_ERROR_DEVICE_LOST);
    assert_int_equal(small_execute(&m, first, y), VKD_DEVICE_LOST);
    faulty_driver_disarm();
    assert_string_equal(vkd_last_error(second), "");
    assert_int_equal(small_execute(&m, second, y), VKD_DEVICE_LOST);
    assert_non_null(strstr(vkd_last_error(second), "lost earlier"));
    assert_int_equal(small_init(&m, &two, &third), VKD_DEVICE_LOST);
    assert_null(third);
    assert_int_equal(w.counts[VKD_LOG_ERROR], 0);
    vkd_destroy(first);
    vkd_destroy(second);
    vkd_engine_destroy(engine);
    watch_end(&a), watch_end(&b), watch_end(&w);
    engine = create(&w, &options);
    two = watch_begin(&b);
    two.engine = engine;
    assert_int_equal(small_init(&m, &two, &second), VKD_OK);
    small_check(&m, second);
    vkd_destroy(second);
    vkd_engine_destroy(engine);
    watch_end(&b), watch_end(&w);
    small_end(&m);
}

static void each_allocation_fails(void **state)
{
    (void)state;
    gpu_needed();
    int64_t failures = 0;
    for (bool failed = true; failed; failures += failed) {
        watch w;
        vkd_options options = watch_begin(&w);
        vkd_engine *engine;
        w.memory.fail_at = failures;
        vkd_status status = vkd_engine_create(&options, &engine);
        failed = w.memory.failed;
        assert_int_equal(status, failed ? VKD_OUT_OF_MEMORY : VKD_OK);
        vkd_engine_destroy(engine);
        watch_end(&w);
    }
    assert_true(failures > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost),    cmocka_unit_test(sixty_models),
        cmocka_unit_test(threads), cmocka_unit_test(asked_often),
        cmocka_unit_test(misuse),  cmocka_unit_test(each_allocation_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
