/* Concatenation, shuffles, upsampling, average pooling and clamps on a device against the scalar
 * oracle: exact, but for averages. */
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

static void random_dims(vkd_random *random, uint32_t rank, uint32_t *dims)
{
    static const int32_t most[] = {3, 21, 9, 9};
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = (uint32_t)random_range(random, 1, most[i]);
}

/* -------------------------------------------------------------------------------- concatenation */

/* `parts` tensors along a dim, of any dtype: bytes must come out as they were put in. */
static void check_cat(harness *h, vkd_random *random, vkd_dtype dtype, uint32_t rank, uint32_t dim,
                      uint32_t parts)
{
    hand_model *m = checked_alloc(1, sizeof *m);
    size_t size = vkd_dtype_size(dtype), outer = 1, inner = size;
    uint32_t dims[4], y_dims[4], ids[HAND_LIST], extents[HAND_LIST];
    int8_t *data[HAND_LIST];
    random_dims(random, rank, dims);
    memcpy(y_dims, dims, sizeof y_dims);
    for (uint32_t i = 0; i < rank; i++)
        *(i < dim ? &outer : &inner) *= i == dim ? 1 : dims[i];
    y_dims[dim] = 0;
    for (uint32_t i = 0; i < parts; i++) {
        y_dims[dim] += dims[dim] = extents[i] = (uint32_t)random_range(random, 1, 9);
        data[i] = checked_alloc(outer * inner, extents[i]);
        random_int8(random, data[i], outer * inner * extents[i]);
        ids[i] = hand_input(m, dtype, rank, dims);
    }
    size_t count = outer * inner * y_dims[dim];
    int8_t *expected = checked_alloc(count, 1), *got = checked_alloc(count, 1), *to = expected;
    for (size_t o = 0; o < outer; o++)
        for (uint32_t i = 0; i < parts; to += inner * extents[i], i++)
            memcpy(to, data[i] + o * inner * extents[i], inner * extents[i]);
    HAND_OP(m, "aten.cat.default", hand_list(m, parts, ids),
            hand_int(m, random_bits(random) & 1 ? (int64_t)dim : (int64_t)dim - rank),
            hand_output(m, dtype, rank, y_dims));
    harness_must_run(h, m, (const void *const *)data, (void *[]){got}, "cat");
    char what[64];
    snprintf(what, sizeof what, "cat of %u %s tensors along dim %u of %u", parts,
             vkd_dtype_name(dtype), dim, rank);
    harness_assert_int8(got, expected, count, what);
    for (uint32_t i = 0; i < parts; i++)
        free(data[i]);
    free(expected);
    free(got);
    free(m);
}

static void cat(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("cat");
    static const vkd_dtype dtypes[] = {VKD_DTYPE_INT8, VKD_DTYPE_FLOAT32, VKD_DTYPE_INT8,
                                       VKD_DTYPE_INT32, VKD_DTYPE_BOOL};
    for (uint32_t i = 0; i < 5; i++)
        for (uint32_t rank = 1; rank <= 4; rank++)
            for (uint32_t dim = 0; dim < rank; dim++)
                for (uint32_t repeat = 0; repeat < 2; repeat++)
                    check_cat(h, &random, dtypes[i], rank, dim,
                              (uint32_t)random_range(&random, 1, HAND_LIST));
}

