/* vkd-run --trace and --report: what the files say of the fake plug-in's two nodes, and how the
 * page looks in a browser, where there is one. */
#include "support/runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/page.h"
#include "support/skip.h"

static char text[1 << 20];

static const char *read_text(const runner *r, const char *name)
{
    char path[128];
    text[runner_read(runner_path(r, name, path), text, sizeof text - 1)] = 0;
    return text;
}

/* --------------------------------------------------------------------------------------- traces */

typedef struct span {
    double start, end;
} span;

/* Event number `index` of that name. */
static span find_span(const cJSON *events, const char *name, size_t index)
{
    const cJSON *event;
    cJSON_ArrayForEach(event, events)
    {
        if (strcmp(runner_string(event, "name"), name) || index--)
            continue;
        assert_string_equal(runner_string(event, "ph"), "X");
        double start = runner_number(event, "ts");
        return (span){start, start + runner_number(event, "dur")};
    }
    fail_msg("no event '%s'", name);
    return (span){0, 0};
}

static void a_trace_has_phases_submissions_and_dispatches(void **state)
{
    runner *r = *state;
    runner_expect(r, "x.pte --trace out.json --bench 3", 0, "");
    cJSON *root = cJSON_Parse(read_text(r, "out.json"));
    assert_non_null(root);
    const cJSON *events = cJSON_GetObjectItemCaseSensitive(root, "traceEvents");
    /* 3 names of rows, 3 phases, and each time submit, wait, execution, two dispatches */
    assert_int_equal(cJSON_GetArraySize(events), 3 + 3 + 3 * 5);
    span library = find_span(events, "load the library", 0),
         program = find_span(events, "open the program", 0),
         method = find_span(events, "load the method", 0);
    assert_true(library.start == 0 && library.end <= program.start && program.end <= method.start);
    for (size_t i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "execution %zu", i);
        span submit = find_span(events, "submit", i), wait = find_span(events, "wait", i),
             device = find_span(events, name, 0), first = find_span(events, "test.conv", 2 * i);
        assert_true(submit.start >= method.end && submit.end <= wait.start + 1e-3);
        /* the fake GPU's i-th run takes so many milliseconds; its nodes begin 125 us after it */
        assert_true(device.end - device.start > 1e3 * (double)(i + 1) - 0.1 &&
                    device.end - device.start < 1e3 * (double)(i + 1) + 0.1);
        assert_true(device.end > wait.end - 0.1 && device.end < wait.end + 0.1);
        assert_true(first.start - device.start > 124.9 && first.start - device.start < 125.1);
    }
    cJSON_Delete(root);
}

static void failures_leave_no_file(void **state)
{
    runner *r = *state;
    char path[128];
    runner_expect(r, "execute-5.pte --trace none.json", 5, "fake failure");
    runner_expect(r, "execute-5.pte --report none.html", 5, "fake failure");
    assert_int_not_equal(access(runner_path(r, "none.json", path), F_OK), 0);
    assert_int_not_equal(access(runner_path(r, "none.html", path), F_OK), 0);
    runner_expect(r, "x.pte --trace nowhere/t.json", 6, "nowhere/t.json");
    runner_expect(r, "x.pte --report /dev/full", 6, "/dev/full");
    runner_expect(r, "--list-devices --trace t.json", 1, "--trace needs a model");
    runner_expect(r, "--verify . --report t.html", 1, "--report needs a model");
}

/* ---------------------------------------------------------------------------------------- pages */

static void a_page_says_all_and_stands_alone(void **state)
{
    runner *r = *state;
    static const page_part parts[] = {
        {"<script", 0},
        {"http", 0},
        {"url(", 0},
        {"<b>evil.pte", 0},
        {"&lt;b&gt;evil.pte", 2}, /* title and heading */
        {"Fake device", 1},
        {"<div class=node>", 2},
        {"<b>conv</b> 1x2 -&gt; 3x4", 2},
        {"kernel \xc2\xb7 general \xc2\xb7 3.0 KiB", 1}, /* input and scratch */
        {"kernel \xc2\xb7 general \xc2\xb7 2.0 KiB", 1}, /* scratch, constant and output: 2080 */
        {"250.0 \xc2\xb5s <small>50.0%</small>", 2},
        {"<rect x=0 y=4096 width=2 height=2048 ", 1}, /* the lifetime */
        {"M0 0V2048H1V2048H2", 1},
        {"2 \xc3\x97 <b>conv</b> 3x3 \xe2\x86\x92 <b>general</b>: the only one", 1},
        {"<tr class=won><td>general</td><td class=n>12.5 \xc2\xb5s</td><td class=n>11.2", 1},
        {"<tr class=no><td>im2col</td><td class=n></td><td class=n></td><td>groups", 1},
        /* the scratch tensor's edge: down from the first node, into the second */
        {"M75.0 50L75.0 100", 1},
        {"M75.0 0L25.0 50", 1},
    };
    runner_expect(r, "<b>evil.pte --report out.html", 0, "");
    const char *page = read_text(r, "out.html");
    page_check_nesting(page);
    page_check_parts(page, parts, sizeof parts / sizeof *parts);
}

