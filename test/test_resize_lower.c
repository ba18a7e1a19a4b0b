/* Nets whose images change in size, lowered for fabricated devices: what pipelines are made of is
 * the same for all sizes. Needs no device. */
#include "graph/rewrite.h"
#include "nets/nets.h"
#include "ops/lower.h"
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

/* h 0: the largest. */
static void lower(fixture *f, const vkd_caps *caps, uint32_t h, uint32_t w, vkd_arena *arena,
                  vkd_graph *out)
{
    const vkd_input input = {.shape = {4, {1, NET_COLOURS, h, w}}};
    vkd_model_value *values = vkd_arena_alloc(arena, f->net.value_count, sizeof *values);
    vkd_lowered lowered;
    assert_non_null(values);
    vkd_graph_init(out, arena);
    if (vkd_shape_net(arena->context, &f->net, h ? &input : NULL, values) != VKD_OK ||
        vkd_lower_net(arena->context, &f->net, values, caps, NULL, NULL, out, &lowered) != VKD_OK)
        fail_msg("%ux%u: %s", h, w, arena->context->error);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(other_sizes_need_no_other_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
