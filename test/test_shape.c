/* Shapes: what rows compute for given inputs, what the file's dims bound, and what is refused.
 * Needs no device. */
#include "graph/shape.h"
#include "support/lowering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIMS(...) ((const uint32_t[]){__VA_ARGS__})
#define SHAPE(...) ((vkd_shape){sizeof((uint32_t[]){__VA_ARGS__}) / 4, {__VA_ARGS__}})

typedef struct fixture {
    hand_model m;
    vkd_context context;
    vkd_arena arena;
    vkd_net net;
    vkd_model_value values[HAND_VALUES];
    vkd_shaping shaping; /* of calls by hand */
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    vkd_context_init(&f->context, &(vkd_options){.log = lowering_keep_quiet});
    vkd_arena_init(&f->arena, &f->context);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    vkd_arena_release(&f->arena);
    assert_int_equal(f->context.host_bytes, 0);
    free(f);
    return 0;
}

static void clear(fixture *f)
{
    memset(&f->m, 0, sizeof f->m);
    f->context.error[0] = 0;
}

static vkd_status shape(fixture *f, const vkd_input *inputs)
{
    if (vkd_net_bind(&f->net, hand_finish(&f->m), &vkd_ops, &f->arena) != VKD_OK)
        fail_msg("%s", f->context.error);
    return vkd_shape_net(&f->context, &f->net, inputs, f->values);
}

static void assert_dims(const fixture *f, uint32_t value, const vkd_shape *expected)
{
    const vkd_model_tensor *tensor = &f->values[value].tensor;
    char is[VKD_DIMS_TEXT], wanted[VKD_DIMS_TEXT];
    if (tensor->rank != expected->rank ||
        memcmp(tensor->dims, expected->dims, expected->rank * sizeof *expected->dims))
        fail_msg("value %u is %s, expected %s", value,
                 vkd_dims_format(tensor->rank, tensor->dims, is),
                 vkd_dims_format(expected->rank, expected->dims, wanted));
    assert_int_equal(tensor->size, vkd_dims_count(expected->rank, expected->dims) *
                                       vkd_dtype_size(tensor->dtype));
}

static void assert_says(const fixture *f, const char *part)
{
    if (!strstr(f->context.error, part))
        fail_msg("'%s' does not say '%s'", f->context.error, part);
}

/* ------------------------------------------------------------------------------------ functions */

static const vkd_op some_row = {.name = "some.op"};
static const vkd_call some_call = {.row = &some_row, .name = "some.op", .node_id = 17};

/* For calling the functions themselves on values made so far. */
static vkd_shaping *by_hand(fixture *f)
{
    memcpy(f->values, f->m.values, sizeof f->values);
    f->net = (vkd_net){.values = f->m.values, .value_count = f->m.model.value_count};
    f->shaping = (vkd_shaping){
        .context = &f->context, .net = &f->net, .values = f->values, .call = &some_call};
    return &f->shaping;
}

static void broadcasts(void **state)
{
    static const struct {
        vkd_shape operands[3], result;
        const char *says; /* not null: they do not */
    } cases[] = {
        {{{4, {1, 8, 5, 5}}, {4, {1, 8, 5, 5}}, {0}}, {4, {1, 8, 5, 5}}, NULL},
        {{{4, {2, 8, 5, 5}}, {3, {8, 1, 1}}, {1, {5}}}, {4, {2, 8, 5, 5}}, NULL},
        {{{2, {3, 1}}, {2, {1, 4}}, {0}}, {2, {3, 4}}, NULL},
        {{{0}, {0}, {0}}, {0}, NULL},
        {{{0}, {2, {3, 4}}, {1, {1}}}, {2, {3, 4}}, NULL},
        /* none is as good a size as any */
        {{{2, {0, 4}}, {2, {1, 4}}, {1, {1}}}, {2, {0, 4}}, NULL},
        {{{2, {3, 4}}, {2, {4, 3}}, {0}}, {0}, "is 4x3, expected what broadcasts to 3x4"},
        {{{1, {3}}, {1, {0}}, {0}}, {0}, "is 0, expected what broadcasts to 3"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t ids[3];
        vkd_shape result;
        clear(f);
        for (size_t k = 0; k < 3; k++)
            ids[k] = hand_tensor(&f->m, VKD_DTYPE_FLOAT32, cases[i].operands[k].rank,
                                 cases[i].operands[k].dims);
        vkd_status status = vkd_shape_broadcast(by_hand(f), ids, 3, &result);
        assert_int_equal(status, cases[i].says ? VKD_INVALID_MODEL : VKD_OK);
        if (cases[i].says)
            assert_says(f, cases[i].says);
        else
            assert_memory_equal(&result, &cases[i].result, sizeof result);
    }
    assert_says(f, "operator 'some.op' (node 17): ");
}

static void dims_count_from_both_ends(void **state)
{
    static const struct {
        int32_t dim;
        uint32_t rank, resolved; /* resolved 99: refused */
    } cases[] = {{0, 4, 0},  {3, 4, 3},   {-1, 4, 3},         {-4, 4, 0},
                 {4, 4, 99}, {-5, 4, 99}, {0, 0, 0},          {-1, 0, 0},
                 {1, 0, 99}, {-2, 0, 99}, {INT32_MIN, 4, 99}, {INT32_MAX, 4, 99}};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t resolved = 99;
        vkd_status status = vkd_shape_dim(by_hand(f), &cases[i].dim, cases[i].rank, &resolved);
        assert_int_equal(status, cases[i].resolved == 99 ? VKD_INVALID_MODEL : VKD_OK);
        assert_int_equal(resolved, cases[i].resolved);
    }
}

