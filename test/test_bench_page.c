/* vkd-bench --html: what the page says of shapes and variants, and how it looks in a browser. */
#include "support/gpu.h"
#include "support/page.h"
#include "support/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char text[1 << 20];

static int bench(const char *folder, const char *options)
{
    char command[1024];
    snprintf(command, sizeof command, "cd %s && %s %s >out.txt 2>err.txt", folder, VKD_BENCH,
             options);
    int status = system(command);
    assert_true(status >= 0);
    return status >> 8;
}

static void read_into_text(const char *folder, const char *name)
{
    char *path = join_path(folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    free(path);
}

static void write_shapes(const char *folder)
{
    char *path = join_path(folder, "<b>.txt");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("1x8x9x9 -> 12 3x3 s1 p1 d1 g1\n1x16x6x6 -> 8 1x1 s1 p0 d1 g1\n", file);
    fclose(file);
    free(path);
}

static void a_page_of_two_shapes(void **state)
{
    (void)state;
    gpu_needed();
    char *folder = new_directory();
    write_shapes(folder);
    assert_int_equal(bench(folder, "-t 1 --shapes '<b>.txt' --html out.html"), 0);
    read_into_text(folder, "out.html");
    page_check_nesting(text);
    static const page_part parts[] = {
        {"<script", 0},
        {"http", 0},
        {"url(", 0},
        {"<b>.txt", 0},
        {"&lt;b&gt;", 2},
        {"<details>", 2},
        {"<tr class=won>", 2},
        {"\xc2\xb7 fastest", 2},
        {"1x8x9x9 -&gt; 1x12x9x9 3x3", 1},
    };
    page_check_parts(text, parts, sizeof parts / sizeof *parts);
    assert_true(page_count(text, "<div class=bar") >= 4);
    assert_true(page_count(text, "<tr class=no>") >= 4); /* with reasons */
    assert_int_not_equal(bench(folder, "-t 1 --shapes '<b>.txt' --html nowhere/out.html"), 0);
    read_into_text(folder, "err.txt");
    assert_non_null(strstr(text, "nowhere/out.html"));
    assert_int_not_equal(bench(folder, "-t 1 --shapes '<b>.txt' --html /dev/full"), 0);
    page_fits(folder, "out.html", "details", 2);
    remove_tree(folder);
    free(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_page_of_two_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
