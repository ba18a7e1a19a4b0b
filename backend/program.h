/* The program object, shared by program.c and method.c. */
#ifndef VKD_BACKEND_PROGRAM_H
#define VKD_BACKEND_PROGRAM_H

#include "schema/container.h"

struct vkd_program {
    vkd_context context;
    vkd_arena arena;
    const void *bytes;
    size_t size;
    void *mapped; /* null when the caller owns the bytes */
    vkd_container container;
};

#endif
