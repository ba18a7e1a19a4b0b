/* Nets whose images change in size, lowered for fabricated devices: what pipelines are made of is
 * the same for all sizes, and what was found out about kernels holds for all. Needs no device. */
#include "graph/rewrite.h"
#include "nets/nets.h"
#include "ops/conv/known.h"
#include "support/fake_caps.h"
#include "support/random.h"
#include "support/reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "schema/inline.h"
#include "schema/named.h"

enum { LEAST_SIZE = 65, MOST_SIZE = 224 };

typedef struct fixture {
    reading reading;
    net_file file;
    vkd_net net;
} fixture;

static void begin(fixture *f, const char *name, vkd_dtype dtype)
{
    const net_shape shape = {.name = name, .dtype = dtype, .size = MOST_SIZE, .seed = 1};
    vkd_model model;
    reading_begin(&f->reading, NULL);
    vkd_arena *arena = &f->reading.arena;
    vkd_container *container = &f->reading.container;
    if (!net_build(&shape, &f->file))
        fail_msg("%s: %s", name, f->file.error);
    assert_int_equal(vkd_container_read(f->file.file, f->file.file_size, arena, container), VKD_OK);
    assert_int_equal(
        vkd_inline_method(container, &container->methods[0], vkd_backend.id, arena, &model),
        VKD_OK);
    assert_int_equal(vkd_net_bind(&f->net, &model, &vkd_ops, arena), VKD_OK);
    f->net.resizes = true;
    assert_int_equal(vkd_rewrite(&f->net, 0), VKD_OK);
}

static void end(fixture *f)
{
    net_release(&f->file);
    reading_end(&f->reading);
}

/* h 0: the largest. known: or null. */
static vkd_lowered lower_knowing(fixture *f, const vkd_caps *caps, const vkd_known *known,
                                 uint32_t h, uint32_t w, vkd_arena *arena, vkd_graph *out)
{
    const vkd_advice advice = {.known = known};
    const vkd_input input = {.shape = {4, {1, NET_COLOURS, h, w}}};
    vkd_model_value *values = vkd_arena_alloc(arena, f->net.value_count, sizeof *values);
    vkd_lowered lowered = {0};
    assert_non_null(values);
    vkd_graph_init(out, arena);
    if (vkd_shape_net(arena->context, &f->net, h ? &input : NULL, values) != VKD_OK ||
        vkd_lower_net(arena->context, &f->net, values, caps, &advice, out, &lowered) != VKD_OK)
        fail_msg("%ux%u: %s", h, w, arena->context->error);
    return lowered;
}

static void lower(fixture *f, const vkd_caps *caps, uint32_t h, uint32_t w, vkd_arena *arena,
                  vkd_graph *out)
{
    (void)lower_knowing(f, caps, NULL, h, w, arena, out);
}

static bool same_pipeline(const vkd_node *a, const vkd_node *b)
{
    return a->shader == b->shader && a->push_size == b->push_size &&
           a->binding_count == b->binding_count && a->texel_mask == b->texel_mask &&
           a->spec_count == b->spec_count &&
           !memcmp(a->specs, b->specs, a->spec_count * sizeof *a->specs);
}

/* The pipelines of one graph are among those of the other. */
static void compare(const vkd_graph *largest, const vkd_graph *other, const char *what)
{
    for (size_t i = 0; i < other->node_count; i++) {
        const vkd_node *node = &other->nodes[i];
        size_t k = 0;
        while (k < largest->node_count && !same_pipeline(&largest->nodes[k], node))
            k++;
        if (k == largest->node_count)
            fail_msg("%s: %s '%s' %s needs another pipeline", what, node->op,
                     node->variant ? node->variant : "", node->shape);
    }
}

static void check_net(const char *name, vkd_dtype dtype, vkd_random *random)
{
    fixture f;
    begin(&f, name, dtype);
    for (fake_device device = 0; device < FAKE_COUNT; device++) {
        const vkd_caps caps = fake_caps(device);
        vkd_arena arena;
        vkd_graph largest, other;
        char what[96];
        vkd_arena_init(&arena, &f.reading.context);
        lower(&f, &caps, 0, 0, &arena, &largest);
        for (int round = 0; round < 4; round++) {
            const uint32_t h = (uint32_t)random_range(random, LEAST_SIZE, MOST_SIZE),
                           w = (uint32_t)random_range(random, LEAST_SIZE, MOST_SIZE);
            snprintf(what, sizeof what, "%s, %ux%u, device %d", name, h, w, (int)device);
            lower(&f, &caps, h, w, &arena, &other);
            compare(&largest, &other, what);
        }
        vkd_arena_release(&arena);
    }
    end(&f);
}

static void other_sizes_need_no_other_kernels(void **state)
{
    static const char *const names[] = {"resnet50",           "mobilenet_v2",  "regnet_x_400mf",
                                        "mobilenet_v3_small", "squeezenet1_1", "densenet121",
                                        "efficientnet_b0"};
    (void)state;
    vkd_random random = random_begin("other sizes");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_net(names[i], VKD_DTYPE_INT8, &random);
        check_net(names[i], VKD_DTYPE_FLOAT32, &random);
        check_net(names[i], VKD_DTYPE_FLOAT16, &random);
    }
}

