/* The rewrites over hand-made models: what becomes part of a convolution or of a linear layer, and
 * what stays behind it. */
#include "graph/chain.h"
#include "support/rewriting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

/* --------------------------------------------------------------------------------- convolutions */

/* Adds a convolution that makes value 0, in front of what is there; gives what it reads. */
static uint32_t add_convolution(rewriting *f, const char *name)
{
    static const int64_t ones[] = {1, 1};
    uint32_t source = rw_tensor4(f, VKD_DTYPE_INT8, 4), constant = rw_constant(f),
             one = rw_int(f, 1);
    uint32_t scale = rw_number(f, 0.5), pair = rw_ints(f, ones, 2), none = rw_string(f, "none");
    const uint32_t args[] = {source, scale,        one,      constant, constant, constant,
                             scale,  rw_int(f, 3), constant, pair,     pair,     pair,
                             pair,   one,          none,     0};
    rw_op(f, name, 16, args);
    vkd_model_op conv = f->ops[f->model.op_count - 1]; /* appended last, but it comes first */
    memmove(f->ops + 1, f->ops, (f->model.op_count - 1) * sizeof conv);
    f->ops[0] = conv;
    return source;
}

/* A convolution whose result only the clamp reads takes the clamp over: no dead reader may be in
 * the way. */
static void test_clamp_joins_a_convolution(void **state)
{
    static const char *const convs[][2] = {{"et_vk.q8ta_conv2d_pw.default", "vkd.q8_conv2d"},
                                           {"et_vk.q8ta_conv2d_dw.default", "vkd.q8_conv2d_dw"}};
    (void)state;
    for (int i = 0; i < 2; i++) {
        rewriting f;
        const rw_clamp_case c = {"aten.hardtanh.default", 0, 6, {0.5f, 3}};
        rw_clamp_model(&f, &c, 0.5);
        uint32_t source = add_convolution(&f, convs[i][0]);
        rw_rewrite(&f);
        assert_int_equal(f.net.call_count, 1);
        assert_string_equal(rw_call(&f, 0)->name, convs[i][1]);
        const conv_args *joined = RW_ARGS(conv_args, &f, 0);
        assert_true(joined->x == source && joined->y == f.outputs[0] &&
                    joined->fused.residual == VKD_NO_VALUE);
        assert_int_equal(joined->fused.low, 3);
        assert_int_equal(joined->fused.high, 15);
        vkd_arena_release(&f.arena);
    }
}

/* The second of two clamps joins the first one's bounds only where both have values in common: else
 * it has the last word. */
static void test_clamps_apart_do_not_join(void **state)
{
    static const struct {
        int64_t low, high;
        size_t ops;
        int64_t both_low, both_high;
    } cases[] = {{-20, 5, 1, 0, 5},   {8, 100, 1, 8, 10},  {10, 100, 1, 10, 10}, {-20, 0, 1, 0, 0},
                 {11, 100, 2, 0, 10}, {-20, -1, 2, 0, 10}, {-128, 127, 1, 0, 10}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rewriting f;
        rw_begin(&f);
        uint32_t x = rw_tensor4(&f, VKD_DTYPE_INT8, 4), first = rw_tensor4(&f, VKD_DTYPE_INT8, 4);
        uint32_t second = rw_tensor4(&f, VKD_DTYPE_INT8, 4);
        RW_OP(&f, "vkd.q8_clamp", x, rw_int(&f, 0), rw_int(&f, 10), first);
        RW_OP(&f, "vkd.q8_clamp", first, rw_int(&f, cases[i].low), rw_int(&f, cases[i].high),
              second);
        rw_output(&f, second);
        add_convolution(&f, "et_vk.q8ta_conv2d.default");
        rw_rewrite(&f);
        assert_int_equal(f.net.call_count, cases[i].ops);
        assert_int_equal(RW_ARGS(conv_args, &f, 0)->fused.low, cases[i].both_low);
        assert_int_equal(RW_ARGS(conv_args, &f, 0)->fused.high, cases[i].both_high);
        vkd_arena_release(&f.arena);
    }
}

