/* A depthwise convolution and the pointwise one behind it in one dispatch: when that is taken, the
 * oracle of its self-check against the scalar oracles of the tests, and, on a device that has it,
 * the kernel against two dispatches. The first tests need no device. */
#include "ops/conv/pair.h"
#include "ops/conv/pair_oracle.h"
#include "graph/rewrite.h"
#include "support/fake_caps.h"
#include "support/lowering.h"
#include "support/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_C = 200, MOST_N = 130, MOST_PIXELS = 13 * 13, MOST_WEIGHTS = 132 * 200 };

typedef struct layer {
    int8_t weights[MOST_WEIGHTS];
    int32_t sums[MOST_C];
    float scales[MOST_C], bias[MOST_C];
    bool relu;
} layer;

typedef struct pair_case {
    oracle_window window;
    uint32_t n, out_h, out_w;
    bool bends, adds; /* the absolute value behind the first, an addition behind the second */
    layer first, second;
    int8_t x[2 * MOST_C * MOST_PIXELS], residual[2 * MOST_N * MOST_PIXELS];
    int8_t expected[2 * MOST_N * MOST_PIXELS];
    hand_model m;
} pair_case;

static const oracle_q q[] = {{0.03f, 3}, {0.05f, -20}, {0.08f, 11}, {0.06f, -7}, {0.1f, 5}};
enum { X, BETWEEN, SECOND, ADDED, SUM };

static uint32_t align4(uint32_t value) { return (value + 3) / 4 * 4; }

/* ------------------------------------------------------------------------------------ the model */

static void fill_layer(vkd_random *random, layer *l, uint32_t k, uint32_t n)
{
    memset(l, 0, sizeof *l);
    l->relu = random_range(random, 0, 1);
    for (uint32_t c = 0; c < n; c++) {
        l->scales[c] = random_float(random, 0.5f, 2) / (float)(10 + 10 * k);
        l->bias[c] = random_float(random, -1, 1);
        for (uint32_t i = 0; i < k; i++)
            l->sums[c] += l->weights[c * align4(k) + i] = (int8_t)random_range(random, -128, 127);
    }
}

static oracle_channels channels_of(const layer *l, int at)
{
    return (oracle_channels){.x_q = q[at],
                             .y_q = q[at + 1],
                             .weights = l->weights,
                             .weight_scales = l->scales,
                             .bias = l->bias,
                             .relu = l->relu};
}

static oracle_window pointwise(const pair_case *c)
{
    return (oracle_window){.n = c->window.n,
                           .c = c->window.c,
                           .h = c->out_h,
                           .w = c->out_w,
                           .kernel = {1, 1},
                           .stride = {1, 1},
                           .dilation = {1, 1}};
}

static void expect(pair_case *c)
{
    static int8_t between[2 * MOST_C * MOST_PIXELS];
    static float real[2 * MOST_C * MOST_PIXELS];
    const oracle_channels first = channels_of(&c->first, X),
                          second = channels_of(&c->second, BETWEEN);
    const oracle_window window = pointwise(c);
    const size_t pixels = (size_t)c->window.n * c->out_h * c->out_w;
    oracle_conv2d(&c->window, c->window.c, c->window.c, &first, c->x, between, NULL);
    oracle_dequantize(between, pixels * c->window.c, q[BETWEEN], real);
    for (size_t i = 0; i < pixels * c->window.c; i++)
        real[i] = real[i] < 0 ? -real[i] : real[i];
    if (c->bends)
        oracle_quantize(real, pixels * c->window.c, q[BETWEEN], between);
    oracle_conv2d(&window, c->n, 1, &second, between, c->expected, NULL);
    if (c->adds)
        oracle_add(c->expected, q[SECOND], c->residual, q[ADDED], 1, pixels * c->n, q[SUM],
                   c->expected);
}

