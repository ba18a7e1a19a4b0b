/* The reader of delegate blobs, over blobs made in memory: what it must read, and what it must
 * refuse with which message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/blob_builder.h"
#include "support/flat.h"
#include "support/reading.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const uint32_t shape[4] = {1, 2, 3, 4};
static const float weights[3] = {1, 2, 3};
static const uint32_t three = 3;

/* --------------------------------------------------------------------------------- what is read */

static void test_scalars_and_strings(void **state)
{
    (void)state;
    vkd_blob_builder *b = blob_new();
    blob_null(b);
    blob_int(b, INT64_MIN);
    blob_double(b, -0.25);
    blob_bool(b, true);
    blob_symint(b, -7);
    blob_string(b, "relu");
    blob_string(b, "");
    size_t size;
    void *blob = blob_finish(b, &size);
    reading r;
    reading_begin(&r, NULL);
    vkd_model model;
    assert_int_equal(vkd_model_read(blob, size, NULL, &r.arena, &model), VKD_OK);
    free(blob); /* nothing of it may be referred to */
    assert_int_equal(model.value_count, 7);
    assert_int_equal(model.op_count + model.input_count + model.output_count, 0);
    assert_int_equal(model.values[0].kind, VKD_VALUE_NULL);
    assert_int_equal(model.values[1].kind, VKD_VALUE_INT);
    assert_true(model.values[1].i == INT64_MIN);
    assert_int_equal(model.values[2].kind, VKD_VALUE_DOUBLE);
    assert_true(model.values[2].d == -0.25);
    assert_int_equal(model.values[3].kind, VKD_VALUE_BOOL);
    assert_true(model.values[3].b);
    assert_int_equal(model.values[4].kind, VKD_VALUE_SYMINT);
    assert_int_equal(model.values[4].i, -7);
    assert_int_equal(model.values[5].kind, VKD_VALUE_STRING);
    assert_string_equal(model.values[5].string, "relu");
    assert_string_equal(model.values[6].string, "");
    reading_end(&r);
}

static void test_lists(void **state)
{
    (void)state;
    vkd_blob_builder *b = blob_new();
    blob_int_list(b, (int64_t[]){3, -1}, 2);
    blob_double_list(b, (double[]){0.5, 1e300, 2}, 3);
    blob_bool_list(b, (bool[]){true, false}, 2);
    blob_value_list(b, (uint32_t[]){4, 1}, 2); /* forward references too */
    blob_int_list(b, NULL, 0);
    size_t size;
    void *blob = blob_finish(b, &size);
    reading r;
    reading_begin(&r, NULL);
    vkd_model model;
    assert_int_equal(vkd_model_read(blob, size, NULL, &r.arena, &model), VKD_OK);
    free(blob);
    const vkd_model_value *v = model.values;
    assert_int_equal(v[0].kind, VKD_VALUE_INT_LIST);
    assert_int_equal(v[0].list.count, 2);
    assert_true(v[0].list.ints[0] == 3 && v[0].list.ints[1] == -1);
    assert_int_equal(v[1].kind, VKD_VALUE_DOUBLE_LIST);
    assert_int_equal(v[1].list.count, 3);
    assert_true(v[1].list.doubles[0] == 0.5 && v[1].list.doubles[1] == 1e300 &&
                v[1].list.doubles[2] == 2);
    assert_int_equal(v[2].kind, VKD_VALUE_BOOL_LIST);
    assert_int_equal(v[2].list.count, 2);
    assert_true(v[2].list.bools[0] && !v[2].list.bools[1]);
    assert_int_equal(v[3].kind, VKD_VALUE_VALUE_LIST);
    assert_int_equal(v[3].list.count, 2);
    assert_true(v[3].list.values[0] == 4 && v[3].list.values[1] == 1);
    assert_int_equal(v[4].kind, VKD_VALUE_INT_LIST);
    assert_int_equal(v[4].list.count, 0);
    reading_end(&r);
}

