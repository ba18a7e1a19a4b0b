/* The rewrites over hand-made models: what they change, and what they must leave alone. */
#include "graph/chain.h"
#include "graph/rewrite.h"
#include "support/open_ops.h"
#include "support/oracle.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

enum { MAX = 64 };

typedef struct fixture {
    vkd_context context;
    vkd_arena arena;
    vkd_model_value values[MAX];
    vkd_model_op ops[MAX];
    uint32_t args[MAX][24], outputs[4];
    vkd_model model;
    const vkd_op_table *tables[MAX];
    vkd_op_tables all;
    vkd_net net;
} fixture;

/* An operator of which no rule knows anything. */
static const vkd_param some_parameters[] = {VKD_TENSOR(view_args, x), VKD_OUTPUT(view_args, y),
                                            VKD_PARAMS_END};
static const vkd_op some_rows[] = {
    {.name = "some.op", .params = some_parameters, .args_size = sizeof(view_args)}};
static const vkd_op_table some_table = VKD_OP_TABLE(some_rows);

/* The struct of a call. */
#define ARGS(type, f, index) ((const type *)call_at(f, index)->args)

static void keep_quiet(void *user, vkd_log_level level, const char *message)
{
    (void)user, (void)level, (void)message;
}

static void start(fixture *f)
{
    memset(f, 0, sizeof *f);
    vkd_context_init(&f->context, &(vkd_options){.log = keep_quiet});
    vkd_arena_init(&f->arena, &f->context);
    f->model = (vkd_model){.values = f->values, .ops = f->ops, .outputs = f->outputs};
    const vkd_op_tables *known = open_ops();
    assert_true(known->count < MAX);
    memcpy(f->tables, known->tables, known->count * sizeof *f->tables);
    f->tables[known->count] = &some_table;
    f->all = (vkd_op_tables){f->tables, known->count + 1};
}

static uint32_t add_value(fixture *f, vkd_model_value value)
{
    f->values[f->model.value_count] = value;
    return (uint32_t)f->model.value_count++;
}

static uint32_t tensor4(fixture *f, vkd_dtype dtype, uint32_t h)
{
    return add_value(
        f, (vkd_model_value){
               .kind = VKD_VALUE_TENSOR,
               .tensor = {.dtype = dtype, .rank = 4, .dims = {1, 8, h, h}, .size = 8 * h * h}});
}

static uint32_t number(fixture *f, double d)
{
    return add_value(f, (vkd_model_value){.kind = VKD_VALUE_DOUBLE, .d = d});
}
static uint32_t integer(fixture *f, int64_t i)
{
    return add_value(f, (vkd_model_value){.kind = VKD_VALUE_INT, .i = i});
}
static uint32_t null(fixture *f) { return add_value(f, (vkd_model_value){.kind = VKD_VALUE_NULL}); }

static uint32_t ints(fixture *f, const int64_t *items, size_t count)
{
    return add_value(
        f, (vkd_model_value){.kind = VKD_VALUE_INT_LIST, .list = {.count = count, .ints = items}});
}

static uint32_t string(fixture *f, const char *text)
{
    return add_value(f, (vkd_model_value){.kind = VKD_VALUE_STRING, .string = text});
}

static uint32_t add_constant(fixture *f)
{
    static const int32_t data[1];
    return add_value(f, (vkd_model_value){.kind = VKD_VALUE_TENSOR,
                                          .tensor = {.dtype = VKD_DTYPE_INT32,
                                                     .rank = 1,
                                                     .dims = {1},
                                                     .data = data,
                                                     .size = sizeof data}});
}

static void op(fixture *f, const char *name, size_t count, const uint32_t *args)
{
    size_t i = f->model.op_count++;
    memcpy(f->args[i], args, count * sizeof *args);
    f->ops[i] = (vkd_model_op){
        .name = name, .node_id = (uint32_t)i, .arg_count = count, .args = f->args[i]};
}
#define OP(f, name, ...)                                                                           \
    op(f, name, sizeof((uint32_t[]){__VA_ARGS__}) / 4, (uint32_t[]){__VA_ARGS__})

static void quantize(fixture *f, uint32_t x, double scale, int64_t zero, uint32_t y)
{
    OP(f, "quantized_decomposed.quantize_per_tensor.default", x, number(f, scale), integer(f, zero),
       integer(f, -128), integer(f, 127), null(f), y);
}

static void dequantize(fixture *f, uint32_t x, double scale, int64_t zero, uint32_t y)
{
    OP(f, "quantized_decomposed.dequantize_per_tensor.default", x, number(f, scale),
       integer(f, zero), integer(f, -128), integer(f, 127), null(f), null(f), y);
}

/* NAN: null. relu has no bounds; without a name there is no operator. */
static void clamp_op(fixture *f, const char *name, uint32_t x, float low, float high, uint32_t y)
{
    if (name && !strcmp(name, "aten.relu.default"))
        OP(f, name, x, y);
    else if (name)
        OP(f, name, x, isnan(low) ? null(f) : number(f, low),
           isnan(high) ? null(f) : number(f, high), y);
}

static void output(fixture *f, uint32_t value) { f->outputs[f->model.output_count++] = value; }

static void rewrite_without(fixture *f, uint32_t skip)
{
    if (vkd_net_bind(&f->net, &f->model, &f->all, &f->arena) != VKD_OK)
        fail_msg("%s", f->context.error);
    assert_int_equal(vkd_rewrite(&f->net, skip), VKD_OK);
}

