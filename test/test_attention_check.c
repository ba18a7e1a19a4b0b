/* The self-check of attention on matrix units, which are not interpreted: its oracle in plain C
 * against the code of the kernels without them, and what becomes of a verdict. The first tests need
 * no device. */
#include "exec/kernel_check.h"
#include "exec/self_check.h"
#include "runtime/base/element.h"
#include "runtime/base/spirv.h"
#include "shaders/attention_params.h"
#include "support/fake_caps.h"
#include "support/lowering.h"
#include "support/model_io.h"
#include "support/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ the nodes */

typedef struct sizes {
    uint32_t images, heads, group, queries, keys, width;
    int mask; /* 0: none; 1: halves that are added; 2: false hides a key */
    bool cached, causal, safe;
} sizes;

typedef struct fixture {
    vkd_context context;
    vkd_arena arena;
    hand_model m;
} fixture;

static void begin(fixture *f)
{
    memset(f, 0, sizeof *f);
    vkd_context_init(&f->context, &(vkd_options){.log = lowering_keep_quiet});
    vkd_arena_init(&f->arena, &f->context);
}

static void end(fixture *f) { vkd_arena_release(&f->arena); }

static void build(hand_model *m, const sizes *s)
{
    const uint32_t kv = s->heads / s->group,
                   by_head[] = {s->images, s->heads, s->queries, s->width},
                   keys_by_head[] = {s->images, kv, s->keys, s->width},
                   by_position[] = {1, s->queries, s->heads, s->width},
                   keys_by_position[] = {1, s->keys, kv, s->width},
                   mask_dims[] = {s->queries, s->keys};
    const uint32_t *q_dims = s->cached ? by_position : by_head,
                   *k_dims = s->cached ? keys_by_position : keys_by_head;
    const uint32_t q = hand_input(m, VKD_DTYPE_FLOAT16, 4, q_dims),
                   k = hand_input(m, VKD_DTYPE_FLOAT16, 4, k_dims),
                   v = hand_input(m, VKD_DTYPE_FLOAT16, 4, k_dims),
                   mask = s->mask ? hand_input(m, s->mask == 1 ? VKD_DTYPE_FLOAT16 : VKD_DTYPE_BOOL,
                                               2, mask_dims)
                                  : hand_null(m),
                   y = hand_output(m, VKD_DTYPE_FLOAT16, 4, q_dims), scale = hand_null(m);
    if (s->cached)
        HAND_OP(m, "llama.custom_sdpa.default", q, k, v, hand_int(m, s->keys - s->queries), mask,
                hand_double(m, 0), hand_bool(m, s->causal), scale, y);
    else
        HAND_OP(m, "et_vk.sdpa.default", q, k, v, mask, scale, y);
}

static const vkd_node *find(const vkd_graph *graph, vkd_shader shader)
{
    for (size_t i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].shader == shader)
            return &graph->nodes[i];
    return NULL;
}

/* Lowered for a device with matrix units, or for one without. */
static void lower(fixture *f, const sizes *s, const vkd_caps *caps, vkd_graph *graph)
{
    vkd_lowered lowered;
    f->m = (hand_model){0};
    build(&f->m, s);
    vkd_graph_init(graph, &f->arena);
    if (lowering_of_model(&f->context, hand_finish(&f->m), caps, NULL, graph, &lowered) != VKD_OK)
        fail_msg("%s", f->context.error);
}

/* -------------------------------------------------------------------------------- in plain C */

static vkd_words make_words(fixture *f, uint64_t bytes)
{
    const size_t count = (size_t)vkd_divide_up(bytes ? bytes : 16, 4);
    const vkd_words words = {vkd_arena_alloc(&f->arena, count, 4),
                             vkd_arena_alloc(&f->arena, count, 4), count};
    assert_true(words.at && words.written);
    return words;
}

