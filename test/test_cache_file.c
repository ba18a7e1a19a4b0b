/* Files in the cache: written atomically, read with distrust. No driver is needed. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/base/cache_file.h"
#include "support/gpu.h"
#include "support/skip.h"

enum { HEADER_SIZE = 56, PAYLOAD_SIZE = 1000 };

typedef struct fixture {
    gpu g; /* for its log and its allocator only */
    vkd_caps caps;
    char *root, *directory, *path; /* the directory does not exist yet */
    unsigned char payload[PAYLOAD_SIZE];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    gpu_init(&f->g);
    vkd_context_init(&f->g.context, &f->g.options);
    f->caps = (vkd_caps){
        .vendor_id = 1, .device_id = 2, .driver_version = 3, .pipeline_cache_uuid = {4, 5, 6}};
    f->root = new_directory();
    f->directory = join_path(f->root, "a/b");
    f->path = join_path(f->directory, "file.bin");
    for (int i = 0; i < PAYLOAD_SIZE; i++)
        f->payload[i] = (unsigned char)gpu_random();
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    int leaked = f->g.live_allocations != 0;
    remove_tree(f->root);
    free(f->root);
    free(f->directory);
    free(f->path);
    free(f);
    return leaked;
}

static bool write_payload(fixture *f, size_t size)
{
    return vkd_cache_file_write(&f->g.context, f->directory, f->path, &f->caps, f->payload, size);
}

/* Reads with these caps; the size must be `size`, or nothing must come if size is SIZE_MAX. */
static void expect(fixture *f, const vkd_caps *caps, size_t size)
{
    size_t found;
    void *payload = vkd_cache_file_read(&f->g.context, f->path, caps, &found);
    if (size == SIZE_MAX) {
        assert_null(payload);
        return;
    }
    assert_non_null(payload);
    assert_int_equal(found, size);
    assert_memory_equal(payload, f->payload, size);
    vkd_free(&f->g.context, payload);
}

static int count_files(const char *directory)
{
    int count = 0;
    DIR *entries = opendir(directory);
    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries));)
        count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(entries);
    return count;
}

static void round_trip(void **state)
{
    fixture *f = *state;
    expect(f, &f->caps, SIZE_MAX);
    assert_int_equal(f->g.log_length, 0); /* a missing file is no news */
    assert_true(write_payload(f, PAYLOAD_SIZE));
    expect(f, &f->caps, PAYLOAD_SIZE);
    assert_true(write_payload(f, 0));
    expect(f, &f->caps, 0);
    char *file = only_file(f->directory); /* no temporary file is left */
    assert_string_equal(file, f->path);
    free(file);
    assert_int_equal(f->g.log_length, 0);
}

static void other_devices(void **state)
{
    fixture *f = *state;
    assert_true(write_payload(f, PAYLOAD_SIZE));
    for (int field = 0; field < 4; field++) {
        vkd_caps other = f->caps;
        other.vendor_id += field == 0;
        other.device_id += field == 1;
        other.driver_version += field == 2;
        other.pipeline_cache_uuid[15] += field == 3;
        f->g.log[f->g.log_length = 0] = 0;
        expect(f, &other, SIZE_MAX);
        assert_non_null(strstr(f->g.log, "another device or driver"));
    }
    expect(f, &f->caps, PAYLOAD_SIZE);
}

static void broken_files(void **state)
{
    fixture *f = *state;
    unsigned char bytes[HEADER_SIZE + PAYLOAD_SIZE + 1] = {0};
    assert_true(write_payload(f, PAYLOAD_SIZE));
    FILE *file = fopen(f->path, "r+b");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof bytes, file), HEADER_SIZE + PAYLOAD_SIZE);
    for (int round = 0; round < 400; round++) {
        size_t at =
            round < HEADER_SIZE ? (size_t)round : gpu_random() % (HEADER_SIZE + PAYLOAD_SIZE);
        unsigned char flipped = bytes[at] ^ (unsigned char)(1u << gpu_random() % 8);
        assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
        assert_int_equal(fputc(flipped, file), flipped);
        fflush(file);
        expect(f, &f->caps, SIZE_MAX);
        assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
        assert_int_equal(fputc(bytes[at], file), bytes[at]);
        fflush(file);
    }
    expect(f, &f->caps, PAYLOAD_SIZE);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    fputc(0, file); /* longer than it says */
    fflush(file);
    expect(f, &f->caps, SIZE_MAX);
    for (int size = HEADER_SIZE + PAYLOAD_SIZE - 1; size >= 0;
         size -= size > HEADER_SIZE + 100 ? 97 : 1) {
        assert_int_equal(ftruncate(fileno(file), size), 0);
        expect(f, &f->caps, SIZE_MAX);
    }
    assert_int_equal(ftruncate(fileno(file), (off_t)1 << 40), 0); /* a sparse giant is not read */
    expect(f, &f->caps, SIZE_MAX);
    fclose(file);
    assert_int_equal(f->g.log_counts[VKD_LOG_ERROR] + f->g.log_counts[VKD_LOG_WARNING], 0);
}

