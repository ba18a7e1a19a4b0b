/* steady [--threads N] COUNT MODEL...: every execution has the bits of the first one. COUNT
 * executions of each model, one after the other; or N threads on one engine, each of which loads
 * one of the models COUNT times, another one each time, executes it and unloads it, beside what the
 * others load and execute. Inputs are random, from a seed that is printed; state is reset before an
 * execution. Exit code 0: the same bits; 1: not; 4: there is no device. */
#include <vkdelegate.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_ARGS = 64, MOST_THREADS = 64 };

typedef struct subject {
    const char *path;
    size_t count, inputs; /* arguments, and inputs among them */
    vkd_tensor_info infos[MOST_ARGS];
    void *data[MOST_ARGS]; /* what goes in, and what must come out */
} subject;

typedef struct steady {
    vkd_engine *engine;
    subject *subjects;
    int subject_count, rounds;
} steady;

typedef struct loaded {
    vkd_program *program;
    vkd_method *method;
} loaded;

static void be_quiet(void *user, vkd_log_level level, const char *message)
{
    (void)user, (void)level, (void)message;
}

static double now_ms(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec * 1e-6;
}

/* Numbers of ordinary activations; ints are zeros, which are valid as places, too. */
static void fill(const vkd_tensor_info *info, uint64_t *random, unsigned char *data)
{
    for (size_t i = 0; i < info->size; i++) {
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        const uint32_t bits = (uint32_t)(*random >> 33);
        const float value = (float)(bits % 2001) / 1000 - 1;
        if (info->dtype == VKD_DTYPE_FLOAT32 && i % 4 == 0)
            memcpy(data + i, &value, sizeof value);
        else if (info->dtype == VKD_DTYPE_FLOAT16 && i % 2 == 1) /* the high byte */
            data[i] = (unsigned char)((bits & 0x80) | 0x30 | (bits & 0x0b));
        else if (info->dtype == VKD_DTYPE_FLOAT16 || info->dtype == VKD_DTYPE_INT8 ||
                 info->dtype == VKD_DTYPE_UINT8)
            data[i] = (unsigned char)bits;
    }
}

static vkd_status load(const steady *s, const char *path, loaded *out)
{
    const vkd_options options = {.size = sizeof options,
                                 .engine = s->engine,
                                 .log = be_quiet,
                                 .no_cache = true,
                                 .timeout_ms = 600000};
    *out = (loaded){0};
    vkd_status status = vkd_program_open(path, &options, &out->program);
    if (status == VKD_OK)
        status = vkd_method_load(out->program, NULL, &options, &out->method);
    if (status != VKD_OK)
        fprintf(stderr, "%s: %s\n", path, out->program ? vkd_program_error(out->program) : "");
    return status;
}

static void unload(loaded *l)
{
    vkd_method_unload(l->method);
    vkd_program_close(l->program);
}

/* Into memory of its own for each output. */
static vkd_status execute(const subject *s, vkd_method *method, void **outputs)
{
    vkd_tensor_arg args[MOST_ARGS];
    for (size_t i = 0; i < s->count; i++) {
        const vkd_tensor_info *info = &s->infos[i];
        args[i] = (vkd_tensor_arg){.size = sizeof *args, .dtype = info->dtype, .rank = info->rank};
        memcpy(args[i].dims, info->dims, sizeof info->dims);
        args[i].capacity = info->size;
        args[i].input = i < s->inputs ? s->data[i] : NULL;
        args[i].output = i < s->inputs ? NULL : outputs[i];
    }
    vkd_delegate *delegate = vkd_method_delegate(method);
    vkd_status status = vkd_state_count(delegate) ? vkd_state_reset(delegate) : VKD_OK;
    return status == VKD_OK ? vkd_method_execute(method, args, s->count) : status;
}

static bool make_outputs(const subject *s, void **outputs)
{
    bool made = true;
    for (size_t i = s->inputs; i < s->count; i++)
        made &= (outputs[i] = calloc(1, s->infos[i].size + 1)) != NULL;
    return made;
}

static void free_outputs(const subject *s, void **outputs)
{
    for (size_t i = s->inputs; i < s->count; i++)
        free(outputs[i]);
}

/* Its first execution. */
static vkd_status begin(const steady *s, const char *path, uint64_t *random, subject *out)
{
    loaded l;
    vkd_status status = load(s, path, &l);
    *out = (subject){.path = path};
    if (status == VKD_OK) {
        out->inputs = vkd_method_input_count(l.method);
        out->count = out->inputs + vkd_method_output_count(l.method);
        status = out->count <= MOST_ARGS ? VKD_OK : VKD_UNSUPPORTED;
    }
    for (size_t i = 0; i < out->count && status == VKD_OK; i++) {
        status = i < out->inputs
                     ? vkd_method_input_info(l.method, i, &out->infos[i])
                     : vkd_method_output_info(l.method, i - out->inputs, &out->infos[i]);
        out->data[i] = calloc(1, out->infos[i].size + 1);
        if (!out->data[i])
            status = VKD_OUT_OF_MEMORY;
        else if (i < out->inputs)
            fill(&out->infos[i], random, out->data[i]);
    }
    if (status == VKD_OK)
        status = execute(out, l.method, out->data);
    unload(&l);
    return status;
}

