/* Constants and state of whole methods, over programs made in memory: of the program, of data
 * files, of several delegates. Pure: no device. */
#include "support/flat.h"
#include "support/inlining.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* ------------------------------------------------------------------------------------ constants */

static void constants(void **state)
{
    (void)state;
    static const int64_t wide[6] = {1, -2, INT32_MAX, INT32_MIN, 5, 6};
    static const double reals[6] = {0.5, 1, 2, 3, 4, 5};
    for (int no_segments = 0; no_segments <= 1; no_segments++) {
        vkd_pte_builder *b = pte_new();
        uint32_t a = pte_constant(b, &f32, inlining_weights), w = pte_constant(b, &i64, wide),
                 d = pte_constant(b, &f64, reals), e = pte_tensor(b, &f32), y = pte_tensor(b, &f32);
        if (no_segments)
            pte_no_segments(b);
        pte_kernel(b, "k", IDS(a, w, d, e, a, y, y));
        pte_io(b, &e, 1, &y, 1);
        inlining f;
        inlining_begin(&f, b);
        assert_string_equal(f.text.chars, "in %3 f32[2,3]\n"
                                          "0 k %0 f32[2,3]=, %1 i32[2,3]=<i64, %2 f32[2,3]=<f64, "
                                          "%3 f32[2,3], %0 f32[2,3]=, %4 f32[2,3]\n"
                                          "out %4 f32[2,3]\n");
        const uint8_t *data = f.model.values[0].tensor.data;
        /* not a copy */
        assert_in_range((uintptr_t)data, (uintptr_t)f.file, (uintptr_t)f.file + f.size);
        assert_memory_equal(data, inlining_weights, sizeof inlining_weights);
        for (size_t i = 0; i < 6; i++) {
            assert_int_equal(((const int32_t *)f.model.values[1].tensor.data)[i], wide[i]);
            assert_true((double)((const float *)f.model.values[2].tensor.data)[i] == reals[i]);
        }
        inlining_end(&f);
    }
}

/* x: "weights" and "again", and "unused", which is not there; a blob's constant under the key
 * "blob". */
static vkd_pte_builder *build_external(void)
{
    vkd_blob_builder *blob = blob_new();
    uint32_t in = inlining_tensor(blob, &f32, NULL), out = inlining_tensor(blob, &f32, NULL),
             c = blob_named_tensor(blob, VKD_DTYPE_FLOAT32, 1, (const uint32_t[]){6}, "blob");
    blob_op(blob, "a", 0, IDS(in, c, out));
    blob_io(blob, &in, 1, &out, 1);
    size_t size;
    void *bytes = blob_finish(blob, &size);
    vkd_pte_builder *b = pte_new();
    uint32_t w = pte_tensor(b, &f32);
    pte_external(b, "weights");
    uint32_t again = pte_tensor(b, &f32);
    pte_external(b, "again");
    pte_tensor(b, &f32);
    pte_external(b, "unused"); /* that it is missing does not matter */
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32);
    pte_call(b, pte_delegate(b, "VulkanBackend", bytes, size), IDS(x, y));
    pte_kernel(b, "k", IDS(w, again, y, y));
    pte_io(b, &x, 1, &y, 1);
    free(bytes);
    return b;
}

static const ptd_entry external[] = {
    {{"weights", inlining_weights, sizeof inlining_weights}, &f32},
    {{"blob", inlining_weights, sizeof inlining_weights}, NULL},
    {{"again", inlining_weights, sizeof inlining_weights}, &f32},
};

static void external_constants(void **state)
{
    (void)state;
    inlining f = {0};
    f.file = pte_finish(build_external(), &f.size);
    f.data = ptd_build(external, COUNT(external), &f.data_size);
    if (inlining_take(&f) != VKD_OK)
        fail_msg("%s", f.r.context.error);
    model_text_say(&f.text, &f.model);
    assert_string_equal(f.text.chars, "in %0 f32[2,3]\n"
                                      "0 a %0 f32[2,3], %2 f32[6]=, %1 f32[2,3]\n"
                                      "1 k %3 f32[2,3]=, %4 f32[2,3]=, %5 f32[2,3]\n"
                                      "out %5 f32[2,3]\n");
    for (uint32_t value = 2; value < 5; value++) {
        const uint8_t *data = f.model.values[value].tensor.data;
        assert_in_range((uintptr_t)data, (uintptr_t)f.data, (uintptr_t)f.data + f.data_size);
        assert_memory_equal(data, inlining_weights, sizeof inlining_weights);
    }
    assert_int_equal(f.r.container.size, f.size + f.data_size);
    inlining_end(&f);
}

/* What a data file has under a key comes before what the program has, except that a tensor may be
 * in one of them alone. */
static void keys_in_both(void **state)
{
    (void)state;
    static const float others[6] = {0};
    vkd_pte_builder *b = build_external();
    pte_named(b, &(blob_named){"blob", others, sizeof others});
    inlining f = {0};
    f.file = pte_finish(b, &f.size);
    f.data = ptd_build(external, COUNT(external), &f.data_size);
    assert_int_equal(inlining_take(&f), VKD_OK);
    assert_memory_equal(f.model.values[2].tensor.data, inlining_weights, sizeof inlining_weights);
    inlining_end(&f);

    b = build_external();
    pte_named(b, &(blob_named){"weights", others, sizeof others});
    f = (inlining){0};
    f.file = pte_finish(b, &f.size);
    f.data = ptd_build(external, COUNT(external), &f.data_size);
    inlining_refuses(&f, VKD_INVALID_MODEL,
                     "the tensor \"weights\" is in the program, or in a data file before, too");
    free(f.file);
    free(f.data);
}

