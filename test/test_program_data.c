/* Constants of programs that lie outside: named data of the program and .ptd files beside it. */
#include "support/gpu.h"
#include "support/model_io.h"
#include "support/programs.h"
#include "support/pte_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The data segments named in the program reach the delegate. */
static void named_data_of_the_program(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    watch w;
    vkd_program *program;
    vkd_method *method;
    small_begin(&m, true, NULL);
    const blob_named named[] = {{"bias", m.bias, sizeof m.bias},
                                {"scales", m.scales, sizeof m.scales},
                                {"sums", m.sums, sizeof m.sums},
                                {"weight", m.weight, sizeof m.weight}};
    blob_pte pte = {.blob = m.blob,
                    .blob_size = m.size,
                    .inputs = &program_x,
                    .input_count = 1,
                    .outputs = &program_y,
                    .output_count = 1,
                    .named = named,
                    .named_count = 4};
    if (program_load(&pte, NULL, &w, &program, &method) != VKD_OK)
        fail_msg("%s", w.error);
    small_check(&m, vkd_method_delegate(method));
    vkd_method_unload(method);
    vkd_program_close(program);
    watch_end(&w);
    pte.named_count = 3;
    assert_int_equal(program_load(&pte, NULL, &w, &program, &method), VKD_INVALID_MODEL);
    assert_non_null(strstr(w.error, "weight"));
    vkd_program_close(program);
    watch_end(&w);
    small_end(&m);
}

/* Constants of a .ptd file reach the delegate, from a path and from bytes; methods that are loaded
 * one after the other read the file again, and see when it was cut short. */
static void data_files(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    small_begin(&m, true, NULL);
    const blob_named first[] = {{"bias", m.bias, sizeof m.bias},
                                {"scales", m.scales, sizeof m.scales}};
    const ptd_entry second[] = {{{"sums", m.sums, sizeof m.sums}, NULL},
                                {{"weight", m.weight, sizeof m.weight}, NULL}};
    const blob_pte pte = {.blob = m.blob,
                          .blob_size = m.size,
                          .inputs = &program_x,
                          .input_count = 1,
                          .outputs = &program_y,
                          .output_count = 1,
                          .named = first,
                          .named_count = 2};
    size_t size, data_size;
    void *file = blob_wrap_pte(&pte, &size), *data = ptd_build(second, 2, &data_size);
    char *directory = new_directory(), *path = join_path(directory, "weights.ptd");
    program_write(path, data, data_size);
    for (int by_path = 0; by_path <= 1; by_path++) {
        watch w;
        vkd_options options = watch_begin(&w);
        vkd_program *program;
        vkd_method *method;
        assert_int_equal(vkd_program_open_bytes(file, size, &options, &program), VKD_OK);
        assert_int_equal(vkd_method_load(program, NULL, &options, &method), VKD_INVALID_MODEL);
        assert_non_null(strstr(w.error, "a .ptd file has it"));
        assert_int_equal(by_path ? vkd_program_add_data(program, path)
                                 : vkd_program_add_data_bytes(program, data, data_size),
                         VKD_OK);
        for (int i = 0; i < 2; i++) {
            if (vkd_method_load(program, NULL, &options, &method) != VKD_OK)
                fail_msg("%s", w.error);
            small_check(&m, vkd_method_delegate(method));
            vkd_method_unload(method);
        }
        if (by_path) {
            assert_int_equal(truncate(path, (off_t)data_size / 2), 0);
            assert_int_equal(vkd_method_load(program, NULL, &options, &method), VKD_IO_ERROR);
            assert_non_null(strstr(w.error, "weights.ptd"));
        }
        vkd_program_close(program);
        watch_end(&w);
    }
    remove_tree(directory);
    free(directory), free(path), free(file), free(data);
    small_end(&m);
}

/* What the readers cannot know of them is found when a method is loaded. */
static void data_files_that_are_not_finite(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    small_begin(&m, true, &(small_flaw){.last_bias = NAN});
    const ptd_entry entries[] = {{{"bias", m.bias, sizeof m.bias}, NULL},
                                 {{"scales", m.scales, sizeof m.scales}, NULL},
                                 {{"sums", m.sums, sizeof m.sums}, NULL},
                                 {{"weight", m.weight, sizeof m.weight}, NULL}};
    const blob_pte pte = {.blob = m.blob,
                          .blob_size = m.size,
                          .inputs = &program_x,
                          .input_count = 1,
                          .outputs = &program_y,
                          .output_count = 1};
    size_t size, data_size;
    void *file = blob_wrap_pte(&pte, &size), *data = ptd_build(entries, 4, &data_size);
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_program *program;
    vkd_method *method;
    assert_int_equal(vkd_program_open_bytes(file, size, &options, &program), VKD_OK);
    assert_int_equal(vkd_program_add_data_bytes(program, data, data_size), VKD_OK);
    assert_int_equal(vkd_method_load(program, NULL, &options, &method), VKD_INVALID_MODEL);
    assert_non_null(strstr(w.error, "bias) is nan at index 5"));
    vkd_program_close(program);
    watch_end(&w);
    free(file), free(data);
    small_end(&m);
}

/* A data file that is refused leaves the program as it was, and names itself. */
static void data_files_that_are_none(void **state)
{
    (void)state;
    static const vkd_tensor_info one = {VKD_DTYPE_BOOL, 0, {0}, 0};
    const ptd_entry entry = {{"key", "1", 1}, &one};
    size_t size, data_size;
    void *file = blob_wrap_pte(&(blob_pte){.blob = "", .blob_size = 1}, &size),
         *data = ptd_build(&entry, 1, &data_size);
    char *directory = new_directory(), *path = join_path(directory, "weights.ptd");
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_program *program;
    assert_int_equal(vkd_program_open_bytes(file, size, &options, &program), VKD_OK);
    assert_int_equal(vkd_program_add_data(NULL, path), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_program_add_data(program, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_program_add_data_bytes(program, NULL, 3), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_program_add_data(program, path), VKD_IO_ERROR);
    assert_non_null(strstr(vkd_program_error(program), "weights.ptd"));
    program_write(path, file, size);
    assert_int_equal(vkd_program_add_data(program, path), VKD_INVALID_MODEL);
    assert_non_null(strstr(vkd_program_error(program),
                           "weights.ptd: not a data file (.ptd), it looks like a program"));
    program_write(path, data, data_size);
    assert_int_equal(vkd_program_add_data(program, path), VKD_OK);
    /* its tensor is there already */
    assert_int_equal(vkd_program_add_data(program, path), VKD_INVALID_MODEL);
    assert_non_null(strstr(vkd_program_error(program), "the tensor \"key\""));
    /* What is found by its contents alone may be in any number of files. */
    free(data);
    data = ptd_build(&(ptd_entry){{"other", "1", 1}, NULL}, 1, &data_size);
    for (int i = 0; i < 2; i++)
        assert_int_equal(vkd_program_add_data_bytes(program, data, data_size), VKD_OK);
    vkd_program_close(program);
    watch_end(&w);
    remove_tree(directory);
    free(directory), free(path), free(file), free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_data_of_the_program),
        cmocka_unit_test(data_files),
        cmocka_unit_test(data_files_that_are_not_finite),
        cmocka_unit_test(data_files_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
