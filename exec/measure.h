/* How long graphs take on a device, for choosing among those that compute the same. */
#ifndef VKD_EXEC_MEASURE_H
#define VKD_EXEC_MEASURE_H

#include "exec/executor.h"

double vkd_now_us(void); /* monotonic */

/* A graph ready to be timed. */
typedef struct vkd_measurement vkd_measurement;

/* What is measured. On devices that are no processors always the GPU's time, if it has stamps. */
typedef enum vkd_measure {
    VKD_MEASURE_TIME, /* from the submission to its end */
    VKD_MEASURE_WORK, /* of all threads of this process, whatever others keep the cores busy with */
} vkd_measure;

/* Plans and prepares the graph, which must stay until the end and have neither inputs nor outputs,
 * and runs it once: afterwards its pipelines are compiled, by drivers too that do it in the first
 * run, and its memory has been touched. */
VKD_MUST_USE vkd_status vkd_measurement_begin(vkd_device *device, vkd_graph *graph,
                                              vkd_measure what, vkd_measurement **out);
/* A first coarse time: the best of a few runs, because another process may disturb any one of them;
 * of a single one when that takes as long as give_up_us. */
VKD_MUST_USE vkd_status vkd_measurement_time(vkd_measurement *measurement, double give_up_us,
                                             double *out_us);
void vkd_measurement_end(vkd_measurement *measurement); /* accepts null */

/* One of several graphs that are timed against each other. */
typedef struct vkd_contender {
    vkd_measurement *measurement; /* null: not in the race */
    double us;                    /* the best knowledge of one execution's time */
} vkd_contender;

/* Times those in the race in turns, `passes` times each, or until vkd_now_us() has passed
 * `deadline` but once at least; `us` becomes the median, of a clock's times the least. One turn
 * repeats the graph until about span_us of work are together, so that clocks have time to ramp up,
 * with the barriers that a dependency between repetitions needs. */
VKD_MUST_USE vkd_status vkd_race(vkd_contender *contenders, size_t count, double span_us,
                                 uint32_t passes, double deadline);

/* Takes those out of the race that are slower than `factor` times the fastest one. */
void vkd_race_drop(vkd_contender *contenders, size_t count, double factor);

#endif
