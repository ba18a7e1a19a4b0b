/* Programs through the public interface: methods, inputs and outputs in the wrong order, several
 * delegates. */
#include "support/call.h"
#include "support/gpu.h"
#include "support/model_io.h"
#include "support/programs.h"
#include "support/pte_builder.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -------------------------------------------------------------------------------- null pointers */

static void null_pointers(void **state)
{
    (void)state;
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_program *program;
    vkd_method *method;
    vkd_tensor_info info;
    assert_int_equal(vkd_program_open(NULL, &options, &program), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_program_open("x", &options, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_program_open_bytes(NULL, 10, &options, &program), VKD_INVALID_ARGUMENT);
    assert_null(program);
    assert_int_equal(vkd_method_load(NULL, NULL, &options, &method), VKD_INVALID_ARGUMENT);
    assert_null(method);
    vkd_program_close(NULL);
    vkd_method_unload(NULL);
    assert_string_equal(vkd_program_error(NULL), "");
    assert_string_equal(vkd_method_error(NULL), "");
    assert_null(vkd_program_method_name(NULL, 0));
    assert_null(vkd_method_delegate(NULL));
    assert_int_equal(vkd_program_method_count(NULL) + vkd_method_input_count(NULL) +
                         vkd_method_output_count(NULL),
                     0);
    assert_int_equal(vkd_method_input_info(NULL, 0, &info), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_method_output_info(NULL, 0, &info), VKD_INVALID_ARGUMENT);
    uint64_t ticket;
    assert_int_equal(vkd_method_execute(NULL, NULL, 0), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_method_submit(NULL, NULL, 0, &ticket), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_method_wait(NULL, 1), VKD_INVALID_ARGUMENT);
    watch_end(&w);
}

/* -------------------------------------------------------------------------------------- methods */

/* A program that stays open and its method. */
typedef struct fixture {
    watch watch;
    sample sample;
    vkd_options options;
    vkd_program *program;
    vkd_method *method;
} fixture;

static void begin(fixture *f)
{
    gpu_needed();
    sample_open(&f->sample, PROGRAM_SAMPLE);
    f->options = watch_begin(&f->watch);
    assert_int_equal(
        vkd_program_open_bytes(f->sample.file, f->sample.file_size, &f->options, &f->program),
        VKD_OK);
    if (vkd_method_load(f->program, NULL, &f->options, &f->method) != VKD_OK)
        fail_msg("%s", f->watch.error);
}

static void end(fixture *f)
{
    vkd_method_unload(f->method);
    vkd_program_close(f->program);
    sample_close(&f->sample);
    watch_end(&f->watch);
}

static void methods_by_name(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    vkd_method *method = f.method;
    assert_int_equal(vkd_program_method_count(f.program), 1);
    assert_string_equal(vkd_program_method_name(f.program, 0), "forward");
    assert_null(vkd_program_method_name(f.program, 1));
    assert_int_equal(vkd_method_load(f.program, "backward", &f.options, &method), VKD_NOT_FOUND);
    assert_null(method);
    assert_non_null(
        strstr(f.watch.error, "the program has no method 'backward': there is 'forward'"));
    assert_string_equal(vkd_program_error(f.program), f.watch.error);
    assert_int_equal(vkd_method_load(f.program, "", &f.options, &method), VKD_NOT_FOUND);
    assert_int_equal(vkd_method_load(f.program, "forward", &f.options, NULL), VKD_INVALID_ARGUMENT);
    /* a second one beside the first */
    assert_int_equal(vkd_method_load(f.program, "forward", &f.options, &method), VKD_OK);
    vkd_method_unload(method);
    end(&f);
}

static void inputs_and_outputs(void **state)
{
    (void)state;
    fixture f;
    vkd_tensor_info info;
    begin(&f);
    const uint8_t *x = f.sample.inputs[0];
    size_t x_size = f.sample.input_sizes[0];
    assert_int_equal(vkd_method_input_count(f.method), 1);
    assert_int_equal(vkd_method_input_info(f.method, 0, &info), VKD_OK);
    assert_true(info.dtype == VKD_DTYPE_FLOAT32 && info.rank == 4 && info.size == x_size);
    assert_int_equal(vkd_method_input_info(f.method, 1, &info), VKD_NOT_FOUND);
    assert_int_equal(vkd_method_output_info(f.method, 1, &info), VKD_NOT_FOUND);
    assert_int_equal(vkd_method_input_info(f.method, 0, NULL), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_method_output_info(f.method, 0, NULL), VKD_INVALID_ARGUMENT);

    vkd_tensor_info declared;
    assert_int_equal(vkd_method_output_info(f.method, 0, &declared), VKD_OK);
    assert_int_equal(declared.size, f.sample.count * sizeof(float));
    float *first = malloc(declared.size), *y = malloc(declared.size);
    uint8_t *zeros = calloc(1, x_size);
    vkd_tensor_arg args[] = {call_input(&info, x), call_output(&declared, first)};
    assert_int_equal(vkd_method_execute(f.method, args, 1), VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(vkd_method_error(f.method), "1 arguments"));
    assert_int_equal(vkd_method_execute(f.method, NULL, 2), VKD_INVALID_ARGUMENT);
    args[0].capacity--;
    assert_int_equal(vkd_method_execute(f.method, args, 2), VKD_INVALID_ARGUMENT);
    args[0].capacity++;
    args[1].rank = 0; /* what an output is is not asked, but told */
    memset(args[1].dims, 0xff, sizeof args[1].dims);
    assert_int_equal(vkd_method_execute(f.method, args, 2), VKD_OK);
    assert_int_equal(args[1].rank, declared.rank);
    assert_memory_equal(args[1].dims, declared.dims, declared.rank * sizeof *declared.dims);
    assert_int_equal(call_method(f.method, x, y), VKD_OK);
    assert_memory_equal(y, first, declared.size);
    assert_int_equal(call_method(f.method, zeros, y), VKD_OK);
    assert_memory_not_equal(y, first, declared.size);
    free(zeros);
    free(first);
    free(y);
    end(&f);
}

static void bytes_equal_file(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    char *path = program_path(PROGRAM_SAMPLE);
    vkd_program *program;
    vkd_method *method;
    assert_int_equal(vkd_program_open(path, &f.options, &program), VKD_OK);
    assert_int_equal(vkd_method_load(program, "forward", &f.options, &method), VKD_OK);
    vkd_method *both[] = {f.method, method};
    const size_t size = f.sample.count * sizeof(float);
    float *outputs[] = {malloc(size), malloc(size)};
    for (int i = 0; i < 2; i++)
        assert_int_equal(sample_execute(&f.sample, both[i], outputs[i]), VKD_OK);
    assert_memory_equal(outputs[0], outputs[1], size);
    free(outputs[0]);
    free(outputs[1]);
    vkd_method_unload(method);
    vkd_program_close(program);
    free(path);
    end(&f);
}

/* Bytes at any address: nothing may count on alignment. */
static void bytes_anywhere(void **state)
{
    (void)state;
    gpu_needed();
    sample s;
    sample_open(&s, PROGRAM_SAMPLE);
    uint8_t *aligned = s.file, *memory = malloc(s.file_size + 8);
    for (size_t shift = 1; shift < 8; shift += 3) {
        watch w;
        vkd_options options = watch_begin(&w);
        s.file = memory + shift;
        memcpy(s.file, aligned, s.file_size);
        free(sample_run(&s, &options, 1));
        watch_end(&w);
    }
    free(memory);
    s.file = aligned;
    sample_close(&s);
}

/* ------------------------------------------------------------------------ programs made by hand */

static void programs_that_cannot_run(void **state)
{
    (void)state;
    gpu_needed();
    static const char *const kernels[] = {"aten::nonzero.out", "aten::softmax.out"};
    small_model m;
    small_begin(&m, false, NULL);
    const blob_pte good = {.blob = m.blob,
                           .blob_size = m.size,
                           .inputs = &program_x,
                           .input_count = 1,
                           .outputs = &program_y,
                           .output_count = 1};
    blob_pte twice = good, with_kernels = good, foreign = good, other_shape = good,
             other_name = good;
    twice.calls = 2;
    with_kernels.kernels = kernels;
    with_kernels.kernel_count = 2;
    foreign.delegate_id = "XnnpackBackend";
    other_shape.outputs = &program_x;
    other_name.method = "encode";
    const struct {
        const blob_pte *pte;
        const char *method;
        vkd_status status;
        const char *says;
    } cases[] = {
        {&good, NULL, VKD_OK, ""},
        {&other_name, "encode", VKD_OK, ""},
        {&other_name, NULL, VKD_NOT_FOUND, "'forward'"},
        {&twice, NULL, VKD_UNSUPPORTED, "delegate 0 is called twice"},
        {&with_kernels, NULL, VKD_UNSUPPORTED,
         "'aten::nonzero.out' (node 1: its result's shape depends on values, which the device "
         "alone knows), 'aten::softmax.out' (node 2)"},
        {&foreign, NULL, VKD_UNSUPPORTED, "XnnpackBackend"},
        {&other_shape, NULL, VKD_INVALID_MODEL,
         "output 0 of delegate 0 (value 1) has another shape"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        watch w;
        vkd_program *program;
        vkd_method *method;
        vkd_status status = program_load(cases[i].pte, cases[i].method, &w, &program, &method);
        if (status != cases[i].status || !strstr(w.error, cases[i].says))
            fail_msg("case %zu: %s, \"%s\"", i, vkd_status_name(status), w.error);
        if (status == VKD_OK)
            small_check(&m, vkd_method_delegate(method));
        else
            assert_string_equal(vkd_program_error(program), w.error);
        vkd_method_unload(method);
        vkd_program_close(program);
        watch_end(&w);
    }
    small_end(&m);
}

/* A delegate of one operator over x, with two numbers behind it where it takes those. */
static uint32_t add_operator(vkd_pte_builder *b, const char *name, const vkd_tensor_info *info,
                             bool has_bounds)
{
    vkd_blob_builder *blob = blob_new();
    uint32_t dims[VKD_MAX_RANK];
    for (uint32_t i = 0; i < info->rank; i++)
        dims[i] = (uint32_t)info->dims[i];
    uint32_t x = blob_tensor(blob, info->dtype, info->rank, dims, NULL),
             y = blob_tensor(blob, info->dtype, info->rank, dims, NULL);
    uint32_t low = blob_double(blob, -0.25), high = blob_double(blob, 0.125);
    const uint32_t with[] = {x, low, high, y}, without[] = {x, y};
    blob_op(blob, name, 0, has_bounds ? with : without, has_bounds ? 4 : 2);
    blob_io(blob, &x, 1, &y, 1);
    size_t size;
    void *bytes = blob_finish(blob, &size);
    uint32_t delegate = pte_delegate(b, "VulkanBackend", bytes, size);
    free(bytes);
    return delegate;
}

/* Two delegates, a portable operator and a dropped view between them, an output from in between and
 * inputs in another order than the delegate's: one graph, which gives what the operators one by one
 * give. */
static void several_delegates(void **state)
{
    (void)state;
    gpu_needed();
    enum { CHANNELS = 6, PIXELS = 35 };
    static const vkd_tensor_info image = {VKD_DTYPE_FLOAT32, 4, {1, CHANNELS, 5, 7}, 0},
                                 means = {VKD_DTYPE_FLOAT32, 2, {1, CHANNELS}, 0},
                                 column = {VKD_DTYPE_FLOAT32, 2, {CHANNELS, 1}, 0};
    vkd_pte_builder *b = pte_new();
    uint32_t unread = pte_tensor(b, &means), x = pte_tensor(b, &image), y = pte_tensor(b, &image),
             m = pte_tensor(b, &means), view = pte_tensor(b, &column);
    pte_place(b, m);
    uint32_t z = pte_tensor(b, &column), last = pte_int(b, -1), before = pte_int(b, -2),
             no = pte_bool(b, false), null = pte_null(b),
             dims = pte_int_list(b, (const uint32_t[]){last, before}, 2);
    pte_call(b, add_operator(b, "aten.relu.default", &image, false), (const uint32_t[]){x, y}, 2);
    pte_kernel(b, "aten::mean.out", (const uint32_t[]){y, dims, no, null, m, m}, 6);
    pte_call(b, add_operator(b, "aten.hardtanh.default", &column, true),
             (const uint32_t[]){view, z}, 2);
    pte_io(b, (const uint32_t[]){unread, x}, 2, (const uint32_t[]){z, y}, 2);
    size_t size;
    void *file = pte_finish(b, &size);
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_program *program;
    vkd_method *method;
    if (vkd_program_open_bytes(file, size, &options, &program) != VKD_OK ||
        vkd_method_load(program, NULL, &options, &method) != VKD_OK)
        fail_msg("%s", w.error);
    vkd_random random = random_begin("several delegates");
    float in[CHANNELS * PIXELS], nothing[CHANNELS] = {0};
    for (size_t i = 0; i < CHANNELS * PIXELS; i++)
        in[i] = (float)((int)(random_bits(&random) % 257) - 128) / 256;
    float got_z[CHANNELS], got_y[CHANNELS * PIXELS];
    vkd_tensor_arg args[] = {call_input(&means, nothing), call_input(&image, in),
                             call_output(&column, got_z), call_output(&image, got_y)};
    assert_int_equal(vkd_method_execute(method, args, sizeof args / sizeof args[0]), VKD_OK);
    for (size_t c = 0; c < CHANNELS; c++) {
        float sum = 0; /* multiples of 2^-8: exact */
        for (size_t i = c * PIXELS; i < (c + 1) * PIXELS; i++) {
            assert_true(got_y[i] == (in[i] > 0 ? in[i] : 0));
            sum += got_y[i];
        }
        float mean = sum / PIXELS, expected = mean > 0.125f ? 0.125f : mean;
        if (!(fabsf(got_z[c] - expected) <= 1e-6f))
            fail_msg("channel %zu: %g, expected %g", c, (double)got_z[c], (double)expected);
    }
    vkd_method_unload(method);
    vkd_program_close(program);
    watch_end(&w);
    free(file);
}

/* Compile specs of the program reach the delegate. */
static void specs_of_the_program(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    watch w;
    vkd_program *program;
    vkd_method *method;
    small_begin(&m, false, NULL);
    const vkd_compile_spec spec = {sizeof spec, "storage_type_override", "\1\0\0", 3};
    const blob_pte pte = {.blob = m.blob,
                          .blob_size = m.size,
                          .inputs = &program_x,
                          .input_count = 1,
                          .outputs = &program_y,
                          .output_count = 1,
                          .specs = &spec,
                          .spec_count = 1};
    assert_int_equal(program_load(&pte, NULL, &w, &program, &method), VKD_INVALID_MODEL);
    assert_non_null(strstr(w.error, "storage_type_override"));
    vkd_program_close(program);
    watch_end(&w);
    small_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_pointers),      cmocka_unit_test(methods_by_name),
        cmocka_unit_test(inputs_and_outputs), cmocka_unit_test(bytes_equal_file),
        cmocka_unit_test(bytes_anywhere),     cmocka_unit_test(programs_that_cannot_run),
        cmocka_unit_test(several_delegates),  cmocka_unit_test(specs_of_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
