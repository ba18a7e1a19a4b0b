#include "support/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

vkd_caps refusal_caps(fake_device device, const refusal_changes *c)
{
    vkd_caps caps = fake_caps(device);
    if (c->storage_range)
        caps.max_storage_range = c->storage_range;
    if (c->texels)
        caps.max_texels = c->texels;
    if (c->groups_x)
        caps.max_workgroup_count[0] = c->groups_x;
    if (c->groups_y)
        caps.max_workgroup_count[1] = c->groups_y;
    if (c->groups_z)
        caps.max_workgroup_count[2] = c->groups_z;
    if (c->size_x)
        caps.max_workgroup_size[0] = c->size_x;
    if (c->buffers)
        caps.max_storage_buffers = c->buffers;
    if (c->loops)
        caps.max_loops = c->loops;
    if (c->subgroup)
        caps.subgroup_size = c->subgroup;
    caps.subgroup_shuffle = caps.subgroup_shuffle && !c->no_shuffle;
    caps.left_out = c->left_out;
    memset(caps.wrong, c->wrong ? 255 : 0, sizeof caps.wrong);
    return caps;
}

static const conv2d_variant *variant_named(const refusals *r, const char *name)
{
    for (size_t i = 0; i < r->variant_count; i++)
        if (!strcmp(r->variants[i].name, name))
            return &r->variants[i];
    fail_msg("there is no variant '%s'", name);
    return NULL;
}

void refusals_check(const refusals *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const refusal row = r->row(i);
        const conv2d_variant *variant = variant_named(r, row.variant);
        const vkd_caps caps = refusal_caps(row.device, &row.changed);
        const char *reason = variant->refuses(&row.problem, &caps, variant->tile);
        if (!reason != !row.reason || (reason && strcmp(reason, row.reason)))
            fail_msg("row %zu, '%s' on %s: refused because '%s', expected '%s'", i, row.variant,
                     caps.name, reason ? reason : "(it is not)",
                     row.reason ? row.reason : "(it is not)");
    }
}

bool refusals_expect(const refusals *r, const char *reason)
{
    for (size_t i = 0; i < r->count; i++) {
        const char *expected = r->row(i).reason;
        if (expected && !strcmp(reason, expected))
            return true;
    }
    return false;
}

/* ---------------------------------------------------------------------------------- the sources */

/* The string that begins at the quote, with those that follow it; returns what is behind. */
static const char *read_string(const char *at, char *out, size_t size)
{
    size_t length = 0;
    while (*at == '"') {
        for (at++; *at && *at != '"'; at++) {
            assert_true(length + 1 < size);
            out[length++] = *at;
        }
        at++;
        at += strspn(at, " \n");
    }
    out[length] = 0;
    return at;
}

/* Strings between here and the function's end. */
static size_t check_function(const refusals *r, const char *file, const char *begin)
{
    const char *end = strstr(begin, "\n}"), *at = begin;
    size_t count = 0;
    assert_non_null(end);
    while ((at = strchr(at, '"')) && at < end) {
        char reason[256];
        at = read_string(at, reason, sizeof reason);
        if (!refusals_expect(r, reason))
            fail_msg("%s refuses because '%s', of which no row of the table is", file, reason);
        count++;
    }
    return count;
}

static size_t check_file(const refusals *r, const char *file)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", VKD_SOURCE_DIR, file);
    FILE *stream = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    assert_true(stream && text);
    text[fread(text, 1, (1 << 20) - 1, stream)] = 0;
    fclose(stream);
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, "const char *"));) {
        at += strlen("const char *");
        const char *open = strchr(at, '('), *line = strchr(at, '\n'), *body = strstr(at, "\n{"),
                   *semicolon = strchr(at, ';');
        char name[96];
        if (!open || !body || open > line || semicolon < body || (size_t)(open - at) >= sizeof name)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(open - at), at);
        if (strstr(name, "refuse"))
            count += check_function(r, file, body);
    }
    free(text);
    return count;
}

static bool is_other(const refusals *r, const char *path)
{
    bool is = false;
    for (size_t i = 0; i < sizeof r->others / sizeof *r->others; i++)
        is = is || (r->others[i] && !fnmatch(r->others[i], path, 0));
    return is;
}

void refusals_check_sources(const refusals *r)
{
    static const char *const folders[] = {"ops/conv", "ops/gemm"};
    size_t count = check_file(r, "ops/lower.h");
    assert_true(count >= 3);
    for (size_t f = 0; f < sizeof folders / sizeof *folders; f++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", VKD_SOURCE_DIR, folders[f]);
        DIR *folder = opendir(path);
        assert_non_null(folder);
        for (struct dirent *entry; (entry = readdir(folder));) {
            snprintf(path, sizeof path, "%s/%.255s", folders[f], entry->d_name);
            if (!fnmatch(r->sources, path, 0) && !is_other(r, path))
                count += check_file(r, path);
        }
        closedir(folder);
    }
    assert_true(count > 10); /* or nothing was read */
}
