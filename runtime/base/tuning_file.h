/* What was found out about a device by trying, kept in a file beside the pipeline cache: times of
 * kernels by problem, and which kernels compute what they should. */
#ifndef VKD_RUNTIME_BASE_TUNING_FILE_H
#define VKD_RUNTIME_BASE_TUNING_FILE_H

#include "runtime/base/caps.h"
#include "runtime/base/arena.h"

typedef struct vkd_tuning_file vkd_tuning_file;

/* Reads what is known about this device (by name, ids, driver and int8 flavour) and this code
 * (`code`: a checksum of the kernels and of what chooses among them). A file that is missing,
 * damaged or of something else counts as empty. Without a cache directory everything works but
 * nothing is kept. Everything lies in the arena. */
VKD_MUST_USE vkd_status vkd_tuning_file_open(vkd_arena *arena, const vkd_caps *caps, uint64_t code,
                                             const vkd_options *options, vkd_tuning_file **out);

/* A fact: a number for a subject ("1x64x56x56 -> ...") and one of its variants. False: not known.
 */
bool vkd_tuning_file_find(const vkd_tuning_file *file, const char *subject, const char *variant,
                          uint64_t *out);

/* Adds or replaces one. The texts are copied; they must not be empty, contain tabs or newlines, or
 * be longer than 255. */
VKD_MUST_USE vkd_status vkd_tuning_file_set(vkd_tuning_file *file, const char *subject,
                                            const char *variant, uint64_t value);

/* Writes the file if there is something new, together with what other processes have written
 * meanwhile; of too many facts the oldest are dropped. A failure is a warning. Two processes that
 * write in the same instant may lose the facts of one of them.
 */
void vkd_tuning_file_save(vkd_tuning_file *file);

#endif
