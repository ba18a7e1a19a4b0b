/* Raw tensor files and the values of tensors. */
#ifndef VKD_RUNNER_TENSOR_H
#define VKD_RUNNER_TENSOR_H

#include "runner/message.h"

/* "1x3x224x224"; "scalar" for rank 0; "1x3x224x224 in the order 0,2,3,1" where its bytes are not
 * row-major. Returns text. */
char *run_tensor_shape(const vkd_tensor_info *info, char *text, size_t size);
enum { RUN_SHAPE_SIZE = VKD_MAX_RANK * 24 + 16 };

/* The element type that the end of a file's name says, ".f32" ".f16" ".i64" or ".i32", where the
 * library converts between that and the declared one; else the declared one. */
vkd_dtype run_tensor_dtype(const char *path, vkd_dtype declared);

/* "1x3x224x224" to dims; "" is a scalar's. */
run_exit run_tensor_parse_shape(const char *text, int64_t dims[VKD_MAX_RANK], uint32_t *out_rank);

/* Gives a tensor other dims. RUN_USAGE for another rank than it may have. */
run_exit run_tensor_resize(vkd_tensor_info *info, uint32_t rank, const int64_t *dims,
                           size_t element_size);

/* Brings elements of so many bytes from row-major order into that of the tensor's bytes; to_rows:
 * back. */
run_exit run_tensor_arrange(const vkd_tensor_info *info, size_t element_size, void *data,
                            bool to_rows);

/* Reads a file ("-": standard input) of exactly info->size bytes into *out; free it. name ("input
 * 0") and dtype_name are for the error message. */
run_exit run_tensor_read(const char *path, const vkd_tensor_info *info, const char *name,
                         const char *dtype_name, void **out);

/* Writes beside the file and renames, so that a failure leaves what was there. A path that exists
 * and is no regular file, a device or a pipe, is written to directly; "-" is the result's stream
 * (file.h). */
run_exit run_tensor_write(const char *path, const void *data, size_t size);

/* Where output `index` of `count` goes: "OUT.f32", or "OUT.0.f32" if there are several;
 * "OUT.s0.f32" or "OUT.0.s0.f32" of the first of several executions. Null without memory; free it.
 */
char *run_tensor_output_path(const char *path, size_t index, size_t count, size_t step,
                             size_t steps);

/* Element `index` as a number. */
double run_tensor_value(vkd_dtype dtype, const void *data, size_t index);

/* Fills a tensor for benchmarks: floats in [-1, 1) and bytes from a fixed pseudo-random sequence;
 * zeros for the wider integers, which may be indices. */
void run_tensor_fill(vkd_dtype dtype, void *data, size_t count);

#endif
