/* The program object, shared by program.c and method.c. */
#ifndef VKD_BACKEND_PROGRAM_H
#define VKD_BACKEND_PROGRAM_H

#include "backend/file.h"
#include "schema/container.h"

/* A .ptd file beside a program. */
typedef struct vkd_program_data {
    vkd_file file; /* none where the caller owns the bytes */
    vkd_data_file content;
    struct vkd_program_data *next;
} vkd_program_data;

struct vkd_program {
    vkd_context context;
    vkd_arena arena;
    vkd_container container;
    vkd_file file;          /* none where the caller owns the bytes */
    vkd_program_data *data; /* the last added first */
};

/* For as long as the bytes of the container and its data files are needed, beyond what opening them
 * has copied: reads them if they are not there, and gives their memory back. */
VKD_MUST_USE vkd_status vkd_program_read(vkd_program *program);
void vkd_program_forget(vkd_program *program);
/* How many bytes these are. */
size_t vkd_program_held(const vkd_program *program);

#endif
