#include "selftest/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ------------------------------------------------------------------------------- in the process */

typedef struct worker {
    const selftest_plan *plan;
    int to;
    vkd_context context;
    vkd_device *device;
    vkd_int8_dot dot; /* that the device was opened with */
} worker;

static void quiet(void *user, vkd_log_level level, const char *message)
{
    (void)user, (void)level, (void)message;
}

static void say(const worker *w, const selftest_message *m)
{
    if (write(w->to, m, sizeof *m) != (ssize_t)sizeof *m)
        _exit(1); /* nobody listens any more */
}

static void say_why(const worker *w, selftest_kind kind, size_t index, const char *why)
{
    selftest_message m = {.kind = kind, .index = index};
    snprintf(m.why, sizeof m.why, "%s", why);
    say(w, &m);
}

/* VKD_UNSUPPORTED where the device has no kernels of this flavour. */
static vkd_status open_device(worker *w, vkd_int8_dot dot)
{
    const vkd_options options = {.size = sizeof options,
                                 .log = quiet,
                                 .device = w->plan->device,
                                 .validate = w->plan->validate,
                                 .no_cache = true,
                                 .int8_dot = dot};
    vkd_device_close(w->device);
    w->device = NULL;
    w->dot = dot;
    vkd_context_init(&w->context, &options);
    VKD_TRY(vkd_device_open(&w->context, &options, &w->device));
    selftest_message m = {.kind = SELFTEST_DEVICE, .caps = *vkd_device_caps(w->device)};
    say(w, &m);
    return VKD_OK;
}

/* A seed for each draw, so that one can be repeated alone: splitmix64 of all that it is. */
static vkd_random random_of(const selftest_plan *plan, size_t draw, const table_case *row)
{
    vkd_random random = {plan->seed + draw};
    for (const char *c = row->name; *c; c++)
        random.state = (uint64_t)random_bits(&random) << 32 | (random_bits(&random) ^ (uint8_t)*c);
    return random;
}

/* A device that was lost is opened again for the next draw. False when that fails. */
static bool run_case(worker *w, size_t index)
{
    const selftest_case *c = &w->plan->cases[index];
    for (int draw = 0; draw < w->plan->draws; draw++) {
        selftest_message m = {.kind = SELFTEST_BEGIN, .index = index, .draw = (size_t)draw};
        vkd_random random = random_of(w->plan, (size_t)draw, &c->table);
        say(w, &m);
        const table_device on = {&w->context, w->device, vkd_device_caps(w->device)};
        m.kind = SELFTEST_DRAWN;
        table_try(&on, &random, &c->table, &m.outcome);
        say(w, &m);
        if (m.outcome.status == VKD_DEVICE_LOST && open_device(w, w->dot) != VKD_OK)
            return false;
    }
    return true;
}

static bool start_case(worker *w, size_t index)
{
    const vkd_int8_dot dot = w->plan->cases[index].dot;
    vkd_status status = VKD_OK;
    if (!w->device || dot != w->dot)
        status = open_device(w, dot);
    if (status == VKD_UNSUPPORTED) {
        say_why(w, SELFTEST_SKIPPED, index, w->context.error);
        return true;
    }
    return status == VKD_OK && run_case(w, index);
}

static void work(const selftest_plan *plan, size_t first, int to)
{
    worker w = {.plan = plan, .to = to, .dot = VKD_DOT_AUTO};
    bool good = true;
    size_t index = first;
    for (; index < plan->count && good; index++)
        good = start_case(&w, index);
    if (!good)
        say_why(&w, SELFTEST_ENDED, index, w.context.error);
    vkd_device_close(w.device);
    _exit(0);
}

/* ----------------------------------------------------------------------------------- around it */

static bool hear(int from, selftest_message *m)
{
    size_t got = 0;
    while (got < sizeof *m) {
        ssize_t more = read(from, (char *)m + got, sizeof *m - got);
        if (more <= 0)
            return false;
        got += (size_t)more;
    }
    return true;
}

/* Until the process ends; *next: the case that it was in, or behind the last. Whether it said that
 * it ended. */
static bool listen(int from, size_t *next, void (*take)(void *, const selftest_message *),
                   void *user)
{
    selftest_message m;
    bool ended = false;
    while (hear(from, &m)) {
        *next = m.kind == SELFTEST_DEVICE ? *next : m.index;
        ended |= m.kind == SELFTEST_ENDED;
        take(user, &m);
    }
    return ended;
}

static void tell_crash(int status, size_t index, void (*take)(void *, const selftest_message *),
                       void *user)
{
    selftest_message m = {.kind = SELFTEST_CRASHED, .index = index};
    snprintf(m.why, sizeof m.why, "the process was ended: %s",
             WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "the driver left it");
    take(user, &m);
}

bool selftest_run(const selftest_plan *plan, void (*take)(void *, const selftest_message *),
                  void *user)
{
    for (size_t first = 0; first < plan->count; first++) {
        int ends[2], status = 0;
        if (pipe(ends))
            return false;
        pid_t child = fork();
        if (child < 0)
            return false;
        if (!child) {
            close(ends[0]);
            work(plan, first, ends[1]);
        }
        close(ends[1]);
        bool ended = listen(ends[0], &first, take, user);
        close(ends[0]);
        waitpid(child, &status, 0);
        if (ended || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
            break;
        tell_crash(status, first, take, user);
    }
    return true;
}