/* Chains would take what the other rules leave. */
static void rewrite(fixture *f) { rewrite_without(f, VKD_REWRITE_CHAINS); }

static const vkd_call *call_at(const fixture *f, size_t index)
{
    assert_true(index < f->net.call_count);
    return &f->net.calls[index];
}

static void test_clones_vanish(void **state)
{
    fixture f;
    (void)state;
    start(&f);
    uint32_t a = tensor4(&f, VKD_DTYPE_INT8, 4), b = tensor4(&f, VKD_DTYPE_INT8, 4),
             c = tensor4(&f, VKD_DTYPE_INT8, 4);
    uint32_t y = tensor4(&f, VKD_DTYPE_INT8, 4);
    OP(&f, "aten.clone.default", a, null(&f), b);
    OP(&f, "aten.clone.default", b, null(&f), c);
    OP(&f, "some.op", c, y);
    output(&f, y);
    rewrite(&f);
    assert_int_equal(f.net.call_count, 1);
    assert_int_equal(ARGS(view_args, &f, 0)->x, a);
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
    assert_int_equal(f.net.call_count, 1);
    assert_string_equal(call_at(&f, 0)->name, "aten.clone.default");
    vkd_arena_release(&f.arena);
}

/* dequantize -> pool -> quantize; scales and readers vary. */
static void pool_model(fixture *f, double y_scale, int64_t high, bool indices_wanted,
                       bool floats_wanted)
{
    static const int64_t three[] = {3, 3}, two[] = {2, 2}, one[] = {1, 1};
    static uint32_t results[2];
    start(f);
    uint32_t x = tensor4(f, VKD_DTYPE_INT8, 8), xf = tensor4(f, VKD_DTYPE_FLOAT32, 8),
             yf = tensor4(f, VKD_DTYPE_FLOAT32, 4);
    uint32_t index = tensor4(f, VKD_DTYPE_INT32, 4), y = tensor4(f, VKD_DTYPE_INT8, 4);
    results[0] = yf, results[1] = index;
    uint32_t list = add_value(f, (vkd_model_value){.kind = VKD_VALUE_VALUE_LIST,
                                                   .list = {.count = 2, .values = results}});
    dequantize(f, x, 0.5, 3, xf);
    OP(f, "aten.max_pool2d_with_indices.default", xf, ints(f, three, 2), ints(f, two, 2),
       ints(f, one, 2), ints(f, one, 2), integer(f, 0), list);
    OP(f, "quantized_decomposed.quantize_per_tensor.default", yf, number(f, y_scale), integer(f, 3),
       integer(f, -128), integer(f, high), null(f), y);
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
    pool_model(&f, 0.5, 127, false, false);
    assert_int_equal(f.net.call_count, 1);
    assert_int_equal(ARGS(pool_args, &f, 0)->x, 0);
    assert_int_equal(ARGS(pool_args, &f, 0)->y[0], f.outputs[0]);
    vkd_arena_release(&f.arena);
    pool_model(&f, 0.25, 127, false, false); /* other parameters: two roundings, not exact */
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);
    pool_model(&f, 0.5, 126, false, false); /* not the full range: the quantize clamps */
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);
    pool_model(&f, 0.5, 127, true, false);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);
    pool_model(&f, 0.5, 127, false, true);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);
}

enum { NO_CLAMP, HARDTANH, CLAMP, RELU };
static const char *const clamp_names[] = {NULL, "aten.hardtanh.default", "aten.clamp.default",
                                          "aten.relu.default"};

typedef struct mean_case {
    int64_t dims[2];
    size_t dim_count;
    int clamp;
    float low, high; /* NAN: null */
    uint32_t size;   /* 0: 7 */
} mean_case;

/* dequantize -> clamp -> mean -> view -> quantize; values 0 to 2: before, floats, clamped floats.
 */
static void mean_model(fixture *f, const mean_case *c)
{
    static const int64_t flat[] = {1, 8};
    uint32_t size = c->size ? c->size : 7;
    start(f);
    uint32_t x = tensor4(f, VKD_DTYPE_INT8, size), xf = tensor4(f, VKD_DTYPE_FLOAT32, size);
    uint32_t clamped = tensor4(f, VKD_DTYPE_FLOAT32, size), m = tensor4(f, VKD_DTYPE_FLOAT32, 1);
    vkd_model_value two = {
        .kind = VKD_VALUE_TENSOR,
        .tensor = {.dtype = VKD_DTYPE_FLOAT32, .rank = 2, .dims = {1, 8}, .size = 32}};
    uint32_t v = add_value(f, two);
    two.tensor.dtype = VKD_DTYPE_INT8;
    uint32_t y = add_value(f, two);
    dequantize(f, x, 0.5, 3, xf);
    clamp_op(f, clamp_names[c->clamp], xf, c->low, c->high, clamped);
    OP(f, "aten.mean.dim", c->clamp ? clamped : xf, ints(f, c->dims, c->dim_count), integer(f, 1),
       null(f), m);
    OP(f, "aten.view_copy.default", m, ints(f, flat, 2), v);
    quantize(f, v, 0.25, -7, y);
    output(f, y);
}

