/* The public interface, used rightly and misused: arguments, compile specs, broken blobs, messages.
 */
#include "support/blob_builder.h"
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The small model, initialised. */
typedef struct fixture {
    watch watch;
    small_model model;
    vkd_options options;
    vkd_delegate *delegate;
} fixture;

static void begin(fixture *f, bool named)
{
    gpu_needed();
    small_begin(&f->model, named, NULL);
    f->options = watch_begin(&f->watch);
    f->delegate = NULL;
}

static void begin_ready(fixture *f)
{
    begin(f, false);
    if (small_init(&f->model, &f->options, &f->delegate) != VKD_OK)
        fail_msg("%s", f->watch.error);
}

static void end(fixture *f)
{
    vkd_destroy(f->delegate);
    small_end(&f->model);
    watch_end(&f->watch);
}

/* ----------------------------------------------------------------------------------- right uses */

static void runs_with_inline_and_named_constants(void **state)
{
    (void)state;
    for (int named = 0; named < 2; named++) {
        fixture f;
        begin(&f, named);
        assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_OK);
        memset(f.model.blob, 0xee, f.model.size); /* it is not needed any more */
        memset(f.model.weight, 0xee, sizeof f.model.weight);
        small_check(&f.model, f.delegate);
        small_check(&f.model, f.delegate);
        assert_string_equal(vkd_last_error(f.delegate), "");
        assert_string_equal(f.watch.error, "");
        assert_int_equal(f.watch.counts[VKD_LOG_ERROR] + f.watch.counts[VKD_LOG_WARNING], 0);
        end(&f);
    }
}

static void runs_without_options(void **state)
{
    (void)state;
    fixture f;
    begin(&f, false);
    char *directory = new_directory();
    setenv("XDG_CACHE_HOME", directory, 1);
    assert_int_equal(small_init(&f.model, NULL, &f.delegate), VKD_OK);
    small_check(&f.model, f.delegate);
    end(&f);
    unsetenv("XDG_CACHE_HOME");
    remove_tree(directory);
    free(directory);
}

static void tells_about_itself(void **state)
{
    (void)state;
    fixture f;
    begin_ready(&f);
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
    end(&f);
}

/* What a node reads is an input, a constant, or what a node before has written; views of it have
 * the same number. */
static void operands_are_the_edges_of_the_graph(void **state)
{
    (void)state;
    fixture f;
    vkd_operand_info operand;
    vkd_memory_info memory;
    bool written[64] = {false};
    size_t places[3] = {0};
    begin_ready(&f);
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
    end(&f);
}

