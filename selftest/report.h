/* One page of what was found: for people, and as JSON. */
#ifndef VKD_SELFTEST_REPORT_H
#define VKD_SELFTEST_REPORT_H

#include "selftest/worker.h"

#include <stdio.h>

/* What became of a case. */
typedef struct selftest_tally {
    int draws, wrong, ran; /* ran: draws that the forced variant did run */
    bool skipped, crashed;
    double off;      /* the largest difference of a wrong element */
    char what[1024]; /* of the first that was wrong */
    char why[1024];
} selftest_tally;

typedef struct selftest_report {
    const selftest_plan *plan;
    selftest_tally *tallies; /* by case */
    bool opened;             /* whether there was a device */
    vkd_caps caps;
    char ended[1024]; /* why the test ended early, or "" */
    double seconds;
    size_t done; /* draws */
    bool shows;  /* progress */
} selftest_report;

/* For selftest_run; user is the report. */
void selftest_report_take(void *user, const selftest_message *message);

size_t selftest_report_failed(const selftest_report *report); /* cases */
void selftest_report_text(const selftest_report *report, FILE *out);
void selftest_report_json(const selftest_report *report, FILE *out);

/* A text in quotes, as JSON has it. */
void selftest_json_text(const char *text, FILE *out);

#endif
