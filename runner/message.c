#include "runner/message.h"

#include <stdarg.h>
#include <stdio.h>
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

run_exit run_fail(run_exit code, const char *format, ...)
{
    va_list arguments;
    run_progress_end();
    fputs("vkd-run: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return code;
}

run_exit run_fail_memory(void) { return run_fail(RUN_FAILED, "out of memory"); }

void run_log_message(void *user, vkd_log_level level, const char *message)
{
    static const char *const prefixes[] = {"", "warning: ", "", ""};
    run_log *log = user;
    log->errors += level == VKD_LOG_ERROR;
    run_progress_end();
    fprintf(stderr, "vkd-run: %s%s\n", prefixes[level], message);
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