static void profiles(void **state)
{
    (void)state;
    fixture f;
    begin(&f, false);
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
    end(&f);
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
    fixture f;
    begin_ready(&f);
    assert_int_equal(vkd_execute(f.delegate, NULL, 2), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_input_info(f.delegate, 0, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_output_info(f.delegate, 0, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_describe_node(f.delegate, 0, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_describe_selection(f.delegate, 0, NULL), VKD_INVALID_ARGUMENT);
    vkd_describe_memory(f.delegate, NULL);
    small_check(&f.model, f.delegate);
    end(&f);
}

/* -------------------------------------------------------------------------- execute's arguments */

/* The small model's arguments with memory behind them, for changing. */
typedef struct arguments {
    float x[SMALL_X], y[SMALL_Y];
    vkd_tensor_arg args[3];
    size_t count;
} arguments;

static void right_arguments(const fixture *f, arguments *a)
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
    fixture f;
    begin_ready(&f);
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
    end(&f);
}

/* Inputs may be smaller than the model's. The window is a pixel, so that rows come out as they do
 * of the whole image; another shape takes turns with it. */
static void smaller_inputs_run(void **state)
{
    (void)state;
    fixture f;
    begin(&f, false);
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
    end(&f);
}

static void arguments_between_inputs_and_outputs_are_ignored(void **state)
{
    (void)state;
    fixture f;
    arguments a;
    begin_ready(&f);
    right_arguments(&f, &a);
    a.args[2] = a.args[1];
    a.args[1] = (vkd_tensor_arg){.size = sizeof(vkd_tensor_arg)};
    assert_int_equal(vkd_execute(f.delegate, a.args, 3), VKD_OK);
    assert_memory_equal(a.y, f.model.y, sizeof a.y);
    a.args[0].capacity += 1000; /* more than needed is no fault */
    assert_int_equal(vkd_execute(f.delegate, a.args, 3), VKD_OK);
    end(&f);
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
        fixture f;
        begin(&f, false);
        vkd_status status =
            vkd_init(f.model.blob, f.model.size, &cases[i].spec, 1, NULL, &f.options, &f.delegate);
        assert_int_equal(status, cases[i].good ? VKD_OK : VKD_INVALID_MODEL);
        if (cases[i].good)
            small_check(&f.model, f.delegate);
        else
            assert_true(!f.delegate && strstr(f.watch.error, cases[i].spec.key));
        end(&f);
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
        fixture f;
        begin(&f, false);
        assert_int_equal(
            vkd_init(f.model.blob, f.model.size, &specs[i], 1, NULL, &f.options, &f.delegate),
            VKD_OK);
        uint64_t at_init = vkd_gpu_ns(f.delegate);
        small_check(&f.model, f.delegate);
        bool times = vkd_gpu_ns(f.delegate) > 0; /* a device may have no time stamps */
        end(&f);
        if (!times)
            skip();
        assert_int_equal(at_init > 0, i == 1);
    }
}

/* --------------------------------------------------------------------------------- broken blobs */

static void assert_refused(const void *blob, size_t size, vkd_status expected,
                           vkd_status or_expected, const char *says)
{
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_delegate *delegate = (vkd_delegate *)&w;
    vkd_status status = vkd_init(blob, size, NULL, 0, NULL, &options, &delegate);
    if ((status != expected && status != or_expected) || !strstr(w.error, says))
        fail_msg("%s, \"%s\": expected %s, \"%s\"", vkd_status_name(status), w.error,
                 vkd_status_name(expected), says);
    assert_null(delegate);
    assert_int_equal(w.counts[VKD_LOG_ERROR], 1);
    watch_end(&w);
}

static void broken_operators(void **state)
{
    static const struct {
        small_flaw flaw;
        vkd_status status;
        const char *says;
    } cases[] = {
        {{.conv_name = "et_vk.q9ta_conv2d.default"},
         VKD_UNSUPPORTED,
         "'et_vk.q9ta_conv2d.default'"},
        {{.conv_name = ""}, VKD_INVALID_MODEL, "no name"},
        {{.conv_name = "vkd.q8_conv2d"}, VKD_INVALID_MODEL, "op 1 (vkd.q8_conv2d)"},
        {{.missing_argument = true}, VKD_INVALID_MODEL, "15 arguments"},
        {{.extra_argument = true}, VKD_INVALID_MODEL, "17 arguments"},
        {{.string_for_scale = true}, VKD_INVALID_MODEL, "input_scale"},
        {{.float_weights = true}, VKD_INVALID_MODEL, "weight"},
        {{.variable_weight = true}, VKD_INVALID_MODEL, "weight"},
        {{.weight_rows = SMALL_OUT - 1}, VKD_INVALID_MODEL, "1x6x5x7, expected 1x5x5x7"},
        {{.weight_row = SMALL_ROW - 1}, VKD_INVALID_MODEL, "weight"},
        {{.sums = SMALL_OUT - 1}, VKD_INVALID_MODEL, "weight_sums"},
        {{.scales = SMALL_OUT - 1}, VKD_INVALID_MODEL, "weight_scales"},
        {{.bias = 1}, VKD_INVALID_MODEL, "bias"},
        {{.out_channels = SMALL_OUT + 1}, VKD_INVALID_MODEL, "q8ta_conv2d_pw"},
        {{.kernel = 3}, VKD_INVALID_MODEL, "q8ta_conv2d_pw"},
        {{.kernel = -1}, VKD_INVALID_MODEL, "(kernel_size) has -1"},
        {{.kernel = INT64_MAX}, VKD_INVALID_MODEL, "kernel"},
        {{.stride = -1}, VKD_INVALID_MODEL, "(stride) has -1"},
        {{.stride = INT32_MAX}, VKD_INVALID_MODEL, "stride"},
        {{.padding = -1}, VKD_INVALID_MODEL, "(padding) has -1"},
        {{.padding = INT32_MAX}, VKD_INVALID_MODEL, "padding"},
        {{.groups = 2}, VKD_INVALID_MODEL, "(groups) is 2"},
        {{.groups = -1}, VKD_INVALID_MODEL, "(groups) is -1"},
        {{.activation = "gelu"}, VKD_UNSUPPORTED, "gelu"},
        {{.scale = -1}, VKD_INVALID_MODEL, "scale"},
        {{.scale = NAN}, VKD_INVALID_MODEL, "scale"},
        {{.scale = 1e300}, VKD_INVALID_MODEL, "scale"},
        {{.zero = 1000}, VKD_INVALID_MODEL, "zero"},
        {{.last_scale = NAN}, VKD_INVALID_MODEL, "weight_scales) is nan at index 5"},
        {{.last_scale = INFINITY}, VKD_INVALID_MODEL, "weight_scales) is inf at index 5"},
        {{.last_bias = NAN}, VKD_INVALID_MODEL, "bias) is nan at index 5"},
        {{.last_bias = -INFINITY}, VKD_INVALID_MODEL, "bias) is -inf at index 5"},
        {{.unproduced_output = true}, VKD_INVALID_MODEL, "value"},
    };
    (void)state;
    gpu_needed();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        small_model m;
        small_begin(&m, false, &cases[i].flaw);
        assert_refused(m.blob, m.size, cases[i].status, cases[i].status, cases[i].says);
        small_end(&m);
    }
}

