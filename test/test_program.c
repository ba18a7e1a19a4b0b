/* The .pte container through the public interface: files that are none, methods, inputs and outputs
 * in the wrong order. */
#include "support/blob_builder.h"
#include "support/call.h"
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/model_io.h"
#include "support/pte_builder.h"
#include "support/random.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAMPLE "tiny/conv_relu_maxpool3s2p1_15x13"

static const vkd_tensor_info x_info = {
    .dtype = VKD_DTYPE_FLOAT32, .rank = 4, .dims = {1, SMALL_IN, SMALL_H, SMALL_W}};
static const vkd_tensor_info y_info = {
    .dtype = VKD_DTYPE_FLOAT32, .rank = 4, .dims = {1, SMALL_OUT, SMALL_H, SMALL_W}};

static char *sample_path(const char *folder)
{
    char *path = join_path(VKD_MODELS, folder), *file = join_path(path, "model.pte");
    free(path);
    return file;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* ---------------------------------------------------------------------------------------- files */

static void assert_not_opened(const char *path, vkd_status expected)
{
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_program *program = (vkd_program *)&w;
    vkd_status status = vkd_program_open(path, &options, &program);
    if (status != expected || !strstr(w.error, path))
        fail_msg("%s: %s, \"%s\": expected %s", path, vkd_status_name(status), w.error,
                 vkd_status_name(expected));
    assert_null(program);
    assert_int_equal(w.counts[VKD_LOG_ERROR], 1);
    watch_end(&w);
}

static void files_that_are_no_program(void **state)
{
    (void)state;
    char *directory = new_directory(), *path = join_path(directory, "model.pte");
    assert_not_opened(path, VKD_IO_ERROR); /* missing */
    assert_not_opened(directory, VKD_IO_ERROR);
    assert_not_opened("/dev/null", VKD_IO_ERROR);
    /* nobody writes: opening must not wait for one who does */
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(60);
    assert_not_opened(path, VKD_IO_ERROR);
    alarm(0);
    assert_int_equal(unlink(path), 0);
    write_file(path, "", 0);
    assert_not_opened(path, VKD_INVALID_MODEL);
    write_file(path, "<html>404</html>", 16);
    assert_not_opened(path, VKD_INVALID_MODEL); /* test_file_kind.c has all kinds */
    write_file(path, "\377\377\377\377ET12broken", 14);
    assert_not_opened(path, VKD_INVALID_MODEL);
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() != 0)
        assert_not_opened(path, VKD_IO_ERROR);
    remove_tree(directory);
    free(directory), free(path);
}

/* Opens a file, and if that works loads its method, which must fail cleanly or work. Returns
 * whether all of it worked. */
static bool opens(const char *path)
{
    watch w;
    vkd_options options = watch_begin(&w);
    options.validate = false;
    vkd_program *program = NULL;
    vkd_method *method = NULL;
    vkd_status status = vkd_program_open(path, &options, &program);
    if (status == VKD_OK)
        status = vkd_method_load(program, NULL, &options, &method);
    bool clean = status == VKD_OK || status == VKD_INVALID_MODEL || status == VKD_UNSUPPORTED ||
                 status == VKD_NO_DEVICE;
    if (!clean || (status != VKD_OK && !*w.error))
        fail_msg("%s: %s, \"%s\"", path, vkd_status_name(status), w.error);
    vkd_method_unload(method);
    vkd_program_close(program);
    watch_end(&w);
    return status == VKD_OK;
}

/* Cut off at every length near the ends of its parts, and at many others. The last segment is not
 * padded, so the whole file counts. */
static void truncated_files(void **state)
{
    (void)state;
    sample s;
    sample_open(&s, SAMPLE);
    char *directory = new_directory(), *path = join_path(directory, "model.pte");
    write_file(path, s.file, s.file_size);
    if (gpu_present())
        assert_true(opens(path));
    size_t tried = 0;
    for (size_t size = s.file_size - 1; size > 0;
         size -= size <= 80 || size > s.file_size - 40 ? 1 : 29, tried++) {
        assert_int_equal(truncate(path, (off_t)size), 0);
        assert_false(opens(path));
    }
    print_message("%zu lengths of %zu bytes\n", tried, s.file_size);
    assert_true(tried > 200);
    remove_tree(directory);
    free(directory), free(path);
    sample_close(&s);
}

