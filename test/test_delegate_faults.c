/* A delegate when something fails around it: host memory, the Vulkan driver, the device, the
 * cache's directory, the library. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/model_io.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vulkan/vulkan_core.h>

enum { REQUESTS = 5 };

/* As many executions in flight as there can be, and more; waited for in some order. On failure some
 * are left in flight. */
static vkd_status use_several(small_model *m, vkd_delegate *delegate)
{
    static const int order[REQUESTS] = {3, 1, 4, 0, 2};
    float y[REQUESTS][SMALL_Y];
    uint64_t tickets[REQUESTS];
    small_args args[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) {
        small_args_set(&args[i], m->x, y[i]);
        vkd_status status = vkd_submit(delegate, args[i].args, 2, &tickets[i]);
        if (status != VKD_OK)
            return status;
    }
    for (int i = 0; i < REQUESTS; i++) {
        vkd_status status = vkd_wait(delegate, tickets[order[i]]);
        if (status != VKD_OK)
            return status;
        assert_memory_equal(y[order[i]], m->y, sizeof m->y);
    }
    return VKD_OK;
}

/* Init, execute, destroy, with whatever is to fail. */
static vkd_status use(small_model *m, const vkd_options *options)
{
    vkd_delegate *delegate = NULL;
    float y[SMALL_Y];
    vkd_status status = small_init(m, options, &delegate);
    assert_int_equal(delegate != NULL, status == VKD_OK);
    if (status == VKD_OK)
        status = small_execute(m, delegate, y);
    if (status == VKD_OK)
        assert_memory_equal(y, m->y, sizeof y);
    if (status == VKD_OK && options->in_flight)
        status = use_several(m, delegate);
    vkd_destroy(delegate);
    return status;
}

static void works(small_model *m)
{
    watch w;
    vkd_options options = watch_begin(&w);
    if (use(m, &options) != VKD_OK)
        fail_msg("%s", w.error);
    assert_int_equal(w.counts[VKD_LOG_ERROR], 0);
    watch_end(&w);
}

/* ---------------------------------------------------------------------------------- host memory */

/* The n-th allocation of init and execute fails, for every n: nothing is left behind. What init can
 * do without, the cache, the self-check of kernels and measuring some, it does without. */
static int fail_each_allocation(small_model *m, const char *cache_dir, bool self_check,
                                bool measures, uint32_t in_flight)
{
    int failures = 0;
    for (bool failed = true; failed; failures += failed) {
        watch w;
        vkd_options options = watch_begin(&w);
        options.validate = false; /* most of the time would be the layer's */
        options.no_cache = !cache_dir;
        options.cache_dir = cache_dir;
        options.no_self_check = !self_check;
        options.profile = true;
        options.in_flight = in_flight;
        options.select = measures ? VKD_SELECT_MEASURE : VKD_SELECT_AUTO;
        options.measure_budget_ms = 1;
        w.memory.fail_at = failures;
        vkd_status status = use(m, &options);
        failed = w.memory.failed;
        if (status != VKD_OUT_OF_MEMORY &&
            !(status == VKD_OK && (!failed || cache_dir || self_check || measures)))
            fail_msg("allocation %d: %s", failures, vkd_status_name(status));
        assert_int_equal(w.counts[VKD_LOG_ERROR], status != VKD_OK);
        watch_end(&w);
    }
    return failures;
}

static void each_allocation_fails(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    char *directory = new_directory();
    small_begin(&m, true, NULL);
    int plain = fail_each_allocation(&m, NULL, false, false, 0),
        cached = fail_each_allocation(&m, directory, false, false, 0);
    int checked = fail_each_allocation(&m, NULL, true, false, 0),
        both = fail_each_allocation(&m, directory, true, false, 0);
    int measured = fail_each_allocation(&m, NULL, false, true, 0),
        several = fail_each_allocation(&m, NULL, false, false, 3);
    print_message("allocations failed in turn: %d, %d with a cache, %d with a self-check, %d with "
                  "both, %d measuring, %d with 3 in "
                  "flight\n",
                  plain, cached, checked, both, measured, several);
    assert_true(plain > 10 && cached >= plain && checked >= plain && measured > plain &&
                several > plain);
    works(&m);
    small_end(&m);
    remove_tree(directory);
    free(directory);
}

