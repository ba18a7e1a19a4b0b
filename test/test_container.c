/* The reader of .pte files, over files made in memory: what it must read, and what it must refuse with which message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/blob_builder.h"
#include "support/flat.h"
#include "support/reading.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char blob[] = "the delegate's bytes";
static const vkd_tensor_info inputs[] = {{VKD_DTYPE_FLOAT32, 4, {1, 3, 8, 8}, 0, {0, 2, 3, 1}}, {VKD_DTYPE_INT64, 0, {0}, 0}};
static const vkd_tensor_info outputs[] = {{VKD_DTYPE_BOOL, 2, {1, 10}, 0}};
static const vkd_compile_spec specs[] = {{"storage_type_override", "\1\0\0", 4}, {"empty", "", 0}};
static const blob_named named[] = {{"pear", "PPPP", 4}, {"apple", "AAAAA", 5}, {"fig", "F", 1}};
static const char *const kernels[] = {"aten::mean.out", "my::op"};
static const blob_pte sample = {
    .blob = blob,
    .blob_size = sizeof blob,
    .inputs = inputs,
    .input_count = COUNT(inputs),
    .outputs = outputs,
    .output_count = COUNT(outputs),
    .specs = specs,
    .spec_count = COUNT(specs),
    .named = named,
    .named_count = COUNT(named),
    .kernels = kernels,
    .kernel_count = COUNT(kernels),
    .calls = 2,
};

/* ------------------------------------------------------------------------------------------------------ what is read */

static void check_values(const vkd_container_method *method)
{
    assert_string_equal(method->name, "forward");
    assert_int_equal(method->value_count, 3);
    assert_int_equal(method->input_count, 2);
    assert_int_equal(method->output_count, 1);
    assert_true(method->inputs[0] == 0 && method->inputs[1] == 1 && method->outputs[0] == 2);
    const vkd_tensor_info *t = method->tensors;
    assert_true(method->is_tensor[0] && method->is_tensor[1] && method->is_tensor[2]);
    assert_true(t[0].dtype == VKD_DTYPE_FLOAT32 && t[0].rank == 4 && t[0].size == 768);
    assert_true(t[0].dims[0] == 1 && t[0].dims[1] == 3 && t[0].dims[2] == 8 && t[0].dims[3] == 8);
    assert_memory_equal(t[0].dim_order, ((const uint8_t[]){0, 2, 3, 1}), 4);
    assert_memory_equal(t[2].dim_order, ((const uint8_t[]){0, 1}), 2);
    assert_true(t[1].dtype == VKD_DTYPE_INT64 && t[1].rank == 0 && t[1].size == 8);
    assert_true(t[2].dtype == VKD_DTYPE_BOOL && t[2].rank == 2 && t[2].size == 10);
}

static void check_delegate(const vkd_container_method *method, const uint8_t *file, size_t size)
{
    assert_int_equal(method->delegate_count, 1);
    const vkd_container_delegate *delegate = &method->delegates[0];
    assert_string_equal(delegate->id, "VulkanBackend");
    assert_int_equal(delegate->blob.size, sizeof blob);
    assert_memory_equal(delegate->blob.data, blob, sizeof blob);
    assert_in_range((uintptr_t)delegate->blob.data, (uintptr_t)file, (uintptr_t)file + size); /* not a copy */
    assert_int_equal(delegate->spec_count, 2);
    assert_string_equal(delegate->specs[0].key, "storage_type_override");
    assert_int_equal(delegate->specs[0].size, 4);
    assert_memory_equal(delegate->specs[0].value, "\1\0\0", 4);
    assert_string_equal(delegate->specs[1].key, "empty");
    assert_int_equal(delegate->specs[1].size, 0);
}

static void check_steps(const vkd_container_method *method)
{
    static const vkd_step_kind kinds[] = {VKD_STEP_DELEGATE, VKD_STEP_DELEGATE, VKD_STEP_KERNEL, VKD_STEP_KERNEL};
    assert_int_equal(method->operator_count, 2);
    assert_string_equal(method->operators[0], "aten::mean.out");
    assert_string_equal(method->operators[1], "my::op");
    assert_int_equal(method->step_count, COUNT(kinds));
    for (size_t i = 0; i < COUNT(kinds); i++) {
        assert_int_equal(method->steps[i].kind, kinds[i]);
        assert_int_equal(method->steps[i].index, i == 3 ? 1 : 0);
        assert_int_equal(method->steps[i].arg_count, i < 2 ? 3 : 0);
    }
    assert_true(method->steps[0].args[0] == 0 && method->steps[0].args[1] == 1 && method->steps[0].args[2] == 2);
}