static void dims_are_listed(void **state)
{
    fixture *f = *state;
    bool out[VKD_MAX_RANK];
    assert_int_equal(vkd_shape_listed(by_hand(f), &(vkd_int_list){2, {-1, 1}}, 4, out), VKD_OK);
    assert_true(!out[0] && out[1] && !out[2] && out[3] && !out[4]);
    assert_int_equal(vkd_shape_listed(by_hand(f), &(vkd_int_list){0}, 3, out), VKD_OK); /* all */
    assert_true(out[0] && out[1] && out[2] && !out[3]);
    assert_int_equal(vkd_shape_listed(by_hand(f), &(vkd_int_list){2, {3, -1}}, 4, out),
                     VKD_INVALID_MODEL);
    assert_says(f, "names dim 3 twice");
    assert_int_equal(vkd_shape_listed(by_hand(f), &(vkd_int_list){1, {4}}, 4, out),
                     VKD_INVALID_MODEL);
    assert_says(f, "is 4, expected -4 to 3 for a tensor of rank 4");
}

/* The file's dims must come out; in a net with SymInts they are bounds. */
static void outputs_are_held_against_the_file(void **state)
{
    fixture *f = *state;
    uint32_t y = hand_tensor(&f->m, VKD_DTYPE_INT8, 2, DIMS(4, 6));
    assert_int_equal(vkd_shape_set(by_hand(f), y, 2, DIMS(4, 6)), VKD_OK);
    /* no output */
    assert_int_equal(vkd_shape_set(by_hand(f), VKD_NO_VALUE, 2, DIMS(4, 6)), VKD_OK);
    for (int dynamic = 0; dynamic < 2; dynamic++) {
        vkd_shaping *shaping = by_hand(f);
        f->net.has_symbols = dynamic;
        assert_int_equal(vkd_shape_set(shaping, y, 2, DIMS(4, 5)),
                         dynamic ? VKD_OK : VKD_INVALID_MODEL);
        if (dynamic)
            assert_dims(f, y, &SHAPE(4, 5));
        else
            assert_says(f, "is 4x6, expected 4x5");
        assert_int_equal(vkd_shape_set(shaping, y, 2, DIMS(4, 7)), VKD_INVALID_MODEL);
        assert_int_equal(vkd_shape_set(shaping, y, 1, DIMS(4)), VKD_INVALID_MODEL);
        assert_int_equal(vkd_shape_set(shaping, y, 9, DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1)),
                         VKD_UNSUPPORTED);
    }
}

/* ------------------------------------------------------------------------------------ operators */

