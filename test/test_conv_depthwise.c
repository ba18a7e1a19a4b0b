/* Depthwise and transposed convolutions on a device, every variant, bit for bit against the scalar
 * oracle. */
#include "ops/conv/conv.h"
#include "support/fake_caps.h"
#include "support/harness.h"
#include "support/oracle.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct conv_case {
    oracle_window window;
    int32_t output_padding[2];
    uint32_t out_c, groups;
    bool relu, bias, transposed;
    bool fused; /* depthwise: a clamp and an addition follow */
} conv_case;

/* A convolution's data, owned. Weights are rows of align4(taps * channels of a group), one for each
 * output channel. */
typedef struct conv_data {
    int8_t *x, *weights, *expected, *got, *residual;
    int32_t *sums;
    float *scales, *bias;
    oracle_q x_q, y_q, r_q, sum_q;
    int32_t low, high;
    uint32_t out_h, out_w, k, row;
    size_t x_count, y_count;
} conv_data;

static uint32_t align4(uint32_t value) { return (value + 3) / 4 * 4; }

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    assert_non_null(memory);
    return memory;
}

static int32_t extent(const conv_case *c, int axis)
{
    return c->transposed ? oracle_transposed_extent(&c->window, c->output_padding, axis)
                         : oracle_extent(&c->window, axis, false);
}

/* Random data, and the output range that the accumulators then have, so that few results saturate.
 */
static void fill(vkd_random *random, const conv_case *c, conv_data *d)
{
    const oracle_window *w = &c->window;
    d->k = (uint32_t)(w->kernel[0] * w->kernel[1]) * (w->c / c->groups);
    d->row = align4(d->k);
    d->out_h = (uint32_t)extent(c, 0);
    d->out_w = (uint32_t)extent(c, 1);
    d->x_count = (size_t)w->n * w->c * w->h * w->w;
    d->y_count = (size_t)w->n * c->out_c * d->out_h * d->out_w;
    d->x = make(d->x_count, 1);
    d->weights = make((size_t)c->out_c * d->row, 1);
    d->sums = make(align4(c->out_c), sizeof *d->sums);
    d->scales = make(align4(c->out_c), sizeof *d->scales);
    d->bias = make(align4(c->out_c), sizeof *d->bias);
    d->expected = make(d->y_count, 1);
    d->got = make(d->y_count, 1);
    d->residual = make(d->y_count, 1);
    random_int8(random, d->x, d->x_count);
    random_int8(random, d->residual, d->y_count);
    for (uint32_t oc = 0; oc < c->out_c; oc++) {
        random_int8(random, d->weights + (size_t)oc * d->row, d->k);
        for (uint32_t i = 0; i < d->k; i++)
            d->sums[oc] += d->weights[(size_t)oc * d->row + i];
    }
    random_floats(random, 0.001f, 0.01f, d->scales, c->out_c);
    random_floats(random, -1.0f, 1.0f, d->bias, c->out_c);
    d->x_q = (oracle_q){random_float(random, 0.005f, 0.05f), random_range(random, -128, 127)};
    float spread = 0.005f * d->x_q.scale * 74.0f * 74.0f;
    for (uint32_t i = d->k; i > 1; i /= 4)
        spread *= 2;
    d->y_q = (oracle_q){spread / 40.0f, random_range(random, -128, 127)};
    d->r_q = (oracle_q){d->y_q.scale * random_float(random, 0.5f, 2.0f),
                        random_range(random, -128, 127)};
    d->sum_q = (oracle_q){d->y_q.scale * random_float(random, 1.0f, 3.0f),
                          random_range(random, -128, 127)};
    d->low = random_range(random, -128, 0);
    d->high = random_range(random, 1, 127);
}

static void free_data(conv_data *d)
{
    free(d->x), free(d->weights), free(d->sums), free(d->scales), free(d->bias), free(d->expected),
        free(d->got), free(d->residual);
}

