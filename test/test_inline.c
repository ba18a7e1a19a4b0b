/* Whole methods as one model, over programs made in memory: what becomes of every kind of step and
 * value. Pure: no device. */
#include "support/inlining.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

/* ------------------------------------------------------------------------------------ delegates */

static void one_delegate_is_its_blob(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32);
    pte_call(b, inlining_delegate(b, "a", &f32, &f32), IDS(x, y));
    pte_io(b, &x, 1, &y, 1);
    inlining_expect(b, "in %1 f32[2,3]\n"
                       "40 a %1 f32[2,3], (%0 f32[3]=, %1 f32[2,3]), %2 f32[2,3]\n"
                       "out %2 f32[2,3]\n");
}

/* The sample models of one call: the whole method and the blob have the same values, operators and
 * ends. */
static void compare_sample(const char *folder, void *user)
{
    static model_text whole, blob;
    reading r;
    vkd_model model, alone;
    size_t size;
    uint8_t *file = reading_sample_file(folder, "model.pte", &size);
    reading_begin(&r, NULL);
    assert_int_equal(vkd_container_read(file, size, &r.arena, &r.container), VKD_OK);
    const vkd_container_method *method = &r.container.methods[0];
    if (method->step_count == 1 && size < 100000) {
        assert_int_equal(vkd_inline_method(&r.container, method, "VulkanBackend", &r.arena, &model),
                         VKD_OK);
        vkd_bytes bytes = method->delegates[0].blob;
        assert_int_equal(
            vkd_model_read(bytes.data, bytes.size, &r.container.named_data, &r.arena, &alone),
            VKD_OK);
        assert_int_equal(model.value_count, alone.value_count);
        model_text_say(&whole, &model);
        model_text_say(&blob, &alone);
        assert_string_equal(whole.chars, blob.chars);
        ++*(size_t *)user;
    }
    reading_end(&r);
    free(file);
}

static void sample_models_are_their_blobs(void **state)
{
    (void)state;
    size_t compared = 0;
    reading_each_sample(compare_sample, &compared);
    assert_true(compared >= 40);
}

static void delegates_and_a_kernel_between(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), m = pte_tensor(b, &row),
             z = pte_tensor(b, &row);
    uint32_t dim = pte_int(b, 0), dims = pte_int_list(b, &dim, 1), no = pte_bool(b, false),
             null = pte_null(b);
    pte_call(b, inlining_delegate(b, "a", &f32, &f32), IDS(x, y));
    pte_kernel(b, "aten::mean.out", IDS(y, dims, no, null, m, m));
    pte_free(b, y);
    pte_call(b, inlining_delegate(b, "b", &row, &row), IDS(m, z));
    pte_io(b, &x, 1, &z, 1);
    inlining_expect(b, "in %1 f32[2,3]\n"
                       "40 a %1 f32[2,3], (%0 f32[3]=, %1 f32[2,3]), %2 f32[2,3]\n"
                       "1 aten::mean.out %2 f32[2,3], (0), false, -, %7 f32[3]\n"
                       "40 b %7 f32[3], (%8 f32[3]=, %7 f32[3]), %10 f32[3]\n"
                       "out %10 f32[3]\n");
}

/* A delegate's output may be its input or a constant; a method's an input of the method, and the
 * same twice. An input may be unread. */
static void ends_of_every_kind(void **state)
{
    (void)state;
    vkd_blob_builder *blob = blob_new();
    uint32_t c = inlining_tensor(blob, &f32, inlining_weights),
             in = inlining_tensor(blob, &f32, NULL);
    blob_io(blob, &in, 1, IDS(in, c, in));
    size_t size;
    void *bytes = blob_finish(blob, &size);
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), unread = pte_tensor(b, &i64), y0 = pte_tensor(b, &f32),
             y1 = pte_tensor(b, &f32), y2 = pte_tensor(b, &f32),
             k = pte_constant(b, &f32, inlining_weights);
    pte_call(b, pte_delegate(b, "VulkanBackend", bytes, size), IDS(x, y0, y1, y2));
    pte_io(b, IDS(x, unread), IDS(y0, y1, y2, x, y1, k));
    free(bytes);
    inlining_expect(
        b, "in %1 f32[2,3], %2 i32[2,3]<i64\n"
           "out %1 f32[2,3], %0 f32[2,3]=, %1 f32[2,3], %1 f32[2,3], %0 f32[2,3]=, %3 f32[2,3]=\n");
}

