#include "runner/html.h"

#include <stdlib.h>
#include <string.h>

#include "runner/utf8.h"

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

void run_html_begin(FILE *out, const char *title)
{
    fputs("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>\n"
          "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n<title>",
          out);
    run_html_text(out, title);
    fprintf(out, "</title>\n<style>\n%s</style></head><body>\n", style);
}

void run_html_end(FILE *out) { fputs("</body></html>\n", out); }

void run_html_part(FILE *out, const char *text, int length)
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
            fputs(escapes[i].as, out);
        else
            fputc(*c, out);
    }
    free(whole);
    free(valid);
}

void run_html_text(FILE *out, const char *text) { run_html_part(out, text, (int)strlen(text)); }

void run_html_bytes(FILE *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1024 && unit < 3; unit++)
        value /= 1024;
    fprintf(out, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void run_html_time(FILE *out, double us)
{
    if (us >= 1e3)
        fprintf(out, "%.2f ms", us * 1e-3);
    else
        fprintf(out, "%.1f \xc2\xb5s", us);
}

void run_html_begin_tile(FILE *out) { fputs("<div><b>", out); }
void run_html_end_tile(FILE *out, const char *name)
{
    fprintf(out, "</b><span>%s</span></div>\n", name);
}
