/* The program object, shared by program.c and method.c. */
#ifndef VKD_BACKEND_PROGRAM_H
#define VKD_BACKEND_PROGRAM_H

#include "schema/container.h"

struct vkd_program {
    vkd_context context;
    vkd_arena arena;
    const void *bytes;
    size_t size;
    vkd_container container;
    /* Of a program that was opened by its path: */
    const char *path; /* null when the caller owns the bytes */
    int file;
    bool is_read; /* memory has the file's bytes */
    void *memory; /* where `bytes` are, when they are there */
};

/* For as long as the container's bytes are needed, beyond what opening a program has copied from them: reads them if they are
 * not there, and gives their memory back. */
VKD_MUST_USE vkd_status vkd_program_read(vkd_program *program);
void vkd_program_forget(vkd_program *program);

#endif