/* -------------------------------------------------------------------------------------- kernels */

static void arguments_of_every_kind(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), n = pte_int(b, -3);
    uint32_t args[] = {x,
                       n,
                       pte_double(b, 0.5),
                       pte_bool(b, true),
                       pte_null(b),
                       pte_string(b, "floor"),
                       pte_int_list(b, IDS(n, n)),
                       pte_int_list(b, NULL, 0),
                       pte_double_list(b, (const double[]){1.5, 2}, 2),
                       pte_bool_list(b, (const bool[]){true, false}, 2),
                       pte_tensor_list(b, IDS(x, x)),
                       pte_optional_list(b, (const int32_t[]){-1, (int32_t)x}, 2),
                       y,
                       y};
    pte_kernel(b, "k", args, COUNT(args));
    pte_io(b, &x, 1, &y, 1);
    inlining_expect(b, "in %0 f32[2,3]\n"
                       "0 k %0 f32[2,3], -3, 0.5, true, -, 'floor', (-3, -3), (), (1.5, 2), (true, "
                       "false), (%0 f32[2,3], %0 f32[2,3]), "
                       "(-, %0 f32[2,3]), %12 f32[2,3]\n"
                       "out %12 f32[2,3]\n");
}

/* What an operator returns comes once: behind the others, however the schema says that. */
static void results(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), i = pte_tensor(b, &i64),
             view = pte_tensor(b, &f32);
    uint32_t both = pte_tensor_list(b, IDS(y, i)), n = pte_int(b, 5), length = pte_int(b, 0);
    pte_kernel(b, "aten::max.dim_max", IDS(x, n, y, i, both));
    pte_kernel(b, "executorch_prim::et_view.default", IDS(y, n, view));
    pte_kernel(b, "aten::relu_", IDS(view, view));
    pte_kernel(b, "aten::sym_size.int", IDS(view, n, length));
    pte_kernel(b, "executorch_prim::add.Scalar", IDS(length, length, length));
    pte_kernel(b, "nothing", NULL, 0);
    pte_io(b, &x, 1, IDS(view, i, length));
    inlining_expect(b, "in %0 f32[2,3]\n"
                       "0 aten::max.dim_max %0 f32[2,3], 5, (%2 f32[2,3], %3 i32[2,3]<i64)\n"
                       "1 executorch_prim::et_view.default %2 f32[2,3], 5, %5 f32[2,3]\n"
                       "2 aten::relu_ %5 f32[2,3], %6 f32[2,3]\n"
                       "3 aten::sym_size.int %6 f32[2,3], 5, ?7\n"
                       "4 executorch_prim::add.Scalar ?7, ?7, ?8\n"
                       "5 nothing\n"
                       "out %6 f32[2,3], %3 i32[2,3]<i64, ?8\n");
}

/* A double that an operator writes is no constant to the operators behind it. */
static void symbolic_reals(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), dim = pte_int(b, 0), size = pte_int(b, 0),
             real = pte_double(b, 0), factor = pte_double(b, 1.5), scaled = pte_double(b, 0),
             length = pte_int(b, 0);
    pte_kernel(b, "aten::sym_size.int", IDS(x, dim, size));
    pte_kernel(b, "executorch_prim::sym_float.Scalar", IDS(size, real));
    pte_kernel(b, "executorch_prim::mul.Scalar", IDS(real, factor, scaled));
    pte_kernel(b, "executorch_prim::trunc.Scalar", IDS(scaled, length));
    pte_io(b, &x, 1, &length, 1);
    inlining_expect(b, "in %0 f32[2,3]\n"
                       "0 aten::sym_size.int %0 f32[2,3], 0, ?2\n"
                       "1 executorch_prim::sym_float.Scalar ?2, ?3\n"
                       "2 executorch_prim::mul.Scalar ?3, 1.5, ?5\n"
                       "3 executorch_prim::trunc.Scalar ?5, ?6\n"
                       "out ?6\n");
}

