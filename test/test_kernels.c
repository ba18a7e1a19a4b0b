/* Every kernel but convolutions against the scalar oracle, on a device: hand-made models of one
 * operator or a short chain, over random and chosen shapes. Exact unless a test says otherwise. */
#include "support/harness.h"
#include "support/oracle.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* -------------------------------------------------------------------------------------- helpers */

typedef struct shape {
    uint32_t rank, dims[4];
} shape;

static size_t count_of(const shape *s) { return (size_t)vkd_dims_count(s->rank, s->dims); }

/* Small enough to be quick; every residue of the channels and of the element count modulo 4 occurs.
 */
static shape random_shape(vkd_random *random, uint32_t rank)
{
    static const int32_t most[] = {3, 21, 9, 9};
    shape s = {.rank = rank};
    for (uint32_t i = 0; i < rank; i++)
        s.dims[i] = (uint32_t)random_range(random, 1, most[i]);
    return s;
}

static shape any_shape(vkd_random *random)
{
    return random_shape(random, (uint32_t)random_range(random, 0, 4));
}

static const char *shape_text(const shape *s)
{
    static char text[80];
    int length = snprintf(text, sizeof text, "[");
    for (uint32_t i = 0; i < s->rank; i++)
        length +=
            snprintf(text + length, sizeof text - (size_t)length, "%s%u", i ? "," : "", s->dims[i]);
    snprintf(text + length, sizeof text - (size_t)length, "]");
    return text;
}

static void quantize(hand_model *m, uint32_t x, oracle_q q, uint32_t y)
{
    HAND_OP(m, "quantized_decomposed.quantize_per_tensor.default", x, hand_double(m, q.scale),
            hand_int(m, q.zero), hand_int(m, -128), hand_int(m, 127), hand_null(m), y);
}

static void dequantize(hand_model *m, uint32_t x, oracle_q q, uint32_t y)
{
    HAND_OP(m, "quantized_decomposed.dequantize_per_tensor.default", x, hand_double(m, q.scale),
            hand_int(m, q.zero), hand_int(m, -128), hand_int(m, 127), hand_null(m), hand_null(m),
            y);
}

static void clone(hand_model *m, uint32_t x, uint32_t y)
{
    HAND_OP(m, "aten.clone.default", x, hand_null(m), y);
}

/* ---------------------------------------------------------------------- quantize and dequantize */

/* float -> int8 -> float -> ...: the first and last tensors are plain, those between 4C, so that
 * all pairs of layouts occur. */
static void check_quantize_chain(harness *h, vkd_random *random, const shape *s, int stages)
{
    hand_model m = {0};
    size_t count = count_of(s);
    float *x = checked_alloc(count, sizeof *x), *real = checked_alloc(count, sizeof *real);
    int8_t *q = checked_alloc(count, 1);
    void *got = checked_alloc(count, sizeof(float));
    bool is_float = random_bits(random) & 1; /* what the chain starts with */
    random_floats(random, -40.0f, 40.0f, x, count);
    random_int8(random, q, count);
    memcpy(real, x, count * sizeof *x);
    const void *input =
        is_float ? (const void *)x : (const void *)memcpy(checked_alloc(count, 1), q, count);

    uint32_t value =
        hand_input(&m, is_float ? VKD_DTYPE_FLOAT32 : VKD_DTYPE_INT8, s->rank, s->dims);
    for (int i = 0; i < stages; i++) {
        oracle_q parameters = random_q(random);
        uint32_t next =
            hand_tensor(&m, is_float ? VKD_DTYPE_INT8 : VKD_DTYPE_FLOAT32, s->rank, s->dims);
        (is_float ? quantize : dequantize)(&m, value, parameters, next);
        if (is_float)
            oracle_quantize(real, count, parameters, q);
        else
            oracle_dequantize(q, count, parameters, real);
        is_float = !is_float;
        value = next;
    }
    hand_mark_output(&m, value);
    harness_must_run(h, &m, &input, &got, "a quantize chain");
    if (memcmp(got, is_float ? (void *)real : (void *)q, count * (is_float ? sizeof(float) : 1)))
        fail_msg("a chain of %d on %s that ends in %s differs", stages, shape_text(s),
                 is_float ? "float" : "int8");
    if (input != x)
        free((void *)input);
    free(x);
    free(real);
    free(q);
    free(got);
}

static void quantize_and_dequantize(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("quantize_and_dequantize");
    for (int i = 0; i < 160; i++) {
        shape s = any_shape(&random);
        check_quantize_chain(h, &random, &s, 1 + i % 4);
    }
    check_quantize_chain(h, &random, &(shape){4, {1, 3, 224, 224}}, 2);
}