static void test_graph(void **state)
{
    (void)state;
    vkd_blob_builder *b = blob_new();
    uint32_t x = blob_tensor(b, VKD_DTYPE_FLOAT16, 4, shape, NULL);
    blob_staging(b, VKD_DTYPE_FLOAT32);
    uint32_t n = blob_symint(b, 5);
    uint32_t y = blob_tensor(b, VKD_DTYPE_INT8, 0, NULL, NULL);
    blob_op(b, "aten.relu.default", 41, (uint32_t[]){x, y}, 2);
    blob_op(b, "aten.clone.default", 0, (uint32_t[]){y, n, y}, 3);
    blob_io(b, (uint32_t[]){x, n}, 2, &y, 1);
    size_t size;
    void *blob = blob_finish(b, &size);
    reading r;
    reading_begin(&r, NULL);
    vkd_model model;
    assert_int_equal(vkd_model_read(blob, size, NULL, &r.arena, &model), VKD_OK);
    free(blob);
    const vkd_model_tensor *t = &model.values[x].tensor;
    assert_int_equal(model.values[x].kind, VKD_VALUE_TENSOR);
    assert_int_equal(t->dtype, VKD_DTYPE_FLOAT16);
    assert_int_equal(t->staging_dtype, VKD_DTYPE_FLOAT32);
    assert_int_equal(t->rank, 4);
    assert_memory_equal(t->dims, shape, sizeof shape);
    assert_int_equal(t->size, 48);
    assert_null(t->data);
    assert_int_equal(vkd_dims_count(t->rank, t->dims), 24);
    assert_int_equal(model.values[y].tensor.rank, 0);
    assert_int_equal(model.values[y].tensor.size, 1);
    assert_int_equal(model.values[y].tensor.staging_dtype, VKD_DTYPE_INT8);
    assert_int_equal(model.op_count, 2);
    assert_string_equal(model.ops[0].name, "aten.relu.default");
    assert_int_equal(model.ops[0].node_id, 41);
    assert_int_equal(model.ops[1].arg_count, 3);
    assert_int_equal(model.ops[1].args[1], n);
    assert_int_equal(model.input_count, 2);
    assert_true(model.inputs[0] == x && model.inputs[1] == n);
    assert_int_equal(model.output_count, 1);
    assert_int_equal(model.outputs[0], y);
    reading_end(&r);
}

/* ------------------------------------------------------------------------------------ constants */

static vkd_status find_named(void *user, const char *key, const void **out_data, size_t *out_size)
{
    const blob_named *named = user;
    if (!strcmp(named->key, "broken"))
        return VKD_IO_ERROR;
    if (strcmp(key, named->key) != 0)
        return VKD_NOT_FOUND;
    *out_data = named->data;
    *out_size = named->size;
    return VKD_OK;
}

static void test_inline_constants(void **state)
{
    (void)state;
    static const int8_t bytes[5] = {1, -2, 3, -4, 5};
    vkd_blob_builder *b = blob_new();
    /* constant 0: the file leaves constant_id out */
    uint32_t first = blob_tensor(b, VKD_DTYPE_FLOAT32, 1, &three, weights);
    uint32_t second = blob_tensor(b, VKD_DTYPE_INT8, 1, (uint32_t[]){5}, bytes);
    uint32_t shared = blob_constant_tensor(b, VKD_DTYPE_INT8, 2, (uint32_t[]){5, 1}, 1);
    uint32_t empty = blob_constant_tensor(b, VKD_DTYPE_INT8, 2, (uint32_t[]){0, 7},
                                          blob_constant(b, 4096, 0, NULL));
    /* no length */
    uint32_t unsaid =
        blob_constant_tensor(b, VKD_DTYPE_INT8, 1, (uint32_t[]){4}, blob_constant(b, 16, 0, ""));
    blob_io(b, NULL, 0, &second, 1);
    size_t size;
    uint8_t *blob = blob_finish(b, &size);
    for (int round = 0; round < 2;
         round++) { /* the second: a region whose size the header does not tell */
        reading r;
        reading_begin(&r, NULL);
        vkd_model model;
        assert_int_equal(vkd_model_read(blob, size, NULL, &r.arena, &model), VKD_OK);
        const vkd_model_value *v = model.values;
        assert_int_equal(v[first].tensor.size, sizeof weights);
        assert_memory_equal(v[first].tensor.data, weights, sizeof weights);
        assert_ptr_equal(v[first].tensor.data, blob + flat_get(blob, 18, 4)); /* in place */
        assert_memory_equal(v[second].tensor.data, bytes, sizeof bytes);
        assert_ptr_equal(v[second].tensor.data, v[shared].tensor.data);
        assert_int_equal(v[empty].tensor.size, 0);
        assert_non_null(v[empty].tensor.data);
        assert_memory_equal(v[unsaid].tensor.data, bytes, 4);
        reading_end(&r);
        flat_set(blob, 22, 0, 8);
    }
    free(blob);
}