/* A residual has the result's shape; what broadcasts is added by itself. */
static void test_addition_joins_a_convolution(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) { /* the convolution second; another shape */
        rewriting f;
        rw_begin(&f);
        uint32_t conv = rw_tensor4(&f, VKD_DTYPE_INT8, 4),
                 other = rw_tensor4(&f, VKD_DTYPE_INT8, which & 2 ? 1 : 4);
        uint32_t y = rw_tensor4(&f, VKD_DTYPE_INT8, 4), scale = rw_number(&f, 0.5),
                 zero = rw_int(&f, 3), half = rw_number(&f, 0.25);
        uint32_t seven = rw_int(&f, 7), one = rw_number(&f, 1);
        if (which & 1)
            RW_OP(&f, "et_vk.q8ta_add.default", other, conv, half, seven, scale, zero, one, zero,
                  one, y);
        else
            RW_OP(&f, "et_vk.q8ta_add.default", conv, other, scale, zero, half, seven, one, zero,
                  one, y);
        rw_output(&f, y);
        add_convolution(&f, "et_vk.q8ta_conv2d.default");
        rw_rewrite(&f);
        assert_int_equal(f.net.call_count, which & 2 ? 2 : 1);
        const fused_args *fused = &RW_ARGS(conv_args, &f, 0)->fused;
        if (which & 2) {
            assert_int_equal(fused->residual, VKD_NO_VALUE);
        } else {
            assert_true(fused->residual == other && fused->r_scale == 0.25f && fused->r_zero == 7);
            assert_true(fused->sum_scale == 1 && fused->sum_zero == 3 &&
                        RW_ARGS(conv_args, &f, 0)->y == y);
        }
        vkd_arena_release(&f.arena);
    }
}

/* -------------------------------------------------------------------------------- linear layers */

/* linear -> dequantize; values 0 to 2: before, the int8 result, the floats. */
static void linear_model(rewriting *f, const char *name, int64_t low)
{
    rw_begin(f);
    uint32_t x = rw_tensor4(f, VKD_DTYPE_INT8, 1), y = rw_tensor4(f, VKD_DTYPE_INT8, 1),
             real = rw_tensor4(f, VKD_DTYPE_FLOAT32, 1);
    uint32_t weight = rw_constant(f), sums = rw_constant(f), scales = rw_constant(f);
    if (!strcmp(name, "some.op"))
        RW_OP(f, name, x, y);
    else
        RW_OP(f, name, x, rw_number(f, 1), rw_int(f, 2), weight, sums, scales, rw_number(f, 6),
              rw_int(f, 7), rw_null(f), rw_string(f, "relu"), y);
    RW_OP(f, "quantized_decomposed.dequantize_per_tensor.default", y, rw_number(f, 0.25),
          rw_int(f, -7), rw_int(f, low), rw_int(f, 127), rw_null(f), rw_null(f), real);
    rw_output(f, real);
}

static void test_linear_takes_a_dequantize(void **state)
{
    static const char *const names[] = {"et_vk.q8ta_linear.default",
                                        "et_vk.q8ta_linear_gemv.default"};
    rewriting f;
    (void)state;
    for (int i = 0; i < 2; i++) {
        linear_model(&f, names[i], -128);
        rw_rewrite(&f);
        assert_int_equal(f.net.call_count, 1);
        assert_string_equal(rw_call(&f, 0)->name, "vkd.q8_linear");
        const linear_args *linear = RW_ARGS(linear_args, &f, 0);
        const requantize_args *r = &linear->requantize;
        assert_true(linear->x == 0 && linear->weight == 3 && r->weight_sums == 4 &&
                    r->weight_scales == 5);
        assert_true(r->x_scale == 1 && r->x_zero == 2 && r->y_scale == 6 && r->y_zero == 7 &&
                    r->bias == VKD_NO_VALUE);
        assert_string_equal(r->activation, "relu");
        assert_true(linear->real && linear->real_scale == 0.25f && linear->real_zero == -7);
        assert_int_equal(linear->y, f.outputs[0]);
        vkd_arena_release(&f.arena);
    }
}

static void test_other_dequantizes_stay(void **state)
{
    rewriting f;
    (void)state;
    /* not the full range: for the lowering to judge */
    linear_model(&f, "et_vk.q8ta_linear.default", -127);
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    vkd_arena_release(&f.arena);

    linear_model(&f, "et_vk.q8ta_linear.default", -128);
    rw_output(&f, 1); /* the int8 result is wanted too */
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    vkd_arena_release(&f.arena);

    linear_model(&f, "some.op", -128);
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    vkd_arena_release(&f.arena);

    linear_model(&f, "et_vk.q8ta_linear.default", -128);
    rw_rewrite_without(&f, VKD_REWRITE_FUSE_DEQUANTIZE | VKD_REWRITE_CHAINS);
    assert_int_equal(f.net.call_count, 2);
    vkd_arena_release(&f.arena);
}