static void cat_refusals(void **state)
{
    harness *h = harness_get(state);
    static const struct {
        uint32_t a[4], b[4], y[4];
        int64_t dim;
    } cases[] = {
        {{1, 2, 3, 3}, {1, 2, 3, 3}, {1, 5, 3, 3}, 1},
        {{1, 2, 3, 3}, {1, 2, 3, 4}, {1, 4, 3, 3}, 1},
        {{1, 2, 3, 3}, {1, 2, 3, 3}, {1, 4, 3, 3}, 4},
        {{1, 2, 3, 3}, {1, 2, 3, 3}, {1, 4, 3, 3}, -5},
        {{1, 2, 3, 3}, {1, 2, 3, 3}, {1, 4, 3, 3}, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hand_model *m = checked_alloc(1, sizeof *m);
        int8_t x[64] = {0}, y[64];
        uint32_t a = hand_input(m, VKD_DTYPE_INT8, 4, cases[i].a),
                 b = hand_input(m, VKD_DTYPE_INT8, 4, cases[i].b);
        HAND_OP(m, "aten.cat.default", hand_list(m, 2, (uint32_t[]){a, b}),
                hand_int(m, cases[i].dim), hand_output(m, VKD_DTYPE_INT8, 4, cases[i].y));
        assert_int_equal(
            harness_run(h, hand_finish(m), NULL, (const void *[]){x, x}, (void *[]){y}),
            VKD_INVALID_MODEL);
        free(m);
    }
}

/* -------------------------------------------------------------------- pixel shuffle, upsampling */

static void pixel_shuffle(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("pixel_shuffle");
    for (int i = 0; i < 60; i++) {
        hand_model m = {0};
        uint32_t factor = (uint32_t)random_range(&random, 1, 4), dims[4];
        random_dims(&random, 4, dims);
        dims[1] = (uint32_t)random_range(&random, 1, 9) * factor * factor;
        const uint32_t y_dims[] = {dims[0], dims[1] / (factor * factor), dims[2] * factor,
                                   dims[3] * factor};
        size_t count = (size_t)vkd_dims_count(4, dims);
        int8_t *x = checked_alloc(count, 1), *expected = checked_alloc(count, 1),
               *got = checked_alloc(count, 1);
        oracle_q x_q = random_q(&random), y_q = i % 2 ? x_q : random_q(&random);
        random_int8(&random, x, count);
        oracle_pixel_shuffle(dims, factor, x, x_q, y_q, expected);
        uint32_t in = hand_input(&m, VKD_DTYPE_INT8, 4, dims),
                 out = hand_output(&m, VKD_DTYPE_INT8, 4, y_dims);
        HAND_OP(&m, "et_vk.q8ta_pixel_shuffle.default", in, hand_double(&m, x_q.scale),
                hand_int(&m, x_q.zero), hand_double(&m, 1.0 / (double)y_q.scale),
                hand_int(&m, y_q.zero), hand_int(&m, factor), out);
        harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "pixel_shuffle");
        harness_assert_int8(got, expected, count, "pixel_shuffle");
        free(x);
        free(expected);
        free(got);
    }
}

static uint32_t hand_factors(hand_model *m, const double *factors)
{
    uint32_t list = hand_ints(m, 0, NULL);
    m->values[list].kind = VKD_VALUE_DOUBLE_LIST;
    m->values[list].list.count = 2;
    m->values[list].list.doubles = factors;
    return list;
}

static void upsample(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("upsample");
    for (int i = 0; i < 60; i++) {
        hand_model m = {0};
        vkd_dtype dtype = i % 2 ? VKD_DTYPE_INT8 : VKD_DTYPE_FLOAT32;
        size_t size = vkd_dtype_size(dtype);
        uint32_t dims[4],
            f[2] = {(uint32_t)random_range(&random, 1, 4), (uint32_t)random_range(&random, 1, 4)};
        random_dims(&random, 4, dims);
        const uint32_t y_dims[] = {dims[0], dims[1], dims[2] * f[0], dims[3] * f[1]};
        size_t count = (size_t)vkd_dims_count(4, dims), y_count = (size_t)vkd_dims_count(4, y_dims);
        int8_t *x = checked_alloc(count, size), *expected = checked_alloc(y_count, size),
               *got = checked_alloc(y_count, size);
        random_int8(&random, x, count * size);
        oracle_upsample(x, size, (size_t)dims[0] * dims[1], dims[2], dims[3], f[0], f[1], expected);
        uint32_t in = hand_input(&m, dtype, 4, dims), out = hand_output(&m, dtype, 4, y_dims);
        const double factors[] = {f[0], f[1]};
        bool by_size = i % 3 == 0; /* the file has either the output's size or the factors */
        HAND_OP(&m, "aten.upsample_nearest2d.vec", in,
                by_size ? hand_pair(&m, y_dims[2], y_dims[3]) : hand_null(&m),
                by_size ? hand_null(&m) : hand_factors(&m, factors), out);
        harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "upsample");
        harness_assert_int8(got, expected, y_count * size, "upsample");
        free(x);
        free(expected);
        free(got);
    }
}

