#include "selftest/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* -------------------------------------------------------------------------------- what comes in */

static void show_progress(const selftest_report *r, size_t index)
{
    const selftest_plan *plan = r->plan;
    size_t all = plan->count * (size_t)plan->draws, step = all / 20 + 1;
    if (r->shows)
        fprintf(stderr, "\r\033[K%zu/%zu %s", r->done, all, plan->cases[index].table.name);
    else if (r->done % step == 0)
        fprintf(stderr, "%zu/%zu\n", r->done, all);
}

static void note_failure(selftest_tally *t, const char *what, const char *why)
{
    if (t->wrong++)
        return;
    snprintf(t->what, sizeof t->what, "%s", what);
    snprintf(t->why, sizeof t->why, "%s", why);
}

static void take_outcome(selftest_report *r, const selftest_message *m)
{
    selftest_tally *t = &r->tallies[m->index];
    t->draws++;
    t->ran += m->outcome.ran_variant;
    r->done++;
    if (m->outcome.right)
        return;
    note_failure(t, m->outcome.what, m->outcome.why);
    t->off = fmax(t->off, m->outcome.off);
}

void selftest_report_take(void *user, const selftest_message *m)
{
    selftest_report *r = user;
    switch (m->kind) {
    case SELFTEST_DEVICE:
        r->caps = r->opened ? r->caps : m->caps;
        r->opened = true;
        break;
    case SELFTEST_BEGIN:
        show_progress(r, m->index);
        break;
    case SELFTEST_DRAWN:
        take_outcome(r, m);
        break;
    case SELFTEST_SKIPPED:
        r->tallies[m->index].skipped = true;
        r->done += (size_t)r->plan->draws;
        break;
    case SELFTEST_ENDED:
        snprintf(r->ended, sizeof r->ended, "%s", m->why);
        break;
    case SELFTEST_CRASHED:
        r->tallies[m->index].crashed = true;
        note_failure(&r->tallies[m->index], "", m->why);
        break;
    }
}

/* ------------------------------------------------------------------------------------- counting */

size_t selftest_report_failed(const selftest_report *r)
{
    size_t failed = 0;
    for (size_t i = 0; i < r->plan->count; i++)
        failed += r->tallies[i].wrong > 0;
    return failed;
}

typedef struct totals {
    size_t cases, skipped, draws, wrong, variants;
} totals;

static totals total(const selftest_report *r)
{
    totals sum = {0};
    for (size_t i = 0; i < r->plan->count; i++) {
        const selftest_tally *t = &r->tallies[i];
        sum.cases += t->draws > 0 || t->crashed;
        sum.skipped += t->skipped;
        sum.draws += (size_t)t->draws;
        sum.wrong += (size_t)t->wrong;
        sum.variants += t->ran > 0;
    }
    return sum;
}

/* What of a device tells how kernels run there. */
enum { LIMITS = 9 };
typedef struct limit {
    const char *name;
    uint64_t value;
} limit;

static void limits_of(const vkd_caps *c, limit out[LIMITS])
{
    const limit limits[LIMITS] = {
        {"subgroup_size", c->subgroup_size},
        {"workgroup_invocations", c->max_workgroup_invocations},
        {"workgroup_size_x", c->max_workgroup_size[0]},
        {"workgroups_x", c->max_workgroup_count[0]},
        {"shared_memory", c->shared_memory},
        {"push_constants", c->max_push_constants},
        {"storage_range", c->max_storage_range},
        {"storage_buffers", c->max_storage_buffers},
        {"storage_alignment", c->storage_alignment},
    };
    memcpy(out, limits, sizeof limits);
}

/* ----------------------------------------------------------------------------------------- text */

static void print_device(const vkd_caps *c, FILE *out)
{
    limit limits[LIMITS];
    limits_of(c, limits);
    fprintf(out,
            "device: %s (%s), vendor 0x%04x, device 0x%04x\ndriver: 0x%08x, Vulkan %u.%u.%u\n"
            "int8 dot products: %s%s%s; int8 matrices: %s\nlimits:",
            c->name, vkd_device_type_name(c->type), c->vendor_id, c->device_id, c->driver_version,
            c->api_version >> 22 & 127, c->api_version >> 12 & 1023, c->api_version & 4095,
            vkd_int8_dot_name(c->dot), c->dot_signed_accelerated ? ", signed in hardware" : "",
            c->dot_mixed_accelerated ? ", mixed in hardware" : "", c->matrix_int8 ? "yes" : "no");
    for (int i = 0; i < LIMITS; i++)
        fprintf(out, " %s %" PRIu64 "%s", limits[i].name, limits[i].value,
                i + 1 < LIMITS ? "," : "\n");
}

static const char *dot_of(const selftest_case *c)
{
    return c->dot == VKD_DOT_AUTO ? "" : vkd_int8_dot_name(c->dot);
}

