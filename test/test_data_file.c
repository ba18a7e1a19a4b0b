/* The reader of .ptd files, over files made in memory: what it must read, and what it must refuse
 * with which message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "schema/named.h"
#include "support/flat.h"
#include "support/pte_builder.h"
#include "support/random.h"
#include "support/reading.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const float floats[6] = {1, 2, 3, 4, 5, 6};
static const vkd_tensor_info matrix = {VKD_DTYPE_FLOAT32, 2, {2, 3}, 0},
                             turned = {VKD_DTYPE_INT64, 3, {1, 3, 1}, 0, {2, 0, 1}},
                             scalar = {VKD_DTYPE_BOOL, 0, {0}, 0};
static const ptd_entry sample[] = {
    {{"pear", floats, 24}, &matrix},
    {{"apple", "five", 5}, NULL},
    {{"fig", floats, 24}, &turned},
    {{"date", "1", 1}, &scalar},
};

/* --------------------------------------------------------------------------------- what is read */

static void check_sample(const vkd_data_file *data, const uint8_t *file, size_t size)
{
    static const char *const keys[] = {"apple", "date", "fig", "pear"};
    const vkd_container_named *n = data->named;
    assert_int_equal(data->size, size);
    assert_int_equal(data->named_count, COUNT(keys));
    for (size_t i = 0; i < COUNT(keys); i++) {
        assert_string_equal(n[i].key, keys[i]);
        /* not a copy */
        assert_in_range((uintptr_t)n[i].data.data, (uintptr_t)file, (uintptr_t)file + size);
    }
    assert_true(n[0].data.size == 5 && !memcmp(n[0].data.data, "five", 5) && !n[0].layout);
    assert_true(n[3].data.size == 24 && !memcmp(n[3].data.data, floats, 24));
    const vkd_data_layout *date = n[1].layout, *fig = n[2].layout, *pear = n[3].layout;
    assert_true(date->dtype == VKD_DTYPE_BOOL && date->rank == 0);
    assert_true(pear->dtype == VKD_DTYPE_FLOAT32 && pear->rank == 2 && pear->dims[0] == 2 &&
                pear->dims[1] == 3);
    assert_true(pear->dim_order[0] == 0 && pear->dim_order[1] == 1);
    assert_true(fig->dtype == VKD_DTYPE_INT64 && fig->rank == 3 && fig->dims[1] == 3);
    assert_memory_equal(fig->dim_order, turned.dim_order, 3);
}

static void test_sample(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = ptd_build(sample, COUNT(sample), &size), *room = malloc(size + 16);
    assert_non_null(room);
    for (size_t shift = 0; shift < 16; shift++) { /* at any address */
        memcpy(room + shift, file, size);
        reading r;
        vkd_data_file data;
        reading_begin(&r, NULL);
        if (vkd_data_file_read(room + shift, size, &r.arena, &data) != VKD_OK)
            fail_msg("%s", r.context.error);
        check_sample(&data, room + shift, size);
        reading_end(&r);
    }
    free(room);
    free(file);
}

static void test_no_entries(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = ptd_build(NULL, 0, &size);
    reading r;
    vkd_data_file data;
    reading_begin(&r, NULL);
    assert_int_equal(vkd_data_file_read(file, size, &r.arena, &data), VKD_OK);
    assert_int_equal(data.named_count, 0);
    r.container.data_files = &data;
    assert_null(vkd_container_entry(&r.container, "pear"));
    reading_end(&r);
    free(file);
}

/* -------------------------------------------------------------------------------------- lookups */

static void read_one(reading *r, const ptd_entry *entry, vkd_data_file *out, uint8_t **file)
{
    size_t size;
    *file = ptd_build(entry, 1, &size);
    assert_int_equal(vkd_data_file_read(*file, size, &r->arena, out), VKD_OK);
}

