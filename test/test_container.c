/* The reader of .pte files, over files made in memory: what it must read, and what it must refuse
 * with which message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "schema/named.h"
#include "support/flat.h"
#include "support/pte_builder.h"
#include "support/reading.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char blob[] = "the delegate's bytes";
static const vkd_tensor_info inputs[] = {{VKD_DTYPE_FLOAT32, 4, {1, 3, 8, 8}, 0, {0, 2, 3, 1}},
                                         {VKD_DTYPE_INT64, 0, {0}, 0}};
static const vkd_tensor_info outputs[] = {{VKD_DTYPE_BOOL, 2, {1, 10}, 0}};
static const vkd_compile_spec specs[] = {
    {sizeof(vkd_compile_spec), "storage_type_override", "\1\0\0", 4},
    {sizeof(vkd_compile_spec), "empty", "", 0}};
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

/* --------------------------------------------------------------------------------- what is read */

static void check_values(const vkd_container_method *method)
{
    assert_string_equal(method->name, "forward");
    assert_int_equal(method->value_count, 3);
    assert_int_equal(method->input_count, 2);
    assert_int_equal(method->output_count, 1);
    assert_true(method->inputs[0] == 0 && method->inputs[1] == 1 && method->outputs[0] == 2);
    const vkd_model_tensor *t[3];
    for (size_t i = 0; i < COUNT(t); i++) {
        const vkd_container_value *value = &method->values[i];
        t[i] = &value->value.tensor;
        assert_int_equal(value->value.kind, VKD_VALUE_TENSOR);
        assert_true(value->is_planned && !value->external && !value->problem);
        assert_true(t[i]->staging_dtype == t[i]->dtype && !t[i]->data && !t[i]->dynamic &&
                    !t[i]->state);
    }
    assert_true(t[0]->dtype == VKD_DTYPE_FLOAT32 && t[0]->rank == 4 && t[0]->size == 768);
    assert_true(t[0]->dims[0] == 1 && t[0]->dims[1] == 3 && t[0]->dims[2] == 8 &&
                t[0]->dims[3] == 8);
    assert_memory_equal(method->values[0].dim_order, ((const uint8_t[]){0, 2, 3, 1}), 4);
    assert_memory_equal(method->values[2].dim_order, ((const uint8_t[]){0, 1}), 2);
    assert_true(t[1]->dtype == VKD_DTYPE_INT64 && t[1]->rank == 0 && t[1]->size == 8);
    assert_true(t[2]->dtype == VKD_DTYPE_BOOL && t[2]->rank == 2 && t[2]->size == 10);
}

static void check_delegate(const vkd_container_method *method, const uint8_t *file, size_t size)
{
    assert_int_equal(method->delegate_count, 1);
    const vkd_container_delegate *delegate = &method->delegates[0];
    assert_string_equal(delegate->id, "VulkanBackend");
    assert_int_equal(delegate->blob.size, sizeof blob);
    assert_memory_equal(delegate->blob.data, blob, sizeof blob);
    /* not a copy */
    assert_in_range((uintptr_t)delegate->blob.data, (uintptr_t)file, (uintptr_t)file + size);
    assert_int_equal(delegate->spec_count, 2);
    assert_string_equal(delegate->specs[0].key, "storage_type_override");
    assert_int_equal(delegate->specs[0].value_size, 4);
    assert_memory_equal(delegate->specs[0].value, "\1\0\0", 4);
    assert_string_equal(delegate->specs[1].key, "empty");
    assert_int_equal(delegate->specs[1].value_size, 0);
}

static void check_steps(const vkd_container_method *method)
{
    static const vkd_step_kind kinds[] = {VKD_STEP_DELEGATE, VKD_STEP_DELEGATE, VKD_STEP_KERNEL,
                                          VKD_STEP_KERNEL};
    assert_int_equal(method->operator_count, 2);
    assert_string_equal(method->operators[0], "aten::mean.out");
    assert_string_equal(method->operators[1], "my::op");
    assert_int_equal(method->step_count, COUNT(kinds));
    for (size_t i = 0; i < COUNT(kinds); i++) {
        assert_int_equal(method->steps[i].kind, kinds[i]);
        assert_int_equal(method->steps[i].index, i == 3 ? 1 : 0);
        assert_int_equal(method->steps[i].arg_count, i < 2 ? 3 : 0);
    }
    assert_true(method->steps[0].args[0] == 0 && method->steps[0].args[1] == 1 &&
                method->steps[0].args[2] == 2);
}

