/* From a model to a net of typed calls: which row an operator has, what calls use, and that files
 * of any size take time and memory in proportion to it. Time is counted in steps: comparisons of
 * names and visits of arguments (test/CMakeLists.txt puts the counters in between). Needs no
 * device. */
#include "graph/decode.h"
#include "graph/rewrite.h"
#include "graph/rewriter.h"
#include "support/lowering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ------------------------------------------------------------------------------------- counters */

static uint64_t comparisons, visits;

int __real_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b);
int __wrap_strcmp(const char *a, const char *b)
{
    comparisons++;
    return __real_strcmp(a, b);
}

typedef struct visitor {
    vkd_use_fn fn;
    void *user;
} visitor;

static void count_visit(void *user, uint32_t *id, bool write)
{
    const visitor *v = user;
    visits++;
    v->fn(v->user, id, write);
}

void __real_vkd_call_uses(const vkd_call *call, vkd_use_fn fn, void *user);
void __wrap_vkd_call_uses(const vkd_call *call, vkd_use_fn fn, void *user);
void __wrap_vkd_call_uses(const vkd_call *call, vkd_use_fn fn, void *user)
{
    visits++;
    __real_vkd_call_uses(call, count_visit, &(visitor){fn, user});
}

/* ----------------------------------------------------------------------------------------- rows */

typedef struct two {
    uint32_t x, y;
} two;

static const vkd_param one_in[] = {VKD_TENSOR(two, x), VKD_OUTPUT(two, y), VKD_PARAMS_END};
static const vkd_param with_flag[] = {VKD_TENSOR(two, x), VKD_IGNORED("flag"), VKD_OUTPUT(two, y),
                                      VKD_FUSED(two, x), VKD_PARAMS_END};
static const vkd_op first_rows[] = {
    {"aten.some.default", one_in, sizeof(two), NULL, NULL, .code = 1},
    {"aten.some.default", with_flag, sizeof(two), NULL, NULL, .code = 2},
    {"bare.name", one_in, sizeof(two), NULL, NULL, .code = 3},
};
static const vkd_op second_rows[] = {
    {"vkd.hidden", one_in, sizeof(two), NULL, NULL, .code = 4, .kind = VKD_OP_Q8_MEAN,
     .internal = true},
    {"my.hidden.default", one_in, sizeof(two), NULL, NULL, .code = 5, .internal = true},
    {"other::some.out", one_in, sizeof(two), NULL, NULL, .code = 6},
};
static const vkd_op_table first_table = VKD_OP_TABLE(first_rows),
                          second_table = VKD_OP_TABLE(second_rows);
static const vkd_op_table *const table_list[] = {&first_table, &second_table};
static const vkd_op_tables tables = {table_list, 2};

static void rows_are_found(void **state)
{
    static const struct {
        const char *name;
        size_t args;
        int code; /* 0: none */
    } cases[] = {
        {"aten.some.default", 2, 1},
        {"aten.some.default", 3, 2},
        {"aten.some.default", 17, 1}, /* the decoder says what is expected */
        {"some.default", 2, 1},
        {"some.default", 3, 2}, /* without the namespace */
        {"default", 2, 0},
        {"name", 2, 0},
        {"bare.name", 2, 3},
        {"aten.some", 2, 0},
        {"aten.some.default.x", 2, 0},
        {"other.some.default", 2, 0},
        {"other::some.out", 2, 6},
        {"out", 2, 0},
        {"", 2, 0},
        {"vkd.hidden", 2, 0},
        {"hidden", 2, 0},
        {"my.hidden.default", 2, 0},
        {"hidden.default", 2, 0}, /* a file cannot name them */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const vkd_op *row = vkd_op_find(&tables, cases[i].name, cases[i].args);
        if ((row ? row->code : 0) != cases[i].code)
            fail_msg("'%s' with %zu arguments: row %d, expected %d", cases[i].name, cases[i].args,
                     row ? row->code : 0, cases[i].code);
    }
    assert_int_equal(vkd_op_internal(&tables, VKD_OP_Q8_MEAN)->code, 4);
    assert_null(vkd_op_internal(&tables, VKD_OP_Q8_CLAMP));
    assert_int_equal(vkd_params_count(with_flag), 3); /* what is fused is no argument of a file */
}

/* Every row of the library: found by its own name if a file may name it, and whole. */
static void the_library_s_rows(void **state)
{
    (void)state;
    size_t internal = 0;
    for (size_t t = 0; t < vkd_ops.count; t++)
        for (size_t i = 0; i < vkd_ops.tables[t]->count; i++) {
            const vkd_op *row = &vkd_ops.tables[t]->rows[i];
            if (!row->name || !row->params || !row->shape || !row->lower)
                fail_msg("row '%s' is not whole", row->name ? row->name : "?");
            const vkd_op *found = vkd_op_find(&vkd_ops, row->name, vkd_params_count(row->params));
            if (row->internal ? found != NULL : found != row)
                fail_msg("row '%s' is %s", row->name,
                         row->internal ? "open to files" : "hidden by another one");
            internal += row->internal;
            for (const vkd_param *p = row->params; p->kind != VKD_PARAM_END; p++)
                assert_true(p->kind == VKD_PARAM_IGNORED || p->offset < row->args_size);
        }
    assert_true(internal >= 2);
}

