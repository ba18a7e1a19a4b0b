/* An output against what it should be. */
#ifndef VKD_RUNNER_COMPARE_H
#define VKD_RUNNER_COMPARE_H

#include "runner/meta.h"

typedef enum run_measure { RUN_UNEQUAL, RUN_LARGEST, RUN_RELATIVE, RUN_COSINE } run_measure;

typedef struct run_difference {
    /* of the elements; infinite where one alone is not a number, or another infinity */
    double largest;
    double relative;     /* L2 of the difference, by that of what is expected */
    double cosine;       /* 1 for equal ones */
    size_t unequal;      /* how many elements are */
    run_measure measure; /* what was judged */
    double allowed;      /* what it may be, the cosine at least */
    bool is_right;
} run_difference;

/* got and expected: count elements of the dtype. RUN_FAILED without memory. */
run_exit run_compare(vkd_dtype dtype, const void *got, const void *expected, size_t count,
                     const run_tolerance *tolerance, run_difference *out);

#endif