static void symbolic_integers(void **state)
{
    (void)state;
    vkd_blob_builder *blob = blob_new();
    uint32_t in = inlining_tensor(blob, &f32, NULL), s = blob_symint(blob, 0),
             given = blob_symint(blob, 0);
    blob_op(blob, "sym_size.int", 1, IDS(in, given, s));
    blob_io(blob, IDS(in, given), &s, 1);
    size_t size;
    void *bytes = blob_finish(blob, &size);
    vkd_pte_builder *b = pte_new();
    uint32_t delegates[3];
    for (size_t i = 0; i < COUNT(delegates); i++)
        delegates[i] = pte_delegate(b, "VulkanBackend", bytes, size);
    free(bytes);
    uint32_t x = pte_tensor(b, &f32), pos = pte_tensor(b, &one), count = pte_int(b, 9),
             fixed = pte_int(b, 4);
    uint32_t a = pte_int(b, 0), c = pte_int(b, 0), d = pte_int(b, 0), y = pte_tensor(b, &f32);
    uint32_t list = pte_int_list(b, IDS(fixed, a)), plain = pte_int_list(b, IDS(fixed));
    pte_call(b, delegates[0], IDS(x, count, a));
    pte_call(b, delegates[1], IDS(x, fixed, c));
    pte_call(b, delegates[2], IDS(x, pos, d));
    pte_kernel(b, "k", IDS(x, list, plain, d, y, y));
    pte_io(b, IDS(x, pos, count), &y, 1);
    inlining_expect(b, "in %0 f32[2,3], %11 i32[]<i64, ?3\n"
                       "1 sym_size.int %0 f32[2,3], ?3, ?1\n"
                       "1 sym_size.int %0 f32[2,3], 4, ?5\n"
                       "2 aten::_local_scalar_dense %11 i32[]<i64, ?12\n"
                       "1 sym_size.int %0 f32[2,3], ?12, ?9\n"
                       "3 k %0 f32[2,3], (4, ?1), (4), ?9, %15 f32[2,3]\n"
                       "out %15 f32[2,3]\n");
}

static void moves_are_names(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), z = pte_tensor(b, &f32),
             n = pte_int(b, 3), m = pte_int(b, 0), l = pte_int_list(b, &n, 1),
             k = pte_int_list(b, NULL, 0);
    pte_kernel(b, "a", IDS(x, y, y));
    pte_move(b, y, z);
    pte_move(b, n, m);
    pte_move(b, l, k);
    pte_kernel(b, "b", IDS(z, m, k, y, y)); /* y is another value from here on, z not */
    pte_kernel(b, "c", IDS(z, y, x, x));
    pte_io(b, &x, 1, IDS(y, z, x));
    inlining_expect(b, "in %0 f32[2,3]\n"
                       "0 a %0 f32[2,3], %1 f32[2,3]\n"
                       "4 b %1 f32[2,3], 3, (3), %4 f32[2,3]\n"
                       "5 c %1 f32[2,3], %4 f32[2,3], %5 f32[2,3]\n"
                       "out %4 f32[2,3], %1 f32[2,3], %5 f32[2,3]\n");
}

/* ---------------------------------------------------------------------------------------- views */

/* No step writes a view that the exporter dropped: it is in the place of what it views, whatever
 * that was last. */
static void dropped_views(void **state)
{
    (void)state;
    static const vkd_tensor_info tall = {VKD_DTYPE_FLOAT32, 2, {3, 2}, 0},
                                 flat = {VKD_DTYPE_FLOAT32, 1, {6}, 0};
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), x_view = pte_tensor(b, &flat);
    pte_place(b, x);
    uint32_t y = pte_tensor(b, &f32), y_view = pte_tensor(b, &tall);
    pte_place(b, y);
    uint32_t z = pte_tensor(b, &f32), z_view = pte_tensor(b, &flat);
    pte_place(b, z);
    uint32_t later = pte_tensor(b, &f32), later_view = pte_tensor(b, &flat);
    pte_place(b, y); /* used again */
    pte_kernel(b, "a", IDS(x_view, y, y));
    pte_kernel(b, "b", IDS(y_view, y_view, later, later));
    pte_kernel(b, "c", IDS(later, z, z));
    pte_move(b, z, y);
    pte_kernel(b, "d", IDS(later_view, later, later));
    pte_io(b, &x, 1, IDS(z_view, later));
    inlining_expect(b, "in %0 f32[2,3]\n"
                       "0 aten.view_copy.default %0 f32[2,3], (6), %2 f32[6]\n"
                       "0 a %2 f32[6], %3 f32[2,3]\n"
                       "1 aten.view_copy.default %3 f32[2,3], (3, 2), %5 f32[3,2]\n"
                       "1 b %5 f32[3,2], %5 f32[3,2], %6 f32[2,3]\n"
                       "2 c %6 f32[2,3], %7 f32[2,3]\n"
                       "4 aten.view_copy.default %7 f32[2,3], (6), %9 f32[6]\n"
                       "4 d %9 f32[6], %10 f32[2,3]\n"
                       "5 aten.view_copy.default %7 f32[2,3], (6), %12 f32[6]\n"
                       "out %12 f32[6], %10 f32[2,3]\n");
}

