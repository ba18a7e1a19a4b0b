/* Linear layers of integer weights by every variant, against the table test's oracle, and their
 * self-check; which variant is chosen. */
#include "ops/gemm/low_bit.h"
#include "runtime/base/element.h"
#include "shaders/binary_params.h"
#include "shaders/chain_params.h"
#include "shaders/qlinear_params.h"
#include "support/refusals.h"
#include "support/table_check.h"
#include "support/trials.h"
#include "table_families.h"

#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---------------------------------------------------------------------------------------- sweep */

/* Draws that a variant cannot run fall to another one and must be right all the same. */
static size_t check_variant(harness *h, vkd_random *random, const char *variant, int draws)
{
    size_t ran = 0;
    for (size_t i = 0; i < table_quantized_linear.count; i++) {
        table_case row = table_quantized_linear.cases[i];
        row.variant = variant;
        for (int d = 0;
             strstr(row.name, "linear_q") || strstr(row.name, "int8pack") ? d < draws : 0; d++)
            ran += table_check(h, random, &row).ran_variant;
    }
    return ran;
}

static void every_variant(void **state)
{
    static const vkd_device_type types[] = {VKD_TYPE_CPU, VKD_TYPE_DISCRETE, VKD_TYPE_INTEGRATED};
    harness *h = harness_get(state);
    vkd_random random = random_begin("low-bit layers");
    const vkd_device_type own = h->caps.type;
    for (size_t v = 0; v < vkd_conv2d_low_variant_count; v++) {
        const conv2d_variant *variant = &vkd_conv2d_low_variants[v];
        size_t ran = 0;
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            h->caps.type = types[i];
            ran += check_variant(h, &random, variant->name, 4);
        }
        print_message("%s: ran %zu times\n", variant->name, ran);
        assert_true(ran > 0);
    }
    h->caps.type = own;
}

/* ----------------------------------------------------------------------------------- self-check */

typedef struct layer {
    conv2d_problem problem;
    conv2d_low low;
    conv2d conv;
    unsigned char *bytes[2];
    float *scales[2], *bias, *norm;
} layer;

static float *draw_floats(vkd_random *random, size_t count, float low, float high)
{
    float *numbers = calloc(count, sizeof *numbers);
    assert_non_null(numbers);
    random_floats(random, low, high, numbers, count);
    return numbers;
}

static vkd_content content(const void *data, size_t size) { return (vkd_content){data, size}; }

static void make_operands(layer *l, vkd_random *random, int which)
{
    const conv2d_problem *p = &l->problem;
    const uint32_t groups = p->in_c / p->low_group;
    const size_t size = (size_t)p->out_c * l->low.weights.row;
    l->bytes[which] = calloc(size, 1);
    assert_non_null(l->bytes[which]);
    random_int8(random, (int8_t *)l->bytes[which], size);
    l->scales[which] = draw_floats(random, (size_t)groups * p->out_c, 0.01f, 0.05f);
    l->low.weights.bytes[which] = content(l->bytes[which], size);
    l->low.channels.scales[which] = content(l->scales[which], 4ul * groups * p->out_c);
    l->low.channels.scale_type[which] = VKD_DTYPE_FLOAT32;
    l->low.channels.row[which] = p->out_c;
}

/* Of so many rows and k; gated: with a second layer, whose result the first one is multiplied by,
 * and a norm of x. */
