/* The public interface, misused: null pointers, and arguments of an execution that do not fit. */
#include "support/small_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

/* -------------------------------------------------------------------------------- null pointers */

static void null_pointers_without_an_object(void **state)
{
    (void)state;
    vkd_tensor_info info;
    vkd_node_info node;
    vkd_selection_info selection;
    vkd_memory_info memory;
    char byte;
    vkd_destroy(NULL);
    assert_string_equal(vkd_last_error(NULL), "");
    assert_int_equal(vkd_execute(NULL, NULL, 0), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_input_count(NULL) + vkd_output_count(NULL) + vkd_node_count(NULL) +
                         vkd_selection_count(NULL),
                     0);
    assert_int_equal(vkd_input_info(NULL, 0, &info), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_output_info(NULL, 0, &info), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_describe_node(NULL, 0, &node), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_describe_selection(NULL, 0, &selection), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_read_value(NULL, 0, &byte, 1, &info), VKD_INVALID_ARGUMENT);
    assert_null(vkd_delegate_device(NULL));
    assert_int_equal(vkd_gpu_ns(NULL), 0);
    vkd_describe_memory(NULL, &memory);
    vkd_describe_memory(NULL, NULL);
}

static void null_pointers_for_init(void **state)
{
    (void)state;
    watch w;
    small_model m;
    vkd_delegate *delegate = (vkd_delegate *)&w;
    uint32_t count;
    vkd_options options = watch_begin(&w);
    small_begin(&m, true, NULL);
    assert_int_equal(vkd_init(m.blob, m.size, NULL, 0, NULL, &options, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_init(NULL, 100, NULL, 0, NULL, &options, &delegate), VKD_INVALID_ARGUMENT);
    assert_null(delegate);
    assert_non_null(strstr(w.error, "blob"));
    assert_int_equal(vkd_init(m.blob, m.size, NULL, 1, NULL, &options, &delegate),
                     VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(w.error, "compile specs"));
    assert_int_equal(vkd_init(m.blob, m.size,
                              &(vkd_compile_spec){sizeof(vkd_compile_spec), NULL, NULL, 0}, 1, NULL,
                              &options, &delegate),
                     VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_init(m.blob, m.size,
                              &(vkd_compile_spec){sizeof(vkd_compile_spec), "force_fp16", NULL, 1},
                              1, NULL, &options, &delegate),
                     VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_init(m.blob, m.size, NULL, 0, NULL, &options, &delegate),
                     VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(w.error, "named")); /* the constants are named, and nobody has them */
    assert_int_equal(vkd_list_devices(&options, NULL, 1, &count), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_list_devices(&options, NULL, 0, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(w.counts[VKD_LOG_ERROR], 8); /* each once */
    small_end(&m);
    watch_end(&w);
}

static void null_pointers_for_a_delegate(void **state)
{
    (void)state;
    small_fixture f;
    small_fixture_begin_ready(&f);
    assert_int_equal(vkd_execute(f.delegate, NULL, 2), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_input_info(f.delegate, 0, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_output_info(f.delegate, 0, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_describe_node(f.delegate, 0, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_describe_selection(f.delegate, 0, NULL), VKD_INVALID_ARGUMENT);
    vkd_describe_memory(f.delegate, NULL);
    small_check(&f.model, f.delegate);
    small_fixture_end(&f);
}

/* -------------------------------------------------------------------------- execute's arguments */

/* The small model's arguments with memory behind them, for changing. */
typedef struct arguments {
    float x[SMALL_X], y[SMALL_Y];
    vkd_tensor_arg args[3];
    size_t count;
} arguments;

static void right_arguments(const small_fixture *f, arguments *a)
{
    small_args args;
    *a = (arguments){.count = 2};
    memcpy(a->x, f->model.x, sizeof a->x);
    small_args_set(&args, a->x, a->y);
    memcpy(a->args, args.args, sizeof args.args);
}

static void no_input_data(arguments *a) { a->args[0].input = NULL; }
static void no_output_data(arguments *a) { a->args[1].output = NULL; }
static void no_struct_size(arguments *a) { a->args[0].size = 0; }
static void other_struct_size(arguments *a) { a->args[1].size -= sizeof(size_t); }
static void other_dtype(arguments *a) { a->args[0].dtype = VKD_DTYPE_INT32; }
static void other_output_dtype(arguments *a) { a->args[1].dtype = VKD_DTYPE_INT8; }
static void no_dtype(arguments *a) { a->args[0].dtype = (vkd_dtype)99; }
static void lower_rank(arguments *a) { a->args[0].rank = 3; }
static void higher_rank(arguments *a) { a->args[0].rank = 5; }
static void huge_rank(arguments *a) { a->args[0].rank = UINT32_MAX; }
static void larger_dim(arguments *a) { a->args[0].dims[2] = SMALL_H + 1; }
static void smaller_dim(arguments *a) { a->args[0].dims[2] = SMALL_H - 1; }
static void negative_dim(arguments *a) { a->args[0].dims[1] = -SMALL_IN; }
static void wrapping_dim(arguments *a) { a->args[0].dims[1] = SMALL_IN + (INT64_C(1) << 32); }
static void short_input(arguments *a) { a->args[0].capacity--; }
static void short_output(arguments *a) { a->args[1].capacity = 0; }
static void short_for_its_dtype(arguments *a) { a->args[0].dtype = VKD_DTYPE_FLOAT64; }
static void too_few(arguments *a) { a->count = 1; }
static void none(arguments *a) { a->count = 0; }

static void wrong_arguments_for_execute(void **state)
{
    static const struct {
        void (*change)(arguments *);
        const char *says;
    } cases[] = {
        {no_input_data, "input 0"},
        {no_output_data, "output 0"},
        {no_struct_size, "input 0"},
        {other_dtype, "i32"},
        {other_output_dtype, "i8"},
        {no_dtype, "input 0"},
        {lower_rank, "rank 3"},
        {higher_rank, "rank 5"},
        {huge_rank, "rank 4294967295"},
        {larger_dim, "dim 2"},
        {negative_dim, "-3"},
        {other_struct_size, "output 0"},
        {smaller_dim, "size 4 in dim 2: the model has 5"},
        {wrapping_dim, "dim 1"},
        {short_input, "419 bytes"},
        {short_output, "0 bytes"},
        {short_for_its_dtype, "840"},
        {too_few, "1 arguments"},
        {none, "0 arguments"},
    };
    (void)state;
    small_fixture f;
    small_fixture_begin_ready(&f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        arguments a;
        right_arguments(&f, &a);
        cases[i].change(&a);
        vkd_status status = vkd_execute(f.delegate, a.args, a.count);
        if (status != VKD_INVALID_ARGUMENT || !strstr(vkd_last_error(f.delegate), cases[i].says))
            fail_msg("case %zu: %s, \"%s\": expected \"%s\"", i, vkd_status_name(status),
                     vkd_last_error(f.delegate), cases[i].says);
        assert_int_equal(f.watch.counts[VKD_LOG_ERROR], i + 1);
        small_check(&f.model, f.delegate); /* it still works */
    }
    small_fixture_end(&f);
}

/* Inputs may be smaller than the model's. The window is a pixel, so that rows come out as they do
 * of the whole image; another shape takes turns with it. */
static void smaller_inputs_run(void **state)
{
    (void)state;
    small_fixture f;
    small_fixture_begin(&f, false);
    f.model.dynamic = true;
    assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_OK);
    for (int64_t rows = SMALL_H - 1; rows > 0; rows--) {
        arguments a;
        right_arguments(&f, &a);
        a.args[0].dims[2] = rows;
        const size_t plane = (size_t)rows * SMALL_W;
        for (size_t c = 0; c < SMALL_IN; c++)
            memcpy(a.x + c * plane, f.model.x + c * SMALL_H * SMALL_W, plane * sizeof *a.x);
        if (vkd_execute(f.delegate, a.args, a.count) != VKD_OK)
            fail_msg("%lld rows: %s", (long long)rows, vkd_last_error(f.delegate));
        assert_true(a.args[1].dims[1] == SMALL_OUT && a.args[1].dims[2] == rows &&
                    a.args[1].dims[3] == SMALL_W);
        for (size_t c = 0; c < SMALL_OUT; c++)
            assert_memory_equal(a.y + c * plane, f.model.y + c * SMALL_H * SMALL_W,
                                plane * sizeof *a.y);
        small_check(&f.model, f.delegate);
    }
    arguments none;
    right_arguments(&f, &none);
    none.args[0].dims[0] = 0; /* images */
    assert_int_equal(vkd_execute(f.delegate, none.args, none.count), VKD_OK);
    assert_true(none.args[1].rank == 4 && none.args[1].dims[0] == 0);
    small_fixture_end(&f);
}

static void arguments_between_inputs_and_outputs_are_ignored(void **state)
{
    (void)state;
    small_fixture f;
    arguments a;
    small_fixture_begin_ready(&f);
    right_arguments(&f, &a);
    a.args[2] = a.args[1];
    a.args[1] = (vkd_tensor_arg){.size = sizeof(vkd_tensor_arg)};
    assert_int_equal(vkd_execute(f.delegate, a.args, 3), VKD_OK);
    assert_memory_equal(a.y, f.model.y, sizeof a.y);
    a.args[0].capacity += 1000; /* more than needed is no fault */
    assert_int_equal(vkd_execute(f.delegate, a.args, 3), VKD_OK);
    small_fixture_end(&f);
}

/* -------------------------------------------------------------------------------------- options */

static void numbers_out_of_range(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
        const char *says;
    } rows[] = {
        {offsetof(vkd_options, select), 99, "vkd_options.select is 99, the largest possible is 1"},
        {offsetof(vkd_options, select), UINT32_MAX, "vkd_options.select is 4294967295"},
        {offsetof(vkd_options, log_level), VKD_LOG_DEBUG + 1, "vkd_options.log_level is 4"},
        {offsetof(vkd_options, skip_rewrites), 16384,
         "vkd_options.skip_rewrites is 16384, the largest possible is 16383"},
        {offsetof(vkd_options, in_flight), VKD_MAX_IN_FLIGHT + 1, "vkd_options.in_flight is 65"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        small_fixture f;
        small_fixture_begin(&f, false);
        memcpy((char *)&f.options + rows[i].at, &rows[i].value, sizeof rows[i].value);
        assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_INVALID_ARGUMENT);
        if (!strstr(f.watch.error, rows[i].says))
            fail_msg("\"%s\" does not say \"%s\"", f.watch.error, rows[i].says);
        small_fixture_end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_pointers_without_an_object),
        cmocka_unit_test(null_pointers_for_init),
        cmocka_unit_test(null_pointers_for_a_delegate),
        cmocka_unit_test(wrong_arguments_for_execute),
        cmocka_unit_test(smaller_inputs_run),
        cmocka_unit_test(arguments_between_inputs_and_outputs_are_ignored),
        cmocka_unit_test(numbers_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
