/* The rewrites over hand-made models: what stands between a dequantize and a quantize runs on int8,
 * and what does not. */
#include "graph/chain.h"
#include "support/random.h"
#include "support/rewriting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>

/* dequantize -> pool -> quantize; scales and readers vary. */
static void pool_model(rewriting *f, double y_scale, int64_t high, bool indices_wanted,
                       bool floats_wanted)
{
    static const int64_t three[] = {3, 3}, two[] = {2, 2}, one[] = {1, 1};
    static uint32_t results[2];
    rw_begin(f);
    uint32_t x = rw_tensor4(f, VKD_DTYPE_INT8, 8), xf = rw_tensor4(f, VKD_DTYPE_FLOAT32, 8),
             yf = rw_tensor4(f, VKD_DTYPE_FLOAT32, 4);
    uint32_t index = rw_tensor4(f, VKD_DTYPE_INT32, 4), y = rw_tensor4(f, VKD_DTYPE_INT8, 4);
    results[0] = yf, results[1] = index;
    uint32_t list = rw_value(f, (vkd_model_value){.kind = VKD_VALUE_VALUE_LIST,
                                                  .list = {.count = 2, .values = results}});
    rw_dequantize(f, x, 0.5, 3, xf);
    RW_OP(f, "aten.max_pool2d_with_indices.default", xf, rw_ints(f, three, 2), rw_ints(f, two, 2),
          rw_ints(f, one, 2), rw_ints(f, one, 2), rw_int(f, 0), list);
    RW_OP(f, "quantized_decomposed.quantize_per_tensor.default", yf, rw_number(f, y_scale),
          rw_int(f, 3), rw_int(f, -128), rw_int(f, high), rw_null(f), y);
    rw_output(f, y);
    if (indices_wanted)
        rw_output(f, index);
    if (floats_wanted)
        rw_output(f, yf);
    rw_rewrite(f);
}

static void test_int8_max_pool(void **state)
{
    rewriting f;
    (void)state;
    pool_model(&f, 0.5, 127, false, false);
    assert_int_equal(f.net.call_count, 1);
    assert_int_equal(RW_ARGS(pool_args, &f, 0)->x, 0);
    assert_int_equal(RW_ARGS(pool_args, &f, 0)->y[0], f.outputs[0]);
    vkd_arena_release(&f.arena);
    pool_model(&f, 0.5, 127, true, false);
    assert_int_equal(f.net.call_count, 3);
    assert_int_equal(rw_call(&f, 0)->row->kind, VKD_OP_DEQUANTIZE); /* no places of int8 maxima */
    vkd_arena_release(&f.arena);
}

/* Where the quantize has other parameters (0.25: two roundings), not the full range, or is not the
 * only reader: maxima of int8 all the same, dequantized behind. */
static void test_max_pool_before_dequantize(void **state)
{
    static const struct {
        double scale;
        int64_t high;
        bool floats;
    } cases[] = {{0.25, 127, false}, {0.5, 126, false}, {0.5, 127, true}};
    rewriting f;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pool_model(&f, cases[i].scale, cases[i].high, false, cases[i].floats);
        assert_int_equal(f.net.call_count, 3);
        const pool_args *pool = RW_ARGS(pool_args, &f, 0);
        assert_int_equal(rw_call(&f, 0)->row->kind, VKD_OP_MAX_POOL);
        assert_int_equal(pool->x, 0);
        const vkd_model_tensor *pooled = &f.net.values[pool->y[0]].tensor;
        assert_int_equal(pooled->dtype, VKD_DTYPE_INT8);
        assert_int_equal(pooled->dims[3], 4);
        const quantize_args *dequantize = RW_ARGS(quantize_args, &f, 1);
        assert_int_equal(rw_call(&f, 1)->row->kind, VKD_OP_DEQUANTIZE);
        assert_int_equal(dequantize->x, pool->y[0]);
        assert_true(dequantize->scale == 0.5f && dequantize->zero == 3);
        vkd_arena_release(&f.arena);
    }
}

enum { NO_CLAMP, HARDTANH, CLAMP, RELU };
static const char *const clamp_names[] = {NULL, "aten.hardtanh.default", "aten.clamp.default",
                                          "aten.relu.default"};

typedef struct mean_case {
    int64_t dims[2];
    size_t dim_count;
    int clamp;
    float low, high; /* NAN: null */
    uint32_t size;   /* 0: 7 */
} mean_case;

/* dequantize -> clamp -> mean -> view -> quantize; values 0 to 2: before, floats, clamped floats.
 */