static void draw(vkd_random *random, pair_case *c)
{
    const int stride = random_range(random, 1, 2), padding = random_range(random, 0, 2);
    memset(c, 0, sizeof *c);
    c->window = (oracle_window){.n = (uint32_t)random_range(random, 1, 2),
                                .c = (uint32_t)random_range(random, 2, MOST_C),
                                .h = (uint32_t)random_range(random, 3, 9),
                                .w = (uint32_t)random_range(random, 3, 9),
                                .kernel = {3, 3},
                                .stride = {stride, stride},
                                .padding = {padding, random_range(random, 0, 2)},
                                .dilation = {1, 1}};
    c->n = (uint32_t)random_range(random, 1, MOST_N);
    c->out_h = (uint32_t)oracle_extent(&c->window, 0, false);
    c->out_w = (uint32_t)oracle_extent(&c->window, 1, false);
    c->bends = random_range(random, 0, 1);
    c->adds = random_range(random, 0, 1);
    fill_layer(random, &c->first, 9, c->window.c);
    fill_layer(random, &c->second, c->window.c, c->n);
    random_int8(random, c->x, sizeof c->x);
    random_int8(random, c->residual, sizeof c->residual);
    expect(c);
}

static void add_conv(hand_model *m, const layer *l, const oracle_window *w, uint32_t groups,
                     uint32_t n, int at, uint32_t x, uint32_t y)
{
    const uint32_t k = (uint32_t)(w->kernel[0] * w->kernel[1]) * w->c / groups, padded = align4(n),
                   dims[] = {n, align4(k)};
    HAND_OP(m, "et_vk.q8ta_conv2d.default", x, hand_double(m, (double)q[at].scale),
            hand_int(m, q[at].zero), hand_constant(m, VKD_DTYPE_INT8, 2, dims, l->weights),
            hand_constant(m, VKD_DTYPE_INT32, 1, &padded, l->sums),
            hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, l->scales),
            hand_double(m, (double)q[at + 1].scale), hand_int(m, q[at + 1].zero),
            hand_constant(m, VKD_DTYPE_FLOAT32, 1, &padded, l->bias),
            hand_pair(m, w->kernel[0], w->kernel[1]), hand_pair(m, w->stride[0], w->stride[1]),
            hand_pair(m, w->padding[0], w->padding[1]),
            hand_pair(m, w->dilation[0], w->dilation[1]), hand_int(m, groups),
            hand_string(m, l->relu ? "relu" : "none"), y);
}

static void add_abs(hand_model *m, const uint32_t *dims, uint32_t x, uint32_t y)
{
    const uint32_t real = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, dims),
                   bent = hand_tensor(m, VKD_DTYPE_FLOAT32, 4, dims),
                   scale = hand_double(m, (double)q[BETWEEN].scale),
                   zero = hand_int(m, q[BETWEEN].zero), low = hand_int(m, -128),
                   high = hand_int(m, 127);
    HAND_OP(m, "quantized_decomposed.dequantize_per_tensor.default", x, scale, zero, low, high,
            hand_null(m), hand_null(m), real);
    HAND_OP(m, "aten.abs.default", real, bent);
    HAND_OP(m, "quantized_decomposed.quantize_per_tensor.default", bent, scale, zero, low, high,
            hand_null(m), y);
}

static void add_sum(hand_model *m, uint32_t a, uint32_t b, uint32_t y)
{
    HAND_OP(m, "et_vk.q8ta_add.default", a, b, hand_double(m, (double)q[SECOND].scale),
            hand_int(m, q[SECOND].zero), hand_double(m, (double)q[ADDED].scale),
            hand_int(m, q[ADDED].zero), hand_double(m, (double)q[SUM].scale),
            hand_int(m, q[SUM].zero), hand_int(m, 1), y);
}

static const vkd_model *build(pair_case *c)
{
    hand_model *m = &c->m;
    const uint32_t x_dims[] = {c->window.n, c->window.c, c->window.h, c->window.w},
                   dims[] = {c->window.n, c->window.c, c->out_h, c->out_w},
                   y_dims[] = {c->window.n, c->n, c->out_h, c->out_w};
    const oracle_window window = pointwise(c);
    memset(m, 0, sizeof *m);
    const uint32_t x = hand_input(m, VKD_DTYPE_INT8, 4, x_dims),
                   residual = c->adds ? hand_input(m, VKD_DTYPE_INT8, 4, y_dims) : 0,
                   a = hand_tensor(m, VKD_DTYPE_INT8, 4, dims),
                   b = c->bends ? hand_tensor(m, VKD_DTYPE_INT8, 4, dims) : a,
                   y = hand_output(m, VKD_DTYPE_INT8, 4, y_dims),
                   last = c->adds ? hand_tensor(m, VKD_DTYPE_INT8, 4, y_dims) : y;
    add_conv(m, &c->first, &c->window, c->window.c, c->window.c, X, x, a);
    if (c->bends)
        add_abs(m, dims, a, b);
    add_conv(m, &c->second, &window, 1, c->n, BETWEEN, b, last);
    if (c->adds)
        add_sum(m, last, residual, y);
    return hand_finish(m);
}

