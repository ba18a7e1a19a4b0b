/* Runs programs whose results are known: folders with a meta.json (meta.h). */
#ifndef VKD_RUNNER_VERIFY_H
#define VKD_RUNNER_VERIFY_H

#include "runner/report.h"

/* The options' folders, of which each is one with a program or has such ones in it. Every output of
 * every execution is compared and, with --output, written to that folder; of several programs each
 * has a folder of its own there. What fails does not stop the others: the result is that of the
 * first. */
run_exit run_verify(run_session *session, const run_report_form *form, run_report *report);

#endif
