/* Fused operators on a device against the same operators one by one: the same bits. The models are
 * drawn: expressions of functions, arithmetic that broadcasts, numbers, int8 operands and results.
 */
#include "include/vkdelegate.h"
#include "ops/conv/conv.h"
#include "support/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { RANK = 4, MAX_INPUTS = 3, MAX_POOL = 16, MAX_BYTES = 1 << 16 };

/* A float of the expression. */
typedef struct term {
    uint32_t value, dims[RANK];
} term;

typedef struct expression {
    hand_model m;
    vkd_random *random;
    uint32_t full[RANK];
    size_t input_count, pool_count;
    void *inputs[MAX_INPUTS];
    term pool[MAX_POOL];
} expression;

static uint32_t below(expression *e, uint32_t count)
{
    return (uint32_t)random_range(e->random, 0, (int32_t)count - 1);
}

static term *add_term(expression *e, const uint32_t *dims)
{
    term *t = &e->pool[e->pool_count++];
    memcpy(t->dims, dims, sizeof t->dims);
    t->value = hand_tensor(&e->m, VKD_DTYPE_FLOAT32, RANK, dims);
    return t;
}

static float draw_scale(expression *e) { return random_float(e->random, 0.01f, 0.1f); }

static void dequantize(expression *e, uint32_t x, const uint32_t *dims)
{
    hand_model *m = &e->m;
    HAND_OP(m, "quantized_decomposed.dequantize_per_tensor.default", x,
            hand_double(m, (double)draw_scale(e)), hand_int(m, random_range(e->random, -128, 127)),
            hand_int(m, -128), hand_int(m, 127), hand_null(m), hand_null(m),
            add_term(e, dims)->value);
}

static void quantize(expression *e, uint32_t x, uint32_t y)
{
    hand_model *m = &e->m;
    HAND_OP(m, "quantized_decomposed.quantize_per_tensor.default", x,
            hand_double(m, (double)draw_scale(e)), hand_int(m, random_range(e->random, -128, 127)),
            hand_int(m, -128), hand_int(m, 127), hand_null(m), y);
}

/* A float or an int8 tensor that broadcasts to the result. */
static void add_input(expression *e)
{
    uint32_t dims[RANK];
    for (uint32_t d = 0; d < RANK; d++)
        dims[d] = e->input_count && below(e, 4) == 0 ? 1 : e->full[d];
    size_t count = (size_t)vkd_dims_count(RANK, dims);
    float *data = calloc(count, sizeof *data);
    assert_non_null(data);
    e->inputs[e->input_count++] = data;
    if (below(e, 2)) {
        random_int8(e->random, (int8_t *)data, count);
        dequantize(e, hand_input(&e->m, VKD_DTYPE_INT8, RANK, dims), dims);
        return;
    }
    random_floats(e->random, -4, 4, data, count);
    term *t = &e->pool[e->pool_count++];
    memcpy(t->dims, dims, sizeof t->dims);
    t->value = hand_input(&e->m, VKD_DTYPE_FLOAT32, RANK, dims);
}

/* The newest term most of the time. */
static term draw_term(expression *e)
{
    return e->pool[below(e, 2) ? e->pool_count - 1 : below(e, (uint32_t)e->pool_count)];
}

static void add_function(expression *e)
{
    static const char *const names[] = {"aten.hardswish.default",   "aten.sigmoid.default",
                                        "aten.relu.default",        "aten.abs.default",
                                        "aten.hardsigmoid.default", "aten.tanh.default"};
    const term x = draw_term(e);
    HAND_OP(&e->m, names[below(e, 6)], x.value, add_term(e, x.dims)->value);
}

static void add_clamp(expression *e)
{
    hand_model *m = &e->m;
    const term x = draw_term(e);
    HAND_OP(m, "aten.clamp.default", x.value, below(e, 3) ? hand_double(m, -0.75) : hand_null(m),
            hand_int(m, 2), add_term(e, x.dims)->value);
}

/* A constant of one element, as exporters write Python's numbers. */
static uint32_t add_number(expression *e)
{
    static const float numbers[] = {0.5f, 3, -1.25f, 6};
    const uint32_t one[] = {1};
    return hand_constant(&e->m, VKD_DTYPE_FLOAT32, below(e, 2), one, &numbers[below(e, 4)]);
}

