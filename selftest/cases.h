/* What is tested: the rows of the operators' table, and every variant of the convolutions in every
 * flavour of int8 kernels. */
#ifndef VKD_SELFTEST_CASES_H
#define VKD_SELFTEST_CASES_H

#include "table.h"

typedef struct selftest_case {
    table_case table;
    vkd_int8_dot dot; /* VKD_DOT_AUTO: the device's own */
} selftest_case;

/* Those whose name or variant contains `only`, all where it is null; by flavour, so that a device
 * is opened once for each. Null without memory; free it. */
selftest_case *selftest_cases(const char *only, size_t *out_count);

#endif
