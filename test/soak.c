/* soak ROUNDS SECONDS MODEL...: loads, executions, other shapes, states, faults, so many rounds or
 * so long, whatever ends first, after each model has had its warm rounds. Memory, file descriptors
 * and threads must be as after those. soak --kill FOLDER COUNT MODEL...: so many processes on one
 * cache folder, 8 at a time, most of which are killed; then one must find a cache that is whole,
 * with no temporary file beside it. Exit code 0: all is flat; 1: not; 4: there is no device. */
#define _GNU_SOURCE
#include <vkdelegate.h>

#include <dirent.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_ARGS = 64, PROCESSES = 8, WARM_ROUNDS = 3 };

typedef struct soak {
    vkd_options options;
    char *const *models;
    int model_count;
    uint64_t random;
    size_t executions, refused;
} soak;

/* What is held */

typedef struct held {
    long kilobytes, files, threads;
} held;

static long count_entries(const char *path)
{
    DIR *folder = opendir(path);
    long count = 0;
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

/* What the allocator keeps of what was freed is given back first. */
static held look(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return (held){resident * sysconf(_SC_PAGESIZE) / 1024, count_entries("/proc/self/fd"),
                  count_entries("/proc/self/task")};
}

static held most(held a, held b)
{
    return (held){a.kilobytes > b.kilobytes ? a.kilobytes : b.kilobytes,
                  a.files > b.files ? a.files : b.files,
                  a.threads > b.threads ? a.threads : b.threads};
}

/* What a round leaves for a while, as one that measures does, is not there after each. */
static held settled(held before, held after)
{
    if (after.kilobytes > before.kilobytes)
        after.kilobytes = before.kilobytes;
    return after;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* One round */

static uint32_t below(soak *s, uint32_t count)
{
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(s->random >> 33) % count;
}

static void be_quiet(void *user, vkd_log_level level, const char *message)
{
    (void)user, (void)level, (void)message;
}

/* Zeros in the inputs, which are valid as indices too; now and then with a smaller second dim,
 * which a model whose shapes cannot change must refuse. */
static size_t make_args(soak *s, vkd_method *method, vkd_tensor_arg *args)
{
    size_t inputs = vkd_method_input_count(method), outputs = vkd_method_output_count(method);
    bool shrinks = below(s, 3) == 0;
    for (size_t i = 0; i < inputs + outputs && i < MOST_ARGS; i++) {
        vkd_tensor_info info;
        if ((i < inputs ? vkd_method_input_info(method, i, &info)
                        : vkd_method_output_info(method, i - inputs, &info)) != VKD_OK)
            exit(EXIT_FAILURE);
        args[i] = (vkd_tensor_arg){sizeof *args, info.dtype, info.rank, {0}, NULL, NULL, info.size};
        memcpy(args[i].dims, info.dims, sizeof info.dims);
        if (i < inputs && shrinks && info.rank > 1 && info.dims[1] > 1)
            args[i].dims[1] = 1 + below(s, (uint32_t)info.dims[1]);
        *(i < inputs ? (void **)(uintptr_t)&args[i].input : &args[i].output) =
            calloc(1, info.size + 1);
    }
    return inputs + outputs;
}

static void execute(soak *s, vkd_method *method)
{
    vkd_tensor_arg args[MOST_ARGS];
    size_t count = make_args(s, method, args);
    uint64_t ticket = 0;
    vkd_status status = VKD_OK;
    switch (below(s, 4)) {
    case 0: /* a fault */
        status = vkd_method_execute(method, args, count - 1);
        break;
    case 1:
        status = vkd_method_submit(method, args, count, &ticket);
        if (status == VKD_OK)
            status = vkd_method_wait(method, ticket);
        break;
    default:
        status = vkd_method_execute(method, args, count);
    }
    s->executions += status == VKD_OK;
    s->refused += status != VKD_OK;
    if (status == VKD_DEVICE_LOST)
        exit(EXIT_FAILURE);
    if (below(s, 4) == 0 && vkd_state_reset(vkd_method_delegate(method)) != VKD_OK)
        s->refused++;
    for (size_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)args[i].input);
        free(args[i].output);
    }
}

