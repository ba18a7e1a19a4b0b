/* Several executions in flight: vkd_submit and vkd_wait, alone and beside vkd_execute and methods.
 */
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/model_io.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* One execution: random numbers, and what vkd_execute makes of them. */
typedef struct request {
    float x[SMALL_X], y[SMALL_Y], expected[SMALL_Y];
    small_args args;
    uint64_t ticket;
} request;

enum { REQUESTS = 20 };

typedef struct fixture {
    watch watch;
    small_model model;
    vkd_options options;
    vkd_delegate *delegate;
    request requests[REQUESTS];
} fixture;

static void begin(fixture *f, uint32_t in_flight)
{
    gpu_needed();
    small_begin(&f->model, false, NULL);
    f->options = watch_begin(&f->watch);
    f->options.in_flight = in_flight;
    f->options.keep_intermediates = true;
    f->options.profile = true;
    if (small_init(&f->model, &f->options, &f->delegate) != VKD_OK)
        fail_msg("%s", f->watch.error);
}

static void begin_requests(fixture *f, uint32_t in_flight)
{
    begin(f, in_flight);
    for (int i = 0; i < REQUESTS; i++) {
        request *r = &f->requests[i];
        small_args a;
        for (int k = 0; k < SMALL_X; k++)
            r->x[k] = (float)(gpu_random() % 601) * 0.01f - 3;
        small_args_set(&a, r->x, r->expected);
        if (vkd_execute(f->delegate, a.args, 2) != VKD_OK)
            fail_msg("%s", vkd_last_error(f->delegate));
        memset(r->y, 0xee, sizeof r->y);
    }
}

static void end(fixture *f)
{
    vkd_destroy(f->delegate);
    small_end(&f->model);
    watch_end(&f->watch);
}

/* What only a submit may read is gone after it. */
static void submit(fixture *f, request *r)
{
    float x[SMALL_X];
    memcpy(x, r->x, sizeof x);
    small_args_set(&r->args, x, r->y);
    if (vkd_submit(f->delegate, r->args.args, 2, &r->ticket) != VKD_OK)
        fail_msg("%s", vkd_last_error(f->delegate));
    memset(&r->args.args[0], 0xff, sizeof r->args.args[0]);
    memset(x, 0xff, sizeof x);
}

static void check(const request *r) { assert_memory_equal(r->y, r->expected, sizeof r->y); }

static void wait_for(fixture *f, request *r)
{
    if (vkd_wait(f->delegate, r->ticket) != VKD_OK)
        fail_msg("%s", vkd_last_error(f->delegate));
    check(r);
}

static bool is_untouched(const request *r)
{
    static const unsigned char filling[] = {0xee, 0xee, 0xee, 0xee};
    return !memcmp(&r->y[SMALL_Y - 1], filling, sizeof filling);
}

/* ---------------------------------------------------------------------------------------- order */

static const uint32_t depths[] = {0, 1, 2, 5, REQUESTS, VKD_MAX_IN_FLIGHT};
enum { DEPTHS = sizeof depths / sizeof depths[0] };

static void waits_in_order(void **state)
{
    (void)state;
    for (size_t d = 0; d < DEPTHS; d++) {
        fixture f;
        begin_requests(&f, depths[d]);
        const int depth = depths[d] ? (int)depths[d] : 1;
        for (int i = 0; i < REQUESTS + depth; i++) {
            if (i >= depth && i - depth < REQUESTS)
                wait_for(&f, &f.requests[i - depth]);
            if (i < REQUESTS)
                submit(&f, &f.requests[i]);
            assert_true(i == 0 || i >= REQUESTS ||
                        f.requests[i].ticket == f.requests[i - 1].ticket + 1);
        }
        end(&f);
    }
}

static void waits_in_any_order(void **state)
{
    (void)state;
    for (size_t d = 0; d < DEPTHS; d++) {
        fixture f;
        int order[REQUESTS];
        begin_requests(&f, depths[d]);
        for (int i = 0; i < REQUESTS; i++) {
            submit(&f, &f.requests[i]);
            int at = (int)(gpu_random() % (uint32_t)(i + 1));
            order[i] = order[at];
            order[at] = i;
            if (gpu_random() % 3 == 0) /* one at random in between, complete or not */
                wait_for(&f, &f.requests[gpu_random() % (uint32_t)(i + 1)]);
        }
        for (int twice = 0; twice < 2; twice++)
            for (int i = 0; i < REQUESTS; i++)
                wait_for(&f, &f.requests[order[i]]);
        end(&f);
    }
}

