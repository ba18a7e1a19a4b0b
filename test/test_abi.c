/* Structs that callers fill, as an older and a newer header have them: what is missing is zero,
 * what is not known must be. */
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* Structs of tomorrow. */
typedef struct new_options {
    vkd_options old;
    uint64_t more[2];
} new_options;
typedef struct new_arg {
    vkd_tensor_arg old;
    const void *more;
} new_arg;
typedef struct new_spec {
    vkd_compile_spec old;
    size_t more;
} new_spec;

/* Options that reach far enough to say why something fails. */
static vkd_status open_nothing(const vkd_options *options)
{
    vkd_program *program = (vkd_program *)(uintptr_t)1;
    vkd_status status = vkd_program_open("no such file.pte", options, &program);
    assert_null(program);
    return status;
}

static void sizes_of_options(void **state)
{
    static const struct {
        size_t size;
        vkd_status status;
    } rows[] = {
        {0, VKD_INVALID_ARGUMENT},
        {1, VKD_INVALID_ARGUMENT},
        {sizeof(size_t) - 1, VKD_INVALID_ARGUMENT},
        {sizeof(size_t), VKD_IO_ERROR},
        {offsetof(vkd_options, allocator), VKD_IO_ERROR},
        {sizeof(vkd_options) - 1, VKD_INVALID_ARGUMENT},
        {sizeof(vkd_options), VKD_IO_ERROR},
        {sizeof(new_options), VKD_IO_ERROR},
        {1 << 20, VKD_INVALID_ARGUMENT},
        {SIZE_MAX, VKD_INVALID_ARGUMENT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        watch w;
        new_options options = {.old = watch_begin(&w)};
        options.old.size = rows[i].size;
        vkd_status status = open_nothing(&options.old);
        if (status != rows[i].status)
            fail_msg("size %zu: %s", rows[i].size, vkd_status_name(status));
        watch_end(&w);
    }
    assert_int_equal(open_nothing(NULL), VKD_IO_ERROR);
}

static void what_is_not_known_must_be_zero(void **state)
{
    (void)state;
    watch w;
    for (size_t at = sizeof(vkd_options); at < sizeof(new_options); at++) {
        new_options options = {.old = watch_begin(&w)};
        options.old.size = sizeof options;
        ((unsigned char *)&options)[at] = 1;
        assert_int_equal(open_nothing(&options.old), VKD_INVALID_ARGUMENT);
        watch_end(&w);
    }
}

static void what_an_old_header_lacks_is_a_default(void **state)
{
    (void)state;
    gpu_needed();
    watch w;
    small_model m;
    vkd_delegate *delegate;
    small_begin(&m, false, NULL);
    vkd_options options = watch_begin(&w);
    options.size = offsetof(vkd_options, variant);
    /* belongs to someone else */
    memset((char *)&options + options.size, 0xab, sizeof options - options.size);
    if (small_init(&m, &options, &delegate) != VKD_OK)
        fail_msg("%s", w.error);
    small_check(&m, delegate);
    vkd_destroy(delegate);
    small_end(&m);
    watch_end(&w);
}

static void allocators(void **state)
{
    (void)state;
    watch w;
    for (int flaw = 0; flaw < 3; flaw++) {
        vkd_options options = watch_begin(&w);
        if (flaw == 0)
            w.allocator.size = 0;
        else
            *(flaw == 1 ? (void **)&w.allocator.allocate : (void **)&w.allocator.release) = NULL;
        assert_int_equal(open_nothing(&options), VKD_INVALID_ARGUMENT);
        assert_int_equal(w.memory.calls, 0);
        watch_end(&w);
    }
}

/* ----------------------------------------------------------------------------------- a delegate */

typedef struct fixture {
    watch watch;
    vkd_options options;
    small_model model;
    vkd_delegate *delegate;
} fixture;

static void begin(fixture *f, bool named)
{
    gpu_needed();
    *f = (fixture){0};
    small_begin(&f->model, named, NULL);
    f->options = watch_begin(&f->watch);
}

static void end(fixture *f)
{
    vkd_destroy(f->delegate);
    assert_int_equal(f->model.held, 0);
    small_end(&f->model);
    watch_end(&f->watch);
}

static void arguments_of_tomorrow(void **state)
{
    (void)state;
    fixture f;
    begin(&f, false);
    assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_OK);
    float y[SMALL_Y] = {0};
    small_args old;
    small_args_set(&old, f.model.x, y);
    new_arg args[2] = {{old.args[0], NULL}, {old.args[1], NULL}};
    args[0].old.size = args[1].old.size = sizeof *args;
    args[1].old.rank = 0;
    assert_int_equal(vkd_execute(f.delegate, &args[0].old, 2), VKD_OK);
    assert_memory_equal(y, f.model.y, sizeof y);
    assert_true(args[1].old.rank == 4 && args[1].old.dims[1] == SMALL_OUT && !args[1].more);
    args[1].more = y;
    assert_int_equal(vkd_execute(f.delegate, &args[0].old, 2), VKD_INVALID_ARGUMENT);
    args[1].more = NULL;
    args[1].old.size = sizeof(vkd_tensor_arg); /* of an array that is no array */
    assert_int_equal(vkd_execute(f.delegate, &args[0].old, 2), VKD_INVALID_ARGUMENT);
    end(&f);
}

