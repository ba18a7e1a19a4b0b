/* The tuning file: what is kept, for whom, and what becomes of a broken one. No driver is needed.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/tuning_file.h"
#include "support/gpu.h"

enum { CODE = 7, MAX_FACTS = 4096 };

typedef struct fixture {
    gpu g; /* for its log and its allocator only */
    vkd_caps caps;
    vkd_options options;
    char *directory;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    gpu_init(&f->g);
    vkd_context_init(&f->g.context, &f->g.options);
    f->caps = (vkd_caps){.name = "A device",
                         .vendor_id = 1,
                         .device_id = 2,
                         .driver_version = 3,
                         .pipeline_cache_uuid = {4},
                         .dot = VKD_DOT_NONE};
    f->directory = new_directory();
    f->options.cache_dir = f->directory;
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    int leaked = f->g.live_allocations != 0;
    remove_tree(f->directory);
    free(f->directory);
    free(f);
    return leaked;
}

/* An opened file with its arena, which must not move. */
typedef struct opened {
    vkd_arena arena;
    vkd_tuning_file *file;
} opened;

static void open_as(fixture *f, const vkd_caps *caps, uint64_t code, opened *out)
{
    vkd_arena_init(&out->arena, &f->g.context);
    assert_int_equal(vkd_tuning_file_open(&out->arena, caps, code, &f->options, &out->file),
                     VKD_OK);
}

static void open_file(fixture *f, opened *out) { open_as(f, &f->caps, CODE, out); }

static void close_file(opened *o)
{
    vkd_tuning_file_save(o->file);
    vkd_arena_release(&o->arena);
}

static void set(opened *o, const char *subject, const char *variant, uint64_t value)
{
    assert_int_equal(vkd_tuning_file_set(o->file, subject, variant, value), VKD_OK);
}

static bool has(const opened *o, const char *subject, const char *variant, uint64_t value)
{
    uint64_t found;
    return vkd_tuning_file_find(o->file, subject, variant, &found) && found == value;
}

static bool lacks(const opened *o, const char *subject, const char *variant)
{
    uint64_t found;
    return !vkd_tuning_file_find(o->file, subject, variant, &found);
}

static void write_one(fixture *f, const char *subject, const char *variant, uint64_t value)
{
    opened o;
    open_file(f, &o);
    set(&o, subject, variant, value);
    close_file(&o);
}

static void round_trip(void **state)
{
    fixture *f = *state;
    opened o;
    open_file(f, &o);
    assert_true(lacks(&o, "shape", "fast"));
    close_file(&o); /* nothing to say: no file */
    assert_null(only_file(f->directory));
    write_one(f, "shape", "fast", 123456789012345);
    open_file(f, &o);
    assert_true(has(&o, "shape", "fast", 123456789012345) && lacks(&o, "shape", "slow") &&
                lacks(&o, "other", "fast"));
    set(&o, "shape", "fast", 5);
    set(&o, "shape", "slow", 0);
    close_file(&o);
    open_file(f, &o);
    assert_true(has(&o, "shape", "fast", 5) && has(&o, "shape", "slow", 0));
    close_file(&o);
    free(only_file(f->directory));
    assert_int_equal(f->g.log_length, 0);
}

static void texts_that_cannot_be_kept(void **state)
{
    fixture *f = *state;
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[256] = 0;
    opened o;
    open_file(f, &o);
    assert_int_equal(vkd_tuning_file_set(o.file, "", "v", 1), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_tuning_file_set(o.file, "a\tb", "v", 1), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_tuning_file_set(o.file, "s", "a\nb", 1), VKD_INVALID_ARGUMENT);
    assert_int_equal(vkd_tuning_file_set(o.file, longest, "v", 1), VKD_INVALID_ARGUMENT);
    longest[255] = 0;
    assert_int_equal(vkd_tuning_file_set(o.file, longest, longest, 1), VKD_OK);
    close_file(&o);
    open_file(f, &o);
    assert_true(has(&o, longest, longest, 1));
    close_file(&o);
}

static void what_others_wrote_meanwhile(void **state)
{
    fixture *f = *state;
    write_one(f, "before", "v", 1);
    opened a, b;
    open_file(f, &a);
    open_file(f, &b);
    set(&a, "a", "v", 2);
    set(&a, "both", "v", 3);
    set(&b, "b", "v", 4);
    set(&b, "both", "v", 5);
    close_file(&a);
    close_file(&b);
    opened o;
    open_file(f, &o);
    assert_true(has(&o, "before", "v", 1) && has(&o, "a", "v", 2) && has(&o, "b", "v", 4));
    assert_true(has(&o, "both", "v", 5)); /* the later one */
    close_file(&o);
}