static void make_layer(layer *l, vkd_random *random, const uint32_t sizes[2], vkd_dtype dtype,
                       uint32_t mode, uint32_t bits, bool gated)
{
    const uint32_t m = sizes[0], k = sizes[1], n = 20;
    memset(l, 0, sizeof *l);
    l->problem = conv2d_of_rows(m, k, n, dtype);
    l->problem.low_bits = bits;
    l->problem.low_group = mode == VKD_QLINEAR_STATIC ? k : 32;
    l->problem.low_mode = mode;
    l->low = (conv2d_low){
        .weights = {.form = bits == 8 ? LOW_BIT_BYTES : LOW_BIT_LOW,
                    .n = n,
                    .k = k,
                    .row = bits == 8 ? k : k / 2,
                    .steps = k * bits / 32,
                    .bits = bits},
        .channels = {.groups = k / l->problem.low_group, .n = n, .k = k},
        .mode = mode,
        .group = l->problem.low_group,
        .x_scale = 1 / 64.0f,
        .x_zero = 3,
        .pairs = VKD_NO_TENSOR,
        .y_type = dtype == VKD_DTYPE_FLOAT16 ? dtype : VKD_DTYPE_FLOAT32,
    };
    make_operands(l, random, 0);
    if (gated) {
        make_operands(l, random, 1);
        l->norm = draw_floats(random, k, 0.5f, 1.5f);
        l->low.channels.norm = content(l->norm, 4ul * k);
        l->low.channels.norm_type = VKD_DTYPE_FLOAT32;
        l->low.eps = 1e-5f;
        l->low.epilogue = (vkd_epilogue){.step_count = 1,
                                         .steps = {{.function = CHAIN_BINARY + BINARY_MUL,
                                                    .a = EPILOGUE_SUM,
                                                    .b = EPILOGUE_RESIDUAL}},
                                         .has_residual = true};
    } else {
        l->bias = draw_floats(random, n, -1, 1);
        l->low.channels.bias[0] = content(l->bias, 4ul * n);
        l->low.channels.bias_type[0] = VKD_DTYPE_FLOAT32;
    }
    l->conv = (conv2d){.problem = l->problem,
                       .low = &l->low,
                       .channels = VKD_NO_TENSOR,
                       .residual = VKD_NO_TENSOR};
}

static void release_layer(layer *l)
{
    for (int i = 0; i < 2; i++) {
        free(l->bytes[i]);
        free(l->scales[i]);
    }
    free(l->bias);
    free(l->norm);
}

static void check_trial(harness *h, const layer *l)
{
    for (size_t v = 0; v < vkd_conv2d_low_variant_count; v++) {
        const conv2d_variant *variant = &vkd_conv2d_low_variants[v];
        const bool takes = vkd_low_bit_takes(variant, &l->problem, &h->caps),
                   gated = l->low.weights.bytes[1].data;
        if (variant->refuses(&l->problem, &h->caps, variant->tile))
            continue;
        vkd_arena arena;
        conv2d_trial trial;
        size_t dispatches;
        vkd_arena_init(&arena, &h->gpu.context);
        assert_int_equal(vkd_conv2d_trial_make(&arena, &l->conv, &trial), VKD_OK);
        void *y = trial_run(h, &arena, &trial, variant, &dispatches);
        /* a norm and a gate are part of what is timed, as they are of what it costs */
        assert_int_equal(dispatches, gated && !takes ? 3 : 1);
        if (!vkd_conv2d_trial_check(&trial, y))
            fail_msg("%s does not pass its self-check", variant->name);
        assert_true(trial_passes_when_off(&trial, y, trial.low.y_type, 0));
        assert_false(
            trial_passes_when_off(&trial, y, trial.low.y_type, l->problem.in_c < 100 ? 3 : 1e4));
        assert_false(trial_passes_when_off(&trial, y, trial.low.y_type, NAN));
        assert_false(trial_passes_when_off(&trial, y, trial.low.y_type, INFINITY));
        vkd_arena_release(&arena);
    }
}

static void self_check(void **state)
{
    static const struct {
        vkd_dtype dtype;
        uint32_t mode, bits;
        bool gated;
    } kinds[] = {{VKD_DTYPE_FLOAT32, VKD_QLINEAR_FLOAT, 4, false},
                 {VKD_DTYPE_FLOAT32, VKD_QLINEAR_FLOAT, 4, true},
                 {VKD_DTYPE_FLOAT16, VKD_QLINEAR_FLOAT, 8, false},
                 {VKD_DTYPE_FLOAT32, VKD_QLINEAR_FLOAT, 8, true},
                 {VKD_DTYPE_FLOAT32, VKD_QLINEAR_DYNAMIC, 4, false},
                 {VKD_DTYPE_FLOAT32, VKD_QLINEAR_STATIC, 8, false},
                 {VKD_DTYPE_INT8, VKD_QLINEAR_STATIC, 8, false}};
    static const uint32_t sizes[][2] = {{1, 96}, {1, 2080}, {3, 96}, {6, 96}, {40, 96}};
    harness *h = harness_get(state);
    vkd_random random = random_begin("self-checks of low-bit layers");
    const vkd_device_type own = h->caps.type;
    for (int discrete = 0; discrete < 2; discrete++)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                layer l;
                h->caps.type = discrete ? VKD_TYPE_DISCRETE : own;
                make_layer(&l, &random, sizes[s], kinds[i].dtype, kinds[i].mode, kinds[i].bits,
                           kinds[i].gated);
                check_trial(h, &l);
                release_layer(&l);
            }
    h->caps.type = own;
}

