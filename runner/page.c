#include "runner/page.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/operands.h"
#include "runner/report.h"
#include "runner/tensor.h"
#include "runner/utf8.h"

typedef struct page {
    FILE *out;
    const run_session *session;
    const run_profile *profile;
    const run_operands *operands;
} page;

static const char style[] =
    ":root{color-scheme:light dark;--fg:#1c2330;--dim:#5d6778;--bg:#fff;--card:#f4f6f9;"
    "--line:#d9dee7;--edge:#8a97ab;--bar:#3b76d6}\n"
    "@media(prefers-color-scheme:dark){:root{--fg:#e6e9ef;--dim:#9aa5b8;--bg:#14181f;--card:"
    "#1d232d;--line:#323b49;--edge:#6f7d93;--bar:#6ea0f0}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:1160px;padding:16px;font:15px/1.45 system-ui,sans-serif;"
    "color:var(--fg);background:var(--bg)}\n"
    "h1{font-size:1.4rem;margin:0;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2rem 0 .5rem}\n"
    "p{margin:.3rem 0;color:var(--dim)}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:8px;"
    "margin:1rem 0}\n"
    ".tiles div{background:var(--card);border-radius:6px;padding:8px 10px}\n"
    ".tiles b{display:block;font-size:1.15rem}.tiles span{color:var(--dim);font-size:.85rem}\n"
    "svg{display:block;width:100%;background:var(--card)}svg *{vector-effect:non-scaling-stroke}\n"
    ".scale{display:flex;justify-content:space-between;color:var(--dim);font-size:.8rem}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n"
    "td,th{text-align:left;padding:3px 10px 3px 0;border-bottom:1px solid var(--line);"
    "vertical-align:top}th{color:var(--dim);font-weight:500}.n{text-align:right;white-space:"
    "nowrap}\n"
    ".node{display:flex;border-bottom:1px solid var(--line);position:relative}\n"
    ".lanes{position:relative;flex:none;max-width:16vw}.lanes "
    "svg{position:absolute;inset:0;height:100%;"
    "background:none}\n"
    ".lanes i{position:absolute;top:50%;width:10px;height:10px;margin:-5px;border-radius:50%}\n"
    ".what{flex:1;min-width:0;padding:5px 8px;overflow-wrap:anywhere}\n"
    ".what small{color:var(--dim);display:block}\n"
    ".time{flex:none;width:34%;max-width:230px;padding:5px 0;text-align:right;"
    "font-variant-numeric:tabular-nums}\n"
    ".bar{height:6px;border-radius:3px;background:var(--bar);margin:4px 0 0 auto;min-width:1px}\n"
    "details{border-bottom:1px solid var(--line);padding:4px 0}summary{cursor:pointer;"
    "overflow-wrap:anywhere}.won td{font-weight:600}.no td{color:var(--dim)}\n"
    ".key{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:.85rem}.key i{display:inline-block;"
    "width:10px;height:10px;border-radius:2px;margin-right:5px}\n";

/* ---------------------------------------------------------------------------------------- parts */

/* Text that others wrote. */
static void put(page *p, const char *text, int length)
{
    char *whole = strndup(text, (size_t)length), *valid = whole ? run_utf8(whole) : NULL;
    for (const char *c = valid ? valid : ""; *c; c++) {
        static const struct {
            char of;
            const char *as;
        } escapes[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}};
        size_t i = 0;
        while (i < sizeof escapes / sizeof *escapes && escapes[i].of != *c)
            i++;
        if (i < sizeof escapes / sizeof *escapes)
            fputs(escapes[i].as, p->out);
        else
            fputc(*c, p->out);
    }
    free(whole);
    free(valid);
}

static void put_all(page *p, const char *text) { put(p, text, (int)strlen(text)); }

static void put_op(page *p, const char *op)
{
    int length;
    const char *name = run_short_op(op, &length);
    put(p, name, length);
}