/* ----------------------------------------------------------------------------------------- uses */

typedef struct seen {
    size_t count;
    uint32_t ids[16];
    bool writes[16];
} seen;

static void see(void *user, uint32_t *id, bool write)
{
    seen *s = user;
    s->ids[s->count] = *id;
    s->writes[s->count++] = write;
    *id += 100;
}

static void calls_name_what_they_use(void **state)
{
    typedef struct many {
        uint32_t x, none, constant, state;
        vkd_tensor_list parts;
        vkd_number number, plain;
        vkd_sym sym;
        vkd_sym_list sizes;
        uint32_t y[3], symbol, fused;
        int32_t dim;
    } many;
    static const vkd_param params[] = {
        VKD_TENSOR(many, x),          VKD_OPTIONAL_TENSOR(many, none),
        VKD_CONSTANT(many, constant), VKD_MUTATED(many, state),
        VKD_TENSOR_LIST(many, parts), VKD_NUMBER(many, number),
        VKD_NUMBER(many, plain),      VKD_SYM(many, sym),
        VKD_SIZES(many, sizes),       VKD_INT(many, dim),
        VKD_OUTPUTS(many, y, 3),      VKD_OUTPUT_SYM(many, symbol),
        VKD_FUSED(many, fused),       VKD_PARAMS_END};
    static const vkd_op row = {.name = "many", .params = params, .args_size = sizeof(many)};
    uint32_t parts[] = {5, 6};
    many args = {.x = 1,
                 .none = VKD_NO_VALUE,
                 .constant = 2,
                 .state = 3,
                 .parts = {2, parts},
                 .number = {.kind = VKD_NUMBER_SYM, .value = 7},
                 .plain = {.kind = VKD_NUMBER_INT, .value = 9},
                 .sym = {.value = VKD_NO_VALUE},
                 .sizes = {2, {{4, VKD_NO_VALUE}, {0, 8}}},
                 .y = {10, VKD_NO_VALUE, 11},
                 .symbol = 12,
                 .fused = 13};
    static const struct {
        uint32_t id;
        bool write;
    } expected[] = {{1, 0}, {2, 0}, {3, 0},  {103, 1}, {5, 0},  {6, 0},
                    {7, 0}, {8, 0}, {10, 1}, {11, 1},  {12, 1}, {13, 0}};
    (void)state;
    seen s = {0};
    vkd_call call = {.row = &row, .args = &args};
    assert_int_equal(vkd_call_result(&call), 10);
    vkd_call_uses(&call, see, &s);
    assert_int_equal(s.count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < s.count; i++)
        assert_true(s.ids[i] == expected[i].id && s.writes[i] == expected[i].write);
    assert_true(args.x == 101 && args.state == 203 && parts[1] == 106 && args.number.value == 107 &&
                args.sizes.items[1].value == 108);
    vkd_call_set_result(&call, 77);
    assert_int_equal(args.y[0], 77);
}

/* --------------------------------------------------------------------------------- large models */

/* A model of any size, owned; the arrays that operators and lists point into do not move. */
typedef struct large {
    vkd_model model;
    vkd_model_value *values;
    vkd_model_op *ops;
    uint32_t *args, *ids;
    char *names;
    vkd_context context;
    vkd_arena arena;
    vkd_net net;
} large;

static void *make(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    assert_non_null(memory);
    return memory;
}

static void begin(large *l, size_t values, size_t ops, size_t args, size_t ids)
{
    memset(l, 0, sizeof *l);
    vkd_context_init(&l->context, &(vkd_options){.log = lowering_keep_quiet});
    vkd_arena_init(&l->arena, &l->context);
    l->values = make(values, sizeof *l->values);
    l->ops = make(ops, sizeof *l->ops);
    l->args = make(args, sizeof *l->args);
    l->ids = make(ids, sizeof *l->ids);
    l->names = make(ops, 16);
    l->model =
        (vkd_model){.values = l->values, .value_count = values, .ops = l->ops, .op_count = ops};
}

static void end(large *l)
{
    vkd_arena_release(&l->arena);
    assert_int_equal(l->context.host_bytes, 0);
    free(l->values), free(l->ops), free(l->args), free(l->ids), free(l->names);
}

static const vkd_model_value image = {
    .kind = VKD_VALUE_TENSOR,
    .tensor = {.dtype = VKD_DTYPE_FLOAT32, .rank = 2, .dims = {2, 3}, .size = 24}};