static void expect(const conv_case *c, conv_data *d)
{
    const oracle_channels channels = {.x_q = d->x_q,
                                      .y_q = d->y_q,
                                      .weights = d->weights,
                                      .weight_scales = d->scales,
                                      .bias = c->bias ? d->bias : NULL,
                                      .relu = c->relu};
    if (c->transposed)
        oracle_conv2d_transposed(&c->window, c->output_padding, c->out_c, c->groups, &channels,
                                 d->x, d->expected);
    else
        oracle_conv2d(&c->window, c->out_c, c->groups, &channels, d->x, d->expected, NULL);
    if (!c->fused)
        return;
    for (size_t i = 0; i < d->y_count; i++) {
        int8_t low = d->expected[i] < d->low ? (int8_t)d->low : d->expected[i];
        d->expected[i] = low > d->high ? (int8_t)d->high : low;
    }
    oracle_add(d->expected, d->y_q, d->residual, d->r_q, 1.0f, d->y_count, d->sum_q, d->expected);
}

/* The depthwise operators' weights: [kernel_h][kernel_w][channel], `padded` channels. */
static int8_t *by_taps(const conv_case *c, const conv_data *d, uint32_t padded)
{
    int8_t *taps = make((size_t)d->k * padded, 1);
    for (uint32_t tap = 0; tap < d->k; tap++)
        for (uint32_t channel = 0; channel < c->out_c; channel++)
            taps[(size_t)tap * padded + channel] = d->weights[(size_t)channel * d->row + tap];
    return taps;
}

/* Appends the arguments up to the padding. */
static uint32_t common_args(hand_model *m, const conv_case *c, const conv_data *d, uint32_t x,
                            uint32_t weight, uint32_t *args)
{
    const oracle_window *w = &c->window;
    uint32_t padded = align4(c->out_c);
    const uint32_t common[] = {
        x,
        hand_double(m, d->x_q.scale),
        hand_int(m, d->x_q.zero),
        weight,
        hand_constant(m, VKD_DTYPE_INT32, 1, &padded, d->sums),
        hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, d->scales),
        hand_double(m, d->y_q.scale),
        hand_int(m, d->y_q.zero),
        c->bias ? hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, d->bias) : hand_null(m),
        hand_pair(m, w->kernel[0], w->kernel[1]),
        hand_pair(m, w->stride[0], w->stride[1]),
        hand_pair(m, w->padding[0], w->padding[1]),
    };
    memcpy(args, common, sizeof common);
    return sizeof common / sizeof *common;
}

static vkd_status run(harness *h, const conv_case *c, const conv_data *d, const char *variant,
                      bool pad_weights)
{
    const oracle_window *w = &c->window;
    hand_model *m = make(1, sizeof *m);
    uint32_t channels = pad_weights ? align4(c->out_c) : c->out_c, args[HAND_ARGS];
    int8_t *taps = c->transposed ? NULL : by_taps(c, d, channels);
    uint32_t x = hand_input(m, VKD_DTYPE_INT8, 4, (uint32_t[]){w->n, w->c, w->h, w->w});
    const uint32_t y_dims[] = {w->n, c->out_c, d->out_h, d->out_w};
    uint32_t weight =
        c->transposed
            ? hand_constant(m, VKD_DTYPE_INT8, 2, (uint32_t[]){c->out_c, d->row}, d->weights)
            : hand_constant(m, VKD_DTYPE_INT8, 3,
                            (uint32_t[]){(uint32_t)w->kernel[0], (uint32_t)w->kernel[1], channels},
                            taps);
    uint32_t count = common_args(m, c, d, x, weight, args);
    if (c->transposed)
        args[count++] = hand_pair(m, c->output_padding[0], c->output_padding[1]);
    args[count++] = hand_pair(m, w->dilation[0], w->dilation[1]);
    args[count++] = hand_int(m, c->groups);
    args[count++] = hand_string(m, c->relu ? "relu" : "none");
    uint32_t inputs = 1;
    if (c->fused) {
        args[count++] = hand_int(m, d->low);
        args[count++] = hand_int(m, d->high);
        args[count++] = hand_input(m, VKD_DTYPE_INT8, 4, y_dims);
        args[count++] = hand_double(m, d->r_q.scale);
        args[count++] = hand_int(m, d->r_q.zero);
        args[count++] = hand_double(m, d->sum_q.scale);
        args[count++] = hand_int(m, d->sum_q.zero);
        inputs++;
    }
    args[count++] = hand_output(m, VKD_DTYPE_INT8, 4, y_dims);
    hand_op(m,
            c->transposed ? "et_vk.q8ta_conv2d_transposed.default"
            : c->fused    ? "vkd.q8_conv2d_dw"
                          : "et_vk.q8ta_conv2d_dw.default",
            count, args);
    vkd_status status =
        harness_run(h, hand_finish(m), variant,
                    (const void *[]){d->x, inputs > 1 ? d->residual : NULL}, (void *[]){d->got});
    free(m);
    free(taps);
    return status;
}

