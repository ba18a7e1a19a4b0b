/* Convolutions and linear layers on a device, every variant and every int8 flavour, bit for bit
 * against the scalar oracle. */
#include "ops/conv/conv.h"
#include "support/harness.h"
#include "support/oracle.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct conv_case {
    oracle_window window;
    uint32_t out_c, groups;
    bool bias, relu;
    bool add; /* a residual is added in the epilogue */
    bool clamped;
    int8_t low, high; /* of a clamp in the epilogue */
} conv_case;

/* A convolution's data, owned. */
typedef struct conv_data {
    int8_t *x, *weights, *expected, *got, *residual;
    int32_t *sums;
    float *scales, *bias;
    oracle_q x_q, y_q, residual_q, sum_q;
    uint32_t out_h, out_w, row;
    size_t y_count;
} conv_data;

static uint32_t align4(uint32_t value) { return (value + 3) / 4 * 4; }

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    assert_non_null(memory);
    return memory;
}

/* Random weights with zero padding, and the output range that the accumulators then have, so that
 * few results saturate. */
static void fill(vkd_random *random, const conv_case *c, conv_data *d)
{
    const oracle_window *w = &c->window;
    uint32_t k = (uint32_t)(w->kernel[0] * w->kernel[1]) * (w->c / c->groups);
    d->out_h = (uint32_t)oracle_extent(w, 0, false);
    d->out_w = (uint32_t)oracle_extent(w, 1, false);
    d->row = align4(k);
    d->y_count = (size_t)w->n * c->out_c * d->out_h * d->out_w;
    d->x = make((size_t)w->n * w->c * w->h * w->w, 1);
    d->weights = make((size_t)c->out_c * d->row, 1);
    d->sums = make(align4(c->out_c), sizeof *d->sums);
    d->scales = make(align4(c->out_c), sizeof *d->scales);
    d->bias = make(align4(c->out_c), sizeof *d->bias);
    d->expected = make(d->y_count, 1);
    d->got = make(d->y_count, 1);
    random_int8(random, d->x, (size_t)w->n * w->c * w->h * w->w);
    for (uint32_t oc = 0; oc < c->out_c; oc++) {
        random_int8(random, d->weights + (size_t)oc * d->row, k);
        for (uint32_t i = 0; i < k; i++)
            d->sums[oc] += d->weights[(size_t)oc * d->row + i];
    }
    random_floats(random, 0.001f, 0.01f, d->scales, c->out_c);
    random_floats(random, -1.0f, 1.0f, d->bias, c->out_c);
    d->x_q = (oracle_q){random_float(random, 0.005f, 0.05f), random_range(random, -128, 127)};
    float spread = 0.005f * d->x_q.scale * 74.0f * 74.0f;
    for (uint32_t i = k; i > 1; i /= 4)
        spread *= 2;
    d->y_q = (oracle_q){spread / 40.0f, random_range(random, -128, 127)};
    d->residual = make(d->y_count, 1);
    random_int8(random, d->residual, d->y_count);
    d->residual_q = (oracle_q){d->y_q.scale * random_float(random, 0.5f, 2.0f),
                               random_range(random, -128, 127)};
    d->sum_q = (oracle_q){d->y_q.scale * random_float(random, 1.0f, 2.0f),
                          random_range(random, -128, 127)};
}

static void free_data(conv_data *d)
{
    free(d->x), free(d->weights), free(d->sums), free(d->scales), free(d->bias), free(d->expected),
        free(d->got), free(d->residual);
}

static oracle_channels channels_of(const conv_case *c, const conv_data *d)
{
    return (oracle_channels){.x_q = d->x_q,
                             .y_q = d->y_q,
                             .weights = d->weights,
                             .weight_scales = d->scales,
                             .bias = c->bias ? d->bias : NULL,
                             .relu = c->relu};
}

/* What the operators have in common: the input, its quantisation, weights, the output's
 * quantisation, bias. */
enum { COMMON_ARGS = 9 };