/* Three pixels become six both with a factor of 2 and of 2.3, but not the same six. */
static void upsample_by_fractions(void **state)
{
    harness *h = harness_get(state);
    static const struct {
        uint32_t from, to;
        double factor; /* 0: the size */
    } cases[] = {{3, 6, 2}, {3, 6, 2.3}, {2, 3, 1.5}, {4, 2, 0.5},
                 {3, 7, 0}, {7, 3, 0},   {5, 5, 1.1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int is_int8 = 0; is_int8 < 2; is_int8++) {
            hand_model m = {0};
            const uint32_t from = cases[i].from, to = cases[i].to;
            const double factors[] = {cases[i].factor, cases[i].factor};
            const vkd_dtype dtype = is_int8 ? VKD_DTYPE_INT8 : VKD_DTYPE_FLOAT32;
            int8_t bytes[64], got_bytes[64] = {0};
            float reals[64], got[64] = {0};
            for (uint32_t k = 0; k < from * from; k++)
                reals[k] = bytes[k] = (int8_t)(k + 1);
            uint32_t in = hand_input(&m, dtype, 4, (uint32_t[]){1, 1, from, from});
            uint32_t out = hand_output(&m, dtype, 4, (uint32_t[]){1, 1, to, to});
            HAND_OP(&m, "aten.upsample_nearest2d.vec", in,
                    factors[0] > 0 ? hand_null(&m) : hand_pair(&m, to, to),
                    factors[0] > 0 ? hand_factors(&m, factors) : hand_null(&m), out);
            harness_must_run(h, &m, (const void *[]){is_int8 ? (void *)bytes : reals},
                             (void *[]){is_int8 ? (void *)got_bytes : got}, "upsample");
            const float step = factors[0] > 0 ? (float)(1 / factors[0]) : (float)from / (float)to;
            for (uint32_t k = 0; k < to * to; k++) {
                uint32_t row = (uint32_t)floorf((float)(k / to) * step),
                         column = (uint32_t)floorf((float)(k % to) * step);
                uint32_t at =
                    (row < from ? row : from - 1) * from + (column < from ? column : from - 1);
                assert_int_equal(is_int8 ? got_bytes[k] : (int)got[k], bytes[at]);
            }
        }
}

/* ------------------------------------------------------------------------------------- averages */

static void check_avg_pool(harness *h, vkd_random *random, const oracle_window *window,
                           bool ceil_mode)
{
    hand_model m = {0};
    const uint32_t dims[] = {window->n, window->c, window->h, window->w};
    const uint32_t y_dims[] = {window->n, window->c, (uint32_t)oracle_extent(window, 0, ceil_mode),
                               (uint32_t)oracle_extent(window, 1, ceil_mode)};
    size_t count = (size_t)vkd_dims_count(4, dims), y_count = (size_t)vkd_dims_count(4, y_dims);
    float *x = checked_alloc(count, sizeof *x), *got = checked_alloc(y_count, sizeof *got);
    double *expected = checked_alloc(y_count, sizeof *expected);
    bool count_padding = random_bits(random) & 1;
    int32_t divisor = random_range(random, 0, 3) ? 0 : random_range(random, 1, 9);
    bool same_stride =
        window->stride[0] == window->kernel[0] && window->stride[1] == window->kernel[1];
    random_floats(random, -1.0f, 5.0f, x, count);
    oracle_avg_pool(window, ceil_mode, count_padding, divisor, x, expected);
    uint32_t in = hand_input(&m, VKD_DTYPE_FLOAT32, 4, dims),
             out = hand_output(&m, VKD_DTYPE_FLOAT32, 4, y_dims);
    HAND_OP(&m, "aten.avg_pool2d.default", in, hand_pair(&m, window->kernel[0], window->kernel[1]),
            same_stride ? hand_ints(&m, 0, NULL)
                        : hand_pair(&m, window->stride[0], window->stride[1]),
            hand_pair(&m, window->padding[0], window->padding[1]), hand_bool(&m, ceil_mode),
            hand_bool(&m, count_padding), divisor ? hand_int(&m, divisor) : hand_null(&m), out);
    harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "avg_pool2d");
    for (size_t i = 0; i < y_count; i++)
        if (!(fabs(got[i] - expected[i]) <= 2e-6 * (fabs(expected[i]) + 5)))
            fail_msg("avg_pool2d: element %zu is %.9g, expected %.9g", i, (double)got[i],
                     expected[i]);
    free(x);
    free(got);
    free(expected);
}

