/* Exit codes, and everything that goes to stderr: errors, the library's log, progress. */
#ifndef VKD_RUNNER_MESSAGE_H
#define VKD_RUNNER_MESSAGE_H

#include "include/vkdelegate.h"

/* Exit codes of vkd-run. They are documented in --help and the README: keep the three together. */
typedef enum run_exit {
    RUN_OK = 0,
    RUN_USAGE = 1,       /* wrong options or arguments, or input that does not fit the model */
    RUN_BAD_MODEL = 2,   /* the file is no valid model */
    RUN_UNSUPPORTED = 3, /* a valid model with something that the library does not run */
    RUN_NO_DEVICE = 4,
    RUN_DEVICE_LOST = 5,
    RUN_IO = 6, /* a file, the library included, could not be read or written */
    /* out of memory, another driver error, results that differ, validation messages */
    RUN_FAILED = 7,
} run_exit;

run_exit run_exit_of(vkd_status status);

/* Prints "vkd-run: " and the message as one line, and returns `code`. */
run_exit run_fail(run_exit code, const char *format, ...) VKD_PRINTF(2, 3);
run_exit run_fail_memory(void);
/* The last message of an error, the library's among them, without the prefix; "" if there was none.
 */
const char *run_last_error(void);

/* What the library logs; where it names a field of vkd_options, the option of vkd-run that sets it
 * is named instead. An error is printed here, so a caller that gets a status back has nothing left
 * to say. */
typedef struct run_log {
    unsigned errors; /* how many messages of level error there were */
} run_log;
void run_log_message(void *log, vkd_log_level level, const char *message);

/* A line that the next message replaces. Shown on a terminal only. */
void run_progress(const char *format, ...) VKD_PRINTF(1, 2);
void run_progress_end(void);

double run_now_ms(void); /* monotonic */

#endif