static const char *describe(const conv_case *c, const char *variant)
{
    static char text[256];
    const oracle_window *w = &c->window;
    snprintf(text, sizeof text, "%s: %ux%ux%ux%u -> %u, %dx%d s%dx%d p%dx%d op%dx%d d%dx%d g%u%s",
             variant ? variant : "auto", w->n, w->c, w->h, w->w, c->out_c, w->kernel[0],
             w->kernel[1], w->stride[0], w->stride[1], w->padding[0], w->padding[1],
             c->output_padding[0], c->output_padding[1], w->dilation[0], w->dilation[1], c->groups,
             c->fused ? " fused" : "");
    return text;
}

/* Runs a case with every variant; one that the case does not allow falls back to another and must
 * be right all the same. */
static void check(harness *h, vkd_random *random, const conv_case *c)
{
    static const char *const variants[] = {NULL,
                                           "general",
                                           "depthwise",
                                           "depthwise_row 2x4",
                                           "depthwise_row 4x4",
                                           "depthwise_row lanes 4x16"};
    conv_data d = {0};
    fill(random, c, &d);
    expect(c, &d);
    for (size_t v = 0; v < (c->transposed ? 1 : sizeof variants / sizeof *variants); v++) {
        memset(d.got, 0x55, d.y_count);
        vkd_status status = run(h, c, &d, variants[v], v % 2);
        if (status != VKD_OK)
            fail_msg("%s: %s (%s)", describe(c, variants[v]), vkd_status_name(status),
                     h->gpu.context.error);
        harness_assert_int8(d.got, d.expected, d.y_count, describe(c, variants[v]));
    }
    free_data(&d);
}

static int sweep_count(int normally)
{
    const char *text = getenv("VKD_TEST_SWEEP");
    return text ? atoi(text) : normally;
}

/* ------------------------------------------------------------------------------------ depthwise */

static conv_case depthwise(uint32_t n, uint32_t c, uint32_t h, uint32_t w, int kernel, int stride,
                           int padding)
{
    return (conv_case){.window = {.n = n,
                                  .c = c,
                                  .h = h,
                                  .w = w,
                                  .kernel = {kernel, kernel},
                                  .stride = {stride, stride},
                                  .padding = {padding, padding},
                                  .dilation = {1, 1}},
                       .out_c = c,
                       .groups = c,
                       .bias = true};
}

static void test_depthwise_chosen(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("chosen depthwise convolutions");
    const conv_case cases[] = {
        depthwise(1, 32, 30, 30, 3, 1, 1), depthwise(1, 96, 28, 28, 3, 2, 1),
        depthwise(1, 960, 7, 7, 3, 1, 1),  depthwise(1, 240, 14, 14, 5, 2, 2),
        depthwise(2, 48, 9, 13, 5, 1, 2),  depthwise(1, 16, 1, 1, 3, 1, 1),
        depthwise(1, 16, 2, 1, 5, 2, 2),   depthwise(3, 5, 7, 11, 3, 1, 1),
        depthwise(1, 1, 5, 5, 5, 1, 2),    depthwise(1, 16, 9, 9, 3, 1, 0),
        depthwise(1, 20, 9, 9, 3, 2, 3),   depthwise(1, 8, 15, 15, 7, 2, 3),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int form = 0; form < 3; form++) {
            conv_case c = cases[i];
            c.relu = form == 1;
            c.fused = form == 2;
            check(h, &random, &c);
        }
}