/* A submit beyond the limit completes the oldest execution, and no other. */
static void submits_complete_the_oldest(void **state)
{
    (void)state;
    fixture f;
    request *r = f.requests;
    begin_requests(&f, 3);
    for (int i = 0; i < 3; i++)
        submit(&f, &r[i]);
    for (int i = 0; i < 3; i++)
        assert_true(is_untouched(&r[i]));
    submit(&f, &r[3]);
    check(&r[0]);
    assert_true(is_untouched(&r[1]) && is_untouched(&r[2]) && is_untouched(&r[3]));
    wait_for(&f, &r[2]);
    submit(&f, &r[4]); /* takes the slot that the wait has freed */
    assert_true(is_untouched(&r[1]) && is_untouched(&r[3]) && is_untouched(&r[4]));
    submit(&f, &r[5]);
    check(&r[1]);
    submit(&f, &r[6]);
    check(&r[3]);
    for (int i = 0; i < 7; i++)
        wait_for(&f, &r[i]);
    end(&f);
}

static void executions_in_between(void **state)
{
    (void)state;
    for (size_t d = 0; d < DEPTHS; d++) {
        fixture f;
        begin_requests(&f, depths[d]);
        for (int i = 0; i < REQUESTS; i++) {
            submit(&f, &f.requests[i]);
            if (i % 4 == 1)
                small_check(&f.model, f.delegate);
        }
        for (int i = 0; i < REQUESTS; i++)
            wait_for(&f, &f.requests[i]);
        small_check(&f.model, f.delegate);
        end(&f);
    }
}

static void destroyed_in_flight(void **state)
{
    (void)state;
    for (uint32_t depth = 1; depth <= 4; depth++) {
        fixture f;
        begin_requests(&f, depth);
        for (int i = 0; i < 4; i++)
            submit(&f, &f.requests[i]);
        end(&f);
    }
}

/* --------------------------------------------------------------------------------------- misuse */

static void tickets_that_were_never_given(void **state)
{
    (void)state;
    fixture f;
    begin(&f, 2);
    assert_int_equal(vkd_wait(f.delegate, 0), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_wait(f.delegate, 1), VKD_INVALID_ARGUMENT);
    submit(&f, &f.requests[0]);
    assert_int_equal(f.requests[0].ticket, 1);
    assert_int_equal(vkd_wait(f.delegate, 2), VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(vkd_last_error(f.delegate), "ticket 2"));
    assert_int_equal(vkd_wait(f.delegate, UINT64_MAX), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_wait(f.delegate, 0), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_wait(f.delegate, 1), VKD_OK);
    assert_int_equal(f.watch.counts[VKD_LOG_ERROR], 5);
    end(&f);
}

