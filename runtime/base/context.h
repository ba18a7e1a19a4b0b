/* What travels with every object: where messages go, where host memory comes from, and the last
 * error. */
#ifndef VKD_RUNTIME_BASE_CONTEXT_H
#define VKD_RUNTIME_BASE_CONTEXT_H

#include "include/vkdelegate.h"

typedef struct vkd_context {
    vkd_log_fn log;
    void *log_user;
    vkd_log_level log_level;
    vkd_allocator allocator;
    uint64_t host_bytes, host_peak; /* now held, and at the worst moment */
    /* whose contents are being read, as every message then says; or null */
    const char *file;
    char error[512]; /* the message of the last vkd_fail */
} vkd_context;

/* Fills in the defaults. options may be null. */
void vkd_context_init(vkd_context *context, const vkd_options *options);

/* Copies element `index` of an array of a caller's structs, which begin with their size, into one
 * as we know it, of `known` bytes: what the caller's lacks is zero. False if that is no size, or
 * not the first element's, or if what we do not know is not zero. */
bool vkd_struct_read(void *out, size_t known, const void *array, size_t index);

/* The same for a caller's options, and the context of a call with them. given may be null. */
VKD_MUST_USE vkd_status vkd_options_read(vkd_options *out, const vkd_options *given,
                                         vkd_context *context);

/* Logs the message once as an error, keeps it as context->error, and returns `status`, so that the
 * place that finds a fault says `return vkd_fail(...)` and every caller passes the code up. */
VKD_MUST_USE vkd_status vkd_fail(vkd_context *context, vkd_status status, const char *format, ...)
    VKD_PRINTF(3, 4);

/* Shorthand for an allocation that did not succeed; what: "graph nodes". */
VKD_MUST_USE vkd_status vkd_fail_memory(vkd_context *context, const char *what);

void vkd_log(vkd_context *context, vkd_log_level level, const char *format, ...) VKD_PRINTF(3, 4);

/* For calls that leave no object: copies the message to options->error when status is a failure.
 * options may be null. */
void vkd_context_report(const vkd_context *context, const vkd_options *options, vkd_status status);

/* Zeroed memory for count elements of size bytes; null when there is none or the product overflows.
 * Zero bytes give a valid pointer. */
void *vkd_alloc(vkd_context *context, size_t count, size_t size);
void vkd_free(vkd_context *context, void *memory); /* accepts null */

/* Passes a failure up: VKD_TRY(call(...)); */
#define VKD_TRY(call)                                                                              \
    do {                                                                                           \
        vkd_status vkd_try_status = (call);                                                        \
        if (vkd_try_status != VKD_OK)                                                              \
            return vkd_try_status;                                                                 \
    } while (0)

#endif