static void avg_pool(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("avg_pool");
    for (int tried = 0; tried < 120;) {
        oracle_window window = {.n = (uint32_t)random_range(&random, 1, 2),
                                .c = (uint32_t)random_range(&random, 1, 18),
                                .h = (uint32_t)random_range(&random, 1, 14),
                                .w = (uint32_t)random_range(&random, 1, 14),
                                .dilation = {1, 1}};
        for (int axis = 0; axis < 2; axis++) {
            window.kernel[axis] = random_range(&random, 1, 5);
            window.stride[axis] = random_range(&random, 1, 5);
            window.padding[axis] = random_range(&random, 0, window.kernel[axis] / 2);
        }
        bool ceil_mode = random_bits(&random) & 1;
        if (oracle_extent(&window, 0, ceil_mode) < 1 || oracle_extent(&window, 1, ceil_mode) < 1)
            continue;
        check_avg_pool(h, &random, &window, ceil_mode);
        tried++;
    }
}

/* As of maxima, see test_kernels.c: the mean of a row's means, whatever of the window counts. */
static void avg_pool_of_large_windows(void **state)
{
    static const oracle_window windows[] = {
        {1, 3, 22060, 1, {22050, 1}, {3, 1}, {0, 0}, {1, 1}},
        {1, 5, 300, 300, {299, 298}, {1, 2}, {0, 0}, {1, 1}},
        {2, 3, 300, 310, {290, 280}, {20, 15}, {140, 40}, {1, 1}},
        {1, 4, 1024, 1024, {1024, 1024}, {1, 1}, {0, 0}, {1, 1}},
    };
    harness *h = harness_get(state);
    vkd_random random = random_begin("avg_pool_of_large_windows");
    for (size_t i = 0; i < 4 * sizeof windows / sizeof *windows; i++)
        check_avg_pool(h, &random, &windows[i / 4], i % 2);
}

/* 0.1 is rounded alike in each of many additions: a plain sum is 1e-4 off. */
static void avg_pool_is_compensated(void **state)
{
    enum { SIZE = 200 };
    harness *h = harness_get(state);
    hand_model m = {0};
    float *x = checked_alloc(SIZE * SIZE, sizeof *x), y = 0;
    for (size_t i = 0; i < SIZE * SIZE; i++)
        x[i] = 0.1f;
    uint32_t in = hand_input(&m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, 1, SIZE, SIZE}),
             out = hand_output(&m, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, 1, 1, 1});
    HAND_OP(&m, "aten.avg_pool2d.default", in, hand_pair(&m, SIZE, SIZE), hand_pair(&m, 1, 1),
            hand_pair(&m, 0, 0), hand_bool(&m, false), hand_bool(&m, true), hand_null(&m), out);
    harness_must_run(h, &m, (const void *[]){x}, (void *[]){&y}, "avg_pool2d");
    if (!(fabsf(y - 0.1f) <= 2e-8f))
        fail_msg("the average of %d times 0.1 is %.9g", SIZE * SIZE, (double)y);
    free(x);
}

/* --------------------------------------------------------------------------------------- clamps */

