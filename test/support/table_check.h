/* A case of the table test as a test. */
#ifndef VKD_TEST_SUPPORT_TABLE_CHECK_H
#define VKD_TEST_SUPPORT_TABLE_CHECK_H

#include "support/harness.h"
#include "table.h"

/* table_try on the harness's device; fails the test for results that are not what is expected. */
table_outcome table_check(harness *h, vkd_random *random, const table_case *row);

#endif
