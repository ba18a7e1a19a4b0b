/* Engines when something fails around them: each allocation of host memory and each call into the
 * driver, while an engine is made, while a second delegate joins it, and while shapes change. What
 * was there before goes on, or the device is lost and another engine works. Skips without a device.
 */
#include "support/dynamic_net.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <vulkan/vulkan_core.h>

enum { MOST = 24 };
static const int stem_only[4] = {0, 0, 0, 0};
static float image[DYNAMIC_COLOURS * MOST * MOST];

/* An engine with two objects, of different nets. */
typedef struct place {
    watch own, of_first, of_second;
    vkd_engine *engine;
    small_model small;
    dynamic_net net;
    vkd_delegate *first, *second; /* of small; of net */
    int size;                     /* of the last image */
    int64_t fail_at;              /* of what begins: its allocation that fails; -1: none */
    float y[DYNAMIC_CLASSES];
} place;

static void place_begin(place *p)
{
    memset(p, 0, sizeof *p);
    small_begin(&p->small, true, NULL);
    dynamic_net_begin(&p->net, MOST, stem_only);
    p->size = MOST;
    p->fail_at = -1;
    for (size_t i = 0; i < sizeof image / sizeof *image; i++)
        image[i] = (float)(i * 29 % 64) / 32 - 1;
}

static vkd_status open_engine(place *p)
{
    vkd_options options = watch_begin(&p->own);
    options.in_flight = 2;
    p->own.memory.fail_at = p->fail_at;
    return vkd_engine_create(&options, &p->engine);
}

static vkd_status join_first(place *p)
{
    vkd_options options = watch_begin(&p->of_first);
    options.engine = p->engine;
    return small_init(&p->small, &options, &p->first);
}

static vkd_status run_first(place *p)
{
    float y[SMALL_Y];
    vkd_status status = small_execute(&p->small, p->first, y);
    if (status == VKD_OK)
        assert_memory_equal(y, p->small.y, sizeof y);
    return status;
}

static vkd_options second_options(place *p)
{
    vkd_options options = watch_begin(&p->of_second);
    options.engine = p->engine;
    options.in_flight = 2;
    options.max_plans = 1;
    p->of_second.memory.fail_at = p->fail_at;
    return options;
}

static vkd_status run_second(place *p)
{
    dynamic_call call;
    dynamic_call_set(&call, p->size, p->size, image);
    vkd_status status = vkd_execute(p->second, call.args, 2);
    memcpy(p->y, call.y, sizeof p->y);
    return status;
}

static vkd_status join_second(place *p)
{
    const vkd_options options = second_options(p);
    return dynamic_net_init(&p->net, &options, &p->second);
}

static void leave(vkd_delegate **delegate, watch *w)
{
    if (*delegate)
        vkd_destroy(*delegate);
    *delegate = NULL;
    watch_end(w);
}

static void close_all(place *p)
{
    leave(&p->first, &p->of_first);
    leave(&p->second, &p->of_second);
    vkd_engine_destroy(p->engine);
    p->engine = NULL;
    watch_end(&p->own);
    assert_int_equal(faulty_driver_memory(), 0);
    assert_int_equal(p->small.held, 0);
}

static void must(vkd_status status, const char *what, const watch *w)
{
    if (status != VKD_OK)
        fail_msg("%s: %s: %s", what, vkd_status_name(status), w->text);
}

/* --------------------------------------------------------------------------------- what is done */

/* What fails in turn; before it, all goes well; after it, what was there still works. */
typedef struct stage {
    const char *name;
    void (*before)(place *p);
    vkd_status (*act)(place *p);
    watch *(*watch)(place *p); /* of the object that acts */
} stage;

static void before_engine(place *p) { (void)p; }

static watch *engine_watch(place *p) { return &p->own; }

static void with_first(place *p)
{
    must(open_engine(p), "an engine", &p->own);
    must(join_first(p), "the first", &p->of_first);
    must(run_first(p), "the first", &p->of_first);
}

static vkd_status second_joins(place *p)
{
    vkd_status status = join_second(p);
    assert_int_equal(p->second != NULL, status == VKD_OK);
    return status == VKD_OK ? run_second(p) : status;
}

static watch *second_watch(place *p) { return &p->of_second; }

static void with_both(place *p)
{
    with_first(p);
    p->size = MOST;
    must(join_second(p), "the second", &p->of_second);
    must(run_second(p), "the second", &p->of_second);
}

static vkd_status resizes(place *p)
{
    p->size = 13;
    return run_second(p);
}