/* ----------------------------------------------------------------------------- without a device */

typedef struct fixture {
    vkd_context context;
    vkd_arena arena;
    vkd_net net;
    vkd_graph graph;
} fixture;

/* The node that does both, or null; everything is in the fixture's arena. */
static const vkd_node *lower(fixture *f, const vkd_model *model, const vkd_caps *caps,
                             const char *variant)
{
    vkd_lowered lowered;
    vkd_context_init(&f->context, &(vkd_options){.log = lowering_keep_quiet});
    vkd_arena_init(&f->arena, &f->context);
    vkd_graph_init(&f->graph, &f->arena);
    assert_int_equal(vkd_net_bind(&f->net, model, &vkd_ops, &f->arena), VKD_OK);
    assert_int_equal(vkd_rewrite(&f->net, 0), VKD_OK);
    if (lowering_of_net(&f->context, &f->net, caps, variant, &f->graph, &lowered) != VKD_OK)
        fail_msg("%s", f->context.error);
    for (size_t i = 0; i < f->graph.node_count; i++)
        if (f->graph.nodes[i].shader == VKD_SHADER_CONV_PAIR)
            return &f->graph.nodes[i];
    return NULL;
}

/* From planes to pixels of whole words. */
static void to_4c(const int8_t *planes, uint32_t n, uint32_t c, uint32_t pixels, int8_t *out)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t pixel = 0; pixel < pixels; pixel++)
            for (uint32_t k = 0; k < c; k++)
                out[((size_t)i * pixels + pixel) * align4(c) + k] =
                    planes[((size_t)i * c + k) * pixels + pixel];
}

enum { IN = 0, RESIDUAL = 6, OUT };

static void bind(fixture *f, const pair_case *c, const vkd_node *node,
                 vkd_words words[VKD_MAX_BINDINGS])
{
    for (uint32_t b = 0; b < node->binding_count; b++) {
        const vkd_tensor *tensor = &f->graph.tensors[node->bindings[b].tensor];
        words[b].count = (size_t)tensor->bytes / 4;
        words[b].at = vkd_arena_alloc(&f->arena, 1, tensor->bytes);
        words[b].written = vkd_arena_alloc(&f->arena, 1, tensor->bytes);
        assert_true(words[b].at && words[b].written);
        if (tensor->pack)
            tensor->pack(tensor->source, words[b].at, tensor->bytes);
    }
    to_4c(c->x, c->window.n, c->window.c, c->window.h * c->window.w, (int8_t *)words[IN].at);
    if (c->adds)
        to_4c(c->residual, c->window.n, c->n, c->out_h * c->out_w, (int8_t *)words[RESIDUAL].at);
}

static size_t compare(const pair_case *c, const vkd_words *y)
{
    static int8_t want[2 * MOST_PIXELS * 132];
    size_t stored = 0;
    to_4c(c->expected, c->window.n, c->n, c->out_h * c->out_w, want);
    for (size_t at = 0; at < y->count * 4; at++) {
        if (!((uint8_t *)y->written)[at] || at % align4(c->n) >= c->n)
            continue;
        stored++;
        if (((int8_t *)y->at)[at] != want[at])
            fail_msg("%u channels, %ux%u, s%d, -> %u%s%s: byte %zu is %d, expected %d", c->window.c,
                     c->window.h, c->window.w, c->window.stride[0], c->n, c->bends ? ", bent" : "",
                     c->adds ? ", added" : "", at, ((int8_t *)y->at)[at], want[at]);
    }
    return stored;
}