/* ------------------------------------------------------------- bytes that somebody else changes */

/* What another process does at one moment of a call. */
typedef struct intruder {
    int64_t moment; /* which allocation; -1: none */
    bool came;
    const char *path; /* a file that is cut to `size` bytes */
    uint8_t *bytes;   /* or bytes that become `value` each, or -1: what they are not */
    size_t size;
    int value;
} intruder;

static void intrude(void *user, int64_t call)
{
    intruder *i = user;
    if (call != i->moment)
        return;
    i->came = true;
    if (i->path)
        assert_int_equal(truncate(i->path, (off_t)i->size), 0);
    for (size_t k = 0; i->bytes && k < i->size; k++)
        i->bytes[k] = i->value < 0 ? (uint8_t)~i->bytes[k] : (uint8_t)i->value;
}

/* Opens the file or the bytes, loads, runs, loads once more, with an intruder. */
static vkd_status run_intruded(intruder *i, const uint8_t *bytes, size_t size)
{
    watch w;
    vkd_options options = watch_begin(&w);
    options.validate = false;
    w.memory.meanwhile = intrude;
    w.memory.user = i;
    vkd_program *program = NULL;
    vkd_method *methods[2] = {NULL};
    vkd_status status = i->path ? vkd_program_open(i->path, &options, &program)
                                : vkd_program_open_bytes(bytes, size, &options, &program);
    for (int k = 0; k < 2 && status == VKD_OK; k++)
        status = vkd_method_load(program, NULL, &options, &methods[k]);
    if (status != VKD_OK && (!*w.error || w.counts[VKD_LOG_ERROR] != 1))
        fail_msg("moment %lld: %s without a message", (long long)i->moment,
                 vkd_status_name(status));
    vkd_method_unload(methods[0]);
    vkd_method_unload(methods[1]);
    vkd_program_close(program);
    watch_end(&w);
    return status;
}

/* The file is cut short at every moment of opening and loading it: that is an error, or comes too
 * late to matter. */
static void file_cut_meanwhile(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    small_begin(&m, false, NULL);
    const blob_pte pte = {.blob = m.blob,
                          .blob_size = m.size,
                          .inputs = &x_info,
                          .input_count = 1,
                          .outputs = &y_info,
                          .output_count = 1};
    size_t size, refused = 0;
    void *bytes = blob_wrap_pte(&pte, &size);
    char *directory = new_directory(), *path = join_path(directory, "model.pte");
    intruder i = {.path = path, .came = true};
    for (; i.came; i.moment++) {
        i.came = false;
        i.size = (size_t)i.moment % 2 ? 0 : size - 1;
        write_file(path, bytes, size);
        vkd_status status = run_intruded(&i, NULL, 0);
        if (status != VKD_OK && status != VKD_IO_ERROR && status != VKD_INVALID_MODEL)
            fail_msg("moment %lld: %s", (long long)i.moment, vkd_status_name(status));
        refused += status != VKD_OK;
    }
    print_message("%lld moments, %zu refusals\n", (long long)i.moment, refused);
    assert_true(refused > 10 && (int64_t)refused < i.moment);
    free(bytes);
    remove_tree(directory);
    free(directory), free(path);
    small_end(&m);
}

/* A method that is loaded needs the file no more; another one of it cannot be loaded, and the
 * reason is said. */
