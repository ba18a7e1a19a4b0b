#include "runner/page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/html.h"
#include "runner/operands.h"
#include "runner/report.h"
#include "runner/tensor.h"

typedef struct page {
    FILE *out;
    const run_session *session;
    const run_profile *profile;
    const run_operands *operands;
} page;

/* ---------------------------------------------------------------------------------------- parts */

static void put_op(page *p, const char *op)
{
    int length;
    const char *name = run_short_op(op, &length);
    run_html_part(p->out, name, length);
}

/* The same for the same operator on every page. */
static unsigned hue(const char *op)
{
    unsigned sum = 7;
    for (; *op; op++)
        sum = sum * 31 + (unsigned char)*op;
    return sum % 360;
}

static void put_colour(page *p, const char *op) { fprintf(p->out, "hsl(%u 55%% 52%%)", hue(op)); }

/* -------------------------------------------------------------------------------------- summary */

static void put_summary(page *p)
{
    const vkd_backend_table *backend = p->session->backend;
    vkd_memory_info memory;
    const struct {
        const char *name;
        const uint64_t *bytes;
    } sizes[] = {{"constants", &memory.constants},
                 {"scratch", &memory.scratch},
                 {"scratch without sharing", &memory.scratch_unaliased},
                 {"inputs and outputs", &memory.io},
                 {"host memory", &memory.host}};
    backend->memory(p->session->delegate, &memory);
    fputs("<h1>", p->out);
    run_html_text(p->out, p->session->options->model);
    fputs("</h1>\n<p>on ", p->out);
    run_html_text(p->out, backend->delegate_device(p->session->delegate)->name);
    fprintf(p->out, "; medians of %zu executions, a time stamp around each dispatch</p>\n",
            p->profile->runs);
    fputs("<div class=tiles>\n", p->out);
    run_html_begin_tile(p->out);
    run_html_time(p->out, p->profile->total_us);
    run_html_end_tile(p->out, "an execution, on the device");
    run_html_begin_tile(p->out);
    fprintf(p->out, "%zu", p->profile->count);
    run_html_end_tile(p->out, "dispatches");
    run_html_begin_tile(p->out);
    run_html_time(p->out, p->session->init_ms * 1e3);
    run_html_end_tile(p->out, "to load");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        run_html_begin_tile(p->out);
        run_html_bytes(p->out, *sizes[i].bytes);
        run_html_end_tile(p->out, sizes[i].name);
    }
    fputs("</div>\n", p->out);
}

/* ------------------------------------------------------------------------------------- timeline */

static double end_of(const run_profile *profile)
{
    double end = 0;
    for (size_t i = 0; i < profile->count; i++)
        end = fmax(end, (double)(profile->rows[i].node.start_ns + profile->rows[i].node.gpu_ns));
    return end;
}

/* One operator's name of each that there is, with its time. */
static void put_key(page *p)
{
    const run_profile *profile = p->profile;
    fputs("<div class=key>\n", p->out);
    for (size_t i = 0; i < profile->count; i++) {
        const char *op = profile->rows[i].node.op;
        size_t first = 0, count = 0;
        double us = 0;
        while (strcmp(profile->rows[first].node.op, op))
            first++;
        if (first < i)
            continue;
        for (size_t j = i; j < profile->count; j++)
            if (!strcmp(profile->rows[j].node.op, op)) {
                us += profile->rows[j].us;
                count++;
            }
        fputs("<span><i style=\"background:", p->out);
        put_colour(p, op);
        fputs("\"></i>", p->out);
        put_op(p, op);
        fprintf(p->out, " \xc3\x97%zu ", count);
        run_html_time(p->out, us);
        fputs("</span>\n", p->out);
    }
    fputs("</div>\n", p->out);
}