static void oracle_is_as_two(void **state)
{
    enum { CASES = 40 };
    (void)state;
    static pair_case c;
    vkd_random random = random_begin("pairs' oracle");
    const vkd_caps caps = fake_caps(FAKE_H100_MATRIX);
    size_t stored = 0;
    for (int i = 0; i < CASES; i++) {
        fixture f;
        vkd_words words[VKD_MAX_BINDINGS] = {0};
        uint64_t bytes[VKD_MAX_BINDINGS] = {0};
        draw(&random, &c);
        const vkd_node *lowered = lower(&f, build(&c), &caps, "pair");
        assert_non_null(lowered);
        vkd_node node = *lowered;
        assert_ptr_equal(node.oracle, &vkd_pair_oracle);
        for (uint32_t b = 0; b < node.binding_count; b++)
            bytes[b] = f.graph.tensors[node.bindings[b].tensor].bytes;
        if (i % 2)
            node.oracle->shrink(&node, bytes);
        bind(&f, &c, &node, words);
        node.oracle->store(&node, words);
        stored += compare(&c, &words[OUT]);
        vkd_arena_release(&f.arena);
    }
    assert_in_range(stored, CASES, SIZE_MAX);
}

/* ----------------------------------------------------------------------------------- the choice */

typedef struct choice {
    uint32_t c, n, h;
    int kernel, stride;
    const char *variant;
    bool matrix, output, again, pair; /* output, again: also read so */
} choice;

static void when_it_is_taken(void **state)
{
    (void)state;
    static const choice choices[] = {
        {144, 24, 56, 3, 1, NULL, true, false, false, true},
        {192, 64, 28, 3, 2, NULL, true, false, false, true},
        /* too few workgroups for so many weights */
        {960, 160, 7, 3, 1, NULL, true, false, false, false},
        {960, 160, 7, 3, 1, "pair", true, false, false, true},
        {144, 24, 56, 3, 1, "depthwise", true, false, false, false},
        {144, 24, 56, 5, 1, NULL, true, false, false, false},
        {144, 24, 56, 3, 1, NULL, false, false, false, false},
        {144, 24, 56, 3, 1, "pair", false, false, false, false},
        /* somebody else reads what is between */
        {144, 24, 56, 3, 1, "pair", true, true, false, false},
        {144, 24, 56, 3, 1, "pair", true, false, true, false},
        /* more channels than there are subgroups for */
        {64, 1000, 14, 3, 1, "pair", true, false, false, false},
    };
    static const int8_t zeros[1000 * 960];
    static const float ones[1000];
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        const choice *ch = &choices[i];
        const int padding = ch->kernel / 2;
        static hand_model m;
        memset(&m, 0, sizeof m);
        const uint32_t out = (ch->h + (uint32_t)ch->stride - 1) / (uint32_t)ch->stride,
                       x_dims[] = {1, ch->c, ch->h, ch->h}, dims[] = {1, ch->c, out, out},
                       y_dims[] = {1, ch->n, out, out}, padded = align4(ch->c),
                       taps[] = {ch->c, align4((uint32_t)(ch->kernel * ch->kernel))},
                       weights[] = {ch->n, ch->c}, n = align4(ch->n);
        const uint32_t x = hand_input(&m, VKD_DTYPE_INT8, 4, x_dims),
                       a = ch->output ? hand_output(&m, VKD_DTYPE_INT8, 4, dims)
                                      : hand_tensor(&m, VKD_DTYPE_INT8, 4, dims),
                       y = hand_output(&m, VKD_DTYPE_INT8, 4, y_dims), scale = hand_double(&m, 1),
                       zero = hand_int(&m, 0), one = hand_pair(&m, 1, 1), none = hand_null(&m),
                       activation = hand_string(&m, "none");
        HAND_OP(&m, "et_vk.q8ta_conv2d.default", x, scale, zero,
                hand_constant(&m, VKD_DTYPE_INT8, 2, taps, zeros),
                hand_constant(&m, VKD_DTYPE_INT32, 1, &padded, zeros),
                hand_constant(&m, VKD_DTYPE_FLOAT32, 1, &padded, ones), scale, zero, none,
                hand_pair(&m, ch->kernel, ch->kernel), hand_pair(&m, ch->stride, ch->stride),
                hand_pair(&m, padding, padding), one, hand_int(&m, ch->c), activation, a);
        HAND_OP(&m, "et_vk.q8ta_conv2d_pw.default", a, scale, zero,
                hand_constant(&m, VKD_DTYPE_INT8, 2, weights, zeros),
                hand_constant(&m, VKD_DTYPE_INT32, 1, &n, zeros),
                hand_constant(&m, VKD_DTYPE_FLOAT32, 1, &n, ones), scale, zero, none, one, one,
                hand_pair(&m, 0, 0), one, hand_int(&m, 1), activation, y);
        if (ch->again)
            HAND_OP(&m, "et_vk.q8ta_relu.default", a, scale, zero, scale, zero,
                    hand_output(&m, VKD_DTYPE_INT8, 4, dims));
        const vkd_caps caps = fake_caps(ch->matrix ? FAKE_H100_MATRIX : FAKE_H100);
        fixture f;
        if ((lower(&f, hand_finish(&m), &caps, ch->variant) != NULL) != ch->pair)
            fail_msg("%ux%ux%u -> %u, %dx%d, %s: %s", ch->c, ch->h, ch->h, ch->n, ch->kernel,
                     ch->kernel, ch->variant ? ch->variant : "auto",
                     ch->pair ? "not taken" : "taken");
        vkd_arena_release(&f.arena);
    }
}