static void test_any_number_of_elements(void **state)
{
    (void)state;
    vkd_blob_builder *b = blob_new();
    uint32_t scalar = blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 0, NULL, -1);
    uint32_t empty = blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){4, 0}, -1);
    blob_io(b, (uint32_t[]){scalar, empty}, 2, &empty, 1);
    size_t size;
    void *blob = blob_finish(b, &size);
    reading r;
    reading_begin(&r, NULL);
    vkd_model model;
    assert_int_equal(vkd_model_read(blob, size, NULL, &r.arena, &model), VKD_OK);
    assert_int_equal(model.values[scalar].tensor.rank, 0);
    assert_int_equal(model.values[scalar].tensor.size, 4);
    assert_int_equal(model.values[empty].tensor.dims[0], 4);
    assert_int_equal(model.values[empty].tensor.size, 0);
    assert_null(model.values[empty].tensor.data);
    reading_end(&r);
    free(blob);
}

static void test_named_constants(void **state)
{
    (void)state;
    vkd_blob_builder *b = blob_new();
    blob_named_tensor(b, VKD_DTYPE_FLOAT32, 1, &three, "key");
    size_t size;
    void *blob = blob_finish(b, &size);
    static const struct {
        blob_named named;
        vkd_status status;
        const char *says;
    } cases[] = {
        {{"key", weights, sizeof weights}, VKD_OK, ""},
        {{"key", weights, sizeof weights + 4}, VKD_OK, ""}, /* padding is no fault */
        {{"key", weights, sizeof weights - 1},
         VKD_INVALID_MODEL,
         "constants[0]: named data \"key\" has 11 bytes, but the tensor values[0] needs 12"},
        {{"other", weights, sizeof weights},
         VKD_INVALID_MODEL,
         "constants[0]: no named data \"key\""},
        {{"broken", weights, sizeof weights},
         VKD_IO_ERROR,
         "constants[0]: named data \"key\" cannot be had: VKD_IO_ERROR"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const vkd_named_data named = {sizeof named, find_named, NULL, (void *)&cases[i].named};
        reading r;
        reading_begin(&r, NULL);
        vkd_model model;
        assert_int_equal(vkd_model_read(blob, size, &named, &r.arena, &model), cases[i].status);
        if (cases[i].status == VKD_OK)
            assert_ptr_equal(model.values[0].tensor.data, weights);
        assert_non_null(strstr(r.context.error, cases[i].says));
        reading_end(&r);
    }
    reading r;
    reading_begin(&r, NULL);
    vkd_model model;
    assert_int_equal(vkd_model_read(blob, size, NULL, &r.arena, &model), VKD_INVALID_ARGUMENT);
    assert_non_null(strstr(r.context.error, "named data \"key\" is needed"));
    reading_end(&r);
    free(blob);
}

/* ------------------------------------------------------------------------------ what is refused */

static uint32_t tensor(vkd_blob_builder *b)
{
    return blob_tensor(b, VKD_DTYPE_INT8, 4, shape, NULL);
}

static void bad_tag(vkd_blob_builder *b) { blob_tag(b, 12); }
static void bad_no_tag(vkd_blob_builder *b) { blob_tag(b, 0); }
static void bad_no_content(vkd_blob_builder *b) { blob_tag(b, 5); }
static void bad_dtype(vkd_blob_builder *b) { blob_constant_tensor(b, (vkd_dtype)8, 4, shape, -1); }
static void bad_unset_dtype(vkd_blob_builder *b)
{
    blob_constant_tensor(b, (vkd_dtype)127, 4, shape, -1);
}
static void bad_staging(vkd_blob_builder *b)
{
    tensor(b);
    blob_staging(b, (vkd_dtype)9);
}
static void bad_product(vkd_blob_builder *b)
{
    blob_tensor(b, VKD_DTYPE_INT8, 2, (uint32_t[]){1u << 16, 1u << 15}, NULL);
}
static void bad_wrapping_product(vkd_blob_builder *b)
{
    blob_tensor(b, VKD_DTYPE_INT8, 4, (uint32_t[]){1u << 16, 1u << 16, 1u << 16, 1u << 16}, NULL);
}
static void bad_dim(vkd_blob_builder *b)
{
    blob_tensor(b, VKD_DTYPE_INT8, 1, (uint32_t[]){UINT32_MAX}, NULL);
}
static void bad_absent_constant(vkd_blob_builder *b)
{
    blob_constant_tensor(b, VKD_DTYPE_INT8, 4, shape, 0);
}
static void bad_negative_constant(vkd_blob_builder *b)
{
    blob_constant_tensor(b, VKD_DTYPE_INT8, 4, shape, -2);
}
static void bad_length(vkd_blob_builder *b)
{
    blob_inline(b, weights, sizeof weights);
    blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 1, &three, blob_constant(b, 0, 11, NULL));
}
static void bad_range(vkd_blob_builder *b)
{
    blob_inline(b, weights, sizeof weights);
    blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 1, &three, blob_constant(b, 4, 12, NULL));
}
static void bad_offset(vkd_blob_builder *b)
{
    blob_inline(b, weights, sizeof weights);
    blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 1, &three,
                         blob_constant(b, UINT64_MAX - 4, 12, NULL));
}
static void bad_no_key(vkd_blob_builder *b)
{
    blob_constant_tensor(b, VKD_DTYPE_FLOAT32, 1, &three, blob_constant(b, UINT64_MAX, 12, NULL));
}
static void bad_list_item(vkd_blob_builder *b)
{
    blob_value_list(b, (uint32_t[]){tensor(b), 2}, 2);
}
static void bad_list_in_list(vkd_blob_builder *b) { blob_value_list(b, (uint32_t[]){0}, 1); }
static void bad_op_name(vkd_blob_builder *b) { blob_op(b, NULL, 0, NULL, 0); }
static void bad_own_name(vkd_blob_builder *b) { blob_op(b, "vkd.q8_conv2d", 0, NULL, 0); }
static void bad_other_own_name(vkd_blob_builder *b) { blob_op(b, "vkd.", 0, NULL, 0); }
static void bad_op_arg(vkd_blob_builder *b)
{
    tensor(b);
    blob_op(b, "aten.relu.default", 0, (uint32_t[]){0, 0}, 2);
    blob_op(b, "et_vk.q8ta_add.default", 0, (uint32_t[]){0, 0, 0, 900}, 4);
}
static void bad_negative_arg(vkd_blob_builder *b)
{
    blob_op(b, "aten.relu.default", 0, (uint32_t[]){UINT32_MAX}, 1);
}
static void bad_input(vkd_blob_builder *b) { blob_io(b, (uint32_t[]){tensor(b), 1}, 2, NULL, 0); }
static void bad_output(vkd_blob_builder *b) { blob_io(b, NULL, 0, (uint32_t[]){UINT32_MAX}, 1); }
static void bad_input_kind(vkd_blob_builder *b)
{
    blob_io(b, (uint32_t[]){blob_string(b, "x")}, 1, NULL, 0);
}
static void bad_output_kind(vkd_blob_builder *b)
{
    blob_io(b, NULL, 0, (uint32_t[]){blob_int(b, 1)}, 1);
}
static void bad_constant_input(vkd_blob_builder *b)
{
    blob_io(b, (uint32_t[]){blob_tensor(b, VKD_DTYPE_FLOAT32, 1, &three, weights)}, 1, NULL, 0);
}