/* ------------------------------------------------------------------------ what is known already */

/* The place of a selection's candidate of this name. */
static size_t place_of(const vkd_selection_info *selection, const char *variant)
{
    size_t i = 0;
    while (strcmp(selection->candidates[i].variant, variant))
        i++;
    return i;
}

/* Another eligible one; its own where there is none. */
static size_t rival_of(const vkd_selection_info *selection, size_t winner, vkd_random *random)
{
    const int count = (int)selection->candidate_count;
    const int start = random_range(random, 0, count - 1);
    for (int i = 0; i < count; i++) {
        const size_t at = (size_t)(start + i) % selection->candidate_count;
        if (at != winner && selection->candidates[at].eligible)
            return at;
    }
    return winner;
}

/* As a tuner would have left it: of two that it would choose between, either another is faster, or
 * the first has failed its check. Returns how many selections that changes. */
static size_t plant(const vkd_lowered *lowered, vkd_random *random)
{
    size_t changed = 0;
    for (size_t s = 0; s < lowered->selection_count; s++) {
        const vkd_selection_info *selection = &lowered->selections[s];
        vkd_candidate_info *candidates = (vkd_candidate_info *)selection->candidates;
        const size_t winner = place_of(selection, selection->winner),
                     rival = rival_of(selection, winner, random);
        if (rival == winner)
            continue;
        if (random_range(random, 0, 1))
            candidates[rival].measured_us = 1;
        else
            candidates[winner].eligible = false;
        changed++;
    }
    return changed;
}

/* What a selection of the same candidates chooses. */
static const char *expected_of(const vkd_lowered *lowered, size_t s)
{
    const vkd_selection_info *selection = &lowered->selections[s];
    const char *unused;
    size_t count;
    const conv2d_variant *variants = vkd_conv2d_table(&lowered->convs[s]->problem, &count);
    return variants[vkd_conv2d_choose(variants, count, selection->candidates, NULL, &unused)].name;
}

static void check_known(const char *name, vkd_dtype dtype, fake_device device, vkd_random *random)
{
    const vkd_caps caps = fake_caps(device);
    const uint32_t h = (uint32_t)random_range(random, LEAST_SIZE, MOST_SIZE - 1);
    fixture f;
    vkd_graph graph;
    vkd_known known;
    begin(&f, name, dtype);
    vkd_arena *arena = &f.reading.arena;
    const vkd_lowered first = lower_knowing(&f, &caps, NULL, 0, 0, arena, &graph);
    const size_t changed = plant(&first, random);
    assert_int_equal(vkd_known_make(arena, &first, &known), VKD_OK);
    assert_true(changed > 0 && known.count == first.selection_count);
    const vkd_lowered knowing = lower_knowing(&f, &caps, &known, h, h, arena, &graph),
                      ignorant = lower_knowing(&f, &caps, NULL, h, h, arena, &graph);
    size_t differing = 0;
    for (size_t s = 0; s < first.selection_count; s++) {
        assert_string_equal(knowing.selections[s].winner, expected_of(&first, s));
        differing += strcmp(knowing.selections[s].winner, ignorant.selections[s].winner) != 0;
    }
    assert_int_equal(differing, changed);
    end(&f);
}

static void what_is_known_holds_for_other_sizes(void **state)
{
    static const vkd_dtype dtypes[] = {VKD_DTYPE_INT8, VKD_DTYPE_FLOAT32, VKD_DTYPE_FLOAT16};
    (void)state;
    vkd_random random = random_begin("what is known");
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        for (fake_device device = 0; device < FAKE_COUNT; device++)
            check_known("mobilenet_v2", dtypes[i], device, &random);
}

/* Something is known only of what was lowered: of the same call, and of the same convolution. */
static void nothing_is_known_of_others(void **state)
{
    (void)state;
    const vkd_caps caps = fake_caps(FAKE_H100);
    fixture f;
    vkd_graph graph;
    vkd_known known;
    begin(&f, "squeezenet1_1", VKD_DTYPE_INT8);
    const vkd_lowered first = lower_knowing(&f, &caps, NULL, 0, 0, &f.reading.arena, &graph);
    assert_int_equal(vkd_known_make(&f.reading.arena, &first, &known), VKD_OK);
    for (size_t s = 0; s < first.selection_count; s++) {
        vkd_lowering lowering = {.call = first.convs[s]->call, .known = &known};
        conv2d other = *first.convs[s];
        assert_ptr_equal(vkd_known_find(&lowering, &other), known.convs[s].candidates);
        other.problem.out_h++;
        assert_null(vkd_known_find(&lowering, &other));
        lowering.call++;
        if (s + 1 == first.selection_count || first.convs[s + 1]->call != lowering.call)
            assert_null(vkd_known_find(&lowering, first.convs[s]));
        lowering.known = NULL;
        assert_null(vkd_known_find(&lowering, first.convs[s]));
    }
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_sizes_need_no_other_kernels),
        cmocka_unit_test(what_is_known_holds_for_other_sizes),
        cmocka_unit_test(nothing_is_known_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