/* Each of a row of convolutions that could wait for its reader is made before the next one: not one
 * inside of the other, for which a stack has no room. */
static void a_row_is_no_recursion(void **state)
{
    enum { LONG = 30000 };
    (void)state;
    static const uint32_t dims[] = {1, 4, 1, 1};
    static pair_case c;
    c.window = (oracle_window){1, 4, 1, 1, {3, 3}, {1, 1}, {1, 1}, {1, 1}};
    hand_model *m = &c.m;
    memset(m, 0, sizeof *m);
    uint32_t x = hand_input(m, VKD_DTYPE_INT8, 4, dims),
             y = hand_output(m, VKD_DTYPE_INT8, 4, dims);
    add_conv(m, &c.first, &c.window, 4, 4, X, x, y);
    const vkd_model *one = hand_finish(m);
    const size_t args = one->ops[0].arg_count, values = one->value_count;
    vkd_model row = *one;
    vkd_model_value *all = calloc(values + LONG, sizeof *all);
    vkd_model_op *ops = calloc(LONG, sizeof *ops);
    uint32_t *ids = calloc(LONG * args, sizeof *ids);
    assert_true(all && ops && ids);
    memcpy(all, one->values, values * sizeof *all);
    for (size_t i = 0; i < LONG; i++) {
        all[values + i] = one->values[y];
        ops[i] = one->ops[0];
        ops[i].args = memcpy(ids + i * args, one->ops[0].args, args * sizeof *ids);
        ids[i * args] = i ? (uint32_t)(values + i - 1) : x;
        ids[i * args + args - 1] = i + 1 < LONG ? (uint32_t)(values + i) : y;
    }
    row.values = all, row.ops = ops, row.value_count = values + LONG, row.op_count = LONG;
    const vkd_caps caps = fake_caps(FAKE_H100_MATRIX);
    fixture f;
    assert_null(lower(&f, &row, &caps, NULL));
    assert_int_equal(f.graph.node_count, LONG + 2); /* and what turns in and output */
    vkd_arena_release(&f.arena);
    free(all), free(ops), free(ids);
}

/* What is between is refused as by two convolutions. */
static void between_is_checked(void **state)
{
    (void)state;
    static pair_case c;
    vkd_random random = random_begin("pairs of other types");
    draw(&random, &c);
    c.bends = c.adds = false;
    for (int matrix = 0; matrix < 2; matrix++) {
        const vkd_caps caps = fake_caps(matrix ? FAKE_H100_MATRIX : FAKE_H100);
        vkd_lowered lowered;
        fixture f;
        build(&c);
        const uint32_t between = c.m.ops[0].args[c.m.ops[0].arg_count - 1];
        c.m.values[between].tensor.dtype = c.m.values[between].tensor.staging_dtype =
            VKD_DTYPE_FLOAT32;
        vkd_context_init(&f.context, &(vkd_options){.log = lowering_keep_quiet});
        vkd_arena_init(&f.arena, &f.context);
        vkd_graph_init(&f.graph, &f.arena);
        assert_int_equal(
            lowering_of_model(&f.context, &c.m.model, &caps, "pair", &f.graph, &lowered),
            VKD_UNSUPPORTED);
        assert_non_null(strstr(f.context.error, "has dtype f32, expected i8"));
        vkd_arena_release(&f.arena);
    }
}