static int run(const subject *s, vkd_method *method, int count)
{
    void *outputs[MOST_ARGS] = {0};
    int result = make_outputs(s, outputs) ? 0 : 1;
    for (int n = 0; n < count && !result; n++) {
        result = execute(s, method, outputs) != VKD_OK;
        for (size_t i = s->inputs; i < s->count && !result; i++)
            result = memcmp(outputs[i], s->data[i], s->infos[i].size) != 0;
        if (result)
            fprintf(stderr, "%s: execution %d gives something else\n", s->path, n + 1);
    }
    free_outputs(s, outputs);
    return result;
}

static int run_alone(const steady *s)
{
    int result = 0;
    for (int i = 0; i < s->subject_count && !result; i++) {
        loaded l;
        const double start = now_ms();
        result =
            load(s, s->subjects[i].path, &l) != VKD_OK || run(&s->subjects[i], l.method, s->rounds);
        unload(&l);
        if (!result)
            printf("%s: %d executions, the same bits, %.2f ms each\n", s->subjects[i].path,
                   s->rounds, (now_ms() - start) / s->rounds);
    }
    return result;
}

typedef struct worker {
    pthread_t thread;
    const steady *steady;
    int number, result;
} worker;

static void *come_and_go(void *user)
{
    enum { EXECUTIONS = 3 };
    worker *me = user;
    const steady *s = me->steady;
    for (int round = 0; round < s->rounds && !me->result; round++) {
        const subject *model = &s->subjects[(me->number + round) % s->subject_count];
        loaded l;
        me->result = load(s, model->path, &l) != VKD_OK || run(model, l.method, EXECUTIONS);
        unload(&l);
    }
    return NULL;
}

static int run_threads(const steady *s, int count)
{
    worker workers[MOST_THREADS];
    int result = 0, started = 0;
    for (; started < count; started++) {
        workers[started] = (worker){.steady = s, .number = started};
        if (pthread_create(&workers[started].thread, NULL, come_and_go, &workers[started]))
            break;
    }
    for (int i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        result |= workers[i].result;
    }
    result |= started < count;
    if (!result)
        printf("%d threads, %d models, %d loads each: the same bits\n", count, s->subject_count,
               s->rounds);
    return result;
}

/* All models alone, then, with threads, all at once. */
static int run_all(steady *s, char **paths, uint64_t random, int threads)
{
    vkd_status status = VKD_OK;
    for (int i = 0; i < s->subject_count && status == VKD_OK; i++)
        status = begin(s, paths[i], &random, &s->subjects[i]);
    int result = status == VKD_NO_DEVICE ? 4 : status != VKD_OK;
    if (!result)
        result = threads ? run_threads(s, threads) : run_alone(s);
    for (int i = 0; i < s->subject_count; i++)
        for (size_t k = 0; k < s->subjects[i].count && k < MOST_ARGS; k++)
            free(s->subjects[i].data[k]);
    return result;
}

int main(int argc, char **argv)
{
    const char *seed = getenv("VKD_TEST_SEED");
    const uint64_t random = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
    const int first = argc > 1 && !strcmp(argv[1], "--threads") ? 3 : 1,
              threads = first == 3 && argc > 2 ? atoi(argv[2]) : 0;
    if (argc < first + 2 || atoi(argv[first]) < 1 || (first == 3 && threads < 1) ||
        threads > MOST_THREADS) {
        fprintf(stderr, "usage: steady [--threads N] COUNT MODEL...\n");
        return EXIT_FAILURE;
    }
    printf("VKD_TEST_SEED=%llu\n", (unsigned long long)random);
    steady s = {.rounds = atoi(argv[first]), .subject_count = argc - first - 1};
    const vkd_options options = {.size = sizeof options, .log = be_quiet, .no_cache = true};
    const vkd_status status = vkd_engine_create(&options, &s.engine);
    if (status != VKD_OK)
        return status == VKD_NO_DEVICE ? 4 : EXIT_FAILURE;
    s.subjects = calloc((size_t)s.subject_count, sizeof *s.subjects);
    const int result = s.subjects ? run_all(&s, argv + first + 1, random, threads) : EXIT_FAILURE;
    free(s.subjects);
    vkd_engine_destroy(s.engine);
    return result;
}