static const struct {
    void (*build)(vkd_blob_builder *b);
    vkd_status status;
    const char *says;
} bad_blobs[] = {
    {bad_tag, VKD_INVALID_MODEL, "values[0]: unknown value_type 12"},
    {bad_no_tag, VKD_INVALID_MODEL, "values[0]: unknown value_type 0"},
    {bad_no_content, VKD_INVALID_MODEL, "values[0]: value_type 5 without a value"},
    {bad_dtype, VKD_INVALID_MODEL, "values[0]: unknown datatype 8"},
    {bad_unset_dtype, VKD_INVALID_MODEL, "values[0]: unknown datatype 127"},
    {bad_staging, VKD_INVALID_MODEL, "values[0]: unknown staging_datatype 9"},
    {bad_product, VKD_INVALID_MODEL, "values[0]: dims product overflows"},
    {bad_wrapping_product, VKD_INVALID_MODEL, "values[0]: dims product overflows"},
    {bad_dim, VKD_INVALID_MODEL, "values[0]: dims product overflows"},
    {bad_absent_constant, VKD_INVALID_MODEL, "values[0]: constant_id 0, expected -1 or below 0"},
    {bad_negative_constant, VKD_INVALID_MODEL, "values[0]: constant_id -2"},
    {bad_length, VKD_INVALID_MODEL,
     "constants[0]: length 11, but the tensor values[0] needs 12 bytes"},
    {bad_range, VKD_INVALID_MODEL,
     "constants[0]: the tensor values[0] needs 12 bytes at 4 of a constants region of 12"},
    {bad_offset, VKD_INVALID_MODEL, "needs 12 bytes at 18446744073709551611 of a constants region"},
    {bad_no_key, VKD_INVALID_MODEL,
     "constants[0]: the offset says named data, but named_key is missing"},
    {bad_list_item, VKD_INVALID_MODEL, "values[1]: item 1 refers to value 2 of 2"},
    {bad_list_in_list, VKD_INVALID_MODEL, "values[0]: item 0 is a list of values"},
    {bad_op_name, VKD_INVALID_MODEL, "op 0 has no name"},
    {bad_own_name, VKD_INVALID_MODEL,
     "op 0 (vkd.q8_conv2d): names that begin with \"vkd.\" are the rewrites' own"},
    {bad_other_own_name, VKD_INVALID_MODEL, "op 0 (vkd.): names that begin"},
    {bad_op_arg, VKD_INVALID_MODEL,
     "op 1 (et_vk.q8ta_add.default): argument 3 refers to value 900 of 1"},
    {bad_negative_arg, VKD_INVALID_MODEL,
     "op 0 (aten.relu.default): argument 0 refers to value -1 of 0"},
    {bad_input, VKD_INVALID_MODEL, "input_ids[1] refers to value 1 of 1"},
    {bad_output, VKD_INVALID_MODEL, "output_ids[0] refers to value 4294967295 of 0"},
    {bad_input_kind, VKD_INVALID_MODEL,
     "input_ids[0]: values[0] is neither a tensor nor a symbolic integer"},
    {bad_output_kind, VKD_INVALID_MODEL,
     "output_ids[0]: values[0] is neither a tensor nor a symbolic integer"},
    {bad_constant_input, VKD_INVALID_MODEL, "input_ids[0]: values[0] is a constant"},
};