static void quantize_of_special_values(void **state)
{
    harness *h = harness_get(state);
    const float x[] = {NAN,    -NAN,  INFINITY, -INFINITY, 0.0f,   -0.0f,  3e38f, -3e38f,
                       1e-42f, 0.25f, 0.75f,    1.25f,     -0.25f, -0.75f, 62.0f, 66.25f};
    enum { COUNT = sizeof x / sizeof x[0] };
    const int8_t expected[COUNT] = {3, 3, 127, -128, 3, 3, 127, -128, 3, 3, 5, 5, 3, 1, 127, 127};
    const oracle_q q = {0.5f, 3}; /* 0.25 is half a step: ties go to the even one */
    int8_t own[COUNT], got[COUNT];
    oracle_quantize(x, COUNT, q, own);
    harness_assert_int8(own, expected, COUNT, "the oracle");
    for (int inside = 0; inside < 2; inside++) { /* plain to plain, or plain to 4C and back */
        hand_model m = {0};
        const uint32_t dims[] = {COUNT};
        uint32_t in = hand_input(&m, VKD_DTYPE_FLOAT32, 1, dims),
                 out = hand_output(&m, VKD_DTYPE_INT8, 1, dims);
        uint32_t between = hand_tensor(&m, VKD_DTYPE_INT8, 1, dims);
        quantize(&m, in, q, inside ? between : out);
        if (inside)
            clone(&m, between, out);
        harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "special values");
        harness_assert_int8(got, expected, COUNT, "special values");
    }
}

/* --------------------------------------------------------------------------------------- copies */

/* Another shape of as many elements: random divisors in random places. */
static shape random_reshape(vkd_random *random, uint32_t count)
{
    shape s = {.rank = (uint32_t)random_range(random, 1, 4)};
    for (uint32_t i = 0; i + 1 < s.rank; i++) {
        uint32_t divisor = (uint32_t)random_range(random, 1, 12);
        while (count % divisor)
            divisor--;
        s.dims[i] = divisor;
        count /= divisor;
    }
    s.dims[s.rank - 1] = count;
    return s;
}

static void view(hand_model *m, uint32_t x, const shape *s, uint32_t y)
{
    int64_t dims[4];
    for (uint32_t i = 0; i < s->rank; i++)
        dims[i] = s->dims[i];
    if (s->rank)
        dims[0] = -1;
    HAND_OP(m, "aten.view_copy.default", x, hand_ints(m, s->rank, dims), y);
}

/* Views keep the bytes, whatever shapes and layouts lie between. */
static void views_keep_elements(void **state)
{
    harness *h = harness_get(state);
    static const vkd_dtype dtypes[] = {VKD_DTYPE_INT8, VKD_DTYPE_FLOAT32, VKD_DTYPE_INT32,
                                       VKD_DTYPE_UINT8, VKD_DTYPE_BOOL};
    vkd_random random = random_begin("views_keep_elements");
    for (int i = 0; i < 150; i++) {
        hand_model m = {0};
        vkd_dtype dtype = dtypes[i % 5];
        shape s = random_shape(&random, 1 + (uint32_t)i % 4);
        size_t count = count_of(&s), size = count * vkd_dtype_size(dtype);
        int8_t *x = checked_alloc(size, 1), *got = checked_alloc(size, 1);
        random_int8(&random, x, size);
        uint32_t value = hand_input(&m, dtype, s.rank, s.dims);
        for (int stage = random_range(&random, 0, 4); stage >= 0; stage--) {
            shape next = random_bits(&random) & 3 ? random_reshape(&random, (uint32_t)count) : s;
            uint32_t y = hand_tensor(&m, dtype, next.rank, next.dims);
            view(&m, value, &next, y);
            value = y;
            s = next;
        }
        hand_mark_output(&m, value);
        harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "a chain of views");
        harness_assert_int8(got, x, size, "a chain of views");
        free(x);
        free(got);
    }
}

