/* What a decoder's operators become on a GPU: how many dispatches and levels of them, for
 * fabricated devices; and whether what lowering makes of several operators is what they make one by
 * one, on a device. */
#include "graph/plan.h"
#include "graph/rewrite.h"
#include "include/vkdelegate.h"
#include "nets/nets.h"
#include "ops/lower.h"
#include "runtime/base/element.h"
#include "runtime/hazard.h"
#include "schema/inline.h"
#include "schema/named.h"
#include "support/fake_caps.h"
#include "support/harness.h"
#include "support/reading.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ----------------------------------------------------------------------------------- dispatches */

static vkd_range range_of(const vkd_graph *graph, const vkd_binding *binding)
{
    const vkd_tensor *tensor = &graph->tensors[graph->tensors[binding->tensor].storage];
    const bool scratch = tensor->place == VKD_PLACE_SCRATCH;
    return (vkd_range){.memory = scratch ? (const void *)graph : tensor,
                       .offset = scratch ? tensor->offset : 0,
                       .size = tensor->bytes,
                       .write = binding->write};
}

/* As many as a recorder makes barriers, and one; VKD_TEST_LIST prints the nodes by level. */
static uint32_t count_levels(const vkd_graph *graph)
{
    static vkd_range watched[VKD_HAZARDS_WATCHED + VKD_MAX_BINDINGS];
    vkd_hazards hazards = {.ranges = watched, .capacity = sizeof watched / sizeof *watched};
    uint32_t levels = 1;
    for (size_t i = 0; i < graph->node_count; i++) {
        const vkd_node *node = &graph->nodes[i];
        vkd_range uses[VKD_MAX_BINDINGS];
        for (uint32_t b = 0; b < node->binding_count; b++)
            uses[b] = range_of(graph, &node->bindings[b]);
        if (vkd_hazards_found(&hazards, uses, node->binding_count)) {
            levels++;
            vkd_hazards_clear(&hazards);
        }
        if (getenv("VKD_TEST_LIST"))
            print_message("%3u %-32s %-28s %s\n", levels, node->op, node->shape,
                          vkd_shaders[node->shader].name);
        assert_true(vkd_hazards_add(&hazards, uses, node->binding_count));
    }
    return levels;
}

typedef struct counts {
    uint32_t dispatches, levels;
} counts;

static counts lower_decoder(const net_shape *shape, fake_device device)
{
    const vkd_caps caps = fake_caps(device);
    reading r;
    net_file file;
    vkd_model model;
    vkd_net net;
    vkd_graph graph;
    vkd_lowered lowered;
    reading_begin(&r, NULL);
    assert_true(net_build(shape, &file));
    assert_int_equal(vkd_container_read(file.file, file.file_size, &r.arena, &r.container), VKD_OK);
    assert_int_equal(
        vkd_inline_method(&r.container, &r.container.methods[0], vkd_backend.id, &r.arena, &model),
        VKD_OK);
    assert_int_equal(vkd_net_bind(&net, &model, &vkd_ops, &r.arena), VKD_OK);
    assert_int_equal(vkd_rewrite(&net, 0), VKD_OK);
    vkd_model_value *values = vkd_arena_alloc(&r.arena, net.value_count, sizeof *values);
    assert_non_null(values);
    vkd_graph_init(&graph, &r.arena);
    if (vkd_shape_net(r.arena.context, &net, NULL, values) != VKD_OK ||
        vkd_lower_net(r.arena.context, &net, values, &caps, NULL, &graph, &lowered) != VKD_OK ||
        vkd_plan_memory(&graph, 256, true) != VKD_OK)
        fail_msg("%s: %s", shape->name, r.arena.context->error);
    const counts c = {(uint32_t)graph.node_count, count_levels(&graph)};
    net_release(&file);
    reading_end(&r);
    return c;
}

