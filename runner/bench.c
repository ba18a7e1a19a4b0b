#include "runner/bench.h"

#include <math.h>
#include <stdlib.h>

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

run_times run_times_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_size);
    /* nearest rank: the smallest value that 90 % do not exceed */
    size_t p90 = (count * 9 + 9) / 10;
    return (run_times){(values[(count - 1) / 2] + values[count / 2]) / 2, values[p90 - 1],
                       values[0]};
}

/* Clocks, caches and first-touch pages settle within this. */
static run_exit warm_up(run_session *session, size_t *out_count)
{
    enum { AT_LEAST = 3, AT_MOST = 200, MILLISECONDS = 300 };
    double spent = 0, ms;
    size_t count = 0;
    while (count < AT_LEAST || (count < AT_MOST && spent < MILLISECONDS)) {
        run_progress("warming up ...");
        run_exit result = run_session_execute(session, &ms);
        if (result)
            return result;
        spent += ms;
        count++;
    }
    *out_count = count;
    return RUN_OK;
}

/* A line every tenth of a second: writing to the terminal more often would be measured too. */
static void show_progress(const char *what, size_t done, size_t runs, double *last)
{
    double now = run_now_ms();
    if (now - *last < 100)
        return;
    *last = now;
    run_progress("%s %zu/%zu ...", what, done, runs);
}

static size_t count_submissions(const run_session *session)
{
    const vkd_backend_table *backend = session->backend;
    const size_t nodes = backend->node_count(session->delegate);
    return nodes ? backend->node_submission(session->delegate, nodes - 1) + 1u : 1;
}

run_exit run_bench_measure(run_session *session, size_t runs, run_bench *out)
{
    double last = 0;
    bool timed = true;
    *out = (run_bench){.runs = runs};
    double *wall = calloc(runs, sizeof *wall), *gpu = calloc(runs, sizeof *gpu);
    run_exit result = wall && gpu ? warm_up(session, &out->warmup) : run_fail_memory();
    for (size_t i = 0; i < runs && !result; i++) {
        result = run_session_execute(session, &wall[i]);
        uint64_t ns = session->backend->gpu_ns(session->delegate);
        gpu[i] = (double)ns * 1e-6;
        timed = timed && ns;
        out->submissions = count_submissions(session);
        show_progress("run", i + 1, runs, &last);
    }
    run_progress_end();
    if (!result) {
        out->wall = run_times_of(wall, runs);
        out->gpu = timed ? run_times_of(gpu, runs) : (run_times){NAN, NAN, NAN};
    }
    free(wall);
    free(gpu);
    return result;
}

/* samples: `runs` values for each node, then for the whole. */
static run_exit sample_nodes(run_session *session, size_t nodes, size_t runs, double *samples)
{
    const vkd_backend_table *backend = session->backend;
    double last = 0, ms;
    for (size_t run = 0; run < runs; run++) {
        run_exit result = run_session_execute(session, &ms);
        for (size_t i = 0; i < nodes && !result; i++) {
            vkd_node_info node;
            result = run_exit_of(backend->node(session->delegate, i, &node));
            samples[i * runs + run] = result ? 0 : (double)node.gpu_ns * 1e-3;
        }
        if (result)
            return result;
        samples[nodes * runs + run] = (double)backend->gpu_ns(session->delegate) * 1e-3;
        show_progress("profiling", run + 1, runs, &last);
    }
    run_progress_end();
    return RUN_OK;
}

static run_exit fill_rows(run_session *session, double *samples, run_profile *profile)
{
    for (size_t i = 0; i < profile->count; i++) {
        run_profile_row *row = &profile->rows[i];
        run_exit result = run_exit_of(session->backend->node(session->delegate, i, &row->node));
        if (result)
            return result;
        row->check = session->backend->node_check(session->delegate, i);
        row->us = run_times_of(samples + i * profile->runs, profile->runs).median;
        profile->nodes_us += row->us;
        profile->macs += row->node.macs;
    }
    profile->total_us =
        run_times_of(samples + profile->count * profile->runs, profile->runs).median;
    return RUN_OK;
}

run_exit run_profile_measure(run_session *session, size_t runs, run_profile *out)
{
    size_t warmup;
    *out = (run_profile){.count = session->backend->node_count(session->delegate), .runs = runs};
    out->rows = calloc(out->count + 1, sizeof *out->rows);
    double *samples = runs <= SIZE_MAX / sizeof *samples / (out->count + 1)
                          ? calloc((out->count + 1) * runs, sizeof *samples)
                          : NULL;
    run_exit result = out->rows && samples ? warm_up(session, &warmup) : run_fail_memory();
    if (!result)
        result = sample_nodes(session, out->count, runs, samples);
    if (!result)
        result = fill_rows(session, samples, out);
    free(samples);
    return result;
}

void run_profile_release(run_profile *profile) { free(profile->rows); }