static void mean_model(rewriting *f, const mean_case *c)
{
    static const int64_t flat[] = {1, 8};
    uint32_t size = c->size ? c->size : 7;
    rw_begin(f);
    uint32_t x = rw_tensor4(f, VKD_DTYPE_INT8, size), xf = rw_tensor4(f, VKD_DTYPE_FLOAT32, size);
    uint32_t clamped = rw_tensor4(f, VKD_DTYPE_FLOAT32, size),
             m = rw_tensor4(f, VKD_DTYPE_FLOAT32, 1);
    vkd_model_value two = {
        .kind = VKD_VALUE_TENSOR,
        .tensor = {.dtype = VKD_DTYPE_FLOAT32, .rank = 2, .dims = {1, 8}, .size = 32}};
    uint32_t v = rw_value(f, two);
    two.tensor.dtype = VKD_DTYPE_INT8;
    uint32_t y = rw_value(f, two);
    rw_dequantize(f, x, 0.5, 3, xf);
    rw_clamp(f, clamp_names[c->clamp], xf, c->low, c->high, clamped);
    RW_OP(f, "aten.mean.dim", c->clamp ? clamped : xf, rw_ints(f, c->dims, c->dim_count),
          rw_int(f, 1), rw_null(f), m);
    RW_OP(f, "aten.view_copy.default", m, rw_ints(f, flat, 2), v);
    rw_quantize(f, v, 0.25, -7, y);
    rw_output(f, y);
}

