/* Times every variant of a convolution. */
#ifndef VKD_BENCH_TIMING_H
#define VKD_BENCH_TIMING_H

#include "bench/shapes.h"
#include "exec/measure.h"

typedef struct bench_result {
    const bench_shape *shape;
    const conv2d_variant *variants; /* vkd_conv2d_table */
    size_t count;                   /* of them, and of candidates */
    vkd_candidate_info *candidates; /* measured_us is 0 where a variant was not timed */
    bool *coarse;                   /* by candidate: so slow that it was timed only once */
    size_t automatic;               /* index of the variant that the cost model chooses */
    /* of the one that selection by measurement chooses; as `automatic` without plan->tuner */
    size_t measured;
    double measure_us; /* how long that took */
    size_t best;       /* of the fastest one */
} bench_result;

typedef struct bench_plan {
    char **variants;      /* names or families to time besides the chosen ones; null: all */
    double case_us;       /* time to spend on one shape, compiling not counted */
    double give_up;       /* a variant this many times slower than the fastest is timed only once */
    const vkd_caps *caps; /* the device's, probed */
    vkd_tuner *tuner;     /* asked what it would choose; may be null */
} bench_plan;

/* Times a shape. Everything in the result lies in the arena. */
VKD_MUST_USE vkd_status bench_time(vkd_arena *arena, vkd_device *device, const bench_plan *plan,
                                   const bench_shape *shape, bench_result *out);

/* The best multiply-add rate that any variant reaches on a large square product of a type, in MACs
 * a microsecond. *out_name: which one. */
VKD_MUST_USE vkd_status bench_peak(vkd_arena *arena, vkd_device *device, const bench_plan *plan,
                                   vkd_dtype dtype, double *out, const char **out_name);

/* Chosen over best: 1 for the best choice. */
double bench_regret(const bench_result *result, size_t choice);

#endif