static void constants_inputs_and_repeats_as_outputs(void **state)
{
    harness *h = harness_get(state);
    const uint32_t dims[] = {1, 5, 1, 3};
    int8_t constant[15], input[15], got[5][15], sum[15];
    vkd_random random = random_begin("constants_inputs_and_repeats_as_outputs");
    random_int8(&random, constant, 15);
    random_int8(&random, input, 15);
    const oracle_q q = {0.5f, -3};
    oracle_add(input, q, constant, q, 1.0f, 15, q, sum);
    hand_model m = {0};
    uint32_t x = hand_input(&m, VKD_DTYPE_INT8, 4, dims),
             c = hand_constant(&m, VKD_DTYPE_INT8, 4, dims, constant);
    uint32_t y = hand_tensor(&m, VKD_DTYPE_INT8, 4, dims), scale = hand_double(&m, q.scale),
             zero = hand_int(&m, q.zero);
    HAND_OP(&m, "et_vk.q8ta_add.default", x, c, scale, zero, scale, zero, scale, zero,
            hand_int(&m, 1), y);
    const uint32_t outputs[] = {y, c, x, y, x};
    for (int i = 0; i < 5; i++)
        hand_mark_output(&m, outputs[i]);
    harness_must_run(h, &m, (const void *[]){input},
                     (void *[]){got[0], got[1], got[2], got[3], got[4]}, "outputs of all kinds");
    const int8_t *expected[] = {sum, constant, input, sum, input};
    for (int i = 0; i < 5; i++)
        harness_assert_int8(got[i], expected[i], 15, "outputs of all kinds");
}

/* ---------------------------------------------------------------------------------- elementwise */

static void check_add(harness *h, vkd_random *random, const shape *s)
{
    hand_model m = {0};
    size_t count = count_of(s);
    int8_t *a = checked_alloc(count, 1), *b = checked_alloc(count, 1),
           *expected = checked_alloc(count, 1);
    int8_t *got = checked_alloc(count, 1);
    oracle_q a_q = random_q(random), b_q = random_q(random), y_q = random_q(random);
    float alpha = random_bits(random) & 1 ? 1.0f : random_float(random, -2.0f, 2.0f);
    random_int8(random, a, count);
    random_int8(random, b, count);
    oracle_add(a, a_q, b, b_q, alpha, count, y_q, expected);
    uint32_t x = hand_input(&m, VKD_DTYPE_INT8, s->rank, s->dims),
             z = hand_input(&m, VKD_DTYPE_INT8, s->rank, s->dims);
    uint32_t y = hand_output(&m, VKD_DTYPE_INT8, s->rank, s->dims);
    HAND_OP(&m, "et_vk.q8ta_add.default", x, z, hand_double(&m, a_q.scale), hand_int(&m, a_q.zero),
            hand_double(&m, b_q.scale), hand_int(&m, b_q.zero), hand_double(&m, y_q.scale),
            hand_int(&m, y_q.zero), hand_double(&m, alpha), y);
    harness_must_run(h, &m, (const void *[]){a, b}, (void *[]){got}, "add");
    harness_assert_int8(got, expected, count, "add");
    free(a);
    free(b);
    free(expected);
    free(got);
}

static void add(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("add");
    for (int i = 0; i < 60; i++) {
        shape s = any_shape(&random);
        check_add(h, &random, &s);
    }
    check_add(h, &random, &(shape){4, {1, 256, 56, 56}});
}

static void relu(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("relu");
    for (int i = 0; i < 40; i++) {
        hand_model m = {0};
        shape s = any_shape(&random);
        size_t count = count_of(&s);
        int8_t *x = checked_alloc(count, 1), *expected = checked_alloc(count, 1),
               *got = checked_alloc(count, 1);
        oracle_q x_q = random_q(&random), y_q = random_q(&random);
        random_int8(&random, x, count);
        oracle_relu(x, x_q, count, y_q, expected);
        uint32_t in = hand_input(&m, VKD_DTYPE_INT8, s.rank, s.dims),
                 out = hand_output(&m, VKD_DTYPE_INT8, s.rank, s.dims);
        HAND_OP(&m, "et_vk.q8ta_relu.default", in, hand_double(&m, x_q.scale),
                hand_int(&m, x_q.zero), hand_double(&m, y_q.scale), hand_int(&m, y_q.zero), out);
        harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "relu");
        harness_assert_int8(got, expected, count, "relu");
        free(x);
        free(expected);
        free(got);
    }
}

/* -------------------------------------------------------------------------------------- pooling */