static void specs_of_tomorrow(void **state)
{
    static const unsigned char yes = 1;
    (void)state;
    fixture f;
    new_spec specs[2] = {{{sizeof(new_spec), "a key of tomorrow", NULL, 0}, 0},
                         {{sizeof(new_spec), "warmup_execute_after_compile", &yes, 1}, 0}};
    begin(&f, false);
    assert_int_equal(
        vkd_init(f.model.blob, f.model.size, &specs[0].old, 2, NULL, &f.options, &f.delegate),
        VKD_OK);
    small_check(&f.model, f.delegate);
    vkd_destroy(f.delegate);
    specs[1].old.value_size = 3;
    assert_int_equal(
        vkd_init(f.model.blob, f.model.size, &specs[0].old, 2, NULL, &f.options, &f.delegate),
        VKD_INVALID_MODEL);
    specs[1].old.value_size = 1;
    specs[1].more = 1;
    assert_int_equal(
        vkd_init(f.model.blob, f.model.size, &specs[0].old, 2, NULL, &f.options, &f.delegate),
        VKD_INVALID_ARGUMENT);
    end(&f);
}

static void wrong_named_data(void **state)
{
    (void)state;
    fixture f;
    begin(&f, true);
    for (int flaw = 0; flaw < 2; flaw++) {
        const vkd_named_data named = {flaw ? sizeof named : 0, NULL, NULL, NULL};
        assert_int_equal(
            vkd_init(f.model.blob, f.model.size, NULL, 0, &named, &f.options, &f.delegate),
            VKD_INVALID_ARGUMENT);
        assert_non_null(strstr(f.watch.error, "vkd_named_data"));
    }
    const vkd_vulkan vulkan = {0};
    f.options.vulkan = &vulkan;
    assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(f.watch.error, "vkd_options.vulkan"));
    end(&f);
}

/* When it is given back: when the constants are on the device, unless they may be needed again.
 * end() sees that all is. */
static void named_data_is_released(void **state)
{
    (void)state;
    for (int dynamic = 0; dynamic < 2; dynamic++) {
        fixture f;
        begin(&f, true);
        f.model.dynamic = dynamic;
        assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_OK);
        assert_int_equal(vkd_needs_constants(f.delegate), dynamic);
        assert_int_equal(f.model.held != 0, dynamic);
        small_check(&f.model, f.delegate);
        end(&f);
    }
}

static void a_failing_callback(void **state)
{
    static const char *const keys[] = {"weight", "sums", "scales", "bias"};
    static const vkd_status statuses[] = {VKD_IO_ERROR, VKD_OUT_OF_MEMORY, VKD_DEVICE_LOST};
    (void)state;
    for (size_t k = 0; k < 4; k++)
        for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
            fixture f;
            begin(&f, true);
            f.model.missing_key = keys[k];
            f.model.missing_status = statuses[i];
            assert_int_equal(small_init(&f.model, &f.options, &f.delegate), statuses[i]);
            assert_non_null(strstr(f.watch.error, keys[k]));
            assert_null(f.delegate);
            end(&f);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_of_options),
        cmocka_unit_test(what_is_not_known_must_be_zero),
        cmocka_unit_test(what_an_old_header_lacks_is_a_default),
        cmocka_unit_test(allocators),
        cmocka_unit_test(arguments_of_tomorrow),
        cmocka_unit_test(specs_of_tomorrow),
        cmocka_unit_test(wrong_named_data),
        cmocka_unit_test(named_data_is_released),
        cmocka_unit_test(a_failing_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
