/* The rewrites over hand-made models: what vanishes, what becomes a table or a chain, and what they
 * must leave alone. Int8 and fusions: test_rewrite_int8.c, test_rewrite_fuse.c. */
#include "graph/chain.h"
#include "support/rewriting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

static void test_clones_vanish(void **state)
{
    rewriting f;
    (void)state;
    rw_begin(&f);
    uint32_t a = rw_tensor4(&f, VKD_DTYPE_INT8, 4), b = rw_tensor4(&f, VKD_DTYPE_INT8, 4),
             c = rw_tensor4(&f, VKD_DTYPE_INT8, 4);
    uint32_t y = rw_tensor4(&f, VKD_DTYPE_INT8, 4);
    RW_OP(&f, "aten.clone.default", a, rw_null(&f), b);
    RW_OP(&f, "aten.clone.default", b, rw_null(&f), c);
    RW_OP(&f, "some.op", c, y);
    rw_output(&f, y);
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 1);
    assert_int_equal(RW_ARGS(view_args, &f, 0)->x, a);
    vkd_arena_release(&f.arena);
}

static void test_clone_of_an_output_stays(void **state)
{
    rewriting f;
    (void)state;
    rw_begin(&f);
    uint32_t a = rw_tensor4(&f, VKD_DTYPE_INT8, 4), b = rw_tensor4(&f, VKD_DTYPE_INT8, 4);
    RW_OP(&f, "aten.clone.default", a, rw_null(&f), b);
    rw_output(&f, b);
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 1);
    assert_string_equal(rw_call(&f, 0)->name, "aten.clone.default");
    vkd_arena_release(&f.arena);
}

/* ------------------------------------------------------------------------------------ constants */

/* A number that is a constant is part of a chain; one that is a state is read by its operator. */
static void test_states_are_no_numbers(void **state)
{
    (void)state;
    for (int is_state = 0; is_state < 2; is_state++) {
        static const float two = 2;
        rewriting f;
        rw_begin(&f);
        uint32_t x = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 sum = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 y = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 scalar = rw_value(&f, (vkd_model_value){.kind = VKD_VALUE_TENSOR,
                                                         .tensor = {.dtype = VKD_DTYPE_FLOAT32,
                                                                    .rank = 1,
                                                                    .dims = {1},
                                                                    .data = &two,
                                                                    .size = sizeof two,
                                                                    .state = is_state}});
        RW_OP(&f, "aten.add.Tensor", x, scalar, rw_int(&f, 1), sum);
        RW_OP(&f, "aten.relu.default", sum, y);
        rw_output(&f, y);
        rw_rewrite_without(&f, 0);
        assert_int_equal(f.net.call_count, 1 + is_state);
        vkd_arena_release(&f.arena);
    }
}

static uint32_t constant_of(rewriting *f, vkd_dtype dtype, uint32_t rank, const uint32_t *dims,
                            const void *data)
{
    vkd_model_value value = {.kind = VKD_VALUE_TENSOR,
                             .tensor = {.dtype = dtype, .rank = rank, .data = data}};
    memcpy(value.tensor.dims, dims, rank * sizeof *dims);
    value.tensor.size = (size_t)vkd_dims_count(rank, dims) * vkd_dtype_size(dtype);
    return rw_value(f, value);
}

/* Rows of a table at constant places, under other dims, are a constant, unless the table is a
 * state. An index counts from the end when negative, one out of range means the nearest row. */
static void test_tables_of_constants(void **state)
{
    (void)state;
    static const float table[3][2] = {{1, 2}, {3, 4}, {5, 6}};
    static const int32_t places[4] = {2, -3, 9, -7};
    static const float expected[8] = {5, 6, 1, 2, 5, 6, 1, 2};
    for (int is_state = 0; is_state < 2; is_state++) {
        rewriting f;
        rw_begin(&f);
        const uint32_t x = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 1),
                       y = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 1),
                       rows = constant_of(&f, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){4, 2}, NULL),
                       column =
                           constant_of(&f, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, 8, 1, 1}, NULL);
        uint32_t index = constant_of(&f, VKD_DTYPE_INT32, 1, (uint32_t[]){4}, places);
        const uint32_t from = constant_of(&f, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){3, 2}, table),
                       list =
                           rw_value(&f, (vkd_model_value){.kind = VKD_VALUE_VALUE_LIST,
                                                          .list = {.count = 1, .values = &index}});
        f.values[from].tensor.state = is_state;
        RW_OP(&f, "aten.index.Tensor", from, list, rows);
        RW_OP(&f, "aten.view_copy.default", rows, rw_ints(&f, (int64_t[]){1, 8, 1, 1}, 4), column);
        RW_OP(&f, "some.op", column, x);
        RW_OP(&f, "some.op", x, y);
        rw_output(&f, y);
        rw_rewrite(&f);
        assert_int_equal(f.net.call_count, is_state ? 4 : 2);
        const float *found = f.net.values[column].tensor.data;
        if (is_state)
            assert_null(found);
        else
            assert_memory_equal(found, expected, sizeof expected);
        vkd_arena_release(&f.arena);
    }
}

/* --------------------------------------------------------------------------------------- chains */

