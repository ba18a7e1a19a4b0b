/* Builds .pte files of one method, and .ptd files, in memory, step by step:
 *
 *     vkd_pte_builder *b = pte_new();
 *     uint32_t x = pte_tensor(b, &info), y = pte_tensor(b, &info);
 *     pte_call(b, pte_delegate(b, "VulkanBackend", blob, blob_size), (uint32_t[]){x, y}, 2);
 *     pte_io(b, &x, 1, &y, 1);
 *     void *file = pte_finish(b, &size);   // free(file)
 *
 * Value functions return the value's id; ids count up from 0. Everything passed in is copied;
 * nothing is checked, since broken programs are wanted too. Running out of memory ends the process:
 * this is for tests. */
#ifndef VKD_TEST_SUPPORT_PTE_BUILDER_H
#define VKD_TEST_SUPPORT_PTE_BUILDER_H

#include "support/blob_builder.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vkd_pte_builder vkd_pte_builder;

vkd_pte_builder *pte_new(void);
void pte_name(vkd_pte_builder *b, const char *method); /* else "forward" */
/* No extended header: blobs lie inside the program's flatbuffer, data in buffers of its own, and
 * named data is left out. */
void pte_no_segments(vkd_pte_builder *b);

/* A tensor in memory of the method; the info's size is not read, and a dim_order of zeros is
 * row-major. */
uint32_t pte_tensor(vkd_pte_builder *b, const vkd_tensor_info *info);
/* A constant, of as many bytes as the info says. */
uint32_t pte_constant(vkd_pte_builder *b, const vkd_tensor_info *info, const void *data);
/* What the last added tensor differs in: memory of the method that begins with these bytes, data of
 * another file, bounds in place of dims, another place, a rank that no info has. */
void pte_initial(vkd_pte_builder *b, const void *data, size_t size);
void pte_external(vkd_pte_builder *b, const char *name);
void pte_dynamic(vkd_pte_builder *b);
/* the place in memory of another value; else each has its own */
void pte_place(vkd_pte_builder *b, uint32_t other);
void pte_ones(vkd_pte_builder *b, size_t rank); /* any number of dims of 1 */

uint32_t pte_null(vkd_pte_builder *b);
uint32_t pte_int(vkd_pte_builder *b, int64_t value);
uint32_t pte_double(vkd_pte_builder *b, double value);
uint32_t pte_bool(vkd_pte_builder *b, bool value);
uint32_t pte_string(vkd_pte_builder *b, const char *value);
uint32_t pte_int_list(vkd_pte_builder *b, const uint32_t *ids, size_t count);
uint32_t pte_double_list(vkd_pte_builder *b, const double *items, size_t count);
uint32_t pte_bool_list(vkd_pte_builder *b, const bool *items, size_t count);
uint32_t pte_tensor_list(vkd_pte_builder *b, const uint32_t *ids, size_t count);
uint32_t pte_optional_list(vkd_pte_builder *b, const int32_t *ids, size_t count); /* -1: none */

/* A delegate of the method; returns its number. */
uint32_t pte_delegate(vkd_pte_builder *b, const char *id, const void *blob, size_t size);
/* A compile spec of the last added delegate. */
void pte_spec(vkd_pte_builder *b, const vkd_compile_spec *spec);
void pte_named(vkd_pte_builder *b, const blob_named *named);

void pte_call(vkd_pte_builder *b, uint32_t delegate, const uint32_t *args, size_t arg_count);
/* "aten::mean.out" */
void pte_kernel(vkd_pte_builder *b, const char *name, const uint32_t *args, size_t arg_count);
void pte_move(vkd_pte_builder *b, uint32_t from, uint32_t to);
void pte_free(vkd_pte_builder *b, uint32_t value);
void pte_jump(vkd_pte_builder *b, uint32_t condition);
/* Appends to the inputs and the outputs. */
void pte_io(vkd_pte_builder *b, const uint32_t *inputs, size_t input_count, const uint32_t *outputs,
            size_t output_count);

/* The file's bytes, from malloc; the builder is gone. */
void *pte_finish(vkd_pte_builder *b, size_t *out_size);

/* ----------------------------------------------------------------------------------------- .ptd */

typedef struct ptd_entry {
    blob_named named;
    /* null: none. Its size is not read, and a dim_order of zeros is row-major */
    const vkd_tensor_info *layout;
} ptd_entry;

/* The bytes of a data file, from malloc. */
void *ptd_build(const ptd_entry *entries, size_t count, size_t *out_size);

#ifdef __cplusplus
}
#endif
#endif
