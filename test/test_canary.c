/* Operators that read or write where an index says, which may say anything: nothing outside of the
 * tensors is read or written. The table's indices are out of range now and then. */
#include "table_families.h"
#include "support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const table_family *const families[] = {TABLE_FAMILIES};
enum { FAMILIES = sizeof families / sizeof *families };

/* Names of those that take places from a tensor or a symbol. */
static const char *const by_index[] = {
    "gather",       "index",     "embedding",    "scatter", "grid_sampler", "fused_ce",
    "update_cache", "sdpa",      "rotary_emb",   "select",  "slice",        "sort",
    "topk",         "masked_fi", "repeat_inter", "roll",    "flip",         "max_pool2d"};

static bool goes_by_index(const char *name)
{
    for (size_t i = 0; i < sizeof by_index / sizeof *by_index; i++)
        if (strstr(name, by_index[i]))
            return true;
    return false;
}

static void check(harness *h, vkd_random *random, const table_case *row, table_watch watch,
                  int draws)
{
    const table_device on = {&h->gpu.context, h->gpu.device, &h->caps, watch};
    for (int i = 0; i < draws; i++) {
        table_outcome outcome;
        table_try(&on, random, row, &outcome);
        if (!outcome.right)
            fail_msg("%s\n  %s", outcome.what, outcome.why);
    }
}

/* Rows by an index some times, all others once. VKD_TEST_ROW, VKD_TEST_DRAWS: as of the table. */
static void watch_rows(harness *h, table_watch watch, const char *what, bool all)
{
    const char *only = getenv("VKD_TEST_ROW"), *text = getenv("VKD_TEST_DRAWS");
    const int draws = text ? atoi(text) : 6;
    vkd_random random = random_begin(what);
    for (size_t f = 0; f < FAMILIES; f++)
        for (size_t i = 0; i < families[f]->count; i++) {
            const table_case *row = &families[f]->cases[i];
            const bool by = goes_by_index(row->name);
            if ((by || all) && (!only || strstr(row->name, only)))
                check(h, &random, row, watch, by ? draws : 1);
        }
}

static void canaries_live(void **state)
{
    watch_rows(harness_get(state), TABLE_CANARIES, "canaries_live", true);
}

/* Every instruction, with the bounds of what it reads as well. */
static void bounds_hold(void **state)
{
    harness *h = harness_get(state);
    h->caps.matrix_f16 = h->caps.matrix_int8 = false; /* their kernels are not interpreted */
    watch_rows(h, TABLE_INTERPRETED, "bounds_hold", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(canaries_live),
                                       cmocka_unit_test(bounds_hold)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
