#include "support/small_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

void small_fixture_begin(small_fixture *f, bool named)
{
    gpu_needed();
    small_begin(&f->model, named, NULL);
    f->options = watch_begin(&f->watch);
    f->delegate = NULL;
}

void small_fixture_begin_ready(small_fixture *f)
{
    small_fixture_begin(f, false);
    if (small_init(&f->model, &f->options, &f->delegate) != VKD_OK)
        fail_msg("%s", f->watch.error);
}

void small_fixture_end(small_fixture *f)
{
    vkd_destroy(f->delegate);
    small_end(&f->model);
    watch_end(&f->watch);
}
