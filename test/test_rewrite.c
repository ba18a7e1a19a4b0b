/* The rewrites over hand-made models: what they change, and what they must leave alone. */
#include "graph/rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

enum { MAX = 64 };

typedef struct fixture {
    vkd_context context;
    vkd_arena arena;
    vkd_model_value values[MAX];
    vkd_model_op ops[MAX];
    uint32_t args[MAX][8], outputs[4];
    vkd_model model;
} fixture;

static void start(fixture *f)
{
    memset(f, 0, sizeof *f);
    vkd_context_init(&f->context, NULL);
    vkd_arena_init(&f->arena, &f->context);
    f->model = (vkd_model){.values = f->values, .ops = f->ops, .outputs = f->outputs};
}

static uint32_t add_value(fixture *f, vkd_model_value value)
{
    f->values[f->model.value_count] = value;
    return (uint32_t)f->model.value_count++;
}

static uint32_t tensor4(fixture *f, vkd_dtype dtype, uint32_t h)
{
    return add_value(f, (vkd_model_value){.kind = VKD_VALUE_TENSOR,
                                          .tensor = {.dtype = dtype, .rank = 4, .dims = {1, 8, h, h}, .size = 8 * h * h}});
}

static uint32_t number(fixture *f, double d) { return add_value(f, (vkd_model_value){.kind = VKD_VALUE_DOUBLE, .d = d}); }
static uint32_t integer(fixture *f, int64_t i) { return add_value(f, (vkd_model_value){.kind = VKD_VALUE_INT, .i = i}); }
static uint32_t null(fixture *f) { return add_value(f, (vkd_model_value){.kind = VKD_VALUE_NULL}); }

static uint32_t ints(fixture *f, const int64_t *items, size_t count)
{
    return add_value(f, (vkd_model_value){.kind = VKD_VALUE_INT_LIST, .list = {.count = count, .ints = items}});
}

static void op(fixture *f, const char *name, size_t count, const uint32_t *args)
{
    size_t i = f->model.op_count++;
    memcpy(f->args[i], args, count * sizeof *args);
    f->ops[i] = (vkd_model_op){.name = name, .node_id = (uint32_t)i, .arg_count = count, .args = f->args[i]};
}
#define OP(f, name, ...) op(f, name, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static void quantize(fixture *f, uint32_t x, double scale, int64_t zero, uint32_t y)
{
    OP(f, "quantized_decomposed.quantize_per_tensor.default", x, number(f, scale), integer(f, zero), integer(f, -128),
       integer(f, 127), null(f), y);
}

static void dequantize(fixture *f, uint32_t x, double scale, int64_t zero, uint32_t y)
{
    OP(f, "quantized_decomposed.dequantize_per_tensor.default", x, number(f, scale), integer(f, zero), integer(f, -128),
       integer(f, 127), null(f), null(f), y);
}

static void output(fixture *f, uint32_t value) { f->outputs[f->model.output_count++] = value; }

static void rewrite(fixture *f) { assert_int_equal(vkd_rewrite(&f->model, &f->arena), VKD_OK); }

static void test_clones_vanish(void **state)
{
    fixture f;
    (void)state;
    start(&f);
    uint32_t a = tensor4(&f, VKD_DTYPE_INT8, 4), b = tensor4(&f, VKD_DTYPE_INT8, 4), c = tensor4(&f, VKD_DTYPE_INT8, 4);
    uint32_t y = tensor4(&f, VKD_DTYPE_INT8, 4);
    OP(&f, "aten.clone.default", a, null(&f), b);
    OP(&f, "aten.clone.default", b, null(&f), c);
    OP(&f, "some.op", c, y);
    output(&f, y);
    rewrite(&f);
    assert_int_equal(f.model.op_count, 1);
    assert_int_equal(f.model.ops[0].args[0], a);
    vkd_arena_release(&f.arena);
}

static void test_clone_of_an_output_stays(void **state)
{
    fixture f;
    (void)state;
    start(&f);
    uint32_t a = tensor4(&f, VKD_DTYPE_INT8, 4), b = tensor4(&f, VKD_DTYPE_INT8, 4);
    OP(&f, "aten.clone.default", a, null(&f), b);
    output(&f, b);
    rewrite(&f);
    assert_int_equal(f.model.op_count, 1);
    assert_string_equal(f.model.ops[0].name, "aten.clone.default");
    vkd_arena_release(&f.arena);
}

/* dequantize -> pool -> quantize; scales and readers vary. */
static void pool_model(fixture *f, double y_scale, bool indices_wanted, bool floats_wanted)
{
    static const int64_t three[] = {3, 3}, two[] = {2, 2}, one[] = {1, 1};
    static uint32_t results[2];
    start(f);
    uint32_t x = tensor4(f, VKD_DTYPE_INT8, 8), xf = tensor4(f, VKD_DTYPE_FLOAT32, 8), yf = tensor4(f, VKD_DTYPE_FLOAT32, 4);
    uint32_t index = tensor4(f, VKD_DTYPE_INT32, 4), y = tensor4(f, VKD_DTYPE_INT8, 4);
    results[0] = yf, results[1] = index;
    uint32_t list = add_value(f, (vkd_model_value){.kind = VKD_VALUE_VALUE_LIST, .list = {.count = 2, .values = results}});
    dequantize(f, x, 0.5, 3, xf);
    OP(f, "aten.max_pool2d_with_indices.default", xf, ints(f, three, 2), ints(f, two, 2), ints(f, one, 2), ints(f, one, 2),
       integer(f, 0), list);
    quantize(f, yf, y_scale, 3, y);
    output(f, y);
    if (indices_wanted)
        output(f, index);
    if (floats_wanted)
        output(f, yf);
    rewrite(f);
}