static void fill(vkd_random *random, const vkd_words *words, vkd_dtype dtype, float low, float high)
{
    for (size_t i = 0; i < words->count * 4 / vkd_dtype_size(dtype); i++) {
        float value;
        random_floats(random, low, high, &value, 1);
        vkd_element_set(dtype, words->at, i, dtype == VKD_DTYPE_BOOL ? value > 0 : (double)value);
    }
}

/* Every workgroup of a node with these bindings and numbers. */
static void interpret(fixture *f, const vkd_node *node, const vkd_words *bindings, uint32_t groups,
                      const attention_params *params)
{
    const vkd_spirv *code = vkd_shaders[node->shader].flavours[0];
    vkd_interpretation in = {.groups = {groups, 1, 1}, .steps = UINT64_MAX / 2};
    vkd_module *module;
    uint32_t *words = vkd_arena_alloc(&f->arena, vkd_spirv_room(code), sizeof *words);
    assert_non_null(words);
    assert_int_equal(vkd_module_decode(&f->arena, words, vkd_spirv_unpack(code, words), node->specs,
                                       node->spec_count, &module),
                     VKD_OK);
    in.module = module;
    memcpy(in.push, params, sizeof *params);
    memcpy(in.bindings, bindings, node->binding_count * sizeof *bindings);
    for (uint32_t i = 0; i < groups; i++) {
        vkd_arena arena;
        vkd_outcome outcome;
        vkd_arena_init(&arena, &f->context);
        assert_int_equal(vkd_interpret(&in, &arena, (const uint32_t[]){i, 0, 0}, &outcome), VKD_OK);
        vkd_arena_release(&arena);
        assert_int_equal(outcome, VKD_OUTCOME_DONE); /* nothing beyond the bytes that are said */
    }
}

enum { Q, K, V, MASK, SYMBOLS, Y }; /* bindings of attention_coop.comp */

/* One attention on matrix units and the two kernels for the same, shrunk to what is checked. */
typedef struct attention {
    vkd_node coop, weights, values;
    attention_params params;
    uint64_t bytes[VKD_MAX_BINDINGS];
    vkd_words words[VKD_MAX_BINDINGS];
} attention;

static void make(fixture *f, vkd_random *random, const sizes *s, attention *a)
{
    vkd_graph one, two;
    vkd_caps caps = fake_caps(FAKE_H100_MATRIX);
    lower(f, s, &caps, &one);
    caps.matrix_f16 = false;
    lower(f, s, &caps, &two);
    assert_non_null(find(&one, VKD_SHADER_ATTENTION_COOP));
    a->coop = *find(&one, VKD_SHADER_ATTENTION_COOP);
    assert_non_null(find(&two, VKD_SHADER_ATTENTION_WEIGHTS));
    assert_non_null(find(&two, VKD_SHADER_ATTENTION_VALUES));
    a->weights = *find(&two, VKD_SHADER_ATTENTION_WEIGHTS);
    a->values = *find(&two, VKD_SHADER_ATTENTION_VALUES);
    assert_non_null(a->coop.oracle);
    a->coop.specs[5] = a->weights.specs[7] = s->safe; /* SAFE in both */
    a->coop.oracle->shrink(&a->coop, a->bytes);
    memcpy(&a->params, a->coop.push, sizeof a->params);
    for (uint32_t b = 0; b < a->coop.binding_count; b++)
        a->words[b] = make_words(f, a->bytes[b]);
    for (int b = Q; b <= V; b++)
        fill(random, &a->words[b], VKD_DTYPE_FLOAT16, -3, 6);
    fill(random, &a->words[MASK], s->mask == 2 ? VKD_DTYPE_BOOL : VKD_DTYPE_FLOAT16, -2, 2);
    if (s->mask == 2) /* a query that sees none */
        memset(a->words[MASK].at, 0, a->params.keys);
}