static void check_named(vkd_container *container)
{
    const vkd_named_data *find = &container->named_data;
    assert_int_equal(container->named_count, 3);
    assert_string_equal(container->named[0].key, "apple");
    assert_string_equal(container->named[2].key, "pear");
    for (size_t i = 0; i < COUNT(named); i++) {
        size_t size = 0;
        const void *data = NULL;
        assert_int_equal(find->find(find->user, named[i].key, &data, &size), VKD_OK);
        assert_int_equal(size, named[i].size);
        assert_memory_equal(data, named[i].data, size);
    }
    size_t size;
    const void *data;
    assert_int_equal(find->find(find->user, "plum", &data, &size), VKD_NOT_FOUND);
    assert_int_equal(find->find(find->user, "", &data, &size), VKD_NOT_FOUND);
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
            assert_int_equal(vkd_container_read(room + shift, size, &r.arena, &r.container),
                             VKD_OK);
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

/* ------------------------------------------------------------------------ fields, one at a time */

/* Walks from the root table. "6" follows a field, "[0]" takes a table from a vector of tables, ".4"
 * ends at a scalar field,
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
    {"6 [0] 8 [0] 6 10 #1", 1, 4, VKD_INVALID_MODEL,
     "values[0]: dim_order[1] is 4, expected each of 0 to 3 once"},
    {"6 [0] 8 [0] 6 10 #3", 1, 0, VKD_INVALID_MODEL,
     "values[0]: dim_order[3] is 0, expected each of 0 to 3 once"},
    {"6 [0] 8 [0] 6 10 #0", 1, 200, VKD_INVALID_MODEL, "values[0]: dim_order[0] is 200"},
    {"6 [0] 8 [2] 6 10 #0", 1, 1, VKD_INVALID_MODEL,
     "values[2]: dim_order[1] is 1, expected each of 0 to 1 once"},
    {"6 [0] 8 [0] 6 .20", 1, 1, VKD_OK, ""},
    {"6 [0] 8 [0] 6 .20", 1, 2, VKD_UNSUPPORTED, "its shape_dynamism"},
    {"6 [0] 8 [0] .4", 1, 1, VKD_OK, ""}, /* an input that is no tensor */
    {"6 [0] 8 [0] .4", 1, 200, VKD_INVALID_MODEL, "values[0]: unknown type 200"},
    {"6 [0] 10 #1", 4, 3, VKD_INVALID_MODEL,
     "method \"forward\": inputs[1] refers to value 3 of 3"},
    {"6 [0] 12 #0", 4, UINT32_MAX, VKD_INVALID_MODEL,
     "method \"forward\": outputs[0] refers to value -1 of 3"},
    {"6 [0] 14 [0] 8 [0] .4", 1, 6, VKD_INVALID_MODEL,
     "step 0: unknown or missing instruction (type 6)"},
    {"6 [0] 14 [0] 8 [3] .4", 1, 0, VKD_INVALID_MODEL,
     "step 3: unknown or missing instruction (type 0)"},
    {"6 [0] 14 [0] 8 [0] 6 .4", 4, 1, VKD_INVALID_MODEL, "step 0 refers to delegate 1 of 1"},
    {"6 [0] 14 [0] 8 [3] 6 .4", 4, UINT32_MAX, VKD_INVALID_MODEL,
     "step 3 refers to operator -1 of 2"},
    {"6 [0] 14 [0] 8 [1] 6 6 #2", 4, 3, VKD_INVALID_MODEL,
     "step 1 (delegate 0): argument 2 refers to value 3 of 3"},
    {"6 [0] 18 [0] 6 .4", 1, 2, VKD_INVALID_MODEL, "delegates[0]: unknown data location 2"},
    {"6 [0] 18 [0] 6 .4", 1, 0, VKD_INVALID_MODEL,
     "delegates[0] refers to backend_delegate_data 0 of 0"},
    {"6 [0] 18 [0] 6 .6", 4, 4, VKD_INVALID_MODEL, "delegates[0] refers to segment 4 of 4"},
    {"18 [1] .6", 4, UINT32_MAX, VKD_INVALID_MODEL,
     "named_data[1] refers to segment 4294967295 of 4"},
    {"12 [0] .4", 8, UINT64_MAX, VKD_INVALID_MODEL,
     "segments[0]: 21 bytes at 18446744073709551615"},
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
        flat_set(changed, find(file, changes[i].path, changes[i].width), changes[i].value,
                 changes[i].width);
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
        /* not "eh00": then there is no header */
        {8, 4, 0x31306865, "the file has no segment base"},
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
    assert_true(!method->values[0].problem && !method->values[2].problem);
    assert_non_null(strstr(method->values[1].problem, "scalar_type"));
    assert_int_equal(method->values[1].value.tensor.size, 0);
    reading_end(&r);
    free(file);
}

/* ------------------------------------------------------------------------- values of every kind */

static const float data[6] = {1, 2, 3, 4, 5, 6};
static const vkd_tensor_info matrix = {VKD_DTYPE_FLOAT32, 2, {2, 3}, 0};