static void test_int8_mean_through_view(void **state)
{
    static const mean_case pixels = {{-1, -2}, 2}, channels = {{1}, 1}, rows = {{2}, 1};
    static const mean_case many = {{3, 2}, 2, .size = 1024};
    rewriting f;
    (void)state;
    mean_model(&f, &pixels);
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    const q8_mean_args *mean = RW_ARGS(q8_mean_args, &f, 0);
    assert_string_equal(rw_call(&f, 0)->name, "vkd.q8_mean");
    assert_int_equal(rw_call(&f, 0)->row->kind, VKD_OP_Q8_MEAN);
    assert_int_equal(mean->x, 0);
    assert_true(mean->x_scale == 0.5f && mean->x_zero == 3 && mean->y_scale == 0.25f &&
                mean->y_zero == -7);
    assert_true(isnan(mean->low) && isnan(mean->high));
    assert_string_equal(rw_call(&f, 1)->name, "aten.view_copy.default");
    assert_int_equal(RW_ARGS(view_args, &f, 1)->x, mean->y);
    assert_int_equal(RW_ARGS(view_args, &f, 1)->y, f.outputs[0]);
    vkd_arena_release(&f.arena);

    const struct {
        const mean_case *c;
        size_t ops;
    } cases[] = {{&channels, 4}, {&rows, 4}, {&many, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mean_model(&f, cases[i].c);
        rw_rewrite(&f);
        assert_int_equal(f.net.call_count, cases[i].ops);
        vkd_arena_release(&f.arena);
    }
}

static void assert_bound(float bound, float expected)
{
    assert_true(isnan(expected) ? isnan(bound) : bound == expected);
}

static void test_int8_mean_takes_a_clamp(void **state)
{
    static const mean_case cases[] = {
        {{2, 3}, 2, HARDTANH, 0, 6},     {{2, 3}, 2, CLAMP, -1.5f, 2}, {{2, 3}, 2, CLAMP, NAN, 2},
        {{2, 3}, 2, CLAMP, -1.5f, NAN},  {{2, 3}, 2, CLAMP, NAN, NAN}, {{2, 3}, 2, RELU, 0, NAN},
        {{2, 3}, 2, CLAMP, -INFINITY, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rewriting f;
        mean_model(&f, &cases[i]);
        rw_rewrite(&f);
        assert_int_equal(f.net.call_count, 2);
        assert_string_equal(rw_call(&f, 0)->name, "vkd.q8_mean");
        assert_int_equal(RW_ARGS(q8_mean_args, &f, 0)->x, 0);
        assert_bound(RW_ARGS(q8_mean_args, &f, 0)->low, cases[i].low);
        assert_bound(RW_ARGS(q8_mean_args, &f, 0)->high, cases[i].high);
        vkd_arena_release(&f.arena);
    }
}

static void test_int8_mean_leaves_odd_clamps(void **state)
{
    static const mean_case clamped = {{2, 3}, 2, HARDTANH, 0, 6};
    rewriting f;
    (void)state;
    for (int bound = 1; bound <= 2; bound++)
        for (int kind = 0; kind < 2; kind++) { /* a NaN, and what is not known yet */
            mean_model(&f, &clamped);
            vkd_model_value *value = &f.values[f.args[1][bound]];
            *value = kind ? (vkd_model_value){.kind = VKD_VALUE_SYMINT}
                          : (vkd_model_value){.kind = VKD_VALUE_DOUBLE, .d = NAN};
            rw_rewrite(&f);
            assert_int_equal(f.net.call_count, 5);
            vkd_arena_release(&f.arena);
        }
    for (uint32_t wanted = 1; wanted <= 2;
         wanted++) { /* the floats, or the clamped floats, have another reader */
        mean_model(&f, &clamped);
        rw_output(&f, wanted);
        rw_rewrite(&f);
        assert_int_equal(f.net.call_count, 2 + wanted);
        assert_string_equal(rw_call(&f, wanted)->name, "vkd.q8_mean");
        assert_int_equal(RW_ARGS(q8_mean_args, &f, wanted)->x, 0);
        vkd_arena_release(&f.arena);
    }
}

static void test_int8_upsampling(void **state)
{
    rewriting f;
    (void)state;
    for (int equal = 0; equal < 2; equal++) {
        rw_begin(&f);
        uint32_t x = rw_tensor4(&f, VKD_DTYPE_INT8, 4), xf = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 yf = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 8);
        uint32_t y = rw_tensor4(&f, VKD_DTYPE_INT8, 8);
        rw_dequantize(&f, x, 0.5, 3, xf);
        RW_OP(&f, "aten.upsample_nearest2d.vec", xf, rw_null(&f), rw_null(&f), yf);
        rw_quantize(&f, yf, 0.5, equal ? 3 : 2, y);
        rw_output(&f, y);
        rw_rewrite(&f);
        assert_int_equal(f.net.call_count, equal ? 1 : 3);
        assert_int_equal(RW_ARGS(upsample_args, &f, equal ? 0 : 1)->x, equal ? x : xf);
        assert_int_equal(vkd_call_result(rw_call(&f, f.net.call_count - 1)), y);
        vkd_arena_release(&f.arena);
    }
}

/* --------------------------------------------------------------------------------------- clamps */

/* The byte clamp against the three operators that it stands for, on every int8 value. */
static void assert_same_clamp(const rewriting *f, const rw_clamp_case *c)
{
    int32_t low = RW_ARGS(q8_clamp_args, f, 0)->low, high = RW_ARGS(q8_clamp_args, f, 0)->high;
    for (int32_t i = -128; i < 128; i++) {
        int8_t q = (int8_t)i;
        float real;
        oracle_dequantize(&q, 1, c->q, &real);
        oracle_clamp(&real, 1, c->low, c->high, &real);
        int32_t clamped = i < low ? low : i;
        clamped = clamped > high ? high : clamped;
        if (clamped != oracle_quantize_one(real, c->q))
            fail_msg("%s of %d to %g..%g with scale %g, zero %d: %d, expected %d", c->name, i,
                     (double)c->low, (double)c->high, (double)c->q.scale, c->q.zero, clamped,
                     oracle_quantize_one(real, c->q));
    }
}

static void test_int8_clamp_is_exact(void **state)
{
    vkd_random random = random_begin("int8 clamps");
    (void)state;
    for (int i = 0; i < 3000; i++) {
        rewriting f;
        rw_clamp_case c = {
            clamp_names[HARDTANH + i % 3],
            random_float(&random, -8, 3),
            random_float(&random, -3, 8),
            {random_float(&random, 0.0005f, 0.3f), random_range(&random, -128, 127)}};
        if (i % 7 == 0) /* halfway between two steps */
            c.low = ((float)random_range(&random, -200, 200) + 0.5f) * c.q.scale;
        if (i % 11 == 0)
            c.high = i % 2 ? INFINITY : -INFINITY;
        if (i % 3 == 1 && i % 2)
            *(i % 4 == 1 ? &c.low : &c.high) = NAN;
        if (i % 3 == 2)
            c.low = 0, c.high = NAN;
        rw_clamp_model(&f, &c, c.q.scale);
        rw_rewrite(&f);
        assert_int_equal(f.net.call_count, 1);
        assert_string_equal(rw_call(&f, 0)->name, "vkd.q8_clamp");
        assert_int_equal(RW_ARGS(q8_clamp_args, &f, 0)->x, 0);
        assert_int_equal(RW_ARGS(q8_clamp_args, &f, 0)->y, f.outputs[0]);
        assert_same_clamp(&f, &c);
        vkd_arena_release(&f.arena);
    }
}

static void test_other_clamps_stay(void **state)
{
    rewriting f;
    (void)state;
    const rw_clamp_case c = {"aten.hardtanh.default", 0, 6, {0.5f, 3}};
    rw_clamp_model(&f, &c, 0.25); /* other parameters: two roundings */
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);

    rw_clamp_model(&f, &c, 0.5);
    rw_output(&f, 2); /* the clamped floats are wanted too */
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);

    /* its reciprocal overflows */
    const rw_clamp_case tiny = {"aten.hardtanh.default", 0, 6, {1e-39f, 3}};
    rw_clamp_model(&f, &tiny, (double)1e-39f);
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);

    for (int bound = 1; bound <= 2; bound++) { /* a NaN has no place among the bytes, neither has 0
                                                  times an infinite reciprocal */
        rw_clamp_model(&f, &c, 0.5);
        f.values[f.args[1][bound]] = (vkd_model_value){.kind = VKD_VALUE_DOUBLE, .d = NAN};
        rw_rewrite(&f);
        assert_int_equal(f.net.call_count, 3);
        vkd_arena_release(&f.arena);
    }
    const rw_clamp_case tiniest = {"aten.clamp.default", 0, NAN, {1e-40f, 3}};
    rw_clamp_model(&f, &tiniest, (double)1e-40f);
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);

    rw_clamp_model(&f, &c, 0.5);
    f.values[f.args[1][1]].kind = VKD_VALUE_SYMINT; /* no bound that we know */
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);
}

