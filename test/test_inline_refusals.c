/* What of a program's methods is refused, with which message, and that reading one is linear in its
 * size. Pure: no device. */
#include "support/flat.h"
#include "support/inlining.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* ------------------------------------------------------------------------------------- refusals */

typedef struct refusal {
    vkd_pte_builder *b;
    uint32_t x, y, n; /* tensors, an int */
} refusal;

static refusal new_refusal(const vkd_tensor_info *x, const vkd_tensor_info *y)
{
    refusal r = {.b = pte_new()};
    r.x = pte_tensor(r.b, x);
    r.y = pte_tensor(r.b, y);
    r.n = pte_int(r.b, 1);
    pte_io(r.b, &r.x, 1, &r.y, 1);
    return r;
}

static void refuses_steps(void **state)
{
    (void)state;
    refusal r = new_refusal(&f32, &f32);
    pte_jump(r.b, r.n);
    inlining_expect_refused(r.b, VKD_UNSUPPORTED, "method \"forward\": step 0 is a JumpFalseCall");

    r = new_refusal(&f32, &f32);
    uint32_t delegate = inlining_delegate(r.b, "a", &f32, &f32);
    pte_call(r.b, delegate, IDS(r.x, r.y));
    pte_call(r.b, delegate, IDS(r.x, r.y));
    inlining_expect_refused(r.b, VKD_UNSUPPORTED, "delegate 0 is called twice");

    r = new_refusal(&f32, &f32);
    pte_call(r.b, pte_delegate(r.b, "XnnpackBackend", "x", 1), IDS(r.x, r.y));
    inlining_expect_refused(r.b, VKD_UNSUPPORTED,
                            "it is delegated to 'XnnpackBackend', not to 'VulkanBackend'");

    r = new_refusal(&f32, &f32);
    pte_call(r.b, inlining_delegate(r.b, "a", &f32, &f32), IDS(r.x));
    inlining_expect_refused(r.b, VKD_INVALID_MODEL,
                            "delegate 0 has 1 inputs and 1 outputs, but is called with 1 values");

    r = new_refusal(&f32, &f32);
    pte_call(r.b, pte_delegate(r.b, "VulkanBackend", "no blob", 7), IDS(r.x, r.y));
    inlining_expect_refused(r.b, VKD_INVALID_MODEL, "delegate blob");
}

