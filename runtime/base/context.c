#include "runtime/base/context.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *default_allocate(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void default_release(void *user, void *memory)
{
    (void)user;
    free(memory);
}

static void log_to_stderr(void *user, vkd_log_level level, const char *message)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    (void)user;
    fprintf(stderr, "vkdelegate: %s: %s\n", names[level], message);
}

void vkd_context_init(vkd_context *context, const vkd_options *options)
{
    static const vkd_options defaults;
    if (!options)
        options = &defaults;
    *context = (vkd_context){
        .log = options->log ? options->log : log_to_stderr,
        .log_user = options->log_user,
        .log_level = options->log ? options->log_level : VKD_LOG_WARNING,
        .allocator = {sizeof(vkd_allocator), default_allocate, default_release, NULL},
    };
    if (options->allocator)
        context->allocator = *options->allocator;
}

bool vkd_struct_read(void *out, size_t known, const void *array, size_t index)
{
    enum { MOST = 4096 }; /* a number beyond is no size */
    size_t size, own;
    memcpy(&size, array, sizeof size);
    if (size < sizeof size || size > MOST || size % sizeof(void *))
        return false;
    const unsigned char *from = (const unsigned char *)array + index * size;
    memcpy(&own, from, sizeof own);
    for (size_t i = known; i < size; i++)
        if (from[i])
            return false;
    memset(out, 0, known);
    memcpy(out, from, size < known ? size : known);
    memcpy(out, &known, sizeof known);
    return own == size;
}

vkd_status vkd_options_read(vkd_options *out, const vkd_options *given, vkd_context *context)
{
    static const vkd_options defaults = {sizeof defaults};
    vkd_allocator allocator;
    *out = defaults;
    const bool is_known = !given || vkd_struct_read(out, sizeof *out, given, 0);
    const bool allocates =
        !out->allocator || (vkd_struct_read(&allocator, sizeof allocator, out->allocator, 0) &&
                            allocator.allocate && allocator.release);
    if (!allocates)
        out->allocator = NULL;
    vkd_context_init(context, out);
    if (!is_known)
        return vkd_fail(context, VKD_INVALID_ARGUMENT,
                        "vkd_options.size must be sizeof(vkd_options), and what this library does "
                        "not know there zero");
    return allocates ? VKD_OK
                     : vkd_fail(context, VKD_INVALID_ARGUMENT,
                                "vkd_options.allocator: size must be sizeof(vkd_allocator), and "
                                "both functions be there");
}

vkd_status vkd_fail(vkd_context *context, vkd_status status, const char *format, ...)
{
    va_list arguments;
    size_t used = 0;
    if (context->file) { /* of a long path the end */
        size_t size = strlen(context->file), most = sizeof context->error / 2;
        used = (size_t)snprintf(context->error, sizeof context->error,
                                "%s%s: ", size > most ? "..." : "",
                                context->file + (size > most ? size - most : 0));
    }
    va_start(arguments, format);
    vsnprintf(context->error + used, sizeof context->error - used, format, arguments);
    va_end(arguments);
    context->log(context->log_user, VKD_LOG_ERROR, context->error);
    return status;
}

vkd_status vkd_fail_memory(vkd_context *context, const char *what)
{
    return vkd_fail(context, VKD_OUT_OF_MEMORY, "out of host memory for %s", what);
}

void vkd_context_report(const vkd_context *context, const vkd_options *options, vkd_status status)
{
    if (options && options->error && options->error_size)
        snprintf(options->error, options->error_size, "%s", status == VKD_OK ? "" : context->error);
}

void vkd_log(vkd_context *context, vkd_log_level level, const char *format, ...)
{
    if (level > context->log_level)
        return;
    char message[sizeof context->error];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    context->log(context->log_user, level, message);
}

/* The size in front of each allocation is what makes the accounting of host_bytes possible with any
 * allocator. */
typedef union allocation_header {
    size_t size;
    max_align_t align;
} allocation_header;

void *vkd_alloc(vkd_context *context, size_t count, size_t size)
{
    if (size && count > (SIZE_MAX - sizeof(allocation_header)) / size)
        return NULL;
    size_t total = sizeof(allocation_header) + count * size;
    allocation_header *header = context->allocator.allocate(context->allocator.user, total);
    if (!header)
        return NULL;
    memset(header, 0, total);
    header->size = total;
    context->host_bytes += total;
    if (context->host_bytes > context->host_peak)
        context->host_peak = context->host_bytes;
    return header + 1;
}

void vkd_free(vkd_context *context, void *memory)
{
    if (!memory)
        return;
    allocation_header *header = (allocation_header *)memory - 1;
    context->host_bytes -= header->size;
    context->allocator.release(context->allocator.user, header);
}