/* Each has a file of its own; none reads another's. */
static void other_devices_and_versions(void **state)
{
    fixture *f = *state;
    write_one(f, "shape", "v", 1);
    for (int field = 0; field < 7; field++) {
        vkd_caps other = f->caps;
        other.vendor_id += field == 0;
        other.device_id += field == 1;
        other.driver_version += field == 2;
        other.pipeline_cache_uuid[15] += field == 3;
        other.name[0] += field == 4;
        other.dot = field == 5 ? VKD_DOT_MIXED : other.dot;
        opened o;
        open_as(f, &other, CODE + (field == 6), &o);
        assert_true(lacks(&o, "shape", "v"));
        set(&o, "shape", "v", 2);
        close_file(&o);
    }
    opened o;
    open_file(f, &o);
    assert_true(has(&o, "shape", "v", 1));
    close_file(&o);
}

/* A file in the place of another device's is not believed, whatever its name. */
static void a_copied_file(void **state)
{
    fixture *f = *state;
    write_one(f, "shape", "v", 1);
    char *own = only_file(f->directory), *kept = join_path(f->directory, ".kept");
    assert_int_equal(rename(own, kept), 0);
    opened o;
    open_as(f, &f->caps, CODE + 1, &o);
    set(&o, "shape", "v", 2);
    close_file(&o);
    char *other = only_file(f->directory);
    assert_int_equal(rename(other, own), 0);
    open_file(f, &o);
    assert_true(lacks(&o, "shape", "v"));
    assert_non_null(strstr(f->g.log, "another device or version"));
    close_file(&o);
    free(own), free(kept), free(other);
}

static void broken_files(void **state)
{
    fixture *f = *state;
    unsigned char bytes[4096];
    for (int i = 0; i < 20; i++) {
        char subject[32];
        snprintf(subject, sizeof subject, "shape %d", i);
        write_one(f, subject, "v", (uint64_t)i);
    }
    char *path = only_file(f->directory);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof bytes, file);
    for (int round = 0; round < 300; round++) {
        size_t at = gpu_random() % size, length = round % 3 ? size : gpu_random() % size;
        rewind(file);
        fwrite(bytes, 1, size, file);
        assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
        fputc(bytes[at] ^ (1 << gpu_random() % 8), file);
        fflush(file);
        assert_int_equal(ftruncate(fileno(file), (off_t)length), 0);
        opened o;
        open_file(f, &o);
        assert_true(lacks(&o, "shape 3", "v")); /* all or nothing */
        close_file(&o);
        assert_int_equal(ftruncate(fileno(file), (off_t)size), 0);
    }
    fclose(file);
    write_one(f, "new", "v", 1); /* it takes the broken one's place */
    opened o;
    open_file(f, &o);
    assert_true(has(&o, "new", "v", 1));
    close_file(&o);
    free(path);
    assert_int_equal(f->g.log_counts[VKD_LOG_ERROR] + f->g.log_counts[VKD_LOG_WARNING], 0);
}

static void the_oldest_are_dropped(void **state)
{
    fixture *f = *state;
    char subject[32];
    opened o;
    open_file(f, &o);
    for (int i = 0; i < MAX_FACTS + 10; i++) {
        snprintf(subject, sizeof subject, "shape %d", i);
        set(&o, subject, "v", (uint64_t)i);
    }
    close_file(&o);
    open_file(f, &o);
    assert_true(lacks(&o, "shape 9", "v") && has(&o, "shape 10", "v", 10));
    snprintf(subject, sizeof subject, "shape %d", MAX_FACTS + 9);
    assert_true(has(&o, subject, "v", MAX_FACTS + 9));
    set(&o, "newest", "v", 1);
    close_file(&o);
    open_file(f, &o);
    assert_true(lacks(&o, "shape 10", "v") && has(&o, "shape 11", "v", 11) &&
                has(&o, "newest", "v", 1));
    close_file(&o);
}

/* A limit on the size of files stands for a full disk. */
static void full_disk(void **state)
{
    fixture *f = *state;
    write_one(f, "old", "v", 1);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = {100, 100};
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(1);
        write_one(f, "new", "v", 2);
        _exit(f->g.log_counts[VKD_LOG_WARNING] == 1 ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    opened o;
    open_file(f, &o);
    assert_true(has(&o, "old", "v", 1) && lacks(&o, "new", "v"));
    close_file(&o);
    free(only_file(f->directory));
}

static void without_a_cache(void **state)
{
    fixture *f = *state;
    f->options.no_cache = true;
    opened o;
    open_file(f, &o);
    set(&o, "shape", "v", 1);
    assert_true(has(&o, "shape", "v", 1));
    close_file(&o);
    assert_null(only_file(f->directory));
}

static void no_memory(void **state)
{
    fixture *f = *state;
    write_one(f, "shape", "v", 1);
    for (int64_t at = 1;; at++) {
        vkd_arena arena;
        vkd_tuning_file *file;
        f->g.failed = false;
        f->g.failing_allocation = f->g.total_allocations + at;
        vkd_arena_init(&arena, &f->g.context);
        vkd_status status = vkd_tuning_file_open(&arena, &f->caps, CODE, &f->options, &file);
        vkd_arena_release(&arena);
        if (!f->g.failed)
            break;
        /* OK: the file was not read */
        assert_true(status == VKD_OUT_OF_MEMORY || status == VKD_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_that_cannot_be_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_others_wrote_meanwhile, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_devices_and_versions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copied_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_oldest_are_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_a_cache, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
