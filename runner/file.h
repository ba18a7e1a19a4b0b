/* Files that come in, and the stream that results go out on. "-" is standard input. */
#ifndef VKD_RUNNER_FILE_H
#define VKD_RUNNER_FILE_H

#include <stdio.h>

#include "runner/message.h"

bool run_file_is_standard(const char *path); /* "-" */
const char *run_file_name(const char *path); /* for messages */
FILE *run_file_open(const char *path);       /* null with errno; fclose it */

/* The whole file and a zero behind it. Allocates *out; free it. size may be null. */
run_exit run_file_read(const char *path, char **out, size_t *out_size);

/* From now on standard output is for the result alone: whatever else is printed there, by drivers
 * and layers too, goes to stderr. False if that failed. */
bool run_result_reserve(void);
/* Where the result goes: what was reserved, else standard output. */
FILE *run_result_stream(void);

#endif