static void common_args(hand_model *m, const conv_case *c, const conv_data *d, uint32_t x,
                        uint32_t out[COMMON_ARGS])
{
    const uint32_t padded = align4(c->out_c);
    const uint32_t args[COMMON_ARGS] = {
        x,
        hand_double(m, d->x_q.scale),
        hand_int(m, d->x_q.zero),
        hand_constant(m, VKD_DTYPE_INT8, 2, (uint32_t[]){c->out_c, d->row}, d->weights),
        hand_constant(m, VKD_DTYPE_INT32, 1, &padded, d->sums),
        hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, d->scales),
        hand_double(m, d->y_q.scale),
        hand_int(m, d->y_q.zero),
        c->bias ? hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, d->bias) : hand_null(m),
    };
    memcpy(out, args, sizeof args);
}

static vkd_status run_conv(harness *h, const conv_case *c, const conv_data *d, const char *variant)
{
    const oracle_window *w = &c->window;
    hand_model *m = make(1, sizeof *m);
    uint32_t x = hand_input(m, VKD_DTYPE_INT8, 4, (uint32_t[]){w->n, w->c, w->h, w->w});
    uint32_t y =
        hand_output(m, VKD_DTYPE_INT8, 4, (uint32_t[]){w->n, c->out_c, d->out_h, d->out_w});
    uint32_t args[24];
    common_args(m, c, d, x, args);
    const uint32_t window[] = {
        hand_pair(m, w->kernel[0], w->kernel[1]),
        hand_pair(m, w->stride[0], w->stride[1]),
        hand_pair(m, w->padding[0], w->padding[1]),
        hand_pair(m, w->dilation[0], w->dilation[1]),
        hand_int(m, c->groups),
        hand_string(m, c->relu ? "relu" : "none"),
    };
    memcpy(args + COMMON_ARGS, window, sizeof window);
    size_t count = COMMON_ARGS + sizeof window / sizeof *window;
    if (c->add || c->clamped) {
        const uint32_t fused[] = {
            hand_int(m, c->clamped ? c->low : -128),
            hand_int(m, c->clamped ? c->high : 127),
            !c->add ? hand_null(m)
                    : hand_input(m, VKD_DTYPE_INT8, 4,
                                 (uint32_t[]){w->n, c->out_c, d->out_h, d->out_w}),
            hand_double(m, d->residual_q.scale),
            hand_int(m, d->residual_q.zero),
            hand_double(m, d->sum_q.scale),
            hand_int(m, d->sum_q.zero)};
        memcpy(args + count, fused, sizeof fused);
        count += sizeof fused / sizeof *fused;
    }
    args[count++] = y;
    hand_op(m, c->add || c->clamped ? "vkd.q8_conv2d" : "et_vk.q8ta_conv2d.default", count, args);
    vkd_status status = harness_run(h, hand_finish(m), variant, (const void *[]){d->x, d->residual},
                                    (void *[]){d->got});
    free(m);
    return status;
}

/* Runs one case with every variant; a variant that the case does not allow falls back to another
 * and must be right all the same. */
static void check_conv(harness *h, vkd_random *random, const conv_case *c)
{
    conv_data d = {0};
    fill(random, c, &d);
    oracle_channels channels = channels_of(c, &d);
    oracle_conv2d(&c->window, c->out_c, c->groups, &channels, d.x, d.expected, NULL);
    for (size_t i = 0; c->clamped && i < d.y_count; i++) {
        int8_t raised = d.expected[i] < c->low ? c->low : d.expected[i];
        d.expected[i] = raised > c->high ? c->high : raised;
    }
    if (c->add)
        oracle_add(d.expected, d.y_q, d.residual, d.residual_q, 1, d.y_count, d.sum_q, d.expected);
    for (size_t v = 0; v <= vkd_conv2d_variant_count; v++) {
        const char *variant = v < vkd_conv2d_variant_count ? vkd_conv2d_variants[v].name : NULL;
        const oracle_window *w = &c->window;
        char what[256];
        snprintf(what, sizeof what, "%s: %ux%ux%ux%u -> %u, %dx%d s%dx%d p%dx%d d%dx%d g%u%s",
                 variant ? variant : "auto", w->n, w->c, w->h, w->w, c->out_c, w->kernel[0],
                 w->kernel[1], w->stride[0], w->stride[1], w->padding[0], w->padding[1],
                 w->dilation[0], w->dilation[1], c->groups, c->add ? " add" : "");
        memset(d.got, 0x55, d.y_count);
        vkd_status status = run_conv(h, c, &d, variant);
        if (status != VKD_OK)
            fail_msg("%s: %s (%s)", what, vkd_status_name(status), h->gpu.context.error);
        harness_assert_int8(d.got, d.expected, d.y_count, what);
    }
    free_data(&d);
}

