/* The loaded plug-in with the open program and the method that is ready to run. */
#ifndef VKD_RUNNER_SESSION_H
#define VKD_RUNNER_SESSION_H

#include "runner/options.h"

typedef struct run_session {
    const run_options *options;
    const vkd_backend_table *backend;
    vkd_options vkd; /* the options as the library takes them */
    run_log log;
    char *file; /* the program, where it came from standard input */
    vkd_program *program;
    vkd_method *method;
    vkd_delegate *delegate; /* of method */
    double init_ms;         /* opening the program and loading the method */
    size_t input_count;
    struct run_input {
        void *data; /* malloc'ed */
        size_t size;
    } * inputs;
} run_session;

/* Loads the plug-in only. The session must stay where it is: the library keeps a pointer to its log. */
run_exit run_session_start(const run_options *options, run_session *out);
/* Opens the options' model and loads its method. */
run_exit run_session_load(run_session *session);
void run_session_end(run_session *session);

/* Keeps `data` (malloc'ed, now the session's) as an input of every following execution. */
void run_session_set_input(run_session *session, size_t index, void *data, size_t size);
/* Gives all inputs to the method and executes it; *out_ms is the time of both. */
run_exit run_session_execute(run_session *session, double *out_ms);

/* Allocates *out; free it. *out_count may be 0. */
run_exit run_session_devices(run_session *session, vkd_device_info **out, uint32_t *out_count);

#endif
