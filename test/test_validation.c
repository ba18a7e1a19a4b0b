/* Whether the Vulkan validation layer is there: without it the other tests run all the same, and
 * this one says so. */
#include "support/gpu.h"
#include "support/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void the_layer_is_there(void **state)
{
    gpu *g = *state;
    gpu_needed();
    assert_int_equal(gpu_open(g), VKD_OK);
    bool validated = g->options.validate;
    gpu_close(g);
    if (!validated)
        test_skip("the validation layer is not installed (Debian package vulkan-validationlayers): "
                  "nothing is validated");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_layer_is_there, gpu_setup, gpu_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
