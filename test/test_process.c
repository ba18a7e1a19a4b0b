/* The library in a process: loaded and unloaded as a plug-in, forked, and at the end. */
#include "support/faulty.h"
#include "support/gpu.h"
#include "support/skip.h"
#include "support/small_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --------------------------------------------------------------------------------- loaded again */

static int count_threads(void)
{
    int count = -2; /* "." and ".." */
    DIR *folder = opendir("/proc/self/task");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

/* Private memory that is in use, in KiB, without what the allocator keeps of what was freed. */
static long count_memory(void)
{
    char line[256];
    long size = 0, value;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "RssAnon: %ld", &value) == 1)
            size = value;
    if (status)
        fclose(status);
    return size;
}

/* Asked in a child, so that no driver is loaded here. */
static bool child_finds_device(void)
{
    int result;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(gpu_present() ? 0 : 1);
    return child > 0 && waitpid(child, &result, 0) == child && WIFEXITED(result) &&
           WEXITSTATUS(result) == 0;
}

/* Opens the plug-in and uses it. Returns what dlclose unloads. */
static void *use_plugin(small_model *m, bool only_ask)
{
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_delegate *delegate;
    float y[SMALL_Y];
    small_args a;
    options.validate = false;
    void *library = dlopen(VKD_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        fail_msg("%s", dlerror());
    const vkd_backend_table *backend = dlsym(library, "vkd_backend");
    assert_non_null(backend);
    if (only_ask) {
        assert_true(backend->is_available());
    } else {
        assert_int_equal(backend->init(m->blob, m->size, NULL, 0, NULL, &options, &delegate),
                         VKD_OK);
        small_args_set(&a, m->x, y);
        assert_int_equal(backend->execute(delegate, a.args, 2), VKD_OK);
        assert_memory_equal(y, m->y, sizeof y);
        backend->destroy(delegate);
    }
    watch_end(&w);
    return library;
}

/* In a process of its own, in which nothing but the plug-in has loaded a driver. */
static void reloading(bool only_ask)
{
    enum { ROUNDS = 16, SETTLED = 4 };
    small_model m;
    int threads = 0;
    long memory = 0;
    if (VKD_KEEPS_LIBRARIES)
        test_skip("libraries stay loaded in sanitizer builds");
    if (!child_finds_device())
        test_skip("there is no Vulkan device");
    small_begin(&m, false, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        assert_int_equal(dlclose(use_plugin(&m, only_ask)), 0);
        const long now = count_memory();
        if (round == SETTLED)
            threads = count_threads();
        if (round <= SETTLED && now > memory)
            memory = now;
    }
    const long grown = count_memory() - memory;
    print_message("%d threads, then %d; %ld KiB, %ld more after %d rounds\n", threads,
                  count_threads(), memory, grown, ROUNDS - 1 - SETTLED);
    assert_int_equal(count_threads(), threads);
    /* drivers keep a little each time; an instance is 2 MB */
    assert_true(grown < 512 * (ROUNDS - 1 - SETTLED));
    small_end(&m);
}

static void loaded_and_unloaded(void **state)
{
    (void)state;
    reloading(false);
}

static void asked_and_unloaded(void **state)
{
    (void)state;
    reloading(true);
}

/* --------------------------------------------------------------------------------------- forked */

enum { SECONDS = 30 }; /* until a child that hangs is killed */

static void expect_child_ends(pid_t child)
{
    int result;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &result, 0), child);
    if (!WIFEXITED(result) || WEXITSTATUS(result) != 0)
        fail_msg("the child %s %d", WIFSIGNALED(result) ? "was ended by signal" : "ended with",
                 WIFSIGNALED(result) ? WTERMSIG(result) : WEXITSTATUS(result));
}

/* A child can only destroy what it has inherited, and that at once; the parent does not notice. */
static void fork_with(vkd_engine **engine)
{
    small_model m;
    watch w;
    vkd_options options = watch_begin(&w);
    vkd_delegate *idle, *busy;
    float y[SMALL_Y], later[SMALL_Y];
    small_args a;
    uint64_t ticket;
    options.validate = false;
    small_begin(&m, false, NULL);
    if (engine) {
        assert_int_equal(vkd_engine_create(&options, engine), VKD_OK);
        options.engine = *engine;
    }
    assert_int_equal(small_init(&m, &options, &idle), VKD_OK);
    assert_int_equal(small_init(&m, &options, &busy), VKD_OK);
    small_check(&m, idle);
    small_args_set(&a, m.x, later);
    assert_int_equal(vkd_submit(busy, a.args, 2, &ticket), VKD_OK);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(SECONDS);
        bool good = small_execute(&m, idle, y) == VKD_DEVICE_LOST &&
                    strstr(vkd_last_error(idle), "after fork()");
        good = good && vkd_wait(busy, ticket) == VKD_DEVICE_LOST;
        vkd_destroy(idle);
        vkd_destroy(busy);
        vkd_engine_destroy(options.engine);
        good = good && w.memory.live == 0 && !w.counts[VKD_LOG_WARNING];
        _exit(good ? 0 : 1); /* not exit: drivers wait for their threads there */
    }
    expect_child_ends(child);
    assert_int_equal(vkd_wait(busy, ticket), VKD_OK);
    assert_memory_equal(later, m.y, sizeof later);
    small_check(&m, idle);
    vkd_destroy(idle);
    vkd_destroy(busy);
    vkd_engine_destroy(options.engine);
    small_end(&m);
    watch_end(&w);
}

static void forked(void **state)
{
    (void)state;
    gpu_needed();
    fork_with(NULL);
}

static void forked_with_an_engine(void **state)
{
    vkd_engine *engine;
    (void)state;
    gpu_needed();
    fork_with(&engine);
}

/* The plug-in keeps an instance, with threads, which a child that unloads it must not wait for. */
static void forked_and_unloaded(void **state)
{
    (void)state;
    gpu_needed();
    small_model m;
    small_begin(&m, false, NULL);
    void *library = use_plugin(&m, false);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        alarm(SECONDS);
        _exit(dlclose(library) == 0 ? 0 : 1);
    }
    expect_child_ends(child);
    assert_ptr_equal(use_plugin(&m, false), library); /* as if nothing had been */
    assert_int_equal(dlclose(library), 0);
    assert_int_equal(dlclose(library), 0);
    small_end(&m);
}

int main(void)
{
    /* The first need a process in which no driver is loaded. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asked_and_unloaded),
        cmocka_unit_test(loaded_and_unloaded),
        cmocka_unit_test(forked),
        cmocka_unit_test(forked_with_an_engine),
        cmocka_unit_test(forked_and_unloaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
