/* Convolutions of floats on a device, every variant, against the table test's oracle in double
 * precision. */
#include "ops/conv/float.h"
#include "runtime/base/element.h"
#include "shaders/binary_params.h"
#include "shaders/chain_params.h"
#include "support/table_check.h"
#include "support/trials.h"
#include "table_families.h"

#include <setjmp.h>
#include <stdarg.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Draws that a variant cannot run fall to another one and must be right all the same. Returns how
 * many it did run. */
static size_t check_variant(harness *h, vkd_random *random, const char *variant, int draws)
{
    size_t ran = 0;
    for (int i = 0; i < draws; i++) {
        table_case row = table_conv.cases[(size_t)i % table_conv.count];
        row.variant = variant;
        h->checks_kernels = i < 2; /* no false alarms of the self-check */
        ran += table_check(h, random, &row).ran_variant;
    }
    h->checks_kernels = false;
    return ran;
}

static int draws_of(int normally)
{
    const char *text = getenv("VKD_TEST_SWEEP");
    return text ? atoi(text) : normally;
}

/* Whether a device may be without a variant. */
static bool is_special(const conv2d_variant *variant, const vkd_caps *caps)
{
    if (variant->tile && variant->tile->kind == GEMM_MATRIX)
        return !caps->matrix_f16;
    const bool large = variant->tile && variant->tile->m > 32;
    return large == (caps->type == VKD_TYPE_CPU);
}

static void every_variant(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("convolutions of floats");
    const int draws = draws_of(30);
    for (size_t v = 0; v < vkd_conv2d_float_variant_count; v++) {
        size_t ran = check_variant(h, &random, vkd_conv2d_float_variants[v].name, draws);
        print_message("%s: %zu of %d draws\n", vkd_conv2d_float_variants[v].name, ran, draws);
        assert_true(ran > 0 || draws < 30 || is_special(&vkd_conv2d_float_variants[v], &h->caps));
    }
}

/* As for a GPU, whose work is sliced along k, and with a grid so narrow that rows are folded. */
static void as_other_devices(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("convolutions of floats as for other devices");
    const vkd_caps own = h->caps;
    h->caps.type = VKD_TYPE_DISCRETE;
    check_variant(h, &random, "implicit 4x4", draws_of(30) / 2);
    check_variant(h, &random, "implicit 8x8", draws_of(30) / 2);
    check_variant(h, &random, "implicit block 64x64", draws_of(30) / 10);
    check_variant(h, &random, "pointwise vector 1x4", draws_of(30) / 2);
    check_variant(h, &random, "pointwise vector 4x4", draws_of(30) / 2);
    h->caps = own;
    h->caps.max_workgroup_count[1] = 3;
    for (size_t v = 0; v < vkd_conv2d_float_variant_count; v++)
        check_variant(h, &random, vkd_conv2d_float_variants[v].name, draws_of(30) / 4);
    h->caps = own;
}

/* ----------------------------------------------------------------------------------- self-check */

static void check_trial(harness *h, const conv2d_problem *problem, bool bias)
{
    const conv2d conv = {.problem = *problem,
                         .real = {.bias = bias ? 0 : VKD_NO_TENSOR, .low = -1000, .high = 1000},
                         .residual = VKD_NO_TENSOR};
    for (size_t v = 0; v < vkd_conv2d_float_variant_count; v++) {
        const conv2d_variant *variant = &vkd_conv2d_float_variants[v];
        if (variant->refuses(problem, &h->caps, variant->tile))
            continue;
        vkd_arena arena;
        conv2d_trial trial;
        vkd_arena_init(&arena, &h->gpu.context);
        assert_int_equal(vkd_conv2d_trial_make(&arena, &conv, &trial), VKD_OK);
        void *y = trial_run(h, &arena, &trial, variant, NULL);
        if (!vkd_conv2d_trial_check(&trial, y))
            fail_msg("%s does not pass its self-check", variant->name);
        assert_true(trial_passes_when_off(&trial, y, problem->dtype,
                                          problem->dtype == VKD_DTYPE_FLOAT16 ? 0 : 1e-6));
        assert_false(trial_passes_when_off(&trial, y, problem->dtype, 0.05));
        assert_false(trial_passes_when_off(&trial, y, problem->dtype, -0.05));
        assert_false(trial_passes_when_off(&trial, y, problem->dtype, NAN));
        assert_false(trial_passes_when_off(&trial, y, problem->dtype, INFINITY));
        vkd_arena_release(&arena);
    }
}

