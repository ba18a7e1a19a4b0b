/* The loaded plug-in with the open program and the method that is ready to run. */
#ifndef VKD_RUNNER_SESSION_H
#define VKD_RUNNER_SESSION_H

#include "runner/options.h"

/* What the host did, and when: the clock of run_now_ms. */
typedef struct run_phase {
    const char *name;
    double start_ms, end_ms;
} run_phase;
enum { RUN_PHASES = 4 };

typedef struct run_session {
    const run_options *options;
    const vkd_backend_table *backend;
    vkd_engine *engine; /* where models are loaded more than once, else null */
    vkd_options vkd;    /* the options as the library takes them */
    vkd_pixels pixels;  /* of them */
    run_log log;
    char *file; /* the program, where it came from standard input */
    vkd_program *program;
    vkd_method *method;
    vkd_delegate *delegate;       /* of method */
    double init_ms;               /* opening the program and loading the method */
    run_phase phases[RUN_PHASES]; /* until the method was ready */
    size_t phase_count;
    size_t input_count, output_count;
    vkd_tensor_arg *args; /* inputs, then outputs; their bytes are malloc'ed */
} run_session;

/* Loads the plug-in only. The session must stay where it is: the library keeps a pointer to its
 * log. */
run_exit run_session_start(const run_options *options, run_session *out);
/* Opens a model with its .ptd files and loads a method; null: "forward". */
run_exit run_session_load(run_session *session, const char *model, const char *method,
                          char *const *data_files, size_t data_file_count);
/* Loads the model once more, beside the first and on its engine, and gives it up again; *out_ms as
 * init_ms. */
run_exit run_session_load_again(const run_session *session, double *out_ms);
/* Makes room for another model; run_session_end does it too. */
void run_session_unload(run_session *session);
void run_session_end(run_session *session);

/* Keeps `data` (malloc'ed, now the session's), of the dims and the size of *info, as an input of
 * every following execution. */
void run_session_set_input(run_session *session, size_t index, const vkd_tensor_info *info,
                           void *data);
/* Executes the method; *out_ms is the time it takes. */
run_exit run_session_execute(run_session *session, double *out_ms);
/* The same; *out: when it was submitted, and when it was waited for. */
run_exit run_session_execute_in_phases(run_session *session, run_phase out[2]);
/* From now on an output comes in the element type that the name of a file says. */
run_exit run_session_want(run_session *session, size_t index, const char *file);
/* An output of the execution before, with the dims that it has. */
run_exit run_session_output(run_session *session, size_t index, vkd_tensor_info *info, void **out);

/* Allocates *out; free it. *out_count may be 0. */
run_exit run_session_devices(run_session *session, vkd_device_info **out, uint32_t *out_count);

#endif