static void test_dead_chains_are_dropped(void **state)
{
    rewriting f;
    (void)state;
    rw_begin(&f);
    uint32_t a = rw_tensor4(&f, VKD_DTYPE_INT8, 4), b = rw_tensor4(&f, VKD_DTYPE_INT8, 4),
             c = rw_tensor4(&f, VKD_DTYPE_INT8, 4);
    uint32_t y = rw_tensor4(&f, VKD_DTYPE_INT8, 4);
    RW_OP(&f, "some.op", a, b);
    RW_OP(&f, "some.op", b, c);
    RW_OP(&f, "some.op", a, y);
    rw_output(&f, y);
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 1);
    assert_int_equal(RW_ARGS(view_args, &f, 0)->y, y);
    vkd_arena_release(&f.arena);
}

/* add(hardswish(dequantize(x)), second), with the ids of the values: 0 .. 4 and second. */
static void chain_model(rewriting *f)
{
    rw_begin(f);
    uint32_t x = rw_tensor4(f, VKD_DTYPE_INT8, 4), real = rw_tensor4(f, VKD_DTYPE_FLOAT32, 4),
             bent = rw_tensor4(f, VKD_DTYPE_FLOAT32, 4),
             other = rw_tensor4(f, VKD_DTYPE_FLOAT32, 4), sum = rw_tensor4(f, VKD_DTYPE_FLOAT32, 4);
    rw_dequantize(f, x, 0.5, 3, real);
    RW_OP(f, "aten.hardswish.default", real, bent);
    RW_OP(f, "aten.add.Tensor", bent, other, rw_int(f, 1), sum);
    rw_output(f, sum);
}

static void test_chains(void **state)
{
    rewriting f;
    (void)state;
    chain_model(&f);
    rw_rewrite_without(&f, 0);
    assert_int_equal(f.net.call_count, 1);
    const chain_args *chain = RW_ARGS(chain_args, &f, 0);
    assert_string_equal(rw_call(&f, 0)->name, "vkd.dequantize+hardswish+add");
    assert_int_equal(chain->x[0], 0);
    assert_int_equal(chain->x[1], 3);
    assert_int_equal(chain->x[2], VKD_NO_VALUE);
    assert_true(chain->x_scales[0].scale == 0.5f && chain->x_scales[0].zero == 3);
    assert_int_equal(chain->step_count, 2);
    assert_int_equal(chain->steps[1].a, CHAIN_INPUTS);
    assert_int_equal(chain->steps[1].b, 1);
    vkd_arena_release(&f.arena);
}

static void test_chains_end_at_other_readers(void **state)
{
    rewriting f;
    (void)state;
    chain_model(&f);
    rw_output(&f, 1); /* what is dequantized is read again, it is not worth a tensor */
    rw_rewrite_without(&f, 0);
    assert_int_equal(f.net.call_count, 2);
    assert_int_equal(RW_ARGS(chain_args, &f, 1)->step_count, 2);
    vkd_arena_release(&f.arena);

    chain_model(&f);
    rw_output(&f, 2);
    rw_rewrite_without(&f, 0);
    assert_int_equal(f.net.call_count, 2);
    assert_string_equal(rw_call(&f, 0)->name, "vkd.dequantize+hardswish");
    assert_string_equal(rw_call(&f, 1)->name, "aten.add.Tensor");
    vkd_arena_release(&f.arena);
}

/* The same dequantize twice is once; another one is another one. */
static void test_repeated_dequantize(void **state)
{
    (void)state;
    for (int other = 0; other < 2; other++) {
        rewriting f;
        rw_begin(&f);
        uint32_t x = rw_tensor4(&f, VKD_DTYPE_INT8, 4), a = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 b = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4), y = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4);
        rw_dequantize(&f, x, 0.5, 3, a);
        rw_dequantize(&f, x, 0.5, other ? 4 : 3, b);
        RW_OP(&f, "aten.minimum.default", a, b, y);
        rw_output(&f, y);
        rw_rewrite_without(&f, VKD_REWRITE_CHAINS);
        assert_int_equal(f.net.call_count, other ? 3 : 2);
        vkd_arena_release(&f.arena);
    }
}

/* When a state is read says what is read. */
static void test_chains_read_states_in_time(void **state)
{
    rewriting f;
    (void)state;
    chain_model(&f);
    f.values[0].tensor.state = true;
    rw_rewrite_without(&f, 0);
    assert_int_equal(f.net.call_count, 2);
    assert_string_equal(rw_call(&f, 0)->name, "quantized_decomposed.dequantize_per_tensor.default");
    vkd_arena_release(&f.arena);
}

/* An op that reads what only a later one writes is no chain; the rewriter must leave such files to
 * the lowering. */
static void test_wrong_order_is_left_alone(void **state)
{
    static const int64_t flat[] = {1, 8, 4, 4};
    rewriting f;
    (void)state;
    rw_begin(&f);
    uint32_t a = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4), v = rw_tensor4(&f, VKD_DTYPE_FLOAT32, 4),
             y = rw_tensor4(&f, VKD_DTYPE_INT8, 4);
    rw_quantize(&f, v, 0.25, 0, y);
    RW_OP(&f, "aten.view_copy.default", a, rw_ints(&f, flat, 4), v);
    rw_output(&f, y);
    rw_rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    assert_int_equal(RW_ARGS(quantize_args, &f, 0)->x, v);
    vkd_arena_release(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clones_vanish),
        cmocka_unit_test(test_clone_of_an_output_stays),
        cmocka_unit_test(test_states_are_no_numbers),
        cmocka_unit_test(test_tables_of_constants),
        cmocka_unit_test(test_dead_chains_are_dropped),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_chains_end_at_other_readers),
        cmocka_unit_test(test_repeated_dequantize),
        cmocka_unit_test(test_chains_read_states_in_time),
        cmocka_unit_test(test_wrong_order_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
