/* Every row of vkd_ops against its oracle: table.h. */
#include "table_families.h"
#include "ops/lower.h"
#include "support/fake_caps.h"
#include "support/lowering.h"
#include "support/table_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const table_family *const families[] = {TABLE_FAMILIES};
enum { FAMILIES = sizeof families / sizeof *families, ROWS = 1024 };

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

static void check_case(harness *h, vkd_random *random, const table_case *row, int normally,
                       coverage *covered)
{
    const char *text = getenv("VKD_TEST_DRAWS");
    int draws = text ? atoi(text) : normally;
    for (int i = 0; i < draws; i++) {
        h->checks_kernels = i == 0; /* no false alarms of the self-check */
        const vkd_op *bound = table_check(h, random, row).row;
        if (!covers(covered, bound)) {
            assert_true(covered->count < ROWS);
            covered->rows[covered->count++] = bound;
        }
    }
}

static size_t count_missing(const coverage *covered)
{
    size_t missing = 0;
    for (size_t f = 0; f < vkd_ops.count; f++)
        for (size_t i = 0; i < vkd_ops.tables[f]->count; i++) {
            const vkd_op *row = &vkd_ops.tables[f]->rows[i];
            if (row->internal || covers(covered, row))
                continue;
            print_error("%s has no case\n", row->name);
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
                check_case(h, &random, &families[f]->cases[i], 4, &covered);
    size_t missing = only ? 0 : count_missing(&covered);
    if (missing)
        fail_msg("%zu rows have no case", missing);
}

/* As for a GPU, where invocations share sums, and other kernels are chosen. */
static void as_for_a_gpu(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("table, as for a GPU");
    const vkd_device_type own = h->caps.type;
    const char *only = getenv("VKD_TEST_ROW");
    coverage covered = {0};
    h->caps.type = VKD_TYPE_DISCRETE;
    for (size_t f = 0; f < FAMILIES; f++)
        for (size_t i = 0; i < families[f]->count; i++)
            if (!only || strstr(families[f]->cases[i].name, only))
                check_case(h, &random, &families[f]->cases[i], 2, &covered);
    h->caps.type = own;
}

static bool has_name(const char *text, const char *name)
{
    const size_t length = strlen(name);
    return !strncmp(text, name, length) && text[length] == ')';
}

/* Whether "argument 2 (dim) " in a message is what a row of this name calls its argument 2. */
static bool is_argument(const char *name, size_t index, const char *argument)
{
    for (size_t f = 0; f < vkd_ops.count; f++)
        for (size_t i = 0; i < vkd_ops.tables[f]->count; i++) {
            const vkd_op *row = &vkd_ops.tables[f]->rows[i];
            size_t count = 0;
            while (row->params[count].kind != VKD_PARAM_END)
                count++;
            if (!strcmp(row->name, name) && index < count &&
                has_name(argument, row->params[index].name))
                return true;
        }
    return false;
}

/* A message says which operator, which argument by its name in the schema, and what was expected.
 */
static bool says_enough(const char *message, const char *name)
{
    const char *op = strstr(message, "operator '"), *at = strstr(message, ": argument ");
    char *argument;
    if (!op || strncmp(op + 10, name, strlen(name)) != 0)
        return false;
    if (strstr(message, " arguments, expected "))
        return true;
    if (!at || !strstr(message, "expected"))
        return false;
    const size_t index = strtoul(at + strlen(": argument "), &argument, 10);
    return !strncmp(argument, " (", 2) && is_argument(name, index, argument + 2);
}

static bool is_refused(vkd_context *context, const vkd_caps *caps, vkd_random *random,
                       const table_case *row)
{
    char what[TABLE_SPOILT];
    vkd_status status = table_spoil(context, caps, random, row, what);
    if (status != VKD_OK && !says_enough(context->error, row->name))
        fail_msg("status %d, '%s'\n  of %s", status, context->error, what);
    return status != VKD_OK;
}

/* Needs no device. */
static void odd_arguments(void **state)
{
    (void)state;
    vkd_random random = random_begin("odd arguments");
    const char *only = getenv("VKD_TEST_ROW"), *text = getenv("VKD_TEST_DRAWS");
    const int draws = 25 * (text ? atoi(text) : 4);
    const vkd_caps caps = fake_caps(FAKE_LLVMPIPE);
    vkd_context context;
    size_t refused = 0, tried = 0;
    vkd_context_init(&context, &(vkd_options){.log = lowering_keep_quiet});
    for (size_t f = 0; f < FAMILIES; f++)
        for (size_t i = 0; i < families[f]->count; i++)
            for (int n = 0; n < draws && (!only || strstr(families[f]->cases[i].name, only));
                 n++, tried++)
                refused += is_refused(&context, &caps, &random, &families[f]->cases[i]);
    assert_int_equal(context.host_bytes, 0);
    print_message("%zu of %zu refused\n", refused, tried);
    assert_true(only || (refused > tried / 2 && refused < tried));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(odd_arguments), cmocka_unit_test(rows),
                                       cmocka_unit_test(as_for_a_gpu)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
