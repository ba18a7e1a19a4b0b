/* A page for a browser: what vkd-bench has measured, a bar for each variant. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "bench/report.h"
#include "runner/html.h"

static double gops(const bench_result *result, size_t variant)
{
    return 2e-3 * (double)conv2d_macs(&result->shape->problem) /
           result->candidates[variant].measured_us;
}

static void put_tile(FILE *out, double value, const char *format, const char *name)
{
    run_html_begin_tile(out);
    fprintf(out, format, value);
    run_html_end_tile(out, name);
}

static void put_summary(FILE *out, const bench_report *report)
{
    double logs = 0, worst = 1, chosen = 0, best = 0;
    for (size_t i = 0; i < report->count; i++) {
        const bench_result *result = &report->results[i];
        const double regret = bench_regret(result, result->automatic);
        logs += log(regret);
        worst = fmax(worst, regret);
        chosen += result->candidates[result->automatic].measured_us;
        best += result->candidates[result->best].measured_us;
    }
    fputs("<h1>Variants of convolutions</h1>\n<p>on ", out);
    run_html_text(out, report->caps->name);
    fputs("; a bar is a variant's time, against the slowest one of its shape; bold is the choice "
          "by estimate</p>\n<div class=tiles>\n",
          out);
    put_tile(out, (double)report->count, "%.0f", "shapes");
    run_html_begin_tile(out);
    run_html_time(out, chosen);
    run_html_end_tile(out, "all chosen ones");
    run_html_begin_tile(out);
    run_html_time(out, best);
    run_html_end_tile(out, "all fastest ones");
    put_tile(out, exp(logs / (double)report->count), "%.3f", "chosen / fastest, mean");
    put_tile(out, worst, "%.2f", "chosen / fastest, worst");
    put_tile(out, 2e-3 * report->peak, "%.0f GOPS", "peak");
    fputs("</div>\n", out);
}

static void put_variant(FILE *out, const bench_report *report, const bench_result *result, size_t v,
                        double longest)
{
    const vkd_candidate_info *c = &result->candidates[v];
    fprintf(out, "<tr class=%s><td>", v == result->automatic ? "won" : "other");
    run_html_text(out, c->variant);
    if (v == result->best)
        fputs(" \xc2\xb7 fastest", out);
    if (report->measure && v == result->measured)
        fputs(" \xc2\xb7 measured", out);
    fputs("</td><td class=n>", out);
    run_html_time(out, c->cost_us);
    fprintf(out, "</td><td class=n>%s", result->coarse[v] ? "~" : "");
    run_html_time(out, c->measured_us);
    fprintf(out, "<div class=bar style=\"width:%.1f%%\"></div></td><td class=n>%.1f</td></tr>\n",
            c->measured_us / longest * 100, gops(result, v));
}

static void put_refused(FILE *out, const vkd_candidate_info *c)
{
    fputs("<tr class=no><td>", out);
    run_html_text(out, c->variant);
    fputs("</td><td colspan=3>", out);
    run_html_text(out, c->reason);
    fputs("</td></tr>\n", out);
}

static void put_shape(FILE *out, const bench_report *report, const bench_result *result)
{
    char text[CONV2D_TEXT];
    double longest = 0;
    vkd_conv2d_problem_format(&result->shape->problem, text);
    for (size_t v = 0; v < result->count; v++)
        longest = fmax(longest, result->candidates[v].measured_us);
    fputs("<details><summary>", out);
    run_html_text(out, result->shape->set);
    fputs(" <b>", out);
    run_html_text(out, text);
    fputs("</b> \xe2\x86\x92 <b>", out);
    run_html_text(out, result->variants[result->automatic].name);
    fputs("</b> ", out);
    run_html_time(out, result->candidates[result->automatic].measured_us);
    fprintf(out, ", %.2f of the fastest</summary>\n", bench_regret(result, result->automatic));
    fputs(
        "<div class=wide><table><tr><th>variant</th><th class=n>estimate</th><th class=n>time</th>"
        "<th class=n>GOPS</th></tr>\n",
        out);
    for (size_t v = 0; v < result->count; v++)
        if (result->candidates[v].measured_us > 0)
            put_variant(out, report, result, v, longest);
    for (size_t v = 0; v < result->count; v++)
        if (!result->candidates[v].eligible)
            put_refused(out, &result->candidates[v]);
    fputs("</table></div></details>\n", out);
}

vkd_status bench_report_page(vkd_context *context, const bench_report *report, const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out)
        return vkd_fail(context, VKD_IO_ERROR, "%s: %s", path, strerror(errno));
    run_html_begin(out, "vkd-bench");
    put_summary(out, report);
    fputs("<h2>Shapes</h2>\n<div id=shapes>\n", out);
    for (size_t i = 0; i < report->count; i++)
        put_shape(out, report, &report->results[i]);
    fputs("</div>\n", out);
    run_html_end(out);
    bool lost = ferror(out);
    lost |= fclose(out) != 0;
    return lost ? vkd_fail(context, VKD_IO_ERROR, "%s: it could not be written", path) : VKD_OK;
}