static int run_round(soak *s, const char *model)
{
    vkd_program *program = NULL;
    vkd_method *method = NULL;
    s->options.in_flight = 1 + below(s, 3);
    s->options.select = below(s, 4) ? VKD_SELECT_AUTO : VKD_SELECT_MEASURE;
    s->options.measure_budget_ms = 5;
    vkd_status status = vkd_program_open(model, &s->options, &program);
    if (status == VKD_OK && below(s, 5) == 0) /* a fault */
        s->refused += vkd_method_load(program, "no such method", &s->options, &method) != VKD_OK;
    if (status == VKD_OK)
        status = vkd_method_load(program, NULL, &s->options, &method);
    for (uint32_t i = 1 + below(s, 4); status == VKD_OK && i-- > 0;)
        execute(s, method);
    if (status != VKD_OK)
        fprintf(stderr, "%s: %s\n", model, vkd_program_error(program));
    vkd_method_unload(method);
    vkd_program_close(program);
    return status == VKD_OK ? 0 : status == VKD_NO_DEVICE ? 4 : 1;
}

/* All rounds */

/* What drivers keep for themselves is there after the warm rounds. late: of the second half of the
 * others, the least memory. */
static int check_flat(held early, held late)
{
    const held allowed = {early.kilobytes + early.kilobytes / 10 + 8192, early.files,
                          early.threads};
    printf("memory %ld -> %ld KiB, files %ld -> %ld, threads %ld -> %ld\n", early.kilobytes,
           late.kilobytes, early.files, late.files, early.threads, late.threads);
    return late.kilobytes > allowed.kilobytes || late.files > allowed.files ||
           late.threads > allowed.threads;
}

static const char *any_model(soak *s) { return s->models[below(s, (uint32_t)s->model_count)]; }

static int run(soak *s, int rounds, double seconds)
{
    held early = {0}, late;
    const double start = now();
    int done = 0, result = 0;
    for (int i = 0; i < WARM_ROUNDS * s->model_count && !result; i++) {
        result = run_round(s, s->models[i % s->model_count]);
        early = most(early, look());
    }
    for (late = early; done < rounds && now() - start < seconds && !result; done++) {
        result = run_round(s, any_model(s));
        late = done <= rounds / 2 ? look() : settled(late, look());
    }
    printf("%d rounds, %zu executions, %zu refused, %.0f s\n", done, s->executions, s->refused,
           now() - start);
    return result ? result : check_flat(early, late);
}

/* Killed processes */

static int run_some(soak *s)
{
    int result = 0;
    for (int i = 0; i < 3 && !result; i++)
        result = run_round(s, any_model(s));
    return result;
}

static pid_t start_one(soak *s, uint64_t seed)
{
    pid_t child = fork();
    if (child)
        return child;
    s->random = seed;
    _exit(run_some(s));
}

static int is_clean(const char *folder)
{
    int dirty = 0;
    DIR *entries = opendir(folder);
    for (struct dirent *e; entries && (e = readdir(entries));)
        if (e->d_name[0] != '.' && strstr(e->d_name, ".tmp"))
            dirty = fprintf(stderr, "%s is left\n", e->d_name);
    if (entries)
        closedir(entries);
    return dirty != 0;
}

/* Three of four are killed at some moment of their first second. */
static int run_killed(soak *s, int count)
{
    pid_t running[PROCESSES] = {0};
    int status = 0, failed = 0;
    s->options.no_cache = false;
    for (int i = 0; i < count; i++) {
        int slot = i % PROCESSES;
        if (running[slot] && waitpid(running[slot], &status, 0) > 0)
            failed |= WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        running[slot] = start_one(s, (uint64_t)i + 1);
        usleep(below(s, 120000));
        if (below(s, 4))
            kill(running[below(s, (uint32_t)slot + 1)], SIGKILL);
    }
    for (int i = 0; i < PROCESSES; i++)
        if (running[i] && waitpid(running[i], &status, 0) > 0)
            failed |= WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (failed)
        return failed;
    int last = run_some(s);
    return last ? last : is_clean(s->options.cache_dir);
}

int main(int argc, char **argv)
{
    soak s = {.options = {.size = sizeof s.options, .log = be_quiet, .no_cache = true},
              .random = (uint64_t)time(NULL)};
    const char *seed = getenv("VKD_TEST_SEED");
    s.random = seed ? strtoull(seed, NULL, 0) : s.random;
    printf("VKD_TEST_SEED=%llu\n", (unsigned long long)s.random);
    bool kills = argc > 4 && !strcmp(argv[1], "--kill");
    if (argc < 4 || (argv[1][0] == '-' && !kills)) {
        fprintf(stderr,
                "usage: soak ROUNDS SECONDS MODEL... | soak --kill FOLDER COUNT MODEL...\n");
        return EXIT_FAILURE;
    }
    s.models = argv + (kills ? 4 : 3);
    s.model_count = argc - (kills ? 4 : 3);
    fflush(stdout);
    if (!kills)
        return run(&s, atoi(argv[1]), atof(argv[2]));
    s.options.cache_dir = argv[2];
    return run_killed(&s, atoi(argv[3]));
}
