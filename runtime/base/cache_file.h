/* Files that spare a later process some work, and that it must not trust: whatever is wrong with
 * one, it counts as absent. */
#ifndef VKD_RUNTIME_BASE_CACHE_FILE_H
#define VKD_RUNTIME_BASE_CACHE_FILE_H

#include "runtime/base/caps.h"
#include "runtime/base/context.h"

/* The directory for cache files: options->cache_dir, else $XDG_CACHE_HOME/vkdelegate, else
 * $HOME/.cache/vkdelegate. Writes it to `out`. False: there is none, by the options, the
 * environment, or because it is longer than `size`. */
bool vkd_cache_directory(const vkd_options *options, char *out, size_t size);

/* The payload of a file that vkd_cache_file_write made for the same device and driver, for
 * vkd_free; null when there is none, with a log line (info) if the file exists but is not that. Nor
 * is it trusted if another user could have written it: it or its directory belongs to somebody else
 * (a directory may be root's), it is writable by others, or everybody may replace what is in the
 * directory. Removes the temporary files that processes have left there which were killed while
 * they wrote. */
void *vkd_cache_file_read(vkd_context *context, const char *path, const vkd_caps *caps,
                          size_t *out_size);

/* Puts a file in place of the one at path, which lies in `directory` (created if missing). Readers
 * see the old one or the new one, never a part. On failure the old one stays, with a warning in the
 * log; a directory that is not trusted is one. */
bool vkd_cache_file_write(vkd_context *context, const char *directory, const char *path,
                          const vkd_caps *caps, const void *payload, size_t size);

/* FNV-1a, 64 bits. */
uint64_t vkd_checksum(const void *bytes, size_t size);

#endif