static const stage stages[] = {
    {"an engine", before_engine, open_engine, engine_watch},
    {"a second delegate", with_first, second_joins, second_watch},
    {"a new shape", with_both, resizes, second_watch},
};

/* Whatever has failed, the first goes on and the second can be had, or neither as the device is
 * lost; then all is given back. */
static void recover(place *p)
{
    if (p->first) {
        const vkd_status status = run_first(p);
        if (status != VKD_DEVICE_LOST)
            must(status, "the first, after it", &p->of_first);
        if (status == VKD_OK && !p->second) {
            watch_end(&p->of_second);
            must(join_second(p), "the second, after it", &p->of_second);
        }
        if (p->second) {
            const vkd_status after = run_second(p);
            if (status == VKD_OK || after != VKD_DEVICE_LOST)
                must(after, "the second, after it", &p->of_second);
        }
    }
    close_all(p);
}

/* ---------------------------------------------------------------------------------- host memory */

/* Acts without the allocation of this number from now on, of the object that acts or of the engine.
 */
static vkd_status act_without(place *p, const stage *s, int64_t number, bool of_engine,
                              bool *failed)
{
    watch *w = of_engine ? &p->own : s->watch(p);
    p->fail_at = of_engine ? -1 : number; /* for a watch that begins in the act */
    w->memory.fail_at = w->memory.calls + number;
    vkd_status status = s->act(p);
    *failed = w->memory.failed;
    p->fail_at = w->memory.fail_at = -1;
    return status;
}

static int fail_each_allocation(const stage *s, bool of_engine)
{
    static place p;
    int failures = 0;
    for (bool failed = true; failed; failures += failed) {
        place_begin(&p);
        s->before(&p);
        const vkd_status status = act_without(&p, s, failures, of_engine, &failed);
        /* without a larger table the old one does */
        if (status != (failed ? VKD_OUT_OF_MEMORY : VKD_OK) && !(of_engine && status == VKD_OK))
            fail_msg("%s, allocation %d: %s", s->name, failures, vkd_status_name(status));
        assert_int_equal(s->watch(&p)->counts[VKD_LOG_ERROR], status != VKD_OK);
        recover(&p);
        small_end(&p.small);
        dynamic_net_end(&p.net);
    }
    return failures;
}

static void each_allocation_fails(void **state)
{
    (void)state;
    gpu_needed();
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++) {
        const int own = fail_each_allocation(&stages[s], false),
                  engine = s ? fail_each_allocation(&stages[s], true) : 0;
        print_message("%s: %d allocations failed in turn, and %d of its engine\n", stages[s].name,
                      own, engine);
        assert_true(own > 3);
    }
}

/* --------------------------------------------------------------------------------------- driver */

static int fail_each_call(const stage *s, VkResult result, vkd_status expected)
{
    static place p;
    int calls = 0;
    for (const char *failed = ""; failed; calls += failed != NULL) {
        place_begin(&p);
        s->before(&p);
        faulty_driver_arm(NULL, calls, result);
        const vkd_status status = s->act(&p);
        failed = faulty_driver_disarm();
        /* memory of another type may serve as well; a wait that fails is a lost device */
        const bool serves = failed && !strcmp(failed, "vkAllocateMemory") && status == VKD_OK;
        if (status != (failed ? expected : VKD_OK) && !serves)
            fail_msg("%s, call %d, %s with %d: %s:\n%s", s->name, calls, failed ? failed : "none",
                     result, vkd_status_name(status), s->watch(&p)->text);
        assert_int_equal(s->watch(&p)->counts[VKD_LOG_ERROR], status != VKD_OK);
        recover(&p);
        small_end(&p.small);
        dynamic_net_end(&p.net);
    }
    return calls;
}

static void each_driver_call_fails(void **state)
{
    (void)state;
    gpu_needed();
    for (size_t s = 0; s < sizeof stages / sizeof *stages; s++) {
        const int calls =
            fail_each_call(&stages[s], VK_ERROR_OUT_OF_DEVICE_MEMORY, VKD_OUT_OF_MEMORY);
        const int lost = fail_each_call(&stages[s], VK_ERROR_DEVICE_LOST, VKD_DEVICE_LOST);
        print_message("%s: %d calls failed in turn, %d by a lost device\n", stages[s].name, calls,
                      lost);
        assert_true(calls > 3 && lost > 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_driver_call_fails),
        cmocka_unit_test(each_allocation_fails),
    };
    faulty_driver_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