static void file_cut_between(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_program *program;
    vkd_method *first, *second;
    small_begin(&m, false, NULL);
    const blob_pte pte = {.blob = m.blob,
                          .blob_size = m.size,
                          .inputs = &x_info,
                          .input_count = 1,
                          .outputs = &y_info,
                          .output_count = 1};
    size_t size;
    void *bytes = blob_wrap_pte(&pte, &size);
    char *directory = new_directory(), *path = join_path(directory, "model.pte");
    write_file(path, bytes, size);
    assert_int_equal(vkd_program_open(path, &options, &program), VKD_OK);
    assert_int_equal(vkd_method_load(program, NULL, &options, &first), VKD_OK);
    /* reads the file again */
    assert_int_equal(vkd_method_load(program, NULL, &options, &second), VKD_OK);
    small_check(&m, vkd_method_delegate(second));
    vkd_method_unload(second);
    assert_int_equal(truncate(path, (off_t)size / 2), 0);
    assert_int_equal(vkd_method_load(program, NULL, &options, &second), VKD_IO_ERROR);
    assert_null(second);
    assert_non_null(strstr(w.error, path));
    assert_non_null(strstr(w.error, "cut short"));
    assert_string_equal(vkd_program_error(program), w.error);
    small_check(&m, vkd_method_delegate(first));
    vkd_method_unload(first);
    vkd_program_close(program);
    watch_end(&w);
    free(bytes);
    remove_tree(directory);
    free(directory), free(path);
    small_end(&m);
}

/* A program with an operator of so many arguments that memory is asked for between looking at them
 * and taking them over. */
static void *wrap_wide(size_t *out_size)
{
    enum { ARGS = 20000 };
    vkd_blob_builder *b = blob_new();
    const uint32_t dims[4] = {1, 4, 4, 4};
    uint32_t *args = calloc(ARGS, sizeof *args), ends[2];
    assert_non_null(args);
    for (int i = 0; i < 2; i++)
        ends[i] = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, dims, NULL);
    args[ARGS - 1] = ends[1];
    blob_op(b, "aten.relu.default", 0, args, ARGS);
    blob_io(b, &ends[0], 1, &ends[1], 1);
    size_t size;
    void *blob = blob_finish(b, &size);
    const vkd_tensor_info info = {.dtype = VKD_DTYPE_FLOAT32, .rank = 4, .dims = {1, 4, 4, 4}};
    const blob_pte pte = {.blob = blob,
                          .blob_size = size,
                          .inputs = &info,
                          .input_count = 1,
                          .outputs = &info,
                          .output_count = 1};
    void *bytes = blob_wrap_pte(&pte, out_size);
    free(args);
    free(blob);
    return bytes;
}

/* The caller's bytes become `value` at every moment in turn: whatever comes of it, no memory is
 * harmed. */
static size_t change_meanwhile(const uint8_t *bytes, size_t size, int value)
{
    uint8_t *changed = malloc(size);
    assert_non_null(changed);
    intruder i = {.bytes = changed, .size = size, .value = value, .came = true};
    for (; i.came; i.moment++) {
        i.came = false;
        memcpy(changed, bytes, size);
        vkd_status status = run_intruded(&i, changed, size);
        if (status != VKD_OK && status != VKD_INVALID_MODEL && status != VKD_UNSUPPORTED)
            fail_msg("moment %lld: %s", (long long)i.moment, vkd_status_name(status));
    }
    free(changed);
    return (size_t)i.moment;
}

static void bytes_change_meanwhile(void **state)
{
    (void)state;
    gpu_needed();
    static const int values[] = {0x00, 0x7f, 0xff, -1};
    size_t size, moments = 0;
    sample s;
    sample_open(&s, SAMPLE);
    void *wide = wrap_wide(&size);
    for (size_t v = 0; v < sizeof values / sizeof *values; v++)
        moments += change_meanwhile(wide, size, values[v]);
    moments += change_meanwhile(s.file, s.file_size, -1);
    print_message("%zu moments\n", moments);
    assert_true(moments > 50);
    free(wide);
    sample_close(&s);
}

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
    sample_open(&f->sample, SAMPLE);
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
    char *path = sample_path(SAMPLE);
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
    sample_open(&s, SAMPLE);
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

