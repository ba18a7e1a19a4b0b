/* Builds delegate blobs and .pte files in memory, so that a test can have any model that it can
 * describe:
 *
 *     vkd_blob_builder *b = blob_new();
 *     uint32_t x = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, 3, 8, 8}, NULL);
 *     uint32_t y = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, 3, 8, 8}, NULL);
 *     blob_op(b, "aten.relu.default", 0, (uint32_t[]){x, y}, 2);
 *     blob_io(b, &x, 1, &y, 1);
 *     size_t size;
 *     void *blob = blob_finish(b, &size);   // free(blob)
 *
 * Each value function returns the value's id; ids count up from 0. Everything passed in is copied.
 * Nothing is checked, since broken models are wanted too. Running out of memory ends the process:
 * this is for tests. */
#ifndef VKD_TEST_SUPPORT_BLOB_BUILDER_H
#define VKD_TEST_SUPPORT_BLOB_BUILDER_H

#include "include/vkdelegate.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vkd_blob_builder vkd_blob_builder;

vkd_blob_builder *blob_new(void);

/* data: null, or the bytes of a constant, which become an inline constant (the first constant of a
 * blob is number 0). dtype: also a number that is no vkd_dtype. */
uint32_t blob_tensor(vkd_blob_builder *b, vkd_dtype dtype, uint32_t rank, const uint32_t *dims,
                     const void *data);
/* A constant whose bytes the caller of vkd_init supplies under this key. */
uint32_t blob_named_tensor(vkd_blob_builder *b, vkd_dtype dtype, uint32_t rank,
                           const uint32_t *dims, const char *key);
/* A tensor that refers to any entry of the table of constants, -1 for none. */
uint32_t blob_constant_tensor(vkd_blob_builder *b, vkd_dtype dtype, uint32_t rank,
                              const uint32_t *dims, int32_t constant_id);
/* The element type that the host sees, where it differs from the last added tensor's. */
void blob_staging(vkd_blob_builder *b, vkd_dtype dtype);

uint32_t blob_null(vkd_blob_builder *b);
uint32_t blob_int(vkd_blob_builder *b, int64_t value);
uint32_t blob_double(vkd_blob_builder *b, double value);
uint32_t blob_bool(vkd_blob_builder *b, bool value);
uint32_t blob_symint(vkd_blob_builder *b, int32_t value);
uint32_t blob_string(vkd_blob_builder *b, const char *value);
uint32_t blob_int_list(vkd_blob_builder *b, const int64_t *items, size_t count);
uint32_t blob_double_list(vkd_blob_builder *b, const double *items, size_t count);
uint32_t blob_bool_list(vkd_blob_builder *b, const bool *items, size_t count);
uint32_t blob_value_list(vkd_blob_builder *b, const uint32_t *ids, size_t count);
/* A value with this type tag and nothing behind it. */
uint32_t blob_tag(vkd_blob_builder *b, uint8_t tag);

/* An entry of the table of constants, right or wrong. offset: into the inline constants, or
 * UINT64_MAX with a key. key may be null. Returns its number. */
int32_t blob_constant(vkd_blob_builder *b, uint64_t offset, uint64_t length, const char *key);
/* Adds bytes to the inline constants, 16-aligned. Returns their offset. */
uint64_t blob_inline(vkd_blob_builder *b, const void *data, size_t size);

/* name null: an operator without one. */
void blob_op(vkd_blob_builder *b, const char *name, uint32_t node_id, const uint32_t *args,
             size_t arg_count);
/* Appends to the inputs and the outputs. */
void blob_io(vkd_blob_builder *b, const uint32_t *inputs, size_t input_count,
             const uint32_t *outputs, size_t output_count);

/* The blob, from malloc; the builder is gone. */
void *blob_finish(vkd_blob_builder *b, size_t *out_size);
/* Gives up a builder without a result. */
void blob_discard(vkd_blob_builder *b);

/* ----------------------------------------------------------------------------------------- .pte */

typedef struct blob_named {
    const char *key;
    const void *data;
    size_t size;
} blob_named;

/* A program of one method. All zero but blob: "forward" that calls the blob, delegated to
 * "VulkanBackend", without arguments.
 */
typedef struct blob_pte {
    const char *method;
    const char *delegate_id;
    const void *blob;
    size_t blob_size;
    /* no extended header: the blob lies inside the program's flatbuffer, and named data is left out
     */
    bool no_segments;
    uint32_t calls; /* how often the delegate is called; 0: once */
    /* `size` is not read; a dim_order of zeros is row-major */
    const vkd_tensor_info *inputs, *outputs;
    size_t input_count, output_count;
    const vkd_compile_spec *specs;
    size_t spec_count;
    const blob_named *named;
    size_t named_count;
    const char *const
        /* portable operators ("aten::mean.out") that are called after the delegate, without
           arguments */
        *kernels;
    size_t kernel_count;
} blob_pte;

/* The file's bytes, from malloc. */
void *blob_wrap_pte(const blob_pte *pte, size_t *out_size);

#ifdef __cplusplus
}
#endif
#endif