static void put_timeline(page *p)
{
    const run_profile *profile = p->profile;
    double end = end_of(profile);
    fputs("<h2>Timeline of the last execution</h2>\n", p->out);
    if (end <= 0) {
        fputs("<p>This device has no time stamps.</p>\n", p->out);
        return;
    }
    fputs("<svg id=timeline viewBox=\"0 0 1000 10\" height=56 preserveAspectRatio=none>\n", p->out);
    for (size_t i = 0; i < profile->count; i++) {
        const vkd_node_info *node = &profile->rows[i].node;
        fprintf(p->out, "<rect x=%.3f y=1 width=%.3f height=8 style=\"fill:",
                (double)node->start_ns / end * 1e3, fmax((double)node->gpu_ns / end * 1e3, 0.2));
        put_colour(p, node->op);
        fprintf(p->out, "\"><title>%zu ", i);
        run_html_text(p->out, node->op);
        fputs(" ", p->out);
        run_html_time(p->out, (double)node->gpu_ns * 1e-3);
        fputs("</title></rect>\n", p->out);
    }
    fputs("</svg>\n<div class=scale><span>0</span><span>", p->out);
    run_html_time(p->out, end * 1e-3);
    fputs("</span></div>\n", p->out);
    put_key(p);
}

/* ---------------------------------------------------------------------------------------- graph */

enum { LANE_WIDTH = 12, LANES_WIDTH = 108 };

static double lane_at(const run_operands *o, int lane)
{
    return (lane + 0.5) / (o->lane_count ? o->lane_count : 1) * 100;
}

/* The lane of what it writes, else of what it reads. */
static double dot_at(const run_operands *o, size_t node)
{
    int lane = 0;
    bool written = false;
    for (size_t i = o->firsts[node]; i < o->firsts[node + 1] && !written; i++) {
        const run_operand *operand = &o->operands[i];
        int drawn = o->memories[operand->memory].lane;
        lane = drawn >= 0 ? drawn : lane;
        written = drawn >= 0 && operand->writes;
    }
    return lane_at(o, lane);
}

static void put_edge(page *p, double x1, int y1, double x2, int y2)
{
    fprintf(p->out, "<path d=\"M%.1f %dL%.1f %d\"/>", x1, y1, x2, y2);
}

/* What passes by. */
static void put_passing(page *p, size_t node)
{
    const run_operands *o = p->operands;
    for (size_t m = 0; m < o->memory_count; m++) {
        const run_memory *memory = &o->memories[m];
        bool above = memory->first < node || !strcmp(memory->place ? memory->place : "", "input");
        if (memory->lane >= 0 && above && memory->last > node)
            put_edge(p, lane_at(o, memory->lane), 0, lane_at(o, memory->lane), 100);
    }
}

static void put_lanes(page *p, size_t node)
{
    const run_operands *o = p->operands;
    int width = o->lane_count * LANE_WIDTH;
    double dot = dot_at(o, node);
    fprintf(p->out,
            "<div class=lanes style=\"width:%dpx\"><svg viewBox=\"0 0 100 100\" "
            "preserveAspectRatio=none fill=none stroke=\"var(--edge)\" stroke-width=1.5>",
            width < LANES_WIDTH ? width : LANES_WIDTH);
    put_passing(p, node);
    for (size_t i = o->firsts[node]; i < o->firsts[node + 1]; i++) {
        const run_operand *operand = &o->operands[i];
        const run_memory *memory = &o->memories[operand->memory];
        if (memory->lane < 0)
            continue;
        if (operand->reads)
            put_edge(p, lane_at(o, memory->lane), 0, dot, 50);
        if (operand->writes && memory->last > node)
            put_edge(p, dot, 50, lane_at(o, memory->lane), 100);
    }
    fprintf(p->out, "</svg><i style=\"left:%.1f%%;background:", dot);
    put_colour(p, p->profile->rows[node].node.op);
    fputs("\"></i></div>", p->out);
}