/* Files are asked in the order in which they were added, then the program. */
static void test_order(void **state)
{
    (void)state;
    static const ptd_entry entries[] = {
        {{"a", "1", 1}, NULL}, {{"a", "2", 1}, NULL}, {{"b", "3", 1}, &scalar}};
    static const vkd_container_named own[] = {{"a", {"own", 4}, NULL}, {"c", {"own", 4}, NULL}};
    reading r;
    vkd_data_file data[COUNT(entries)], again;
    uint8_t *files[COUNT(entries)], *file;
    size_t size = 0;
    reading_begin(&r, NULL);
    r.container.named = own;
    r.container.named_count = COUNT(own);
    for (size_t i = 0; i < COUNT(entries); i++) {
        read_one(&r, &entries[i], &data[i], &files[i]);
        assert_int_equal(vkd_container_add(&r.container, &r.context, &data[i]), VKD_OK);
    }
    const struct {
        const char *key, *data;
        size_t size;
    } expected[] = {{"a", "1", 1}, {"b", "3", 1}, {"c", "own", 4}};
    const void *found;
    for (size_t i = 0; i < COUNT(expected); i++) {
        assert_int_equal(vkd_container_find(&r.container, expected[i].key, &found, &size), VKD_OK);
        assert_int_equal(size, expected[i].size);
        assert_memory_equal(found, expected[i].data, size);
    }
    assert_int_equal(vkd_container_find(&r.container, "d", &found, &size), VKD_NOT_FOUND);
    read_one(&r, &(ptd_entry){{"b", "3", 1}, NULL}, &again, &file);
    assert_int_equal(vkd_container_add(&r.container, &r.context, &again), VKD_INVALID_MODEL);
    assert_non_null(strstr(r.context.error,
                           "the tensor \"b\" is in the program, or in a data file before, too"));
    assert_ptr_equal(r.container.data_files, &data[0]);
    assert_null(data[2].next); /* what was refused is not there */
    reading_end(&r);
    for (size_t i = 0; i < COUNT(entries); i++)
        free(files[i]);
    free(file);
}

/* ------------------------------------------------------------------------------------- refusals */

static void expect(const uint8_t *file, size_t size, const char *says)
{
    reading r;
    vkd_data_file data;
    reading_begin(&r, NULL);
    vkd_status status = vkd_data_file_read(file, size, &r.arena, &data);
    if (status != VKD_INVALID_MODEL || !strstr(r.context.error, says))
        fail_msg("status %d, \"%s\"; expected \"%s\"", status, r.context.error, says);
    assert_int_equal(r.messages, 1);
    reading_end(&r);
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
        {0, 4, UINT32_MAX, "is damaged"},
        {4, 4, 0x32315445, "not a data file (.ptd), it looks like a program (.pte)"}, /* "ET12" */
        {4, 4, 0, "not a data file (.ptd)"},
        {8, 4, 0, "no header \"FH01\""},
        {12, 4, 39, "no header \"FH01\""},
        {16, 8, UINT64_MAX, "a flatbuffer of"},
        {24, 8, UINT64_MAX, "a flatbuffer of 18446744073709551615 bytes"},
        {24, 8, 0, "is damaged"},
        {32, 8, UINT64_MAX, "at 18446744073709551615, expected them inside"},
        {32, 8, 0, "the file has no segment base"},
        {40, 8, UINT64_MAX, "data of 18446744073709551615 bytes"},
        {40, 8, 7, "expected them inside the 7 bytes"},
    };
    size_t size;
    uint8_t *file = ptd_build(sample, COUNT(sample), &size), *changed = malloc(size);
    assert_non_null(changed);
    for (size_t i = 0; i < COUNT(faults); i++) {
        memcpy(changed, file, size);
        flat_set(changed, faults[i].at, faults[i].value, faults[i].width);
        expect(changed, size, faults[i].says);
    }
    free(changed);
    free(file);
}

/* The table of an entry, or of its layout. */
static size_t entry_at(const uint8_t *file, size_t index)
{
    return flat_item(file, flat_child(file, flat_follow(file, 0), 8), index);
}