static void views(void **state)
{
    static const struct {
        vkd_shape x;
        size_t count;
        int64_t sizes[4];
        vkd_shape y;
        const char *says;
    } cases[] = {
        {{4, {1, 8, 5, 5}}, 2, {8, 25}, {2, {8, 25}}, NULL},
        {{4, {1, 8, 5, 5}}, 2, {-1, 25}, {2, {8, 25}}, NULL},
        {{4, {1, 8, 5, 5}}, 1, {-1}, {1, {200}}, NULL},
        {{2, {1, 1}}, 0, {0}, {0}, NULL}, /* to a scalar */
        {{0}, 2, {1, -1}, {2, {1, 1}}, NULL},
        {{2, {0, 4}}, 2, {2, 0}, {2, {2, 0}}, NULL},
        {{2, {0, 4}}, 2, {-1, 4}, {2, {0, 4}}, NULL},
        {{4, {1, 8, 5, 5}}, 2, {-1, -1}, {2, {8, 25}}, "(size) has -1 for dim 1"},
        {{4, {1, 8, 5, 5}}, 2, {-1, 7}, {2, {28, 7}}, "makes 196 elements, expected 200"},
        {{4, {1, 8, 5, 5}}, 2, {-1, 0}, {2, {0, 0}}, "makes 0 elements, expected 200"},
        {{4, {1, 8, 5, 5}}, 2, {8, -2}, {2, {8, 25}}, "(size) has -2 for dim 1"},
        {{1, {4}},
         4,
         {INT32_MAX, INT32_MAX, INT32_MAX, 4},
         {4, {1, 1, 1, 4}},
         "(size) has 2147483647 for dim 2"},
        {{2, {0, 4}},
         4,
         {0, INT32_MAX, INT32_MAX, INT32_MAX},
         {4, {0, INT32_MAX, INT32_MAX, INT32_MAX}},
         NULL},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clear(f);
        uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, cases[i].x.rank, cases[i].x.dims);
        uint32_t y = hand_output(&f->m, VKD_DTYPE_FLOAT32, cases[i].y.rank, cases[i].y.dims);
        HAND_OP(&f->m, "aten.view_copy.default", x,
                hand_ints(&f->m, cases[i].count, cases[i].sizes), y);
        vkd_status status = shape(f, NULL);
        if (status != (cases[i].says ? VKD_INVALID_MODEL : VKD_OK))
            fail_msg("case %zu: %s", i, f->context.error);
        if (cases[i].says)
            assert_says(f, cases[i].says);
        else
            assert_dims(f, y, &cases[i].y);
    }
}

static void concatenations(void **state)
{
    static const struct {
        vkd_shape a, b, y;
        int64_t dim;
        const char *says;
    } cases[] = {
        {{2, {3, 4}}, {2, {5, 4}}, {2, {8, 4}}, 0, NULL},
        {{2, {3, 4}}, {2, {3, 1}}, {2, {3, 5}}, -1, NULL},
        {{2, {3, 4}}, {1, {0}}, {2, {3, 4}}, 1, NULL}, /* what has no elements may have any rank */
        {{1, {0}}, {2, {3, 4}}, {2, {3, 4}}, 1, NULL},
        {{2, {3, 0}}, {2, {3, 4}}, {2, {3, 4}}, 1, NULL},
        {{1, {0}}, {1, {0}}, {1, {0}}, 0, NULL},
        {{2, {3, 4}},
         {2, {4, 4}},
         {2, {3, 8}},
         1,
         "argument 0 (tensors) has 4x4 at 1, expected what fits the first, 3x4"},
        {{2, {3, 4}}, {3, {3, 4, 1}}, {2, {3, 8}}, 1, "has 3x4x1 at 1"},
        {{2, {3, 4}}, {2, {3, 4}}, {2, {3, 8}}, 2, "argument 1 (dim) is 2, expected -2 to 1"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clear(f);
        uint32_t ids[] = {hand_input(&f->m, VKD_DTYPE_FLOAT32, cases[i].a.rank, cases[i].a.dims),
                          hand_input(&f->m, VKD_DTYPE_FLOAT32, cases[i].b.rank, cases[i].b.dims)};
        uint32_t y = hand_output(&f->m, VKD_DTYPE_FLOAT32, cases[i].y.rank, cases[i].y.dims);
        HAND_OP(&f->m, "aten.cat.default", hand_list(&f->m, 2, ids), hand_int(&f->m, cases[i].dim),
                y);
        if (shape(f, NULL) != (cases[i].says ? VKD_INVALID_MODEL : VKD_OK))
            fail_msg("case %zu: %s", i, f->context.error);
        if (cases[i].says)
            assert_says(f, cases[i].says);
        else
            assert_dims(f, y, &cases[i].y);
    }
}

static void means(void **state)
{
    static const struct {
        size_t count;
        int64_t dims[4];
        bool keep;
        vkd_shape y;
    } cases[] = {{2, {2, 3}, true, {4, {2, 8, 1, 1}}},
                 {2, {-1, -2}, false, {2, {2, 8}}},
                 {0, {0}, false, {0}},
                 {0, {0}, true, {4, {1, 1, 1, 1}}},
                 {1, {0}, false, {3, {8, 5, 0}}}};
    fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        clear(f);
        uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 4, DIMS(2, 8, 5, 0));
        uint32_t y = hand_output(&f->m, VKD_DTYPE_FLOAT32, cases[i].y.rank, cases[i].y.dims);
        HAND_OP(&f->m, "aten.mean.dim", x, hand_ints(&f->m, cases[i].count, cases[i].dims),
                hand_bool(&f->m, cases[i].keep), hand_null(&f->m), y);
        if (shape(f, NULL) != VKD_OK)
            fail_msg("case %zu: %s", i, f->context.error);
        assert_dims(f, y, &cases[i].y);
    }
}