/* ------------------------------------------------------------------------------------- refusals */

/* A first convolution by its problem, with a second one behind it. */
static const char *refuse(const conv2d_problem *problem, const vkd_caps *caps, uint32_t channels,
                          uint32_t kernel, bool resizes)
{
    conv2d first = {.problem = *problem}, second = {.problem = *problem};
    conv2d_problem *p = &second.problem;
    first.largest.n = resizes;
    p->in_c = problem->out_c;
    p->out_c = channels;
    p->groups = 1;
    for (int axis = 0; axis < 2; axis++) {
        p->kernel[axis] = kernel;
        p->stride[axis] = p->dilation[axis] = 1;
        p->padding[axis] = 0;
    }
    p->in_h = problem->out_h + kernel - 1;
    p->in_w = problem->out_w + kernel - 1;
    return vkd_conv2d_pair_refuses(&first, &second, caps);
}

#define SECOND_IS(name, channels, kernel, resizes)                                                 \
    static const char *name(const conv2d_problem *problem, const vkd_caps *caps,                   \
                            const gemm_tile *tile)                                                 \
    {                                                                                              \
        (void)tile;                                                                                \
        return refuse(problem, caps, channels, kernel, resizes);                                   \
    }
SECOND_IS(narrow, 24, 1, false)
SECOND_IS(wide, 520, 1, false)
SECOND_IS(windowed, 24, 3, false)
SECOND_IS(resizing, 24, 1, true)

static const conv2d_variant seconds[] = {{.name = "24", .refuses = narrow},
                                         {.name = "520", .refuses = wide},
                                         {.name = "3x3", .refuses = windowed},
                                         {.name = "resizes", .refuses = resizing}};

#define NO_MATRIX "the device has no int8 matrix units, or no dot products of int8"
#define NO_WINDOW "the first's window is not 3x3, undilated, with one stride"
#define NO_DEPTHWISE "the first is not depthwise"
#define NO_ROOM "it has more channels than a workgroup has room for"
#define UNITS FAKE_H100_MATRIX

static const struct {
    const char *second;
    uint32_t channels, groups, kernel[2], stride[2], dilation;
    fake_device device;
    refusal_changes changed;
    const char *reason;
} refused[] = {
    {"24", 144, 144, {3, 3}, {1, 1}, 1, UNITS, {0}, NULL},
    {"24", 144, 144, {3, 3}, {2, 2}, 1, UNITS, {0}, NULL},
    {"24", 144, 144, {3, 3}, {1, 1}, 1, FAKE_H100, {0}, NO_MATRIX},
    {"24", 144, 144, {3, 3}, {1, 1}, 1, UNITS, {.subgroup = 64}, NO_MATRIX},
    {"24", 144, 144, {3, 3}, {1, 1}, 1, UNITS, {.buffers = 8}, NULL},
    {"24",
     144,
     144,
     {3, 3},
     {1, 1},
     1,
     UNITS,
     {.buffers = 7},
     "the device binds fewer than 8 buffers"},
    {"24", 144, 72, {3, 3}, {1, 1}, 1, UNITS, {0}, NO_DEPTHWISE},
    {"24", 144, 144, {3, 3}, {1, 1}, 1, UNITS, {.halves = true}, NO_DEPTHWISE},
    {"24", 144, 144, {5, 5}, {1, 1}, 1, UNITS, {0}, NO_WINDOW},
    {"24", 144, 144, {3, 1}, {1, 1}, 1, UNITS, {0}, NO_WINDOW},
    {"24", 144, 144, {3, 3}, {1, 2}, 1, UNITS, {0}, NO_WINDOW},
    {"24", 144, 144, {3, 3}, {1, 1}, 2, UNITS, {0}, NO_WINDOW},
    {"resizes", 144, 144, {3, 3}, {1, 1}, 1, UNITS, {0}, "its shape can change"},
    {"3x3", 144, 144, {3, 3}, {1, 1}, 1, UNITS, {0}, "the second is not pointwise"},
    {"520", 144, 144, {3, 3}, {1, 1}, 1, UNITS, {0}, NO_ROOM},
    {"24", 1984, 1984, {3, 3}, {1, 1}, 1, UNITS, {0}, NULL},
    {"24", 2052, 2052, {3, 3}, {1, 1}, 1, UNITS, {0}, NO_ROOM},
    {"24", 144, 144, {3, 3}, {1, 1}, 1, UNITS, {.groups_x = 392}, NULL},
    {"24",
     144,
     144,
     {3, 3},
     {1, 1},
     1,
     UNITS,
     {.groups_x = 391},
     "it has more pixels than a dispatch can have workgroups for"},
    {"24",
     144,
     144,
     {3, 3},
     {1, 1},
     1,
     UNITS,
     {.loops = 2},
     "its sums are longer than the device's loops may be"},
    {"24",
     144,
     144,
     {3, 3},
     {1, 1},
     1,
     UNITS,
     {.left_out = VKD_FAMILY_MATRIX},
     "its kernel is left out of this build"},
    {"24",
     144,
     144,
     {3, 3},
     {1, 1},
     1,
     UNITS,
     {.wrong = true},
     "its kernel computes wrong results on this device"},
};

