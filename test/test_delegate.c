/* The public interface, used rightly: what a delegate says of itself, compile specs, messages. */
#include "support/small_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* ----------------------------------------------------------------------------------- right uses */

static void runs_with_inline_and_named_constants(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++) {
        small_fixture f;
        small_fixture_begin(&f, named);
        assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_OK);
        memset(f.model.blob, 0xee, f.model.size); /* it is not needed any more */
        memset(f.model.weight, 0xee, sizeof f.model.weight);
        small_check(&f.model, f.delegate);
        small_check(&f.model, f.delegate);
        assert_string_equal(vkd_last_error(f.delegate), "");
        assert_string_equal(f.watch.error, "");
        assert_int_equal(f.watch.counts[VKD_LOG_ERROR] + f.watch.counts[VKD_LOG_WARNING], 0);
        small_fixture_end(&f);
    }
}

static void runs_without_options(void **state)
{
    (void)state;
    small_fixture f;
    small_fixture_begin(&f, false);
    char *directory = new_directory();
    setenv("XDG_CACHE_HOME", directory, 1);
    assert_int_equal(small_init(&f.model, NULL, &f.delegate), VKD_OK);
    small_check(&f.model, f.delegate);
    small_fixture_end(&f);
    unsetenv("XDG_CACHE_HOME");
    remove_tree(directory);
    free(directory);
}

static void tells_about_itself(void **state)
{
    (void)state;
    small_fixture f;
    small_fixture_begin_ready(&f);
    vkd_tensor_info info;
    assert_int_equal(vkd_input_count(f.delegate), 1);
    assert_int_equal(vkd_output_count(f.delegate), 1);
    assert_int_equal(vkd_output_info(f.delegate, 0, &info), VKD_OK);
    assert_int_equal(info.dtype, VKD_DTYPE_FLOAT32);
    assert_int_equal(info.rank, 4);
    assert_int_equal(info.dims[1], SMALL_OUT);
    assert_int_equal(info.size, SMALL_Y * sizeof(float));
    assert_int_equal(vkd_input_info(f.delegate, 1, &info), VKD_NOT_FOUND);
    assert_int_equal(vkd_output_info(f.delegate, 1, &info), VKD_NOT_FOUND);

    vkd_node_info node;
    assert_true(vkd_node_count(f.delegate) >= 3);
    for (size_t i = 0; i < vkd_node_count(f.delegate); i++) {
        assert_int_equal(vkd_describe_node(f.delegate, i, &node), VKD_OK);
        assert_true(*node.op && *node.kernel && *node.shape && node.groups[0] && node.groups[1] &&
                    node.groups[2]);
        assert_true(node.op_id <= 2 && node.gpu_ns == 0);
    }
    assert_int_equal(vkd_describe_node(f.delegate, vkd_node_count(f.delegate), &node),
                     VKD_NOT_FOUND);

    vkd_selection_info selection;
    assert_int_equal(vkd_selection_count(f.delegate), 1);
    assert_int_equal(vkd_describe_selection(f.delegate, 0, &selection), VKD_OK);
    assert_true(selection.op_id == 1 && *selection.winner && *selection.reason &&
                selection.candidate_count >= 2);
    assert_int_equal(vkd_describe_selection(f.delegate, 1, &selection), VKD_NOT_FOUND);

    vkd_memory_info memory;
    vkd_describe_memory(f.delegate, &memory);
    assert_true(memory.constants >= sizeof f.model.weight && memory.scratch > 0 &&
                memory.scratch <= memory.scratch_unaliased);
    assert_true(memory.io >= (SMALL_X + SMALL_Y) * sizeof(float) && memory.host > 0 &&
                memory.host <= memory.host_peak);
    assert_true(*vkd_delegate_device(f.delegate)->name);
    assert_int_equal(vkd_delegate_device(f.delegate)->int8_dot != VKD_DOT_AUTO, 1);
    small_fixture_end(&f);
}

/* What a node reads is an input, a constant, or what a node before has written; views of it have
 * the same number. */
