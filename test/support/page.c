#include "support/page.h"
#include "support/skip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t page_count(const char *in, const char *what)
{
    size_t found = 0;
    for (const char *at = in; (at = strstr(at, what)); at += strlen(what))
        found++;
    return found;
}

void page_check_parts(const char *page, const page_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (page_count(page, parts[i].what) != parts[i].times)
            fail_msg("'%s' is there %zu times, not %zu, in: %s", parts[i].what,
                     page_count(page, parts[i].what), parts[i].times, page);
}

void page_check_nesting(const char *page)
{
    char open[64][16];
    size_t depth = 0;
    for (const char *at = page; (at = strchr(at, '<')); at++) {
        char name[16];
        const char *end = at;
        for (bool quoted = false; *end && (quoted || *end != '>'); end++)
            quoted ^= *end == '"';
        assert_int_equal(*end, '>');
        if (at[1] == '!' || end[-1] == '/' || !strncmp(at, "<meta", 5))
            continue;
        assert_int_equal(sscanf(at + 1 + (at[1] == '/'), "%15[a-z0-9]", name), 1);
        if (at[1] != '/') {
            assert_true(depth < 64);
            strcpy(open[depth++], name);
        } else if (!depth || strcmp(open[--depth], name)) {
            fail_msg("</%s> closes <%s>", name, open[depth]);
        }
    }
    assert_int_equal(depth, 0);
}

static const char *browser(void)
{
    static const char *const names[] = {"chromium", "google-chrome", "chromium-browser"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char command[64];
        snprintf(command, sizeof command, "command -v %s >/dev/null", names[i]);
        if (!system(command))
            return names[i];
    }
    test_skip("there is no chromium");
    return NULL;
}

static FILE *open_in(const char *folder, const char *name, const char *mode)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, mode);
    assert_non_null(file);
    return file;
}

/* The page in a frame of so many pixels, beside a script that says how wide it would be. */
static void fit(const char *folder, const char *name, const char *selector, size_t elements,
                int pixels)
{
    static char dom[1 << 16];
    char command[1024];
    FILE *frame = open_in(folder, "frame.html", "w");
    fprintf(frame,
            "<!DOCTYPE html><body><iframe id=f src=%s width=%d height=900></iframe><script>"
            "onload=()=>{let d=f.contentDocument,e=[...d.querySelectorAll('%s')];document.title="
            "'WIDTH='+d.documentElement.scrollWidth+' COUNT='+e.length+' HIGH='+"
            "Math.min(...e.map(e=>e.getBoundingClientRect().height))}</script>",
            name, pixels, selector);
    fclose(frame);
    snprintf(command, sizeof command,
             "cd %s && HOME=. timeout 60 %s --headless --no-sandbox --disable-gpu "
             "--allow-file-access-from-files --window-size=1400,1000 --virtual-time-budget=4000 "
             "--dump-dom file://%s/frame.html >dom.html 2>/dev/null",
             folder, browser(), folder);
    if (system(command))
        test_skip("the browser does not start");
    FILE *file = open_in(folder, "dom.html", "r");
    dom[fread(dom, 1, sizeof dom - 1, file)] = 0;
    fclose(file);
    const char *at = strstr(dom, "WIDTH=");
    double width = 0, count = 0, high = 0;
    if (!at || sscanf(at, "WIDTH=%lf COUNT=%lf HIGH=%lf", &width, &count, &high) != 3)
        fail_msg("the browser did not load the page: %s", dom);
    if (width > pixels || count != (double)elements || high <= 20)
        fail_msg("%.0f pixels wide in %d, %.0f of %zu elements, %.0f pixels high", width, pixels,
                 count, elements, high);
}

void page_fits(const char *folder, const char *name, const char *selector, size_t elements)
{
    fit(folder, name, selector, elements, 1280);
    fit(folder, name, selector, elements, 400);
}