/* The chain's inner tensor is 4C, the outer ones are plain. */
static void clamp(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("clamp");
    static const char *const names[] = {"aten.hardtanh.default", "aten.clamp.default",
                                        "aten.relu.default"};
    for (int i = 0; i < 60; i++) {
        hand_model m = {0};
        uint32_t rank = (uint32_t)random_range(&random, 1, 4), dims[4];
        random_dims(&random, rank, dims);
        size_t count = (size_t)vkd_dims_count(rank, dims);
        float *x = checked_alloc(count, sizeof *x),
              *expected = checked_alloc(count, sizeof *expected);
        float *got = checked_alloc(count, sizeof *got);
        random_floats(&random, -9.0f, 9.0f, x, count);
        x[random_bits(&random) % count] = NAN;
        x[random_bits(&random) % count] = i % 2 ? INFINITY : -INFINITY;
        uint32_t value = hand_input(&m, VKD_DTYPE_FLOAT32, rank, dims);
        memcpy(expected, x, count * sizeof *x);
        for (int stage = 0, stages = random_range(&random, 1, 3); stage < stages; stage++) {
            int kind = random_range(&random, 0, 2);
            float low = kind == 2 ? 0 : random_float(&random, -6.0f, 2.0f),
                  high = kind == 2 ? NAN : random_float(&random, -3.0f, 6.0f);
            if (kind == 1)
                *(random_bits(&random) & 1 ? &low : &high) = NAN;
            oracle_clamp(expected, count, low, high, expected);
            uint32_t y = hand_tensor(&m, VKD_DTYPE_FLOAT32, rank, dims);
            if (kind == 2)
                HAND_OP(&m, names[kind], value, y);
            else
                HAND_OP(&m, names[kind], value, isnan(low) ? hand_null(&m) : hand_double(&m, low),
                        isnan(high) ? hand_null(&m) : hand_double(&m, high), y);
            value = y;
        }
        hand_mark_output(&m, value);
        harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "clamp");
        for (size_t k = 0; k < count; k++)
            if (!(got[k] == expected[k] || (isnan(got[k]) && isnan(expected[k]))))
                fail_msg("clamp: element %zu is %g, expected %g", k, (double)got[k],
                         (double)expected[k]);
        free(x);
        free(expected);
        free(got);
    }
}

static void q8_clamp(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("q8_clamp");
    for (int i = 0; i < 40; i++) {
        hand_model m = {0};
        uint32_t rank = (uint32_t)random_range(&random, 1, 4), dims[4];
        random_dims(&random, rank, dims);
        size_t count = (size_t)vkd_dims_count(rank, dims);
        int8_t *x = checked_alloc(count, 1), *expected = checked_alloc(count, 1),
               *got = checked_alloc(count, 1);
        /* in any order */
        int32_t low = random_range(&random, -128, 127), high = random_range(&random, -128, 127);
        random_int8(&random, x, count);
        for (size_t k = 0; k < count; k++) {
            int32_t v = x[k] < low ? low : x[k];
            expected[k] = (int8_t)(v > high ? high : v);
        }
        uint32_t in = hand_input(&m, VKD_DTYPE_INT8, rank, dims),
                 between = hand_tensor(&m, VKD_DTYPE_INT8, rank, dims);
        uint32_t out = hand_output(&m, VKD_DTYPE_INT8, rank, dims);
        HAND_OP(&m, "vkd.q8_clamp", in, hand_int(&m, -128), hand_int(&m, 127), between);
        HAND_OP(&m, "vkd.q8_clamp", between, hand_int(&m, low), hand_int(&m, high), out);
        harness_must_run(h, &m, (const void *[]){x}, (void *[]){got}, "q8_clamp");
        harness_assert_int8(got, expected, count, "q8_clamp");
        free(x);
        free(expected);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cat),
        cmocka_unit_test(cat_refusals),
        cmocka_unit_test(upsample),
        cmocka_unit_test(upsample_by_fractions),
        cmocka_unit_test(avg_pool),
        cmocka_unit_test(avg_pool_of_large_windows),
        cmocka_unit_test(avg_pool_is_compensated),
        cmocka_unit_test(pixel_shuffle),
        cmocka_unit_test(clamp),
        cmocka_unit_test(q8_clamp),
    };
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