/* The floats have another reader: the dequantize stays for it. */
static void test_shared_dequantize_stays(void **state)
{
    rewriting f;
    (void)state;
    const rw_clamp_case c = {"aten.hardtanh.default", 0, 6, {0.5f, 3}};
    rw_clamp_model(&f, &c, 0.5);
    rw_output(&f, 1);
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    assert_string_equal(rw_call(&f, 1)->name, "vkd.q8_clamp");
    vkd_arena_release(&f.arena);
}

/* -------------------------------------------------------------------------------- concatenation */

/* dequantize twice -> cat -> quantize */
static void cat_model(rewriting *f, double a_scale, double y_scale, bool floats_wanted)
{
    static uint32_t parts[2];
    rw_begin(f);
    uint32_t a = rw_tensor4(f, VKD_DTYPE_INT8, 4), b = rw_tensor4(f, VKD_DTYPE_INT8, 4),
             yf = rw_tensor4(f, VKD_DTYPE_FLOAT32, 4);
    uint32_t y = rw_tensor4(f, VKD_DTYPE_INT8, 4);
    parts[0] = rw_tensor4(f, VKD_DTYPE_FLOAT32, 4), parts[1] = rw_tensor4(f, VKD_DTYPE_FLOAT32, 4);
    uint32_t list = rw_value(
        f, (vkd_model_value){.kind = VKD_VALUE_VALUE_LIST, .list = {.count = 2, .values = parts}});
    rw_dequantize(f, a, a_scale, 3, parts[0]);
    rw_dequantize(f, b, 0.5, 3, parts[1]);
    RW_OP(f, "aten.cat.default", list, rw_int(f, 1), yf);
    rw_quantize(f, yf, y_scale, 3, y);
    rw_output(f, y);
    if (floats_wanted)
        rw_output(f, parts[1]);
    rw_rewrite(f);
}

static void test_int8_cat(void **state)
{
    rewriting f;
    (void)state;
    cat_model(&f, 0.5, 0.5, false);
    assert_int_equal(f.net.call_count, 1);
    assert_string_equal(rw_call(&f, 0)->name, "aten.cat.default");
    const cat_args *cat = RW_ARGS(cat_args, &f, 0);
    assert_int_equal(cat->parts.count, 2);
    assert_int_equal(cat->parts.values[0], 0);
    assert_int_equal(cat->parts.values[1], 1);
    assert_int_equal(cat->y, f.outputs[0]);
    vkd_arena_release(&f.arena);

    for (int kind = 0; kind < 2; kind++) { /* a part with other parameters, and both: by tables */
        cat_model(&f, kind ? 0.5 : 0.25, kind ? 0.25 : 0.5, false);
        assert_int_equal(f.net.call_count, 1);
        cat = RW_ARGS(cat_args, &f, 0);
        for (uint32_t i = 0; i < 2; i++) {
            assert_int_equal(cat->parts.values[i], i);
            assert_true(cat->tables[i]->y_scale.scale == (kind ? 0.25f : 0.5f));
        }
        assert_int_equal(vkd_chain_byte(cat->tables[0], 7), kind ? 11 : 5);
        assert_int_equal(vkd_chain_byte(cat->tables[1], 7), kind ? 11 : 7);
        vkd_arena_release(&f.arena);
    }
    cat_model(&f, 0.5, 0.5, true); /* the floats of one part are wanted too */
    assert_int_equal(f.net.call_count, 2);
    vkd_arena_release(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_int8_max_pool),
        cmocka_unit_test(test_max_pool_before_dequantize),
        cmocka_unit_test(test_int8_mean_through_view),
        cmocka_unit_test(test_int8_mean_takes_a_clamp),
        cmocka_unit_test(test_int8_mean_leaves_odd_clamps),
        cmocka_unit_test(test_int8_upsampling),
        cmocka_unit_test(test_int8_clamp_is_exact),
        cmocka_unit_test(test_other_clamps_stay),
        cmocka_unit_test(test_shared_dequantize_stays),
        cmocka_unit_test(test_int8_cat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
