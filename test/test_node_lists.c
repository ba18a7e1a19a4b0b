/* What the nets under models/ become on two fabricated devices: operator, kernel, variant and shape of every node, held by
 * test/data/node_lists.txt. Needs no device. Where a change of the lists is wanted, VKD_TEST_WRITE=FILE writes the new ones. */
#include "graph/rewrite.h"
#include "support/fake_caps.h"
#include "support/flat.h"
#include "support/lowering.h"
#include "support/model_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *name;
    fake_device device;
} devices[] = {{"llvmpipe", FAKE_LLVMPIPE}, {"H100", FAKE_H100_MATRIX}};

typedef struct listing {
    FILE *stream;
    size_t nets, nodes;
} listing;

static void lower_sample(sample *s, fake_device device, vkd_graph *graph)
{
    vkd_net net;
    vkd_lowered lowered;
    const vkd_caps caps = fake_caps(device);
    vkd_arena *arena = &s->reading.arena;
    vkd_graph_init(graph, arena);
    if (vkd_net_bind(&net, &s->model, &vkd_ops, arena) != VKD_OK || vkd_rewrite(&net, 0) != VKD_OK ||
        lowering_of_net(&s->reading.context, &net, &caps, NULL, graph, &lowered) != VKD_OK)
        fail_msg("%s: %s", s->folder, s->reading.context.error);
}

static void list_sample(const char *folder, void *user)
{
    listing *l = user;
    sample s;
    sample_open(&s, folder);
    bool supported = !sample_unsupported(&s);
    for (size_t d = 0; supported && d < sizeof devices / sizeof *devices; d++) {
        vkd_graph graph;
        lower_sample(&s, devices[d].device, &graph);
        fprintf(l->stream, "%s on %s\n", folder, devices[d].name);
        for (size_t i = 0; i < graph.node_count; i++) {
            const vkd_node *node = &graph.nodes[i];
            fprintf(l->stream, "    %s: %s%s%s: %s\n", node->op, vkd_shaders[node->shader].name, node->variant[0] ? ", " : "",
                    node->variant, node->shape);
        }
        l->nodes += graph.node_count;
    }
    l->nets += supported;
    sample_close(&s);
}

static size_t line_length(const char *text) { return strcspn(text, "\n"); }

/* The first line that differs, and the net it belongs to. */
static void compare(const char *got, const char *expected)
{
    char net[128] = "";
    for (int line = 1; *got || *expected; line++) {
        size_t a = line_length(got), b = line_length(expected);
        if (*got != ' ')
            snprintf(net, sizeof net, "%.*s", (int)a, got);
        if (a != b || memcmp(got, expected, a))
            fail_msg("line %d, %s: '%.*s', expected '%.*s'", line, net, (int)a, got, (int)b, expected);
        got += a + (got[a] == '\n');
        expected += b + (expected[b] == '\n');
    }
}

static void nets_have_these_nodes(void **state)
{
    (void)state;
    char *text = NULL;
    size_t size, expected_size;
    listing l = {.stream = open_memstream(&text, &size)};
    assert_non_null(l.stream);
    reading_each_sample(list_sample, &l);
    fclose(l.stream);
    assert_true(l.nets >= 39 && l.nodes >= 600);
    const char *wanted = getenv("VKD_TEST_WRITE");
    FILE *file = wanted ? fopen(wanted, "w") : NULL;
    if (file) {
        fwrite(text, 1, size, file);
        fclose(file);
    }
    char *expected = (char *)flat_read_file(VKD_TEST_DATA "/node_lists.txt", &expected_size);
    assert_non_null(expected);
    compare(text, expected);
    free(expected);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nets_have_these_nodes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