static void each_allocation_of_a_program_fails(void **state)
{
    (void)state;
    gpu_needed();
    sample s;
    sample_open(&s, "tiny/linear_1x20o7");
    int64_t failures = 0;
    for (bool failed = true; failed; failures += failed) {
        watch w;
        vkd_options options = watch_begin(&w);
        vkd_program *program = NULL;
        vkd_method *method = NULL;
        options.validate = false;
        w.memory.fail_at = failures;
        float output[7];
        vkd_status status = sample_load(&s, &options, &program, &method);
        if (status == VKD_OK)
            status = sample_execute(&s, method, output);
        failed = w.memory.failed;
        if (status != (failed ? VKD_OUT_OF_MEMORY : VKD_OK))
            fail_msg("allocation %d: %s, \"%s\"", (int)failures, vkd_status_name(status), w.error);
        vkd_method_unload(method);
        vkd_program_close(program);
        watch_end(&w);
    }
    print_message("%d allocations failed in turn\n", (int)failures);
    assert_true(failures > 10);
    sample_close(&s);
}

/* --------------------------------------------------------------------------------------- driver */

/* The n-th call into the driver that can fail does, for every n: a status, a message, nothing left
 * behind. */
static int fail_each_call(small_model *m, VkResult result, vkd_status expected, bool self_check,
                          uint32_t in_flight)
{
    int calls = 0;
    for (const char *failed = ""; failed; calls += failed != NULL) {
        watch w;
        vkd_options options = watch_begin(&w);
        options.profile = true;
        options.no_self_check = !self_check;
        options.in_flight = in_flight;
        faulty_driver_arm(NULL, calls, result);
        vkd_status status = use(m, &options);
        failed = faulty_driver_disarm();
        /* memory of another type may serve as well, and without a self-check init goes on */
        bool may_succeed = !failed || self_check || !strcmp(failed, "vkAllocateMemory");
        /* after a wait that failed in the self-check, nothing is submitted to the device any more
         */
        bool lost =
            self_check && failed && !strcmp(failed, "vkWaitForFences") && status == VKD_DEVICE_LOST;
        if ((status != expected || !failed) && !(status == VKD_OK && may_succeed) && !lost)
            fail_msg("call %d, %s with %d: %s:\n%s", calls, failed ? failed : "none", result,
                     vkd_status_name(status), w.text);
        assert_int_equal(w.counts[VKD_LOG_ERROR], status != VKD_OK);
        watch_end(&w);
    }
    return calls;
}

static void each_driver_call_fails(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    small_begin(&m, false, NULL);
    int calls = fail_each_call(&m, VK_ERROR_OUT_OF_DEVICE_MEMORY, VKD_OUT_OF_MEMORY, false, 0);
    assert_int_equal(fail_each_call(&m, VK_ERROR_OUT_OF_HOST_MEMORY, VKD_OUT_OF_MEMORY, false, 0),
                     calls);
    assert_int_equal(fail_each_call(&m, VK_ERROR_UNKNOWN, VKD_DEVICE_ERROR, false, 0), calls);
    int checked = fail_each_call(&m, VK_ERROR_OUT_OF_DEVICE_MEMORY, VKD_OUT_OF_MEMORY, true, 0);
    int several = fail_each_call(&m, VK_ERROR_OUT_OF_DEVICE_MEMORY, VKD_OUT_OF_MEMORY, false, 3);
    print_message("driver calls failed in turn: %d, %d with a self-check, %d with 3 in flight\n",
                  calls, checked, several);
    assert_true(calls > 20 && checked >= calls && several > calls);
    works(&m);
    small_end(&m);
}

/* Loads the small model, then lets `function` fail in execute. */
static void assert_lost(small_model *m, const char *function, VkResult result, const char *says)
{
    watch w;
    float y[SMALL_Y];
    vkd_delegate *delegate;
    vkd_options options = watch_begin(&w);
    options.timeout_ms = 2500;
    assert_int_equal(small_init(m, &options, &delegate), VKD_OK);
    small_check(m, delegate);
    faulty_driver_arm(function, 0, result);
    assert_int_equal(small_execute(m, delegate, y), VKD_DEVICE_LOST);
    assert_string_equal(faulty_driver_disarm(), function);
    if (!strstr(vkd_last_error(delegate), says))
        fail_msg("\"%s\": expected \"%s\"", vkd_last_error(delegate), says);
    works(m);                     /* a new one, while the lost one is still there */
    for (int i = 0; i < 2; i++) { /* the driver would work again: the delegate does not trust it */
        assert_int_equal(small_execute(m, delegate, y), VKD_DEVICE_LOST);
        assert_non_null(strstr(vkd_last_error(delegate), "lost earlier"));
    }
    assert_int_equal(vkd_input_count(delegate), 1); /* what it tells about itself stays */
    assert_int_equal(w.counts[VKD_LOG_ERROR], 3);
    vkd_destroy(delegate);
    watch_end(&w);
    works(m);
}

