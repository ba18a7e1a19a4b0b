/* The memory planner: random graphs in which nothing that lives together may overlap, and cases
 * whose plan is known. */
#include "graph/plan.h"
#include "runtime/hazard.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

static uint32_t below(vkd_random *random, uint32_t limit)
{
    return (uint32_t)random_range(random, 0, (int32_t)limit - 1);
}

typedef struct fixture {
    vkd_context context;
    vkd_arena arena;
    vkd_graph graph;
} fixture;

static void start(fixture *f)
{
    vkd_context_init(&f->context, NULL);
    vkd_arena_init(&f->arena, &f->context);
    vkd_graph_init(&f->graph, &f->arena);
}

static vkd_tensor_id scratch(fixture *f, uint64_t bytes)
{
    vkd_tensor_id id;
    assert_int_equal(vkd_graph_add_buffer(&f->graph, bytes, NULL, NULL, &id), VKD_OK);
    return id;
}

static void node(fixture *f, vkd_tensor_id read, vkd_tensor_id write)
{
    vkd_node n = {.binding_count = 2, .bindings = {{read, false}, {write, true}}};
    assert_int_equal(vkd_graph_add_node(&f->graph, &n), VKD_OK);
}

static void pack_nothing(const void *source, void *dst, size_t size)
{
    (void)source, (void)dst, (void)size;
}

/* A chain needs room for two neighbours only. */
static void test_chain(void **state)
{
    fixture f;
    (void)state;
    start(&f);
    vkd_tensor_id t[6];
    for (int i = 0; i < 6; i++)
        t[i] = scratch(&f, 1024);
    for (int i = 0; i < 5; i++)
        node(&f, t[i], t[i + 1]);
    assert_int_equal(vkd_plan_memory(&f.graph, 64, true), VKD_OK);
    assert_int_equal(f.graph.scratch_bytes, 2048);
    assert_int_equal(f.graph.scratch_unaliased_bytes, 6 * 1024);
    assert_int_equal(vkd_plan_memory(&f.graph, 64, false), VKD_OK);
    assert_int_equal(f.graph.scratch_bytes, 6 * 1024);
    vkd_arena_release(&f.arena);
}

/* A view keeps the memory of its root alive. */
static void test_view_extends_lifetime(void **state)
{
    fixture f;
    (void)state;
    start(&f);
    const uint32_t dims[] = {1, 64, 4, 4}, flat[] = {16, 64};
    vkd_tensor_id a, view, b = scratch(&f, 1024), c = scratch(&f, 1024);
    assert_int_equal(
        vkd_graph_add_tensor(&f.graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_4C, 4, dims, &a),
        VKD_OK);
    assert_int_equal(
        vkd_graph_add_tensor(&f.graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_4C, 2, flat, &view),
        VKD_OK);
    f.graph.tensors[view].storage = a;
    node(&f, b, a);
    node(&f, b, c);
    node(&f, view, b);
    assert_int_equal(vkd_plan_memory(&f.graph, 64, true), VKD_OK);
    assert_int_equal(f.graph.tensors[view].offset, f.graph.tensors[a].offset);
    assert_int_not_equal(f.graph.tensors[c].offset, f.graph.tensors[a].offset);
    vkd_arena_release(&f.arena);
}

/* Constants never share; those that no node uses take no room. */
static void test_constants(void **state)
{
    fixture f;
    (void)state;
    start(&f);
    vkd_tensor_id a, b, unused, y = scratch(&f, 16);
    assert_int_equal(vkd_graph_add_buffer(&f.graph, 100, pack_nothing, "", &a), VKD_OK);
    assert_int_equal(vkd_graph_add_buffer(&f.graph, 100, pack_nothing, "", &unused), VKD_OK);
    assert_int_equal(vkd_graph_add_buffer(&f.graph, 100, pack_nothing, "", &b), VKD_OK);
    node(&f, a, y);
    node(&f, b, y);
    assert_int_equal(vkd_plan_memory(&f.graph, 256, true), VKD_OK);
    assert_int_equal(f.graph.tensors[a].offset, 0);
    assert_int_equal(f.graph.tensors[b].offset, 256);
    assert_int_equal(f.graph.constant_bytes, 512);
    vkd_arena_release(&f.arena);
}

/* As a recorder has them, for scratch alone. */
static uint32_t count_barriers(const vkd_graph *g)
{
    vkd_range watched[VKD_HAZARDS_WATCHED + VKD_MAX_BINDINGS];
    vkd_hazards hazards = {watched, 0, sizeof watched / sizeof *watched};
    uint32_t barriers = 0;
    for (size_t n = 0; n < g->node_count; n++) {
        const vkd_node *node = &g->nodes[n];
        vkd_range uses[VKD_MAX_BINDINGS];
        for (uint32_t b = 0; b < node->binding_count; b++) {
            const vkd_tensor *tensor = &g->tensors[node->bindings[b].tensor];
            uses[b] = (vkd_range){g, tensor->offset, tensor->bytes, node->bindings[b].write};
        }
        if (vkd_hazards_found(&hazards, uses, node->binding_count)) {
            vkd_hazards_clear(&hazards);
            barriers++;
        }
        assert_true(vkd_hazards_add(&hazards, uses, node->binding_count));
    }
    return barriers;
}