static void put_node(page *p, size_t index, double longest)
{
    const run_profile_row *row = &p->profile->rows[index];
    const vkd_node_info *node = &row->node;
    fputs("<div class=node>", p->out);
    put_lanes(p, index);
    fprintf(p->out, "<div class=what>%zu <b>", index);
    put_op(p, node->op);
    fputs("</b> ", p->out);
    run_html_text(p->out, node->shape);
    fputs("<small class=kernel>", p->out);
    run_html_text(p->out, node->kernel);
    if (*node->variant) {
        fputs(" \xc2\xb7 ", p->out);
        run_html_text(p->out, node->variant);
    }
    fputs(" \xc2\xb7 ", p->out);
    run_html_bytes(p->out, run_operands_bytes(p->operands, index));
    if (node->macs && row->us > 0)
        fprintf(p->out, " \xc2\xb7 %.1f GOPS", run_gops(node->macs, row->us));
    fputs("</small></div><div class=time>", p->out);
    run_html_time(p->out, row->us);
    fprintf(p->out, " <small>%.1f%%</small>",
            p->profile->nodes_us > 0 ? row->us / p->profile->nodes_us * 100 : 0);
    fprintf(p->out, "<div class=bar style=\"width:%.1f%%\"></div></div></div>\n",
            longest > 0 ? row->us / longest * 100 : 0);
}

static void put_graph(page *p)
{
    double longest = 0;
    for (size_t i = 0; i < p->profile->count; i++)
        longest = fmax(longest, p->profile->rows[i].us);
    fputs("<h2>Graph</h2>\n<p>A dispatch a row: its operator, shape, kernel, variant, the bytes of "
          "what it reads and writes, and its time. Lines are inputs, outputs and what lies "
          "between.</p>\n<div id=graph>\n",
          p->out);
    for (size_t i = 0; i < p->profile->count; i++)
        put_node(p, i, longest);
    fputs("</div>\n", p->out);
}

/* --------------------------------------------------------------------------------------- memory */

static void put_lifetime(page *p, const run_memory *memory)
{
    const vkd_node_info *writer = &p->profile->rows[memory->first].node;
    fprintf(p->out,
            "<rect x=%zu y=%" PRIu64 " width=%zu height=%" PRIu64 " style=\"fill:", memory->first,
            memory->info.offset, memory->last - memory->first + 1, memory->info.bytes);
    put_colour(p, writer->op);
    fprintf(p->out, "\"><title>nodes %zu to %zu, ", memory->first, memory->last);
    run_html_bytes(p->out, memory->info.bytes);
    fputs(", made by ", p->out);
    run_html_text(p->out, writer->op);
    fputs("</title></rect>\n", p->out);
}

/* From the bottom: addresses, one above the other; bytes that are in use, as a line. */
static void put_memory(page *p)
{
    const run_operands *o = p->operands;
    uint64_t end = 0, most = 0;
    for (size_t m = 0; m < o->memory_count; m++)
        if (run_memory_is_scratch(&o->memories[m]) &&
            o->memories[m].info.offset + o->memories[m].info.bytes > end)
            end = o->memories[m].info.offset + o->memories[m].info.bytes;
    fputs("<h2>Scratch memory over time</h2>\n", p->out);
    if (!end) {
        fputs("<p>There is none: every node writes an output.</p>\n", p->out);
        return;
    }
    fprintf(p->out,
            "<svg id=memory viewBox=\"0 0 %zu %" PRIu64 "\" height=220 preserveAspectRatio=none "
            "stroke=\"var(--bg)\">\n<g transform=\"matrix(1 0 0 -1 0 %" PRIu64 ")\">\n",
            o->node_count, end, end);
    for (size_t m = 0; m < o->memory_count; m++)
        if (run_memory_is_scratch(&o->memories[m]))
            put_lifetime(p, &o->memories[m]);
    fputs("<path class=alive fill=none stroke=\"var(--fg)\" stroke-width=2 d=\"M0 0", p->out);
    for (size_t node = 0; node < o->node_count; node++) {
        uint64_t alive = run_operands_alive(o, node);
        most = alive > most ? alive : most;
        fprintf(p->out, "V%" PRIu64 "H%zu", alive, node + 1);
    }
    fputs("\"/></g></svg>\n<div class=scale><span>node 0</span><span>", p->out);
    fprintf(p->out, "node %zu</span></div>\n<p>Boxes: a tensor's addresses, over ",
            o->node_count - 1);
    run_html_bytes(p->out, end);
    fputs(", and the nodes between which it holds something. Line: bytes in use, at most ", p->out);
    run_html_bytes(p->out, most);
    fputs(".</p>\n", p->out);
}

