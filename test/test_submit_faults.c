/* Several executions in flight when something fails around them, and the queues that they go to. */
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <vulkan/vulkan_core.h>

/* A delegate with three executions in flight, and one that is complete. */
typedef struct flights {
    watch watch;
    vkd_delegate *delegate;
    float y[4][SMALL_Y];
    uint64_t tickets[4];
    small_args arguments[4]; /* they must stay until the execution is complete */
} flights;

static vkd_status submit(small_model *m, flights *f, int i)
{
    memset(f->y[i], 0, sizeof f->y[i]);
    small_args_set(&f->arguments[i], m->x, f->y[i]);
    return vkd_submit(f->delegate, f->arguments[i].args, 2, &f->tickets[i]);
}

static void begin_flights(small_model *m, flights *f)
{
    vkd_options options = watch_begin(&f->watch);
    options.timeout_ms = 2500;
    options.in_flight = 3;
    assert_int_equal(small_init(m, &options, &f->delegate), VKD_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(submit(m, f, i), VKD_OK);
    assert_int_equal(f->watch.counts[VKD_LOG_ERROR], 0);
}

static void end_flights(flights *f)
{
    vkd_destroy(f->delegate);
    watch_end(&f->watch);
}

static void expect(flights *f, vkd_status status, vkd_status expected, const char *says,
                   uint32_t messages)
{
    if (status != expected || !strstr(vkd_last_error(f->delegate), says) ||
        f->watch.counts[VKD_LOG_ERROR] != messages)
        fail_msg("%s, \"%s\", %u messages: expected %s, \"%s\", %u", vkd_status_name(status),
                 vkd_last_error(f->delegate), f->watch.counts[VKD_LOG_ERROR],
                 vkd_status_name(expected), says, messages);
}

/* From now on everything that is not complete is lost, which each call says once. */
static void expect_lost(small_model *m, flights *f, uint32_t messages)
{
    float y[SMALL_Y];
    expect(f, vkd_wait(f->delegate, f->tickets[3]), VKD_DEVICE_LOST, "lost earlier", ++messages);
    expect(f, submit(m, f, 0), VKD_DEVICE_LOST, "lost earlier", ++messages);
    expect(f, small_execute(m, f->delegate, y), VKD_DEVICE_LOST, "lost earlier", ++messages);
    for (int i = 1; i < 4; i++) /* in any case: nothing hangs */
        assert_int_equal(vkd_wait(f->delegate, f->tickets[i]), VKD_DEVICE_LOST);
    assert_int_equal(vkd_wait(f->delegate, 1), VKD_OK); /* it was complete before */
    assert_int_equal(vkd_wait(f->delegate, 5), VKD_INVALID_ARGUMENT);
}

static void lost_in_flight(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    flights f;
    small_begin(&m, false, NULL);
    begin_flights(&m, &f);
    faulty_driver_arm("vkWaitForFences", 0, VK_TIMEOUT);
    expect(&f, vkd_wait(f.delegate, f.tickets[2]), VKD_DEVICE_LOST, "within 2500 ms", 1);
    assert_string_equal(faulty_driver_disarm(), "vkWaitForFences");
    expect_lost(&m, &f, 1);
    end_flights(&f);

    begin_flights(&m, &f); /* in the wait that a submit is for */
    faulty_driver_arm("vkWaitForFences", 0, VK_ERROR_OUT_OF_HOST_MEMORY);
    expect(&f, submit(&m, &f, 0), VKD_OUT_OF_MEMORY, "vkWaitForFences", 1);
    assert_non_null(faulty_driver_disarm());
    /* it was this one's */
    expect(&f, vkd_wait(f.delegate, f.tickets[1]), VKD_OUT_OF_MEMORY, "vkWaitForFences", 1);
    expect(&f, vkd_wait(f.delegate, f.tickets[2]), VKD_DEVICE_LOST, "lost earlier", 2);
    end_flights(&f);

    begin_flights(&m, &f);
    assert_int_equal(vkd_wait(f.delegate, f.tickets[1]), VKD_OK);
    faulty_driver_arm("vkQueueSubmit", 0, VK_ERROR_DEVICE_LOST);
    expect(&f, submit(&m, &f, 0), VKD_DEVICE_LOST, "VK_ERROR_DEVICE_LOST", 1);
    assert_non_null(faulty_driver_disarm());
    f.tickets[1] = f.tickets[2];
    expect_lost(&m, &f, 1);
    end_flights(&f);
    begin_flights(&m, &f); /* a new one works */
    end_flights(&f);
    small_end(&m);
}

/* Failures that leave the device as it is are those of one execution. */
static void failures_in_flight(void **state)
{
    (void)state;
    gpu_needed();
    static const char *const functions[] = {"vkResetFences", "vkQueueSubmit"};
    small_model m;
    flights f;
    small_begin(&m, false, NULL);
    for (int i = 0; i < 2; i++) {
        begin_flights(&m, &f);
        faulty_driver_arm(functions[i], 0, VK_ERROR_OUT_OF_DEVICE_MEMORY);
        /* the oldest was completed for it */
        expect(&f, submit(&m, &f, 0), VKD_OUT_OF_MEMORY, functions[i], 1);
        assert_non_null(faulty_driver_disarm());
        assert_int_equal(submit(&m, &f, 0), VKD_OK);
        assert_int_equal(f.tickets[0], 5);
        for (int k = 0; k < 4; k++) {
            assert_int_equal(vkd_wait(f.delegate, f.tickets[k]), VKD_OK);
            assert_memory_equal(f.y[k], m.y, sizeof m.y);
        }
        end_flights(&f);
    }
    begin_flights(&m, &f);
    if (vkd_wait(f.delegate, f.tickets[0]) == VKD_OK &&
        vkd_gpu_ns(f.delegate)) { /* the device has time stamps */
        faulty_driver_arm("vkGetQueryPoolResults", 0, VK_ERROR_OUT_OF_HOST_MEMORY);
        expect(&f, submit(&m, &f, 0), VKD_OUT_OF_MEMORY, "vkGetQueryPoolResults", 1);
        assert_non_null(faulty_driver_disarm());
        assert_int_equal(submit(&m, &f, 0), VKD_OK);
        for (int twice = 0; twice < 2; twice++)
            for (int k = 0; k < 4; k++)
                assert_int_equal(vkd_wait(f.delegate, f.tickets[k]),
                                 k == 1 ? VKD_OUT_OF_MEMORY : VKD_OK);
        assert_memory_equal(f.y[0], m.y, sizeof m.y);
        assert_int_equal(f.watch.counts[VKD_LOG_ERROR], 1);
    }
    end_flights(&f);
    small_end(&m);
}

/* Executions in flight go to as many queues as there are, everything else to the first. */
static void several_queues(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    flights f;
    small_begin(&m, false, NULL);
    for (uint32_t count = 1; count <= 4; count++) {
        faulty_driver_pretend_queues(count);
        begin_flights(&m, &f); /* 4 submissions in slots 0, 1, 2, 0 */
        uint32_t others = 0;
        for (uint32_t i = 1; i < count; i++)
            others += faulty_driver_queue_uses(i);
        assert_int_equal(others, count == 1 ? 0 : count == 2 ? 1 : 2);
        assert_int_equal(faulty_driver_queue_uses(3), 0);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(vkd_wait(f.delegate, f.tickets[i]), VKD_OK);
            assert_memory_equal(f.y[i], m.y, sizeof m.y);
        }
        end_flights(&f);
    }
    faulty_driver_pretend_queues(0);
    small_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_in_flight),
        cmocka_unit_test(failures_in_flight),
        cmocka_unit_test(several_queues),
    };
    faulty_driver_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