static void check_max_pool(harness *h, vkd_random *random, const oracle_window *window,
                           bool ceil_mode, bool is_int8)
{
    hand_model m = {0};
    int32_t out_h = oracle_extent(window, 0, ceil_mode),
            out_w = oracle_extent(window, 1, ceil_mode);
    const uint32_t dims[] = {window->n, window->c, window->h, window->w};
    const uint32_t y_dims[] = {window->n, window->c, (uint32_t)out_h, (uint32_t)out_w};
    size_t count = vkd_dims_count(4, dims), y_count = vkd_dims_count(4, y_dims),
           size = is_int8 ? 1 : sizeof(float);
    void *x = checked_alloc(count, size), *expected = checked_alloc(y_count, size),
         *got = checked_alloc(y_count, size);
    vkd_dtype dtype = is_int8 ? VKD_DTYPE_INT8 : VKD_DTYPE_FLOAT32;
    if (is_int8) {
        random_int8(random, x, count);
        oracle_max_pool_int8(window, ceil_mode, x, expected);
    } else {
        random_floats(random, -9.0f, 9.0f, x, count);
        ((float *)x)[random_bits(random) % count] = -INFINITY;
        oracle_max_pool_float(window, ceil_mode, x, expected);
    }
    uint32_t in = hand_input(&m, dtype, 4, dims), out = hand_output(&m, dtype, 4, y_dims);
    uint32_t indices = hand_tensor(&m, VKD_DTYPE_INT32, 4, y_dims),
             list = hand_list(&m, 2, (uint32_t[]){out, indices});
    bool same_stride =
        window->stride[0] == window->kernel[0] && window->stride[1] == window->kernel[1];
    bool with_indices = random_bits(random) & 1;
    HAND_OP(&m, with_indices ? "aten.max_pool2d_with_indices.default" : "aten.max_pool2d.default",
            in, hand_pair(&m, window->kernel[0], window->kernel[1]),
            same_stride ? hand_ints(&m, 0, NULL)
                        : hand_pair(&m, window->stride[0], window->stride[1]),
            hand_pair(&m, window->padding[0], window->padding[1]),
            hand_pair(&m, window->dilation[0], window->dilation[1]), hand_bool(&m, ceil_mode),
            with_indices ? list : out);
    harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "max_pool2d");
    harness_assert_int8(got, expected, y_count * size,
                        is_int8 ? "max_pool2d of int8" : "max_pool2d of float");
    free(x);
    free(expected);
    free(got);
}

static void max_pool(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("max_pool");
    for (int tried = 0; tried < 120;) {
        oracle_window window = {.n = (uint32_t)random_range(&random, 1, 2),
                                .c = (uint32_t)random_range(&random, 1, 18),
                                .h = (uint32_t)random_range(&random, 1, 14),
                                .w = (uint32_t)random_range(&random, 1, 14)};
        for (int axis = 0; axis < 2; axis++) {
            window.kernel[axis] = random_range(&random, 1, 4);
            window.stride[axis] = random_range(&random, 1, 4);
            window.padding[axis] = random_range(&random, 0, 3);
            window.dilation[axis] = random_range(&random, 1, 3);
        }
        bool ceil_mode = random_bits(&random) & 1;
        if (oracle_extent(&window, 0, ceil_mode) < 1 || oracle_extent(&window, 1, ceil_mode) < 1)
            continue;
        check_max_pool(h, &random, &window, ceil_mode, tried++ % 2);
    }
    const oracle_window resnet = {1, 64, 112, 112, {3, 3}, {2, 2}, {1, 1}, {1, 1}};
    check_max_pool(h, &random, &resnet, false, true);
}

/* Windows that are longer than a loop are made of one along w and one along h; narrow ones are a
 * single loop. */
static void max_pool_of_large_windows(void **state)
{
    static const oracle_window windows[] = {
        {1, 3, 22060, 1, {22050, 1}, {3, 1}, {0, 0}, {1, 1}},
        {1, 2, 1, 65534, {1, 65534}, {1, 1}, {0, 0}, {1, 1}},
        {1, 5, 300, 300, {299, 298}, {1, 2}, {0, 0}, {1, 1}},
        {2, 3, 300, 310, {290, 280}, {20, 15}, {9, 40}, {1, 1}},
        {1, 2, 520, 5000, {256, 257}, {7, 30}, {3, 100}, {2, 19}},
    };
    harness *h = harness_get(state);
    vkd_random random = random_begin("max_pool_of_large_windows");
    for (size_t i = 0; i < 2 * sizeof windows / sizeof *windows; i++)
        check_max_pool(h, &random, &windows[i / 2], i % 3 == 0, i % 2);
}

static void max_pool_keeps_nan(void **state)
{
    harness *h = harness_get(state);
    hand_model m = {0};
    const uint32_t dims[] = {1, 1, 1, 8}, y_dims[] = {1, 1, 1, 4};
    const float x[] = {NAN, 1.0f, 1.0f, NAN, 2.0f, 1.0f, -INFINITY, -INFINITY};
    float y[4];
    uint32_t in = hand_input(&m, VKD_DTYPE_FLOAT32, 4, dims),
             out = hand_output(&m, VKD_DTYPE_FLOAT32, 4, y_dims);
    uint32_t window = hand_pair(&m, 1, 2), one = hand_pair(&m, 1, 1), zero = hand_pair(&m, 0, 0);
    HAND_OP(&m, "aten.max_pool2d.default", in, window, window, zero, one, hand_bool(&m, false),
            out);
    harness_must_run(h, &m, (const void *[]){x}, (void *[]){y}, "max_pool2d");
    assert_true(isnan(y[0]));
    assert_true(isnan(y[1]));
    assert_true(y[2] == 2.0f);
    assert_true(y[3] == -INFINITY);
}

