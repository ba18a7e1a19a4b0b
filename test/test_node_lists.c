/* What nets under models/ become on two fabricated devices: operator, kernel, variant and shape of
 * every node, held by test/data/node_lists.txt. A net that is not in there is named, no more. Needs
 * no device. Where a change of the lists is wanted, VKD_TEST_WRITE=FILE writes the new ones. */
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

/* False for a net of which an operator takes less than it says there. */
static bool lower_sample(sample *s, fake_device device, vkd_graph *graph)
{
    vkd_net net;
    vkd_lowered lowered;
    const vkd_caps caps = fake_caps(device);
    vkd_arena *arena = &s->reading.arena;
    vkd_graph_init(graph, arena);
    vkd_status status = vkd_net_bind(&net, &s->model, &vkd_ops, arena);
    if (status == VKD_OK)
        status = vkd_rewrite(&net, 0);
    if (status == VKD_OK)
        status = lowering_of_net(&s->reading.context, &net, &caps, NULL, graph, &lowered);
    if (status == VKD_UNSUPPORTED)
        print_message("does not run: %s: %s\n", s->folder, s->reading.context.error);
    else if (status != VKD_OK)
        fail_msg("%s: %s", s->folder, s->reading.context.error);
    return status == VKD_OK;
}

static void list_sample(const char *folder, void *user)
{
    listing *l = user;
    sample s;
    sample_open(&s, folder);
    bool supported = !sample_unsupported(&s);
    for (size_t d = 0; supported && d < sizeof devices / sizeof *devices; d++) {
        vkd_graph graph;
        if (!lower_sample(&s, devices[d].device, &graph))
            continue;
        fprintf(l->stream, "%s on %s\n", folder, devices[d].name);
        for (size_t i = 0; i < graph.node_count; i++) {
            const vkd_node *node = &graph.nodes[i];
            fprintf(l->stream, "    %s: %s%s%s: %s\n", node->op, vkd_shaders[node->shader].name,
                    node->variant[0] ? ", " : "", node->variant, node->shape);
        }
        l->nodes += graph.node_count;
    }
    l->nets += supported;
    sample_close(&s);
}

static size_t line_length(const char *text) { return strcspn(text, "\n"); }

static const char *next_line(const char *line)
{
    return line + line_length(line) + (line[line_length(line)] == '\n');
}

static bool same_line(const char *a, const char *b)
{
    return line_length(a) == line_length(b) && !memcmp(a, b, line_length(a));
}

/* The line below a net's own; null where it is not listed. */
static const char *nodes_of(const char *net, const char *lists)
{
    for (; *lists; lists = next_line(lists))
        if (same_line(lists, net))
            return next_line(lists);
    return NULL;
}

static void compare(const char *net, const char *got, const char *expected)
{
    if (!got)
        fail_msg("%.*s does not run any more", (int)line_length(net), net);
    for (int node = 0; *got == ' ' || *expected == ' ';
         node++, got = next_line(got), expected = next_line(expected))
        if (!same_line(got, expected))
            fail_msg("%.*s, node %d: '%.*s', expected '%.*s'", (int)line_length(net), net, node,
                     (int)line_length(got), got, (int)line_length(expected), expected);
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
    for (const char *line = expected; *line; line = next_line(line))
        if (*line != ' ')
            compare(line, nodes_of(line, text), next_line(line));
    for (const char *line = text; *line; line = next_line(line))
        if (*line != ' ' && !nodes_of(line, expected))
            print_message("not held: %.*s\n", (int)line_length(line), line);
    free(expected);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nets_have_these_nodes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
