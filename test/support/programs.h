/* Programs through the public interface, by their path: a sample model, and files that tests make
 * of the small one. */
#ifndef VKD_TEST_SUPPORT_PROGRAMS_H
#define VKD_TEST_SUPPORT_PROGRAMS_H

#include "support/blob_builder.h"
#include "support/faulty.h"
#include "support/small_model.h"

#define PROGRAM_SAMPLE "tiny/conv_relu_maxpool3s2p1_15x13"

/* What a sample's folder has; the caller's to free. */
char *program_path(const char *folder);
void program_write(const char *path, const void *bytes, size_t size);

/* Writes a program, opens it by its path and loads a method (null: the only one). Both are the
 * caller's, or null where that fails; the watch is begun. */
vkd_status program_load(const blob_pte *pte, const char *name, watch *w, vkd_program **out_program,
                        vkd_method **out);

/* The small model's input and output. */
static const vkd_tensor_info program_x = {
    .dtype = VKD_DTYPE_FLOAT32, .rank = 4, .dims = {1, SMALL_IN, SMALL_H, SMALL_W}};
static const vkd_tensor_info program_y = {
    .dtype = VKD_DTYPE_FLOAT32, .rank = 4, .dims = {1, SMALL_OUT, SMALL_H, SMALL_W}};

#endif