/* ---------------------------------------------------------------------------------------- means */

/* Within 1e-5 of the mean of the absolute values, in whose order of magnitude the sum rounds. */
static void check_mean(harness *h, vkd_random *random, const shape *s, uint32_t mask, bool keepdim)
{
    static const uint8_t axes[5][4] = {{0}, {1}, {0, 1}, {1, 2, 3}, {0, 1, 2, 3}};
    hand_model m = {0};
    size_t count = count_of(s);
    float *x = checked_alloc(count, sizeof *x), *got = checked_alloc(count, sizeof *got);
    double *expected = checked_alloc(count, sizeof *expected);
    uint32_t nchw[4] = {1, 1, 1, 1};
    bool over[4] = {false};
    shape y = {0};
    int64_t dims[4];
    size_t dim_count = 0;
    for (uint32_t i = 0; i < s->rank; i++) {
        bool reduced = mask >> i & 1;
        nchw[axes[s->rank][i]] = s->dims[i];
        over[axes[s->rank][i]] = reduced;
        if (reduced)
            dims[dim_count++] = random_bits(random) & 1 ? (int64_t)i : (int64_t)i - s->rank;
        if (!reduced || keepdim)
            y.dims[y.rank++] = reduced ? 1 : s->dims[i];
    }
    random_floats(random, -1.0f, 5.0f, x, count);
    oracle_mean(nchw, over, x, expected);
    uint32_t in = hand_input(&m, VKD_DTYPE_FLOAT32, s->rank, s->dims),
             out = hand_output(&m, VKD_DTYPE_FLOAT32, y.rank, y.dims);
    HAND_OP(&m, "aten.mean.dim", in, hand_ints(&m, dim_count, dims), hand_bool(&m, keepdim),
            hand_null(&m), out);
    harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "mean");
    for (size_t i = 0; i < count_of(&y); i++)
        if (!(fabs(got[i] - expected[i]) <= 1e-5 * (fabs(expected[i]) + 0.01)))
            fail_msg("mean of %s over %x: element %zu is %.9g, expected %.9g", shape_text(s), mask,
                     i, (double)got[i], expected[i]);
    free(x);
    free(got);
    free(expected);
}

static void mean(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("mean");
    for (uint32_t rank = 1; rank <= 4; rank++)
        for (uint32_t mask = 1; mask < 1u << rank; mask++)
            for (int i = 0; i < 4; i++) {
                shape s = random_shape(&random, rank);
                check_mean(h, &random, &s, mask, i & 1);
            }
    check_mean(h, &random, &(shape){4, {1, 2048, 7, 7}}, 12, true);
    check_mean(h, &random, &(shape){4, {1, 3, 112, 112}}, 12, false);
    check_mean(h, &random, &(shape){4, {1, 5, 6, 7}}, 15, false);
}

/* More elements than an invocation adds up: sums of slices, and of those, on CPU devices for their
 * loops' sake, on GPUs to have enough to do. */
static void means_of_many_elements(void **state)
{
    enum { N = 1, C = 2, H = 4, W = 8 };
    static const struct {
        shape s;
        uint32_t over;
    } cases[] = {
        {{4, {1, 1, 148, 148}}, H | W},
        {{4, {2, 3, 256, 256}}, H | W},
        {{4, {1, 4, 1024, 1024}}, H | W},
        {{4, {1, 2, 1, 65535}}, W},
        {{4, {1, 2, 65539, 1}}, H},
        {{4, {70001, 3, 1, 2}}, N},
        {{4, {5, 5, 127, 131}}, N | H | W},
        {{4, {301, 3, 5, 229}}, N | W},
        {{4, {1, 300001, 1, 2}}, C},
        {{4, {3, 99, 17, 163}}, C | H | W},
        {{4, {91, 7, 3, 911}}, N | C | W},
        {{4, {37, 99, 31, 7}}, N | C},
        {{4, {9, 30, 90, 40}}, N | C | H | W},
        {{2, {2, 300003}}, C},
    };
    harness *h = harness_get(state);
    vkd_random random = random_begin("means_of_many_elements");
    const vkd_caps own = h->caps;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_mean(h, &random, &cases[i].s, cases[i].s.rank == 2 ? 2 : cases[i].over, i & 1);
        h->caps.max_loops = 7001; /* more of them */
        check_mean(h, &random, &cases[i].s, cases[i].s.rank == 2 ? 2 : cases[i].over, i & 1);
        h->caps = own;
    }
}