static void test_int8_max_pool(void **state)
{
    fixture f;
    (void)state;
    pool_model(&f, 0.5, false, false);
    assert_int_equal(f.model.op_count, 1);
    assert_int_equal(f.model.ops[0].args[0], 0);
    assert_int_equal(f.model.ops[0].args[6], f.outputs[0]);
    vkd_arena_release(&f.arena);
    pool_model(&f, 0.25, false, false); /* other parameters: two roundings, not exact */
    assert_int_equal(f.model.op_count, 3);
    vkd_arena_release(&f.arena);
    pool_model(&f, 0.5, true, false);
    assert_int_equal(f.model.op_count, 3);
    vkd_arena_release(&f.arena);
    pool_model(&f, 0.5, false, true);
    assert_int_equal(f.model.op_count, 3);
    vkd_arena_release(&f.arena);
}

static void mean_model(fixture *f, const int64_t *dims, size_t count)
{
    static const int64_t flat[] = {1, 8};
    start(f);
    uint32_t x = tensor4(f, VKD_DTYPE_INT8, 7), xf = tensor4(f, VKD_DTYPE_FLOAT32, 7), m = tensor4(f, VKD_DTYPE_FLOAT32, 1);
    vkd_model_value two = {.kind = VKD_VALUE_TENSOR, .tensor = {.dtype = VKD_DTYPE_FLOAT32, .rank = 2, .dims = {1, 8}, .size = 32}};
    uint32_t v = add_value(f, two);
    two.tensor.dtype = VKD_DTYPE_INT8;
    uint32_t y = add_value(f, two);
    dequantize(f, x, 0.5, 3, xf);
    OP(f, "aten.mean.dim", xf, ints(f, dims, count), integer(f, 1), null(f), m);
    OP(f, "aten.view_copy.default", m, ints(f, flat, 2), v);
    quantize(f, v, 0.25, -7, y);
    output(f, y);
    rewrite(f);
}

static void test_int8_mean_through_view(void **state)
{
    static const int64_t pixels[] = {-1, -2}, channels[] = {1}, rows[] = {2};
    fixture f;
    (void)state;
    mean_model(&f, pixels, 2);
    assert_int_equal(f.model.op_count, 2);
    assert_string_equal(f.model.ops[0].name, "vkd.q8_mean");
    assert_int_equal(f.model.ops[0].args[0], 0);
    assert_string_equal(f.model.ops[1].name, "aten.view_copy.default");
    assert_int_equal(f.model.ops[1].args[0], f.model.ops[0].args[5]);
    assert_int_equal(f.model.ops[1].args[2], f.outputs[0]);
    vkd_arena_release(&f.arena);
    mean_model(&f, channels, 1);
    assert_int_equal(f.model.op_count, 4);
    vkd_arena_release(&f.arena);
    mean_model(&f, rows, 1);
    assert_int_equal(f.model.op_count, 4);
    vkd_arena_release(&f.arena);
}

static void test_dead_chains_are_dropped(void **state)
{
    fixture f;
    (void)state;
    start(&f);
    uint32_t a = tensor4(&f, VKD_DTYPE_INT8, 4), b = tensor4(&f, VKD_DTYPE_INT8, 4), c = tensor4(&f, VKD_DTYPE_INT8, 4);
    uint32_t y = tensor4(&f, VKD_DTYPE_INT8, 4);
    OP(&f, "some.op", a, b);
    OP(&f, "some.op", b, c);
    OP(&f, "some.op", a, y);
    output(&f, y);
    rewrite(&f);
    assert_int_equal(f.model.op_count, 1);
    assert_int_equal(f.model.ops[0].args[1], y);
    vkd_arena_release(&f.arena);
}

/* An op that reads what only a later one writes is no chain; the rewriter must leave such files to the lowering. */
static void test_wrong_order_is_left_alone(void **state)
{
    static const int64_t flat[] = {1, 8, 4, 4};
    fixture f;
    (void)state;
    start(&f);
    uint32_t a = tensor4(&f, VKD_DTYPE_FLOAT32, 4), v = tensor4(&f, VKD_DTYPE_FLOAT32, 4), y = tensor4(&f, VKD_DTYPE_INT8, 4);
    quantize(&f, v, 0.25, 0, y);
    OP(&f, "aten.view_copy.default", a, ints(&f, flat, 4), v);
    output(&f, y);
    rewrite(&f);
    assert_int_equal(f.model.op_count, 2);
    assert_int_equal(f.model.ops[0].args[0], v);
    vkd_arena_release(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clones_vanish),
        cmocka_unit_test(test_clone_of_an_output_stays),
        cmocka_unit_test(test_int8_max_pool),
        cmocka_unit_test(test_int8_mean_through_view),
        cmocka_unit_test(test_dead_chains_are_dropped),
        cmocka_unit_test(test_wrong_order_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