static conv_case square(uint32_t n, uint32_t in_c, uint32_t out_c, uint32_t h, uint32_t w,
                        int kernel, int stride, int padding, int dilation, uint32_t groups)
{
    return (conv_case){.window = {.n = n,
                                  .c = in_c,
                                  .h = h,
                                  .w = w,
                                  .kernel = {kernel, kernel},
                                  .stride = {stride, stride},
                                  .padding = {padding, padding},
                                  .dilation = {dilation, dilation}},
                       .out_c = out_c,
                       .groups = groups,
                       .bias = true};
}

static void test_chosen_shapes(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("chosen convolutions");
    const conv_case cases[] = {
        square(1, 3, 16, 33, 35, 7, 2, 3, 1, 1), /* the stem */
        square(1, 64, 64, 14, 14, 3, 1, 1, 1, 1),
        square(1, 64, 64, 15, 13, 3, 2, 1, 1, 1),
        /* deep: slices of k, even or not */
        square(1, 512, 64, 7, 7, 3, 1, 1, 1, 1),
        square(1, 320, 64, 8, 8, 3, 1, 1, 1, 1),
        square(1, 256, 64, 9, 9, 1, 1, 0, 1, 1),
        square(2, 32, 64, 9, 9, 1, 2, 0, 1, 1),
        square(1, 20, 5, 8, 13, 1, 1, 0, 1, 1), /* rows that are no multiple of 16 bytes */
        square(3, 5, 7, 15, 11, 3, 2, 1, 1, 1),
        square(1, 8, 8, 16, 16, 3, 1, 2, 2, 1),
        square(1, 8, 16, 9, 7, 1, 1, 0, 1, 2),
        square(1, 32, 64, 9, 7, 3, 1, 1, 1, 2),
        square(1, 6, 10, 9, 7, 3, 1, 1, 1, 2), /* groups that split words */
        square(1, 12, 12, 9, 7, 3, 1, 1, 1, 12),
        square(1, 1, 1, 1, 1, 1, 1, 0, 1, 1),
        square(1, 2048, 12, 1, 1, 1, 1, 0, 1, 1),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int relu = 0; relu < 2; relu++) {
            conv_case c = cases[i];
            c.relu = relu;
            c.add = relu;
            check_conv(h, &random, &c);
        }
}

/* Windows of which some kernels' loops are too long for a CPU device: others take their place. */
static void test_tall_windows(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("tall windows");
    /* in, out, groups */
    static const uint32_t channels[][3] = {{1, 3, 1}, {3, 4, 1}, {2, 2, 2}, {4, 4, 4}, {4, 2, 2}};
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        conv_case c =
            square(1, channels[i][0], channels[i][1], 22060, 1, 1, 1, 0, 1, channels[i][2]);
        c.window.kernel[0] = 65793 / (channels[i][0] / channels[i][2]) < 22050 ? 21931 : 22050;
        c.window.stride[0] = 4;
        check_conv(h, &random, &c);
    }
}

/* A clamp behind a relu, also where all that it leaves lies below what the relu does. */
static void test_clamps_behind_relu(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("clamps behind relu");
    for (int i = 0; i < 3; i++) {
        conv_case c = square(1, 16, 16, 9, 9, i == 2 ? 1 : 3, 1, 1, 1, i == 1 ? 16 : 1);
        c.relu = c.clamped = true;
        c.low = -128, c.high = -127; /* the zero point of y is hardly ever there */
        check_conv(h, &random, &c);
        c.low = (int8_t)random_range(&random, -128, 127);
        c.high = (int8_t)random_range(&random, c.low, 127);
        check_conv(h, &random, &c);
    }
}

/* On a device that has few workgroups along y, rows are folded into z. */
static void test_folded_rows(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("folded convolutions");
    const uint32_t really = h->caps.max_workgroup_count[1];
    const conv_case cases[] = {square(1, 64, 64, 14, 14, 3, 1, 1, 1, 1),
                               square(2, 32, 64, 25, 19, 1, 1, 0, 1, 2),
                               square(3, 20, 8, 15, 13, 3, 2, 1, 1, 1)};
    h->caps.max_workgroup_count[1] = 3;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_conv(h, &random, &cases[i]);
    h->caps.max_workgroup_count[1] = really;
}

