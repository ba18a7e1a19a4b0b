/* Buffers in memory of others. */
#ifndef VKD_RUNTIME_IMPORT_H
#define VKD_RUNTIME_IMPORT_H

#include "runtime/buffer.h"

/* A buffer in such memory, not mapped; vkd_buffer_destroy gives it back. VKD_UNSUPPORTED where the
 * device does not import the kind, VKD_INVALID_ARGUMENT for what is none of it. */
VKD_MUST_USE vkd_status vkd_buffer_import(vkd_device *device, const vkd_external_memory *external,
                                          vkd_buffer *out);

#endif