static void test_int8_mean_through_view(void **state)
{
    static const mean_case pixels = {{-1, -2}, 2}, channels = {{1}, 1}, rows = {{2}, 1};
    static const mean_case many = {{3, 2}, 2, .size = 1024};
    fixture f;
    (void)state;
    mean_model(&f, &pixels);
    rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    const q8_mean_args *mean = ARGS(q8_mean_args, &f, 0);
    assert_string_equal(call_at(&f, 0)->name, "vkd.q8_mean");
    assert_int_equal(call_at(&f, 0)->row->kind, VKD_OP_Q8_MEAN);
    assert_int_equal(mean->x, 0);
    assert_true(mean->x_scale == 0.5f && mean->x_zero == 3 && mean->y_scale == 0.25f &&
                mean->y_zero == -7);
    assert_true(isnan(mean->low) && isnan(mean->high));
    assert_string_equal(call_at(&f, 1)->name, "aten.view_copy.default");
    assert_int_equal(ARGS(view_args, &f, 1)->x, mean->y);
    assert_int_equal(ARGS(view_args, &f, 1)->y, f.outputs[0]);
    vkd_arena_release(&f.arena);

    const struct {
        const mean_case *c;
        size_t ops;
    } cases[] = {{&channels, 4}, {&rows, 4}, {&many, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mean_model(&f, cases[i].c);
        rewrite(&f);
        assert_int_equal(f.net.call_count, cases[i].ops);
        vkd_arena_release(&f.arena);
    }
}

static void assert_bound(float bound, float expected)
{
    assert_true(isnan(expected) ? isnan(bound) : bound == expected);
}

static void test_int8_mean_takes_a_clamp(void **state)
{
    static const mean_case cases[] = {
        {{2, 3}, 2, HARDTANH, 0, 6},     {{2, 3}, 2, CLAMP, -1.5f, 2}, {{2, 3}, 2, CLAMP, NAN, 2},
        {{2, 3}, 2, CLAMP, -1.5f, NAN},  {{2, 3}, 2, CLAMP, NAN, NAN}, {{2, 3}, 2, RELU, 0, NAN},
        {{2, 3}, 2, CLAMP, -INFINITY, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        mean_model(&f, &cases[i]);
        rewrite(&f);
        assert_int_equal(f.net.call_count, 2);
        assert_string_equal(call_at(&f, 0)->name, "vkd.q8_mean");
        assert_int_equal(ARGS(q8_mean_args, &f, 0)->x, 0);
        assert_bound(ARGS(q8_mean_args, &f, 0)->low, cases[i].low);
        assert_bound(ARGS(q8_mean_args, &f, 0)->high, cases[i].high);
        vkd_arena_release(&f.arena);
    }
}

static void test_int8_mean_leaves_odd_clamps(void **state)
{
    static const mean_case clamped = {{2, 3}, 2, HARDTANH, 0, 6};
    fixture f;
    (void)state;
    for (int bound = 1; bound <= 2; bound++)
        for (int kind = 0; kind < 2; kind++) { /* a NaN, and what is not known yet */
            mean_model(&f, &clamped);
            vkd_model_value *value = &f.values[f.args[1][bound]];
            *value = kind ? (vkd_model_value){.kind = VKD_VALUE_SYMINT}
                          : (vkd_model_value){.kind = VKD_VALUE_DOUBLE, .d = NAN};
            rewrite(&f);
            assert_int_equal(f.net.call_count, 5);
            vkd_arena_release(&f.arena);
        }
    for (uint32_t wanted = 1; wanted <= 2;
         wanted++) { /* the floats, or the clamped floats, have another reader */
        mean_model(&f, &clamped);
        output(&f, wanted);
        rewrite(&f);
        assert_int_equal(f.net.call_count, 2 + wanted);
        assert_string_equal(call_at(&f, wanted)->name, "vkd.q8_mean");
        assert_int_equal(ARGS(q8_mean_args, &f, wanted)->x, 0);
        vkd_arena_release(&f.arena);
    }
}

static void test_int8_upsampling(void **state)
{
    fixture f;
    (void)state;
    for (int equal = 0; equal < 2; equal++) {
        start(&f);
        uint32_t x = tensor4(&f, VKD_DTYPE_INT8, 4), xf = tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 yf = tensor4(&f, VKD_DTYPE_FLOAT32, 8);
        uint32_t y = tensor4(&f, VKD_DTYPE_INT8, 8);
        dequantize(&f, x, 0.5, 3, xf);
        OP(&f, "aten.upsample_nearest2d.vec", xf, null(&f), null(&f), yf);
        quantize(&f, yf, 0.5, equal ? 3 : 2, y);
        output(&f, y);
        rewrite(&f);
        assert_int_equal(f.net.call_count, equal ? 1 : 3);
        assert_int_equal(ARGS(upsample_args, &f, equal ? 0 : 1)->x, equal ? x : xf);
        assert_int_equal(vkd_call_result(call_at(&f, f.net.call_count - 1)), y);
        vkd_arena_release(&f.arena);
    }
}

/* --------------------------------------------------------------------------------------- clamps */

typedef struct clamp_case {
    const char *name;
    float low, high; /* NAN: null; hardtanh and clamp */
    oracle_q q;
} clamp_case;

/* dequantize -> clamp -> quantize */
static void clamp_model(fixture *f, const clamp_case *c, double y_scale)
{
    start(f);
    uint32_t x = tensor4(f, VKD_DTYPE_INT8, 4), xf = tensor4(f, VKD_DTYPE_FLOAT32, 4),
             yf = tensor4(f, VKD_DTYPE_FLOAT32, 4);
    uint32_t y = tensor4(f, VKD_DTYPE_INT8, 4);
    dequantize(f, x, c->q.scale, c->q.zero, xf);
    clamp_op(f, c->name, xf, c->low, c->high, yf);
    quantize(f, yf, y_scale, c->q.zero, y);
    output(f, y);
}

/* The byte clamp against the three operators that it stands for, on every int8 value. */
static void assert_same_clamp(const fixture *f, const clamp_case *c)
{
    int32_t low = ARGS(q8_clamp_args, f, 0)->low, high = ARGS(q8_clamp_args, f, 0)->high;
    for (int32_t i = -128; i < 128; i++) {
        int8_t q = (int8_t)i;
        float real;
        oracle_dequantize(&q, 1, c->q, &real);
        oracle_clamp(&real, 1, c->low, c->high, &real);
        int32_t clamped = i < low ? low : i;
        clamped = clamped > high ? high : clamped;
        if (clamped != oracle_quantize_one(real, c->q))
            fail_msg("%s of %d to %g..%g with scale %g, zero %d: %d, expected %d", c->name, i,
                     (double)c->low, (double)c->high, (double)c->q.scale, c->q.zero, clamped,
                     oracle_quantize_one(real, c->q));
    }
}

static void test_int8_clamp_is_exact(void **state)
{
    vkd_random random = random_begin("int8 clamps");
    (void)state;
    for (int i = 0; i < 3000; i++) {
        fixture f;
        clamp_case c = {clamp_names[HARDTANH + i % 3],
                        random_float(&random, -8, 3),
                        random_float(&random, -3, 8),
                        {random_float(&random, 0.0005f, 0.3f), random_range(&random, -128, 127)}};
        if (i % 7 == 0) /* halfway between two steps */
            c.low = ((float)random_range(&random, -200, 200) + 0.5f) * c.q.scale;
        if (i % 11 == 0)
            c.high = i % 2 ? INFINITY : -INFINITY;
        if (i % 3 == 1 && i % 2)
            *(i % 4 == 1 ? &c.low : &c.high) = NAN;
        if (i % 3 == 2)
            c.low = 0, c.high = NAN;
        clamp_model(&f, &c, c.q.scale);
        rewrite(&f);
        assert_int_equal(f.net.call_count, 1);
        assert_string_equal(call_at(&f, 0)->name, "vkd.q8_clamp");
        assert_int_equal(ARGS(q8_clamp_args, &f, 0)->x, 0);
        assert_int_equal(ARGS(q8_clamp_args, &f, 0)->y, f.outputs[0]);
        assert_same_clamp(&f, &c);
        vkd_arena_release(&f.arena);
    }
}

static void test_other_clamps_stay(void **state)
{
    fixture f;
    (void)state;
    const clamp_case c = {"aten.hardtanh.default", 0, 6, {0.5f, 3}};
    clamp_model(&f, &c, 0.25); /* other parameters: two roundings */
    rewrite(&f);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);

    clamp_model(&f, &c, 0.5);
    output(&f, 2); /* the clamped floats are wanted too */
    rewrite(&f);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);

    /* its reciprocal overflows */
    const clamp_case tiny = {"aten.hardtanh.default", 0, 6, {1e-39f, 3}};
    clamp_model(&f, &tiny, (double)1e-39f);
    rewrite(&f);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);

    for (int bound = 1; bound <= 2; bound++) { /* a NaN has no place among the bytes, neither has 0
                                                  times an infinite reciprocal */
        clamp_model(&f, &c, 0.5);
        f.values[f.args[1][bound]] = (vkd_model_value){.kind = VKD_VALUE_DOUBLE, .d = NAN};
        rewrite(&f);
        assert_int_equal(f.net.call_count, 3);
        vkd_arena_release(&f.arena);
    }
    const clamp_case tiniest = {"aten.clamp.default", 0, NAN, {1e-40f, 3}};
    clamp_model(&f, &tiniest, (double)1e-40f);
    rewrite(&f);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);

    clamp_model(&f, &c, 0.5);
    f.values[f.args[1][1]].kind = VKD_VALUE_SYMINT; /* no bound that we know */
    rewrite(&f);
    assert_int_equal(f.net.call_count, 3);
    vkd_arena_release(&f.arena);
}