/* A clone of x, as a blob from malloc. */
static void *clone_blob(vkd_dtype dtype, uint32_t rank, const uint32_t *dims, size_t *out_size)
{
    vkd_blob_builder *b = blob_new();
    uint32_t x = blob_constant_tensor(b, dtype, rank, dims, -1),
             y = blob_constant_tensor(b, dtype, rank, dims, -1);
    blob_op(b, "aten.clone.default", 0, (const uint32_t[]){x, blob_null(b), y}, 3);
    blob_io(b, &x, 1, &y, 1);
    return blob_finish(b, out_size);
}

/* From none to eight dims, and without elements. */
static void every_rank_runs(void **state)
{
    static const struct {
        uint32_t rank, dims[8];
    } cases[] = {{0, {0}},    {5, {1, 2, 3, 4, 5}}, {8, {2, 1, 3, 1, 2, 1, 5, 2}},
                 {2, {4, 0}}, {4, {0, 3, 5, 5}},    {1, {0}}};
    (void)state;
    gpu_needed();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float x[120], y[120];
        int64_t dims[8];
        size_t blob_size, count = 1;
        for (uint32_t d = 0; d < cases[i].rank; d++)
            count *= (size_t)(dims[d] = cases[i].dims[d]);
        for (size_t k = 0; k < count; k++)
            x[k] = (float)k + 0.5f, y[k] = 0;
        void *blob = clone_blob(VKD_DTYPE_FLOAT32, cases[i].rank, cases[i].dims, &blob_size);
        watch w;
        vkd_options options = watch_begin(&w);
        vkd_delegate *delegate;
        if (vkd_init(blob, blob_size, NULL, 0, NULL, &options, &delegate) != VKD_OK)
            fail_msg("%s", w.error);
        vkd_tensor_arg args[] = {call_arg(VKD_DTYPE_FLOAT32, cases[i].rank, dims, x, NULL),
                                 call_arg(VKD_DTYPE_FLOAT32, cases[i].rank, dims, NULL, y)};
        if (vkd_execute(delegate, args, 2) != VKD_OK)
            fail_msg("%s", vkd_last_error(delegate));
        assert_memory_equal(x, y, count * sizeof *x);
        vkd_destroy(delegate);
        watch_end(&w);
        free(blob);
    }
}

