/* A trace of what host and device did when, as the JSON that chrome://tracing and ui.perfetto.dev
 * read. */
#ifndef VKD_RUNNER_TRACE_H
#define VKD_RUNNER_TRACE_H

#include "runner/session.h"

/* Executes `runs` times and writes the trace of that, and of the phases before, to a file. The
 * session must have been loaded with vkd_options.profile. */
run_exit run_trace_write(run_session *session, size_t runs, const char *path);

#endif