static void add_arithmetic(expression *e)
{
    static const char *const names[] = {"aten.mul.Tensor", "aten.div.Tensor",
                                        "aten.minimum.default", "aten.add.Tensor",
                                        "aten.sub.Tensor"};
    hand_model *m = &e->m;
    const term a = draw_term(e), b = draw_term(e);
    uint32_t dims[RANK], which = below(e, 5), other = below(e, 3);
    uint32_t x = other == 1 ? add_number(e) : a.value, y = other == 2 ? add_number(e) : b.value;
    for (uint32_t d = 0; d < RANK; d++)
        dims[d] = other == 1              ? b.dims[d]
                  : other == 2            ? a.dims[d]
                  : a.dims[d] > b.dims[d] ? a.dims[d]
                                          : b.dims[d];
    if (which >= 3)
        HAND_OP(m, names[which], x, y, hand_double(m, below(e, 2) ? 1 : 0.375),
                add_term(e, dims)->value);
    else
        HAND_OP(m, names[which], x, y, add_term(e, dims)->value);
}

static void build(expression *e, vkd_random *random)
{
    memset(e, 0, sizeof *e);
    e->random = random;
    for (uint32_t d = 0; d < RANK; d++)
        e->full[d] = (uint32_t)random_range(random, 1, d == 1 ? 13 : 6);
    for (uint32_t i = 1 + below(e, MAX_INPUTS); i > 0; i--)
        add_input(e);
    for (uint32_t i = 1 + below(e, 10); i > 0; i--)
        (below(e, 2) ? add_arithmetic : below(e, 3) ? add_function : add_clamp)(e);
    const term last = e->pool[e->pool_count - 1];
    if (below(e, 2)) {
        quantize(e, last.value, hand_output(&e->m, VKD_DTYPE_INT8, RANK, last.dims));
        return;
    }
    hand_mark_output(&e->m, last.value);
}

static size_t run(harness *h, expression *e, uint32_t skip, void *output)
{
    size_t nodes = 0;
    vkd_status status = harness_run_rewritten(h, hand_finish(&e->m), NULL, skip,
                                              (const void *const *)e->inputs, &output, &nodes);
    if (status != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    return nodes;
}

static void chains_keep_every_bit(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("chains");
    size_t joined = 0, single = 0;
    static expression e;
    static unsigned char got[MAX_BYTES], expected[MAX_BYTES];
    for (int i = 0; i < 150; i++) {
        build(&e, &random);
        memset(got, 0, sizeof got);
        memset(expected, 0, sizeof expected);
        single += run(h, &e, VKD_REWRITE_CHAINS, expected);
        joined += run(h, &e, 0, got);
        for (size_t at = 0; at < MAX_BYTES; at++)
            if (got[at] != expected[at])
                fail_msg("expression %d: byte %zu is %u, one by one %u", i, at, got[at],
                         expected[at]);
        for (size_t k = 0; k < e.input_count; k++)
            free(e.inputs[k]);
    }
    print_message("%zu dispatches instead of %zu\n", joined, single);
    assert_true(2 * joined < single);
}

/* ------------------------------------------------------------------------- behind convolutions */

typedef struct conv_shape {
    uint32_t c, out_c, size, kernel, stride, groups;
} conv_shape;

enum { CONV_BYTES = 1 << 14 };

typedef struct conv_net {
    hand_model m;
    int8_t x[CONV_BYTES], weights[CONV_BYTES];
    int32_t sums[64];
    float scales[64];
} conv_net;

static void fill_conv(conv_net *net, const conv_shape *s, vkd_random *random)
{
    const uint32_t row = (s->c / s->groups * s->kernel * s->kernel + 3) / 4 * 4;
    memset(net, 0, sizeof *net);
    random_int8(random, net->x, sizeof net->x);
    for (uint32_t oc = 0; oc < s->out_c; oc++) {
        net->scales[oc] = random_float(random, 0.002f, 0.004f);
        for (uint32_t k = 0; k < s->c / s->groups * s->kernel * s->kernel; k++)
            net->sums[oc] += net->weights[oc * row + k] = (int8_t)random_range(random, -60, 60);
    }
}

/* A convolution, dequantized, its hardswish or swish quantized; or the mean of that. */
static void build_conv(conv_net *net, const conv_shape *s, bool swish, bool mean)
{
    hand_model *m = &net->m;
    const uint32_t channels = (s->out_c + 3) / 4 * 4,
                   row = (s->c / s->groups * s->kernel * s->kernel + 3) / 4 * 4,
                   out = (s->size - 1) / s->stride + 1, y_dims[] = {1, s->out_c, out, out},
                   mean_dims[] = {1, s->out_c, 1, 1};
    const uint32_t conv = hand_tensor(m, VKD_DTYPE_INT8, 4, y_dims),
                   real = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, y_dims),
                   bent = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, y_dims);
    HAND_OP(m, "et_vk.q8ta_conv2d.default",
            hand_input(m, VKD_DTYPE_INT8, 4, (uint32_t[]){1, s->c, s->size, s->size}),
            hand_double(m, 0.03), hand_int(m, 3),
            hand_constant(m, VKD_DTYPE_INT8, 2, (uint32_t[]){s->out_c, row}, net->weights),
            hand_constant(m, VKD_DTYPE_INT32, 1, &channels, net->sums),
            hand_constant(m, VKD_DTYPE_FLOAT32, 1, &channels, net->scales), hand_double(m, 0.07),
            hand_int(m, -9), hand_null(m), hand_pair(m, s->kernel, s->kernel),
            hand_pair(m, s->stride, s->stride), hand_pair(m, s->kernel / 2, s->kernel / 2),
            hand_pair(m, 1, 1), hand_int(m, s->groups), hand_string(m, "none"), conv);
    HAND_OP(m, "quantized_decomposed.dequantize_per_tensor.default", conv, hand_double(m, 0.07),
            hand_int(m, -9), hand_int(m, -128), hand_int(m, 127), hand_null(m), hand_null(m), real);
    if (swish) {
        const uint32_t gate = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, y_dims);
        HAND_OP(m, "aten.sigmoid.default", real, gate);
        HAND_OP(m, "aten.mul.Tensor", real, gate, bent);
    } else {
        HAND_OP(m, "aten.hardswish.default", real, bent);
    }
    uint32_t last = bent;
    if (mean) {
        last = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, mean_dims);
        HAND_OP(m, "aten.mean.dim", bent, hand_pair(m, 2, 3), hand_bool(m, true), hand_null(m),
                last);
    }
    HAND_OP(m, "quantized_decomposed.quantize_per_tensor.default", last,
            hand_double(m, mean ? 0.004 : 0.03), hand_int(m, -100), hand_int(m, -128),
            hand_int(m, 127), hand_null(m),
            hand_output(m, VKD_DTYPE_INT8, 4, mean ? mean_dims : y_dims));
}