/* 0 constant, 1 with initial contents, 2 external and bounded, 3 to 12 others, 13 a move's target.
 */
static uint8_t *build_values(bool no_segments, size_t *out_size)
{
    vkd_pte_builder *b = pte_new();
    if (no_segments)
        pte_no_segments(b);
    pte_constant(b, &matrix, data);
    pte_tensor(b, &matrix);
    if (!no_segments)
        pte_initial(b, data, sizeof data);
    pte_tensor(b, &matrix);
    pte_external(b, "layer.weight");
    pte_dynamic(b);
    pte_null(b);
    pte_int(b, INT64_MIN);
    pte_double(b, 0.25);
    pte_bool(b, true);
    pte_string(b, "trunc");
    pte_int_list(b, (const uint32_t[]){4, 4}, 2);
    pte_double_list(b, (const double[]){-1.5}, 1);
    pte_bool_list(b, (const bool[]){false, true}, 2);
    pte_tensor_list(b, (const uint32_t[]){0, 2}, 2);
    pte_optional_list(b, (const int32_t[]){-1, 1}, 2);
    uint32_t target = pte_int(b, 0);
    pte_move(b, 4, target);
    pte_jump(b, 6);
    pte_free(b, 0);
    return pte_finish(b, out_size);
}

static void check_list(const vkd_model_value *v, uint32_t first, uint32_t second)
{
    assert_int_equal(v->kind, VKD_VALUE_VALUE_LIST);
    assert_int_equal(v->list.count, 2);
    assert_true(v->list.values[0] == first && v->list.values[1] == second);
}

static void test_values(void **state)
{
    (void)state;
    for (int no_segments = 0; no_segments <= 1; no_segments++) {
        size_t size;
        uint8_t *file = build_values(no_segments, &size);
        reading r;
        reading_begin(&r, NULL);
        if (vkd_container_read(file, size, &r.arena, &r.container) != VKD_OK)
            fail_msg("%s", r.context.error);
        assert_int_equal(r.container.size, size);
        const vkd_container_method *method = &r.container.methods[0];
        const vkd_container_value *v = method->values;
        assert_true(!v[0].is_planned && v[1].is_planned && !v[2].is_planned);
        assert_memory_equal(v[0].value.tensor.data, data, sizeof data);
        assert_in_range((uintptr_t)v[0].value.tensor.data, (uintptr_t)file, (uintptr_t)file + size);
        assert_true((v[1].value.tensor.data != NULL) == !no_segments && !v[2].value.tensor.data);
        if (!no_segments)
            assert_memory_equal(v[1].value.tensor.data, data, sizeof data);
        assert_string_equal(v[2].external, "layer.weight");
        assert_true(!v[0].external && v[2].value.tensor.dynamic && !v[0].value.tensor.dynamic);
        assert_int_equal(v[3].value.kind, VKD_VALUE_NULL);
        assert_true(v[4].value.kind == VKD_VALUE_INT && v[4].value.i == INT64_MIN);
        assert_true(v[5].value.kind == VKD_VALUE_DOUBLE && v[5].value.d == 0.25);
        assert_true(v[6].value.kind == VKD_VALUE_BOOL && v[6].value.b);
        assert_true(v[7].value.kind == VKD_VALUE_STRING && !strcmp(v[7].value.string, "trunc"));
        check_list(&v[8].value, 4, 4);
        assert_true(v[9].value.kind == VKD_VALUE_DOUBLE_LIST && v[9].value.list.count == 1 &&
                    v[9].value.list.doubles[0] == -1.5);
        assert_true(v[10].value.kind == VKD_VALUE_BOOL_LIST && v[10].value.list.count == 2 &&
                    v[10].value.list.bools[1]);
        check_list(&v[11].value, 0, 2);
        check_list(&v[12].value, VKD_CONTAINER_NONE, 1);
        const vkd_container_step *steps = method->steps;
        assert_true(steps[0].kind == VKD_STEP_MOVE && steps[0].arg_count == 2 &&
                    steps[0].args[0] == 4 && steps[0].args[1] == 13);
        assert_true(steps[1].kind == VKD_STEP_JUMP_FALSE && steps[2].kind == VKD_STEP_FREE);
        reading_end(&r);
        free(file);
    }
}

