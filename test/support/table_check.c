#include "support/table_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

table_outcome table_check(harness *h, vkd_random *random, const table_case *row)
{
    const table_device on = {&h->gpu.context, h->gpu.device, &h->caps};
    table_outcome outcome;
    table_try(&on, random, row, &outcome);
    if (!outcome.right)
        fail_msg("%s\n  %s", outcome.what, outcome.why);
    return outcome;
}
