#include "support/lowering.h"
#include "support/fake_caps.h"
#include "support/open_ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void lowering_keep_quiet(void *user, vkd_log_level level, const char *message)
{
    (void)user, (void)level, (void)message;
}

vkd_status lowering_of_net(vkd_context *context, const vkd_net *net, const vkd_caps *caps,
                           const char *variant, vkd_graph *graph, vkd_lowered *out)
{
    vkd_model_value *values = vkd_arena_alloc(graph->arena, net->value_count, sizeof *values);
    if (!values)
        return vkd_fail_memory(context, "a model's values");
    VKD_TRY(vkd_shape_net(context, net, NULL, values));
    return vkd_lower_net(context, net, values, caps, &(vkd_advice){variant}, graph, out);
}

vkd_status lowering_of_model(vkd_context *context, const vkd_model *model, const vkd_caps *caps,
                             const char *variant, vkd_graph *graph, vkd_lowered *out)
{
    /* the graph's nodes have its names */
    vkd_net *net = vkd_arena_alloc(graph->arena, 1, sizeof *net);
    if (!net)
        return vkd_fail_memory(context, "a net");
    VKD_TRY(vkd_net_bind(net, model, open_ops(), graph->arena));
    return lowering_of_net(context, net, caps, variant, graph, out);
}

int lowering_setup(void **state)
{
    lowering_fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    vkd_context_init(&f->context, &(vkd_options){.log = lowering_keep_quiet});
    vkd_arena_init(&f->arena, &f->context);
    vkd_graph_init(&f->graph, &f->arena);
    f->caps = fake_caps(FAKE_H100);
    f->caps.dot = VKD_DOT_NONE;
    *state = f;
    return 0;
}

int lowering_teardown(void **state)
{
    lowering_fixture *f = *state;
    vkd_arena_release(&f->arena);
    assert_int_equal(f->context.host_bytes, 0);
    free(f);
    return 0;
}

vkd_status lowering_run(lowering_fixture *f)
{
    return lowering_of_model(&f->context, hand_finish(&f->m), &f->caps, NULL, &f->graph,
                             &f->lowered);
}

void lowering_fails(lowering_fixture *f, vkd_status expected, const char *part)
{
    assert_int_equal(lowering_run(f), expected);
    if (!strstr(f->context.error, part))
        fail_msg("'%s' does not say '%s'", f->context.error, part);
}

const vkd_node *lowering_node(const lowering_fixture *f, size_t index)
{
    assert_true(index < f->graph.node_count);
    return &f->graph.nodes[index];
}

const uint32_t lowering_image[] = {1, 8, 5, 5};
const uint32_t lowering_pooled[] = {1, 8, 1, 1};

void lowering_quantize(hand_model *m, uint32_t x, uint32_t y)
{
    HAND_OP(m, "quantized_decomposed.quantize_per_tensor.default", x, hand_double(m, 0.5),
            hand_int(m, 3), hand_int(m, -128), hand_int(m, 127), hand_null(m), y);
}

void lowering_dequantize(hand_model *m, uint32_t x, uint32_t y)
{
    HAND_OP(m, "quantized_decomposed.dequantize_per_tensor.default", x, hand_double(m, 0.5),
            hand_int(m, 3), hand_int(m, -128), hand_int(m, 127), hand_null(m), hand_null(m), y);
}

void lowering_clone(hand_model *m, uint32_t x, uint32_t y)
{
    HAND_OP(m, "aten.clone.default", x, hand_null(m), y);
}

void lowering_add(hand_model *m, uint32_t a, uint32_t b, uint32_t y)
{
    uint32_t scale = hand_double(m, 0.5), zero = hand_int(m, 0);
    HAND_OP(m, "et_vk.q8ta_add.default", a, b, scale, zero, scale, zero, scale, zero,
            hand_int(m, 1), y);
}

void lowering_max_pool(hand_model *m, uint32_t x, uint32_t y)
{
    uint32_t two = hand_pair(m, 2, 2), one = hand_pair(m, 1, 1), zero = hand_pair(m, 0, 0);
    HAND_OP(m, "aten.max_pool2d_with_indices.default", x, two, two, zero, one, hand_bool(m, false),
            y);
}