static void test_changed_fields(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = ptd_build(sample, COUNT(sample), &size);
    size_t pear = entry_at(file, 0), layout = flat_child(file, pear, 8),
           sizes = flat_child(file, layout, 6), order = flat_child(file, layout, 8),
           segments = flat_child(file, flat_follow(file, 0), 6);
    const struct {
        size_t at;
        unsigned width;
        uint64_t value;
        const char *says;
    } faults[] = {
        {flat_field(file, pear, 6), 4, 4, "named_data[0] refers to segment 4 of 4"},
        {flat_element(sizes, 0, 4), 4, UINT32_MAX, "\"pear\": sizes[0] is -1"},
        {flat_element(sizes, 0, 4), 4, INT32_MAX,
         "\"pear\" has 24 bytes, but its sizes need 25769803764"},
        {flat_element(order, 0, 1), 1, 1,
         "\"pear\": its dim_order does not name each of 2 dims once"},
        {flat_element(order, 0, 1), 1, 2,
         "\"pear\": its dim_order does not name each of 2 dims once"},
        {order, 4, 1, "\"pear\": its dim_order does not name each of 2 dims once"},
        {flat_field(file, flat_item(file, segments, 1), 6), 8, UINT64_MAX,
         "segments[1]: 18446744073709551615 bytes"},
        {flat_field(file, flat_item(file, segments, 1), 4), 8, UINT64_MAX,
         "segments[1]: 5 bytes at 18446744073709551615"},
    };
    uint8_t *changed = malloc(size);
    assert_non_null(changed);
    for (size_t i = 0; i < COUNT(faults); i++) {
        memcpy(changed, file, size);
        flat_set(changed, faults[i].at, faults[i].value, faults[i].width);
        expect(changed, size, faults[i].says);
    }
    free(changed);
    free(file);
}

/* A tensor of a kind that there is not in models is there, and fits nothing. */
static void test_odd_layouts(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = ptd_build(sample, COUNT(sample), &size);
    flat_set(file, flat_field(file, flat_child(file, entry_at(file, 0), 8), 4), 2, 1); /* int16 */
    reading r;
    vkd_data_file data;
    reading_begin(&r, NULL);
    assert_int_equal(vkd_data_file_read(file, size, &r.arena, &data), VKD_OK);
    assert_int_equal(data.named[3].layout->dtype, VKD_DTYPE_COUNT);
    reading_end(&r);
    free(file);

    static const ptd_entry twice[] = {
        {{"a", "1", 1}, NULL}, {{"b", "1", 1}, NULL}, {{"a", "1", 1}, NULL}};
    file = ptd_build(twice, COUNT(twice), &size);
    expect(file, size, "data file: named_data has the key \"a\" twice");
    free(file);
}

/* Every prefix, each in an allocation of its own size so that a sanitizer sees a read beyond it. */
static void test_truncation(void **state)
{
    (void)state;
    size_t size;
    uint8_t *file = ptd_build(sample, COUNT(sample), &size);
    for (size_t length = 0; length < size; length++) {
        uint8_t *prefix = malloc(length ? length : 1);
        assert_non_null(prefix);
        memcpy(prefix, file, length);
        expect(prefix, length, "");
        free(prefix);
    }
    free(file);
}

static void test_mutations(void **state)
{
    (void)state;
    enum { MUTATIONS = 20000 };
    vkd_random random = random_begin("data files");
    size_t size, accepted = 0;
    uint64_t sum = 0;
    uint8_t *file = ptd_build(sample, COUNT(sample), &size);
    for (int i = 0; i < MUTATIONS; i++) {
        uint8_t *changed = malloc(size);
        assert_non_null(changed);
        memcpy(changed, file, size);
        for (size_t count = 1 + random_bits(&random) % 3; count > 0; count--)
            changed[random_bits(&random) % size] ^= (uint8_t)(1u << random_bits(&random) % 8);
        reading r;
        vkd_data_file data;
        reading_begin(&r, NULL);
        vkd_status status = vkd_data_file_read(changed, size, &r.arena, &data);
        assert_true(status == VKD_OK || status == VKD_INVALID_MODEL);
        for (size_t k = 0; status == VKD_OK && k < data.named_count; k++) {
            const vkd_container_named *named = &data.named[k];
            for (size_t at = 0; at < named->data.size; at++)
                sum += ((const uint8_t *)named->data.data)[at];
            sum += strlen(named->key) + (named->layout ? named->layout->rank : 0);
        }
        accepted += status == VKD_OK;
        reading_end(&r);
        assert_int_equal(r.context.host_bytes, 0);
        free(changed);
    }
    volatile uint64_t keep = sum;
    (void)keep;
    print_message("%zu of %d accepted\n", accepted, MUTATIONS);
    assert_true(accepted > MUTATIONS / 100 && accepted < MUTATIONS);
    free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample),         cmocka_unit_test(test_no_entries),
        cmocka_unit_test(test_order),          cmocka_unit_test(test_changed_header),
        cmocka_unit_test(test_changed_fields), cmocka_unit_test(test_odd_layouts),
        cmocka_unit_test(test_truncation),     cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests_name("data file", tests, NULL, NULL);
}