static void refuses_borders(void **state)
{
    (void)state;
    static const struct {
        const vkd_tensor_info *x, *y, *blob_x, *blob_y;
        const char *says;
    } cases[] = {
        {&f32, &f32, &row, &f32, "input 0 of delegate 0 (value 0) has another shape or dtype"},
        {&f32, &f32, &i32, &f32, "input 0 of delegate 0 (value 0) has another shape or dtype"},
        {&f32, &f32, &f32, &row, "output 0 of delegate 0 (value 1) has another shape or dtype"},
        {&f32, &i64, &f32, &f32, "output 0 of delegate 0 (value 1) has another shape or dtype"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        refusal r = new_refusal(cases[i].x, cases[i].y);
        pte_call(r.b, inlining_delegate(r.b, "a", cases[i].blob_x, cases[i].blob_y), IDS(r.x, r.y));
        inlining_expect_refused(r.b, VKD_INVALID_MODEL, cases[i].says);
    }
    refusal r = new_refusal(&f32, &f32);
    pte_call(r.b, inlining_delegate(r.b, "a", &f32, &f32), IDS(r.n, r.y));
    inlining_expect_refused(r.b, VKD_INVALID_MODEL, "input 0 of delegate 0 (value 2) has another");
    r = new_refusal(&f32, &f32);
    pte_call(r.b, inlining_delegate(r.b, "a", &f32, &f32), IDS(r.x, r.n));
    inlining_expect_refused(r.b, VKD_INVALID_MODEL, "output 0 of delegate 0 (value 2) has another");

    vkd_blob_builder *blob = blob_new();
    uint32_t s = blob_symint(blob, 0), t = blob_symint(blob, 0);
    blob_io(blob, &s, 1, &t, 1);
    size_t size;
    void *bytes = blob_finish(blob, &size);
    r = new_refusal(&f32, &f32);
    pte_call(r.b, pte_delegate(r.b, "VulkanBackend", bytes, size), IDS(r.x, r.n));
    inlining_expect_refused(r.b, VKD_INVALID_MODEL, "input 0 of delegate 0 (value 0) is no int");
    r = new_refusal(&f32, &f32);
    pte_call(r.b, pte_delegate(r.b, "VulkanBackend", bytes, size), IDS(r.n, r.y));
    inlining_expect_refused(r.b, VKD_INVALID_MODEL, "output 0 of delegate 0 (value 1) is no int");
    free(bytes);

    blob = blob_new();
    uint32_t in = inlining_tensor(blob, &f32, NULL);
    blob_io(blob, IDS(in, in), &in, 1);
    bytes = blob_finish(blob, &size);
    r = new_refusal(&f32, &f32);
    pte_call(r.b, pte_delegate(r.b, "VulkanBackend", bytes, size), IDS(r.x, r.x, r.y));
    inlining_expect_refused(r.b, VKD_INVALID_MODEL,
                            "input 1 of delegate 0 is an earlier input too");
    free(bytes);
}

static void refuses_values(void **state)
{
    (void)state;
    refusal r = new_refusal(&f32, &f32);
    uint32_t unwritten = pte_tensor(r.b, &f32);
    pte_kernel(r.b, "k", IDS(unwritten, r.y, r.y));
    inlining_expect_refused(r.b, VKD_INVALID_MODEL,
                            "step 0 reads value 3, which nothing has written before");

    r = new_refusal(&f32, &f32);
    inlining_expect_refused(r.b, VKD_INVALID_MODEL, "output 0 (value 1) is never written");

    r = new_refusal(&f32, &f32);
    pte_move(r.b, r.n, r.y);
    inlining_expect_refused(r.b, VKD_UNSUPPORTED,
                            "output 0 (value 1) is neither a tensor nor a computed int");

    r = new_refusal(&f32, &f32);
    pte_move(r.b, r.n, r.x);
    pte_kernel(r.b, "k", IDS(r.x, r.y, r.y));
    inlining_expect_refused(r.b, VKD_INVALID_MODEL,
                            "step 1 reads value 0 as f32, but it is no tensor");

    r = new_refusal(&f32, &f32);
    pte_move(r.b, r.x, r.y);
    pte_io(r.b, IDS(pte_double(r.b, 1)), NULL, 0);
    inlining_expect_refused(r.b, VKD_UNSUPPORTED,
                            "value 3, an input, is neither a tensor nor an int");

    r = new_refusal(&f32, &row);
    pte_move(r.b, r.x, r.y);
    inlining_expect_refused(r.b, VKD_INVALID_MODEL, "output 0 (value 1) has another shape");

    static const int64_t huge[6] = {0, 0, 1LL << 31, 0, 0, 0};
    r = new_refusal(&f32, &f32);
    uint32_t k = pte_constant(r.b, &i64, huge);
    pte_kernel(r.b, "k", IDS(k, r.y, r.y));
    inlining_expect_refused(r.b, VKD_UNSUPPORTED,
                            "value 3: element 2 of the constant is 2147483648");
}

static void refuses_orders(void **state)
{
    (void)state;
    refusal r = new_refusal(&f32, &f32);
    uint32_t k = pte_constant(r.b, &turned, inlining_weights);
    pte_kernel(r.b, "k", IDS(k, r.y, r.y));
    inlining_expect_refused(r.b, VKD_UNSUPPORTED, "value 3, a constant, has a dim_order");
}

/* A tensor that vkd_model_tensor cannot describe matters where a step touches it. */
static void refuses_undescribed_tensors(void **state)
{
    (void)state;
    for (int use = 0; use < 4; use++) {
        refusal r = new_refusal(&f32, &f32);
        uint32_t z = pte_tensor(r.b, &f32);
        if (use == 1)
            pte_kernel(r.b, "k", IDS(z, r.y, r.y));
        else if (use == 2)
            pte_kernel(r.b, "k", IDS(r.x, z, z));
        else if (use == 3)
            pte_call(r.b, inlining_delegate(r.b, "a", &f32, &f32), IDS(r.x, z));
        pte_kernel(r.b, "last", IDS(r.x, r.y, r.y));
        inlining f = {0};
        f.file = pte_finish(r.b, &f.size);
        size_t plan = flat_item(f.file, flat_child(f.file, flat_follow(f.file, 0), 6), 0);
        size_t tensor = flat_child(f.file, flat_item(f.file, flat_child(f.file, plan, 8), z), 6);
        flat_set(f.file, flat_field(f.file, tensor, 4), 2, 1); /* int16 */
        if (use) {
            inlining_refuses(&f, VKD_UNSUPPORTED, "value 3: its scalar_type is not one of");
        } else {
            assert_int_equal(inlining_take(&f), VKD_OK);
            reading_end(&f.r);
        }
        free(f.file);
    }
}

/* ----------------------------------------------------------------------------- small files only */

/* A long list that many steps mention, as an argument or as a result. */
static void refuses_lists_without_end(void **state)
{
    (void)state;
    enum { ITEMS = 4000, STEPS = 4000 };
    static uint32_t ids[ITEMS];
    for (int result = 0; result <= 1; result++) {
        refusal r = new_refusal(&f32, &f32);
        for (size_t i = 0; i < ITEMS; i++)
            ids[i] = r.x;
        uint32_t list = pte_tensor_list(r.b, ids, ITEMS);
        for (size_t i = 0; i < STEPS; i++)
            if (result)
                pte_kernel(r.b, "k", IDS(r.x, list));
            else
                pte_kernel(r.b, "k", IDS(list, r.y, r.y));
        inlining_expect_refused(r.b, VKD_INVALID_MODEL,
                                "need more memory than the file can account for");
    }
}

/* The delegates' blobs, in the segments that they have as numbers. */
static size_t delegate_data(const uint8_t *file, size_t index)
{
    size_t plan = flat_item(file, flat_child(file, flat_follow(file, 0), 6), 0);
    return flat_field(file, flat_child(file, flat_item(file, flat_child(file, plan, 18), index), 6),
                      6);
}

/* Delegates of equal contents share their blob: it is read once. Blobs that overlap otherwise are
 * refused. */
static void blobs_are_read_once(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), z = pte_tensor(b, &f32);
    vkd_blob_builder *blob = blob_new();
    uint32_t in = inlining_tensor(blob, &f32, NULL),
             named =
                 blob_named_tensor(blob, VKD_DTYPE_FLOAT32, 1, (const uint32_t[]){6}, "weights"),
             out = inlining_tensor(blob, &f32, NULL);
    uint8_t filler[30000] = {0};
    blob_inline(blob, filler, sizeof filler);
    blob_op(blob, "a", 40, IDS(in, named, out));
    blob_io(blob, &in, 1, &out, 1);
    size_t size;
    void *bytes = blob_finish(blob, &size);
    pte_delegate(b, "VulkanBackend", bytes, size);
    pte_delegate(b, "VulkanBackend", bytes, size);
    free(bytes);
    pte_call(b, 0, IDS(x, y));
    pte_call(b, 1, IDS(y, z));
    pte_named(b, &(blob_named){"weights", inlining_weights, sizeof inlining_weights});
    pte_io(b, &x, 1, &z, 1);
    inlining f = {0};
    f.file = pte_finish(b, &f.size);
    assert_int_equal(inlining_take(&f), VKD_OK);
    assert_ptr_not_equal(f.model.ops[0].name, f.model.ops[1].name);
    reading_end(&f.r);

    flat_set(f.file, delegate_data(f.file, 1), 0, 4);
    assert_int_equal(inlining_take(&f), VKD_OK);
    assert_ptr_equal(f.model.ops[0].name, f.model.ops[1].name);
    model_text_say(&f.text, &f.model);
    assert_string_equal(f.text.chars, "in %0 f32[2,3]\n"
                                      "40 a %0 f32[2,3], %1 f32[6]=, %2 f32[2,3]\n"
                                      "40 a %2 f32[2,3], %4 f32[6]=, %5 f32[2,3]\n"
                                      "out %5 f32[2,3]\n");
    reading_end(&f.r);

    /* both blobs to the end of the file */
    size_t segments = flat_child(f.file, flat_follow(f.file, 0), 12);
    flat_set(f.file, delegate_data(f.file, 1), 1, 4);
    flat_set(f.file, flat_field(f.file, flat_item(f.file, segments, 1), 4), 0, 8);
    flat_set(f.file, flat_field(f.file, flat_item(f.file, segments, 1), 6), 2 * size, 8);
    inlining_refuses(&f, VKD_INVALID_MODEL, "the blobs of its delegates lie over each other");
    free(f.file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_steps),
        cmocka_unit_test(refuses_borders),
        cmocka_unit_test(refuses_values),
        cmocka_unit_test(refuses_orders),
        cmocka_unit_test(refuses_undescribed_tensors),
        cmocka_unit_test(refuses_lists_without_end),
        cmocka_unit_test(blobs_are_read_once),
    };
    return cmocka_run_group_tests_name("inline", tests, NULL, NULL);
}
