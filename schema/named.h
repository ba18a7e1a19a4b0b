/* Named data: constants that delegates and programs refer to by a key, in the program's file and in
 * data files beside it. */
#ifndef VKD_SCHEMA_NAMED_H
#define VKD_SCHEMA_NAMED_H

#include "schema/container.h"

/* Sorts by key. VKD_INVALID_MODEL if one is there twice. name: begins the message. */
VKD_MUST_USE vkd_status vkd_named_sort(vkd_context *context, const char *name,
                                       vkd_container_named *named, size_t count);

/* Verifies the bytes of a .ptd file and reads it, as vkd_container_read. */
VKD_MUST_USE vkd_status vkd_data_file_read(const void *file, size_t size, vkd_arena *arena,
                                           vkd_data_file *out);

/* Gives a program a data file, both of which live as long. VKD_INVALID_MODEL if one has a tensor
 * under a key that the other has, too; bytes without a layout may be in both, since their keys tell
 * what they are. */
VKD_MUST_USE vkd_status vkd_container_add(vkd_container *container, vkd_context *context,
                                          vkd_data_file *file);

/* What is under a key in the data files, in the order in which they were added, or else in the
 * program; null: nothing. */
const vkd_container_named *vkd_container_entry(const vkd_container *container, const char *key);

/* The same as a vkd_named_data's find: container is a const vkd_container *. */
vkd_status vkd_container_find(void *container, const char *key, const void **out_data,
                              size_t *out_size);

#endif