/* What no tensor of this library can be is told, not refused: the operators are to be looked at
 * first. */
static void test_unsupported_values(void **state)
{
    (void)state;
    static const uint32_t empty[2] = {4, 0}, nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const struct {
        uint32_t rank;
        const uint32_t *dims;
        const void *data;
        const char *says; /* null: it is supported */
    } cases[] = {
        {4, shape, NULL, NULL},
        {2, empty, NULL, NULL},
        {2, empty, weights, NULL},
        {9, nine, NULL, "a tensor of rank above 8"},
        {9, nine, weights, "a tensor of rank above 8"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        vkd_blob_builder *b = blob_new();
        tensor(b);
        uint32_t odd = blob_tensor(b, VKD_DTYPE_INT8, cases[i].rank, cases[i].dims, cases[i].data);
        blob_op(b, "my.op", 5, &odd, 1);
        size_t size;
        void *blob = blob_finish(b, &size);
        reading r;
        reading_begin(&r, NULL);
        vkd_model model;
        assert_int_equal(vkd_model_read(blob, size, NULL, &r.arena, &model), VKD_OK);
        assert_true(model.op_count == 1 && !strcmp(model.ops[0].name, "my.op"));
        assert_int_equal(!model.unsupported, !cases[i].says);
        assert_true(!cases[i].says ||
                    (strstr(model.unsupported, cases[i].says) && model.unsupported_value == odd));
        reading_end(&r);
        free(blob);
    }
}

static void assert_refused(const void *blob, size_t size, vkd_status status, const char *says)
{
    reading r;
    reading_begin(&r, NULL);
    vkd_model model;
    assert_int_equal(vkd_model_read(blob, size, NULL, &r.arena, &model), status);
    if (!strstr(r.context.error, says))
        fail_msg("\"%s\" does not say \"%s\"", r.context.error, says);
    assert_int_equal(r.messages, 1);
    reading_end(&r);
}

static void test_bad_graphs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_blobs); i++) {
        vkd_blob_builder *b = blob_new();
        bad_blobs[i].build(b);
        size_t size;
        void *blob = blob_finish(b, &size);
        assert_refused(blob, size, bad_blobs[i].status, bad_blobs[i].says);
        free(blob);
    }
}

