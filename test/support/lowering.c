#include "support/lowering.h"
#include "support/fake_caps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void lowering_keep_quiet(void *user, vkd_log_level level, const char *message) { (void)user, (void)level, (void)message; }

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
    const vkd_model *model = hand_finish(&f->m);
    VKD_TRY(vkd_check_supported(&f->context, model));
    return vkd_lower_model(&f->context, model, &f->caps, NULL, NULL, &f->graph, &f->lowered);
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