/* Lines longer than the loops of a CPU device. */
static void sums_along_long_lines(void **state)
{
    enum { COUNT = 150001 };
    harness *h = harness_get(state);
    vkd_random random = random_begin("sums_along_long_lines");
    const uint32_t shapes[][2] = {{1, COUNT}, {COUNT, 1}, {2, COUNT / 2}};
    float *x = calloc(COUNT, sizeof *x), *y = calloc(COUNT, sizeof *y);
    assert_true(x && y);
    random_floats(&random, -1, 2, x, COUNT);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const uint32_t dim = shapes[i][0] == COUNT ? 0 : 1, line = shapes[i][dim],
                       lines = shapes[i][1 - dim];
        hand_model m = {0};
        uint32_t in = hand_input(&m, VKD_DTYPE_FLOAT32, 2, shapes[i]),
                 out = hand_output(&m, VKD_DTYPE_FLOAT32, 2, shapes[i]);
        HAND_OP(&m, "aten::cumsum.out", in, hand_int(&m, dim), hand_null(&m), out);
        harness_must_run(h, &m, (const void *[]){x}, (void *[]){y}, "cumsum");
        for (uint32_t l = 0; l < lines; l++) {
            double sum = 0, scale = 0;
            for (uint32_t n = l * line; n < (l + 1) * line; n++) {
                sum += (double)x[n];
                scale += fabs((double)x[n]);
                if (!(fabs((double)y[n] - sum) <= 1e-5 * scale))
                    fail_msg("%u of %ux%u: %g, expected %g", n, shapes[i][0], shapes[i][1],
                             (double)y[n], sum);
            }
        }
    }
    free(x);
    free(y);
}

/* Of a square plane. */
static float mean_of(harness *h, uint32_t size, const float *x)
{
    float y = 0;
    hand_model m = {0};
    uint32_t in = hand_input(&m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, 1, size, size}),
             out = hand_output(&m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, 1, 1, 1});
    HAND_OP(&m, "aten.mean.dim", in, hand_pair(&m, 2, 3), hand_bool(&m, true), hand_null(&m), out);
    harness_must_run(h, &m, (const void *[]){x}, (void *[]){&y}, "mean");
    return y;
}

/* 0.1 is rounded up in each of many additions alike: a plain sum is 1e-4 off. Also twice the same
 * bits. */
static void mean_is_compensated(void **state)
{
    harness *h = harness_get(state);
    const uint32_t sizes[] = {64, 250, 1024};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const size_t count = (size_t)sizes[i] * sizes[i];
        float *x = checked_alloc(count, sizeof *x), y[2];
        for (size_t k = 0; k < count; k++)
            x[k] = 0.1f;
        for (int repeat = 0; repeat < 2; repeat++)
            y[repeat] = mean_of(h, sizes[i], x);
        if (!(fabsf(y[0] - 0.1f) <= 2e-8f))
            fail_msg("the mean of %zu times 0.1 is %.9g", count, (double)y[0]);
        assert_memory_equal(&y[0], &y[1], sizeof y[0]);
        free(x);
    }
}

/* What a sum lost to rounding is nothing where it is infinite: it stays so. */
static void mean_of_infinities(void **state)
{
    harness *h = harness_get(state);
    assert_true(mean_of(h, 2, (float[]){1, INFINITY, 2, 3}) == INFINITY);
    assert_true(mean_of(h, 2, (float[]){-INFINITY, 1, 2, -INFINITY}) == -INFINITY);
    assert_true(isnan(mean_of(h, 2, (float[]){-INFINITY, 1, INFINITY, 2})));
    assert_true(isnan(mean_of(h, 2, (float[]){NAN, 1, 3, 2})));
}

/* A bound between the steps, or none. The sums of such are exact where the scale is a power of 2
 * and the bound a multiple of 1/16 of it. */
static float random_bound(vkd_random *random, int32_t low, int32_t high, float scale)
{
    return random_range(random, 0, 4)
               ? (float)random_range(random, 16 * low, 16 * high) / 16.0f * scale
               : NAN;
}

static uint32_t hand_bound(hand_model *m, float bound)
{
    return isnan(bound) ? hand_null(m) : hand_double(m, bound);
}