static void odd_tensors(void **state)
{
    static const struct {
        vkd_dtype dtype;
        uint32_t rank, dims[9];
        vkd_status status, or_status;
        const char *says;
    } cases[] = {
        {VKD_DTYPE_INT64, 2, {2, 3}, VKD_UNSUPPORTED, VKD_UNSUPPORTED, "i64"},
        {VKD_DTYPE_FLOAT32,
         9,
         {1, 1, 1, 1, 1, 1, 1, 1, 1},
         VKD_UNSUPPORTED,
         VKD_UNSUPPORTED,
         "rank"},
        {VKD_DTYPE_FLOAT32,
         4,
         {65536, 65536, 65536, 65536},
         VKD_INVALID_MODEL,
         VKD_INVALID_MODEL,
         "overflows"},
        {VKD_DTYPE_INT8, 1, {UINT32_MAX}, VKD_INVALID_MODEL, VKD_INVALID_MODEL, "overflows"},
        {VKD_DTYPE_FLOAT32,
         2,
         {46340, 46340},
         VKD_OUT_OF_MEMORY,
         VKD_UNSUPPORTED,
         "bytes"}, /* 8 GiB: valid, but no device
                      binds them */
        {(vkd_dtype)100, 1, {1}, VKD_INVALID_MODEL, VKD_INVALID_MODEL, "datatype"},
    };
    (void)state;
    gpu_needed();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t size;
        void *blob = clone_blob(cases[i].dtype, cases[i].rank, cases[i].dims, &size);
        assert_refused(blob, size, cases[i].status, cases[i].or_status, cases[i].says);
        free(blob);
    }
}

static void named_data_that_does_not_fit(void **state)
{
    static const char *const keys[] = {"weight", "sums", "scales", "bias"};
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        fixture f;
        begin(&f, true);
        *(i % 2 ? &f.model.missing_key : &f.model.short_key) = keys[i / 2];
        f.model.missing_status = VKD_NOT_FOUND;
        assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_INVALID_MODEL);
        assert_non_null(strstr(f.watch.error, keys[i / 2]));
        assert_int_equal(f.watch.counts[VKD_LOG_ERROR], 1);
        end(&f);
    }
}

static void named_data_that_is_not_finite(void **state)
{
    static const small_flaw flaws[] = {{.last_scale = NAN}, {.last_bias = INFINITY}};
    static const char *const says[] = {"weight_scales) is nan at index 5",
                                       "bias) is inf at index 5"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        fixture f;
        begin(&f, true);
        small_end(&f.model);
        small_begin(&f.model, true, &flaws[i]);
        assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_INVALID_MODEL);
        assert_non_null(strstr(f.watch.error, says[i]));
        assert_int_equal(f.model.held, 0);
        end(&f);
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
        fixture f;
        begin(&f, false);
        f.options.log_level = (vkd_log_level)level;
        assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_OK);
        assert_int_equal(vkd_execute(f.delegate, NULL, 0), VKD_INVALID_ARGUMENT);
        assert_int_equal(f.watch.counts[VKD_LOG_ERROR], 1);
        assert_non_null(strstr(f.watch.text, vkd_last_error(f.delegate)));
        /* which device */
        assert_int_equal(f.watch.counts[VKD_LOG_INFO] > 0, level >= VKD_LOG_INFO);
        assert_true(level >= VKD_LOG_DEBUG || f.watch.counts[VKD_LOG_DEBUG] == 0);
        end(&f);
    }
}

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
        {offsetof(vkd_options, skip_rewrites), 8192,
         "vkd_options.skip_rewrites is 8192, the largest possible is 8191"},
        {offsetof(vkd_options, in_flight), VKD_MAX_IN_FLIGHT + 1, "vkd_options.in_flight is 65"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fixture f;
        begin(&f, false);
        memcpy((char *)&f.options + rows[i].at, &rows[i].value, sizeof rows[i].value);
        assert_int_equal(small_init(&f.model, &f.options, &f.delegate), VKD_INVALID_ARGUMENT);
        if (!strstr(f.watch.error, rows[i].says))
            fail_msg("\"%s\" does not say \"%s\"", f.watch.error, rows[i].says);
        end(&f);
    }
}

