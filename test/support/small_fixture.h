/* The small model, initialised, on a device that is needed. */
#ifndef VKD_TEST_SUPPORT_SMALL_FIXTURE_H
#define VKD_TEST_SUPPORT_SMALL_FIXTURE_H

#include "support/faulty.h"
#include "support/gpu.h"
#include "support/small_model.h"

typedef struct small_fixture {
    watch watch;
    small_model model;
    vkd_options options;
    vkd_delegate *delegate;
} small_fixture;

/* Everything but the delegate. named: its constants are named data. */
void small_fixture_begin(small_fixture *f, bool named);
/* And the delegate, with inline constants. */
void small_fixture_begin_ready(small_fixture *f);
void small_fixture_end(small_fixture *f);

#endif