static void check_q8_mean(harness *h, vkd_random *random, const shape *s, bool exact)
{
    hand_model m = {0};
    size_t count = count_of(s), planes = (size_t)s->dims[0] * s->dims[1], pixels = count / planes;
    int8_t *x = checked_alloc(count, 1), *expected = checked_alloc(planes, 1),
           *got = checked_alloc(planes, 1);
    oracle_q x_q = random_q(random), y_q = x_q;
    if (exact)
        x_q.scale = 0.03125f;
    y_q.scale *= random_float(random, 0.05f, 1.0f);
    float low = random_bound(random, -130, 100, x_q.scale),
          high = random_bound(random, -100, 130, x_q.scale);
    random_int8(random, x, count);
    oracle_q8_mean(x, planes, pixels, x_q, low, high, y_q, expected);
    uint32_t rank = random_bits(random) & 1 ? 2 : 4; /* keepdim or not */
    const uint32_t y_dims[] = {s->dims[0], s->dims[1], 1, 1};
    uint32_t in = hand_input(&m, VKD_DTYPE_INT8, 4, s->dims),
             out = hand_output(&m, VKD_DTYPE_INT8, rank, y_dims);
    HAND_OP(&m, "vkd.q8_mean", in, hand_double(&m, x_q.scale), hand_int(&m, x_q.zero),
            hand_bound(&m, low), hand_bound(&m, high), hand_double(&m, y_q.scale),
            hand_int(&m, y_q.zero), out);
    harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "q8_mean");
    for (size_t i = 0; i < planes; i++)
        if (abs(got[i] - expected[i]) > (exact ? 0 : 1))
            fail_msg("q8_mean of %s clamped to %g..%g: element %zu is %d, expected %d",
                     shape_text(s), (double)low, (double)high, i, got[i], expected[i]);
    free(x);
    free(expected);
    free(got);
}

/* Lowered as for a CPU and as for a GPU, which use different workgroups. */
/* dequantize -> avg_pool2d, as one dispatch and as two: the same bits. */
static void averages_of_int8(void **state)
{
    enum { MOST = 2 * 9 * 15 * 15, DRAWS = 30 };
    static int8_t x[MOST];
    static float got[MOST], expected[MOST];
    harness *h = harness_get(state);
    vkd_random random = random_begin("averages of int8");
    hand_model m;
    for (int i = 0; i < DRAWS; i++) {
        uint32_t dims[] = {
            (uint32_t)random_range(&random, 1, 2), (uint32_t)random_range(&random, 1, 9),
            (uint32_t)random_range(&random, 4, 15), (uint32_t)random_range(&random, 4, 15)};
        const int kernel = random_range(&random, 1, 4), stride = random_range(&random, 1, 3),
                  padding = random_range(&random, 0, kernel / 2);
        uint32_t pooled[] = {dims[0], dims[1], 0, 0};
        for (int axis = 2; axis < 4; axis++)
            pooled[axis] =
                (dims[axis] + 2u * (uint32_t)padding - (uint32_t)kernel) / (uint32_t)stride + 1;
        memset(&m, 0, sizeof m);
        random_int8(&random, x, MOST);
        const uint32_t in = hand_input(&m, VKD_DTYPE_INT8, 4, dims),
                       real = hand_tensor(&m, VKD_DTYPE_FLOAT32, 4, dims);
        const uint32_t q = hand_tensor(&m, VKD_DTYPE_INT8, 4, dims); /* an image */
        HAND_OP(&m, "et_vk.q8ta_relu.default", in, hand_double(&m, 0.07), hand_int(&m, -50),
                hand_double(&m, 0.07), hand_int(&m, -50), q);
        HAND_OP(&m, "quantized_decomposed.dequantize_per_tensor.default", q, hand_double(&m, 0.07),
                hand_int(&m, random_range(&random, -128, 127)), hand_int(&m, -128),
                hand_int(&m, 127), hand_null(&m), hand_null(&m), real);
        HAND_OP(&m, "aten.avg_pool2d.default", real, hand_pair(&m, kernel, kernel),
                hand_pair(&m, stride, stride), hand_pair(&m, padding, padding),
                hand_bool(&m, false), hand_bool(&m, random_range(&random, 0, 1)), hand_null(&m),
                hand_output(&m, VKD_DTYPE_FLOAT32, 4, pooled));
        size_t one = 0, two = 0;
        const vkd_model *model = hand_finish(&m);
        if (harness_run_rewritten(h, model, NULL, 0, (const void *[]){x}, (void *[]){got}, &one) ||
            harness_run_rewritten(h, model, NULL, VKD_REWRITE_INT8, (const void *[]){x},
                                  (void *[]){expected}, &two))
            fail_msg("%s", h->gpu.context.error);
        assert_int_equal(one + 1, two);
        assert_memory_equal(got, expected, vkd_dims_count(4, pooled) * sizeof *got);
    }
}