static void lost_devices(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    small_begin(&m, false, NULL);
    assert_lost(&m, "vkQueueSubmit", VK_ERROR_DEVICE_LOST, "VK_ERROR_DEVICE_LOST");
    assert_lost(&m, "vkWaitForFences", VK_TIMEOUT, "within 2500 ms");
    small_end(&m);
}

/* A device that is lost at any submission of init: the self-check's, the uploads'. */
static void lost_in_init(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    small_begin(&m, false, NULL);
    int losses = 0;
    for (const char *failed = ""; failed; losses += failed != NULL) {
        watch w;
        vkd_delegate *delegate;
        vkd_options options = watch_begin(&w);
        options.no_self_check = false;
        faulty_driver_arm("vkQueueSubmit", losses, VK_ERROR_DEVICE_LOST);
        vkd_status status = small_init(&m, &options, &delegate);
        failed = faulty_driver_disarm();
        if (status != (failed ? VKD_DEVICE_LOST : VKD_OK))
            fail_msg("submission %d: %s:\n%s", losses, vkd_status_name(status), w.text);
        vkd_destroy(delegate);
        watch_end(&w);
    }
    assert_true(losses >= 1);
    works(&m);
    small_end(&m);
}

/* ---------------------------------------------------------------------------------------- cache */

/* Works with this cache directory and says so; how many warnings that gives. */
static uint32_t warnings_with_cache(small_model *m, const char *directory, bool self_check,
                                    const char *says)
{
    watch w;
    vkd_options options = watch_begin(&w);
    options.no_cache = false;
    options.cache_dir = directory;
    options.no_self_check = !self_check;
    if (use(m, &options) != VKD_OK)
        fail_msg("%s", w.error);
    assert_int_equal(w.counts[VKD_LOG_ERROR], 0);
    if (says && !strstr(w.text, says))
        fail_msg("\"%s\" is not among the messages:\n%s", says, w.text);
    uint32_t warnings = w.counts[VKD_LOG_WARNING];
    watch_end(&w);
    return warnings;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void cache_directories_of_all_kinds(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    small_begin(&m, false, NULL);
    char *directory = new_directory(), *file = join_path(directory, "file"),
         *inside = join_path(file, "cache");
    char *deep = join_path(directory, "a/b/c");
    assert_int_equal(warnings_with_cache(&m, deep, false, NULL), 0);
    char *cache = only_file(deep);
    assert_non_null(cache); /* directories are made */
    assert_int_equal(warnings_with_cache(&m, deep, false, NULL), 0);
    write_file(file, "x", 1);
    assert_int_equal(warnings_with_cache(&m, file, false, "could not be written"), 1);
    assert_int_equal(warnings_with_cache(&m, inside, false, "could not be written"), 1);
    assert_int_equal(warnings_with_cache(&m, "/proc/vkdelegate", false, "could not be written"),
                     1); /* also root cannot write there */
    assert_int_equal(chmod(directory, 0500), 0);
    char *forbidden = join_path(directory, "new");
    if (geteuid() != 0)
        assert_int_equal(warnings_with_cache(&m, forbidden, false, "could not be written"), 1);
    assert_int_equal(chmod(directory, 0700), 0);
    remove_tree(directory);
    free(directory), free(file), free(inside), free(deep), free(cache), free(forbidden);
    small_end(&m);
}

/* Overwrites every file of the directory. Returns how many there are. */
static int spoil(const char *directory, const void *bytes, size_t size)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, NULL, alphasort), files = 0;
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            char *path = join_path(directory, entries[i]->d_name);
            write_file(path, bytes, size);
            free(path);
            files++;
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return files;
}