static uint8_t *small_blob(size_t *out_size)
{
    vkd_blob_builder *b = blob_new();
    uint32_t x = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, shape, NULL),
             y = blob_tensor(b, VKD_DTYPE_FLOAT32, 4, shape, NULL);
    blob_op(b, "aten.mul.Tensor", 1,
            (uint32_t[]){x, blob_tensor(b, VKD_DTYPE_FLOAT32, 1, &three, weights), y}, 3);
    blob_io(b, &x, 1, &y, 1);
    return blob_finish(b, out_size);
}

static void test_bad_headers(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned width;
        uint64_t value;
        const char *says;
    } changes[] = {
        {4, 4, 0x31304856, "magic 56 48 30 31 at byte 4, expected \"VH00\""},
        {8, 2, 29, "header_size 29, expected at least 30"},
        {8, 2, 33, "flatbuffer of"}, /* begins inside the header */
        {10, 4, 0, "bytes at 0, expected it between 30"},
        {10, 4, UINT32_MAX, "bytes at 4294967295"},
        {14, 4, 0, "flatbuffer of 0 bytes"},
        {14, 4, UINT32_MAX, "flatbuffer of 4294967295 bytes"},
        {14, 4, 7, "a flatbuffer of 7 bytes, expected 8"},
        {18, 4, 40, "constants region of 12 bytes at 40"},
        {18, 4, UINT32_MAX, "constants region of 12 bytes at 4294967295"},
        {22, 8, 17, "constants region of 17 bytes"},
        {22, 8, UINT64_MAX, "constants region of 18446744073709551615 bytes"},
        {22, 8, 11, "of a constants region of 11"},
        {36, 4, 0x31304b56, "flatbuffer identifier 56 4b 30 31, expected \"VK00\""},
        {32, 4, 0, "the flatbuffer of"}, /* the root offset */
        {32, 4, 1u << 30, "is damaged"},
    };
    size_t size;
    uint8_t *blob = small_blob(&size), *changed = malloc(size);
    assert_non_null(changed);
    for (size_t i = 0; i < COUNT(changes); i++) {
        memcpy(changed, blob, size);
        flat_set(changed, changes[i].at, changes[i].value, changes[i].width);
        assert_refused(changed, size, VKD_INVALID_MODEL, changes[i].says);
    }
    free(changed);
    free(blob);
}