/* A layer that opens a gate, of rows that are normalised first: each variant's trial has all of it,
 * in one dispatch or in three. */
static void check_gated(harness *h, vkd_dtype dtype, uint32_t rows)
{
    static uint16_t other[40 * 24 * 2]; /* halves, or floats of as many bytes */
    const conv2d_problem p = conv2d_of_rows(rows, 40, 24, dtype);
    for (size_t i = 0; i < (size_t)p.in_c * p.out_c; i++)
        vkd_element_set(dtype, other, i, (double)vkd_conv2d_trial_number(99, i));
    const conv2d conv = {
        .problem = p,
        .real = {.bias = VKD_NO_TENSOR,
                 .low = -INFINITY,
                 .high = INFINITY,
                 .has_norm = true,
                 .norm_eps = 1e-5f,
                 .other = {other, (size_t)p.in_c * p.out_c * vkd_dtype_size(dtype)},
                 .epilogue = {.step_count = 1,
                              .steps = {{.function = CHAIN_BINARY + BINARY_MUL,
                                         .a = EPILOGUE_SUM,
                                         .b = EPILOGUE_RESIDUAL}},
                              .has_residual = true}},
        .residual = VKD_NO_TENSOR};
    for (size_t v = 0; v < vkd_conv2d_float_variant_count; v++) {
        const conv2d_variant *variant = &vkd_conv2d_float_variants[v];
        if (variant->refuses(&p, &h->caps, variant->tile))
            continue;
        vkd_arena arena;
        conv2d_trial trial;
        vkd_graph graph;
        vkd_tensor_id y;
        vkd_arena_init(&arena, &h->gpu.context);
        vkd_graph_init(&graph, &arena);
        assert_int_equal(vkd_conv2d_trial_make(&arena, &conv, &trial), VKD_OK);
        assert_int_equal(vkd_conv2d_trial_lower(&trial, &h->caps, variant, &graph, &y), VKD_OK);
        assert_int_equal(graph.node_count, vkd_conv2d_float_norms(variant, &h->caps) ? 1 : 3);
        void *bytes = trial_run(h, &arena, &trial, variant, NULL);
        if (!vkd_conv2d_trial_check(&trial, bytes))
            fail_msg("%s does not pass its self-check with a norm and a gate", variant->name);
        assert_false(trial_passes_when_off(&trial, bytes, dtype, 3));
        assert_false(trial_passes_when_off(&trial, bytes, dtype, NAN));
        vkd_arena_release(&arena);
    }
}

/* The self-check lets right results pass and wrong ones not; in the padding of its operands'
 * channels are NaNs. */
static void self_check(void **state)
{
    harness *h = harness_get(state);
    conv2d_problem p = {.n = 2,
                        .in_c = 13,
                        .in_h = 9,
                        .in_w = 7,
                        .out_c = 10,
                        .out_h = 9,
                        .out_w = 7,
                        .kernel = {3, 3},
                        .stride = {1, 1},
                        .padding = {1, 1},
                        .dilation = {1, 1},
                        .groups = 1};
    for (int i = 0; i < 4; i++) {
        p.dtype = i % 2 ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32;
        p.transposed = i >= 2;
        check_trial(h, &p, i < 2);
    }
    p.transposed = 0;
    p.out_c = p.groups = p.in_c;
    check_trial(h, &p, true);
    /* As for a GPU: in slices of k. */
    const vkd_caps own = h->caps;
    h->caps.type = VKD_TYPE_DISCRETE;
    p.groups = 1;
    p.in_c = 297;
    check_trial(h, &p, false);
    for (uint32_t rows = 1; rows < 8; rows += 3) {
        check_gated(h, VKD_DTYPE_FLOAT32, rows);
        check_gated(h, VKD_DTYPE_FLOAT16, rows);
    }
    h->caps = own;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_variant),
                                       cmocka_unit_test(as_other_devices),
                                       cmocka_unit_test(self_check)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