/* Draws until the window fits. */
static conv_case random_case(vkd_random *random)
{
    for (;;) {
        conv_case c = {.window = {.n = (uint32_t)random_range(random, 1, 3),
                                  .h = (uint32_t)random_range(random, 1, 20),
                                  .w = (uint32_t)random_range(random, 1, 20)}};
        static const uint32_t group_counts[] = {1, 1, 1, 2, 3, 4};
        c.groups = group_counts[random_range(random, 0, 5)];
        uint32_t unit = random_range(random, 0, 1) ? 4 : 1;
        c.window.c =
            c.groups * unit * (uint32_t)random_range(random, 1, (int32_t)(70 / (c.groups * unit)));
        c.out_c =
            c.groups * unit * (uint32_t)random_range(random, 1, (int32_t)(70 / (c.groups * unit)));
        for (int axis = 0; axis < 2; axis++) {
            c.window.kernel[axis] = random_range(random, 1, 7);
            c.window.stride[axis] = random_range(random, 1, 3);
            c.window.padding[axis] = random_range(random, 0, 3);
            c.window.dilation[axis] = random_range(random, 1, 2);
        }
        if (random_range(random, 0, 3) == 0)
            c.window.kernel[0] = c.window.kernel[1] = 1,
            c.window.padding[0] = c.window.padding[1] = 0;
        c.bias = random_range(random, 0, 1);
        c.relu = random_range(random, 0, 1);
        c.add = random_range(random, 0, 2) == 0;
        if (oracle_extent(&c.window, 0, false) > 0 && oracle_extent(&c.window, 1, false) > 0)
            return c;
    }
}

static int sweep_count(int normally)
{
    const char *text = getenv("VKD_TEST_SWEEP");
    return text ? atoi(text) : normally;
}

static void test_random_shapes(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("random convolutions");
    for (int i = 0, count = sweep_count(60); i < count; i++) {
        conv_case c = random_case(&random);
        check_conv(h, &random, &c);
    }
}

static void check_few(harness *h, vkd_random *random)
{
    for (int i = 0, count = sweep_count(60) / 3; i < count; i++) {
        conv_case c = random_case(random);
        check_conv(h, random, &c);
    }
}

/* Also the flavours that caps would not choose here. */
static void test_dot_flavours(void **state)
{
    (void)harness_get(state);
    vkd_random random = random_begin("int8 dot flavours");
    harness_each_dot(check_few, &random);
}

/* -------------------------------------------------------------------------------- linear layers */

/* What follows the linear layer: nothing; a dequantize; the same as one operator; and with a reader
 * inside the graph. */
typedef enum linear_end {
    LINEAR_INT8,
    LINEAR_DEQUANTIZE,
    LINEAR_REAL,
    LINEAR_REAL_INSIDE,
    LINEAR_ENDS
} linear_end;

/* So many rows, before the last dim of a tensor of some rank. */
static vkd_shape rows_of(uint32_t rank, uint32_t rows, uint32_t last)
{
    const vkd_shape shapes[] = {
        {1, {last}}, {2, {rows, last}}, {3, {1, rows, last}}, {4, {rows, 1, 1, last}}};
    return shapes[rows == 1 || rank > 1 ? rank - 1 : 1];
}

static void build_linear(hand_model *m, const conv_case *c, const conv_data *d, linear_end end,
                         uint32_t rank)
{
    const uint32_t rows = c->window.n;
    const vkd_shape in = rows_of(rank, rows, c->window.c), out = rows_of(rank, rows, c->out_c);
    const uint32_t scale = hand_double(m, d->sum_q.scale), zero = hand_int(m, d->sum_q.zero);
    const char *name = rows == 1 ? "et_vk.q8ta_linear_gemv.default" : "et_vk.q8ta_linear.default";
    bool real = end == LINEAR_REAL || end == LINEAR_REAL_INSIDE;
    uint32_t y = hand_tensor(m, real ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT8, out.rank, out.dims);
    uint32_t args[13];
    common_args(m, c, d, hand_input(m, VKD_DTYPE_INT8, in.rank, in.dims), args);
    size_t count = COMMON_ARGS;
    args[count++] = hand_string(m, c->relu ? "relu" : "none");
    if (real) {
        args[count++] = scale;
        args[count++] = zero;
    }
    args[count++] = y;
    hand_op(m, real ? "vkd.q8_linear" : name, count, args);
    if (end == LINEAR_DEQUANTIZE || end == LINEAR_REAL_INSIDE) {
        uint32_t last = hand_tensor(m, VKD_DTYPE_FLOAT32, out.rank, out.dims);
        if (end == LINEAR_DEQUANTIZE)
            HAND_OP(m, "quantized_decomposed.dequantize_per_tensor.default", y, scale, zero,
                    hand_int(m, -128), hand_int(m, 127), hand_null(m), hand_null(m), last);
        else
            HAND_OP(m, "aten.clone.default", y, hand_null(m), last);
        y = last;
    }
    hand_mark_output(m, y);
}