/* A view of state is made anew, since state changes under it; one of a delegate's halves has
 * halves. */
static void views_of_state_and_halves(void **state)
{
    (void)state;
    static const vkd_tensor_info flat = {VKD_DTYPE_FLOAT32, 1, {6}, 0};
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), s = pte_tensor(b, &f32), s_view = pte_tensor(b, &flat);
    pte_place(b, s);
    uint32_t h = pte_tensor(b, &f32), h_view = pte_tensor(b, &flat);
    pte_place(b, h);
    uint32_t y = pte_tensor(b, &f32), null = pte_null(b);
    pte_kernel(b, "a", IDS(s_view, s, y, y));
    pte_kernel(b, "aten::copy_", IDS(s, x, null, s));
    pte_call(b, inlining_delegate(b, "halves", &f16, &f16), IDS(x, h));
    pte_kernel(b, "b", IDS(s_view, h_view, y, y));
    pte_io(b, &x, 1, &y, 1);
    inlining_expect(
        b,
        "in %4 f32[2,3]\n"
        "0 aten.view_copy.default %0 f32[2,3]!, (6), %2 f32[6]\n"
        "0 a %2 f32[6], %0 f32[2,3]!, %3 f32[2,3]\n"
        "1 aten::copy_ %0 f32[2,3]!, %4 f32[2,3], -, %0 f32[2,3]!\n"
        "2 dim_order_ops._to_dim_order_copy.default %4 f32[2,3], -, -, -, -, -, -, %10 f16[2,3]\n"
        "40 halves %10 f16[2,3], (%6 f32[3]=, %10 f16[2,3]), %8 f16[2,3]\n"
        "3 aten.view_copy.default %0 f32[2,3]!, (6), %12 f32[6]\n"
        "3 aten.view_copy.default %8 f16[2,3], (6), %14 f16[6]<f32\n"
        "3 dim_order_ops._to_dim_order_copy.default %14 f16[6]<f32, -, -, -, -, -, -, %15 f32[6]\n"
        "3 b %12 f32[6], %15 f32[6], %16 f32[2,3]\n"
        "out %16 f32[2,3]\n");
}

static void what_is_no_view(void **state)
{
    (void)state;
    static const vkd_tensor_info short_row = {VKD_DTYPE_FLOAT32, 1, {5}, 0},
                                 ints = {VKD_DTYPE_INT32, 1, {6}, 0};
    const vkd_tensor_info *infos[] = {&short_row, &ints};
    for (size_t i = 0; i < COUNT(infos); i++) {
        vkd_pte_builder *b = pte_new();
        uint32_t x = pte_tensor(b, &f32), view = pte_tensor(b, infos[i]);
        pte_place(b, x);
        uint32_t z = pte_tensor(b, &f32);
        pte_kernel(b, "a", IDS(view, z, z));
        pte_io(b, &x, 1, &z, 1);
        inlining_expect_refused(b, VKD_INVALID_MODEL,
                                "step 0 reads value 1, which nothing has written before");
    }
}

/* -------------------------------------------------------------------------------------- borders */

/* int64 outside is int32 inside; an input and an output that only a delegate of halves sees are
 * converted by the host. */
static void the_host_converts_at_the_ends(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &i64), h = pte_tensor(b, &f32), u = pte_tensor(b, &i64),
             v = pte_tensor(b, &f32), w = pte_tensor(b, &f32);
    pte_call(b, inlining_delegate(b, "ints", &i32, &i32), IDS(x, u));
    pte_call(b, inlining_delegate(b, "halves", &f16, &f16), IDS(h, v));
    pte_call(b, inlining_delegate(b, "halves", &f16, &f16), IDS(h, w));
    pte_io(b, IDS(x, h), IDS(u, v, w));
    inlining_expect(b,
                    "in %1 i32[2,3]<i64, %5 f16[2,3]<f32\n"
                    "40 ints %1 i32[2,3]<i64, (%0 f32[3]=, %1 i32[2,3]<i64), %2 i32[2,3]<i64\n"
                    "40 halves %5 f16[2,3]<f32, (%4 f32[3]=, %5 f16[2,3]<f32), %6 f16[2,3]<f32\n"
                    "40 halves %5 f16[2,3]<f32, (%8 f32[3]=, %5 f16[2,3]<f32), %10 f16[2,3]<f32\n"
                    "out %2 i32[2,3]<i64, %6 f16[2,3]<f32, %10 f16[2,3]<f32\n");
}