/* ---------------------------------------------------------------------------------- other sizes */

/* relu -> view [s, -1], where s is a SymInt, in the file this number: of inputs up to 6x8. */
static uint32_t resizable_with(fixture *f, int64_t number)
{
    clear(f);
    uint32_t x = hand_input(&f->m, VKD_DTYPE_FLOAT32, 2, DIMS(6, 8)),
             between = hand_tensor(&f->m, VKD_DTYPE_FLOAT32, 2, DIMS(6, 8));
    uint32_t symbol = f->m.inputs[f->m.model.input_count++] = hand_symint(&f->m, number);
    uint32_t y = hand_output(&f->m, VKD_DTYPE_FLOAT32, 2, DIMS(6, 24));
    HAND_OP(&f->m, "aten.relu.default", x, between);
    HAND_OP(&f->m, "aten.view_copy.default", between,
            hand_list(&f->m, 2, (uint32_t[]){symbol, hand_int(&f->m, -1)}), y);
    return y;
}

static uint32_t resizable(fixture *f) { return resizable_with(f, 6); }

/* A delegate among others has SymInts as inputs, and the exporter writes 0 for them. */
static void numbers_that_the_file_leaves_open(void **state)
{
    fixture *f = *state;
    uint32_t y = resizable_with(f, 0);
    assert_int_equal(shape(f, NULL), VKD_OK);
    assert_dims(f, y, &SHAPE(6, 8));
    assert_int_equal(f->values[2].i, 6);
    assert_int_equal(shape(f, (vkd_input[]){{.shape = SHAPE(4, 6)}, {.number = 2}}), VKD_OK);
    assert_dims(f, y, &SHAPE(2, 12));
}

static void inputs_may_be_smaller(void **state)
{
    fixture *f = *state;
    uint32_t y = resizable(f);
    assert_int_equal(shape(f, (vkd_input[]){{.shape = SHAPE(4, 6)}, {.number = 2}}), VKD_OK);
    assert_dims(f, y, &SHAPE(2, 12));
    assert_dims(f, 1, &SHAPE(4, 6));
    assert_int_equal(f->values[2].i, 2);
    assert_int_equal(f->net.values[y].tensor.dims[1], 24); /* the net keeps the bounds */
    assert_int_equal(shape(f, (vkd_input[]){{.shape = SHAPE(0, 6)}, {.number = 3}}), VKD_OK);
    assert_dims(f, y, &SHAPE(3, 0));
    assert_int_equal(shape(f, (vkd_input[]){{.shape = SHAPE(4, 6)}, {.number = 5}}),
                     VKD_INVALID_MODEL);
    assert_says(f, "argument 1 (size) makes 20 elements, expected 24");
    assert_int_equal(shape(f, (vkd_input[]){{.shape = SHAPE(4, 6)}, {.number = -2}}),
                     VKD_INVALID_MODEL);
    /* beyond y's bound */
    assert_int_equal(shape(f, (vkd_input[]){{.shape = SHAPE(6, 8)}, {.number = 1}}),
                     VKD_INVALID_MODEL);
    assert_says(f, "is 6x24, expected 1x48");
}

static void inputs_beyond_the_bounds_are_refused(void **state)
{
    static const vkd_shape shapes[] = {{2, {7, 8}}, {2, {6, 9}}, {1, {6}}, {3, {6, 8, 1}}, {0}};
    fixture *f = *state;
    resizable(f);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        assert_int_equal(shape(f, (vkd_input[]){{.shape = shapes[i]}, {.number = 2}}),
                         VKD_INVALID_ARGUMENT);
        assert_says(f, "input 0 is ");
        assert_says(f, "the model takes at most 6x8");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(broadcasts),
        TEST(dims_count_from_both_ends),
        TEST(dims_are_listed),
        TEST(outputs_are_held_against_the_file),
        TEST(views),
        TEST(concatenations),
        TEST(means),
        TEST(numbers_that_the_file_leaves_open),
        TEST(inputs_may_be_smaller),
        TEST(inputs_beyond_the_bounds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