static void put_bytes(page *p, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit < 3; unit++)
        value /= 1024;
    fprintf(p->out, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void put_time(page *p, double us)
{
    if (us >= 1e3)
        fprintf(p->out, "%.2f ms", us * 1e-3);
    else
        fprintf(p->out, "%.1f \xc2\xb5s", us);
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

static void begin_tile(page *p) { fputs("<div><b>", p->out); }
static void end_tile(page *p, const char *name)
{
    fprintf(p->out, "</b><span>%s</span></div>\n", name);
}

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
    put_all(p, p->session->options->model);
    fputs("</h1>\n<p>on ", p->out);
    put_all(p, backend->delegate_device(p->session->delegate)->name);
    fprintf(p->out, "; medians of %zu executions, a time stamp around each dispatch</p>\n",
            p->profile->runs);
    fputs("<div class=tiles>\n", p->out);
    begin_tile(p);
    put_time(p, p->profile->total_us);
    end_tile(p, "an execution, on the device");
    begin_tile(p);
    fprintf(p->out, "%zu", p->profile->count);
    end_tile(p, "dispatches");
    begin_tile(p);
    put_time(p, p->session->init_ms * 1e3);
    end_tile(p, "to load");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        begin_tile(p);
        put_bytes(p, *sizes[i].bytes);
        end_tile(p, sizes[i].name);
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
        put_time(p, us);
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
        put_all(p, node->op);
        fputs(" ", p->out);
        put_time(p, (double)node->gpu_ns * 1e-3);
        fputs("</title></rect>\n", p->out);
    }
    fputs("</svg>\n<div class=scale><span>0</span><span>", p->out);
    put_time(p, end * 1e-3);
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
    put_all(p, node->shape);
    fputs("<small class=kernel>", p->out);
    put_all(p, node->kernel);
    if (*node->variant) {
        fputs(" \xc2\xb7 ", p->out);
        put_all(p, node->variant);
    }
    fputs(" \xc2\xb7 ", p->out);
    put_bytes(p, run_operands_bytes(p->operands, index));
    if (node->macs && row->us > 0)
        fprintf(p->out, " \xc2\xb7 %.1f GOPS", run_gops(node->macs, row->us));
    fputs("</small></div><div class=time>", p->out);
    put_time(p, row->us);
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
    put_bytes(p, memory->info.bytes);
    fputs(", made by ", p->out);
    put_all(p, writer->op);
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
    put_bytes(p, end);
    fputs(", and the nodes between which it holds something. Line: bytes in use, at most ", p->out);
    put_bytes(p, most);
    fputs(".</p>\n", p->out);
}

/* -------------------------------------------------------------------------------------- choices */

static void put_candidate(page *p, const vkd_selection_info *s, const vkd_candidate_info *c)
{
    fprintf(p->out, "<tr class=%s><td>",
            !c->eligible                     ? "no"
            : !strcmp(c->variant, s->winner) ? "won"
                                             : "other");
    put_all(p, c->variant);
    fputs("</td><td class=n>", p->out);
    if (c->eligible)
        put_time(p, c->cost_us);
    fputs("</td><td class=n>", p->out);
    if (c->measured_us > 0)
        put_time(p, c->measured_us);
    fputs("</td><td>", p->out);
    put_all(p, c->reason ? c->reason : "");
    fputs("</td></tr>\n", p->out);
}

static void put_choice(page *p, const vkd_selection_info *s, size_t same)
{
    fprintf(p->out, "<details><summary>%zu \xc3\x97 <b>", same);
    put_op(p, s->op);
    fputs("</b> ", p->out);
    put_all(p, s->problem);
    fputs(" \xe2\x86\x92 <b>", p->out);
    put_all(p, s->winner);
    fputs("</b>: ", p->out);
    put_all(p, s->reason);
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
    fprintf(p->out, "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n"
                    "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n<title>");
    put_all(p, p->session->options->model);
    fprintf(p->out, "</title>\n<style>\n%s</style></head><body>\n", style);
    put_summary(p);
    put_timeline(p);
    put_memory(p);
    put_graph(p);
    run_exit result = put_choices(p);
    fputs("</body></html>\n", p->out);
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