static void casts_at_borders(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32), z = pte_tensor(b, &f32),
             k = pte_tensor(b, &f32);
    /* x is read by k too, which wants all of its bits */
    pte_call(b, inlining_delegate(b, "a", &f16, &f16), IDS(x, y));
    /* nothing is lost from half to half */
    pte_call(b, inlining_delegate(b, "b", &f16, &f16), IDS(y, z));
    pte_kernel(b, "k", IDS(x, y, k, k));
    pte_io(b, &x, 1, IDS(z, k));
    inlining_expect(
        b,
        "in %4 f32[2,3]\n"
        "0 dim_order_ops._to_dim_order_copy.default %4 f32[2,3], -, -, -, -, -, -, %6 f16[2,3]\n"
        "40 a %6 f16[2,3], (%0 f32[3]=, %6 f16[2,3]), %2 f16[2,3]\n"
        "40 b %2 f16[2,3], (%7 f32[3]=, %2 f16[2,3]), %9 f16[2,3]<f32\n"
        "2 dim_order_ops._to_dim_order_copy.default %2 f16[2,3], -, -, -, -, -, -, %11 f32[2,3]\n"
        "2 k %4 f32[2,3], %11 f32[2,3], %12 f32[2,3]\n"
        "out %9 f16[2,3]<f32, %12 f32[2,3]\n");
}

/* An output of the method is a reader, which wants the input as it is. */
static void an_input_that_is_an_output_is_not_rounded(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32), y = pte_tensor(b, &f32);
    pte_call(b, inlining_delegate(b, "a", &f16, &f16), IDS(x, y));
    pte_io(b, &x, 1, IDS(x, y));
    inlining_expect(
        b, "in %4 f32[2,3]\n"
           "0 dim_order_ops._to_dim_order_copy.default %4 f32[2,3], -, -, -, -, -, -, %6 f16[2,3]\n"
           "40 a %6 f16[2,3], (%0 f32[3]=, %6 f16[2,3]), %2 f16[2,3]<f32\n"
           "out %4 f32[2,3], %2 f16[2,3]<f32\n");
}

static void bounds_and_orders(void **state)
{
    (void)state;
    vkd_pte_builder *b = pte_new();
    uint32_t x = pte_tensor(b, &f32);
    pte_dynamic(b);
    /* of an output: the host turns it */
    uint32_t y = pte_tensor(b, &f32), z = pte_tensor(b, &turned);
    pte_dynamic(b);
    pte_call(b, inlining_delegate(b, "a", &f32, &f32), IDS(x, y));
    pte_kernel(b, "k", IDS(y, z, z));
    pte_io(b, &x, 1, &z, 1);
    inlining_expect(b, "in %1 f32[2,3...]\n"
                       "40 a %1 f32[2,3...], (%0 f32[3]=, %1 f32[2,3...]), %2 f32[2,3]\n"
                       "1 k %2 f32[2,3], %4 f32[2,3...]\n"
                       "out %4 f32[2,3...]\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_delegate_is_its_blob),
        cmocka_unit_test(sample_models_are_their_blobs),
        cmocka_unit_test(delegates_and_a_kernel_between),
        cmocka_unit_test(ends_of_every_kind),
        cmocka_unit_test(arguments_of_every_kind),
        cmocka_unit_test(results),
        cmocka_unit_test(symbolic_reals),
        cmocka_unit_test(symbolic_integers),
        cmocka_unit_test(moves_are_names),
        cmocka_unit_test(dropped_views),
        cmocka_unit_test(views_of_state_and_halves),
        cmocka_unit_test(what_is_no_view),
        cmocka_unit_test(the_host_converts_at_the_ends),
        cmocka_unit_test(casts_at_borders),
        cmocka_unit_test(an_input_that_is_an_output_is_not_rounded),
        cmocka_unit_test(bounds_and_orders),
    };
    return cmocka_run_group_tests_name("inline", tests, NULL, NULL);
}