/* Half of them are for the kernels of fixed windows, a third has whole texels of channels. Draws
 * until the window fits. */
static conv_case random_depthwise(vkd_random *random)
{
    for (;;) {
        uint32_t c = (uint32_t)(random_range(random, 0, 2) ? random_range(random, 1, 70)
                                                           : 16 * random_range(random, 1, 4));
        conv_case drawn =
            depthwise((uint32_t)random_range(random, 1, 3), c,
                      (uint32_t)random_range(random, 1, 33), (uint32_t)random_range(random, 1, 33),
                      3 + 2 * random_range(random, 0, 1), random_range(random, 1, 2), 0);
        bool free_window = random_range(random, 0, 1);
        for (int axis = 0; axis < 2; axis++) {
            drawn.window.padding[axis] = random_range(random, 0, 3);
            if (!free_window)
                continue;
            drawn.window.kernel[axis] = random_range(random, 1, 7);
            drawn.window.stride[axis] = random_range(random, 1, 3);
            drawn.window.dilation[axis] = random_range(random, 1, 2);
        }
        drawn.bias = random_range(random, 0, 1);
        drawn.relu = random_range(random, 0, 1);
        drawn.fused = random_range(random, 0, 3) == 0;
        if (extent(&drawn, 0) > 0 && extent(&drawn, 1) > 0)
            return drawn;
    }
}

static void test_depthwise_random(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("random depthwise convolutions");
    for (int i = 0, count = sweep_count(60); i < count; i++) {
        conv_case c = random_depthwise(&random);
        check(h, &random, &c);
    }
}

static void test_depthwise_refusals(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("refused depthwise convolutions");
    conv_case c = depthwise(1, 8, 5, 5, 3, 1, 1);
    conv_data d = {0};
    fill(&random, &c, &d);
    c.groups = 4; /* two channels a group */
    assert_int_equal(run(h, &c, &d, NULL, false), VKD_UNSUPPORTED);
    c.groups = 3;
    assert_int_equal(run(h, &c, &d, NULL, false), VKD_INVALID_MODEL);
    c.groups = 8;
    c.window.kernel[0] = 5; /* the output's size and the weight say 3 */
    assert_int_equal(run(h, &c, &d, NULL, false), VKD_INVALID_MODEL);
    c.window.kernel[0] = 3;
    assert_int_equal(run(h, &c, &d, NULL, false), VKD_OK);
    free_data(&d);
}

/* The cheapest variant on a fabricated device. */
static const char *cheapest(fake_device device, uint32_t channels, uint32_t size, uint32_t kernel,
                            uint32_t stride)
{
    vkd_caps caps = fake_caps(device);
    uint32_t out = (size + kernel / 2 * 2 - kernel) / stride + 1;
    const conv2d_problem p = {.n = 1,
                              .in_c = channels,
                              .in_h = size,
                              .in_w = size,
                              .out_c = channels,
                              .out_h = out,
                              .out_w = out,
                              .kernel = {kernel, kernel},
                              .stride = {stride, stride},
                              .padding = {kernel / 2, kernel / 2},
                              .dilation = {1, 1},
                              .groups = channels};
    vkd_candidate_info candidates[64];
    const char *reason;
    assert_true(vkd_conv2d_variant_count <= 64);
    vkd_conv2d_consider(vkd_conv2d_variants, vkd_conv2d_variant_count, &p, &caps, candidates);
    return vkd_conv2d_variants[vkd_conv2d_choose(vkd_conv2d_variants, vkd_conv2d_variant_count,
                                                 candidates, NULL, &reason)]
        .name;
}