static void operands_are_the_edges_of_the_graph(void **state)
{
    (void)state;
    small_fixture f;
    vkd_operand_info operand;
    vkd_memory_info memory;
    bool written[64] = {false};
    size_t places[3] = {0};
    small_fixture_begin_ready(&f);
    vkd_describe_memory(f.delegate, &memory);
    size_t nodes = vkd_node_count(f.delegate);
    for (size_t node = 0; node < nodes; node++) {
        size_t count = 0;
        for (; vkd_describe_operand(f.delegate, node, count, &operand) == VKD_OK; count++) {
            assert_true(operand.memory < 64 && operand.bytes > 0);
            bool is_scratch = !strcmp(operand.place, "scratch");
            if (is_scratch)
                assert_true(operand.writes || written[operand.memory]);
            assert_true(operand.offset + operand.bytes <= memory.scratch || !is_scratch);
            assert_true(is_scratch || operand.offset == 0);
            written[operand.memory] |= operand.writes;
            places[0] += !strcmp(operand.place, "input") && !operand.writes;
            places[1] += !strcmp(operand.place, "constant") && !operand.writes;
            places[2] += !strcmp(operand.place, "output") && operand.writes;
        }
        assert_true(count >= 2);
        assert_int_equal(vkd_describe_operand(f.delegate, node, count, &operand), VKD_NOT_FOUND);
    }
    assert_true(places[0] == 1 && places[1] >= 1 && places[2] == 1);
    assert_int_equal(vkd_describe_operand(f.delegate, nodes, 0, &operand), VKD_NOT_FOUND);
    assert_int_equal(vkd_describe_operand(f.delegate, 0, 0, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_describe_operand(NULL, 0, 0, &operand), VKD_INVALID_ARGUMENT);
    small_fixture_end(&f);
}

static void profiles(void **state)
{
    (void)state;
    small_fixture f;
    small_fixture_begin(&f, false);
    f.options.profile = true;
    assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_OK);
    small_check(&f.model, f.delegate);
    uint64_t sum = 0;
    for (size_t i = 0; i < vkd_node_count(f.delegate); i++) {
        vkd_node_info node;
        assert_int_equal(vkd_describe_node(f.delegate, i, &node), VKD_OK);
        sum += node.gpu_ns;
    }
    if (vkd_gpu_ns(f.delegate)) /* the device has time stamps */
        assert_true(sum > 0 && sum <= vkd_gpu_ns(f.delegate) + 1000);
    small_fixture_end(&f);
}

static void names_and_versions(void **state)
{
    (void)state;
    assert_int_equal(vkd_version() >> 22, VKD_VERSION_MAJOR);
    assert_int_equal(vkd_version() >> 12 & 1023, VKD_VERSION_MINOR);
    assert_string_equal(vkd_status_name(VKD_OK), "VKD_OK");
    assert_string_equal(vkd_status_name(VKD_DEVICE_ERROR), "VKD_DEVICE_ERROR");
    assert_non_null(vkd_status_name((vkd_status)1000));
    assert_non_null(vkd_dtype_name((vkd_dtype)-1));
    assert_int_equal(vkd_dtype_size((vkd_dtype)1000), 0);
    assert_int_equal(vkd_dtype_size(VKD_DTYPE_FLOAT16), 2);
}

/* -------------------------------------------------------------------------------- compile specs */

static void compile_specs(void **state)
{
    static const unsigned char bytes[8] = {1};
    static const struct {
        vkd_compile_spec spec;
        bool good;
    } cases[] = {
        {{sizeof(vkd_compile_spec), "storage_type_override", bytes, 4}, true},
        {{sizeof(vkd_compile_spec), "storage_type_override", bytes, 3}, false},
        {{sizeof(vkd_compile_spec), "memory_layout_override", bytes, 8}, false},
        {{sizeof(vkd_compile_spec), "require_dynamic_shapes", bytes, 0}, false},
        {{sizeof(vkd_compile_spec), "skip_memory_planning", bytes, 1}, true},
        {{sizeof(vkd_compile_spec), "warmup_execute_after_compile", bytes, 1}, true},
        {{sizeof(vkd_compile_spec), "warmup_execute_after_compile", bytes, 4}, false},
        {{sizeof(vkd_compile_spec), "a key of tomorrow", bytes, 7}, true},
        {{sizeof(vkd_compile_spec), "", NULL, 0}, true},
        {{sizeof(vkd_compile_spec), "texture_limits_x", bytes, 1}, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        small_fixture f;
        small_fixture_begin(&f, false);
        vkd_status status =
            vkd_init(f.model.blob, f.model.size, &cases[i].spec, 1, NULL, &f.options, &f.delegate);
        assert_int_equal(status, cases[i].good ? VKD_OK : VKD_INVALID_MODEL);
        if (cases[i].good)
            small_check(&f.model, f.delegate);
        else
            assert_true(!f.delegate && strstr(f.watch.error, cases[i].spec.key));
        small_fixture_end(&f);
    }
}

/* Whether init has executed the model is told by the time of the last execution. */
static void warm_up_is_an_execution(void **state)
{
    static const unsigned char off[] = {0}, on[] = {1};
    const vkd_compile_spec specs[] = {{sizeof *specs, "warmup_execute_after_compile", off, 1},
                                      {sizeof *specs, "warmup_execute_after_compile", on, 1}};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        small_fixture f;
        small_fixture_begin(&f, false);
        assert_int_equal(
            vkd_init(f.model.blob, f.model.size, &specs[i], 1, NULL, &f.options, &f.delegate),
            VKD_OK);
        uint64_t at_init = vkd_gpu_ns(f.delegate);
        small_check(&f.model, f.delegate);
        bool times = vkd_gpu_ns(f.delegate) > 0; /* a device may have no time stamps */
        small_fixture_end(&f);
        if (!times)
            skip();
        assert_int_equal(at_init > 0, i == 1);
    }
}