static void wrong_submits(void **state)
{
    (void)state;
    fixture f;
    small_args a;
    uint64_t ticket = 77;
    begin_requests(&f, 2);
    submit(&f, &f.requests[0]);
    small_args_set(&a, f.requests[1].x, f.requests[1].y);
    assert_int_equal(vkd_submit(NULL, a.args, 2, &ticket), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_wait(NULL, 1), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_submit(f.delegate, a.args, 2, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_submit(f.delegate, NULL, 2, &ticket), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_submit(f.delegate, a.args, 1, &ticket), VKD_INVALID_ARGUMENT);
    a.args[0].dims[2]++;
    assert_int_equal(vkd_submit(f.delegate, a.args, 2, &ticket), VKD_INVALID_ARGUMENT);
    assert_int_equal(ticket, 77);
    submit(&f, &f.requests[1]);
    assert_int_equal(f.requests[1].ticket, f.requests[0].ticket + 1); /* none was used up */
    wait_for(&f, &f.requests[0]);
    wait_for(&f, &f.requests[1]);
    end(&f);
}

static void more_in_flight_than_possible(void **state)
{
    (void)state;
    gpu_needed();
    static const uint32_t counts[] = {VKD_MAX_IN_FLIGHT + 1, UINT32_MAX};
    for (size_t i = 0; i < 2; i++) {
        small_model m;
        watch w;
        vkd_delegate *delegate = (vkd_delegate *)&w;
        vkd_options options = watch_begin(&w);
        options.in_flight = counts[i];
        small_begin(&m, false, NULL);
        assert_int_equal(small_init(&m, &options, &delegate), VKD_INVALID_ARGUMENT);
        assert_null(delegate);
        assert_non_null(strstr(w.error, "in_flight"));
        assert_int_equal(w.counts[VKD_LOG_ERROR], 1);
        small_end(&m);
        watch_end(&w);
    }
}

/* -------------------------------------------------------------------------------- introspection */

static void memory_of_all_in_flight(void **state)
{
    (void)state;
    vkd_memory_info one, four;
    fixture f;
    begin(&f, 1);
    vkd_describe_memory(f.delegate, &one);
    end(&f);
    begin(&f, 4);
    vkd_describe_memory(f.delegate, &four);
    end(&f);
    assert_int_equal(four.constants, one.constants);
    assert_int_equal(four.scratch, 4 * one.scratch);
    assert_int_equal(four.scratch_unaliased, 4 * one.scratch_unaliased);
    assert_int_equal(four.io, 4 * one.io);
    assert_true(four.host > one.host && four.host <= four.host_peak);
}

/* Values and times are those of the execution that was completed last, whichever that is. */
static void values_of_the_last_one_completed(void **state)
{
    (void)state;
    fixture f;
    float x[SMALL_X];
    vkd_tensor_info info;
    request *r = f.requests;
    begin_requests(&f, 3);
    for (int i = 0; i < 3; i++)
        submit(&f, &r[i]);
    static const int order[] = {2, 0, 1};
    for (int i = 0; i < 3; i++) {
        wait_for(&f, &r[order[i]]);
        /* others are in flight */
        assert_int_equal(vkd_read_value(f.delegate, 0, x, sizeof x, &info), VKD_OK);
        assert_memory_equal(x, r[order[i]].x, sizeof x);
    }
    uint64_t ns = vkd_gpu_ns(f.delegate);
    for (int i = 3; i < 6; i++)
        submit(&f, &r[i]);
    assert_int_equal(vkd_gpu_ns(f.delegate), ns);
    assert_int_equal(vkd_read_value(f.delegate, 0, x, sizeof x, &info), VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(vkd_last_error(f.delegate), "in use by another one"));
    for (int i = 3; i < 6; i++)
        wait_for(&f, &r[i]);
    assert_int_equal(vkd_read_value(f.delegate, 0, x, sizeof x, &info), VKD_OK);
    assert_memory_equal(x, r[5].x, sizeof x);
    end(&f);
}

/* -------------------------------------------------------------------------------------- methods */

static void check_method(vkd_method *method, const void *x, const void *expected, size_t size)
{
    float y[64];
    assert_true(size <= sizeof y);
    if (call_method(method, x, y) != VKD_OK)
        fail_msg("%s", vkd_method_error(method));
    assert_memory_equal(y, expected, size);
}

/* A method's executions and its delegate's are the same. */
static void methods_and_submits(void **state)
{
    (void)state;
    gpu_needed();
    enum { IN = 20, OUT = 7 };
    const int64_t in[] = {1, IN}, out[] = {1, OUT};
    sample s;
    sample_open(&s, "tiny/linear_1x20o7");
    for (uint32_t depth = 1; depth <= 3; depth++) {
        watch w;
        vkd_program *program;
        vkd_method *method;
        float x[IN], mine[OUT], other[OUT], y[4][OUT];
        vkd_tensor_arg args[4][2];
        uint64_t tickets[4];
        vkd_options options = watch_begin(&w);
        options.in_flight = depth;
        if (sample_load(&s, &options, &program, &method) != VKD_OK)
            fail_msg("%u in flight: %s", depth, w.error);
        vkd_delegate *delegate = vkd_method_delegate(method);
        assert_int_equal(sample_execute(&s, method, mine), VKD_OK);
        for (int i = 0; i < IN; i++)
            x[i] = (float)(gpu_random() % 601) * 0.01f - 3;
        assert_int_equal(call_method(method, x, other), VKD_OK);
        assert_memory_not_equal(mine, other, sizeof other);
        for (int i = 0; i < 4; i++) {
            args[i][0] = call_arg(VKD_DTYPE_FLOAT32, 2, in, x, NULL);
            args[i][1] = call_arg(VKD_DTYPE_FLOAT32, 2, out, NULL, y[i]);
            assert_int_equal(i % 2 ? vkd_method_submit(method, args[i], 2, &tickets[i])
                                   : vkd_submit(delegate, args[i], 2, &tickets[i]),
                             VKD_OK);
        }
        check_method(method, s.inputs[0], mine, sizeof mine);
        for (int i = 3; i >= 0; i--) {
            assert_int_equal(i % 2 ? vkd_wait(delegate, tickets[i])
                                   : vkd_method_wait(method, tickets[i]),
                             VKD_OK);
            assert_memory_equal(y[i], other, sizeof other);
        }
        assert_int_equal(vkd_method_wait(method, 99), VKD_INVALID_ARGUMENT);
        assert_non_null(strstr(vkd_method_error(method), "ticket 99"));
        /* unloaded in flight */
        assert_int_equal(vkd_method_submit(method, args[0], 2, &tickets[0]), VKD_OK);
        vkd_method_unload(method);
        vkd_program_close(program);
        watch_end(&w);
    }
    sample_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_in_order),
        cmocka_unit_test(waits_in_any_order),
        cmocka_unit_test(submits_complete_the_oldest),
        cmocka_unit_test(executions_in_between),
        cmocka_unit_test(destroyed_in_flight),
        cmocka_unit_test(tickets_that_were_never_given),
        cmocka_unit_test(wrong_submits),
        cmocka_unit_test(more_in_flight_than_possible),
        cmocka_unit_test(memory_of_all_in_flight),
        cmocka_unit_test(values_of_the_last_one_completed),
        cmocka_unit_test(methods_and_submits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