/* --------------------------------------------------------------------------------------- choice */

static conv2d_problem problem_of(uint32_t m, uint32_t n, uint32_t k)
{
    conv2d_problem p = conv2d_of_rows(m, k, n, VKD_DTYPE_FLOAT16);
    p.low_bits = 4;
    p.low_group = 32;
    return p;
}

static const char *chosen(fake_device device, uint32_t m, uint32_t n, uint32_t k)
{
    const vkd_caps caps = fake_caps(device);
    const conv2d_problem p = problem_of(m, n, k);
    vkd_candidate_info candidates[8];
    const char *reason;
    size_t count;
    const conv2d_variant *variants = vkd_conv2d_table(&p, &count);
    assert_true(count <= 8);
    vkd_conv2d_consider(variants, count, &p, &caps, candidates);
    const size_t winner = vkd_conv2d_choose(variants, count, candidates, NULL, &reason);
    assert_true(winner < count);
    return variants[winner].name;
}

/* One row wants another kernel than many; every device has one. */
static void choice(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1024, 1024}, {3072, 1024}, {1024, 3072}};
    for (size_t i = 0; i < 3; i++) {
        const uint32_t n = sizes[i][0], k = sizes[i][1];
        const char *vector = k > 1024 ? "low_bit wide 1x4" : "low_bit lanes 1x4";
        assert_string_equal(chosen(FAKE_H100, 1, n, k), vector);
        assert_string_equal(chosen(FAKE_ADRENO_750, 1, n, k), vector);
        assert_string_equal(chosen(FAKE_H100, 4, n, k), "low_bit lanes 4x4");
        assert_string_equal(chosen(FAKE_LLVMPIPE, 1, n, k), "low_bit 1x4");
        assert_non_null(strstr(chosen(FAKE_H100, 128, n, k), "x4"));
        assert_string_not_equal(chosen(FAKE_H100, 128, n, k), "low_bit lanes 1x4");
        assert_string_not_equal(chosen(FAKE_LLVMPIPE, 128, n, k), "low_bit 1x4");
    }
    for (int device = 0; device < FAKE_COUNT; device++)
        assert_non_null(chosen((fake_device)device, 3, 5, 40));
}

static refusal row_at(size_t i)
{
    enum { LONG = 1 << 20 };
    static const struct {
        const char *variant;
        uint32_t m, n, k;
        fake_device device;
        const char *reason;
    } rows[] = {
        {"low_bit lanes 1x4", 1, 64, 64, FAKE_H100, NULL},
        {"low_bit lanes 1x4", 1, 64, 64, FAKE_LLVMPIPE, "a CPU has enough to do with columns"},
        {"low_bit lanes 4x4", 4, 16, 8, FAKE_H100,
         "rows and columns are enough for all invocations"},
        {"low_bit lanes 4x4", 4, 16, 16, FAKE_H100, NULL},
        {"low_bit 8x4", 9, 4, 512, FAKE_LLVMPIPE, NULL},
        {"low_bit 8x4", 9, 4, LONG, FAKE_LLVMPIPE,
         "its sums are longer than the device's loops may be"},
    };
    return i < sizeof rows / sizeof *rows ? (refusal){rows[i].variant,
                                                      problem_of(rows[i].m, rows[i].n, rows[i].k),
                                                      rows[i].device,
                                                      {0},
                                                      rows[i].reason}
                                          : (refusal){.variant = NULL};
}

static void every_refusal(void **state)
{
    (void)state;
    refusals r = {.variants = vkd_conv2d_low_variants,
                  .variant_count = vkd_conv2d_low_variant_count,
                  .row = row_at};
    while (row_at(r.count).variant)
        r.count++;
    refusals_check(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(choice), cmocka_unit_test(every_refusal),
                                       cmocka_unit_test(every_variant),
                                       cmocka_unit_test(self_check)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