/* Two layers less one: what a layer takes. */
static void layers_take_few_levels(void **state)
{
    (void)state;
    static const struct {
        bool nibbles;
        int tokens;
        fake_device device;
        counts layer;
    } cases[] = {
        {false, 1, FAKE_H100_MATRIX, {7, 5}},
        {true, 1, FAKE_H100_MATRIX, {7, 5}},
        {false, 128, FAKE_H100_MATRIX, {13, 9}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        net_shape shape = {.name = "decoder",
                           .dtype = VKD_DTYPE_FLOAT16,
                           .nibbles = cases[i].nibbles,
                           .tokens = cases[i].tokens,
                           .layers = 1,
                           .words = 1000,
                           .seed = 1};
        const counts one = lower_decoder(&shape, cases[i].device);
        shape.layers = 2;
        const counts two = lower_decoder(&shape, cases[i].device);
        print_message("%s, %d tokens: %u dispatches and %u levels a layer, %u and %u besides\n",
                      cases[i].nibbles ? "4w" : "f16", cases[i].tokens,
                      two.dispatches - one.dispatches, two.levels - one.levels,
                      2 * one.dispatches - two.dispatches, 2 * one.levels - two.levels);
        assert_int_equal(two.dispatches - one.dispatches, cases[i].layer.dispatches);
        assert_int_equal(two.levels - one.levels, cases[i].layer.levels);
    }
}

/* ------------------------------------------------------------------------------ norms, products */

enum { MOST_K = 72, MOST_N = 24, MOST_ROWS = 6, MOST_READERS = 3, MOST_Y = MOST_ROWS * MOST_N };

typedef enum reader_kind { LINEAR, NIBBLES, BYTES, ANOTHER, READER_KINDS } reader_kind;

typedef struct norm_case {
    vkd_dtype dtype;
    uint32_t rows, k, n, readers;
    reader_kind kinds[MOST_READERS];
    bool bias[MOST_READERS], computed, no_weight;
    unsigned char x[4 * MOST_ROWS * MOST_K], scale[4 * MOST_K], weights[2][4 * MOST_N * MOST_K],
        biases[2][4 * MOST_N];
    int8_t bytes[2][MOST_N * MOST_K];
    float scales[2][MOST_N * MOST_K / 8];
} norm_case;

static void draw_elements(vkd_random *random, vkd_dtype dtype, void *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        vkd_element_set(dtype, out, i, (double)random_float(random, -2, 2));
}

static void draw_norm(norm_case *c, vkd_random *random)
{
    memset(c, 0, sizeof *c);
    c->dtype = random_range(random, 0, 2) ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32;
    c->rows = random_range(random, 0, 1) ? 1 : (uint32_t)random_range(random, 1, MOST_ROWS);
    c->k = 8 * (uint32_t)random_range(random, 1, MOST_K / 8);
    c->n = 4 * (uint32_t)random_range(random, 1, MOST_N / 4);
    c->readers = (uint32_t)random_range(random, 1, MOST_READERS);
    for (uint32_t i = 0; i < c->readers; i++) {
        c->kinds[i] = (reader_kind)random_range(random, 0, READER_KINDS - 1);
        c->bias[i] = random_range(random, 0, 3) == 0;
    }
    c->computed = random_range(random, 0, 4) == 0;
    c->no_weight = random_range(random, 0, 6) == 0;
    draw_elements(random, c->dtype, c->x, (size_t)c->rows * c->k);
    draw_elements(random, c->dtype, c->scale, c->k);
    for (int i = 0; i < 2; i++) {
        draw_elements(random, c->dtype, c->weights[i], (size_t)c->n * c->k);
        draw_elements(random, c->dtype, c->biases[i], c->n);
        random_int8(random, c->bytes[i], sizeof c->bytes[i]);
        random_floats(random, -0.01f, 0.01f, c->scales[i], sizeof c->scales[i] / sizeof(float));
    }
}

/* Layers with odd numbers have other weights than those with even ones. */
static void add_layer(hand_model *m, const norm_case *c, uint32_t i, uint32_t x, uint32_t y)
{
    enum { GROUP = 8 };
    const uint32_t w_dims[] = {c->n, c->k}, nibble_dims[] = {c->n, c->k / 2},
                   scale_dims[] = {c->k / GROUP, c->n}, which = i % 2,
                   bias = c->bias[i] ? hand_constant(m, c->dtype, 1, &c->n, c->biases[which])
                                     : hand_null(m);
    switch (c->kinds[i]) {
    case LINEAR:
        HAND_OP(m, "aten.linear.default", x,
                hand_constant(m, c->dtype, 2, w_dims, c->weights[which]), bias, y);
        break;
    case NIBBLES:
        HAND_OP(m, "et_vk.linear_q4gsw.default", x,
                hand_constant(m, VKD_DTYPE_INT8, 2, nibble_dims, c->bytes[which]),
                hand_constant(m, VKD_DTYPE_FLOAT32, 2, scale_dims, c->scales[which]),
                hand_int(m, GROUP), bias, y);
        break;
    case BYTES:
        HAND_OP(m, "et_vk.linear_q8csw.default", x,
                hand_constant(m, VKD_DTYPE_INT8, 2, w_dims, c->bytes[which]),
                hand_constant(m, VKD_DTYPE_FLOAT32, 1, &c->n, c->scales[which]), bias, y);
        break;
    default:
        HAND_OP(m, "aten.abs.default", x, y);
    }
}

static void build_norm(hand_model *m, const norm_case *c)
{
    memset(m, 0, sizeof *m);
    const uint32_t dims[] = {1, c->rows, c->k}, x = hand_input(m, c->dtype, 3, dims),
                   y = hand_tensor(m, c->dtype, 3, dims);
    uint32_t weight = c->no_weight ? hand_null(m) : hand_constant(m, c->dtype, 1, &c->k, c->scale);
    if (c->computed && !c->no_weight) {
        const uint32_t made = hand_tensor(m, c->dtype, 1, &c->k);
        HAND_OP(m, "aten.neg.default", weight, made);
        weight = made;
    }
    HAND_OP(m, "et_vk.rms_norm.default", x, weight, hand_double(m, 1e-5), y);
    for (uint32_t i = 0; i < c->readers; i++) {
        const uint32_t y_dims[] = {1, c->rows, c->kinds[i] == ANOTHER ? c->k : c->n};
        add_layer(m, c, i, y, hand_output(m, c->dtype, 3, y_dims));
    }
}

/* Whether it makes the norm by itself: of the rows of one tile, with a weight that it can have. */
static bool can_norm(const norm_case *c, uint32_t i)
{
    const bool low = c->kinds[i] == NIBBLES || c->kinds[i] == BYTES;
    if (c->no_weight || c->kinds[i] == ANOTHER)
        return false;
    return low ? c->rows <= 4 && !c->computed : !c->bias[i];
}

/* How far apart results are: a product whose input fell the other way in a rounding, or was added
 * up in another order, is still that product. */
static size_t count_unequal(vkd_dtype dtype, const void *got, const void *expected, size_t count,
                            const char *what)
{
    size_t unequal = 0;
    for (size_t i = 0; i < count; i++) {
        const double a = vkd_element_get(dtype, got, i), b = vkd_element_get(dtype, expected, i),
                     most =
                         dtype == VKD_DTYPE_FLOAT16 ? 4e-3 + fabs(b) / 500 : 2e-5 * (1 + fabs(b));
        if (!(fabs(a - b) <= most))
            fail_msg("%s: element %zu of %zu is %.9g, expected %.9g", what, i, count, a, b);
        unequal += dtype == VKD_DTYPE_FLOAT16 && a != b;
    }
    return unequal;
}

static size_t run_norm(harness *h, const norm_case *c,
                       void (*build)(hand_model *m, const norm_case *c), vkd_device_type type,
                       unsigned char out[MOST_READERS][4 * MOST_ROWS * MOST_K])
{
    static hand_model m;
    void *outputs[MOST_READERS];
    size_t nodes;
    const vkd_caps own = h->caps;
    for (uint32_t i = 0; i < MOST_READERS; i++)
        outputs[i] = out[i];
    build(&m, c);
    h->caps.type = type;
    if (harness_run_rewritten(h, hand_finish(&m), "pointwise vector 1x4", 0, (const void *[]){c->x},
                              outputs, &nodes) != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    h->caps = own;
    return nodes;
}

/* The norm goes where all of its readers make it. Halves that it rounds to are the same: nearly all
 * results are to the bit. */
static void products_make_norms(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("norms before products");
    static norm_case c;
    static unsigned char got[MOST_READERS][4 * MOST_ROWS * MOST_K],
        expected[MOST_READERS][4 * MOST_ROWS * MOST_K];
    size_t halves = 0, unequal = 0, gone = 0;
    for (int draw = 0; draw < 60; draw++) {
        char what[128];
        bool goes = true;
        draw_norm(&c, &random);
        const size_t apart = run_norm(h, &c, build_norm, VKD_TYPE_CPU, expected);
        h->checks_kernels = draw % 4 == 0;
        const size_t nodes = run_norm(h, &c, build_norm, VKD_TYPE_DISCRETE, got);
        h->checks_kernels = false;
        for (uint32_t i = 0; i < c.readers; i++) {
            const size_t count = (size_t)c.rows * (c.kinds[i] == ANOTHER ? c.k : c.n);
            snprintf(what, sizeof what, "draw %d, %ux%u -> %u %s, reader %u of %u, kind %d", draw,
                     c.rows, c.k, c.n, vkd_dtype_name(c.dtype), i, c.readers, (int)c.kinds[i]);
            unequal += count_unequal(c.dtype, got[i], expected[i], count, what);
            halves += c.dtype == VKD_DTYPE_FLOAT16 ? count : 0;
            goes &= can_norm(&c, i);
        }
        if (nodes != apart - goes)
            fail_msg("%s: %zu dispatches, %zu where the norm is one", what, nodes, apart);
        gone += goes;
    }
    print_message("%zu norms of 60 are gone, %zu of %zu halves are others\n", gone, unequal,
                  halves);
    assert_true(gone >= 10);
    assert_true(100 * unequal <= 2 * halves);
}

/* y = f(x A) * x B */
static void build_gate(hand_model *m, const norm_case *c)
{
    memset(m, 0, sizeof *m);
    const uint32_t dims[] = {1, c->rows, c->k}, y_dims[] = {1, c->rows, c->n},
                   x = hand_input(m, c->dtype, 3, dims), normed = hand_tensor(m, c->dtype, 3, dims);
    uint32_t value[4];
    for (int i = 0; i < 4; i++)
        value[i] = hand_tensor(m, c->dtype, 3, y_dims);
    if (!c->no_weight)
        HAND_OP(m, "et_vk.rms_norm.default", x, hand_constant(m, c->dtype, 1, &c->k, c->scale),
                hand_double(m, 1e-5), normed);
    add_layer(m, c, 0, c->no_weight ? x : normed, value[0]);
    HAND_OP(m, "aten.sigmoid.default", value[0], value[1]);
    HAND_OP(m, "aten.mul.Tensor", value[0], value[1], value[2]);
    add_layer(m, c, 1, c->no_weight ? x : normed, value[3]);
    const uint32_t y = hand_output(m, c->dtype, 3, y_dims);
    HAND_OP(m, "aten.mul.Tensor", value[2], value[3], y);
    if (c->computed) /* a second reader */
        HAND_OP(m, "aten.abs.default", value[0], hand_output(m, c->dtype, 3, y_dims));
}

/* Two products of one vector, of which one is the other's residual, are one dispatch. */
static void gates_are_made_with_what_they_open(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("gates");
    static norm_case c;
    static unsigned char got[MOST_READERS][4 * MOST_ROWS * MOST_K],
        expected[MOST_READERS][4 * MOST_ROWS * MOST_K];
    size_t halves = 0, unequal = 0, joined = 0;
    for (int draw = 0; draw < 60; draw++) {
        char what[128];
        draw_norm(&c, &random);
        c.kinds[0] = c.kinds[1] = (reader_kind)random_range(&random, 0, ANOTHER - 1);
        const size_t apart = run_norm(h, &c, build_gate, VKD_TYPE_CPU, expected);
        h->checks_kernels = draw % 4 == 0;
        const size_t nodes = run_norm(h, &c, build_gate, VKD_TYPE_DISCRETE, got);
        h->checks_kernels = false;
        snprintf(what, sizeof what, "draw %d, %ux%u -> %u %s, kind %d%s%s", draw, c.rows, c.k, c.n,
                 vkd_dtype_name(c.dtype), (int)c.kinds[0], c.no_weight ? "" : ", norm",
                 c.computed ? ", read twice" : "");
        for (int i = 0; i <= c.computed; i++)
            unequal += count_unequal(c.dtype, got[i], expected[i], (size_t)c.rows * c.n, what);
        halves += c.dtype == VKD_DTYPE_FLOAT16 ? (size_t)c.rows * c.n : 0;
        const bool low = c.kinds[0] != LINEAR,
                   joins = !c.computed && (low ? c.rows <= 4 : !c.bias[0] && !c.bias[1]),
                   norm = !c.no_weight && (low ? c.rows <= 4 : !c.bias[0] && !c.bias[1]);
        if (nodes != apart - joins - norm)
            fail_msg("%s: %zu dispatches, apart %zu", what, nodes, apart);
        joined += joins;
    }
    print_message("%zu pairs of 60 are joined, %zu of %zu halves are others\n", joined, unequal,
                  halves);
    assert_true(joined >= 10);
    assert_true(50 * unequal <= 2 * halves);
}

/* --------------------------------------------------------------------------------------- caches */

enum { CACHE_MOST = 8, CACHE_WIDTH = 16, CACHE_ELEMENTS = CACHE_MOST * 4 * CACHE_WIDTH };

typedef struct cache_case {
    vkd_dtype dtype;
    uint32_t tokens, heads, keys, width, start;
    bool norm, read_twice; /* the turned keys by another one, too */
    unsigned char q[4 * CACHE_ELEMENTS], k[4 * CACHE_ELEMENTS], v[4 * CACHE_ELEMENTS],
        caches[2][4 * CACHE_ELEMENTS], turns[2][4 * CACHE_ELEMENTS], weight[4 * CACHE_WIDTH];
} cache_case;

static void draw_cache(cache_case *c, vkd_random *random)
{
    memset(c, 0, sizeof *c);
    c->dtype = random_range(random, 0, 1) ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32;
    c->tokens = random_range(random, 0, 1) ? 1 : (uint32_t)random_range(random, 1, 3);
    c->keys = (uint32_t)random_range(random, 1, 2);
    c->heads = c->keys * (uint32_t)random_range(random, 1, 2);
    c->width = random_range(random, 0, 3) ? CACHE_WIDTH : 2 * (uint32_t)random_range(random, 1, 8);
    c->start = (uint32_t)random_range(random, 0, (int32_t)(CACHE_MOST - c->tokens));
    c->norm = random_range(random, 0, 1);
    c->read_twice = random_range(random, 0, 3) == 0;
    unsigned char *const all[] = {c->q,         c->k,        c->v,       c->caches[0],
                                  c->caches[1], c->turns[0], c->turns[1]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        draw_elements(random, c->dtype, all[i], CACHE_ELEMENTS);
    draw_elements(random, c->dtype, c->weight, c->width);
}

static uint32_t add_normed(hand_model *m, const cache_case *c, const uint32_t *dims)
{
    const uint32_t x = hand_input(m, c->dtype, 4, dims), y = hand_tensor(m, c->dtype, 4, dims);
    if (!c->norm)
        return x;
    HAND_OP(m, "et_vk.rms_norm.default", x, hand_constant(m, c->dtype, 1, &c->width, c->weight),
            hand_double(m, 1e-5), y);
    return y;
}

static uint32_t add_cache(hand_model *m, const cache_case *c, int which)
{
    const uint32_t dims[] = {1, CACHE_MOST, c->keys, c->width},
                   id = hand_constant(m, c->dtype, 4, dims, c->caches[which]);
    m->values[id].tensor.state = true;
    return id;
}

static void build_cache(hand_model *m, const cache_case *c)
{
    memset(m, 0, sizeof *m);
    const uint32_t q_dims[] = {1, c->tokens, c->heads, c->width},
                   k_dims[] = {1, c->tokens, c->keys, c->width},
                   turn_dims[] = {c->tokens, c->width / 2}, q = add_normed(m, c, q_dims),
                   k = add_normed(m, c, k_dims), v = hand_input(m, c->dtype, 4, k_dims),
                   turned[] = {hand_tensor(m, c->dtype, 4, q_dims),
                               hand_tensor(m, c->dtype, 4, k_dims)},
                   y = hand_output(m, c->dtype, 4, q_dims);
    HAND_OP(m, "et_vk.apply_rotary_emb.default", q, k,
            hand_constant(m, c->dtype, 2, turn_dims, c->turns[0]),
            hand_constant(m, c->dtype, 2, turn_dims, c->turns[1]), hand_list(m, 2, turned));
    HAND_OP(m, "llama.sdpa_with_kv_cache.default", turned[0], turned[1], v, add_cache(m, c, 0),
            add_cache(m, c, 1), hand_int(m, c->start), hand_int(m, c->tokens), hand_null(m),
            hand_double(m, 0), hand_bool(m, true), hand_null(m), y);
    if (c->read_twice)
        HAND_OP(m, "aten.neg.default", turned[1], hand_output(m, c->dtype, 4, k_dims));
}

static size_t run_cache(harness *h, const cache_case *c, uint32_t bindings,
                        unsigned char out[2][4 * CACHE_ELEMENTS])
{
    static hand_model m;
    size_t nodes;
    const vkd_caps own = h->caps;
    build_cache(&m, c);
    h->caps.max_storage_buffers = bindings;
    h->caps.matrix_f16 = false; /* attention by the same kernels in any case */
    h->caps.type = VKD_TYPE_CPU;
    if (harness_run_rewritten(h, hand_finish(&m), NULL, 0, (const void *[]){c->q, c->k, c->v},
                              (void *[]){out[0], out[1]}, &nodes) != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    h->caps = own;
    return nodes;
}

/* What is turned is written there, in one dispatch, or in two where that takes too many bindings:
 * the same bits. */
static void keys_are_turned_into_their_cache(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("caches");
    static cache_case c;
    static unsigned char got[2][4 * CACHE_ELEMENTS], expected[2][4 * CACHE_ELEMENTS];
    size_t less = 0;
    for (int draw = 0; draw < 40; draw++) {
        draw_cache(&c, &random);
        h->checks_kernels = draw % 4 == 0;
        const size_t apart = run_cache(h, &c, 5, expected), nodes = run_cache(h, &c, 6, got);
        h->checks_kernels = false;
        const size_t bytes = vkd_dtype_size(c.dtype) * c.tokens * c.width;
        if (memcmp(got[0], expected[0], bytes * c.heads) ||
            (c.read_twice && memcmp(got[1], expected[1], bytes * c.keys)))
            fail_msg("draw %d: %u tokens from %u, %u heads of %u for %u, %s%s: other results", draw,
                     c.tokens, c.start, c.keys, c.width, c.heads, vkd_dtype_name(c.dtype),
                     c.norm ? ", normalised" : "");
        const bool fours = c.keys * c.width % 4 == 0;
        assert_int_equal(apart - nodes, fours && !c.read_twice);
        less += apart - nodes;
    }
    print_message("%zu dispatches less\n", less);
    assert_true(less >= 10);
}

/* ------------------------------------------------------------------------------- single queries */

enum { QUERY_KEYS = 700, QUERY_HEADS = 6, QUERY_WIDTH = 64 };

typedef struct query_case {
    vkd_dtype dtype, mask_dtype; /* BOOL, or what is added */
    uint32_t heads, group, keys, width, start, lanes;
    bool cached, causal, mask;
    unsigned char q[4 * QUERY_HEADS * QUERY_WIDTH], k[4 * QUERY_KEYS * QUERY_HEADS * QUERY_WIDTH],
        v[4 * QUERY_KEYS * QUERY_HEADS * QUERY_WIDTH], masks[4 * QUERY_KEYS];
} query_case;

static void draw_query(query_case *c, vkd_random *random)
{
    memset(c, 0, sizeof *c);
    c->dtype = random_range(random, 0, 1) ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32;
    c->cached = random_range(random, 0, 3) > 0;
    c->heads = (uint32_t)random_range(random, 1, 3);
    c->group = (uint32_t)random_range(random, 1, QUERY_HEADS / 3);
    c->keys = (uint32_t)random_range(random, 1, random_range(random, 0, 2) ? 40 : QUERY_KEYS);
    c->width = 4 * (uint32_t)random_range(random, 1, QUERY_WIDTH / 4);
    c->start = (uint32_t)random_range(random, 0, (int32_t)c->keys - 1);
    c->causal = c->cached && random_range(random, 0, 1);
    c->mask = !c->causal && random_range(random, 0, 1);
    c->mask_dtype = random_range(random, 0, 1) ? c->dtype : VKD_DTYPE_BOOL;
    c->lanes = 64u << random_range(random, 0, 4);
    draw_elements(random, c->dtype, c->q, sizeof c->q / 4);
    draw_elements(random, c->dtype, c->k, sizeof c->k / 4);
    draw_elements(random, c->dtype, c->v, sizeof c->v / 4);
    for (uint32_t i = 0; i < c->keys; i++)
        vkd_element_set(c->mask_dtype, c->masks, i,
                        c->mask_dtype == VKD_DTYPE_BOOL ? i == 0 || random_range(random, 0, 1)
                                                        : (double)random_float(random, -2, 2));
}

static void build_query(hand_model *m, const query_case *c)
{
    memset(m, 0, sizeof *m);
    const uint32_t h = c->heads, heads = h * c->group,
                   q_dims[] = {1, c->cached ? 1 : heads, c->cached ? heads : 1, c->width},
                   k_dims[] = {1, c->cached ? c->keys : h, c->cached ? h : c->keys, c->width},
                   mask_dims[] = {1, c->keys}, q = hand_input(m, c->dtype, 4, q_dims),
                   y = hand_output(m, c->dtype, 4, q_dims),
                   k = hand_constant(m, c->dtype, 4, k_dims, c->k),
                   v = hand_constant(m, c->dtype, 4, k_dims, c->v),
                   mask = c->mask ? hand_constant(m, c->mask_dtype, 2, mask_dims, c->masks)
                                  : hand_null(m);
    if (c->cached)
        HAND_OP(m, "llama.custom_sdpa.default", q, k, v, hand_int(m, c->start), mask,
                hand_double(m, 0), hand_bool(m, c->causal), hand_null(m), y);
    else
        HAND_OP(m, "et_vk.sdpa.default", q, k, v, mask, hand_null(m), y);
}

static size_t run_query(harness *h, const query_case *c, bool single, void *out)
{
    static hand_model m;
    size_t nodes;
    const vkd_caps own = h->caps;
    build_query(&m, c);
    h->caps.matrix_f16 = false; /* of which one dispatch may be, too */
    h->caps.type = single ? VKD_TYPE_DISCRETE : VKD_TYPE_CPU;
    if (single)
        h->caps.max_workgroup_invocations = c->lanes;
    if (harness_run_rewritten(h, hand_finish(&m), NULL, 0, (const void *[]){c->q}, &out, &nodes) !=
        VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    h->caps = own;
    return nodes;
}

static void single_queries_are_one_dispatch(void **state)
{
    harness *h = harness_get(state);
    vkd_random random = random_begin("single queries");
    static query_case c;
    static unsigned char got[sizeof c.q], expected[sizeof c.q], again[sizeof c.q];
    size_t single = 0;
    for (int draw = 0; draw < 60; draw++) {
        char what[160];
        draw_query(&c, &random);
        h->checks_kernels = draw % 8 == 0;
        const size_t apart = run_query(h, &c, false, expected), nodes = run_query(h, &c, true, got);
        h->checks_kernels = false;
        run_query(h, &c, true, again);
        snprintf(what, sizeof what, "draw %d, %u heads by %u, %u of %u keys of %u %s, %u lanes%s%s",
                 draw, c.heads, c.group, c.start + 1, c.keys, c.width, vkd_dtype_name(c.dtype),
                 c.lanes, c.mask ? ", mask " : "", c.mask ? vkd_dtype_name(c.mask_dtype) : "");
        const size_t count = (size_t)c.heads * c.group * c.width;
        count_unequal(c.dtype, got, expected, count, what);
        assert_memory_equal(got, again, vkd_dtype_size(c.dtype) * count);
        const bool whole = c.width % (c.dtype == VKD_DTYPE_FLOAT16 ? 8 : 4) == 0;
        if ((nodes < apart) != whole)
            fail_msg("%s: %zu dispatches, apart %zu", what, nodes, apart);
        single += whole;
    }
    print_message("%zu of 60 are one dispatch\n", single);
    assert_true(single >= 20);
}

/* ------------------------------------------------------------------------------- one more token */

enum { STEP_KEYS = 300, STEP_HEADS = 6, STEP_GROUPS = 2, STEP_WIDTH = 64, STEP_TOKENS = 2 };
enum { STEP_ROW = STEP_HEADS * STEP_WIDTH, STEP_CACHE = STEP_KEYS * STEP_GROUPS * STEP_WIDTH };

/* What no dispatch does by itself, and what it does. */
typedef enum step_odd {
    READ_TWICE, /* the turned key */
    MASKED,
    ONE_CACHE, /* for keys and values */
    TWO_TURNS, /* of query and key */
    COMPUTED_WEIGHT,
    MANY_TOKENS,
    PLAIN,
    STEP_ODDS = 3 * PLAIN
} step_odd;

typedef struct step_case {
    vkd_dtype dtype, table_dtype;
    uint32_t tokens, groups, heads, keys, width, rotated, start, lanes;
    bool halves, norms[2], symbol;
    step_odd odd;
    unsigned char x[3][4 * STEP_TOKENS * STEP_ROW], caches[2][4 * STEP_CACHE],
        turns[2][4 * STEP_KEYS * STEP_WIDTH], weights[2][4 * STEP_WIDTH], mask[4 * STEP_KEYS];
} step_case;

typedef struct step_results {
    unsigned char y[4 * STEP_TOKENS * STEP_ROW], caches[2][4 * STEP_CACHE],
        twice[4 * STEP_TOKENS * STEP_ROW];
} step_results;

static void draw_step(step_case *c, vkd_random *random)
{
    memset(c, 0, sizeof *c);
    c->dtype = random_range(random, 0, 2) ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_FLOAT32;
    c->table_dtype = random_range(random, 0, 1) ? c->dtype : VKD_DTYPE_FLOAT32;
    c->odd = (step_odd)random_range(random, 0, STEP_ODDS - 1);
    c->odd = c->odd > PLAIN ? PLAIN : c->odd;
    c->tokens = c->odd == MANY_TOKENS ? STEP_TOKENS : 1;
    c->groups = (uint32_t)random_range(random, 1, STEP_GROUPS);
    c->heads = c->groups * (uint32_t)random_range(random, 1, STEP_HEADS / STEP_GROUPS);
    c->keys = STEP_TOKENS +
              (uint32_t)random_range(random, 0, random_range(random, 0, 1) ? 30 : STEP_KEYS - 2);
    c->width = random_range(random, 0, 2) ? 16 * (uint32_t)random_range(random, 1, STEP_WIDTH / 16)
                                          : 4 * (uint32_t)random_range(random, 1, STEP_WIDTH / 4);
    c->halves = random_range(random, 0, 1);
    c->rotated = c->halves && random_range(random, 0, 1)
                     ? 2 * (uint32_t)random_range(random, 1, (int32_t)c->width / 2)
                     : c->width;
    c->start = random_range(random, 0, 5)
                   ? (uint32_t)random_range(random, 0, (int32_t)(c->keys - c->tokens))
                   : c->keys - c->tokens;
    c->lanes = 64u << random_range(random, 0, 3);
    c->symbol = random_range(random, 0, 1);
    for (int i = 0; i < 2; i++)
        c->norms[i] = c->odd == COMPUTED_WEIGHT || random_range(random, 0, 1);
    for (int i = 0; i < 3; i++)
        draw_elements(random, c->dtype, c->x[i], STEP_TOKENS * STEP_ROW);
    for (int i = 0; i < 2; i++) {
        draw_elements(random, c->dtype, c->caches[i], STEP_CACHE);
        draw_elements(random, c->table_dtype, c->turns[i], STEP_KEYS * STEP_WIDTH);
        draw_elements(random, c->dtype, c->weights[i], STEP_WIDTH);
    }
    draw_elements(random, c->dtype, c->mask, STEP_KEYS);
}

/* A number of the file, or one that may change from one execution to the next. */
static uint32_t add_number(hand_model *m, const step_case *c, int64_t value)
{
    return c->symbol ? hand_symint(m, value) : hand_int(m, value);
}

static uint32_t add_step_norm(hand_model *m, const step_case *c, uint32_t x, int which,
                              const uint32_t *dims)
{
    if (!c->norms[which])
        return x;
    uint32_t weight = hand_constant(m, c->dtype, 1, &c->width, c->weights[which]);
    const uint32_t y = hand_tensor(m, c->dtype, 4, dims);
    if (c->odd == COMPUTED_WEIGHT) {
        const uint32_t made = hand_tensor(m, c->dtype, 1, &c->width);
        HAND_OP(m, "aten.neg.default", weight, made);
        weight = made;
    }
    HAND_OP(m, "et_vk.rms_norm.default", x, weight, hand_double(m, 1e-5), y);
    return y;
}

/* By one call, or by two of which each makes something that nobody reads. */
static void add_turns(hand_model *m, const step_case *c, const uint32_t x[2],
                      const uint32_t dims[2][4], uint32_t turned[2])
{
    const uint32_t rows = c->halves ? c->keys : c->tokens,
                   table[] = {rows, c->halves ? c->rotated : c->width / 2},
                   cosine = hand_constant(m, c->table_dtype, 2, table, c->turns[0]),
                   sine = hand_constant(m, c->table_dtype, 2, table, c->turns[1]);
    for (int i = 0; i < (c->odd == TWO_TURNS ? 2 : 1); i++) {
        uint32_t y[2];
        for (int k = 0; k < 2; k++) {
            y[k] = hand_tensor(m, c->dtype, 4, dims[k]);
            if (i == 0 || k == 1)
                turned[k] = y[k];
        }
        if (c->halves)
            HAND_OP(m, "et_vk.apply_rotary_emb_hf.default", x[0], x[1], cosine, sine,
                    add_number(m, c, c->start), hand_list(m, 2, y));
        else
            HAND_OP(m, "et_vk.apply_rotary_emb.default", x[0], x[1], cosine, sine,
                    hand_list(m, 2, y));
    }
}

/* The caches come out, too: what is in them behind the token. */
static void build_step(hand_model *m, const step_case *c)
{
    memset(m, 0, sizeof *m);
    const uint32_t dims[2][4] = {{1, c->tokens, c->heads, c->width},
                                 {1, c->tokens, c->groups, c->width}},
                   cache_dims[] = {1, c->keys, c->groups, c->width},
                   mask_dims[] = {c->tokens, c->keys};
    uint32_t x[3], turned[2], caches[2];
    for (int i = 0; i < 3; i++)
        x[i] = hand_input(m, c->dtype, 4, dims[i > 0]);
    for (int i = 0; i < 2; i++) {
        x[i] = add_step_norm(m, c, x[i], i, dims[i]);
        caches[i] = i && c->odd == ONE_CACHE
                        ? caches[0]
                        : hand_constant(m, c->dtype, 4, cache_dims, c->caches[i]);
        m->values[caches[i]].tensor.state = true;
    }
    add_turns(m, c, x, dims, turned);
    const uint32_t mask = c->odd == MASKED ? hand_constant(m, c->dtype, 2, mask_dims, c->mask)
                                           : hand_null(m),
                   y = hand_output(m, c->dtype, 4, dims[0]);
    HAND_OP(m, "llama.sdpa_with_kv_cache.default", turned[0], turned[1], x[2], caches[0], caches[1],
            add_number(m, c, c->start), hand_int(m, c->tokens), mask, hand_double(m, 0),
            hand_bool(m, c->odd != MASKED), hand_null(m), y);
    for (int i = 0; i < 2; i++)
        HAND_OP(m, "aten.neg.default", caches[i], hand_output(m, c->dtype, 4, cache_dims));
    if (c->odd == READ_TWICE)
        HAND_OP(m, "aten.neg.default", turned[1], hand_output(m, c->dtype, 4, dims[1]));
}

static size_t run_step(harness *h, const step_case *c, uint32_t bindings, uint32_t skip,
                       step_results *out)
{
    static hand_model m;
    size_t nodes;
    const vkd_caps own = h->caps;
    build_step(&m, c);
    h->caps.matrix_f16 = false;
    h->caps.type = VKD_TYPE_DISCRETE;
    h->caps.max_storage_buffers = bindings;
    h->caps.max_workgroup_invocations = c->lanes;
    memset(out, 0, sizeof *out);
    if (harness_run_rewritten(
            h, hand_finish(&m), NULL, skip, (const void *[]){c->x[0], c->x[1], c->x[2]},
            (void *[]){out->y, out->caches[0], out->caches[1], out->twice}, &nodes) != VKD_OK)
        fail_msg("%s", h->gpu.context.error);
    h->caps = own;
    return nodes;
}

static bool is_one(const step_case *c)
{
    const bool whole = c->width % (c->dtype == VKD_DTYPE_FLOAT16 ? 8 : 4) == 0,
               norm_joins = c->width % 16 == 0 && !(c->halves && c->symbol);
    return whole && (c->odd == PLAIN || (c->odd == COMPUTED_WEIGHT && !norm_joins));
}

/* A token's query and key are turned, kept and used by one dispatch: the same bits, the caches'
 * too, and a dispatch for each of what is one only where nothing else is asked for. */
static void tokens_are_one_dispatch(void **state)
{
    enum { APART = 9, ONE = 10 };
    harness *h = harness_get(state);
    vkd_random random = random_begin("tokens");
    static step_case c;
    static step_results got, expected, again;
    size_t single = 0;
    for (int draw = 0; draw < 80; draw++) {
        draw_step(&c, &random);
        const size_t apart = run_step(h, &c, APART, 0, &expected);
        h->checks_kernels = draw % 8 == 0;
        const size_t nodes = run_step(h, &c, ONE, 0, &got);
        h->checks_kernels = false;
        run_step(h, &c, ONE, 0, &again);
        if (memcmp(&got, &expected, sizeof got) || memcmp(&got, &again, sizeof got))
            fail_msg("draw %d: token %u of %u, %u heads for %u of %u %s, %u %s turned, %u lanes, "
                     "norms %d %d, symbol %d, odd %d: other results",
                     draw, c.start, c.keys, c.groups, c.heads, c.width, vkd_dtype_name(c.dtype),
                     c.rotated, c.halves ? "halves" : "pairs", c.lanes, c.norms[0], c.norms[1],
                     c.symbol, (int)c.odd);
        const bool one = is_one(&c);
        if ((nodes < apart) != one || run_step(h, &c, ONE, VKD_REWRITE_ATTENTION, &again) < apart)
            fail_msg("draw %d: %zu dispatches, apart %zu, odd %d", draw, nodes, apart, (int)c.odd);
        single += one;
    }
    print_message("%zu of 80 are one dispatch\n", single);
    assert_true(single >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(layers_take_few_levels),
                                       cmocka_unit_test(products_make_norms),
                                       cmocka_unit_test(gates_are_made_with_what_they_open),
                                       cmocka_unit_test(keys_are_turned_into_their_cache),
                                       cmocka_unit_test(single_queries_are_one_dispatch),
                                       cmocka_unit_test(tokens_are_one_dispatch)};
    return cmocka_run_group_tests(tests, harness_setup, harness_teardown);
}