/* ------------------------------------------------------------------------------------- browsers */

static void a_page_fits_wide_and_narrow_windows(void **state)
{
    runner *r = *state;
    runner_expect(r, "x.pte --report out.html", 0, "");
    page_fits(r->folder, "out.html", ".node,#memory,#timeline", 4);
}

/* Where lines touch an edge of a row, as marks in a set: x in tenths of a percent. */
static void mark_lines(const char *row, const char *end, bool top, bool marks[1001])
{
    memset(marks, 0, 1001 * sizeof *marks);
    for (const char *at = row; (at = strstr(at, "<path d=\"M")) && at < end; at++) {
        double x1, x2;
        int y1, y2;
        assert_int_equal(sscanf(at, "<path d=\"M%lf %dL%lf %d", &x1, &y1, &x2, &y2), 4);
        if (top ? y1 == 0 : y2 == 100)
            marks[(int)((top ? x1 : x2) * 10 + 0.5)] = true;
    }
}

/* What leaves a row at its bottom is what comes into the next at its top, and the last one's is the
 * output. */
static void check_lines(const char *page)
{
    static const char begin[] = "<div class=node>";
    bool below[1001], above[1001];
    const char *row = strstr(page, begin);
    for (const char *next; row && (next = strstr(row + 1, begin)); row = next) {
        const char *end = strstr(next + 1, begin);
        mark_lines(row, next, false, below);
        mark_lines(next, end ? end : next + strlen(next), true, above);
        if (memcmp(below, above, sizeof below))
            fail_msg("the lines of two rows do not meet: %.300s ... %.300s", row, next);
        if (end)
            continue;
        mark_lines(next, next + strlen(next), false, below);
        size_t outputs = 0;
        for (size_t i = 0; i < sizeof below; i++)
            outputs += below[i];
        assert_int_equal(outputs, 1);
    }
}

/* Each node of the net writes one tensor. */
static void check_writes(const char *page)
{
    static const char begin[] = "<div class=node>";
    for (const char *row = strstr(page, begin); row; row = strstr(row + 1, begin)) {
        const char *end = strstr(row, "</svg>");
        size_t writes = 0;
        for (const char *at = row; (at = strstr(at, " 50L")) && at < end; at++)
            writes++;
        assert_true(writes <= 1);
    }
}

/* Bytes in use go up and down. */
static void check_alive(const char *page)
{
    const char *at = strstr(page, "<path class=alive");
    long long most = 0, last = 0;
    assert_non_null(at);
    for (at = strchr(at, 'V'); at && *at == 'V'; at = strpbrk(at + 1, "V\"")) {
        assert_int_equal(sscanf(at, "V%lld", &last), 1);
        most = last > most ? last : most;
    }
    assert_true(most > 0 && last < most);
}

/* A real model. */
static void a_page_of_a_real_graph(void **state)
{
    runner *r = *state;
    const runner_how real = {.library = ""};
    int code = runner_run(r, &real,
                          VKD_MODELS "/tiny/bottleneck_c12m7o20_s2_11x11/model.pte --no-cache "
                                     "--report out.html --trace out.json --bench 2");
    if (code == 4)
        test_skip("there is no Vulkan device");
    assert_int_equal(code, 0);
    const char *page = read_text(r, "out.html");
    page_check_nesting(page);
    size_t nodes = page_count(page, "<div class=node>");
    assert_true(nodes > 3);
    assert_true(page_count(page, "<i style=\"left:") == nodes);
    assert_true(page_count(page, "made by ") >= 3);
    check_lines(page);
    check_writes(page);
    check_alive(page);
    assert_true(page_count(page, "<tr class=won>") >= 2);
    cJSON *root = cJSON_Parse(read_text(r, "out.json"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(root, "traceEvents")),
                     3 + 3 + 2 * (3 + (int)nodes));
    cJSON_Delete(root);
}

/* Residuals that pass many nodes, and lanes that are free for a while. */
static void lines_of_a_net_with_residuals(void **state)
{
    runner *r = *state;
    const runner_how real = {.library = ""};
    int code = runner_run(r, &real,
                          VKD_MODELS "/llama/f32_dyn/model.pte --no-cache --report out.html "
                                     "--bench 1");
    if (code == 4)
        test_skip("there is no Vulkan device");
    assert_int_equal(code, 0);
    check_lines(read_text(r, "out.html"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_has_phases_submissions_and_dispatches),
        cmocka_unit_test(failures_leave_no_file),
        cmocka_unit_test(a_page_says_all_and_stands_alone),
        cmocka_unit_test(a_page_of_a_real_graph),
        cmocka_unit_test(lines_of_a_net_with_residuals),
        cmocka_unit_test(a_page_fits_wide_and_narrow_windows),
    };
    return cmocka_run_group_tests(tests, runner_setup, runner_teardown);
}