static void check_linear(harness *h, vkd_random *random, uint32_t m, uint32_t n, uint32_t k)
{
    /* A linear layer is a 1x1 convolution of m images of one pixel. */
    conv_case c = square(m, k, n, 1, 1, 1, 1, 0, 1, 1);
    c.relu = random_range(random, 0, 1);
    c.bias = random_range(random, 0, 3);
    conv_data d = {0};
    fill(random, &c, &d);
    oracle_channels channels = channels_of(&c, &d);
    oracle_linear(m, k, n, &channels, d.x, d.expected);
    float *real = make(d.y_count, sizeof *real), *got = make(d.y_count, sizeof *got);
    oracle_dequantize(d.expected, d.y_count, d.sum_q, real);
    for (linear_end end = 0; end < LINEAR_ENDS; end++) {
        const uint32_t rank = (uint32_t)random_range(random, 1, 4);
        hand_model *model = make(1, sizeof *model);
        char what[96];
        snprintf(what, sizeof what, "linear %ux%u -> %ux%u, rank %u, end %d", m, k, m, n, rank,
                 (int)end);
        build_linear(model, &c, &d, end, rank);
        memset(got, 0x55, d.y_count * sizeof *got);
        if (harness_run(h, hand_finish(model), NULL, (const void *[]){d.x}, (void *[]){got}) !=
            VKD_OK)
            fail_msg("%s: %s", what, h->gpu.context.error);
        if (end == LINEAR_INT8)
            harness_assert_int8((int8_t *)got, d.expected, d.y_count, what);
        else /* every bit of the floats */
            harness_assert_int8((int8_t *)got, (int8_t *)real, d.y_count * sizeof *got, what);
        free(model);
    }
    free(real);
    free(got);
    free_data(&d);
}

/* Lowered as for a CPU, as for a GPU and as for one with small workgroups and a narrow grid. */
static void check_linears(harness *h, vkd_random *random)
{
    const vkd_caps own = h->caps;
    for (int i = 0; i < 45; i++) {
        uint32_t m = (uint32_t)random_range(random, 1, i % 2 ? 1 : 9),
                 n = (uint32_t)random_range(random, 1, 70);
        h->caps.type = i % 3 ? VKD_TYPE_DISCRETE : own.type;
        if (i % 3 == 2)
            h->caps.max_workgroup_invocations = 16, h->caps.max_workgroup_count[0] = 3;
        check_linear(h, random, m, n, (uint32_t)random_range(random, 1, i % 5 ? 300 : 3000));
        h->caps = own;
    }
    check_linear(h, random, 1, 10, 1280);
    check_linear(h, random, 70, 40, 300); /* many rows: the GEMM */
    h->caps.type = VKD_TYPE_DISCRETE;
    check_linear(h, random, 1, 1000, 512);
    check_linear(h, random, 2, 9, 5000); /* the widest workgroup */
    check_linear(h, random, 70, 40, 300);
    h->caps = own;
}

static void test_linear(void **state)
{
    (void)harness_get(state);
    vkd_random random = random_begin("linear");
    harness_each_dot(check_linears, &random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chosen_shapes),
        cmocka_unit_test(test_tall_windows),
        cmocka_unit_test(test_clamps_behind_relu),
        cmocka_unit_test(test_folded_rows),
        cmocka_unit_test(test_random_shapes),
        cmocka_unit_test(test_dot_flavours),
        cmocka_unit_test(test_linear),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