/* A number that is a constant is part of a chain; one that is a state is read by its operator. */
static void test_states_are_no_numbers(void **state)
{
    (void)state;
    for (int is_state = 0; is_state < 2; is_state++) {
        static const float two = 2;
        fixture f;
        start(&f);
        uint32_t x = tensor4(&f, VKD_DTYPE_FLOAT32, 4), sum = tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 y = tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 scalar = add_value(&f, (vkd_model_value){.kind = VKD_VALUE_TENSOR,
                                                          .tensor = {.dtype = VKD_DTYPE_FLOAT32,
                                                                     .rank = 1,
                                                                     .dims = {1},
                                                                     .data = &two,
                                                                     .size = sizeof two,
                                                                     .state = is_state}});
        OP(&f, "aten.add.Tensor", x, scalar, integer(&f, 1), sum);
        OP(&f, "aten.relu.default", sum, y);
        output(&f, y);
        rewrite_without(&f, 0);
        assert_int_equal(f.net.call_count, 1 + is_state);
        vkd_arena_release(&f.arena);
    }
}

static uint32_t constant_of(fixture *f, vkd_dtype dtype, uint32_t rank, const uint32_t *dims,
                            const void *data)
{
    vkd_model_value value = {.kind = VKD_VALUE_TENSOR,
                             .tensor = {.dtype = dtype, .rank = rank, .data = data}};
    memcpy(value.tensor.dims, dims, rank * sizeof *dims);
    value.tensor.size = (size_t)vkd_dims_count(rank, dims) * vkd_dtype_size(dtype);
    return add_value(f, value);
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
        fixture f;
        start(&f);
        const uint32_t x = tensor4(&f, VKD_DTYPE_FLOAT32, 1), y = tensor4(&f, VKD_DTYPE_FLOAT32, 1),
                       rows = constant_of(&f, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){4, 2}, NULL),
                       column =
                           constant_of(&f, VKD_DTYPE_FLOAT32, 4, (uint32_t[]){1, 8, 1, 1}, NULL);
        uint32_t index = constant_of(&f, VKD_DTYPE_INT32, 1, (uint32_t[]){4}, places);
        const uint32_t from = constant_of(&f, VKD_DTYPE_FLOAT32, 2, (uint32_t[]){3, 2}, table),
                       list =
                           add_value(&f, (vkd_model_value){.kind = VKD_VALUE_VALUE_LIST,
                                                           .list = {.count = 1, .values = &index}});
        f.values[from].tensor.state = is_state;
        OP(&f, "aten.index.Tensor", from, list, rows);
        OP(&f, "aten.view_copy.default", rows, ints(&f, (int64_t[]){1, 8, 1, 1}, 4), column);
        OP(&f, "some.op", column, x);
        OP(&f, "some.op", x, y);
        output(&f, y);
        rewrite(&f);
        assert_int_equal(f.net.call_count, is_state ? 4 : 2);
        const float *found = f.net.values[column].tensor.data;
        if (is_state)
            assert_null(found);
        else
            assert_memory_equal(found, expected, sizeof expected);
        vkd_arena_release(&f.arena);
    }
}