static const conv_shape conv_shapes[] = {{3, 8, 9, 3, 2, 1},    {16, 32, 8, 1, 1, 1},
                                         {12, 20, 7, 1, 1, 1},  {16, 16, 9, 3, 1, 16},
                                         {16, 16, 9, 5, 2, 16}, {8, 12, 6, 3, 1, 2}};
enum { CONV_SHAPES = sizeof conv_shapes / sizeof *conv_shapes };

/* How many of the results are a step off; none may be more. */
static size_t compare_steps(const int8_t *got, const int8_t *expected, const char *what)
{
    size_t off = 0;
    for (size_t i = 0; i < CONV_BYTES; i++) {
        int difference = abs(got[i] - expected[i]);
        if (difference > 1)
            fail_msg("%s: element %zu is %d, one by one %d", what, i, got[i], expected[i]);
        off += difference != 0;
    }
    return off;
}

static size_t run_conv(harness *h, conv_net *net, const char *variant, uint32_t skip, int8_t *y)
{
    size_t nodes = 0;
    memset(y, 0, CONV_BYTES);
    vkd_status status = harness_run_rewritten(h, hand_finish(&net->m), variant, skip,
                                              (const void *[]){net->x}, (void *[]){y}, &nodes);
    if (status != VKD_OK)
        fail_msg("%s: %s", variant ? variant : "auto", h->gpu.context.error);
    return nodes;
}

/* Every variant of every convolution: the bits of hardswish, which rounds as on the device; a swish
 * may fall a step off where the device's exponential is not right to the last place. */
static void convolutions_take_tables(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("tables");
    static conv_net net;
    static int8_t got[CONV_BYTES], expected[CONV_BYTES];
    for (size_t s = 0; s < CONV_SHAPES; s++)
        for (size_t v = 0; v < vkd_conv2d_variant_count; v++)
            for (int swish = 0; swish < 2; swish++) {
                const char *variant = vkd_conv2d_variants[v].name;
                fill_conv(&net, &conv_shapes[s], &random);
                build_conv(&net, &conv_shapes[s], swish, false);
                size_t apart = run_conv(h, &net, variant,
                                        VKD_REWRITE_CHAINS | VKD_REWRITE_FUSE_CHAIN, expected);
                size_t fused = run_conv(h, &net, variant, 0, got);
                assert_true(fused + 2 <= apart); /* a copy to the host is new */
                size_t off = compare_steps(got, expected, variant);
                assert_true(off <= (swish ? CONV_BYTES / 1000 : 0));
            }
}