static const struct {
    const char *path;
    unsigned width;
    uint64_t value;
    const char *says;
} bad_values[] = {
    {"6 [0] 8 [0] 6 .14", 4, 2, "values[0] refers to offset 2 of 2 in constant_segment"},
    {"6 [0] 8 [1] 6 .14", 4, 2, "values[1] refers to offset 2 of 2 in mutable_data_segments"},
    {"6 [0] 8 [0] 6 8 #0", 4, 3, "values[0]: 24 bytes of data, but the tensor needs 36"},
    {"6 [0] 8 [1] 6 8 #0", 4, 3, "values[1]: 24 bytes of data, but the tensor needs 36"},
    {"6 [0] 8 [2] 6 22 .8", 1, 2, "values[2]: data at location 2"},
    {"6 [0] 8 [8] 6 4 #1", 8, 14, "values[8]: item 1 refers to value 14 of 14"},
    {"6 [0] 8 [8] 6 4 #1", 8, UINT64_MAX, "values[8]: item 1 refers to value -1 of 14"},
    {"6 [0] 8 [8] 6 4 #0", 8, 11, "values[8]: item 0 is a list, expected no list in a list"},
    {"6 [0] 8 [11] 6 4 #0", 4, UINT32_MAX, "values[11]: item 0 refers to value -1 of 14"},
    {"6 [0] 8 [12] 6 4 #1", 4, UINT32_MAX - 1, "values[12]: item 1 refers to value -2 of 14"},
    {"6 [0] 14 [0] 8 [0] 6 .6", 4, 14, "step 0 moves from value 4 to value 14 of 14"},
    {"6 [0] 14 [0] 8 [0] 6 .4", 4, UINT32_MAX, "step 0 moves from value -1 to value 13 of 14"},
    {"14 .4", 4, 9, "values[0] refers to segment 9 of 2"},
    {"14 6 #1", 8, 25, "values[0]: its data begins at 25 of a segment of 24 bytes"},
    {"14 6 #1", 8, UINT64_MAX, "values[0]: its data begins at 18446744073709551615"},
    {"16 [0] 6 #1", 8, 1, "values[1]: 23 bytes of data, but the tensor needs 24"},
};

static void test_bad_values(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = build_values(false, &size), *changed = malloc(size);
    assert_non_null(changed);
    for (size_t i = 0; i < COUNT(bad_values); i++) {
        memcpy(changed, file, size);
        flat_set(changed, find(file, bad_values[i].path, bad_values[i].width), bad_values[i].value,
                 bad_values[i].width);
        expect(changed, size, VKD_INVALID_MODEL, bad_values[i].says);
    }
    free(changed);
    free(file);
    file = build_values(true, &size);
    flat_set(file, find(file, "6 [0] 8 [0] 6 .14", 4), 2, 4);
    expect(file, size, VKD_INVALID_MODEL, "values[0] refers to constant_buffer 2 of 2");
    flat_set(file, find(file, "6 [0] 8 [0] 6 .14", 4), 1, 4);
    flat_set(file, find(file, "8 [1] 4 =", 4), 23, 4);
    expect(file, size, VKD_INVALID_MODEL, "values[0]: 23 bytes of data, but the tensor needs 24");
    free(file);
}

static void test_bad_samples(void **state)
{
    (void)state;
    static const blob_named twice[] = {{"same", "1", 1}, {"other", "2", 1}, {"same", "3", 1}};
    blob_pte pte = sample;
    size_t size;
    pte.named = twice;
    uint8_t *file = blob_wrap_pte(&pte, &size);
    expect(file, size, VKD_INVALID_MODEL, "named_data has the key \"same\" twice");
    free(file);

    static const char *const own[] = {"vkd.q8_conv2d"};
    pte = sample;
    pte.kernels = own;
    pte.kernel_count = 1;
    file = blob_wrap_pte(&pte, &size);
    expect(file, size, VKD_INVALID_MODEL,
           "operators[0] (vkd.q8_conv2d): names that begin with \"vkd.\"");
    free(file);

    static const struct {
        size_t rank;
        vkd_status status;
        const char *says;
    } ranks[] = {
        {8, VKD_OK, ""},
        {9, VKD_UNSUPPORTED, "inputs[0] (value 0): its rank is above 8"},
        {16, VKD_UNSUPPORTED, "inputs[0] (value 0): its rank is above 8"},
        {17, VKD_INVALID_MODEL, "a tensor of rank 17, expected at most 16"},
    };
    for (size_t i = 0; i < COUNT(ranks); i++) {
        vkd_pte_builder *b = pte_new();
        uint32_t x = pte_tensor(b, &inputs[1]);
        pte_ones(b, ranks[i].rank);
        pte_io(b, &x, 1, NULL, 0);
        file = pte_finish(b, &size);
        expect(file, size, ranks[i].status, ranks[i].says);
        free(file);
    }
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
            if (!no_segments ||
                length <
                    size / 2) /* a flatbuffer's last bytes may be padding that nothing refers to */
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
        cmocka_unit_test(test_values),         cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_bad_samples),    cmocka_unit_test(test_truncation),
    };
    return cmocka_run_group_tests_name("container", tests, NULL, NULL);
}