/* The floats have another reader: the dequantize stays for it. */
static void test_shared_dequantize_stays(void **state)
{
    fixture f;
    (void)state;
    const clamp_case c = {"aten.hardtanh.default", 0, 6, {0.5f, 3}};
    clamp_model(&f, &c, 0.5);
    output(&f, 1);
    rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    assert_string_equal(call_at(&f, 1)->name, "vkd.q8_clamp");
    vkd_arena_release(&f.arena);
}

/* Adds a convolution that makes value 0, in front of what is there; gives what it reads. */
static uint32_t add_convolution(fixture *f, const char *name)
{
    static const int64_t ones[] = {1, 1};
    uint32_t source = tensor4(f, VKD_DTYPE_INT8, 4), constant = add_constant(f),
             one = integer(f, 1);
    uint32_t scale = number(f, 0.5), pair = ints(f, ones, 2), none = string(f, "none");
    const uint32_t args[] = {source, scale,         one,      constant, constant, constant,
                             scale,  integer(f, 3), constant, pair,     pair,     pair,
                             pair,   one,           none,     0};
    op(f, name, 16, args);
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
        fixture f;
        const clamp_case c = {"aten.hardtanh.default", 0, 6, {0.5f, 3}};
        clamp_model(&f, &c, 0.5);
        uint32_t source = add_convolution(&f, convs[i][0]);
        rewrite(&f);
        assert_int_equal(f.net.call_count, 1);
        assert_string_equal(call_at(&f, 0)->name, convs[i][1]);
        const conv_args *joined = ARGS(conv_args, &f, 0);
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
        fixture f;
        start(&f);
        uint32_t x = tensor4(&f, VKD_DTYPE_INT8, 4), first = tensor4(&f, VKD_DTYPE_INT8, 4);
        uint32_t second = tensor4(&f, VKD_DTYPE_INT8, 4);
        OP(&f, "vkd.q8_clamp", x, integer(&f, 0), integer(&f, 10), first);
        OP(&f, "vkd.q8_clamp", first, integer(&f, cases[i].low), integer(&f, cases[i].high),
           second);
        output(&f, second);
        add_convolution(&f, "et_vk.q8ta_conv2d.default");
        rewrite(&f);
        assert_int_equal(f.net.call_count, cases[i].ops);
        assert_int_equal(ARGS(conv_args, &f, 0)->fused.low, cases[i].both_low);
        assert_int_equal(ARGS(conv_args, &f, 0)->fused.high, cases[i].both_high);
        vkd_arena_release(&f.arena);
    }
}

