#include "exec/measure.h"
#include "graph/plan.h"

#include <stdlib.h>
#include <time.h>

enum { MAX_REPEATS = 512 };

struct vkd_measurement {
    vkd_context *context;
    vkd_executor *executor;
    uint32_t repeats; /* of the graph in one submission */
    bool by_clock;
    clockid_t clock;
};

static double read_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

double vkd_now_us(void) { return read_us(CLOCK_MONOTONIC); }

/* --------------------------------------------------------------------------------- measurements */

/* One submission: microseconds a repetition. */
static vkd_status run_once(vkd_measurement *measurement, double *out_us)
{
    double start = read_us(measurement->clock);
    VKD_TRY(vkd_executor_run(measurement->executor));
    double us = measurement->by_clock ? read_us(measurement->clock) - start
                                      : (double)vkd_executor_gpu_ns(measurement->executor) * 1e-3;
    *out_us = us / measurement->repeats;
    return VKD_OK;
}

static vkd_status begin(vkd_measurement *measurement, vkd_device *device, vkd_graph *graph,
                        vkd_measure what)
{
    const vkd_caps *caps = vkd_device_caps(device);
    double unused;
    measurement->clock = caps->type == VKD_TYPE_CPU && what == VKD_MEASURE_WORK
                             ? CLOCK_PROCESS_CPUTIME_ID
                             : CLOCK_MONOTONIC;
    measurement->by_clock = caps->type == VKD_TYPE_CPU || !caps->timestamp_bits;
    measurement->repeats = 1;
    VKD_TRY(vkd_plan_memory(graph, caps->storage_alignment, true));
    VKD_TRY(vkd_executor_create(device, graph, NULL, false, 1, &measurement->executor));
    return run_once(measurement, &unused);
}

vkd_status vkd_measurement_begin(vkd_device *device, vkd_graph *graph, vkd_measure what,
                                 vkd_measurement **out)
{
    vkd_context *context = vkd_device_context(device);
    vkd_measurement *measurement = vkd_alloc(context, 1, sizeof *measurement);
    *out = NULL;
    if (!measurement)
        return vkd_fail_memory(context, "a measurement");
    measurement->context = context;
    vkd_status status = begin(measurement, device, graph, what);
    if (status == VKD_OK)
        *out = measurement;
    else
        vkd_measurement_end(measurement);
    return status;
}

vkd_status vkd_measurement_time(vkd_measurement *measurement, double give_up_us, double *out_us)
{
    enum { RUNS = 3 };
    const double long_us = 50e3; /* disturbances do not matter any more */
    double us;
    for (int i = 0; i < RUNS && (i == 0 || *out_us < (give_up_us < long_us ? give_up_us : long_us));
         i++) {
        VKD_TRY(run_once(measurement, &us));
        if (i == 0 || us < *out_us)
            *out_us = us;
    }
    return VKD_OK;
}

void vkd_measurement_end(vkd_measurement *measurement)
{
    if (!measurement)
        return;
    vkd_executor_destroy(measurement->executor);
    vkd_free(measurement->context, measurement);
}

/* ---------------------------------------------------------------------------------------- races */

/* Makes one submission about span_us long, and runs it once so that none of the counted ones is the
 * first. */
static vkd_status prepare(vkd_contender *contender, double span_us)
{
    vkd_measurement *measurement = contender->measurement;
    double wanted = contender->us > 0 ? span_us / contender->us : MAX_REPEATS;
    uint32_t repeats = wanted < 1             ? 1
                       : wanted > MAX_REPEATS ? MAX_REPEATS
                                              : (uint32_t)(wanted + 0.5);
    if (repeats == measurement->repeats)
        return VKD_OK;
    VKD_TRY(vkd_executor_repeat(measurement->executor, repeats));
    measurement->repeats = repeats;
    double us;
    return run_once(measurement, &us);
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

/* What others do at the same time only lengthens what a clock says: the least of it is nearest. */
static double typical(const vkd_measurement *measurement, double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_size);
    return measurement->by_clock ? values[0] : (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static vkd_status race(vkd_contender *contenders, size_t count, double span_us, uint32_t passes,
                       double deadline, double *times)
{
    for (size_t i = 0; i < count; i++)
        if (contenders[i].measurement)
            VKD_TRY(prepare(&contenders[i], span_us));
    uint32_t pass = 0;
    do {
        for (size_t i = 0; i < count; i++)
            if (contenders[i].measurement)
                VKD_TRY(run_once(contenders[i].measurement, &times[i * passes + pass]));
        pass++;
    } while (pass < passes && vkd_now_us() < deadline);
    for (size_t i = 0; i < count; i++)
        if (contenders[i].measurement)
            contenders[i].us = typical(contenders[i].measurement, times + i * passes, pass);
    return VKD_OK;
}

vkd_status vkd_race(vkd_contender *contenders, size_t count, double span_us, uint32_t passes,
                    double deadline)
{
    vkd_context *context = NULL;
    for (size_t i = 0; i < count && !context; i++)
        if (contenders[i].measurement)
            context = contenders[i].measurement->context;
    if (!context || !passes)
        return VKD_OK;
    double *times = vkd_alloc(context, count * passes, sizeof *times);
    if (!times)
        return vkd_fail_memory(context, "measured times");
    vkd_status status = race(contenders, count, span_us, passes, deadline, times);
    vkd_free(context, times);
    return status;
}

void vkd_race_drop(vkd_contender *contenders, size_t count, double factor)
{
    double best = 0;
    for (size_t i = 0; i < count; i++)
        if (contenders[i].measurement && (best == 0 || contenders[i].us < best))
            best = contenders[i].us;
    for (size_t i = 0; i < count; i++)
        if (contenders[i].measurement && contenders[i].us > factor * best) {
            vkd_measurement_end(contenders[i].measurement);
            contenders[i].measurement = NULL;
        }
}
