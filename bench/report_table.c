/* Tables for people. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/report.h"

static double gops(const bench_result *result, size_t variant)
{
    return 2e-3 * (double)conv2d_macs(&result->shape->problem) /
           result->candidates[variant].measured_us;
}

static double share(const bench_report *report, const bench_result *result, size_t variant)
{
    return 100 * gops(result, variant) / (2e-3 * report->peak);
}

void bench_report_head(const bench_report *report)
{
    printf("%s (%s), int8 dot: %s; peak %.1f GOPS by %s\n", report->caps->name,
           vkd_device_type_name(report->caps->type), vkd_int8_dot_name(report->caps->dot),
           2e-3 * report->peak, report->peak_name);
}

/* The timed variant that follows `after` in the order of their times; result->count at the end. */
static size_t next_slower(const bench_result *result, size_t after)
{
    size_t next = result->count;
    const vkd_candidate_info *c = result->candidates;
    for (size_t i = 0; i < result->count; i++) {
        bool later = after == result->count || c[i].measured_us > c[after].measured_us ||
                     (c[i].measured_us == c[after].measured_us && i > after);
        if (c[i].measured_us > 0 && later &&
            (next == result->count || c[i].measured_us < c[next].measured_us))
            next = i;
    }
    return next;
}

void bench_report_shape(const bench_report *report, const bench_result *result)
{
    char text[CONV2D_TEXT];
    vkd_conv2d_problem_format(&result->shape->problem, text);
    printf("\n%s  %s  %.1f MMAC\n", result->shape->set, text,
           1e-6 * (double)conv2d_macs(&result->shape->problem));
    for (size_t v = next_slower(result, result->count); v < result->count;
         v = next_slower(result, v))
        printf("  %c%c %-26s %s%10.1f us  %9.1f GOPS  %5.1f %%  estimated %10.1f us\n",
               v == result->automatic ? '>' : ' ',
               report->measure && v == result->measured ? '*' : ' ', result->variants[v].name,
               result->coarse[v] ? "~" : " ", result->candidates[v].measured_us, gops(result, v),
               share(report, result, v), result->candidates[v].cost_us);
    fflush(stdout);
}

/* --------------------------------------------------------------------------------------- regret */

typedef struct regret {
    size_t count;
    double logs, worst, chosen_us, best_us;
    const bench_shape *worst_shape;
} regret;

static void add_regret(regret *sum, const bench_result *result, size_t choice)
{
    double factor = bench_regret(result, choice);
    sum->count++;
    sum->logs += log(factor);
    sum->chosen_us += result->candidates[choice].measured_us;
    sum->best_us += result->candidates[result->best].measured_us;
    if (factor <= sum->worst)
        return;
    sum->worst = factor;
    sum->worst_shape = result->shape;
}

static void print_regret(const char *set, const char *policy, const regret *sum)
{
    char text[CONV2D_TEXT];
    vkd_conv2d_problem_format(&sum->worst_shape->problem, text);
    printf("  %-16s %4zu  %-8s %10.1f us %10.1f us  %7.3f %7.2f  %s\n", set, sum->count, policy,
           sum->chosen_us, sum->best_us, exp(sum->logs / (double)sum->count), sum->worst, text);
}

/* set null: all. */
static void print_set(const bench_report *report, const char *set)
{
    regret automatic = {0}, measured = {0};
    double measure_us = 0;
    for (size_t i = 0; i < report->count; i++) {
        const bench_result *result = &report->results[i];
        if (set && strcmp(result->shape->set, set))
            continue;
        add_regret(&automatic, result, result->automatic);
        add_regret(&measured, result, result->measured);
        measure_us += result->measure_us;
    }
    print_regret(set ? set : "all", "auto", &automatic);
    if (!report->measure)
        return;
    print_regret(set ? set : "all", "measure", &measured);
    printf("  %-16s %4s  measuring took %.2f s\n", "", "", measure_us * 1e-6);
}

void bench_report_regret(const bench_report *report)
{
    printf("\nregret: time of the choice / time of the fastest variant; its mean is the geometric "
           "one\n");
    printf("  %-16s %4s  %-8s %13s %13s  %7s %7s  %s\n", "", "", "choice", "chosen", "fastest",
           "mean", "worst", "worst shape");
    for (size_t i = 0; i < report->count; i++) {
        const char *set = report->results[i].shape->set;
        size_t first = 0;
        while (strcmp(report->results[first].shape->set, set))
            first++;
        if (first == i)
            print_set(report, set);
    }
    if (report->count)
        print_set(report, NULL);
}

/* -------------------------------------------------------------------------------------- compare */

/* The fastest timed variant of that name or family. */
static size_t fastest_of(const bench_result *result, const char *name)
{
    size_t best = result->count;
    for (size_t i = 0; i < result->count; i++)
        if (result->candidates[i].measured_us > 0 &&
            vkd_conv2d_is_named(&result->variants[i], name) &&
            (best == result->count ||
             result->candidates[i].measured_us < result->candidates[best].measured_us))
            best = i;
    return best;
}

void bench_report_compare(const bench_report *report, char *const *names)
{
    printf("\n| %-52s |", "shape");
    for (char *const *name = names; *name; name++)
        printf(" %12s us |", *name);
    printf(" %-26s |\n|%.54s|", "auto", "------------------------------------------------------");
    for (char *const *name = names; *name; name++)
        printf("----------------:|");
    printf("----------------------------|\n");
    for (size_t i = 0; i < report->count; i++) {
        const bench_result *result = &report->results[i];
        char text[CONV2D_TEXT];
        vkd_conv2d_problem_format(&result->shape->problem, text);
        printf("| %-52s |", text);
        for (char *const *name = names; *name; name++) {
            size_t v = fastest_of(result, *name);
            if (v < result->count)
                printf(" %15.1f |", result->candidates[v].measured_us);
            else
                printf(" %15s |", "-");
        }
        printf(" %-26s |\n", result->variants[result->automatic].name);
    }
}