/* Parts of something large, one after the other: each is made, then read. */
static void test_large_ones_take_turns(void **state)
{
    enum { PARTS = 5 };
    (void)state;
    for (int large = 0; large < 2; large++) {
        fixture f;
        start(&f);
        const uint64_t bytes = large ? 8 << 20 : 8 << 10;
        const vkd_tensor_id x = scratch(&f, 64);
        for (int i = 0; i < PARTS; i++) {
            const vkd_tensor_id part = scratch(&f, bytes), y = scratch(&f, 64);
            node(&f, x, part);
            node(&f, part, y);
        }
        assert_int_equal(vkd_plan_memory(&f.graph, 64, true), VKD_OK);
        assert_in_range(f.graph.scratch_bytes, (large ? 1 : 2) * bytes,
                        (large ? 1 : 2) * bytes + 64 * (PARTS + 1));
        vkd_arena_release(&f.arena);
    }
}

/* Two branches side by side: what one is done with is not the other's memory. */
static void test_branches_share_no_barrier(void **state)
{
    fixture f;
    (void)state;
    start(&f);
    vkd_tensor_id t[6];
    for (int i = 0; i < 6; i++)
        t[i] = scratch(&f, 1024);
    node(&f, t[0], t[1]);
    node(&f, t[0], t[2]);
    node(&f, t[1], t[3]); /* t[1] is free behind it, but not for t[4] */
    node(&f, t[2], t[4]);
    node(&f, t[3], t[5]); /* which may have it */
    assert_int_equal(vkd_plan_memory(&f.graph, 64, true), VKD_OK);
    assert_int_equal(count_barriers(&f.graph), 2);
    assert_int_equal(f.graph.scratch_bytes, 4 * 1024);
    vkd_arena_release(&f.arena);
}

static void check_random_plan(fixture *f, uint64_t alignment)
{
    const vkd_graph *g = &f->graph;
    for (size_t i = 0; i < g->tensor_count; i++) {
        const vkd_tensor *a = &g->tensors[i];
        if (a->first_node == UINT32_MAX)
            continue;
        assert_int_equal(a->offset % alignment, 0);
        assert_true(a->offset + a->bytes <= g->scratch_bytes);
        for (size_t k = 0; k < i; k++) {
            const vkd_tensor *b = &g->tensors[k];
            bool together = b->first_node != UINT32_MAX && a->first_level <= b->last_level &&
                            b->first_level <= a->last_level;
            bool apart = a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
            assert_true(!together || apart);
        }
    }
    assert_true(g->scratch_bytes <= g->scratch_unaliased_bytes);
}

static void test_random_graphs(void **state)
{
    vkd_random random = random_begin("plan");
    (void)state;
    for (int round = 0; round < 300; round++) {
        fixture f;
        start(&f);
        uint32_t count = 2 + below(&random, 40);
        for (uint32_t i = 0; i < count; i++)
            scratch(&f, 1 + below(&random, 5000));
        for (uint32_t i = 0; i < 2 * count; i++)
            node(&f, below(&random, count), below(&random, count));
        uint64_t alignment = 16u << below(&random, 5);
        assert_int_equal(vkd_plan_memory(&f.graph, alignment, false), VKD_OK);
        const uint32_t barriers = count_barriers(&f.graph);
        assert_int_equal(vkd_plan_memory(&f.graph, alignment, true), VKD_OK);
        check_random_plan(&f, alignment);
        assert_int_equal(count_barriers(&f.graph), barriers);
        vkd_arena_release(&f.arena);
    }
}

/* More tensors than gaps are searched for: chains, of which many live at once. */
static void test_many_tensors(void **state)
{
    enum { COUNT = 6000, CHAINS = 50 };
    vkd_random random = random_begin("many tensors");
    fixture f;
    (void)state;
    start(&f);
    for (uint32_t i = 0; i < COUNT; i++)
        scratch(&f, 1 + below(&random, 3000));
    for (uint32_t i = CHAINS; i < COUNT; i++)
        node(&f, i - CHAINS + below(&random, CHAINS / 2), i);
    assert_int_equal(vkd_plan_memory(&f.graph, 256, true), VKD_OK);
    check_random_plan(&f, 256);
    assert_true(f.graph.scratch_bytes < f.graph.scratch_unaliased_bytes / 8);
    vkd_arena_release(&f.arena);
}

static void test_tensor_limits(void **state)
{
    fixture f;
    (void)state;
    start(&f);
    f.context.log_level = VKD_LOG_ERROR;
    vkd_tensor_id id;
    const uint32_t huge[] = {65536, 65536, 2, 1}, empty[] = {1, 0, 2, 2}, five[] = {1, 1, 1, 1, 1},
                   flat[] = {32768, 1, 1, 32768};
    assert_int_equal(
        vkd_graph_add_tensor(&f.graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_4C, 4, huge, &id),
        VKD_UNSUPPORTED);
    assert_int_equal(
        vkd_graph_add_tensor(&f.graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_4C, 4, flat, &id),
        VKD_UNSUPPORTED);
    assert_int_equal(
        vkd_graph_add_tensor(&f.graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_ROWS, 4, flat, &id),
        VKD_OK);
    assert_int_equal(
        vkd_graph_add_tensor(&f.graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_4C, 5, five, &id),
        VKD_UNSUPPORTED);
    assert_int_equal(
        vkd_graph_add_tensor(&f.graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_ROWS, 5, five, &id),
        VKD_OK);
    assert_int_equal(
        vkd_graph_add_tensor(&f.graph, VKD_PLACE_SCRATCH, VKD_DTYPE_INT8, VKD_4C, 4, empty, &id),
        VKD_OK);
    assert_int_equal(f.graph.tensors[id].bytes, 16); /* it is bound like any other */
    vkd_arena_release(&f.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_view_extends_lifetime),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_branches_share_no_barrier),
        cmocka_unit_test(test_large_ones_take_turns),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_many_tensors),
        cmocka_unit_test(test_tensor_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