/* ------------------------------------------------------------------------------------- messages */

static void error_buffers_of_any_size(void **state)
{
    (void)state;
    static const char bytes[64] = "no blob at all";
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_delegate *delegate;
    assert_int_equal(vkd_init(bytes, sizeof bytes, NULL, 0, NULL, &options, &delegate),
                     VKD_INVALID_MODEL);
    assert_true(strlen(w.error) > 20);
    for (size_t size = 0; size < 20; size++) {
        char error[32];
        memset(error, '#', sizeof error);
        options.error = error;
        options.error_size = size;
        assert_int_equal(vkd_init(bytes, sizeof bytes, NULL, 0, NULL, &options, &delegate),
                         VKD_INVALID_MODEL);
        if (size) {
            assert_memory_equal(error, w.error, size - 1);
            assert_int_equal(error[size - 1], 0);
        }
        assert_int_equal(error[size], '#');
    }
    options.error = NULL;
    options.error_size = 100;
    assert_int_equal(vkd_init(bytes, sizeof bytes, NULL, 0, NULL, &options, &delegate),
                     VKD_INVALID_MODEL);
    watch_end(&w);
}

static void log_levels(void **state)
{
    (void)state;
    for (int level = VKD_LOG_ERROR; level <= VKD_LOG_DEBUG; level++) {
        small_fixture f;
        small_fixture_begin(&f, false);
        f.options.log_level = (vkd_log_level)level;
        assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_OK);
        assert_int_equal(vkd_execute(f.delegate, NULL, 0), VKD_INVALID_ARGUMENT);
        assert_int_equal(f.watch.counts[VKD_LOG_ERROR], 1);
        assert_non_null(strstr(f.watch.text, vkd_last_error(f.delegate)));
        /* which device */
        assert_int_equal(f.watch.counts[VKD_LOG_INFO] > 0, level >= VKD_LOG_INFO);
        assert_true(level >= VKD_LOG_DEBUG || f.watch.counts[VKD_LOG_DEBUG] == 0);
        small_fixture_end(&f);
    }
}

static void values_are_read(void **state)
{
    (void)state;
    small_fixture f;
    vkd_tensor_info info;
    int8_t quantised[SMALL_X];
    small_fixture_begin_ready(&f);
    assert_int_equal(vkd_read_value(f.delegate, 1, quantised, sizeof quantised, &info),
                     VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(vkd_last_error(f.delegate), "keep_intermediates"));
    vkd_destroy(f.delegate);
    f.options.keep_intermediates = true;
    assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_OK);
    small_check(&f.model, f.delegate);
    assert_int_equal(vkd_read_value(f.delegate, 1, quantised, sizeof quantised, &info), VKD_OK);
    assert_true(info.dtype == VKD_DTYPE_INT8 && info.rank == 4 && info.size == SMALL_X);
    assert_int_equal(vkd_read_value(f.delegate, 1, quantised, SMALL_X - 1, &info),
                     VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_read_value(f.delegate, 1, NULL, SMALL_X, &info), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_read_value(f.delegate, 1, quantised, SMALL_X, NULL), VKD_INVALID_ARGUMENT);
    /* a number */
    assert_int_equal(vkd_read_value(f.delegate, 4, quantised, SMALL_X, &info), VKD_NOT_FOUND);
    assert_int_equal(vkd_read_value(f.delegate, UINT32_MAX, quantised, SMALL_X, &info),
                     VKD_NOT_FOUND);
    float values[SMALL_X];
    /* the input itself */
    assert_int_equal(vkd_read_value(f.delegate, 0, values, sizeof values, &info), VKD_OK);
    assert_memory_equal(values, f.model.x, sizeof values);
    small_fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_with_inline_and_named_constants),
        cmocka_unit_test(runs_without_options),
        cmocka_unit_test(tells_about_itself),
        cmocka_unit_test(operands_are_the_edges_of_the_graph),
        cmocka_unit_test(profiles),
        cmocka_unit_test(names_and_versions),
        cmocka_unit_test(compile_specs),
        cmocka_unit_test(warm_up_is_an_execution),
        cmocka_unit_test(error_buffers_of_any_size),
        cmocka_unit_test(log_levels),
        cmocka_unit_test(values_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