/* What the two kernels store with these numbers. */
static vkd_words run_two(fixture *f, const attention *a, const attention_params *params)
{
    const uint64_t rows = (uint64_t)params->heads * params->queries;
    const vkd_words p = make_words(f, rows * vkd_align_up(params->keys, 4) * 4),
                    y = make_words(f, a->bytes[Y]),
                    first[] = {a->words[Q], a->words[K], a->words[MASK], a->words[SYMBOLS], p},
                    second[] = {p, a->words[V], a->words[SYMBOLS], y};
    const uint64_t fours = rows * params->width / 4;
    interpret(f, &a->weights, first, (uint32_t)rows, params);
    interpret(f, &a->values, second, (uint32_t)vkd_divide_up(fours, a->values.specs[0]), params);
    return y;
}

static bool agrees(fixture *f, const attention *a, const attention_params *params, char text[96])
{
    const vkd_words y = run_two(f, a, params);
    return vkd_kernel_same(VKD_DTYPE_FLOAT16, true, &a->words[Y], y.at, text, 96);
}

static sizes draw(vkd_random *random, int mask)
{
    sizes s = {.images = (uint32_t)random_range(random, 1, 3),
               .group = (uint32_t)random_range(random, 1, 3),
               .queries = (uint32_t)random_range(random, 2, 50),
               .keys = (uint32_t)random_range(random, 30, 220),
               .width = 8 * (uint32_t)random_range(random, 1, 5),
               .mask = mask,
               .cached = random_range(random, 0, 1),
               .safe = random_range(random, 0, 1)};
    s.heads = s.group * (uint32_t)random_range(random, 1, 2);
    s.causal = s.cached && random_range(random, 0, 1);
    if (s.cached && s.keys < s.queries)
        s.keys = s.queries;
    return s;
}

/* What the oracle says is what the other kernels say, and not what faults would make of it. */
static void as_the_other_kernels(void **state)
{
    enum { DRAWS = 8 };
    (void)state;
    vkd_random random = random_begin("attention's oracle");
    for (int i = 0; i < DRAWS; i++) {
        fixture f;
        attention a;
        char text[96] = "";
        const sizes s = draw(&random, i % 3);
        begin(&f);
        make(&f, &random, &s, &a);
        a.coop.oracle->store(&a.coop, a.words);
        if (!agrees(&f, &a, &a.params, text))
            fail_msg("draw %d, %ux%u heads, %u queries, %u keys of %u: %s", i, s.images, s.heads,
                     s.queries, s.keys, s.width, text);
        attention_params steep = a.params, short_of_keys = a.params;
        steep.scale *= 1.5f;
        short_of_keys.keys -= 8;
        assert_false(agrees(&f, &a, &steep, text));
        assert_false(agrees(&f, &a, &short_of_keys, text));
        end(&f);
    }
}

/* Of a decoder's caches only a part is made up: as much as there is time for. */
static void large_ones_are_shrunk(void **state)
{
    enum { WORDS = 400000 }; /* exec/self_check.c */
    (void)state;
    static const sizes large[] = {
        {1, 32, 4, 128, 4096, 128, 0, true, true},  {1, 32, 1, 512, 2048, 128, 2, true, true},
        {8, 12, 1, 197, 197, 64, 0, false, false},  {1, 64, 8, 2048, 8192, 128, 0, true, true},
        {1, 8, 1, 4096, 4096, 64, 1, false, false}, {64, 3, 1, 49, 49, 32, 1, false, false},
    };
    vkd_random random = random_begin("large attentions");
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        fixture f;
        attention a;
        uint64_t bytes = 0;
        begin(&f);
        make(&f, &random, &large[i], &a);
        for (int b = Q; b <= Y; b++)
            bytes += a.bytes[b];
        if (bytes / 4 > WORDS)
            fail_msg("%zu: %llu bytes", i, (unsigned long long)bytes);
        assert_in_range(a.params.heads, 2, 2 * large[i].images * large[i].heads);
        /* the last query sees all keys, the ones before it do not */
        assert_int_equal(a.params.start, (int32_t)(a.params.keys - a.params.queries));
        assert_int_equal(a.coop.groups[0], a.params.heads * vkd_divide_up(a.params.queries, 16));
        end(&f);
    }
}