static void things_that_are_no_files(void **state)
{
    fixture *f = *state;
    assert_true(write_payload(f, 1));
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkfifo(f->path, 0600), 0);
    expect(f, &f->caps, SIZE_MAX); /* and does not hang */
    assert_true(write_payload(f, PAYLOAD_SIZE));
    expect(f, &f->caps, PAYLOAD_SIZE); /* the FIFO was replaced */
    assert_int_equal(unlink(f->path), 0);
    assert_int_equal(mkdir(f->path, 0700), 0);
    expect(f, &f->caps, SIZE_MAX);
    assert_false(write_payload(f, PAYLOAD_SIZE));
    assert_int_equal(f->g.log_counts[VKD_LOG_WARNING], 1);
    free(only_file(f->directory));
}

static void unwritable_directories(void **state)
{
    fixture *f = *state;
    assert_false(vkd_cache_file_write(&f->g.context, "/dev/null/x", "/dev/null/x/file", &f->caps,
                                      f->payload, 1));
    assert_int_equal(f->g.log_counts[VKD_LOG_WARNING], 1);
    if (geteuid() == 0)
        return; /* no permission stops root */
    assert_true(write_payload(f, 10));
    assert_int_equal(chmod(f->directory, 0500), 0);
    assert_false(write_payload(f, 20));
    assert_int_equal(chmod(f->directory, 0700), 0);
    expect(f, &f->caps, 10);
}

/* A limit on the size of files stands for a full disk: write fails in the middle in the same way.
 */
static void full_disk(void **state)
{
    fixture *f = *state;
    assert_true(write_payload(f, 10));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = {HEADER_SIZE + 100, HEADER_SIZE + 100};
        bool failed = setrlimit(RLIMIT_FSIZE, &limit) == 0 && !write_payload(f, PAYLOAD_SIZE);
        _exit(failed && f->g.log_counts[VKD_LOG_WARNING] == 1 ? 0 : 1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    expect(f, &f->caps, 10); /* the old one */
    free(only_file(f->directory));
}

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

/* A process that was killed while it wrote leaves a temporary file, which the next one that reads
 * removes. */
static void killed_while_writing(void **state)
{
    fixture *f = *state;
    assert_true(write_payload(f, 10));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit limit = {HEADER_SIZE + 100, HEADER_SIZE + 100}, no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        if (setrlimit(RLIMIT_FSIZE, &limit) == 0)
            write_payload(f, PAYLOAD_SIZE); /* SIGXFSZ */
        _exit(1);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGXFSZ);
    assert_int_equal(count_files(f->directory), 2);
    expect(f, &f->caps, 10);
    assert_int_equal(count_files(f->directory), 1);
    assert_true(exists(f->path));
}

/* What somebody is writing stays, and so does what only looks like it. */
static void files_that_are_no_leftovers(void **state)
{
    fixture *f = *state;
    static const char *const others[] = {"file.bin.abcde", "file.bin.abcdefg", "file2bin.abcdef",
                                         "file.binabcdefg", "other"};
    assert_true(write_payload(f, 10));
    char *written = join_path(f->directory, "file.bin.Abc123");
    int file = open(written, O_CREAT | O_RDWR, 0600);
    assert_true(file >= 0 && flock(file, LOCK_EX) == 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char *path = join_path(f->directory, others[i]);
        FILE *other = fopen(path, "w");
        assert_non_null(other);
        fclose(other);
        free(path);
    }
    expect(f, &f->caps, 10);
    assert_int_equal(count_files(f->directory), 2 + sizeof others / sizeof *others);
    close(file);
    expect(f, &f->caps, 10);
    assert_false(exists(written));
    assert_int_equal(count_files(f->directory), 1 + sizeof others / sizeof *others);
    free(written);
}

