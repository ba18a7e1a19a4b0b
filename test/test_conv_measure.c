/* Which convolutions of a model are measured first: models made by hand, devices that do not exist.
 */
#include "ops/conv/measure.h"
#include "support/fake_caps.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

enum { MOST = 80 };

typedef struct lowered_model {
    vkd_context context;
    vkd_arena arena;
    vkd_lowered lowered;
    vkd_selection_info selections[MOST];
    conv2d convs[MOST];
    const conv2d *pointers[MOST];
} lowered_model;

static void begin(lowered_model *m)
{
    memset(m, 0, sizeof *m);
    vkd_context_init(&m->context, NULL);
    vkd_arena_init(&m->arena, &m->context);
    m->lowered.selections = m->selections;
    m->lowered.convs = m->pointers;
}

/* As the factory does without a tuner. */
static void add(lowered_model *m, const vkd_caps *caps, const conv2d_problem *problem,
                bool residual)
{
    size_t i = m->lowered.selection_count++;
    assert_true(i < MOST);
    vkd_candidate_info *candidates =
        vkd_arena_alloc(&m->arena, vkd_conv2d_variant_count, sizeof *candidates);
    const char *reason;
    vkd_conv2d_consider(vkd_conv2d_variants, vkd_conv2d_variant_count, problem, caps, candidates);
    size_t winner =
        vkd_conv2d_choose(vkd_conv2d_variants, vkd_conv2d_variant_count, candidates, NULL, &reason);
    m->convs[i] = (conv2d){.problem = *problem, .residual = residual ? 0 : VKD_NO_TENSOR};
    m->pointers[i] = &m->convs[i];
    m->selections[i] = (vkd_selection_info){.winner = candidates[winner].variant,
                                            .candidate_count = vkd_conv2d_variant_count,
                                            .candidates = candidates};
}

static conv2d_problem square(uint32_t in_c, uint32_t out_c, uint32_t size, uint32_t kernel)
{
    return (conv2d_problem){.n = 1,
                            .in_c = in_c,
                            .in_h = size,
                            .in_w = size,
                            .out_c = out_c,
                            .out_h = size,
                            .out_w = size,
                            .kernel = {kernel, kernel},
                            .stride = {1, 1},
                            .padding = {kernel / 2, kernel / 2},
                            .dilation = {1, 1},
                            .groups = 1};
}

/* Few long ones and many short ones: what counts is the time of all. */
static void most_time_comes_first(void **state)
{
    const conv2d_problem middle = square(64, 64, 28, 3), large = square(64, 64, 56, 3),
                         small = square(64, 64, 14, 3);
    const conv2d_problem pointwise = square(64, 64, 14, 1);
    const vkd_caps caps = fake_caps(FAKE_LLVMPIPE);
    (void)state;
    lowered_model m;
    conv2d_wish *wishes;
    size_t count;
    char key[CONV2D_KEY];
    begin(&m);
    add(&m, &caps, &pointwise, false);
    for (int i = 0; i < 30; i++)
        add(&m, &caps, &small, false);
    add(&m, &caps, &large, false);
    for (int i = 0; i < 2; i++)
        add(&m, &caps, &middle, i);
    assert_int_equal(vkd_conv2d_wishes(&m.arena, &m.lowered, &wishes, &count), VKD_OK);
    assert_int_equal(count, 5); /* with and without an addition are two */
    const conv2d expected[] = {{.problem = small, .residual = VKD_NO_TENSOR},
                               {.problem = large, .residual = VKD_NO_TENSOR},
                               {.problem = middle, .residual = 0},
                               {.problem = middle, .residual = VKD_NO_TENSOR},
                               {.problem = pointwise, .residual = VKD_NO_TENSOR}};
    for (size_t i = 0; i < count; i++) {
        vkd_conv2d_key_format(&expected[i], key);
        if (i != 2 && i != 3) /* of the same time */
            assert_string_equal(wishes[i].key, key);
    }
    vkd_arena_release(&m.arena);
}

/* Random models: every problem once, with all its time, families together, and both in falling
 * order. */
static void order_of_random_models(void **state)
{
    (void)state;
    vkd_random random = random_begin("the order of measuring");
    for (int round = 0; round < 200; round++) {
        const vkd_caps caps = fake_caps((fake_device)random_range(&random, 0, FAKE_COUNT - 1));
        lowered_model m;
        conv2d_wish *wishes;
        size_t count;
        double all = 0, found = 0;
        begin(&m);
        for (int i = random_range(&random, 0, MOST); i > 0; i--) {
            conv2d_problem p =
                square(4u << random_range(&random, 0, 2), 8, (uint32_t)random_range(&random, 7, 9),
                       1 + 2 * (uint32_t)random_range(&random, 0, 1));
            add(&m, &caps, &p, random_range(&random, 0, 1));
        }
        for (size_t i = 0; i < m.lowered.selection_count; i++)
            for (size_t v = 0; v < vkd_conv2d_variant_count; v++)
                if (!strcmp(m.selections[i].candidates[v].variant, m.selections[i].winner))
                    all += m.selections[i].candidates[v].cost_us;
        assert_int_equal(vkd_conv2d_wishes(&m.arena, &m.lowered, &wishes, &count), VKD_OK);
        assert_true((count > 0) == (m.lowered.selection_count > 0));
        for (size_t i = 0; i < count; i++) {
            found += wishes[i].us;
            for (size_t k = 0; k < i; k++) {
                assert_string_not_equal(wishes[k].key, wishes[i].key);
                assert_true(wishes[k].family_us >= wishes[i].family_us);
                bool same = !strcmp(wishes[k].family, wishes[i].family);
                assert_true(!same || wishes[k].us >= wishes[i].us);
                assert_true(!same || !strcmp(wishes[i - 1].family, wishes[i].family));
            }
        }
        assert_true(found >= 0.999 * all && found <= 1.001 * all);
        vkd_arena_release(&m.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_time_comes_first),
        cmocka_unit_test(order_of_random_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