static void test_depthwise_choices(void **state)
{
    (void)state;
    /* A large GPU is idle with few long invocations, a small one is full: there the work counts. */
    assert_string_equal(cheapest(FAKE_H100, 96, 112, 3, 2), "depthwise_row 2x4");
    assert_string_equal(cheapest(FAKE_H100, 960, 7, 3, 1), "depthwise_row 2x4");
    assert_string_equal(cheapest(FAKE_ADRENO_750, 96, 112, 3, 1), "depthwise_row 4x4");
    assert_string_equal(cheapest(FAKE_MALI_G610, 144, 56, 5, 1), "depthwise_row 4x4");
    assert_string_equal(cheapest(FAKE_LLVMPIPE, 96, 112, 3, 2), "depthwise_row lanes 4x16");
    /* no whole texels */
    assert_string_equal(cheapest(FAKE_LLVMPIPE, 20, 28, 3, 1), "depthwise_row 4x4");
    for (fake_device device = 0; device < FAKE_COUNT; device++) {
        assert_string_equal(cheapest(device, 32, 28, 7, 1), "depthwise");
        assert_string_equal(cheapest(device, 32, 28, 3, 3), "depthwise");
    }
}

/* ----------------------------------------------------------------------------------- transposed */

static conv_case random_transposed(vkd_random *random)
{
    for (;;) {
        static const uint32_t group_counts[] = {1, 1, 1, 2, 3, 4, 5, 8};
        conv_case c = {.window = {.n = (uint32_t)random_range(random, 1, 2),
                                  .h = (uint32_t)random_range(random, 1, 10),
                                  .w = (uint32_t)random_range(random, 1, 10),
                                  .dilation = {1, 1}},
                       .groups = group_counts[random_range(random, 0, 7)],
                       .transposed = true};
        uint32_t unit = random_range(random, 0, 1) ? 4 : 1;
        c.window.c =
            c.groups * unit * (uint32_t)random_range(random, 1, (int32_t)(40 / (c.groups * unit)));
        c.out_c =
            c.groups * unit * (uint32_t)random_range(random, 1, (int32_t)(40 / (c.groups * unit)));
        for (int axis = 0; axis < 2; axis++) {
            c.window.kernel[axis] = random_range(random, 1, 6);
            c.window.stride[axis] = random_range(random, 1, 4);
            c.window.padding[axis] = random_range(random, 0, 3);
            c.output_padding[axis] = random_range(random, 0, c.window.stride[axis] - 1);
        }
        c.bias = random_range(random, 0, 1);
        c.relu = random_range(random, 0, 1);
        if (extent(&c, 0) > 0 && extent(&c, 1) > 0)
            return c;
    }
}

static void check_transposed(harness *h, vkd_random *random)
{
    for (int i = 0, count = sweep_count(120) / 2; i < count; i++) {
        conv_case c = random_transposed(random);
        check(h, random, &c);
    }
    conv_case depthwise_like = random_transposed(random);
    depthwise_like.groups = depthwise_like.out_c = depthwise_like.window.c = 13;
    check(h, random, &depthwise_like);
}

static void test_transposed(void **state)
{
    (void)harness_get(state);
    vkd_random random = random_begin("transposed convolutions");
    harness_each_dot(check_transposed, &random);
}

static void test_transposed_refusals(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("refused transposed convolutions");
    conv_case c = {.window = {.n = 1,
                              .c = 4,
                              .h = 4,
                              .w = 4,
                              .kernel = {3, 3},
                              .stride = {2, 2},
                              .padding = {1, 1},
                              .dilation = {1, 1}},
                   .output_padding = {1, 1},
                   .out_c = 4,
                   .groups = 1,
                   .transposed = true};
    conv_data d = {0};
    fill(&random, &c, &d);
    c.window.dilation[1] = 2;
    assert_int_equal(run(h, &c, &d, NULL, false), VKD_UNSUPPORTED);
    c.window.dilation[1] = 1;
    c.output_padding[0] = 0; /* the output has one row more */
    assert_int_equal(run(h, &c, &d, NULL, false), VKD_INVALID_MODEL);
    c.output_padding[0] = -1;
    assert_int_equal(run(h, &c, &d, NULL, false), VKD_INVALID_MODEL);
    free_data(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depthwise_chosen),   cmocka_unit_test(test_depthwise_random),
        cmocka_unit_test(test_depthwise_refusals), cmocka_unit_test(test_depthwise_choices),
        cmocka_unit_test(test_transposed),         cmocka_unit_test(test_transposed_refusals),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