/* A normalisation whose statistics are empty outputs, and an operator with a tensor of rank 9: what
 * the user must learn is which operators are not there, all of them. Needs no device. */
static void operators_are_named_before_values(void **state)
{
    (void)state;
    static const uint32_t image[4] = {1, 2, 3, 4}, nothing[1] = {0},
                          nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const char *const rows[][3] = {
        {"my.norm.default", "my.permute.default",
         "operators 'my.norm.default' (node 3), 'my.permute.default' (node 4) are not supported"},
        {"my.norm.default", "aten.relu.default",
         "operator 'my.norm.default' (node 3) is not supported"},
        {"aten.relu.default", "aten.relu.default",
         "values[3]: a tensor of rank above 8 is not supported"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        vkd_blob_builder *b = blob_new();
        uint32_t x = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, image, NULL),
                 mean = blob_tensor(b, VKD_DTYPE_FLOAT32, 1, nothing, NULL);
        uint32_t y = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, image, NULL),
                 z = blob_tensor(b, VKD_DTYPE_FLOAT32, 9, nine, NULL);
        uint32_t results = blob_value_list(b, (const uint32_t[]){y, mean, mean}, 3);
        blob_op(b, rows[i][0], 3, (const uint32_t[]){x, results}, 2);
        blob_op(b, rows[i][1], 4, (const uint32_t[]){y, z}, 2);
        blob_io(b, &x, 1, &z, 1);
        size_t size;
        void *blob = blob_finish(b, &size);
        watch w;
        vkd_options options = watch_begin(&w);
        vkd_delegate *delegate;
        assert_int_equal(vkd_init(blob, size, NULL, 0, NULL, &options, &delegate), VKD_UNSUPPORTED);
        assert_string_equal(w.error, rows[i][2]);
        assert_int_equal(w.counts[VKD_LOG_ERROR], 1);
        watch_end(&w);
        free(blob);
    }
}

static void values_are_read(void **state)
{
    (void)state;
    fixture f;
    vkd_tensor_info info;
    int8_t quantised[SMALL_X];
    begin_ready(&f);
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
    end(&f);
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
        cmocka_unit_test(null_pointers_without_an_object),
        cmocka_unit_test(null_pointers_for_init),
        cmocka_unit_test(null_pointers_for_a_delegate),
        cmocka_unit_test(wrong_arguments_for_execute),
        cmocka_unit_test(smaller_inputs_run),
        cmocka_unit_test(arguments_between_inputs_and_outputs_are_ignored),
        cmocka_unit_test(compile_specs),
        cmocka_unit_test(warm_up_is_an_execution),
        cmocka_unit_test(broken_operators),
        cmocka_unit_test(every_rank_runs),
        cmocka_unit_test(odd_tensors),
        cmocka_unit_test(named_data_that_does_not_fit),
        cmocka_unit_test(named_data_that_is_not_finite),
        cmocka_unit_test(error_buffers_of_any_size),
        cmocka_unit_test(log_levels),
        cmocka_unit_test(numbers_out_of_range),
        cmocka_unit_test(operators_are_named_before_values),
        cmocka_unit_test(values_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
