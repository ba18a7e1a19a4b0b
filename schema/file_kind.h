/* What a file that is no program looks like, by its first bytes: for the message of someone who
 * took the wrong one. */
#ifndef VKD_SCHEMA_FILE_KIND_H
#define VKD_SCHEMA_FILE_KIND_H

#include <stddef.h>

/* "an ONNX model", with what to do about it where that is known; null for bytes that look like
 * nothing known. */
const char *vkd_file_kind(const void *bytes, size_t size);

#endif