/* A convolution's part of a concatenation that is quantized anew; and one dequantize for two. */
static void test_part_joins_a_convolution(void **state)
{
    (void)state;
    for (int other_reader = 0; other_reader < 2; other_reader++) {
        static uint32_t parts[2];
        rewriting f;
        rw_begin(&f);
        uint32_t y = rw_tensor4(&f, VKD_DTYPE_INT8, 4), b = rw_tensor4(&f, VKD_DTYPE_INT8, 4),
                 last = rw_tensor4(&f, VKD_DTYPE_INT8, 4),
                 all = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 again = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 sum = rw_tensor4(&f, VKD_DTYPE_INT8, 4);
        parts[0] = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4),
        parts[1] = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4);
        uint32_t list = rw_value(&f, (vkd_model_value){.kind = VKD_VALUE_VALUE_LIST,
                                                       .list = {.count = 2, .values = parts}});
        rw_dequantize(&f, y, 0.5, 3, parts[0]);
        rw_dequantize(&f, b, 0.5, 3, parts[1]);
        RW_OP(&f, "aten.cat.default", list, rw_int(&f, 1), all);
        rw_quantize(&f, all, 0.25, 0, last);
        rw_output(&f, last);
        rw_dequantize(&f, other_reader ? y : b, 0.5, 3, again);
        rw_quantize(&f, again, 0.125, 0, sum);
        rw_output(&f, sum);
        add_convolution(&f, "et_vk.q8ta_conv2d.default");
        rw_rewrite_without(&f, 0);
        assert_int_equal(f.net.call_count, 3);
        const conv_args *conv = RW_ARGS(conv_args, &f, 0);
        const cat_args *cat = RW_ARGS(cat_args, &f, 1);
        assert_true(cat->y == last && cat->parts.values[0] == y && cat->parts.values[1] == b);
        assert_int_equal(conv->fused.chain == NULL, other_reader);
        assert_int_equal(cat->tables[0] != NULL, other_reader);
        const chain_args *table = other_reader ? cat->tables[0] : conv->fused.chain;
        assert_int_equal(vkd_chain_byte(table, 7), 8);
        assert_int_equal(vkd_chain_byte(cat->tables[1], -5), -16);
        vkd_arena_release(&f.arena);
    }
}

/* What comes behind a convolution's result and is a function of it alone. */
static void test_chain_joins_a_convolution(void **state)
{
    (void)state;
    for (int other_reader = 0; other_reader < 2; other_reader++) {
        rewriting f;
        rw_begin(&f);
        uint32_t y = rw_tensor4(&f, VKD_DTYPE_INT8, 4), real = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 bent = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 last = rw_tensor4(&f, VKD_DTYPE_INT8, 4);
        rw_dequantize(&f, y, 0.5, 3, real);
        RW_OP(&f, "aten.hardswish.default", real, bent);
        rw_quantize(&f, bent, 0.25, 0, last);
        rw_output(&f, last);
        if (other_reader)
            rw_output(&f, y);
        add_convolution(&f, "et_vk.q8ta_conv2d.default");
        rw_rewrite_without(&f, 0);
        assert_int_equal(f.net.call_count, other_reader ? 2 : 1);
        const chain_args *chain = RW_ARGS(conv_args, &f, 0)->fused.chain;
        assert_int_equal(chain == NULL, other_reader);
        if (chain) {
            assert_int_equal(vkd_call_result(rw_call(&f, 0)), last);
            assert_int_equal(vkd_chain_byte(chain, 3), 0);
            assert_int_equal(vkd_chain_byte(chain, 11), 16); /* hardswish(4) = 4 */
        }
        vkd_arena_release(&f.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clamp_joins_a_convolution),
        cmocka_unit_test(test_clamps_apart_do_not_join),
        cmocka_unit_test(test_addition_joins_a_convolution),
        cmocka_unit_test(test_linear_takes_a_dequantize),
        cmocka_unit_test(test_other_dequantizes_stay),
        cmocka_unit_test(test_chain_joins_a_convolution),
        cmocka_unit_test(test_part_joins_a_convolution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