static void check_named(vkd_container *container)
{
    assert_int_equal(container->named_count, 3);
    assert_string_equal(container->named[0].key, "apple");
    assert_string_equal(container->named[2].key, "pear");
    for (size_t i = 0; i < COUNT(named); i++) {
        size_t size = 0;
        const void *data = vkd_container_find(container, named[i].key, &size);
        assert_int_equal(size, named[i].size);
        assert_memory_equal(data, named[i].data, size);
    }
    size_t size;
    assert_null(vkd_container_find(container, "plum", &size));
    assert_null(vkd_container_find(container, "", &size));
}

/* With segments and without, at any address. */
static void test_sample(void **state)
{
    (void)state;
    for (int no_segments = 0; no_segments <= 1; no_segments++) {
        blob_pte pte = sample;
        pte.no_segments = no_segments;
        size_t size;
        uint8_t *file = blob_wrap_pte(&pte, &size), *room = malloc(size + 16);
        assert_non_null(room);
        for (size_t shift = 0; shift < 16; shift++) {
            memcpy(room + shift, file, size);
            reading r;
            reading_begin(&r, NULL);
            assert_int_equal(vkd_container_read(room + shift, size, &r.arena, &r.container), VKD_OK);
            assert_int_equal(r.container.method_count, 1);
            check_values(&r.container.methods[0]);
            check_delegate(&r.container.methods[0], room + shift, size);
            check_steps(&r.container.methods[0]);
            if (!no_segments)
                check_named(&r.container);
            reading_end(&r);
        }
        free(room);
        free(file);
    }
}

/* ------------------------------------------------------------------------------------------------ fields, one at a time */

/* Walks from the root table. "6" follows a field, "[0]" takes a table from a vector of tables, ".4" ends at a scalar field,
 * "#1" at an element of a vector of scalars, and "=" at a vector's length. */
static size_t find(const uint8_t *file, const char *path, unsigned width)
{
    size_t at = flat_follow(file, 0);
    for (const char *p = path; *p;) {
        char *end;
        unsigned long number = strtoul(*p == '[' || *p == '.' || *p == '#' ? p + 1 : p, &end, 10);
        switch (*p) {
        case '[':
            at = flat_item(file, at, number);
            break;
        case '.':
            at = flat_field(file, at, (unsigned)number);
            break;
        case '#':
            at = flat_element(at, number, width);
            break;
        case '=':
            end = (char *)p + 1;
            break;
        default:
            at = flat_child(file, at, (unsigned)number);
            break;
        }
        p = end + strspn(end, "] ");
    }
    assert_true(at != 0);
    return at;
}

