/* Whole nets whose images change in size: another size compiles nothing and gives the bits of a
 * program for that size alone; what it costs the host. Skips without a device. */
#include "nets/nets.h"
#include "support/call.h"
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

enum { MOST_SIZE = 64, MOST_CLASSES = 128, PIXELS = NET_COLOURS * MOST_SIZE * MOST_SIZE };

typedef struct loaded {
    watch own;
    net_file net;
    vkd_program *program;
    vkd_method *method;
} loaded;

typedef struct fixture {
    watch own;
    vkd_engine *engine; /* so that kernels are compiled once, and chosen alike */
    vkd_random random;
    float x[PIXELS];
} fixture;

static fixture *begin(const char *what)
{
    if (!faulty_driver_install())
        test_skip("there is no Vulkan loader");
    gpu_needed();
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    const vkd_options options = watch_begin(&f->own);
    if (vkd_engine_create(&options, &f->engine) != VKD_OK)
        fail_msg("%s", f->own.error);
    f->random = random_begin(what);
    random_floats(&f->random, -1.7f, 1.7f, f->x, PIXELS);
    return f;
}

static void end(fixture *f)
{
    vkd_engine_destroy(f->engine);
    watch_end(&f->own);
    free(f);
}

static void load(fixture *f, const net_shape *shape, const char *variant, loaded *l)
{
    vkd_options options = watch_begin(&l->own);
    options.engine = f->engine;
    options.variant = variant;
    if (!net_build(shape, &l->net))
        fail_msg("%s: %s", shape->name, l->net.error);
    if (vkd_program_open_bytes(l->net.file, l->net.file_size, &options, &l->program) != VKD_OK ||
        vkd_method_load(l->program, NULL, &options, &l->method) != VKD_OK)
        fail_msg("%s: %s", shape->name, l->own.error);
}

static void unload(loaded *l)
{
    vkd_method_unload(l->method);
    vkd_program_close(l->program);
    net_release(&l->net);
    watch_end(&l->own);
}

/* An image of h x w. */
typedef struct execution {
    vkd_tensor_arg args[2];
    float y[MOST_CLASSES];
} execution;

static void set(execution *e, const loaded *l, int h, int w, const float *x)
{
    vkd_tensor_info info;
    memset(e, 0, sizeof *e);
    e->args[0] = call_arg(VKD_DTYPE_FLOAT32, 4, (const int64_t[]){1, NET_COLOURS, h, w}, x, NULL);
    assert_int_equal(vkd_method_output_info(l->method, 0, &info), VKD_OK);
    assert_in_range(info.dims[1], 1, MOST_CLASSES);
    e->args[1] = call_output(&info, e->y);
}

static void run(loaded *l, execution *e)
{
    if (vkd_method_execute(l->method, e->args, 2) != VKD_OK)
        fail_msg("%s", vkd_method_error(l->method));
}

static int draw_size(fixture *f) { return random_range(&f->random, MOST_SIZE / 2, MOST_SIZE); }

/* ------------------------------------------------------------------------------------- the same */

enum { MOST_SIZES = 4 };

/* The net with the largest images first, then executions with `count` others; pipelines are counted
 * in those alone. */
static void check_net(fixture *f, const char *name, const char *variant, int count)
{
    net_shape shape = {.name = name,
                       .dtype = VKD_DTYPE_INT8,
                       .narrow = 8,
                       .layers = 1,
                       .seed = (uint64_t)random_range(&f->random, 1, 1000)};
    loaded any;
    execution got[MOST_SIZES], expected;
    int sizes[MOST_SIZES][2];
    shape.size = shape.width = MOST_SIZE;
    shape.resizes = true;
    load(f, &shape, variant, &any);
    set(&expected, &any, MOST_SIZE, MOST_SIZE, f->x);
    run(&any, &expected);
    faulty_driver_count("vkCreateComputePipelines");
    for (int i = 0; i < count; i++) {
        sizes[i][0] = draw_size(f), sizes[i][1] = draw_size(f);
        set(&got[i], &any, sizes[i][0], sizes[i][1], f->x);
        run(&any, &got[i]);
    }
    if (faulty_driver_counted())
        fail_msg("%s by '%s': %u pipelines for other sizes", shape.name, variant ? variant : "",
                 faulty_driver_counted());
    unload(&any);
    shape.resizes = false;
    for (int i = 0; i < count; i++) {
        loaded one;
        shape.size = sizes[i][0], shape.width = sizes[i][1];
        load(f, &shape, variant, &one);
        set(&expected, &one, shape.size, shape.width, f->x);
        run(&one, &expected);
        unload(&one);
        if (memcmp(got[i].y, expected.y, sizeof expected.y))
            fail_msg("%s by '%s', %dx%d: other bits than of a program for this size", shape.name,
                     variant ? variant : "", shape.size, shape.width);
    }
}

/* Convolutions with all kinds of windows and groups, pooling, means, concatenations and chains. */
static void nets_of_int8(void **state)
{
    static const char *const names[] = {"resnet50", "regnet_x_400mf", "mobilenet_v3_small",
                                        "squeezenet1_1"};
    (void)state;
    fixture *f = begin("nets of int8 that resize");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_net(f, names[i], NULL, MOST_SIZES);
    end(f);
}

/* By the kernels that GPUs take, too. */
static void families_of_int8(void **state)
{
    static const struct {
        const char *name, *variant;
    } rows[] = {{"resnet50", "4x4"},     {"resnet50", "4x4 words"}, {"resnet50", "im2col 4x4"},
                {"mobilenet_v2", "2x4"}, {"mobilenet_v2", "4x4"},   {"resnet50", "general"}};
    (void)state;
    fixture *f = begin("families of int8 that resize");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_net(f, rows[i].name, rows[i].variant, 1);
    end(f);
}

/* ----------------------------------------------------------------------------------------- cost */

static double thread_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* This thread's time in a submit that lowers, plans and records: a ResNet50's operators. */
static void cost_of_a_new_size(void **state)
{
    enum { SIZES = 15 };
    (void)state;
    fixture *f = begin("cost of a new size");
    loaded l;
    double ms[SIZES];
    load(f,
         &(net_shape){.name = "resnet50",
                      .dtype = VKD_DTYPE_INT8,
                      .size = MOST_SIZE,
                      .narrow = 8,
                      .resizes = true,
                      .seed = 1},
         NULL, &l);
    faulty_driver_count("vkCreateComputePipelines");
    for (int i = 0; i < SIZES; i++) {
        execution e;
        uint64_t ticket;
        set(&e, &l, MOST_SIZE - 2 * i, MOST_SIZE - 1 - i, f->x);
        const double start = thread_ms();
        assert_int_equal(vkd_method_submit(l.method, e.args, 2, &ticket), VKD_OK);
        ms[i] = thread_ms() - start;
        assert_int_equal(vkd_method_wait(l.method, ticket), VKD_OK);
    }
    assert_int_equal(faulty_driver_counted(), 0);
    qsort(ms, SIZES, sizeof *ms, by_size);
    print_message("a ResNet50 of int8, %zu dispatches: %.2f ms for a new size (%.2f to %.2f)\n",
                  vkd_node_count(vkd_method_delegate(l.method)), ms[SIZES / 2], ms[0],
                  ms[SIZES - 1]);
    unload(&l);
    end(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nets_of_int8),
        cmocka_unit_test(families_of_int8),
        cmocka_unit_test(cost_of_a_new_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