static vkd_status load_pte(const blob_pte *pte, const char *name, watch *w,
                           vkd_program **out_program, vkd_method **out)
{
    vkd_options options = watch_begin(w);
    size_t size;
    *out = NULL;
    *out_program = NULL;
    void *bytes = blob_wrap_pte(pte, &size);
    char *directory = new_directory(), *path = join_path(directory, "model.pte");
    write_file(path, bytes, size);
    free(bytes);
    vkd_status status = vkd_program_open(path, &options, out_program);
    if (status == VKD_OK)
        status = vkd_method_load(*out_program, name, &options, out);
    remove_tree(directory); /* a file that is open may be removed */
    free(directory), free(path);
    return status;
}

static void programs_that_cannot_run(void **state)
{
    (void)state;
    gpu_needed();
    static const char *const kernels[] = {"aten::nonzero.out", "aten::softmax.out"};
    small_model m;
    small_begin(&m, false, NULL);
    const blob_pte good = {.blob = m.blob,
                           .blob_size = m.size,
                           .inputs = &x_info,
                           .input_count = 1,
                           .outputs = &y_info,
                           .output_count = 1};
    blob_pte twice = good, with_kernels = good, foreign = good, other_shape = good,
             other_name = good;
    twice.calls = 2;
    with_kernels.kernels = kernels;
    with_kernels.kernel_count = 2;
    foreign.delegate_id = "XnnpackBackend";
    other_shape.outputs = &x_info;
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
        vkd_status status = load_pte(cases[i].pte, cases[i].method, &w, &program, &method);
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
                    .inputs = &x_info,
                    .input_count = 1,
                    .outputs = &y_info,
                    .output_count = 1,
                    .named = named,
                    .named_count = 4};
    if (load_pte(&pte, NULL, &w, &program, &method) != VKD_OK)
        fail_msg("%s", w.error);
    small_check(&m, vkd_method_delegate(method));
    vkd_method_unload(method);
    vkd_program_close(program);
    watch_end(&w);
    pte.named_count = 3;
    assert_int_equal(load_pte(&pte, NULL, &w, &program, &method), VKD_INVALID_MODEL);
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
                          .inputs = &x_info,
                          .input_count = 1,
                          .outputs = &y_info,
                          .output_count = 1,
                          .named = first,
                          .named_count = 2};
    size_t size, data_size;
    void *file = blob_wrap_pte(&pte, &size), *data = ptd_build(second, 2, &data_size);
    char *directory = new_directory(), *path = join_path(directory, "weights.ptd");
    write_file(path, data, data_size);
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
                          .inputs = &x_info,
                          .input_count = 1,
                          .outputs = &y_info,
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
    write_file(path, file, size);
    assert_int_equal(vkd_program_add_data(program, path), VKD_INVALID_MODEL);
    assert_non_null(strstr(vkd_program_error(program),
                           "weights.ptd: not a data file (.ptd), it looks like a program"));
    write_file(path, data, data_size);
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
                          .inputs = &x_info,
                          .input_count = 1,
                          .outputs = &y_info,
                          .output_count = 1,
                          .specs = &spec,
                          .spec_count = 1};
    assert_int_equal(load_pte(&pte, NULL, &w, &program, &method), VKD_INVALID_MODEL);
    assert_non_null(strstr(w.error, "storage_type_override"));
    vkd_program_close(program);
    watch_end(&w);
    small_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_are_no_program),
        cmocka_unit_test(truncated_files),
        cmocka_unit_test(file_cut_meanwhile),
        cmocka_unit_test(file_cut_between),
        cmocka_unit_test(bytes_change_meanwhile),
        cmocka_unit_test(null_pointers),
        cmocka_unit_test(methods_by_name),
        cmocka_unit_test(inputs_and_outputs),
        cmocka_unit_test(bytes_equal_file),
        cmocka_unit_test(bytes_anywhere),
        cmocka_unit_test(programs_that_cannot_run),
        cmocka_unit_test(several_delegates),
        cmocka_unit_test(named_data_of_the_program),
        cmocka_unit_test(data_files),
        cmocka_unit_test(data_files_that_are_not_finite),
        cmocka_unit_test(data_files_that_are_none),
        cmocka_unit_test(specs_of_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
