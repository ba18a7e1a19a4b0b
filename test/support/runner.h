/* vkd-run as a child process, in a folder of its own. */
#ifndef VKD_TEST_SUPPORT_RUNNER_H
#define VKD_TEST_SUPPORT_RUNNER_H

#include <cjson/cJSON.h>
#include <stddef.h>

enum { RUNNER_TEXT = 1 << 16 };

typedef struct runner {
    char folder[64];
    char out[RUNNER_TEXT], err[RUNNER_TEXT]; /* of the last run */
    size_t out_size;                         /* it may hold zeros */
} runner;

/* cmocka's set-up and tear-down of a group: the state is a runner. */
int runner_setup(void **state);
int runner_teardown(void **state);

char *runner_path(const runner *r, const char *name, char path[128]); /* of a file in its folder */
size_t runner_read(const char *path, void *data, size_t capacity);

/* How a run differs from one with the fake plug-in and standard output captured. */
typedef struct runner_how {
    /* $VKD_LIBRARY; null: the fake plug-in; "": none, so that vkd-run looks for the real one */
    const char *library;
    const char *to, *from; /* standard output and input; null: captured, and nothing */
} runner_how;

/* Runs vkd-run with the arguments in `line`, split at blanks, in the folder. Returns the exit code
 * and fills out and err. */
int runner_run(runner *r, const runner_how *how, const char *line);

/* With the fake plug-in. Fails the test unless the exit code is this and stderr says `message`. */
void runner_expect(runner *r, const char *line, int code, const char *message);
/* The same for the JSON object on stdout, which is there in every case and valid UTF-8;
 * cJSON_Delete it. */
cJSON *runner_json(runner *r, const char *line, int code);
double runner_number(const cJSON *object, const char *name);
const char *runner_string(const cJSON *object, const char *name);

#endif
