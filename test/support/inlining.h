/* Methods of programs that tests make in memory, as one model, and that model as text. */
#ifndef VKD_TEST_SUPPORT_INLINING_H
#define VKD_TEST_SUPPORT_INLINING_H

#include "schema/inline.h"
#include "schema/named.h"
#include "support/pte_builder.h"
#include "support/reading.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define IDS(...) (const uint32_t[]){__VA_ARGS__}, COUNT(((const uint32_t[]){__VA_ARGS__}))

/* Values: "%3 f32[2,3]" with "=" behind a constant, "!" behind state, "..." for bounds and "<f16"
 * for what the host has; null "-", a symbolic integer "?3". */
typedef struct model_text {
    char chars[8192];
    size_t length;
} model_text;

void model_text_say(model_text *t, const vkd_model *model);

typedef struct inlining {
    reading r;
    uint8_t *file, *data; /* data: of a data file, or null */
    size_t size, data_size;
    vkd_data_file data_file;
    vkd_model model;
    model_text text;
} inlining;

/* Reads the file and takes its first method. */
vkd_status inlining_take(inlining *f);
/* Finishes the program and takes its first method, which must do. */
void inlining_begin(inlining *f, vkd_pte_builder *b);
void inlining_end(inlining *f);

/* The program's model is this text. */
void inlining_expect(vkd_pte_builder *b, const char *expected);
/* The file, or the program, is refused with a message that says so. */
void inlining_refuses(inlining *f, vkd_status status, const char *says);
void inlining_expect_refused(vkd_pte_builder *b, vkd_status status, const char *says);

/* Six values, for tensors of 2 x 3. */
extern const float inlining_weights[6];

uint32_t inlining_tensor(vkd_blob_builder *b, const vkd_tensor_info *info, const void *data);
/* A delegate of one operator from x to y. A constant comes first, so that ids show what moves. */
uint32_t inlining_delegate(vkd_pte_builder *b, const char *name, const vkd_tensor_info *x,
                           const vkd_tensor_info *y);

static const vkd_tensor_info f32 = {VKD_DTYPE_FLOAT32, 2, {2, 3}, 0},
                             f16 = {VKD_DTYPE_FLOAT16, 2, {2, 3}, 0},
                             i64 = {VKD_DTYPE_INT64, 2, {2, 3}, 0},
                             i32 = {VKD_DTYPE_INT32, 2, {2, 3}, 0},
                             f64 = {VKD_DTYPE_FLOAT64, 2, {2, 3}, 0},
                             row = {VKD_DTYPE_FLOAT32, 1, {3}, 0},
                             turned = {VKD_DTYPE_FLOAT32, 2, {2, 3}, 0, {1, 0}},
                             one = {VKD_DTYPE_INT64, 0, {0}, 0};

#endif