static void means_take_tables(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("means");
    static conv_net net;
    static int8_t got[CONV_BYTES], expected[CONV_BYTES];
    for (size_t s = 0; s < CONV_SHAPES; s++)
        for (int swish = 0; swish < 2; swish++) {
            fill_conv(&net, &conv_shapes[s], &random);
            build_conv(&net, &conv_shapes[s], swish, true);
            run_conv(h, &net, NULL, VKD_REWRITE_CHAINS, expected);
            assert_int_equal(run_conv(h, &net, NULL, 0, got),
                             2 + 2); /* and copies from and to the host */
            compare_steps(got, expected, "mean");
        }
}

/* ---------------------------------------------------------------------------------- batch norms */

/* relu(batch_norm(x)): one dispatch, and a rounding or two from what it is otherwise. */
static void batch_norms_are_chains(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("batch norms");
    for (uint32_t given = 0; given < 4; given++) {
        enum { C = 5, COUNT = 2 * C * 3 * 4 };
        static hand_model m;
        const uint32_t dims[] = {2, C, 3, 4}, channels = C;
        float x[COUNT], got[COUNT], expected[COUNT], p[4][C];
        size_t nodes = 0, apart = 0;
        memset(&m, 0, sizeof m);
        random_floats(&random, -2, 2, x, COUNT);
        for (int i = 0; i < 4; i++)
            random_floats(&random, i == 3 ? 0.5f : -1, 2, p[i], C);
        uint32_t y = hand_tensor(&m, VKD_DTYPE_FLOAT32, 4, dims),
                 none = hand_tensor(&m, VKD_DTYPE_FLOAT32, 1, (uint32_t[]){0}),
                 in = hand_input(&m, VKD_DTYPE_FLOAT32, 4, dims), constants[4];
        for (int i = 0; i < 4; i++)
            constants[i] = i < 2 && !(given >> i & 1)
                               ? hand_null(&m)
                               : hand_constant(&m, VKD_DTYPE_FLOAT32, 1, &channels, p[i]);
        HAND_OP(&m, "aten._native_batch_norm_legit_no_training.default", in, constants[0],
                constants[1], constants[2], constants[3], hand_double(&m, 0.1),
                hand_double(&m, 1e-3),
                hand_list(
                    &m, 3,
                    (uint32_t[]){y, none, hand_tensor(&m, VKD_DTYPE_FLOAT32, 1, (uint32_t[]){0})}));
        HAND_OP(&m, "aten.relu.default", y, hand_output(&m, VKD_DTYPE_FLOAT32, 4, dims));
        const void *inputs[] = {x};
        assert_int_equal(
            harness_run_rewritten(h, hand_finish(&m), NULL, 0, inputs, (void *[]){got}, &nodes),
            VKD_OK);
        assert_int_equal(harness_run_rewritten(h, hand_finish(&m), NULL, VKD_REWRITE_CHAINS, inputs,
                                               (void *[]){expected}, &apart),
                         VKD_OK);
        assert_true(nodes == 1 && apart == 2);
        for (int i = 0; i < COUNT; i++)
            assert_true(got[i] - expected[i] < 1e-5f && expected[i] - got[i] < 1e-5f);
    }
}

/* One whose other results are read stays what it is: a chain has none. */
static void other_results_of_batch_norms_stay(void **state)
{
    harness *h = harness_get(state);
    static const float numbers[3] = {1, 2, 3};
    for (size_t read = 0; read < 3; read++) {
        static hand_model m;
        const uint32_t dims[] = {1, 3, 2, 2}, channels = 3, nothing = 0;
        float x[12] = {1}, y[12], other[1];
        size_t nodes;
        memset(&m, 0, sizeof m);
        uint32_t in = hand_input(&m, VKD_DTYPE_FLOAT32, 4, dims),
                 c = hand_constant(&m, VKD_DTYPE_FLOAT32, 1, &channels, numbers);
        uint32_t results[3] = {hand_output(&m, VKD_DTYPE_FLOAT32, 4, dims)};
        for (int i = 1; i < 3; i++)
            results[i] = hand_tensor(&m, VKD_DTYPE_FLOAT32, 1, &nothing);
        if (read)
            hand_mark_output(&m, results[read]);
        HAND_OP(&m, "aten._native_batch_norm_legit_no_training.default", in, c, c, c, c,
                hand_double(&m, 0.1), hand_double(&m, 1e-3), hand_list(&m, 3, results));
        assert_int_equal(harness_run_rewritten(h, hand_finish(&m), NULL, 0, (const void *[]){x},
                                               (void *[]){y, other}, &nodes),
                         VKD_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_keep_every_bit), cmocka_unit_test(convolutions_take_tables),
        cmocka_unit_test(means_take_tables), cmocka_unit_test(batch_norms_are_chains),
        cmocka_unit_test(other_results_of_batch_norms_stay)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