static const struct {
    const char *path;
    unsigned width;
    uint64_t value;
    vkd_status status;
    const char *says;
} changes[] = {
    {"6 [0] 8 [0] 6 .4", 1, 2, VKD_UNSUPPORTED, "inputs[0] (value 0): its scalar_type"},
    {"6 [0] 8 [2] 6 .4", 1, 99, VKD_UNSUPPORTED, "outputs[0] (value 2): its scalar_type"},
    {"6 [0] 8 [0] 6 .6", 4, 1, VKD_INVALID_MODEL, "values[0]: storage_offset 1, expected 0"},
    {"6 [0] 8 [0] 6 8 #2", 4, UINT32_MAX, VKD_INVALID_MODEL, "values[0]: sizes[2] is -1"},
    {"6 [0] 8 [0] 6 8 #2", 4, INT32_MAX, VKD_UNSUPPORTED, "its sizes multiply to more than"},
    {"6 [0] 8 [0] 6 8 #2", 4, 0, VKD_OK, ""},
    {"6 [0] 8 [0] 6 10 =", 4, 3, VKD_INVALID_MODEL, "values[0]: dim_order of 3 entries for rank 4"},
    {"6 [0] 8 [0] 6 10 #1", 1, 4, VKD_INVALID_MODEL, "values[0]: dim_order[1] is 4, expected each of 0 to 3 once"},
    {"6 [0] 8 [0] 6 10 #3", 1, 0, VKD_INVALID_MODEL, "values[0]: dim_order[3] is 0, expected each of 0 to 3 once"},
    {"6 [0] 8 [0] 6 10 #0", 1, 200, VKD_INVALID_MODEL, "values[0]: dim_order[0] is 200"},
    {"6 [0] 8 [2] 6 10 #0", 1, 1, VKD_INVALID_MODEL, "values[2]: dim_order[1] is 1, expected each of 0 to 1 once"},
    {"6 [0] 8 [0] 6 .20", 1, 1, VKD_OK, ""},
    {"6 [0] 8 [0] 6 .20", 1, 2, VKD_UNSUPPORTED, "its shape_dynamism"},
    {"6 [0] 8 [0] .4", 1, 1, VKD_OK, ""}, /* an input that is no tensor */
    {"6 [0] 8 [0] .4", 1, 200, VKD_OK, ""},
    {"6 [0] 10 #1", 4, 3, VKD_INVALID_MODEL, "method \"forward\": inputs[1] refers to value 3 of 3"},
    {"6 [0] 12 #0", 4, UINT32_MAX, VKD_INVALID_MODEL, "method \"forward\": outputs[0] refers to value -1 of 3"},
    {"6 [0] 14 [0] 8 [0] .4", 1, 6, VKD_INVALID_MODEL, "step 0: unknown or missing instruction (type 6)"},
    {"6 [0] 14 [0] 8 [3] .4", 1, 0, VKD_INVALID_MODEL, "step 3: unknown or missing instruction (type 0)"},
    {"6 [0] 14 [0] 8 [0] 6 .4", 4, 1, VKD_INVALID_MODEL, "step 0 refers to delegate 1 of 1"},
    {"6 [0] 14 [0] 8 [3] 6 .4", 4, UINT32_MAX, VKD_INVALID_MODEL, "step 3 refers to operator -1 of 2"},
    {"6 [0] 14 [0] 8 [1] 6 6 #2", 4, 3, VKD_INVALID_MODEL, "step 1 (delegate 0): argument 2 refers to value 3 of 3"},
    {"6 [0] 18 [0] 6 .4", 1, 2, VKD_INVALID_MODEL, "delegates[0]: unknown data location 2"},
    {"6 [0] 18 [0] 6 .4", 1, 0, VKD_INVALID_MODEL, "delegates[0] refers to backend_delegate_data 0 of 0"},
    {"6 [0] 18 [0] 6 .6", 4, 4, VKD_INVALID_MODEL, "delegates[0] refers to segment 4 of 4"},
    {"18 [1] .6", 4, UINT32_MAX, VKD_INVALID_MODEL, "named_data[1] refers to segment 4294967295 of 4"},
    {"12 [0] .4", 8, UINT64_MAX, VKD_INVALID_MODEL, "segments[0]: 21 bytes at 18446744073709551615"},
    {"12 [3] .6", 8, 2, VKD_INVALID_MODEL, "segments[3]: 2 bytes at"},
    {"12 [3] .6", 8, 0, VKD_OK, ""},
    {"12 [1] .6", 8, UINT64_MAX, VKD_INVALID_MODEL, "segments[1]: 18446744073709551615 bytes"},
};

static void expect(const uint8_t *file, size_t size, vkd_status status, const char *says)
{
    reading r;
    reading_begin(&r, NULL);
    vkd_status found = vkd_container_read(file, size, &r.arena, &r.container);
    if (found != status || !strstr(r.context.error, says))
        fail_msg("status %d, \"%s\"; expected %d, \"%s\"", found, r.context.error, status, says);
    assert_int_equal(r.messages, status == VKD_OK ? 0 : 1);
    reading_end(&r);
}

static void test_changed_fields(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = blob_wrap_pte(&sample, &size), *changed = malloc(size);
    assert_non_null(changed);
    for (size_t i = 0; i < COUNT(changes); i++) {
        memcpy(changed, file, size);
        flat_set(changed, find(file, changes[i].path, changes[i].width), changes[i].value, changes[i].width);
        expect(changed, size, changes[i].status, changes[i].says);
    }
    free(changed);
    free(file);
}

static void test_changed_header(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned width;
        uint64_t value;
        const char *says;
    } faults[] = {
        {0, 4, 7, "root offset 7, expected 8"},
        {0, 4, UINT32_MAX, "root offset 4294967295"},
        {4, 4, 0x31315445, "looks like a program in another version of the format than ET12"},
        {8, 4, 0x31306865, "the file has no segment base"}, /* not "eh00": then there is no header */
        {12, 4, 23, "extended header of 23 bytes, expected 24"},
        {12, 4, UINT32_MAX, "extended header of 4294967295 bytes"},
        {16, 8, 39, "program_size 39, expected 40"},
        {16, 8, UINT64_MAX, "program_size 18446744073709551615"},
        {16, 8, 40, "root offset"},
        {16, 8, 100, "is damaged"},
        {24, 8, 0, "the file has no segment base"},
        {24, 8, 8, "segment data of"},
        {24, 8, UINT64_MAX, "at 18446744073709551615"},
        {32, 8, UINT64_MAX, "segment data of 18446744073709551615 bytes"},
    };
    size_t size;
    uint8_t *file = blob_wrap_pte(&sample, &size), *changed = malloc(size);
    assert_non_null(changed);
    for (size_t i = 0; i < COUNT(faults); i++) {
        memcpy(changed, file, size);
        flat_set(changed, faults[i].at, faults[i].value, faults[i].width);
        expect(changed, size, VKD_INVALID_MODEL, faults[i].says);
    }
    flat_set(file, 12, 24, 4); /* a header from before the data size */
    flat_set(file, 32, UINT64_MAX, 8);
    expect(file, size, VKD_OK, "");
    free(changed);
    free(file);
}

