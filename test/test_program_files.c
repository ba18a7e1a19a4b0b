/* Files that are no programs, cut short, or changed by somebody else while they are read. */
#include "support/gpu.h"
#include "support/model_io.h"
#include "support/programs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
    program_write(path, "", 0);
    assert_not_opened(path, VKD_INVALID_MODEL);
    program_write(path, "<html>404</html>", 16);
    assert_not_opened(path, VKD_INVALID_MODEL); /* test_file_kind.c has all kinds */
    program_write(path, "\377\377\377\377ET12broken", 14);
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
    sample_open(&s, PROGRAM_SAMPLE);
    char *directory = new_directory(), *path = join_path(directory, "model.pte");
    program_write(path, s.file, s.file_size);
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
    vkd_engine *engine; /* so that each moment is one of reading, and nothing is compiled again */
    int64_t moment;     /* which allocation; -1: none */
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
    options.engine = i->engine;
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

static vkd_engine *make_engine(watch *w)
{
    vkd_options options = watch_begin(w);
    vkd_engine *engine;
    options.validate = false;
    if (vkd_engine_create(&options, &engine) != VKD_OK)
        fail_msg("%s", w->error);
    return engine;
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
                          .inputs = &program_x,
                          .input_count = 1,
                          .outputs = &program_y,
                          .output_count = 1};
    size_t size, refused = 0;
    void *bytes = blob_wrap_pte(&pte, &size);
    char *directory = new_directory(), *path = join_path(directory, "model.pte");
    watch of_engine;
    intruder i = {.engine = make_engine(&of_engine), .path = path, .came = true};
    for (; i.came; i.moment++) {
        i.came = false;
        i.size = (size_t)i.moment % 2 ? 0 : size - 1;
        program_write(path, bytes, size);
        vkd_status status = run_intruded(&i, NULL, 0);
        if (status != VKD_OK && status != VKD_IO_ERROR && status != VKD_INVALID_MODEL)
            fail_msg("moment %lld: %s", (long long)i.moment, vkd_status_name(status));
        refused += status != VKD_OK;
    }
    print_message("%lld moments, %zu refusals\n", (long long)i.moment, refused);
    assert_true(refused > 10 && (int64_t)refused < i.moment);
    vkd_engine_destroy(i.engine);
    watch_end(&of_engine);
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
                          .inputs = &program_x,
                          .input_count = 1,
                          .outputs = &program_y,
                          .output_count = 1};
    size_t size;
    void *bytes = blob_wrap_pte(&pte, &size);
    char *directory = new_directory(), *path = join_path(directory, "model.pte");
    program_write(path, bytes, size);
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
static size_t change_meanwhile(vkd_engine *engine, const uint8_t *bytes, size_t size, int value)
{
    uint8_t *changed = malloc(size);
    assert_non_null(changed);
    intruder i = {.engine = engine, .bytes = changed, .size = size, .value = value, .came = true};
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
    watch of_engine;
    vkd_engine *engine = make_engine(&of_engine);
    sample_open(&s, PROGRAM_SAMPLE);
    void *wide = wrap_wide(&size);
    for (size_t v = 0; v < sizeof values / sizeof *values; v++)
        moments += change_meanwhile(engine, wide, size, values[v]);
    moments += change_meanwhile(engine, s.file, s.file_size, -1);
    print_message("%zu moments\n", moments);
    assert_true(moments > 50);
    free(wide);
    sample_close(&s);
    vkd_engine_destroy(engine);
    watch_end(&of_engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_are_no_program), cmocka_unit_test(truncated_files),
        cmocka_unit_test(file_cut_meanwhile),        cmocka_unit_test(file_cut_between),
        cmocka_unit_test(bytes_change_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
