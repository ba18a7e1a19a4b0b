/* A page for a browser: one file without scripts, that says what a model's graph is, where its time
 * goes, what lies where in memory, and why. */
#ifndef VKD_RUNNER_PAGE_H
#define VKD_RUNNER_PAGE_H

#include "runner/bench.h"

/* Executes `runs` times, after a warm-up, and writes the page. The session must have been loaded
 * with vkd_options.profile. */
run_exit run_page_write(run_session *session, size_t runs, const char *path);

#endif