/* Where a workgroup's rows do not fit into what it may share, two kernels do it. */
static void small_devices_have_two_kernels(void **state)
{
    static const sizes s = {1, 4, 1, 20, 70, 128, 0, false, false};
    (void)state;
    for (int is_small = 0; is_small < 2; is_small++) {
        fixture f;
        vkd_graph graph;
        vkd_caps caps = fake_caps(FAKE_H100_MATRIX);
        if (is_small)
            caps.shared_memory = 16384;
        begin(&f);
        lower(&f, &s, &caps, &graph);
        assert_int_equal(find(&graph, VKD_SHADER_ATTENTION_COOP) == NULL, is_small);
        assert_int_equal(find(&graph, VKD_SHADER_ATTENTION_VALUES) != NULL, is_small);
        end(&f);
    }
}

/* ------------------------------------------------------------------------------------- verdicts */

/* What the next checks come to; NONE: what they do. */
static vkd_verdict planted = VKD_VERDICT_NONE;
static int checks;

vkd_status __real_vkd_kernel_check_run(struct vkd_device *device, const vkd_graph *graph,
                                       const vkd_node *node, uint64_t steps, vkd_kernel_check *out);
vkd_status __wrap_vkd_kernel_check_run(struct vkd_device *device, const vkd_graph *graph,
                                       const vkd_node *node, uint64_t steps, vkd_kernel_check *out)
{
    if (planted == VKD_VERDICT_NONE)
        return __real_vkd_kernel_check_run(device, graph, node, steps, out);
    checks++;
    const bool coop = node->shader == VKD_SHADER_ATTENTION_COOP;
    assert_int_equal(coop, node->oracle != NULL);
    *out = (vkd_kernel_check){coop ? planted : VKD_VERDICT_RIGHT, "1 instead of 2", 0};
    return VKD_OK;
}

/* A start on the device, which is said to have matrix units: checks until nothing new is found. */
static void start(harness *h, const char *cache, vkd_caps *caps, vkd_graph *graph, fixture *f)
{
    static const sizes s = {1, 4, 2, 20, 70, 16, 0, false, false};
    const vkd_options options = {.cache_dir = cache};
    vkd_facts *facts;
    vkd_tuner *tuner;
    bool found = true;
    assert_int_equal(vkd_facts_create(&h->gpu.context, &options, 1, &facts), VKD_OK);
    assert_int_equal(vkd_tuner_create(h->gpu.device, facts, &options, &tuner), VKD_OK);
    for (int round = 0; found; round++) {
        assert_in_range(round, 0, 3);
        lower(f, &s, caps, graph);
        assert_int_equal(vkd_self_check_graph(tuner, graph, caps, &found), VKD_OK);
    }
    vkd_tuner_destroy(tuner);
    vkd_facts_destroy(facts);
}

static void a_wrong_one_falls_back(void **state)
{
    harness *h = harness_get(state);
    char *cache = new_directory();
    const uint32_t before = h->gpu.log_counts[VKD_LOG_WARNING];
    for (int i = 0; i < 2; i++) { /* the second start knows */
        fixture f;
        vkd_graph graph;
        vkd_caps caps = fake_caps(FAKE_H100_MATRIX);
        begin(&f);
        planted = VKD_VERDICT_WRONG;
        checks = 0;
        start(h, cache, &caps, &graph, &f);
        planted = VKD_VERDICT_NONE;
        assert_null(find(&graph, VKD_SHADER_ATTENTION_COOP));
        assert_non_null(find(&graph, VKD_SHADER_ATTENTION_WEIGHTS));
        assert_non_null(find(&graph, VKD_SHADER_ATTENTION_VALUES));
        assert_true(i ? checks == 0 : checks > 0);
        assert_int_equal(h->gpu.log_counts[VKD_LOG_WARNING], before + 1 + (uint32_t)i);
        end(&f);
    }
    remove_tree(cache);
    free(cache);
}