static void print_case(const selftest_report *r, size_t i, FILE *out)
{
    const selftest_case *c = &r->plan->cases[i];
    const selftest_tally *t = &r->tallies[i];
    fprintf(out, "  %s%s%s%s%s: %d of %d draws", c->table.name, c->table.variant ? ", " : "",
            c->table.variant ? c->table.variant : "", *dot_of(c) ? ", dot " : "", dot_of(c),
            t->wrong, r->plan->draws);
    if (t->off > 0)
        fprintf(out, ", off by %.3g at most", t->off);
    fprintf(out, "\n    %s\n    %s\n", *t->what ? t->what : "(no result)", t->why);
}

void selftest_report_text(const selftest_report *r, FILE *out)
{
    const totals sum = total(r);
    fprintf(out, "vkd-selftest %d.%d.%d, seed %" PRIu64 ", %d draws a case, %.0f s\n",
            VKD_VERSION_MAJOR, VKD_VERSION_MINOR, VKD_VERSION_PATCH, r->plan->seed, r->plan->draws,
            r->seconds);
    if (r->opened)
        print_device(&r->caps, out);
    fprintf(out,
            "ran: %zu cases, %zu draws, %zu with the variant that was asked for; %zu cases "
            "skipped, as the device has not what they need\n",
            sum.cases, sum.draws, sum.variants, sum.skipped);
    if (*r->ended)
        fprintf(out, "ended early: %s\n", r->ended);
    if (sum.wrong)
        fprintf(out, "wrong: %zu cases, %zu draws\n", selftest_report_failed(r), sum.wrong);
    for (size_t i = 0; i < r->plan->count; i++)
        if (r->tallies[i].wrong)
            print_case(r, i, out);
    fprintf(out, "%s\n",
            sum.wrong                 ? "NOT RIGHT: this page is what a report of the fault needs"
            : *r->ended || !sum.draws ? "NOT TESTED TO THE END"
                                      : "all right");
}

/* ----------------------------------------------------------------------------------------- JSON */

void selftest_json_text(const char *text, FILE *out)
{
    fputc('"', out);
    for (const char *c = text; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
            fprintf(out, "\\u%04x", (unsigned char)*c);
        else
            fputc(*c, out);
    fputc('"', out);
}

static void json_field(const char *name, const char *text, FILE *out)
{
    fprintf(out, ", \"%s\": ", name);
    selftest_json_text(text, out);
}

static void json_device(const vkd_caps *c, FILE *out)
{
    limit limits[LIMITS];
    limits_of(c, limits);
    fprintf(out,
            ", \"device\": {\"vendor_id\": %u, \"device_id\": %u, \"driver_version\": %u, "
            "\"api_version\": %u, \"dot_signed_accelerated\": %s, \"dot_mixed_accelerated\": %s, "
            "\"matrix_int8\": %s",
            c->vendor_id, c->device_id, c->driver_version, c->api_version,
            c->dot_signed_accelerated ? "true" : "false",
            c->dot_mixed_accelerated ? "true" : "false", c->matrix_int8 ? "true" : "false");
    json_field("name", c->name, out);
    json_field("type", vkd_device_type_name(c->type), out);
    json_field("dot", vkd_int8_dot_name(c->dot), out);
    for (int i = 0; i < LIMITS; i++)
        fprintf(out, ", \"%s\": %" PRIu64, limits[i].name, limits[i].value);
    fputs("}", out);
}

static void json_case(const selftest_report *r, size_t i, FILE *out)
{
    const selftest_case *c = &r->plan->cases[i];
    const selftest_tally *t = &r->tallies[i];
    fprintf(out, "{\"draws\": %d, \"wrong\": %d, \"crashed\": %s", t->draws, t->wrong,
            t->crashed ? "true" : "false");
    json_field("case", c->table.name, out);
    json_field("variant", c->table.variant ? c->table.variant : "", out);
    json_field("dot", dot_of(c), out);
    json_field("what", t->what, out);
    json_field("why", t->why, out);
    fprintf(out, isfinite(t->off) ? ", \"off\": %.9g}" : ", \"off\": null}", t->off);
}

void selftest_report_json(const selftest_report *r, FILE *out)
{
    const totals sum = total(r);
    bool first = true;
    fprintf(out,
            "{\"version\": \"%d.%d.%d\", \"seed\": %" PRIu64
            ", \"seconds\": %.1f, \"cases\": %zu, \"skipped\": %zu, \"draws\": %zu, "
            "\"wrong_draws\": %zu",
            VKD_VERSION_MAJOR, VKD_VERSION_MINOR, VKD_VERSION_PATCH, r->plan->seed, r->seconds,
            sum.cases, sum.skipped, sum.draws, sum.wrong);
    json_field("ended", r->ended, out);
    if (r->opened)
        json_device(&r->caps, out);
    fputs(", \"wrong\": [", out);
    for (size_t i = 0; i < r->plan->count; i++)
        if (r->tallies[i].wrong) {
            fputs(first ? "" : ", ", out);
            json_case(r, i, out);
            first = false;
        }
    fputs("]}\n", out);
}