/* A residual has the result's shape; what broadcasts is added by itself. */
static void test_addition_joins_a_convolution(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) { /* the convolution second; another shape */
        fixture f;
        start(&f);
        uint32_t conv = tensor4(&f, VKD_DTYPE_INT8, 4),
                 other = tensor4(&f, VKD_DTYPE_INT8, which & 2 ? 1 : 4);
        uint32_t y = tensor4(&f, VKD_DTYPE_INT8, 4), scale = number(&f, 0.5), zero = integer(&f, 3),
                 half = number(&f, 0.25);
        uint32_t seven = integer(&f, 7), one = number(&f, 1);
        if (which & 1)
            OP(&f, "et_vk.q8ta_add.default", other, conv, half, seven, scale, zero, one, zero, one,
               y);
        else
            OP(&f, "et_vk.q8ta_add.default", conv, other, scale, zero, half, seven, one, zero, one,
               y);
        output(&f, y);
        add_convolution(&f, "et_vk.q8ta_conv2d.default");
        rewrite(&f);
        assert_int_equal(f.net.call_count, which & 2 ? 2 : 1);
        const fused_args *fused = &ARGS(conv_args, &f, 0)->fused;
        if (which & 2) {
            assert_int_equal(fused->residual, VKD_NO_VALUE);
        } else {
            assert_true(fused->residual == other && fused->r_scale == 0.25f && fused->r_zero == 7);
            assert_true(fused->sum_scale == 1 && fused->sum_zero == 3 &&
                        ARGS(conv_args, &f, 0)->y == y);
        }
        vkd_arena_release(&f.arena);
    }
}

/* -------------------------------------------------------------------------------- concatenation */

/* dequantize twice -> cat -> quantize */
static void cat_model(fixture *f, double a_scale, double y_scale, bool floats_wanted)
{
    static uint32_t parts[2];
    start(f);
    uint32_t a = tensor4(f, VKD_DTYPE_INT8, 4), b = tensor4(f, VKD_DTYPE_INT8, 4),
             yf = tensor4(f, VKD_DTYPE_FLOAT32, 4);
    uint32_t y = tensor4(f, VKD_DTYPE_INT8, 4);
    parts[0] = tensor4(f, VKD_DTYPE_FLOAT32, 4), parts[1] = tensor4(f, VKD_DTYPE_FLOAT32, 4);
    uint32_t list = add_value(
        f, (vkd_model_value){.kind = VKD_VALUE_VALUE_LIST, .list = {.count = 2, .values = parts}});
    dequantize(f, a, a_scale, 3, parts[0]);
    dequantize(f, b, 0.5, 3, parts[1]);
    OP(f, "aten.cat.default", list, integer(f, 1), yf);
    quantize(f, yf, y_scale, 3, y);
    output(f, y);
    if (floats_wanted)
        output(f, parts[1]);
    rewrite(f);
}

static void test_int8_cat(void **state)
{
    fixture f;
    (void)state;
    cat_model(&f, 0.5, 0.5, false);
    assert_int_equal(f.net.call_count, 1);
    assert_string_equal(call_at(&f, 0)->name, "aten.cat.default");
    const cat_args *cat = ARGS(cat_args, &f, 0);
    assert_int_equal(cat->parts.count, 2);
    assert_int_equal(cat->parts.values[0], 0);
    assert_int_equal(cat->parts.values[1], 1);
    assert_int_equal(cat->y, f.outputs[0]);
    vkd_arena_release(&f.arena);

    for (int kind = 0; kind < 2; kind++) { /* a part with other parameters, and both: by tables */
        cat_model(&f, kind ? 0.5 : 0.25, kind ? 0.25 : 0.5, false);
        assert_int_equal(f.net.call_count, 1);
        cat = ARGS(cat_args, &f, 0);
        for (uint32_t i = 0; i < 2; i++) {
            assert_int_equal(cat->parts.values[i], i);
            assert_true(cat->tables[i]->y_scale.scale == (kind ? 0.25f : 0.5f));
        }
        assert_int_equal(vkd_chain_byte(cat->tables[0], 7), kind ? 11 : 5);
        assert_int_equal(vkd_chain_byte(cat->tables[1], 7), kind ? 11 : 7);
        vkd_arena_release(&f.arena);
    }
    cat_model(&f, 0.5, 0.5, true); /* the floats of one part are wanted too */
    assert_int_equal(f.net.call_count, 2);
    vkd_arena_release(&f.arena);
}

/* -------------------------------------------------------------------------------- linear layers */

/* linear -> dequantize; values 0 to 2: before, the int8 result, the floats. */
static void linear_model(fixture *f, const char *name, int64_t low)
{
    start(f);
    uint32_t x = tensor4(f, VKD_DTYPE_INT8, 1), y = tensor4(f, VKD_DTYPE_INT8, 1),
             real = tensor4(f, VKD_DTYPE_FLOAT32, 1);
    uint32_t weight = add_constant(f), sums = add_constant(f), scales = add_constant(f);
    if (!strcmp(name, "some.op"))
        OP(f, name, x, y);
    else
        OP(f, name, x, number(f, 1), integer(f, 2), weight, sums, scales, number(f, 6),
           integer(f, 7), null(f), string(f, "relu"), y);
    OP(f, "quantized_decomposed.dequantize_per_tensor.default", y, number(f, 0.25), integer(f, -7),
       integer(f, low), integer(f, 127), null(f), null(f), real);
    output(f, real);
}