static void a_right_one_stays(void **state)
{
    harness *h = harness_get(state);
    char *cache = new_directory();
    fixture f;
    vkd_graph graph;
    vkd_caps caps = fake_caps(FAKE_H100_MATRIX);
    const uint32_t before = h->gpu.log_counts[VKD_LOG_WARNING];
    begin(&f);
    planted = VKD_VERDICT_RIGHT;
    start(h, cache, &caps, &graph, &f);
    planted = VKD_VERDICT_NONE;
    assert_non_null(find(&graph, VKD_SHADER_ATTENTION_COOP));
    assert_int_equal(h->gpu.log_counts[VKD_LOG_WARNING], before);
    end(&f);
    remove_tree(cache);
    free(cache);
}

/* An oracle for a kernel that every device has: it halves what is to be filled, and what it says of
 * the rest is -x, or nearly. */
static double sloth;

static void take_half(vkd_node *node, uint64_t bytes[VKD_MAX_BINDINGS])
{
    for (uint32_t b = 0; b < node->binding_count; b++)
        bytes[b] /= 2;
}

static void negate(const vkd_node *node, const vkd_words bindings[VKD_MAX_BINDINGS])
{
    const vkd_words *x = &bindings[0], *y = NULL;
    for (uint32_t b = 0; b < node->binding_count; b++)
        y = node->bindings[b].write ? &bindings[b] : y;
    assert_non_null(y);
    for (size_t i = 0; i < y->count / 2; i++) {
        vkd_element_set(VKD_DTYPE_FLOAT32, y->at, i,
                        -vkd_element_get(VKD_DTYPE_FLOAT32, x->at, i) * (1 + sloth));
        y->written[i] = UINT32_MAX;
    }
}

static void the_device_is_held_against_it(void **state)
{
    static const vkd_oracle oracle = {take_half, negate};
    harness *h = harness_get(state);
    fixture f;
    vkd_graph graph;
    vkd_lowered lowered;
    const uint32_t dims[] = {64, 64};
    begin(&f);
    vkd_graph_init(&graph, &f.arena);
    const uint32_t x = hand_input(&f.m, VKD_DTYPE_FLOAT32, 2, dims),
                   y = hand_output(&f.m, VKD_DTYPE_FLOAT32, 2, dims);
    HAND_OP(&f.m, "aten.neg.default", x, y);
    assert_int_equal(
        lowering_of_model(&f.context, hand_finish(&f.m), &h->caps, NULL, &graph, &lowered), VKD_OK);
    vkd_node node = graph.nodes[0];
    node.oracle = &oracle;
    for (int i = 0; i < 2; i++) {
        vkd_kernel_check check;
        sloth = i * 0.01;
        assert_int_equal(vkd_kernel_check_run(h->gpu.device, &graph, &node, 4096, &check), VKD_OK);
        assert_int_equal(check.verdict, i ? VKD_VERDICT_WRONG : VKD_VERDICT_RIGHT);
        assert_int_equal(*check.difference != 0, i);
        assert_int_equal(vkd_kernel_check_run(h->gpu.device, &graph, &node, 4095, &check), VKD_OK);
        assert_int_equal(check.verdict, VKD_VERDICT_LONG);
    }
    end(&f);
}

int main(void)
{
    const struct CMUnitTest pure[] = {
        cmocka_unit_test(as_the_other_kernels),
        cmocka_unit_test(large_ones_are_shrunk),
        cmocka_unit_test(small_devices_have_two_kernels),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_one_falls_back),
        cmocka_unit_test(a_right_one_stays),
        cmocka_unit_test(the_device_is_held_against_it),
    };
    const int failed = cmocka_run_group_tests(pure, NULL, NULL),
              others = cmocka_run_group_tests(tests, harness_setup, harness_teardown);
    return failed ? failed : others; /* which may have been skipped */
}