/* Operators with names of their own. */
static vkd_status bind_unknown(size_t count, uint64_t *out_steps, char error[512])
{
    large l;
    begin(&l, 1, count, 1, 0);
    l.values[0] = image;
    for (size_t i = 0; i < count; i++) {
        snprintf(l.names + 16 * i, 16, "my.op%zu", (i * 7919) % count);
        l.ops[i] = (vkd_model_op){
            .name = l.names + 16 * i, .node_id = (uint32_t)i, .arg_count = 1, .args = l.args};
    }
    comparisons = 0;
    vkd_status status = vkd_net_bind(&l.net, &l.model, &tables, &l.arena);
    *out_steps = comparisons;
    snprintf(error, 512, "%s", l.context.error);
    end(&l);
    return status;
}

static void many_unknown_operators_take_n_log_n(void **state)
{
    (void)state;
    uint64_t few, many;
    char error[512];
    assert_int_equal(bind_unknown(10000, &few, error), VKD_UNSUPPORTED);
    assert_int_equal(bind_unknown(40000, &many, error), VKD_UNSUPPORTED);
    print_message("10000 names: %llu comparisons, 40000: %llu\n", (unsigned long long)few,
                  (unsigned long long)many);
    assert_true(few > 10000 && many < 5 * few);
    assert_non_null(strstr(error, "operators 'my.op0' (node 0), 'my.op7919' (node 1), "));
    assert_string_equal(error + strlen(error) - 21, "... are not supported");
    assert_int_equal(bind_unknown(1, &few, error), VKD_UNSUPPORTED);
    assert_string_equal(error, "operator 'my.op0' (node 0) is not supported");
}

/* Concatenations of `length` tensors each: all of one list, or each of its own. */
static vkd_status bind_cats(large *l, size_t count, size_t length, bool shared)
{
    size_t lists = shared ? 1 : count, list0 = length, dim = list0 + lists, y0 = dim + 1;
    begin(l, y0 + count, count, 3 * count, lists * length);
    for (size_t i = 0; i < length; i++)
        l->values[i] = image;
    for (size_t i = 0; i < lists * length; i++)
        l->ids[i] = (uint32_t)(i % length);
    for (size_t i = 0; i < lists; i++)
        l->values[list0 + i] = (vkd_model_value){
            .kind = VKD_VALUE_VALUE_LIST, .list = {.count = length, .values = l->ids + i * length}};
    l->values[dim] = (vkd_model_value){.kind = VKD_VALUE_INT};
    for (size_t i = 0; i < count; i++) {
        l->values[y0 + i] = image;
        l->values[y0 + i].tensor.dims[0] = (uint32_t)(2 * length);
        uint32_t *args = l->args + 3 * i;
        args[0] = (uint32_t)(list0 + (shared ? 0 : i)), args[1] = (uint32_t)dim,
        args[2] = (uint32_t)(y0 + i);
        l->ops[i] = (vkd_model_op){
            .name = "aten.cat.default", .node_id = (uint32_t)i, .arg_count = 3, .args = args};
    }
    return vkd_net_bind(&l->net, &l->model, &vkd_ops, &l->arena);
}

/* A list is copied for each of its mentions: where many operators mention a long one, that is no
 * file of an exporter. */
static void shared_lists_are_refused(void **state)
{
    (void)state;
    large l;
    assert_int_equal(bind_cats(&l, 2000, 2000, true), VKD_UNSUPPORTED);
    assert_non_null(strstr(
        l.context.error, "operators share lists of values: their arguments have 4000000 entries"));
    assert_true(l.context.host_peak < 2000000); /* found before anything was copied */
    end(&l);
    assert_int_equal(bind_cats(&l, 10, 2000, true), VKD_OK); /* a few mentions are no harm */
    end(&l);
    assert_int_equal(bind_cats(&l, 300, 300, false), VKD_OK);
    end(&l);
}

/* Steps and memory of binding, rewriting and shaping. */
static void measure_cats(size_t count, uint64_t *out_visits, uint64_t *out_bytes)
{
    large l;
    if (bind_cats(&l, count, 40, false) != VKD_OK)
        fail_msg("%s", l.context.error);
    visits = 0;
    l.net.outputs = (const uint32_t[]){l.net.calls ? vkd_call_result(&l.net.calls[count - 1]) : 0};
    l.net.output_count = 1;
    assert_int_equal(vkd_rewrite(&l.net, 0), VKD_OK);
    assert_int_equal(l.net.call_count, 1);
    *out_visits = visits;
    *out_bytes = l.context.host_peak;
    end(&l);
}

static void rewriting_is_linear(void **state)
{
    (void)state;
    uint64_t few, many, few_bytes, many_bytes;
    measure_cats(500, &few, &few_bytes);
    measure_cats(2000, &many, &many_bytes);
    print_message("500 calls: %llu visits, %llu bytes; 2000: %llu, %llu\n", (unsigned long long)few,
                  (unsigned long long)few_bytes, (unsigned long long)many,
                  (unsigned long long)many_bytes);
    assert_true(few > 500 * 40 && many < 5 * few && many_bytes < 5 * few_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_found),
        cmocka_unit_test(the_library_s_rows),
        cmocka_unit_test(calls_name_what_they_use),
        cmocka_unit_test(many_unknown_operators_take_n_log_n),
        cmocka_unit_test(shared_lists_are_refused),
        cmocka_unit_test(rewriting_is_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
