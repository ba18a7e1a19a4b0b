/* A file in memory: read when its bytes are needed, and given back in between. */
#ifndef VKD_BACKEND_FILE_H
#define VKD_BACKEND_FILE_H

#include "runtime/base/arena.h"

typedef struct vkd_file {
    const char *path; /* null: none is open */
    int descriptor;
    bool is_read; /* memory has the bytes */
    void *memory; /* stays where it is */
    size_t size;
} vkd_file;

/* Opens and reads it. what: what it should be, "program", for messages. A failure leaves something
 * to close. */
VKD_MUST_USE vkd_status vkd_file_open(vkd_file *file, const char *path, const char *what,
                                      vkd_arena *arena);
void vkd_file_close(vkd_file *file);

/* Around a time in which the bytes are needed: reads them if they are not there, and gives their
 * memory back. Nothing happens where no file is open. */
VKD_MUST_USE vkd_status vkd_file_read(vkd_file *file, vkd_context *context);
void vkd_file_forget(vkd_file *file);

#endif