/* Every prefix, each in an allocation of its own size so that a sanitizer sees a read beyond it. */
static void test_truncation(void **state)
{
    (void)state;
    size_t size;
    uint8_t *blob = small_blob(&size);
    size_t needed = flat_get(blob, 18, 4) + flat_get(blob, 22, 8);
    for (size_t length = 0; length <= size; length++) {
        uint8_t *prefix = malloc(length ? length : 1);
        assert_non_null(prefix);
        memcpy(prefix, blob, length);
        reading r;
        reading_begin(&r, NULL);
        vkd_model model;
        assert_int_equal(vkd_model_read(prefix, length, NULL, &r.arena, &model),
                         length < needed ? VKD_INVALID_MODEL : VKD_OK);
        reading_end(&r);
        free(prefix);
    }
    free(blob);
}

/* A blob may lie anywhere in memory. */
static void test_any_address(void **state)
{
    (void)state;
    size_t size;
    uint8_t *blob = small_blob(&size), *room = malloc(size + 16);
    assert_non_null(room);
    for (size_t shift = 0; shift < 16; shift++) {
        memcpy(room + shift, blob, size);
        reading r;
        reading_begin(&r, NULL);
        vkd_model model;
        assert_int_equal(vkd_model_read(room + shift, size, NULL, &r.arena, &model), VKD_OK);
        assert_int_equal(model.value_count, 3);
        assert_ptr_equal(model.values[2].tensor.data, room + shift + flat_get(blob, 18, 4));
        reading_end(&r);
    }
    free(room);
    free(blob);
}

/* Many values that all refer to one long list: 4 bytes each in the file, 32 KB each if they were
 * copied without a bound. */
static void test_shared_lists(void **state)
{
    (void)state;
    static int64_t items[4096];
    enum { VALUES = 4096 };
    vkd_blob_builder *b = blob_new();
    blob_int_list(b, items, COUNT(items));
    for (int i = 1; i < VALUES; i++)
        blob_null(b);
    size_t size;
    uint8_t *blob = blob_finish(b, &size);
    size_t values = flat_child(blob, flat_follow(blob, 32), 8), list = flat_item(blob, values, 0);
    assert_true(list > flat_element(values, VALUES, 4)); /* offsets only point forward */
    for (size_t i = 0; i < VALUES; i++) {
        size_t at = flat_element(values, i, 4);
        flat_set(blob, at, list - at, 4);
    }
    reading r;
    reading_begin(&r, NULL);
    vkd_model model;
    assert_int_equal(vkd_model_read(blob, size, NULL, &r.arena, &model), VKD_INVALID_MODEL);
    assert_non_null(strstr(r.context.error, "referred to again and again"));
    assert_true(r.context.host_peak < 100 * size);
    reading_end(&r);
    free(blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars_and_strings),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_graph),
        cmocka_unit_test(test_inline_constants),
        cmocka_unit_test(test_named_constants),
        cmocka_unit_test(test_bad_graphs),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_any_address),
        cmocka_unit_test(test_shared_lists),
        cmocka_unit_test(test_unsupported_values),
        cmocka_unit_test(test_any_number_of_elements),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