static void q8_mean(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("q8_mean");
    vkd_device_type own = h->caps.type;
    for (int i = 0; i < 120; i++) {
        shape s = random_shape(&random, 4);
        h->caps.type = i % 2 ? VKD_TYPE_CPU : VKD_TYPE_DISCRETE;
        check_q8_mean(h, &random, &s, i % 4 < 2);
    }
    for (int i = 0; i < 2; i++) {
        h->caps.type = i % 2 ? VKD_TYPE_CPU : VKD_TYPE_DISCRETE;
        check_q8_mean(h, &random, &(shape){4, {1, 2048, 7, 7}}, true);
    }
    h->caps.type = own;
}

/* The longest sum, of the largest values. */
static void q8_mean_of_all_pixels(void **state)
{
    harness *h = harness_get(state);
    hand_model m = {0};
    const uint32_t dims[] = {1, 3, 273, 241}, y_dims[] = {1, 3, 1, 1};
    size_t count = (size_t)vkd_dims_count(4, dims), pixels = count / 3;
    const oracle_q x_q = {0.5f, -128}, y_q = {0.5f, -128};
    int8_t *x = checked_alloc(count, 1), expected[3], got[3];
    memset(x, 127, pixels);
    memset(x + pixels, -128, pixels);
    memset(x + 2 * pixels, 127, pixels / 2);
    oracle_q8_mean(x, 3, pixels, x_q, NAN, NAN, y_q, expected);
    uint32_t in = hand_input(&m, VKD_DTYPE_INT8, 4, dims),
             out = hand_output(&m, VKD_DTYPE_INT8, 4, y_dims);
    HAND_OP(&m, "vkd.q8_mean", in, hand_double(&m, x_q.scale), hand_int(&m, x_q.zero),
            hand_null(&m), hand_null(&m), hand_double(&m, y_q.scale), hand_int(&m, y_q.zero), out);
    harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "q8_mean");
    harness_assert_int8(got, expected, 3, "q8_mean of all pixels");
    assert_int_equal(expected[0], 127);
    assert_int_equal(expected[1], -128);
    free(x);
}

/* More pixels than floats can count: in two steps. */
static void q8_means_of_many_pixels(void **state)
{
    static const shape shapes[] = {{4, {1, 3, 320, 320}},
                                   {4, {1, 1, 65794, 1}},
                                   {4, {2, 5, 301, 299}},
                                   {4, {1, 4, 1024, 1024}}};
    harness *h = harness_get(state);
    vkd_random random = random_begin("q8_means_of_many_pixels");
    const vkd_caps own = h->caps;
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        h->caps.type = i % 2 ? VKD_TYPE_CPU : VKD_TYPE_DISCRETE;
        check_q8_mean(h, &random, &shapes[i / 2], false);
    }
    h->caps = own;
}

/* ------------------------------------------------------------------------------------- dispatch */

/* A device with a narrow grid: every kernel folds it into a second dimension. */
static void folded_grids(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("folded_grids");
    vkd_caps own = h->caps;
    h->caps.max_workgroup_count[0] = 3;
    h->caps.max_workgroup_invocations = 16;
    const shape s = {4, {2, 13, 17, 11}};
    const oracle_window window = {2, 13, 17, 11, {3, 2}, {2, 1}, {1, 1}, {1, 1}};
    check_quantize_chain(h, &random, &s, 3);
    check_add(h, &random, &s);
    check_max_pool(h, &random, &window, false, true);
    check_mean(h, &random, &s, 8, true);
    h->caps.max_workgroup_invocations = own.max_workgroup_invocations;
    h->caps.type = VKD_TYPE_DISCRETE;
    check_q8_mean(h, &random, &(shape){4, {2, 301, 5, 5}}, true);
    h->caps = own;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantize_and_dequantize),
        cmocka_unit_test(quantize_of_special_values),
        cmocka_unit_test(views_keep_elements),
        cmocka_unit_test(constants_inputs_and_repeats_as_outputs),
        cmocka_unit_test(add),
        cmocka_unit_test(relu),
        cmocka_unit_test(max_pool),
        cmocka_unit_test(max_pool_of_large_windows),
        cmocka_unit_test(max_pool_keeps_nan),
        cmocka_unit_test(mean),
        cmocka_unit_test(means_of_many_elements),
        cmocka_unit_test(sums_along_long_lines),
        cmocka_unit_test(mean_is_compensated),
        cmocka_unit_test(mean_of_infinities),
        cmocka_unit_test(averages_of_int8),
        cmocka_unit_test(q8_mean),
        cmocka_unit_test(q8_mean_of_all_pixels),
        cmocka_unit_test(q8_means_of_many_pixels),
        cmocka_unit_test(folded_grids),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