/* Of 56x56 pixels behind it. */
static refusal row_at(size_t i)
{
    conv2d_problem p = {.n = 1,
                        .in_c = refused[i].channels,
                        .out_c = refused[i].channels,
                        .out_h = 56,
                        .out_w = 56,
                        .groups = refused[i].groups,
                        .dtype = refused[i].changed.halves ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_INT8};
    for (int axis = 0; axis < 2; axis++) {
        uint32_t *in = axis ? &p.in_w : &p.in_h;
        p.kernel[axis] = refused[i].kernel[axis];
        p.stride[axis] = refused[i].stride[axis];
        p.dilation[axis] = refused[i].dilation;
        *in = 55 * p.stride[axis] + (p.kernel[axis] - 1) * p.dilation[axis] + 1;
    }
    return (refusal){refused[i].second, p, refused[i].device, refused[i].changed,
                     refused[i].reason};
}

static void every_refusal(void **state)
{
    (void)state;
    const refusals r = {seconds,
                        sizeof seconds / sizeof *seconds,
                        sizeof refused / sizeof *refused,
                        "ops/conv/pair.c",
                        {NULL},
                        row_at};
    refusals_check(&r);
    refusals_check_sources(&r);
}

/* -------------------------------------------------------------------------------- on the device */

static void device_is_as_two(void **state)
{
    enum { CASES = 60 };
    static pair_case c;
    static int8_t y[2 * MOST_N * MOST_PIXELS];
    harness *h = harness_get(state);
    vkd_random random = random_begin("pairs on the device");
    size_t pairs = 0;
    for (int i = 0; i < CASES; i++) {
        size_t nodes[2];
        draw(&random, &c);
        for (int k = 0; k < 2; k++) {
            if (harness_run_rewritten(h, build(&c), k ? "general" : "pair", 0,
                                      (const void *[]){c.x, c.residual}, (void *[]){y},
                                      &nodes[k]) != VKD_OK)
                fail_msg("%s", h->gpu.context.error);
            harness_assert_int8(y, c.expected, (size_t)c.window.n * c.n * c.out_h * c.out_w,
                                k ? "two" : "a pair");
        }
        pairs += nodes[0] < nodes[1];
    }
    if (!h->caps.matrix_int8)
        print_message("two dispatches each: the device has no int8 matrix units\n");
    assert_int_equal(pairs, h->caps.matrix_int8 ? CASES : 0);
}

int main(void)
{
    const struct CMUnitTest pure[] = {
        cmocka_unit_test(oracle_is_as_two), cmocka_unit_test(when_it_is_taken),
        cmocka_unit_test(every_refusal), cmocka_unit_test(a_row_is_no_recursion),
        cmocka_unit_test(between_is_checked)};
    const struct CMUnitTest tests[] = {cmocka_unit_test(device_is_as_two)};
    const int failed = cmocka_run_group_tests(pure, NULL, NULL),
              others = cmocka_run_group_tests(tests, harness_setup, harness_teardown);
    return failed ? failed : others; /* which may have been skipped */
}
