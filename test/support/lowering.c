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
