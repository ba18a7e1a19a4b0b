#include "support/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static bool skipped;

void test_skip(const char *why)
{
    skipped = true;
    print_message("skipped: %s\n", why);
    skip();
}

/* In front of what cmocka_run_group_tests stands for, by the linker's --wrap. */
int __real__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction set_up, CMFixtureFunction tear_down);
int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction set_up, CMFixtureFunction tear_down);

int __wrap__cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
    int failed = __real__cmocka_run_group_tests(name, tests, count, set_up, tear_down);
    return failed || !skipped ? failed : TEST_SKIPPED;
}