static void test_linear_takes_a_dequantize(void **state)
{
    static const char *const names[] = {"et_vk.q8ta_linear.default",
                                        "et_vk.q8ta_linear_gemv.default"};
    fixture f;
    (void)state;
    for (int i = 0; i < 2; i++) {
        linear_model(&f, names[i], -128);
        rewrite(&f);
        assert_int_equal(f.net.call_count, 1);
        assert_string_equal(call_at(&f, 0)->name, "vkd.q8_linear");
        const linear_args *linear = ARGS(linear_args, &f, 0);
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
    fixture f;
    (void)state;
    /* not the full range: for the lowering to judge */
    linear_model(&f, "et_vk.q8ta_linear.default", -127);
    rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    vkd_arena_release(&f.arena);

    linear_model(&f, "et_vk.q8ta_linear.default", -128);
    output(&f, 1); /* the int8 result is wanted too */
    rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    vkd_arena_release(&f.arena);

    linear_model(&f, "some.op", -128);
    rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    vkd_arena_release(&f.arena);

    linear_model(&f, "et_vk.q8ta_linear.default", -128);
    rewrite_without(&f, VKD_REWRITE_FUSE_DEQUANTIZE | VKD_REWRITE_CHAINS);
    assert_int_equal(f.net.call_count, 2);
    vkd_arena_release(&f.arena);
}

static void test_dead_chains_are_dropped(void **state)
{
    fixture f;
    (void)state;
    start(&f);
    uint32_t a = tensor4(&f, VKD_DTYPE_INT8, 4), b = tensor4(&f, VKD_DTYPE_INT8, 4),
             c = tensor4(&f, VKD_DTYPE_INT8, 4);
    uint32_t y = tensor4(&f, VKD_DTYPE_INT8, 4);
    OP(&f, "some.op", a, b);
    OP(&f, "some.op", b, c);
    OP(&f, "some.op", a, y);
    output(&f, y);
    rewrite(&f);
    assert_int_equal(f.net.call_count, 1);
    assert_int_equal(ARGS(view_args, &f, 0)->y, y);
    vkd_arena_release(&f.arena);
}

/* add(hardswish(dequantize(x)), second), with the ids of the values: 0 .. 4 and second. */
static void chain_model(fixture *f)
{
    start(f);
    uint32_t x = tensor4(f, VKD_DTYPE_INT8, 4), real = tensor4(f, VKD_DTYPE_FLOAT32, 4),
             bent = tensor4(f, VKD_DTYPE_FLOAT32, 4), other = tensor4(f, VKD_DTYPE_FLOAT32, 4),
             sum = tensor4(f, VKD_DTYPE_FLOAT32, 4);
    dequantize(f, x, 0.5, 3, real);
    OP(f, "aten.hardswish.default", real, bent);
    OP(f, "aten.add.Tensor", bent, other, integer(f, 1), sum);
    output(f, sum);
}

static void test_chains(void **state)
{
    fixture f;
    (void)state;
    chain_model(&f);
    rewrite_without(&f, 0);
    assert_int_equal(f.net.call_count, 1);
    const chain_args *chain = ARGS(chain_args, &f, 0);
    assert_string_equal(call_at(&f, 0)->name, "vkd.dequantize+hardswish+add");
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
    fixture f;
    (void)state;
    chain_model(&f);
    output(&f, 1); /* what is dequantized is read again, it is not worth a tensor */
    rewrite_without(&f, 0);
    assert_int_equal(f.net.call_count, 2);
    assert_int_equal(ARGS(chain_args, &f, 1)->step_count, 2);
    vkd_arena_release(&f.arena);

    chain_model(&f);
    output(&f, 2);
    rewrite_without(&f, 0);
    assert_int_equal(f.net.call_count, 2);
    assert_string_equal(call_at(&f, 0)->name, "vkd.dequantize+hardswish");
    assert_string_equal(call_at(&f, 1)->name, "aten.add.Tensor");
    vkd_arena_release(&f.arena);
}

/* A convolution's part of a concatenation that is quantized anew; and one dequantize for two. */
static void test_part_joins_a_convolution(void **state)
{
    (void)state;
    for (int other_reader = 0; other_reader < 2; other_reader++) {
        static uint32_t parts[2];
        fixture f;
        start(&f);
        uint32_t y = tensor4(&f, VKD_DTYPE_INT8, 4), b = tensor4(&f, VKD_DTYPE_INT8, 4),
                 last = tensor4(&f, VKD_DTYPE_INT8, 4), all = tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 again = tensor4(&f, VKD_DTYPE_FLOAT32, 4), sum = tensor4(&f, VKD_DTYPE_INT8, 4);
        parts[0] = tensor4(&f, VKD_DTYPE_FLOAT32, 4), parts[1] = tensor4(&f, VKD_DTYPE_FLOAT32, 4);
        uint32_t list = add_value(&f, (vkd_model_value){.kind = VKD_VALUE_VALUE_LIST,
                                                        .list = {.count = 2, .values = parts}});
        dequantize(&f, y, 0.5, 3, parts[0]);
        dequantize(&f, b, 0.5, 3, parts[1]);
        OP(&f, "aten.cat.default", list, integer(&f, 1), all);
        quantize(&f, all, 0.25, 0, last);
        output(&f, last);
        dequantize(&f, other_reader ? y : b, 0.5, 3, again);
        quantize(&f, again, 0.125, 0, sum);
        output(&f, sum);
        add_convolution(&f, "et_vk.q8ta_conv2d.default");
        rewrite_without(&f, 0);
        assert_int_equal(f.net.call_count, 3);
        const conv_args *conv = ARGS(conv_args, &f, 0);
        const cat_args *cat = ARGS(cat_args, &f, 1);
        assert_true(cat->y == last && cat->parts.values[0] == y && cat->parts.values[1] == b);
        assert_int_equal(conv->fused.chain == NULL, other_reader);
        assert_int_equal(cat->tables[0] != NULL, other_reader);
        const chain_args *table = other_reader ? cat->tables[0] : conv->fused.chain;
        assert_int_equal(vkd_chain_byte(table, 7), 8);
        assert_int_equal(vkd_chain_byte(cat->tables[1], -5), -16);
        vkd_arena_release(&f.arena);
    }
}

/* The same dequantize twice is once; another one is another one. */
static void test_repeated_dequantize(void **state)
{
    (void)state;
    for (int other = 0; other < 2; other++) {
        fixture f;
        start(&f);
        uint32_t x = tensor4(&f, VKD_DTYPE_INT8, 4), a = tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 b = tensor4(&f, VKD_DTYPE_FLOAT32, 4), y = tensor4(&f, VKD_DTYPE_FLOAT32, 4);
        dequantize(&f, x, 0.5, 3, a);
        dequantize(&f, x, 0.5, other ? 4 : 3, b);
        OP(&f, "aten.minimum.default", a, b, y);
        output(&f, y);
        rewrite_without(&f, VKD_REWRITE_CHAINS);
        assert_int_equal(f.net.call_count, other ? 3 : 2);
        vkd_arena_release(&f.arena);
    }
}

/* What comes behind a convolution's result and is a function of it alone. */
static void test_chain_joins_a_convolution(void **state)
{
    (void)state;
    for (int other_reader = 0; other_reader < 2; other_reader++) {
        fixture f;
        start(&f);
        uint32_t y = tensor4(&f, VKD_DTYPE_INT8, 4), real = tensor4(&f, VKD_DTYPE_FLOAT32, 4),
                 bent = tensor4(&f, VKD_DTYPE_FLOAT32, 4), last = tensor4(&f, VKD_DTYPE_INT8, 4);
        dequantize(&f, y, 0.5, 3, real);
        OP(&f, "aten.hardswish.default", real, bent);
        quantize(&f, bent, 0.25, 0, last);
        output(&f, last);
        if (other_reader)
            output(&f, y);
        add_convolution(&f, "et_vk.q8ta_conv2d.default");
        rewrite_without(&f, 0);
        assert_int_equal(f.net.call_count, other_reader ? 2 : 1);
        const chain_args *chain = ARGS(conv_args, &f, 0)->fused.chain;
        assert_int_equal(chain == NULL, other_reader);
        if (chain) {
            assert_int_equal(vkd_call_result(call_at(&f, 0)), last);
            assert_int_equal(vkd_chain_byte(chain, 3), 0);
            assert_int_equal(vkd_chain_byte(chain, 11), 16); /* hardswish(4) = 4 */
        }
        vkd_arena_release(&f.arena);
    }
}

/* When a state is read says what is read. */
static void test_chains_read_states_in_time(void **state)
{
    fixture f;
    (void)state;
    chain_model(&f);
    f.values[0].tensor.state = true;
    rewrite_without(&f, 0);
    assert_int_equal(f.net.call_count, 2);
    assert_string_equal(call_at(&f, 0)->name, "quantized_decomposed.dequantize_per_tensor.default");
    vkd_arena_release(&f.arena);
}

/* An op that reads what only a later one writes is no chain; the rewriter must leave such files to
 * the lowering. */
static void test_wrong_order_is_left_alone(void **state)
{
    static const int64_t flat[] = {1, 8, 4, 4};
    fixture f;
    (void)state;
    start(&f);
    uint32_t a = tensor4(&f, VKD_DTYPE_FLOAT32, 4), v = tensor4(&f, VKD_DTYPE_FLOAT32, 4),
             y = tensor4(&f, VKD_DTYPE_INT8, 4);
    quantize(&f, v, 0.25, 0, y);
    OP(&f, "aten.view_copy.default", a, ints(&f, flat, 4), v);
    output(&f, y);
    rewrite(&f);
    assert_int_equal(f.net.call_count, 2);
    assert_int_equal(ARGS(quantize_args, &f, 0)->x, v);
    vkd_arena_release(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clones_vanish),
        cmocka_unit_test(test_clone_of_an_output_stays),
        cmocka_unit_test(test_int8_max_pool),
        cmocka_unit_test(test_int8_mean_through_view),
        cmocka_unit_test(test_int8_mean_takes_a_clamp),
        cmocka_unit_test(test_int8_mean_leaves_odd_clamps),
        cmocka_unit_test(test_int8_upsampling),
        cmocka_unit_test(test_int8_clamp_is_exact),
        cmocka_unit_test(test_other_clamps_stay),
        cmocka_unit_test(test_states_are_no_numbers),
        cmocka_unit_test(test_tables_of_constants),
        cmocka_unit_test(test_shared_dequantize_stays),
        cmocka_unit_test(test_clamp_joins_a_convolution),
        cmocka_unit_test(test_clamps_apart_do_not_join),
        cmocka_unit_test(test_addition_joins_a_convolution),
        cmocka_unit_test(test_int8_cat),
        cmocka_unit_test(test_linear_takes_a_dequantize),
        cmocka_unit_test(test_other_dequantizes_stay),
        cmocka_unit_test(test_dead_chains_are_dropped),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_chains_end_at_other_readers),
        cmocka_unit_test(test_chain_joins_a_convolution),
        cmocka_unit_test(test_part_joins_a_convolution),
        cmocka_unit_test(test_repeated_dequantize),
        cmocka_unit_test(test_chains_read_states_in_time),
        cmocka_unit_test(test_wrong_order_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
