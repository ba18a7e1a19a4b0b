/* Raw tensor files and the values of tensors. */
#ifndef VKD_RUNNER_TENSOR_H
#define VKD_RUNNER_TENSOR_H

#include "runner/message.h"

/* "1x3x224x224"; "scalar" for rank 0; "1x3x224x224 in the order 0,2,3,1" where its bytes are not row-major. Returns text. */
char *run_tensor_shape(const vkd_tensor_info *info, char *text, size_t size);
enum { RUN_SHAPE_SIZE = VKD_MAX_RANK * 24 + 16 };

/* Brings the elements of a row-major float tensor into the order of the tensor's bytes. */
run_exit run_tensor_arrange(const vkd_tensor_info *info, float *data);

/* Reads a file ("-": standard input) of exactly info->size bytes into *out; free it. name ("input 0") and dtype_name are for
 * the error message. */
run_exit run_tensor_read(const char *path, const vkd_tensor_info *info, const char *name, const char *dtype_name, void **out);

/* Writes beside the file and renames, so that a failure leaves what was there. A path that exists and is no regular file, a
 * device or a pipe, is written to directly; "-" is the result's stream (file.h). */
run_exit run_tensor_write(const char *path, const void *data, size_t size);

/* Where output `index` of `count` goes: "OUT.f32", or "OUT.0.f32" if there are several. Null without memory; free it. */
char *run_tensor_output_path(const char *path, size_t index, size_t count);

/* Element `index` as a number. */
double run_tensor_value(vkd_dtype dtype, const void *data, size_t index);

/* Fills a tensor for benchmarks: floats in [-1, 1) and bytes from a fixed pseudo-random sequence; zeros for the wider integers,
 * which may be indices. */
void run_tensor_fill(vkd_dtype dtype, void *data, size_t count);

#endif
