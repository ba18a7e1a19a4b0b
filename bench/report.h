/* What vkd-bench prints. */
#ifndef VKD_BENCH_REPORT_H
#define VKD_BENCH_REPORT_H

#include "bench/timing.h"

typedef struct bench_report {
    const vkd_caps *caps;
    double peak; /* MACs a microsecond */
    const char *peak_name;
    size_t count;
    const bench_result *results;
    bool measure; /* the results have the choice of selection by measurement */
} bench_report;

/* One page for a browser, to a file. */
VKD_MUST_USE vkd_status bench_report_page(vkd_context *context, const bench_report *report,
                                          const char *path);

/* All others print to stdout. */
/* device and peak */
void bench_report_head(const bench_report *report);
/* all variants of one shape */
void bench_report_shape(const bench_report *report, const bench_result *result);
/* by set, and over all */
void bench_report_regret(const bench_report *report);
/* a column a name */
void bench_report_compare(const bench_report *report, char *const *names);
/* a line for a shape and variant */
void bench_report_csv(const bench_report *report);
/* false: out of memory */
bool bench_report_json(const bench_report *report);

#endif
