#include "runner/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

run_exit run_exit_of(vkd_status status)
{
    switch (status) {
    case VKD_OK:
        return RUN_OK;
    case VKD_INVALID_ARGUMENT:
    case VKD_NOT_FOUND:
        return RUN_USAGE;
    case VKD_INVALID_MODEL:
        return RUN_BAD_MODEL;
    case VKD_UNSUPPORTED:
        return RUN_UNSUPPORTED;
    case VKD_NO_DEVICE:
        return RUN_NO_DEVICE;
    case VKD_DEVICE_LOST:
        return RUN_DEVICE_LOST;
    case VKD_IO_ERROR:
        return RUN_IO;
    case VKD_OUT_OF_MEMORY:
    case VKD_DEVICE_ERROR:
        break;
    }
    return RUN_FAILED;
}

static char last_error[8192]; /* room for two paths */

run_exit run_fail(run_exit code, const char *format, ...)
{
    va_list arguments;
    run_progress_end();
    va_start(arguments, format);
    vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    fprintf(stderr, "vkd-run: %s\n", last_error);
    return code;
}

const char *run_last_error(void) { return last_error; }

run_exit run_fail_memory(void) { return run_fail(RUN_FAILED, "out of memory"); }

/* The library knows its fields, the user of vkd-run its options. */
static const struct {
    const char *field, *option;
} names[] = {
    {"vkd_options.device", "--device"},
    {"vkd_options.validate", "--validate"},
    {"vkd_options.timeout_ms", "--timeout"},
    {"vkd_options.cache_dir", "--cache-dir"},
    {"vkd_options.variant", "--variant"},
    {"vkd_options.select", "--select"},
    {"vkd_options.measure_budget_ms", "--measure-ms"},
    {"vkd_options.int8_dot", "--int8-dot"},
    {"vkd_options.no_rewrites", "--no-rewrites"},
    {"vkd_options.max_plans", "--max-plans"},
    {"vkd_options.priority", "--priority"},
    {"vkd_options.profile", "--profile"},
    {"vkd_options.in_flight", "--in-flight"},
};

static void name_options(const char *message, char *out, size_t size)
{
    static const char prefix[] = "vkd_options.";
    size_t used = 0, row;
    for (const char *found; used < size && (found = strstr(message, prefix)); message = found) {
        for (row = 0; row < sizeof names / sizeof *names; row++)
            if (!strncmp(found, names[row].field, strlen(names[row].field)))
                break;
        bool known = row < sizeof names / sizeof *names;
        used += (size_t)snprintf(out + used, size - used, "%.*s%s", (int)(found - message), message,
                                 known ? names[row].option : prefix);
        found += known ? strlen(names[row].field) : strlen(prefix);
    }
    if (used < size)
        snprintf(out + used, size - used, "%s", message);
}

void run_log_message(void *user, vkd_log_level level, const char *message)
{
    static const char *const prefixes[] = {"", "warning: ", "", ""};
    run_log *log = user;
    char text[sizeof last_error];
    name_options(message, text, sizeof text);
    run_progress_end();
    fprintf(stderr, "vkd-run: %s%s\n", prefixes[level], text);
    if (level != VKD_LOG_ERROR)
        return;
    log->errors++;
    memcpy(last_error, text, sizeof text);
}

void run_progress(const char *format, ...)
{
    va_list arguments;
    if (!isatty(STDERR_FILENO))
        return;
    run_progress_end();
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
}

void run_progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

double run_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}