static void garbage_in_the_cache(void **state)
{
    static const size_t sizes[] = {0, 1, 100, 4096};
    (void)state;
    gpu_needed();
    small_model m;
    unsigned char garbage[4096];
    small_begin(&m, false, NULL);
    char *directory = new_directory();
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (unsigned char)gpu_random();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(warnings_with_cache(&m, directory, true, NULL), 0);
        assert_true(spoil(directory, garbage, sizes[i]) >= 1);
        assert_int_equal(warnings_with_cache(&m, directory, true, "is ignored"), 0);
    }
    remove_tree(directory);
    free(directory);
    small_end(&m);
}

/* A disk without room: no file gets beyond its first byte. */
static void full_disk(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    watch w;
    struct rlimit old, small;
    vkd_delegate *delegate;
    small_begin(&m, false, NULL);
    char *directory = new_directory();
    vkd_options options = watch_begin(&w);
    options.no_cache = false;
    options.cache_dir = directory;
    assert_int_equal(small_init(&m, &options, &delegate), VKD_OK);
    small_check(&m, delegate);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){1, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    vkd_destroy(delegate);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_non_null(strstr(w.text, "could not be written"));
    assert_int_equal(w.counts[VKD_LOG_WARNING], 1);
    assert_null(only_file(directory)); /* no half-written file */
    watch_end(&w);
    remove_tree(directory);
    free(directory);
    works(&m);
    small_end(&m);
}

/* ---------------------------------------------------------------------------- nothing to run on */

static bool hide_libraries;

/* Takes the place of the C library's. */
void *dlopen(const char *name, int flags)
{
    if (hide_libraries && name && strstr(name, "libvulkan"))
        return NULL;
    void *(*real)(const char *, int) = (void *(*)(const char *, int))dlsym(RTLD_NEXT, "dlopen");
    return real(name, flags);
}

/* Of a process that has not opened the library. 0: everything says that there is no device. */
static int find_no_device(void)
{
    small_model m;
    watch w;
    uint32_t count = 1;
    vkd_device_info info;
    vkd_delegate *delegate = (vkd_delegate *)&w;
    vkd_options options = watch_begin(&w);
    options.validate = false;
    small_begin(&m, false, NULL);
    bool good = !vkd_is_available();
    good = small_init(&m, &options, &delegate) == VKD_NO_DEVICE && !delegate && *w.error && good;
    good = vkd_list_devices(&options, &info, 1, &count) == VKD_NO_DEVICE && count == 0 && good;
    good = w.counts[VKD_LOG_ERROR] == 2 && w.memory.live == 0 && good;
    /* what is wrong with the blob is found without a device */
    good = vkd_init(m.blob, m.size - 1, NULL, 0, NULL, &options, &delegate) == VKD_INVALID_MODEL &&
           good;
    fprintf(stderr, "%s", good ? "" : w.text);
    small_end(&m);
    return good ? 0 : 1;
}

/* Starts this program anew in another role. */
static void assert_child(const char *role)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!strcmp(role, "--no-driver")) {
            setenv("VK_DRIVER_FILES", "/nonexistent/driver.json", 1);
            setenv("VK_ICD_FILENAMES", "/nonexistent/driver.json", 1);
            setenv("VK_LOADER_LAYERS_DISABLE", "~implicit~", 1);
        }
        execl("/proc/self/exe", "test-delegate-faults", role, (char *)NULL);
        _exit(127);
    }
    int result;
    while (waitpid(child, &result, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_true(WIFEXITED(result));
    assert_int_equal(WEXITSTATUS(result), 0);
}

static void no_driver(void **state)
{
    (void)state;
    assert_child("--no-driver");
}

static void no_library(void **state)
{
    (void)state;
    assert_child("--no-library");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_driver),
        cmocka_unit_test(no_library),
        cmocka_unit_test(each_allocation_fails),
        cmocka_unit_test(each_allocation_of_a_program_fails),
        cmocka_unit_test(each_driver_call_fails),
        cmocka_unit_test(lost_devices),
        cmocka_unit_test(lost_in_init),
        cmocka_unit_test(cache_directories_of_all_kinds),
        cmocka_unit_test(garbage_in_the_cache),
        cmocka_unit_test(full_disk),
    };
    if (argc > 1) {
        hide_libraries = !strcmp(argv[1], "--no-library");
        return find_no_device();
    }
    faulty_driver_install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
