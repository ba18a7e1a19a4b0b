/* Convolutions of floats on a device, every variant, against the table test's oracle in double precision. */
#include "ops/conv.h"
#include "table_families.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* Draws that a variant cannot run fall to another one and must be right all the same. Returns how many it did run. */
static size_t check_variant(harness *h, vkd_random *random, const char *variant, int draws)
{
    size_t ran = 0;
    for (int i = 0; i < draws; i++) {
        table_case row = table_conv.cases[(size_t)i % table_conv.count];
        row.variant = variant;
        row.ran = &ran;
        (void)table_check(h, random, &row);
    }
    return ran;
}

static int draws_of(int normally)
{
    const char *text = getenv("VKD_TEST_SWEEP");
    return text ? atoi(text) : normally;
}

static void every_variant(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("convolutions of floats");
    const int draws = draws_of(30);
    for (size_t v = 0; v < conv2d_float_variant_count; v++) {
        size_t ran = check_variant(h, &random, conv2d_float_variants[v].name, draws);
        print_message("%s: %zu of %d draws\n", conv2d_float_variants[v].name, ran, draws);
        assert_true(ran > 0 || draws < 30 || h->caps.type != VKD_TYPE_CPU);
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
    h->caps = own;
    h->caps.max_workgroup_count[1] = 3;
    for (size_t v = 0; v < conv2d_float_variant_count; v++)
        check_variant(h, &random, conv2d_float_variants[v].name, draws_of(30) / 4);
    h->caps = own;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_variant), cmocka_unit_test(as_other_devices)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
