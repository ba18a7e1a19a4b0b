/* Every row of vkd_ops against its oracle: table.h. */
#include "table_families.h"
#include "ops/lower.h"
#include "support/fake_caps.h"
#include "support/lowering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const table_family *const families[] = {TABLE_FAMILIES};
enum { FAMILIES = sizeof families / sizeof *families, ROWS = 1024 };

/* Rows without a case. It must become empty. */
static const char *const not_yet[] = {
    "llama.update_cache.default",
    "et_vk.q8ta_add.default",
    "et_vk.q8ta_conv2d.default",
    "et_vk.q8ta_conv2d_dw.default",
    "et_vk.q8ta_conv2d_general.default",
    "et_vk.q8ta_conv2d_im2col.default",
    "et_vk.q8ta_conv2d_pw.default",
    "et_vk.q8ta_conv2d_transposed.default",
    "et_vk.q8ta_linear.default",
    "et_vk.q8ta_linear_gemv.default",
    "et_vk.q8ta_pixel_shuffle.default",
    "et_vk.q8ta_relu.default",
    "quantized_decomposed.dequantize_per_tensor.default",
    "quantized_decomposed.quantize_per_tensor.default",
};
enum { NOT_YET = sizeof not_yet / sizeof *not_yet };

static bool is_not_yet(const char *name)
{
    for (size_t i = 0; i < NOT_YET; i++)
        if (!strcmp(name, not_yet[i]))
            return true;
    return false;
}

typedef struct coverage {
    size_t count;
    const vkd_op *rows[ROWS];
} coverage;

static bool covers(const coverage *covered, const vkd_op *row)
{
    for (size_t i = 0; i < covered->count; i++)
        if (covered->rows[i] == row)
            return true;
    return false;
}

static void check_case(harness *h, vkd_random *random, const table_case *row, coverage *covered)
{
    const char *text = getenv("VKD_TEST_DRAWS");
    int draws = text ? atoi(text) : 4;
    for (int i = 0; i < draws; i++) {
        const vkd_op *bound = table_check(h, random, row);
        if (!covers(covered, bound)) {
            assert_true(covered->count < ROWS);
            covered->rows[covered->count++] = bound;
        }
    }
}

/* Rows with neither a case nor an excuse, or with both. */
static size_t count_missing(const coverage *covered)
{
    size_t missing = 0;
    for (size_t f = 0; f < vkd_ops.count; f++)
        for (size_t i = 0; i < vkd_ops.tables[f]->count; i++) {
            const vkd_op *row = &vkd_ops.tables[f]->rows[i];
            bool excused = is_not_yet(row->name);
            if (row->internal || excused != covers(covered, row))
                continue;
            print_error(excused ? "%s has a case: it is no longer \"not yet\"\n" : "%s has no case\n", row->name);
            missing++;
        }
    return missing;
}

/* VKD_TEST_ROW: cases whose names contain it, and no look at what is missing. */
static void rows(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("table");
    const char *only = getenv("VKD_TEST_ROW");
    coverage covered = {0};
    for (size_t f = 0; f < FAMILIES; f++)
        for (size_t i = 0; i < families[f]->count; i++)
            if (!only || strstr(families[f]->cases[i].name, only))
                check_case(h, &random, &families[f]->cases[i], &covered);
    for (size_t i = 0; i < NOT_YET; i++)
        print_message("not yet: %s\n", not_yet[i]);
    size_t missing = only ? 0 : count_missing(&covered);
    if (missing)
        fail_msg("%zu rows without a case, or with one and on the list of those without", missing);
}

/* Needs no device. */
static void odd_arguments(void **state)
{
    (void)state;
    vkd_random random = random_begin("odd arguments");
    const char *only = getenv("VKD_TEST_ROW");
    const vkd_caps caps = fake_caps(FAKE_LLVMPIPE);
    vkd_context context;
    size_t refused = 0, tried = 0;
    vkd_context_init(&context, &(vkd_options){.log = lowering_keep_quiet});
    for (size_t f = 0; f < FAMILIES; f++)
        for (size_t i = 0; i < families[f]->count; i++)
            for (int n = 0; n < 40 && (!only || strstr(families[f]->cases[i].name, only)); n++, tried++)
                refused += table_spoil(&context, &caps, &random, &families[f]->cases[i]);
    assert_int_equal(context.host_bytes, 0);
    print_message("%zu of %zu refused\n", refused, tried);
    assert_true(only || (refused > tried / 2 && refused < tried));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(odd_arguments), cmocka_unit_test(rows)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