static void refuses_missing_data(void **state)
{
    (void)state;
    static const struct {
        size_t entry;
        ptd_entry other;
        const char *says;
    } cases[] = {
        {0,
         {{"other", inlining_weights, sizeof inlining_weights}, &f32},
         "value 0 is the external constant 'weights', which is not there"},
        {0,
         {{"weights", inlining_weights, 20}, NULL},
         "value 0: the external constant 'weights', of 20 bytes"},
        {0,
         {{"weights", inlining_weights, sizeof inlining_weights}, &i32},
         "'weights', of 24 bytes, has another dtype or shape"},
        {0,
         {{"weights", inlining_weights, sizeof inlining_weights}, &row},
         "'weights', of 24 bytes, has another dtype or shape"},
        {0,
         {{"weights", inlining_weights, sizeof inlining_weights}, &turned},
         "'weights', of 24 bytes, has another dtype or shape"},
        {1,
         {{"else", inlining_weights, sizeof inlining_weights}, NULL},
         "no named data \"blob\": where it is not in the program a .ptd file has it"},
        {1, {{"blob", inlining_weights, 20}, NULL}, "named data \"blob\" has 20 bytes"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        ptd_entry entries[COUNT(external)];
        memcpy(entries, external, sizeof entries);
        entries[cases[i].entry] = cases[i].other;
        inlining f = {0};
        f.file = pte_finish(build_external(), &f.size);
        f.data = ptd_build(entries, COUNT(entries), &f.data_size);
        inlining_refuses(&f, VKD_INVALID_MODEL, cases[i].says);
        free(f.file);
        free(f.data);
    }
}

/* Constants with the same bytes, dtype and dims are one value; others of the same bytes not. */
static void equal_constants_are_shared(void **state)
{
    (void)state;
    static const vkd_tensor_info tall = {VKD_DTYPE_FLOAT32, 2, {3, 2}, 0};
    vkd_pte_builder *b = pte_new();
    uint32_t a = pte_constant(b, &f32, inlining_weights),
             c = pte_constant(b, &tall, inlining_weights),
             d = pte_constant(b, &f32, inlining_weights), y = pte_tensor(b, &f32);
    pte_kernel(b, "k", IDS(d, c, a, y, y));
    pte_io(b, NULL, 0, &y, 1);
    inlining f = {0};
    f.file = pte_finish(b, &f.size);
    for (size_t i = 1; i < 3; i++) { /* all take the first one's data */
        size_t plan = flat_item(f.file, flat_child(f.file, flat_follow(f.file, 0), 6), 0);
        size_t tensor = flat_child(f.file, flat_item(f.file, flat_child(f.file, plan, 8), i), 6);
        flat_set(f.file, flat_field(f.file, tensor, 14), 1, 4);
    }
    assert_int_equal(inlining_take(&f), VKD_OK);
    model_text_say(&f.text, &f.model);
    assert_string_equal(
        f.text.chars,
        "in\n0 k %0 f32[2,3]=, %1 f32[3,2]=, %0 f32[2,3]=, %2 f32[2,3]\nout %2 f32[2,3]\n");
    inlining_end(&f);
}

/* ---------------------------------------------------------------------------------------- state */

static void buffers_are_state(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), z = pte_tensor(b, &f32),
             zeros = pte_tensor(b, &f32), begun = pte_tensor(b, &f32);
    pte_initial(b, inlining_weights, sizeof inlining_weights);
    uint32_t fixed = pte_tensor(b, &f32);
    pte_initial(b, inlining_weights, sizeof inlining_weights);
    uint32_t other = pte_tensor(b, &f32), null = pte_null(b);
    pte_kernel(b, "k", IDS(x, zeros, begun, fixed, y, y));
    pte_kernel(b, "aten::copy_", IDS(zeros, y, null, zeros));
    /* writes state without an operator of its own */
    pte_call(b, inlining_delegate(b, "a", &f32, &f32), IDS(zeros, begun));
    pte_move(b, begun, other);
    pte_kernel(b, "m", IDS(begun, other, z, z));
    pte_io(b, &x, 1, IDS(z, zeros));
    inlining_expect(b, "in %0 f32[2,3]\n"
                       "0 k %0 f32[2,3], %1 f32[2,3]!, %2 f32[2,3]=!, %3 f32[2,3]=, %4 f32[2,3]\n"
                       "1 aten::copy_ %1 f32[2,3]!, %4 f32[2,3], -, %1 f32[2,3]!\n"
                       "40 a %1 f32[2,3]!, (%6 f32[3]=, %1 f32[2,3]!), %8 f32[2,3]\n"
                       "2 aten::copy_ %2 f32[2,3]=!, %8 f32[2,3], -, %2 f32[2,3]=!\n"
                       "4 m %2 f32[2,3]=!, %2 f32[2,3]=!, %10 f32[2,3]\n"
                       "out %10 f32[2,3], %1 f32[2,3]!\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants),
        cmocka_unit_test(external_constants),
        cmocka_unit_test(keys_in_both),
        cmocka_unit_test(refuses_missing_data),
        cmocka_unit_test(equal_constants_are_shared),
        cmocka_unit_test(buffers_are_state),
    };
    return cmocka_run_group_tests_name("inline", tests, NULL, NULL);
}