/* What is no input or output may be of any type. */
static void test_undescribed_tensor(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = blob_wrap_pte(&sample, &size);
    flat_set(file, find(file, "6 [0] 8 [1] 6 .4", 1), 2, 1); /* int16 */
    flat_set(file, find(file, "6 [0] 10 =", 4), 1, 4);       /* only value 0 is an input now */
    reading r;
    reading_begin(&r, NULL);
    assert_int_equal(vkd_container_read(file, size, &r.arena, &r.container), VKD_OK);
    const vkd_container_method *method = &r.container.methods[0];
    assert_int_equal(method->input_count, 1);
    assert_true(method->is_tensor[0] && !method->is_tensor[1] && method->is_tensor[2]);
    assert_true(method->tensors[1].rank == 0 && method->tensors[1].size == 0);
    reading_end(&r);
    free(file);
}

/* The second input with another rank: its sizes and its order are appended to the file. */
static void expect_rank(const uint8_t *file, size_t size, uint32_t rank, vkd_status status, const char *says)
{
    const size_t sizes = (size + 3) / 4 * 4, order = sizes + 4 + 4 * rank, end = order + 4 + rank;
    uint8_t *longer = calloc(1, end);
    assert_non_null(longer);
    memcpy(longer, file, size);
    flat_set(longer, sizes, rank, 4);
    flat_set(longer, order, rank, 4);
    for (uint32_t i = 0; i < rank; i++) {
        flat_set(longer, sizes + 4 + 4 * i, 1, 4);
        flat_set(longer, order + 4 + i, i, 1);
    }
    const size_t fields[] = {find(file, "6 [0] 8 [1] 6 .8", 4), find(file, "6 [0] 8 [1] 6 .10", 4)};
    flat_set(longer, fields[0], sizes - fields[0], 4);
    flat_set(longer, fields[1], order - fields[1], 4);
    expect(longer, end, status, says);
    free(longer);
}

static void test_bad_samples(void **state)
{
    (void)state;
    static const blob_named twice[] = {{"same", "1", 1}, {"other", "2", 1}, {"same", "3", 1}};
    static const vkd_tensor_info deep[2] = {{VKD_DTYPE_INT8, VKD_MAX_RANK, {1, 1, 1, 1, 1, 1, 1, 1}, 0},
                                            {VKD_DTYPE_INT8, VKD_MAX_RANK, {1, 1, 1, 1, 1, 1, 1, 1}, 0}};
    blob_pte pte = sample;
    size_t size;
    pte.named = twice;
    uint8_t *file = blob_wrap_pte(&pte, &size);
    expect(file, size, VKD_INVALID_MODEL, "named_data has the key \"same\" twice");
    free(file);

    pte = (blob_pte){.blob = blob, .blob_size = sizeof blob, .inputs = deep, .input_count = COUNT(deep), .no_segments = true};
    file = blob_wrap_pte(&pte, &size);
    expect(file, size, VKD_OK, "");
    expect_rank(file, size, 9, VKD_UNSUPPORTED, "inputs[1] (value 1): its rank is above 8");
    expect_rank(file, size, 16, VKD_UNSUPPORTED, "inputs[1] (value 1): its rank is above 8");
    expect_rank(file, size, 17, VKD_INVALID_MODEL, "a tensor of rank 17, expected at most 16");
    free(file);
}

/* Every prefix, each in an allocation of its own size so that a sanitizer sees a read beyond it. */
static void test_truncation(void **state)
{
    (void)state;
    for (int no_segments = 0; no_segments <= 1; no_segments++) {
        blob_pte pte = sample;
        pte.no_segments = no_segments;
        size_t size;
        uint8_t *file = blob_wrap_pte(&pte, &size);
        for (size_t length = 0; length < size; length++) {
            uint8_t *prefix = malloc(length ? length : 1);
            assert_non_null(prefix);
            memcpy(prefix, file, length);
            reading r;
            reading_begin(&r, NULL);
            vkd_status status = vkd_container_read(prefix, length, &r.arena, &r.container);
            if (!no_segments || length < size / 2) /* a flatbuffer's last bytes may be padding that nothing refers to */
                assert_int_equal(status, VKD_INVALID_MODEL);
            else
                assert_true(status == VKD_OK || status == VKD_INVALID_MODEL);
            reading_end(&r);
            free(prefix);
        }
        free(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample),         cmocka_unit_test(test_changed_fields),
        cmocka_unit_test(test_changed_header), cmocka_unit_test(test_undescribed_tensor),
        cmocka_unit_test(test_bad_samples),    cmocka_unit_test(test_truncation),
    };
    return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