static void files_that_others_could_write(void **state)
{
    fixture *f = *state;
    static const struct {
        mode_t file, directory;
        const char *fault; /* null: trusted */
    } cases[] = {
        {0600, 0700, NULL},
        {0644, 0755, NULL},
        {0400, 0770, NULL},
        {0620, 0700, "it is writable by others"},
        {0602, 0700, "it is writable by others"},
        {0666, 0700, "it is writable by others"},
        {0600, 0777, "its directory is writable by everybody"},
        {0600, 0703, "its directory is writable by everybody"},
        {0600, 01777, NULL}, /* as /tmp, where nobody replaces what is another's */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(write_payload(f, PAYLOAD_SIZE));
        assert_int_equal(chmod(f->path, cases[i].file), 0);
        assert_int_equal(chmod(f->directory, cases[i].directory), 0);
        f->g.log[f->g.log_length = 0] = 0;
        expect(f, &f->caps, cases[i].fault ? SIZE_MAX : PAYLOAD_SIZE);
        if (cases[i].fault && !strstr(f->g.log, cases[i].fault))
            fail_msg("case %zu: \"%s\"", i, f->g.log);
        assert_int_equal(write_payload(f, PAYLOAD_SIZE),
                         !cases[i].fault || !strstr(cases[i].fault, "directory"));
        assert_int_equal(chmod(f->directory, 0700), 0);
    }
}

static void files_of_another_user(void **state)
{
    fixture *f = *state;
    enum { SOMEBODY = 12345 };
    if (geteuid() != 0)
        test_skip("only root can give files away");
    assert_true(write_payload(f, PAYLOAD_SIZE));
    assert_int_equal(chown(f->path, SOMEBODY, SOMEBODY), 0);
    expect(f, &f->caps, SIZE_MAX);
    assert_non_null(strstr(f->g.log, "it belongs to another user"));
    assert_true(write_payload(f, PAYLOAD_SIZE)); /* in its place */
    expect(f, &f->caps, PAYLOAD_SIZE);
    assert_int_equal(chown(f->directory, SOMEBODY, SOMEBODY), 0);
    f->g.log[f->g.log_length = 0] = 0;
    expect(f, &f->caps, SIZE_MAX);
    assert_non_null(strstr(f->g.log, "its directory belongs to another user"));
    assert_false(write_payload(f, PAYLOAD_SIZE));
}

static void no_memory(void **state)
{
    fixture *f = *state;
    assert_true(write_payload(f, PAYLOAD_SIZE));
    f->g.failing_allocation = f->g.total_allocations + 1;
    expect(f, &f->caps, SIZE_MAX);
    expect(f, &f->caps, PAYLOAD_SIZE);
}

static void directory_choice(void **state)
{
    (void)state;
    static const struct {
        const char *option, *xdg, *home, *expected;
    } rows[] = {
        {"/somewhere", "/x", "/h", "/somewhere"},
        {NULL, "/x", "/h", "/x/vkdelegate"},
        {NULL, "relative", "/h", "/h/.cache/vkdelegate"},
        {"", "", "/h", "/h/.cache/vkdelegate"},
        {NULL, NULL, "/h", "/h/.cache/vkdelegate"},
        {NULL, NULL, NULL, NULL},
        {NULL, NULL, "", NULL},
        {NULL, NULL, "/a/home/that/is/longer/than/the/space/for/it", NULL},
    };
    const char *old_xdg = getenv("XDG_CACHE_HOME"), *old_home = getenv("HOME");
    char *xdg = old_xdg ? strdup(old_xdg) : NULL, *home = old_home ? strdup(old_home) : NULL;
    char text[40];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rows[i].xdg ? setenv("XDG_CACHE_HOME", rows[i].xdg, 1) : unsetenv("XDG_CACHE_HOME");
        rows[i].home ? setenv("HOME", rows[i].home, 1) : unsetenv("HOME");
        vkd_options options = {.cache_dir = rows[i].option};
        assert_int_equal(vkd_cache_directory(&options, text, sizeof text),
                         rows[i].expected != NULL);
        if (rows[i].expected)
            assert_string_equal(text, rows[i].expected);
        options.no_cache = true;
        assert_false(vkd_cache_directory(&options, text, sizeof text));
    }
    xdg ? setenv("XDG_CACHE_HOME", xdg, 1) : unsetenv("XDG_CACHE_HOME");
    home ? setenv("HOME", home, 1) : unsetenv("HOME");
    free(xdg);
    free(home);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_devices, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(things_that_are_no_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unwritable_directories, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_disk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(killed_while_writing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_are_no_leftovers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_that_others_could_write, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_of_another_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_memory, set_up, tear_down),
        cmocka_unit_test(directory_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