/* -------------------------------------------------------------------------------------- choices */

static void put_candidate(page *p, const vkd_selection_info *s, const vkd_candidate_info *c)
{
    fprintf(p->out, "<tr class=%s><td>",
            !c->eligible                     ? "no"
            : !strcmp(c->variant, s->winner) ? "won"
                                             : "other");
    run_html_text(p->out, c->variant);
    fputs("</td><td class=n>", p->out);
    if (c->eligible)
        run_html_time(p->out, c->cost_us);
    fputs("</td><td class=n>", p->out);
    if (c->measured_us > 0)
        run_html_time(p->out, c->measured_us);
    fputs("</td><td>", p->out);
    run_html_text(p->out, c->reason ? c->reason : "");
    fputs("</td></tr>\n", p->out);
}

static void put_choice(page *p, const vkd_selection_info *s, size_t same)
{
    fprintf(p->out, "<details><summary>%zu \xc3\x97 <b>", same);
    put_op(p, s->op);
    fputs("</b> ", p->out);
    run_html_text(p->out, s->problem);
    fputs(" \xe2\x86\x92 <b>", p->out);
    run_html_text(p->out, s->winner);
    fputs("</b>: ", p->out);
    run_html_text(p->out, s->reason);
    fputs("</summary>\n<div class=wide><table><tr><th>variant</th><th class=n>estimate</th>"
          "<th class=n>measured</th><th>why</th></tr>\n",
          p->out);
    for (size_t i = 0; i < s->candidate_count; i++)
        put_candidate(p, s, &s->candidates[i]);
    fputs("</table></div></details>\n", p->out);
}

static run_exit put_choices(page *p)
{
    const run_session *session = p->session;
    size_t count = session->backend->selection_count(session->delegate);
    vkd_selection_info *all = calloc(count + 1, sizeof *all);
    run_exit result = all ? RUN_OK : run_fail_memory();
    for (size_t i = 0; i < count && !result; i++)
        result = run_exit_of(session->backend->selection(session->delegate, i, &all[i]));
    if (!result)
        fprintf(p->out, "<h2>Choices among kernels</h2>\n<div id=choices>\n%s",
                count ? "" : "<p>There were none.</p>\n");
    for (size_t i = 0; i < count && !result; i++) {
        size_t first = 0, same = 0;
        while (!run_same_choice(&all[first], &all[i]))
            first++;
        for (size_t j = i; first == i && j < count; j++)
            same += run_same_choice(&all[j], &all[i]);
        if (first == i)
            put_choice(p, &all[i], same);
    }
    fputs("</div>\n", p->out);
    free(all);
    return result;
}

/* ---------------------------------------------------------------------------------------- whole */

static run_exit put_page(page *p)
{
    run_html_begin(p->out, p->session->options->model);
    put_summary(p);
    put_timeline(p);
    put_memory(p);
    put_graph(p);
    run_exit result = put_choices(p);
    run_html_end(p->out);
    return result;
}

static run_exit write_page(page *p, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    p->out = open_memstream(&text, &size);
    if (!p->out)
        return run_fail_memory();
    run_exit result = put_page(p);
    bool lost = ferror(p->out);
    lost |= fclose(p->out) != 0;
    if (!result)
        result = lost ? run_fail_memory() : run_tensor_write(path, text, size);
    free(text);
    return result;
}

run_exit run_page_write(run_session *session, size_t runs, const char *path)
{
    run_profile profile;
    run_operands operands = {0};
    run_exit result = run_profile_measure(session, runs, &profile);
    if (!result)
        result = run_operands_read(session, &operands);
    if (!result)
        result = write_page(&(page){.session = session, .profile = &profile, .operands = &operands},
                            path);
    run_operands_release(&operands);
    run_profile_release(&profile);
    return result;
}
