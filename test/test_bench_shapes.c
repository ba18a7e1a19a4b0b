/* The shapes that vkd-bench times: built-in lists, and shapes as text. No device is needed. */
#include "bench/shapes.h"
#include "support/fake_caps.h"
#include "support/random.h"
#include "support/reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same(const conv2d_problem *a, const conv2d_problem *b)
{
    return !memcmp(a, b, sizeof *a);
}

static void texts(void **state)
{
    (void)state;
    conv2d_problem expected = {.n = 1,
                               .in_c = 64,
                               .in_h = 56,
                               .in_w = 48,
                               .out_c = 32,
                               .out_h = 28,
                               .out_w = 48,
                               .kernel = {3, 1},
                               .stride = {2, 1},
                               .padding = {1, 0},
                               .dilation = {1, 2},
                               .groups = 2,
                               .dtype = VKD_DTYPE_INT8};
    conv2d_problem p;
    assert_null(bench_shape_parse("1x64x56x48 -> 1x32x28x48 3x1 s2x1 p1x0 d1x2 g2", &p));
    assert_true(same(&p, &expected));
    /* shorter, and in any order */
    assert_null(bench_shape_parse("\t1x64x56x48 32 g2 d1x2 s2x1  p1x0 3x1\n", &p));
    assert_true(same(&p, &expected));
    expected.dtype = VKD_DTYPE_FLOAT16;
    assert_null(bench_shape_parse("1x64x56x48 -> 32 3x1 s2x1 p1x0 d1x2 g2 f16", &p));
    assert_true(same(&p, &expected));
}

static void faults(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "64x56",
        "1x64x56x56",
        "1x64x56x56 ->",
        "1x64x56x56 -> 1x2",
        "1x64x56x56 -> 64",
        "1x64x56x56 -> 64 3x3 q1",
        "1x64x56x56 -> 64 3x3 s0",
        "1x64x56x56 -> 64 3x3 g3",
        "1x64x56x56 -> 64 3x3 g0",
        "1x64x2x2 -> 64 3x3",
        "1x64x56x56 -> 1x64x56x56 3x3",
        "1x64x56x56 -> 64 3x3x3",
        "1x0x56x56 -> 64 3x3",
        "1x64x56x56 -> 64 0x3",
        "1x64x56x56 -> 64 99999999999x3",
        "1x-4x5x5 -> 4 1x1",
        "1x70000x5x5 -> 4 1x1",
        "1x8x5x5 -> 4 1x1 f64",
        "1x8x5x5 -> 4 1x1 t", /* only floats are */
        "1x8x5x5 -> 1x4x12x10 2x2 s2 f32 t",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        conv2d_problem p;
        if (!bench_shape_parse(lines[i], &p))
            fail_msg("'%s' was taken for a shape", lines[i]);
    }
}

/* What vkd_conv2d_problem_format writes is read as the same problem. */
static void round_trips(void **state)
{
    (void)state;
    vkd_random random = random_begin("shapes as text");
    for (int round = 0; round < 3000; round++) {
        static const vkd_dtype dtypes[] = {VKD_DTYPE_INT8, VKD_DTYPE_FLOAT32, VKD_DTYPE_FLOAT16};
        conv2d_problem p = {.n = (uint32_t)random_range(&random, 1, 3),
                            .groups = (uint32_t)random_range(&random, 1, 4),
                            .dtype = dtypes[random_range(&random, 0, 2)]},
                       read;
        p.transposed = conv2d_is_float(&p) && random_range(&random, 0, 1);
        char text[CONV2D_TEXT];
        p.in_c = p.groups * (uint32_t)random_range(&random, 1, 30);
        p.out_c = p.groups * (uint32_t)random_range(&random, 1, 30);
        uint32_t *in[2] = {&p.in_h, &p.in_w}, *out[2] = {&p.out_h, &p.out_w};
        for (int axis = 0; axis < 2; axis++) {
            p.kernel[axis] = (uint32_t)random_range(&random, 1, 5);
            p.stride[axis] = (uint32_t)random_range(&random, 1, 3);
            p.padding[axis] = (uint32_t)random_range(&random, 0, 3);
            p.dilation[axis] = (uint32_t)random_range(&random, 1, 2);
            uint32_t reach = p.dilation[axis] * (p.kernel[axis] - 1) + 1;
            *in[axis] = reach + (uint32_t)random_range(&random, 0, 50);
            *out[axis] = (*in[axis] + 2 * p.padding[axis] - reach) / p.stride[axis] + 1;
            if (p.transposed) /* at least 1 pixel, and some of padding */
                *out[axis] = (*in[axis] + 5) * p.stride[axis] - 2 * p.padding[axis] + reach +
                             (uint32_t)random_range(&random, 0, (int32_t)p.stride[axis] - 1);
            *in[axis] += p.transposed ? 6 : 0;
        }
        vkd_conv2d_problem_format(&p, text);
        const char *fault = bench_shape_parse(text, &read);
        if (fault || !same(&p, &read))
            fail_msg("'%s': %s", text, fault ? fault : "read as another shape");
    }
}

static void built_in_lists_and_models(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        size_t count;
    } rows[] = {{"resnet50", 23},
                {"mobilenet_v2", 30},
                {"et_vk", 10},
                {VKD_MODELS "/tiny/bottleneck_c12m7o20_s2_11x11/model.pte", 4}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        reading r;
        bench_shapes shapes = {0};
        vkd_caps caps = fake_caps(FAKE_H100);
        reading_begin(&r, NULL);
        assert_int_equal(bench_shapes_add(&r.arena, &caps, rows[i].source, &shapes), VKD_OK);
        assert_int_equal(shapes.count, rows[i].count);
        reading_end(&r);
    }
}

static void files(void **state)
{
    (void)state;
    reading r;
    bench_shapes shapes = {0};
    vkd_caps caps = fake_caps(FAKE_H100);
    char path[] = "/tmp/vkd-shapes-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    FILE *stream = fdopen(file, "w");
    fputs("# some shapes\n\n1x8x9x9 -> 8 3x3 p1 # the first\n  1x8x9x9 -> 1x8x9x9 3x3 p1\n1x8x9x9 "
          "-> 16 1x1\r\n",
          stream);
    fclose(stream);
    reading_begin(&r, NULL);
    assert_int_equal(bench_shapes_add(&r.arena, &caps, path, &shapes), VKD_OK);
    assert_int_equal(shapes.count, 2); /* the second is the first */
    stream = fopen(path, "a");
    fputs("1x8x9x9 -> 16 1x1 z9\n", stream);
    fclose(stream);
    assert_int_equal(bench_shapes_add(&r.arena, &caps, path, &shapes), VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(r.context.error, "z9"));
    assert_int_equal(bench_shapes_add(&r.arena, &caps, "/no/such/file", &shapes), VKD_IO_ERROR);
    reading_end(&r);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),       cmocka_unit_test(faults),
        cmocka_unit_test(round_trips), cmocka_unit_test(built_in_lists_and_models),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
